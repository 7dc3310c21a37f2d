//! The vault's principals: granting, revoking, and authenticating.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::access::{Access, Token};
use crate::keys::{random, random_key};
use crate::operation::Operation;
use crate::record::check_name;
use crate::role::{Role, Roles};
use crate::roster::{Roster, RosterEntry};
use crate::{Result, Vault, VaultError};

/// A name and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name, which goes on record with what it does.
    pub name: String,
    /// What it may do.
    pub roles: Roles,
    /// The only tenant that it has access to; none is every tenant.
    pub tenant: Option<String>,
    /// Since when, in milliseconds since 1970-01-01 UTC.
    pub granted_at: i64,
}

impl Vault {
    /// Every role, for a caller that opened the vault with its key, while it has no principals. From the first
    /// [`grant`](Self::grant) on a token is needed.
    ///
    /// Roles restrict callers that authenticate with a token. The list of principals is sealed under the key encryption key, so a writer
    /// of the database without the key cannot change it. A holder of both needs neither: keep these with one service, and give people
    /// tokens.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "owner"))]
    pub async fn owner(&self) -> Result<Access> {
        if !self.roster().await?.principals.is_empty() {
            return Err(VaultError::TokenNeeded);
        }
        Ok(Access::new("owner".to_owned(), Roles::all(), None))
    }

    /// Who shows this token, and what it may do.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "authenticate"))]
    pub async fn authenticate(&self, token: &Token) -> Result<Access> {
        for entry in &self.roster().await?.principals {
            if verify_slices_are_equal(&hash(&entry.salt, token), &entry.token_hash).is_ok() {
                let roles = entry.roles();
                return Ok(Access::new(entry.name.clone(), roles, entry.tenant.clone()));
            }
        }
        Err(VaultError::TokenUnknown)
    }

    /// What a principal may do whom the caller has authenticated: a server, by a client certificate or an identity provider.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "principal"))]
    pub async fn principal(&self, name: &str) -> Result<Access> {
        let roster = self.roster().await?;
        let entry = roster.principals.iter().find(|entry| entry.name == name);
        let entry = entry.ok_or_else(|| VaultError::UnknownPrincipal(name.to_owned()))?;
        Ok(Access::new(entry.name.clone(), entry.roles(), entry.tenant.clone()))
    }

    /// Whether there are principals. A vault without any gives every role to whoever has its key.
    pub async fn has_principals(&self) -> Result<bool> {
        Ok(!self.roster().await?.principals.is_empty())
    }

    async fn roster(&self) -> Result<Arc<Roster>> {
        let read = || async {
            let mut connection = self.shared.db.readers.acquire().await?;
            Roster::read(&self.shared, &mut connection).await
        };
        self.shared.named(self.roster_reads.newest(read)).await
    }

    /// Creates a principal, or gives one new roles and a new token, which voids the old one. It has access to `tenant` alone, or, without
    /// one, to all. The token is shown this once. The first one named must have the role `admin`, which concerns every tenant.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "grant"))]
    pub async fn grant(
        &self,
        access: &Access,
        name: &str,
        roles: Roles,
        tenant: Option<&str>,
        now: i64,
    ) -> Result<Token> {
        self.shared
            .named(async {
                access.allow(Operation::ManagePrincipals)?;
                check_name("a principal", name)?;
                if let Some(tenant) = tenant {
                    check_name("a tenant", tenant)?;
                    if roles.has(Role::Admin) {
                        return Err(VaultError::invalid(
                            "the role `admin` concerns every tenant: grant it for all of them",
                        ));
                    }
                }
                let token = Token::new(random_key()?);
                let mut salt = vec![0; 16];
                random(&mut salt)?;
                let entry = RosterEntry {
                    name: name.to_owned(),
                    roles: roles.bits(),
                    tenant: tenant.map(str::to_owned),
                    token_hash: hash(&salt, &token).to_vec(),
                    salt,
                    granted_at: now,
                };
                self.change_roster(|principals| {
                    principals.retain(|other| other.name != name);
                    principals.push(entry);
                    principals.sort_by(|a, b| a.name.cmp(&b.name));
                    Ok(())
                })
                .await?;
                Ok(token)
            })
            .await
    }

    /// Takes a name out; its token is void, and the searches that it saved are deleted. The last one may go too: then the key alone gives
    /// every role again.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "revoke"))]
    pub async fn revoke(&self, access: &Access, name: &str) -> Result<()> {
        self.shared
            .named(async {
                access.allow(Operation::ManagePrincipals)?;
                self.change_roster(|principals| {
                    let before = principals.len();
                    principals.retain(|entry| entry.name != name);
                    if principals.len() == before {
                        return Err(VaultError::UnknownPrincipal(name.to_owned()));
                    }
                    Ok(())
                })
                .await?;
                // It has no access any more, whatever becomes of these.
                if let Err(error) = self.delete_searches_of(name).await {
                    tracing::warn!(%error, "the searches that a revoked principal saved were not deleted");
                }
                Ok(())
            })
            .await
    }

    async fn change_roster(&self, change: impl FnOnce(&mut Vec<RosterEntry>) -> Result<()>) -> Result<()> {
        let db = &self.shared.db;
        let mut tx = db.begin().await?;
        db.lock(&mut tx, true).await?;
        let mut roster = Roster::read(&self.shared, &mut tx).await?;
        change(&mut roster.principals)?;
        roster.write(&self.shared, &mut tx).await?;
        db.commit(tx).await?;
        self.shared.saw_roster(roster.generation);
        Ok(())
    }

    /// Everybody named, by name.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "principals"))]
    pub async fn principals(&self, access: &Access) -> Result<Vec<Principal>> {
        access.allow(Operation::ManagePrincipals)?;
        let read = |entry: &RosterEntry| Principal {
            name: entry.name.clone(),
            roles: entry.roles(),
            tenant: entry.tenant.clone(),
            granted_at: entry.granted_at,
        };
        Ok(self.roster().await?.principals.iter().map(read).collect())
    }
}

/// SHA-256 of salt and token. A token has 256 random bits, so a slow hash would add nothing.
pub(crate) fn hash(salt: &[u8], token: &Token) -> [u8; 32] {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    digest.update(salt);
    digest.update(token.secret());
    *digest.finish().as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}
