//! Why a request is not let in.

use thiserror::Error;

use crate::grants::Role;

/// Why a request is not let in. No variant contains what was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Denied {
    /// It brought no credential, and needs one.
    #[error("authentication is required: send `authorization: Bearer <token>`")]
    Missing,
    /// Its credential is not in a form that can be checked.
    #[error("the header `authorization` must be `Bearer <token>`, once")]
    Malformed,
    /// Its credential is not valid here, and why.
    #[error("the credential is not valid: {0}")]
    Invalid(&'static str),
    /// Its token has expired.
    #[error("the token has expired")]
    Expired,
    /// The caller is known and must not do this.
    #[error("the caller lacks the role `{}`", .0.name())]
    Role(Role),
    /// The caller is known and must not do this, in words.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The identity provider cannot be asked at the moment.
    #[error("the identity provider cannot be reached: retry the same request later")]
    Unavailable,
}

impl Denied {
    /// Whether the caller is known, and another credential is needed to go on.
    pub const fn is_forbidden(self) -> bool {
        matches!(self, Self::Role(_) | Self::Forbidden(_))
    }

    /// Whether the same request may succeed later.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Unavailable)
    }

    /// The value of `WWW-Authenticate` that goes with it.
    ///
    /// SPEC: RFC 6750 section 3: a request without a credential gets no error code.
    pub const fn challenge(self) -> &'static str {
        match self {
            Self::Missing | Self::Unavailable => "Bearer",
            Self::Malformed => "Bearer error=\"invalid_request\"",
            Self::Invalid(_) | Self::Expired => "Bearer error=\"invalid_token\"",
            Self::Role(_) | Self::Forbidden(_) => "Bearer error=\"insufficient_scope\"",
        }
    }

    /// As metrics have it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Invalid(_) => "invalid",
            Self::Expired => "expired",
            Self::Role(_) | Self::Forbidden(_) => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }
}
