//! Who may do what: what a caller holds ([`Access`]), what it shows to get it ([`Token`]), and permission to read content.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vouchlog_record::RecordId;
use zeroize::Zeroizing;

use crate::query::Query;
use crate::role::Roles;
use crate::{Result, VaultError};

/// What a caller may do, and by which name it is on record. [`Vault::owner`](crate::Vault::owner) and
/// [`Vault::authenticate`](crate::Vault::authenticate) make it.
///
/// It is checked when it is made: a process whose principal is revoked keeps what it has until it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    name: String,
    /// The principal that it is, or of which it is a member.
    principal: String,
    roles: Roles,
    /// None is every tenant.
    tenant: Option<String>,
}

impl Access {
    pub(crate) fn new(name: String, roles: Roles, tenant: Option<String>) -> Self {
        Self { principal: name.clone(), name, roles, tenant }
    }

    /// By which name the caller is on record.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The principal whose roles the caller has: itself, or the group that it is of.
    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    /// What it may do.
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// The only tenant whose records it may see or change; none is every tenant.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Refuses callers of another tenant.
    pub fn require_tenant(&self, tenant: &str) -> Result<()> {
        if self.sees(tenant) {
            return Ok(());
        }
        Err(VaultError::ForbiddenTenant { who: self.name.clone(), tenant: tenant.to_owned() })
    }

    /// The same access to one tenant alone.
    pub fn of_tenant(&self, tenant: &str) -> Result<Self> {
        self.require_tenant(tenant)?;
        Ok(Self { tenant: Some(tenant.to_owned()), ..self.clone() })
    }

    /// The same access on record by a longer name: of one person of a group, all of whom share what the group may do.
    #[must_use]
    pub fn of_person(self, person: &str) -> Self {
        Self { name: format!("{}/{person}", self.name), ..self }
    }

    /// Whether it may see what is of this tenant.
    pub(crate) fn sees(&self, tenant: &str) -> bool {
        self.tenant.as_deref().is_none_or(|own| own == tenant)
    }

    /// The tenant to look at, if it is one: the one that is asked for, or the only one that it may see.
    pub(crate) fn tenant_within<'a>(&'a self, asked: Option<&'a str>) -> Result<Option<&'a str>> {
        if let Some(asked) = asked {
            self.require_tenant(asked)?;
        }
        Ok(asked.or(self.tenant()))
    }

    /// A query within what it may see.
    pub(crate) fn within(&self, query: &Query) -> Result<Query> {
        let mut query = query.clone();
        query.tenant = self.tenant_within(query.tenant.as_deref())?.map(str::to_owned);
        Ok(query)
    }
}

/// What a principal shows: 32 random bytes, of which the vault keeps a salted hash alone. It is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<[u8; 32]>);

impl Token {
    /// So that a token in the wrong place is recognised.
    pub const PREFIX: &'static str = "vouchlog-vault-";

    pub(crate) fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    /// Reads [`reveal`](Self::reveal) back.
    pub fn parse(text: &str) -> Result<Self> {
        let secret = text.trim().strip_prefix(Self::PREFIX);
        let bytes =
            Zeroizing::new(secret.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default());
        let secret = bytes.as_slice().try_into().map_err(|_| VaultError::TokenUnknown)?;
        Ok(Self(Zeroizing::new(secret)))
    }

    /// The text to hand to the principal.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(*self.0)))
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

/// Permission to read the content of some records. Only the crate's recorder makes one, after it has put the reading on record as
/// a disclosure, so no reading goes unrecorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPermit(Vec<RecordId>);

impl ReadPermit {
    /// For records whose disclosure is on record.
    pub(crate) fn new(records: Vec<RecordId>) -> Self {
        Self(records)
    }

    pub(crate) fn check(&self, id: &RecordId) -> Result<()> {
        if self.0.contains(id) {
            return Ok(());
        }
        Err(VaultError::NotPermitted(id.clone()))
    }
}
