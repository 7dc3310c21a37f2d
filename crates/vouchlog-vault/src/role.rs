//! Roles: what callers may do.

use std::fmt;

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
    /// Decide about findings: explain them, accept them, open them again.
    Review,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 7] = [
        Self::Submit,
        Self::ReadMetadata,
        Self::ReadContent,
        Self::Disclose,
        Self::Erase,
        Self::Admin,
        Self::Review,
    ];

    /// Its name on the command line and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::ReadMetadata => "read-metadata",
            Self::ReadContent => "read-content",
            Self::Disclose => "disclose",
            Self::Erase => "erase",
            Self::Admin => "admin",
            Self::Review => "review",
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
