//! What allowed it: the credential with its window of validity, the grant behind it, policy decisions, approval, override.

use jiff::Timestamp;
use serde_json::Value;

use crate::credential_details::{Confirmation, RoleSession};
use crate::determining_policy::DeterminingPolicy;
use crate::digest::{ArtifactDigest, Commitment};
use crate::group::{group, words};
use crate::id::RecordId;

words! {
    /// What kind of credential.
    CredentialType {
        /// OAuth transaction token.
        TxnToken,
        /// OAuth access token.
        AccessToken,
        /// OpenID Connect ID token, also one of a workload: of GitHub Actions, a cloud, or a Kubernetes service account.
        IdToken,
        /// Identity assertion for an authorization grant (ID-JAG): what an identity provider issues for another domain's authorization
        /// server.
        IdJag,
        /// Temporary credentials of a cloud role (AWS STS); `role_session` describes the session.
        StsSession,
        /// Identity document of SPIFFE.
        Svid,
        /// A key or password without expiry.
        StaticKey,
        /// A browser's cookie.
        Cookie,
        /// Another.
        Other,
    }
}

words! {
    /// How the credential is bound to its holder.
    CredentialBinding {
        /// Not bound: any holder can use it.
        None,
        /// A bearer token (RFC 6750): any holder can use it.
        Bearer,
        /// Proof of possession (RFC 9449).
        Dpop,
        /// Mutual TLS (RFC 8705).
        Mtls,
        /// WIMSE workload proof token.
        Wpt,
    }
}

group! {
    /// The credential used for the action. Never the secret itself.
    Credential {
        /// Names the credential without being it: a JWT's `jti`, a certificate's serial, a keyed hash.
        id: String,
        /// Its type.
        r#type: CredentialType,
        /// Who issued it.
        issuer: String,
        /// The issuer's key (JOSE `kid`).
        kid: String,
        /// The audience (JWT `aud`).
        aud: Vec<String>,
        /// What it allows (OAuth `scope`).
        scope: Vec<String>,
        /// What it allows, in detail (RFC 9396).
        authorization_details: serde_json::Value,
        /// When it was issued.
        iat: Timestamp,
        /// Not valid before.
        nbf: Timestamp,
        /// Not valid at or after.
        exp: Timestamp,
        /// How it is bound to its holder.
        binding: CredentialBinding,
        /// The key it is bound to (JWT `cnf`, RFC 7800).
        cnf: Confirmation,
        /// Whether a proof that its user has that key came with each use, and was checked. False where there was none, or it was wrong.
        proof_verified: bool,
        /// The transaction that a transaction token is for (`txn`).
        txn: String,
        /// The session of a cloud role that it belongs to.
        role_session: RoleSession,
        /// The record of its issuance.
        issuance: RecordId,
        /// The revocation status, if it was checked.
        status: CredentialStatus,
    }
}

words! {
    /// How the status of a credential was looked up.
    StatusMethod {
        /// Token introspection at the issuer (RFC 7662).
        Introspection,
        /// A token status list.
        StatusList,
        /// A certificate's status (RFC 6960).
        Ocsp,
        /// A list of revoked certificates (RFC 5280).
        Crl,
        /// The trust bundle of SPIFFE.
        SvidBundle,
        /// The gateway's own table of keys.
        KeyTable,
    }
}

words! {
    /// The result of a status check.
    StatusResult {
        /// In force.
        Active,
        /// Revoked permanently.
        Revoked,
        /// Suspended.
        Suspended,
        /// No response, or unknown to the issuer.
        Unknown,
    }
}

group! {
    /// A check of a credential's status.
    CredentialStatus {
        /// The method of the check.
        method: StatusMethod,
        /// The time of the check.
        checked_at: Timestamp,
        /// The result of the check.
        result: StatusResult,
        /// Digest of the signed response.
        answer_digest: Commitment,
    }
}

words! {
    /// What kind of grant.
    GrantKind {
        /// Given just in time, for the task.
        Jit,
        /// Checked out of privileged access management.
        Pam,
        /// Standing.
        Standing,
    }
}

group! {
    /// The grant behind the credential.
    Grant {
        /// Its id.
        id: String,
        /// Its kind.
        kind: GrantKind,
        /// How long it is valid, in seconds.
        ttl_s: u64,
        /// The task it was given for.
        task: String,
    }
}

words! {
    /// Where in the interaction a decision was made.
    PolicyPhase {
        /// On the input, before the model saw it.
        Input,
        /// Before a tool was called.
        PreTool,
        /// Before a resource was read.
        ResourceRead,
        /// On the output, before delivery.
        Output,
    }
}

words! {
    /// What a policy decided.
    Verdict {
        /// Allow the action.
        Allow,
        /// Deny the action.
        Deny,
        /// Allow with changes.
        Modify,
        /// Allow only after stronger authentication or approval.
        StepUp,
        /// Escalate to another party, who decides.
        Escalate,
        /// The engine failed.
        Error,
        /// The engine was not asked.
        NotEvaluated,
    }
}

words! {
    /// What really happened then.
    Enforced {
        /// The action continued.
        Allow,
        /// The action was stopped.
        Deny,
        /// The action continued with changes.
        Modify,
    }
}

words! {
    /// What the gateway does when the policy engine fails.
    FailMode {
        /// Fails closed: the action stops.
        Closed,
        /// Fails open: the action continues.
        Open,
    }
}

group! {
    /// One decision of a policy engine.
    PolicyDecision {
        /// The engine's name for the decision.
        decision_id: String,
        /// The engine.
        engine: String,
        /// The engine's id.
        engine_id: String,
        /// Who provides it.
        engine_provider: String,
        /// Its version.
        engine_version: String,
        /// Where in the interaction.
        phase: PolicyPhase,
        /// The engine's own word for where or how it ran, if that is none of `phase`: `logging_only`.
        mode: String,
        /// The target: a tool call's id or a resource.
        target: String,
        /// The policy.
        id: String,
        /// Its version.
        version: String,
        /// Its digest.
        digest: ArtifactDigest,
        /// The rule that matched.
        rule: String,
        /// The policies that determined the verdict, where the engine names several (Cedar). Empty where none applied.
        determining: Vec<DeterminingPolicy>,
        /// Ids of policies that the engine could not evaluate and left out.
        unevaluated: Vec<String>,
        /// The verdict.
        verdict: Verdict,
        /// What was enforced.
        enforced: Enforced,
        /// The reason, as a code.
        reason: String,
        /// The reason as text. Content.
        reason_text: String,
        /// The engine's original response; it may quote its input. Content.
        response: Value,
        /// What was masked: a number, or numbers by kind.
        masked: Value,
        /// What the engine erased from its log of the decision, as JSON pointers.
        log_erased: Vec<String>,
        /// What the engine masked in its log of the decision, as JSON pointers.
        log_masked: Vec<String>,
        /// Whether the engine reports a change.
        modified: bool,
        /// The time.
        at: Timestamp,
        /// Commitment to the engine's input.
        input_digest: Commitment,
        /// Commitment to the value before the change.
        before_digest: Commitment,
        /// Commitment to the value after the change.
        after_digest: Commitment,
        /// What the gateway does when the engine fails.
        fail_mode: FailMode,
        /// The decision deliberately lowers the data class.
        declassifies: bool,
    }
}

words! {
    /// The state of an approval.
    ApprovalState {
        /// No approval is required.
        NotRequired,
        /// Approval was requested.
        Pending,
        /// Approval was given.
        Approved,
        /// Approval was rejected.
        Rejected,
        /// The request for approval expired.
        Expired,
    }
}

words! {
    /// What the approver is.
    ApproverKind {
        /// A person.
        Human,
        /// A rule.
        Policy,
        /// The other side of the transaction.
        Counterparty,
    }
}

words! {
    /// Where the approval came from.
    ApprovalSource {
        /// A person answered.
        User,
        /// A hook of the program.
        Hook,
        /// The configuration.
        Config,
        /// An automatic mode.
        Auto,
    }
}

group! {
    /// Approval of the action.
    Approval {
        /// Whether an approval was required.
        required: bool,
        /// The state of the approval.
        state: ApprovalState,
        /// Who approved. Personal.
        approver: String,
        /// What the approver is.
        approver_kind: ApproverKind,
        /// Where the answer came from.
        source: ApprovalSource,
        /// When it was given.
        at: Timestamp,
        /// Expiry of the approval.
        expires: Timestamp,
        /// The tool call that it is for, by its id. One without it is for every call.
        target: String,
        /// Commitment to the arguments that were approved.
        arguments_digest: Commitment,
        /// The ticket.
        r#ref: String,
        /// The rationale. Content.
        rationale: String,
    }
}

group! {
    /// A decision was overridden.
    Override {
        /// The person or program responsible. Personal.
        by: String,
        /// The decision that was overridden.
        decision_id: String,
        /// The overridden verdict.
        from: Verdict,
        /// What was done.
        to: Enforced,
        /// The reason, as a code.
        reason: String,
        /// The reason as text. Content.
        reason_text: String,
        /// The time.
        at: Timestamp,
    }
}
