//! What the vault and its writer have in common.

use std::sync::{Arc, OnceLock};

use sqlx::{AnyConnection, Row as _};

use crate::database::Database;
use crate::error::named;
use crate::keys::{KeyRing, Tenant};
use crate::learned::Learned;
use crate::objects::Objects;
use crate::partitions::Partitions;
use crate::{Result, VaultError};

/// What the vault and its writer have in common.
pub(crate) struct Shared {
    pub(crate) db: Database,
    pub(crate) keys: KeyRing,
    pub(crate) learned: Learned,
    /// Where long content is, once it was given.
    pub(crate) objects: OnceLock<Arc<Objects>>,
    pub(crate) partitions: Partitions,
    /// Where the vault is, without a password.
    pub(crate) shown: String,
}

impl Shared {
    /// Names the vault in errors that report damage.
    pub(crate) async fn named<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        work.await.map_err(|error| named(error, &self.shown))
    }

    /// The object store, for content that is there.
    pub(crate) async fn objects(&self) -> Result<&Objects> {
        match self.given_objects().await? {
            Some(objects) => Ok(objects),
            None => Err(VaultError::NeedsObjects(self.noted_objects().await?.unwrap_or_default())),
        }
    }

    /// The object store, if the vault was given one, once it is known to be the one of this vault.
    pub(crate) async fn given_objects(&self) -> Result<Option<&Objects>> {
        let Some(objects) = self.objects.get() else { return Ok(None) };
        objects.identify(&self.db, &self.keys).await?;
        Ok(Some(objects))
    }

    /// The URL of the object store that the vault was last given.
    pub(crate) async fn noted_objects(&self) -> Result<Option<String>> {
        let row = sqlx::query("SELECT objects_url FROM vault").fetch_one(&self.db.readers).await?;
        Ok(row.try_get(0)?)
    }

    /// A list of principals of this generation is committed.
    pub(crate) fn saw_roster(&self, generation: u64) {
        self.keys.saw_roster(generation);
        self.db.note_roster(generation);
    }

    /// A tenant's row, unwrapped.
    pub(crate) async fn find_tenant(
        &self,
        tx: &mut AnyConnection,
        name: &str,
    ) -> Result<Option<Arc<Tenant>>> {
        let find = "SELECT id, custody_key, facet_key FROM tenant WHERE name = $1";
        let Some(row) = sqlx::query(find).bind(name).fetch_optional(tx).await? else { return Ok(None) };
        let tenant = self.keys.unwrap_tenant(row.try_get(0)?, name, row.try_get(1)?, row.try_get(2)?)?;
        Ok(Some(Arc::new(tenant)))
    }
}
