//! The list of a vault's principals, with its holds and retention classes: one value in the database, sealed under the key encryption
//! key, so that nobody without the key can add, change or take out any of them, or all.
//!
//! ```text
//! vault.principals = sealed Roster, as JSON; the context names the vault
//! ```
//!
//! There is always a list, if an empty one; a vault without one is refused. Each change has the next generation. A list that is older
//! than one that was seen is refused: by every process that has the vault open, and on SQLite by every process, as the mark beside the
//! database has the generation, too.

use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row as _};

use crate::duties::Duties;
use crate::keys::{self, KeyRing, context, seal};
use crate::limits::MAX_PRINCIPALS;
use crate::role::{Role, Roles};
use crate::shared::Shared;
use crate::{Result, VaultError};

/// The principals, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roster {
    pub(crate) generation: u64,
    pub(crate) principals: Vec<RosterEntry>,
    /// None of a vault of an earlier version alone.
    #[serde(default)]
    pub(crate) duties: Option<Duties>,
}

/// A principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RosterEntry {
    pub(crate) name: String,
    pub(crate) roles: i64,
    /// None is every tenant.
    pub(crate) tenant: Option<String>,
    pub(crate) salt: Vec<u8>,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) granted_at: i64,
}

impl RosterEntry {
    pub(crate) fn roles(&self) -> Roles {
        Roles::from_bits(self.roles)
    }
}

impl Roster {
    /// Reads the list as it is now.
    pub(crate) async fn read(shared: &Shared, tx: &mut AnyConnection) -> Result<Self> {
        Self::read_with(&shared.keys, tx).await
    }

    /// The same before the vault is open.
    pub(crate) async fn read_with(keys: &KeyRing, tx: &mut AnyConnection) -> Result<Self> {
        // Before the list is read: meanwhile, another call may commit a newer one.
        let seen = keys.seen_roster();
        let row = sqlx::query("SELECT key_check, principals FROM vault").fetch_one(tx).await?;
        keys.check(row.try_get(0)?)?;
        let sealed: Option<Vec<u8>> = row.try_get(1)?;
        let sealed = sealed.ok_or_else(|| VaultError::damaged("the list of its principals is missing"))?;
        let roster = Self::open(keys, &sealed)?;
        roster.check_generation(seen)?;
        keys.saw_roster(roster.generation);
        keys.saw_standing(roster.duties.as_ref().is_some_and(Duties::has_standing));
        Ok(roster)
    }

    /// What must be kept.
    pub(crate) fn duties(&self) -> Result<&Duties> {
        self.duties.as_ref().ok_or_else(no_duties)
    }

    /// The same, to change it.
    pub(crate) fn duties_mut(&mut self) -> Result<&mut Duties> {
        self.duties.as_mut().ok_or_else(no_duties)
    }

    /// Refuses a list that is older than the one of generation `seen`.
    pub(crate) fn check_generation(&self, seen: u64) -> Result<()> {
        if self.generation >= seen {
            return Ok(());
        }
        let generation = self.generation;
        Err(VaultError::damaged(format!(
            "the list of its principals is older than it was: generation {generation} instead of {seen}"
        )))
    }

    /// Puts a changed list in place of the one that was read in the same transaction. Once that is committed:
    /// [`Shared::saw_roster`].
    pub(crate) async fn write(&mut self, shared: &Shared, tx: &mut AnyConnection) -> Result<()> {
        self.write_with(&shared.keys, tx).await
    }

    /// The same before the vault is open.
    pub(crate) async fn write_with(&mut self, keys: &KeyRing, tx: &mut AnyConnection) -> Result<()> {
        self.check()?;
        self.generation += 1;
        let sealed = self.seal(keys.kek().bytes(), keys.vault())?;
        sqlx::query("UPDATE vault SET principals = $1").bind(sealed).execute(tx).await?;
        Ok(())
    }

    pub(crate) fn seal(&self, kek: &[u8], vault: &[u8]) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(self).expect("it is made of texts and numbers");
        seal(kek, &roster_context(vault), &json)
    }

    fn open(keys: &KeyRing, sealed: &[u8]) -> Result<Self> {
        let changed = || {
            VaultError::damaged(
                "the list of its principals is not what was written: it was changed without the vault's key",
            )
        };
        let json =
            keys::open(keys.kek().bytes(), &roster_context(keys.vault()), sealed).ok_or_else(changed)?;
        serde_json::from_slice(&json).map_err(|_| changed())
    }

    /// Not too many, and if any, one that can name others.
    fn check(&self) -> Result<()> {
        self.duties.as_ref().map_or(Ok(()), Duties::check_bounds)?;
        if self.principals.len() > MAX_PRINCIPALS {
            return Err(VaultError::invalid(format!("a vault has at most {MAX_PRINCIPALS} principals")));
        }
        let is_admin = |entry: &RosterEntry| entry.roles().has(Role::Admin);
        if !self.principals.is_empty() && !self.principals.iter().any(is_admin) {
            return Err(VaultError::LastAdmin);
        }
        Ok(())
    }

    /// The principals of a vault that an earlier version made, as its rows have them: nothing shows whether these were changed. They
    /// are of every tenant, as they were.
    pub(crate) async fn of_earlier_version(tx: &mut AnyConnection) -> Result<Self> {
        let sql = "SELECT name, roles, salt, token_hash, granted_at FROM principal ORDER BY name";
        let rows = sqlx::query(sql).fetch_all(tx).await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(RosterEntry {
                name: row.try_get(0)?,
                roles: row.try_get(1)?,
                tenant: None,
                salt: row.try_get(2)?,
                token_hash: row.try_get(3)?,
                granted_at: row.try_get(4)?,
            })
        };
        Ok(Self { generation: 1, principals: rows.iter().map(read).collect::<Result<_>>()?, duties: None })
    }
}

fn no_duties() -> VaultError {
    VaultError::damaged("the sealed list of its holds is missing")
}

fn roster_context(vault: &[u8]) -> Vec<u8> {
    context(&["principals", &hex::encode(vault)])
}
