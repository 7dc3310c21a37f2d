//! What is done with a vault, and what it takes: the one table that decides, whether the vault is open in this process or served by
//! another.

use std::fmt;

use crate::access::Access;
use crate::role::Role;
use crate::{Result, VaultError};

/// Something that is done with a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Keep records, and note where the log has them.
    Submit,
    /// Find records; read everything but content; list holds and retention classes.
    Read,
    /// Save searches of one's own, list and delete them.
    SaveSearches,
    /// Read content.
    ReadContent,
    /// Give fields of records to others.
    Disclose,
    /// Decide about findings.
    Review,
    /// Place or lift a hold.
    Hold,
    /// Erase records, or plan it.
    Erase,
    /// Set how long a class of records is kept.
    SetRetention,
    /// Rewrite the database.
    Compact,
    /// Grant, revoke and list principals.
    ManagePrincipals,
    /// Wrap the vault's keys under another key.
    Rewrap,
}

/// Whom an operation concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concern {
    /// The tenants that the caller has access to.
    OwnTenants,
    /// Every tenant, so that a caller of one may not do it.
    EveryTenant,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 12] = [
        Self::Submit,
        Self::Read,
        Self::SaveSearches,
        Self::ReadContent,
        Self::Disclose,
        Self::Review,
        Self::Hold,
        Self::Erase,
        Self::SetRetention,
        Self::Compact,
        Self::ManagePrincipals,
        Self::Rewrap,
    ];

    /// The table.
    const fn needs(self) -> (Role, Concern) {
        match self {
            Self::Submit => (Role::Submit, Concern::OwnTenants),
            Self::Read | Self::SaveSearches => (Role::ReadMetadata, Concern::OwnTenants),
            Self::ReadContent => (Role::ReadContent, Concern::OwnTenants),
            Self::Disclose => (Role::Disclose, Concern::OwnTenants),
            Self::Review => (Role::Review, Concern::OwnTenants),
            Self::Hold | Self::Erase => (Role::Erase, Concern::OwnTenants),
            Self::SetRetention | Self::Compact => (Role::Erase, Concern::EveryTenant),
            Self::ManagePrincipals | Self::Rewrap => (Role::Admin, Concern::EveryTenant),
        }
    }

    /// Its name, for the description of an interface.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::SaveSearches => "save-searches",
            Self::ReadContent => "read-content",
            Self::Disclose => "disclose",
            Self::Review => "review",
            Self::Hold => "hold",
            Self::Erase => "erase",
            Self::SetRetention => "set-retention",
            Self::Compact => "compact",
            Self::ManagePrincipals => "manage-principals",
            Self::Rewrap => "rewrap",
        }
    }

    /// The role that it takes.
    pub const fn role(self) -> Role {
        self.needs().0
    }

    /// Whether only a caller with access to every tenant may do it.
    pub const fn concerns_every_tenant(self) -> bool {
        matches!(self.needs().1, Concern::EveryTenant)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Access {
    /// Refuses a caller that may not do this to anything.
    pub fn allow(&self, operation: Operation) -> Result<()> {
        let needs = operation.role();
        if !self.roles().has(needs) {
            return Err(VaultError::Forbidden { who: self.name().to_owned(), needs });
        }
        if operation.concerns_every_tenant() && self.tenant().is_some() {
            return Err(VaultError::NeedsAllTenants(self.name().to_owned()));
        }
        Ok(())
    }

    /// What is left of the access for one operation on what `tenant` has; none is all that the caller has access to. A vault that
    /// serves several tenants does everything under such an access, so that nothing reaches further than what was asked for.
    pub fn narrowed(&self, operation: Operation, tenant: Option<&str>) -> Result<Self> {
        self.allow(operation)?;
        match tenant {
            None => Ok(self.clone()),
            Some(tenant) => self.of_tenant(tenant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Roles;

    /// The table as it is documented: a change of one must be a change of the other.
    const DOCUMENTED: [(Operation, Role, bool); 12] = [
        (Operation::Submit, Role::Submit, false),
        (Operation::Read, Role::ReadMetadata, false),
        (Operation::SaveSearches, Role::ReadMetadata, false),
        (Operation::ReadContent, Role::ReadContent, false),
        (Operation::Disclose, Role::Disclose, false),
        (Operation::Review, Role::Review, false),
        (Operation::Hold, Role::Erase, false),
        (Operation::Erase, Role::Erase, false),
        (Operation::SetRetention, Role::Erase, true),
        (Operation::Compact, Role::Erase, true),
        (Operation::ManagePrincipals, Role::Admin, true),
        (Operation::Rewrap, Role::Admin, true),
    ];

    #[test]
    fn each_cell_of_role_tenant_and_operation_is_as_documented() {
        for (operation, needed, every_tenant) in DOCUMENTED {
            for role in Role::ALL {
                for own in [None, Some("acme")] {
                    let access = Access::new("p".into(), Roles::from_iter([role]), own.map(str::to_owned));
                    let expected = role == needed && (own.is_none() || !every_tenant);
                    assert_eq!(access.allow(operation).is_ok(), expected, "{operation} {role} {own:?}");
                    for asked in [None, Some("acme"), Some("other")] {
                        let narrowed = access.narrowed(operation, asked);
                        let is_own = own.is_none() || asked.is_none() || own == asked;
                        assert_eq!(
                            narrowed.is_ok(),
                            expected && is_own,
                            "{operation} {role} {own:?} {asked:?}"
                        );
                        if let Ok(narrowed) = narrowed {
                            assert_eq!(
                                narrowed.tenant(),
                                asked.or(own),
                                "never wider than what was asked for"
                            );
                        }
                    }
                }
            }
        }
        let all: Vec<Operation> = DOCUMENTED.iter().map(|(operation, ..)| *operation).collect();
        assert_eq!(all, Operation::ALL);
    }
}
