//! Gives a vault its object store, and looks after what is in it: removes what was erased, and finds objects that no record names.

use std::sync::{Arc, Weak};

use sqlx::{AnyConnection, Row as _};
use vouchlog_record::RecordId;
use vouchlog_storage::{ContentStore, StoreError};

use crate::database::Database;
use crate::keys::random;
use crate::limits::{
    FOLDER_OBJECTS, FOLDERS_AT_ONCE, MAX_MARKER_BYTES, REMOVAL_PATIENCE, UNNAMED_AGE, UPKEEP_PAUSE,
};
use crate::object_folders::{close_old, millis, now, read};
use crate::object_removals::{Which, count, note_unnamed, remove_some};
use crate::objects::{ObjectMetrics, Objects, failed};
use crate::shared::Shared;
use crate::sql::query;
use crate::{Result, Vault, VaultError};

/// The object that names the vault.
const MARKER: &str = "vault";

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
    /// # Errors
    /// [`VaultError::ForeignObjects`] when it is the store of another vault, not the store of this one, or cannot hold content;
    /// [`VaultError::Objects`] when it cannot be reached.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "use_objects"))]
    pub async fn use_objects(&self, store: Arc<dyn ContentStore>, metrics: ObjectMetrics) -> Result<()> {
        let shared = &self.shared;
        identify(shared, store.as_ref()).await?;
        if shared.objects.set(Arc::new(Objects::new(store, metrics))).is_err() {
            return Err(VaultError::invalid("the vault has its object store already"));
        }
        tokio::spawn(look_after(Arc::downgrade(shared)));
        Ok(())
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
        let Some(objects) = self.shared.objects.get() else { return Ok(()) };
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

/// Compares the marker in a store with what the database notes. A store without either becomes the vault's.
async fn identify(shared: &Shared, store: &dyn ContentStore) -> Result<()> {
    let (db, vault) = (&shared.db, hex::encode(shared.keys.vault()));
    let row = sqlx::query("SELECT objects, objects_url FROM vault").fetch_one(&db.readers).await?;
    let (noted, place): (Option<Vec<u8>>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let url = store.url();
    let mut marker = store.read(MARKER, MAX_MARKER_BYTES).await.map_err(failed)?;
    if marker.is_none() && noted.is_none() {
        // Once: later nothing depends on conditions, as names are random and only this object has a name that others know.
        store.check().await.map_err(failed)?;
        let mut id = [0; 16];
        random(&mut id)?;
        match store.create(MARKER, marker_text(&vault, &hex::encode(id)).into()).await {
            // Another process was faster: its marker counts.
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(failed(error)),
        }
        marker = store.read(MARKER, MAX_MARKER_BYTES).await.map_err(failed)?;
    }
    let text = marker.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let Some(text) = text else {
        let place = place.unwrap_or_default();
        return Err(VaultError::ForeignObjects(format!(
            "{url} is not the object store of this vault, which is {place}: it has no object {MARKER}"
        )));
    };
    let prefix = marker_text(&vault, "");
    let id = text.strip_prefix(prefix.trim_end()).and_then(|id| hex::decode(id.trim()).ok());
    let Some(id) = id.filter(|id| id.len() == 16) else {
        return Err(VaultError::ForeignObjects(format!(
            "{url} belongs to another vault: give each vault a bucket or prefix of its own"
        )));
    };
    if noted.as_ref().is_some_and(|noted| *noted != id) {
        let place = place.unwrap_or_default();
        return Err(VaultError::ForeignObjects(format!(
            "{url} is not the object store of this vault, which is {place}: it was made for this vault at another time"
        )));
    }
    if noted.is_none() || place.as_deref() != Some(url) {
        let mut tx = db.begin().await?;
        let note = "UPDATE vault SET objects = $1, objects_url = $2 WHERE objects IS NULL OR objects = $1";
        query(note.to_owned(), vec![id.into(), url.into()]).execute(&mut *tx).await?;
        db.commit(tx).await?;
    }
    Ok(())
}

fn marker_text(vault: &str, store: &str) -> String {
    format!("vouchlog/v1 content of a vault\nvault {vault}\nstore {store}\n")
}

/// Looks after the objects until the vault is closed or dropped.
async fn look_after(shared: Weak<Shared>) {
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
    let Some(objects) = shared.objects.get() else { return Ok(Upkeep::default()) };
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
