//! Who may do what: roles, what a caller holds ([`Access`]), what it shows to get it ([`Token`]), and permission to read content.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vouchlog_evidence::RecordId;
use zeroize::Zeroizing;

use crate::{Result, VaultError};

/// One thing a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Keep records and say where the log has them.
    Submit,
    /// Find records; read everything but their content.
    ReadMetadata,
    /// Read content, each time on record.
    ReadContent,
    /// Hand evidence to others.
    Disclose,
    /// Erase records, place and lift legal holds, set how long records are kept.
    Erase,
    /// Name the others and rewrap keys.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 6] =
        [Self::Submit, Self::ReadMetadata, Self::ReadContent, Self::Disclose, Self::Erase, Self::Admin];

    /// Its name on the command line and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::ReadMetadata => "read-metadata",
            Self::ReadContent => "read-content",
            Self::Disclose => "disclose",
            Self::Erase => "erase",
            Self::Admin => "admin",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of roles.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// No role.
    pub const NONE: Roles = Roles(0);

    /// Every role.
    pub fn all() -> Self {
        Role::ALL.into_iter().collect()
    }

    /// Whether `role` is in it.
    pub const fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// The roles in it.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    /// As the database has it.
    pub(crate) fn bits(self) -> i64 {
        i64::from(self.0)
    }

    /// Reads [`bits`](Self::bits) back; a bit without meaning grants nothing.
    pub(crate) fn from_bits(bits: i64) -> Self {
        Role::ALL.into_iter().filter(|role| bits & (1 << *role as u8) != 0).collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | 1 << role as u8))
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Role::name)).finish()
    }
}

/// What a caller may do, and by which name it is on record. [`Vault::owner`](crate::Vault::owner) and
/// [`Vault::authenticate`](crate::Vault::authenticate) make it.
///
/// It is checked when it is made: a process whose principal is revoked keeps what it has until it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    name: String,
    roles: Roles,
}

impl Access {
    pub(crate) fn new(name: String, roles: Roles) -> Self {
        Self { name, roles }
    }

    /// By which name the caller is on record.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may do.
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// Refuses callers without `role`.
    pub fn require(&self, role: Role) -> Result<()> {
        if self.roles.has(role) {
            return Ok(());
        }
        Err(VaultError::Forbidden { who: self.name.clone(), needs: role })
    }
}

/// What a principal shows: 32 random bytes, of which the vault keeps a salted hash alone. It is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<[u8; 32]>);

impl Token {
    /// So that a token in the wrong place is recognised.
    const PREFIX: &'static str = "vouchlog-vault-";

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
/// a disclosure: so nobody reads unseen.
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
