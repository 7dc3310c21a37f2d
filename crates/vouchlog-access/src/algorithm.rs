//! Algorithms that may sign tokens of identity providers.

use serde::Deserialize;

/// A signature algorithm that an issuer may be allowed. Symmetric ones and `none` cannot be named at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub(crate) enum SignatureAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl SignatureAlgorithm {
    const ALL: [(Self, &'static str); 9] = [
        (Self::RS256, "RS256"),
        (Self::RS384, "RS384"),
        (Self::RS512, "RS512"),
        (Self::PS256, "PS256"),
        (Self::PS384, "PS384"),
        (Self::PS512, "PS512"),
        (Self::ES256, "ES256"),
        (Self::ES384, "ES384"),
        (Self::EdDSA, "EdDSA"),
    ];

    pub(crate) fn name(self) -> &'static str {
        let row = Self::ALL.into_iter().find(|(algorithm, _)| *algorithm == self);
        row.map(|(_, name)| name).expect("every algorithm has a row")
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(algorithm, _)| algorithm)
    }
}
