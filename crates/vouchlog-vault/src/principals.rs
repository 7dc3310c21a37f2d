//! The vault's principals: granting, revoking, and authenticating.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sqlx::{AnyConnection, Row as _};

use crate::access::{Access, Token};
use crate::keys::{random, random_key};
use crate::limits::MAX_PRINCIPALS;
use crate::record::check_name;
use crate::role::{Role, Roles};
use crate::{Result, Vault, VaultError};

/// A name and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name, which goes on record with what it does.
    pub name: String,
    /// What it may do.
    pub roles: Roles,
    /// Since when, in milliseconds since 1970-01-01 UTC.
    pub granted_at: i64,
}

impl Vault {
    /// Every role, for a caller that opened the vault with its key, while it has no principals. From the first
    /// [`grant`](Self::grant) on a token is needed.
    ///
    /// Roles restrict callers that authenticate with a token. A holder of both the database and the key encryption key
    /// needs neither: keep these with one service, and give people tokens.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "owner"))]
    pub async fn owner(&self) -> Result<Access> {
        self.shared
            .named(async {
                let mut connection = self.shared.db.readers.acquire().await?;
                if count(&mut connection, 0).await? > 0 {
                    return Err(VaultError::TokenNeeded);
                }
                Ok(Access::new("owner".to_owned(), Roles::all()))
            })
            .await
    }

    /// Who shows this token, and what it may do.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "authenticate"))]
    pub async fn authenticate(&self, token: &Token) -> Result<Access> {
        self.shared
            .named(async {
                let sql = "SELECT name, roles, salt, token_hash FROM principal ORDER BY name";
                for row in sqlx::query(sql).fetch_all(&self.shared.db.readers).await? {
                    if verify_slices_are_equal(&hash(row.try_get(2)?, token), row.try_get(3)?).is_ok() {
                        return Ok(Access::new(row.try_get(0)?, Roles::from_bits(row.try_get(1)?)));
                    }
                }
                Err(VaultError::TokenUnknown)
            })
            .await
    }

    /// Creates a principal, or gives one new roles and a new token, which voids the old one. The token is shown this once. The
    /// first one named must have the role `admin`.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "grant"))]
    pub async fn grant(&self, access: &Access, name: &str, roles: Roles, now: i64) -> Result<Token> {
        self.shared.named(async {
            access.require(Role::Admin)?;
            check_name("a principal", name)?;
            let token = Token::new(random_key()?);
            let mut salt = vec![0; 16];
            random(&mut salt)?;
            let hash = hash(&salt, &token);
            let mut tx = self.shared.db.begin().await?;
            self.shared.db.lock(&mut tx, true).await?;
            let insert = "INSERT INTO principal (name, roles, salt, token_hash, granted_at) VALUES ($1, $2, $3, $4, $5) \
                          ON CONFLICT (name) DO UPDATE SET roles = excluded.roles, salt = excluded.salt, \
                          token_hash = excluded.token_hash, granted_at = excluded.granted_at";
            let insert =
                sqlx::query(insert).bind(name).bind(roles.bits()).bind(salt).bind(hash.to_vec()).bind(now);
            insert.execute(&mut *tx).await?;
            check_principals(&mut tx).await?;
            self.shared.db.commit(tx).await?;
            Ok(token)
        }).await
    }

    /// Takes a name out; its token is void. The last one may go too: then the key alone gives every role again.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "revoke"))]
    pub async fn revoke(&self, access: &Access, name: &str) -> Result<()> {
        self.shared
            .named(async {
                access.require(Role::Admin)?;
                let mut tx = self.shared.db.begin().await?;
                self.shared.db.lock(&mut tx, true).await?;
                let deleted =
                    sqlx::query("DELETE FROM principal WHERE name = $1").bind(name).execute(&mut *tx).await?;
                if deleted.rows_affected() == 0 {
                    return Err(VaultError::UnknownPrincipal(name.to_owned()));
                }
                check_principals(&mut tx).await?;
                self.shared.db.commit(tx).await
            })
            .await
    }

    /// Everybody named, by name.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "principals"))]
    pub async fn principals(&self, access: &Access) -> Result<Vec<Principal>> {
        self.shared
            .named(async {
                access.require(Role::Admin)?;
                let sql = "SELECT name, roles, granted_at FROM principal ORDER BY name";
                let rows = sqlx::query(sql).fetch_all(&self.shared.db.readers).await?;
                let read = |row: &sqlx::any::AnyRow| {
                    let roles = Roles::from_bits(row.try_get(1)?);
                    Ok(Principal { name: row.try_get(0)?, roles, granted_at: row.try_get(2)? })
                };
                rows.iter().map(read).collect()
            })
            .await
    }
}

/// Not too many, and if any, one that can name others.
async fn check_principals(tx: &mut AnyConnection) -> Result<()> {
    let everybody = count(tx, 0).await?;
    if everybody > MAX_PRINCIPALS {
        return Err(VaultError::invalid(format!("a vault has at most {MAX_PRINCIPALS} principals")));
    }
    let admin: Roles = [Role::Admin].into_iter().collect();
    if everybody > 0 && count(tx, admin.bits()).await? == 0 {
        return Err(VaultError::LastAdmin);
    }
    Ok(())
}

/// How many have all of these roles.
async fn count(tx: &mut AnyConnection, roles: i64) -> Result<usize> {
    let row =
        sqlx::query("SELECT count(*) FROM principal WHERE roles & $1 = $1").bind(roles).fetch_one(tx).await?;
    usize::try_from(row.try_get::<i64, _>(0)?).map_err(|_| VaultError::damaged("a count is negative"))
}

/// SHA-256 of salt and token. A token has 256 random bits, so a slow hash would add nothing.
fn hash(salt: &[u8], token: &Token) -> [u8; 32] {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    digest.update(salt);
    digest.update(token.secret());
    *digest.finish().as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}
