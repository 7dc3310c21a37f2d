//! Gives a vault its object store, and looks after what is in it: removes what was erased, and finds objects that no record names.

use std::sync::{Arc, Weak};

use sqlx::{AnyConnection, Row as _};
use vouchlog_record::RecordId;
use vouchlog_storage::ContentStore;

use crate::database::Database;
use crate::limits::{
    FOLDER_OBJECTS, FOLDERS_AT_ONCE, REMOVAL_PATIENCE, START_PATIENCE, UNNAMED_AGE, UPKEEP_PAUSE,
};
use crate::object_folders::{close_old, millis, now, read};
use crate::object_removals::{Which, count, note_unnamed, remove_some};
use crate::objects::{ObjectMetrics, Objects};
use crate::shared::Shared;
use crate::sql::query;
use crate::{Result, Vault, VaultError};

/// What an upkeep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upkeep {
    /// Objects that it tried to remove.
    pub(crate) tried: usize,
    /// Objects that no record names.
    pub(crate) unnamed: u64,
    /// Whether there is more to do at once.
    pub(crate) more: bool,
}

impl Vault {
    /// Gives the vault the object store that long content of its records goes to, and comes from. The first one becomes the vault's: another one
    /// is refused from then on. From now on a task removes objects of what was erased, until the vault is closed.
    ///
    /// A store that does not respond within a few seconds is taken all the same: what needs no content in it works, and
    /// [`objects_trouble`](Self::objects_trouble) states the reason. Nothing is read from it, written to it or removed from it before it responded
    /// and turned out to be the one of this vault.
    ///
    /// # Errors
    /// [`VaultError::ForeignObjects`] when it is the store of another vault, not the store of this one, or cannot hold content.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "use_objects"))]
    pub async fn use_objects(&self, store: Arc<dyn ContentStore>, metrics: ObjectMetrics) -> Result<()> {
        let shared = &self.shared;
        let objects = Arc::new(Objects::new(store, metrics));
        let identified = tokio::time::timeout(START_PATIENCE, objects.identify(&shared.db, &shared.keys));
        let is_known = match identified.await {
            Ok(Err(VaultError::Objects(_))) | Err(_) => false,
            Ok(identified) => identified.map(|()| true)?,
        };
        if shared.objects.set(objects).is_err() {
            return Err(VaultError::invalid("the vault has its object store already"));
        }
        tokio::spawn(look_after(Arc::downgrade(shared), is_known));
        Ok(())
    }

    /// Why content in the object store cannot be read or kept at present, as far as that is known without asking it again.
    pub fn objects_trouble(&self) -> Option<String> {
        let objects = self.shared.objects.get()?;
        let trouble = objects.trouble()?;
        Some(format!("the object store {} cannot be used: {trouble}", objects.url()))
    }

    /// Checks that the object store can be reached, is the one of this vault, and keeps the conditions of writes. Returns its URL, or `None`
    /// for a vault that keeps all content in its database.
    ///
    /// # Errors
    /// [`VaultError::NeedsObjects`] when the vault has one and was opened without it, [`VaultError::Objects`] when it cannot be reached,
    /// [`VaultError::ForeignObjects`] when it is another one, or does not keep the conditions.
    pub async fn probe_objects(&self) -> Result<Option<String>> {
        match self.shared.given_objects().await? {
            Some(objects) => {
                objects.probe().await?;
                Ok(Some(objects.url().to_owned()))
            }
            None => match self.shared.noted_objects().await? {
                Some(url) => Err(VaultError::NeedsObjects(url)),
                None => Ok(None),
            },
        }
    }

    /// Objects of erased records that are not removed yet. Their keys are destroyed, so that they cannot be read.
    pub(crate) async fn objects_left(&self, erasure_record: &RecordId) -> Result<u64> {
        let mut connection = self.shared.db.readers.acquire().await?;
        match number(&mut connection, erasure_record).await? {
            Some(erasure) => count(&mut connection, Which::OfErasure(erasure)).await,
            None => Ok(0),
        }
    }

    /// Removes the objects of an erasure, for as long as an eraser waits. What is left then is removed later.
    pub(crate) async fn remove_objects(&self, erasure_record: &RecordId) -> Result<()> {
        let Some(objects) = self.shared.given_objects().await? else { return Ok(()) };
        let db = &self.shared.db;
        let mut connection = db.readers.acquire().await?;
        let Some(erasure) = number(&mut connection, erasure_record).await? else { return Ok(()) };
        drop(connection);
        let removing = async {
            while remove_some(db, objects, Which::OfErasure(erasure)).await? > 0 {}
            Ok(())
        };
        // Rows of what is left stay.
        tokio::time::timeout(REMOVAL_PATIENCE, removing).await.unwrap_or(Ok(()))
    }
}

async fn number(tx: &mut AnyConnection, erasure_record: &RecordId) -> Result<Option<i64>> {
    let row = sqlx::query("SELECT n FROM erasure WHERE record = $1").bind(erasure_record.as_str());
    Ok(row.fetch_optional(tx).await?.map(|row| row.try_get(0)).transpose()?)
}

/// Looks after the objects until the vault is closed or dropped.
async fn look_after(shared: Weak<Shared>, is_known: bool) {
    if !is_known {
        // It was asked a moment ago.
        tokio::time::sleep(UPKEEP_PAUSE).await;
    }
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let done = upkeep(&strong, now()).await;
        drop(strong);
        match done {
            Ok(Upkeep { more: true, .. }) => continue,
            Ok(_) => {}
            Err(VaultError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "the vault's objects were not looked after; this is tried again");
            }
        }
        tokio::time::sleep(UPKEEP_PAUSE).await;
    }
}

/// Removes what is to be removed, some objects at a time; closes old folders and finds objects that no record names in those that were closed a day ago.
pub(crate) async fn upkeep(shared: &Shared, now: i64) -> Result<Upkeep> {
    let Some(objects) = shared.given_objects().await? else { return Ok(Upkeep::default()) };
    let db = &shared.db;
    close_old(db, now).await?;
    let (unnamed, more_folders) = find_unnamed(db, objects, now).await?;
    let failures = objects.counts.removal_failures.get();
    let tried = remove_some(db, objects, Which::All).await?;
    let has_failed = objects.counts.removal_failures.get() > failures;
    Ok(Upkeep { tried, unnamed, more: more_folders || (tried > 0 && !has_failed) })
}

/// Puts objects that no record names among the objects to be removed, some folders at a time. Returns how many there were, and whether there are more folders.
///
/// A day after their folder was closed: a request of a process that was suspended may arrive late, and an older copy of the database that
/// is put in place by mistake must not cost at once what only the newer one names.
async fn find_unnamed(db: &Database, objects: &Objects, now: i64) -> Result<(u64, bool)> {
    let before = now.saturating_sub(millis(UNNAMED_AGE));
    let find = "SELECT folder FROM object_folder WHERE closed_at <= $1 ORDER BY closed_at LIMIT $2";
    let rows = sqlx::query(find).bind(before).bind(FOLDERS_AT_ONCE).fetch_all(&db.readers).await?;
    let mut found = 0;
    for row in &rows {
        let folder = read(row.try_get(0)?)?;
        let listed = objects.list(folder, FOLDER_OBJECTS).await?;
        let mut tx = db.begin().await?;
        let unnamed = note_unnamed(&mut tx, listed, now).await?;
        query("DELETE FROM object_folder WHERE folder = $1".to_owned(), vec![folder.as_slice().into()])
            .execute(&mut *tx)
            .await?;
        db.commit(tx).await?;
        found += unnamed;
        objects.counts.unnamed.inc_by(unnamed);
    }
    Ok((found, i64::try_from(rows.len()).is_ok_and(|rows| rows == FOLDERS_AT_ONCE)))
}
