//! The object store of a vault: where the sealed content of records is that is too long for a row.
//!
//! ```text
//! <prefix>/vault                       whose content it is
//! <prefix>/content/<folder>/<number>   one object for each content
//! ```
//!
//! An object is durable before the record that names it is committed, and is never replaced. It is encrypted under the record's own key,
//! so what was altered does not open.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex, Semaphore};
use vouchlog_record::RecordId;
use vouchlog_storage::{ContentStore, StoreError};

use crate::database::Database;
use crate::error::of_objects;
use crate::keys::KeyRing;
use crate::limits::{FOLDER_AGE, FOLDER_OBJECTS, OBJECT_READS, OBJECT_WRITES};
use crate::object_folders::open_folder;
use crate::object_identity::Identity;
use crate::object_name::{FolderName, ObjectName, folder_path, new_folder};
use crate::{Result, VaultError};

/// The object store of an open vault.
pub(crate) struct Objects {
    store: Arc<dyn ContentStore>,
    identity: Identity,
    current: Mutex<Option<Current>>,
    writes: Semaphore,
    reads: Semaphore,
    pub(crate) counts: ObjectMetrics,
}

/// The folder that this process writes at present.
struct Current {
    folder: FolderName,
    since: Instant,
    /// Objects that may still go into it.
    room: usize,
}

/// What is counted of a vault's objects. Clones share the counters.
#[derive(Clone, Debug, Default)]
pub struct ObjectMetrics {
    pub(crate) missing: Counter,
    pub(crate) altered: Counter,
    pub(crate) removed: Counter,
    pub(crate) unnamed: Counter,
    pub(crate) removal_failures: Counter,
}

impl ObjectMetrics {
    /// Has them in a registry.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("vouchlog_vault_objects");
        r.register("missing", "Contents whose object was not there when it was read", self.missing.clone());
        r.register("altered", "Contents whose object was not what was written", self.altered.clone());
        r.register("removed", "Objects removed after an erasure or a refused record", self.removed.clone());
        r.register("unnamed", "Objects removed that no record ever named", self.unnamed.clone());
        r.register(
            "removal_failures",
            "Attempts to remove an object that failed and are repeated",
            self.removal_failures.clone(),
        );
    }
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ContentStore>, counts: ObjectMetrics) -> Self {
        Self {
            store,
            identity: Identity::default(),
            current: Mutex::default(),
            writes: Semaphore::new(OBJECT_WRITES),
            reads: Semaphore::new(OBJECT_READS),
            counts,
        }
    }

    pub(crate) fn url(&self) -> &str {
        self.store.url()
    }

    /// Checks that the store is the one of this vault, until that is known. Nothing is read, written or removed before.
    pub(crate) async fn identify(&self, db: &Database, keys: &KeyRing) -> Result<()> {
        self.identity.known(db, keys, self.store.as_ref()).await
    }

    /// Why it is not known yet that the store is the one of this vault, as of the last attempt.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.identity.trouble()
    }

    /// Checks that the store can be reached and keeps the conditions of writes.
    pub(crate) async fn probe(&self) -> Result<()> {
        self.store.check().await.map_err(of_objects)
    }

    /// Names for new objects, in folders of this process that are open.
    pub(crate) async fn names(&self, db: &Database, count: usize) -> Result<Vec<ObjectName>> {
        let mut current = self.current.lock().await;
        let mut names = Vec::with_capacity(count);
        while names.len() < count {
            let usable =
                current.as_mut().filter(|current| current.room > 0 && current.since.elapsed() < FOLDER_AGE);
            let Some(usable) = usable else {
                // The last one stays open for what is in flight. The upkeep closes it.
                let folder = new_folder()?;
                open_folder(db, folder).await?;
                *current = Some(Current { folder, since: Instant::now(), room: FOLDER_OBJECTS });
                continue;
            };
            usable.room -= 1;
            names.push(ObjectName::within(usable.folder)?);
        }
        Ok(names)
    }

    /// Another process closed a folder of this one, which was idle for too long: the next name is in a new one.
    pub(crate) async fn leave_folder(&self, folder: FolderName) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|current| current.folder == folder) {
            *current = None;
        }
    }

    /// Writes an object durably.
    pub(crate) async fn put(&self, name: ObjectName, sealed: Bytes) -> Result<()> {
        let _share = self.writes.acquire().await.expect("it is never closed");
        self.store.create(&name.path(), sealed).await.map_err(of_objects)
    }

    /// Reads the object of a record's content, which had this many bytes.
    pub(crate) async fn read(&self, id: &RecordId, name: ObjectName, length: usize) -> Result<Bytes> {
        let _share = self.reads.acquire().await.expect("it is never closed");
        match self.store.read(&name.path(), length).await {
            Ok(Some(found)) if found.len() == length => Ok(found),
            Ok(Some(_)) | Err(StoreError::Damaged(_)) => Err(self.altered(id, name)),
            Ok(None) => {
                self.counts.missing.inc();
                let (url, path) = (self.url(), name.path());
                Err(VaultError::LostContent(format!(
                    "the content of record {id} is missing: there is no object {url}/{path}"
                )))
            }
            Err(error) => Err(of_objects(error)),
        }
    }

    /// An object that is not what was written.
    pub(crate) fn altered(&self, id: &RecordId, name: ObjectName) -> VaultError {
        self.counts.altered.inc();
        let (url, path) = (self.url(), name.path());
        VaultError::LostContent(format!(
            "the content of record {id} was altered: the object {url}/{path} is not what was written"
        ))
    }

    /// Removes an object. One that is not there is success.
    pub(crate) async fn remove(&self, name: ObjectName) -> Result<()> {
        let _share = self.writes.acquire().await.expect("it is never closed");
        self.store.delete(&name.path()).await.map_err(of_objects)
    }

    /// Objects in a folder, at most `limit`.
    pub(crate) async fn list(&self, folder: FolderName, limit: usize) -> Result<Vec<ObjectName>> {
        let paths = self.store.list(&folder_path(folder), limit).await.map_err(of_objects)?;
        Ok(paths.iter().filter_map(|path| ObjectName::of_path(path)).collect())
    }
}
