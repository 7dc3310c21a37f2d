//! More about a credential: the key it is bound to, and the role it stands for.

use crate::group::group;

group! {
    /// The key that a credential is bound to (JWT `cnf`, RFC 7800), as a thumbprint.
    Confirmation {
        /// Thumbprint of the key of DPoP proofs (`jkt`, RFC 9449 section 6.1).
        jkt: String,
        /// Thumbprint of the client's certificate (`x5t#S256`, RFC 8705 section 3.1).
        x5t_s256: String,
    }
}

group! {
    /// A session of a cloud role, as AWS STS gives it. Its window is the credential's.
    RoleSession {
        /// The role (AWS: its ARN).
        role: String,
        /// The name of the session. Its caller chooses it, unless the role restricts it.
        name: String,
        /// The identity that was set when the first role was assumed, and stays for those assumed from it (AWS `SourceIdentity`).
        source_identity: String,
    }
}
