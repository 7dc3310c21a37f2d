//! A caller, as it was authenticated.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::denied::Denied;
use crate::grants::{EmitGrants, Role};

/// What a list of callers' names has in the place of one that was not authenticated. No principal has this name.
pub const ANONYMOUS: &str = "anonymous";

/// The name of the principal that a bearer token without an access file makes.
pub(crate) const BEARER: &str = "bearer-token";

/// How a caller was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// It was not.
    Anonymous,
    /// By a static token.
    Token,
    /// By a token of an identity provider.
    Oidc,
    /// By its client certificate.
    Certificate,
}

impl Method {
    /// As metrics and logs have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Token => "token",
            Self::Oidc => "oidc",
            Self::Certificate => "certificate",
        }
    }
}

/// A caller: its name, how it was authenticated, and what it may do. An extension of requests that were let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub(crate) identity: Arc<Identity>,
    pub(crate) method: Method,
    pub(crate) person: Person,
}

/// Which of those it is who share a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Person {
    /// The principal is not shared, as far as is known.
    Sole,
    /// The subject of a token that was recognised by its group.
    OfGroup(Arc<str>),
    /// Such a token names no subject that could be put on record.
    Unnamed,
}

/// What all requests of a caller share.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Absent of callers that are not authenticated.
    pub(crate) name: Option<String>,
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) emit: Option<Arc<EmitGrants>>,
}

impl Principal {
    /// Its name; none if it was not authenticated.
    pub fn name(&self) -> Option<&str> {
        self.identity.name.as_deref()
    }

    /// Which of those it is who share the principal, if it was recognised by a group.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// How it was authenticated.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whether it has a role.
    pub fn has(&self, role: Role) -> bool {
        let roles = &self.identity.roles;
        roles.contains(&role) || (role == Role::Metrics && roles.contains(&Role::Administer))
    }

    /// Refuses a caller without a role: one that is not authenticated has to authenticate itself first.
    pub fn require(&self, role: Role) -> Result<(), Denied> {
        match (self.has(role), self.method) {
            (true, _) => Ok(()),
            (false, Method::Anonymous) => Err(Denied::Missing),
            (false, _) => Err(Denied::Role(role)),
        }
    }

    /// What it may send to a collector, or why nothing.
    pub fn require_emit(&self) -> Result<&Arc<EmitGrants>, Denied> {
        match (&self.identity.emit, self.method) {
            (Some(grants), _) => Ok(grants),
            (None, Method::Anonymous) => Err(Denied::Missing),
            (None, _) => Err(Denied::Forbidden("the caller may not send telemetry or records")),
        }
    }
}
