//! Whether an object store is the one of this vault: an object in it names the vault, and the database notes the store.
//!
//! A store that is away is identified by the first call that needs it.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use sqlx::Row as _;
use tokio::time::Instant;
use vouchlog_storage::{ContentStore, StoreError};

use crate::database::Database;
use crate::error::of_objects;
use crate::keys::{KeyRing, random};
use crate::limits::MAX_MARKER_BYTES;
use crate::sql::query;
use crate::{Result, VaultError};

/// The object that names the vault.
const MARKER: &str = "vault";

/// What is known of a store's identity.
#[derive(Default)]
pub(crate) struct Identity {
    is_known: AtomicBool,
    /// One caller at a time asks the store.
    asking: tokio::sync::Mutex<()>,
    failed: Mutex<Option<Failed>>,
}

/// The last attempt to identify a store, which failed.
#[derive(Clone)]
struct Failed {
    at: Instant,
    error: VaultError,
}

impl Identity {
    /// Returns once it is known that the store is the one of this vault. A caller that waits while another one asks gets the same answer: a
    /// store that is away must not be waited for once for each of them.
    pub(crate) async fn known(&self, db: &Database, keys: &KeyRing, store: &dyn ContentStore) -> Result<()> {
        if self.is_known.load(Ordering::Acquire) {
            return Ok(());
        }
        let called = Instant::now();
        let _turn = self.asking.lock().await;
        if self.is_known.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(failed) = self.failed.lock().clone().filter(|failed| failed.at > called) {
            return Err(failed.error);
        }
        // Until there is an answer, also for a caller that gives up before.
        let unanswered = || VaultError::Objects("it has not responded yet".into());
        self.failed.lock().get_or_insert_with(|| Failed { at: called, error: unanswered() });
        match identify(db, keys, store).await {
            Ok(()) => {
                self.is_known.store(true, Ordering::Release);
                *self.failed.lock() = None;
                Ok(())
            }
            Err(error) => {
                *self.failed.lock() = Some(Failed { at: Instant::now(), error: error.clone() });
                Err(error)
            }
        }
    }

    /// Why the last attempt failed, if the store is not known yet.
    pub(crate) fn trouble(&self) -> Option<String> {
        let failed = self.failed.lock().clone()?;
        Some(match failed.error {
            VaultError::Objects(why) => why,
            error => error.to_string(),
        })
    }
}

/// Compares the marker in a store with what the database notes. A store without either becomes the vault's.
async fn identify(db: &Database, keys: &KeyRing, store: &dyn ContentStore) -> Result<()> {
    let vault = hex::encode(keys.vault());
    let row = sqlx::query("SELECT objects, objects_url FROM vault").fetch_one(&db.readers).await?;
    let (noted, place): (Option<Vec<u8>>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let url = store.url();
    let mut marker = store.read(MARKER, MAX_MARKER_BYTES).await.map_err(of_objects)?;
    if marker.is_none() && noted.is_none() {
        // Once: later nothing depends on conditions, as names are random and only this object has a name that others know.
        store.check().await.map_err(of_objects)?;
        let mut id = [0; 16];
        random(&mut id)?;
        match store.create(MARKER, marker_text(&vault, &hex::encode(id)).into()).await {
            // Another process was faster: its marker counts.
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(of_objects(error)),
        }
        marker = store.read(MARKER, MAX_MARKER_BYTES).await.map_err(of_objects)?;
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
