//! The vault's principals.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_vault::{Access, Operation, Role, Roles};

use crate::ask::Ask;
use crate::erasing::now;
use crate::error::DeskError;
use crate::local::LocalDesk;

/// Grants access to a principal, or gives one other roles and another token.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantPrincipal {
    /// The principal's name, as the log records it.
    pub name: String,
    /// Names of its roles.
    pub roles: Vec<String>,
    /// The only tenant that it has access to; none is every tenant.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// A principal's token, which is shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Granted {
    /// The principal's name.
    pub name: String,
    /// The only tenant that it has access to; none is every tenant.
    pub tenant: Option<String>,
    /// The token.
    pub token: String,
}

impl Ask for GrantPrincipal {
    type Answer = Granted;
    const NAME: &'static str = "grant-principal";
    const SUMMARY: &'static str = "Grants access to a principal, and returns its token, once";

    fn operation(&self) -> Operation {
        Operation::ManagePrincipals
    }

    /// The one that it grants access to is no bound of what is asked.
    fn tenant(&self) -> Option<&str> {
        None
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<Granted, DeskError> {
        let Self { name, roles, tenant } = self;
        let role = |name: &String| {
            Role::from_name(name).ok_or_else(|| DeskError::Invalid("there is no such role".to_owned()))
        };
        if roles.len() > Role::ALL.len() {
            return Err(DeskError::Invalid("there are not that many roles".to_owned()));
        }
        let roles: Roles = roles.iter().map(role).collect::<Result<Vec<_>, _>>()?.into_iter().collect();
        let token = desk.vault().grant(access, &name, roles, tenant.as_deref(), now()).await?;
        let token = token.reveal().to_string();
        Ok(Granted { name, tenant, token })
    }
}

/// Revokes a principal's access.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokePrincipal {
    /// The principal's name.
    pub name: String,
}

/// That access was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// The principal's name.
    pub revoked: String,
}

impl Ask for RevokePrincipal {
    type Answer = Revoked;
    const NAME: &'static str = "revoke-principal";
    const SUMMARY: &'static str = "Revokes a principal's access";

    fn operation(&self) -> Operation {
        Operation::ManagePrincipals
    }

    fn tenant(&self) -> Option<&str> {
        None
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<Revoked, DeskError> {
        desk.vault().revoke(access, &self.name).await?;
        Ok(Revoked { revoked: self.name })
    }
}

/// The principals and their roles.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListPrincipals {}

/// The principals, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrincipalRows {
    /// The principals.
    pub principals: Vec<PrincipalRow>,
}

/// A principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrincipalRow {
    /// Its name.
    pub name: String,
    /// The only tenant that it has access to; none is every tenant.
    pub tenant: Option<String>,
    /// Names of its roles.
    pub roles: Vec<String>,
}

impl Ask for ListPrincipals {
    type Answer = PrincipalRows;
    const NAME: &'static str = "list-principals";
    const SUMMARY: &'static str = "Lists the principals and their roles";

    fn operation(&self) -> Operation {
        Operation::ManagePrincipals
    }

    fn tenant(&self) -> Option<&str> {
        None
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<PrincipalRows, DeskError> {
        let principals = desk.vault().principals(access).await?;
        let row = |principal: vouchlog_vault::Principal| PrincipalRow {
            name: principal.name,
            tenant: principal.tenant,
            roles: principal.roles.iter().map(|role| role.name().to_owned()).collect(),
        };
        Ok(PrincipalRows { principals: principals.into_iter().map(row).collect() })
    }
}
