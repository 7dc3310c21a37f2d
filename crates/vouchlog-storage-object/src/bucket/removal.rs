//! Deleting objects of a bucket, and finding those whose names are not known.

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use vouchlog_storage::StoreError;

use super::Bucket;
use crate::failure::Failure;

/// What is in a folder of a bucket, by paths below the prefix.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<String>,
    pub(crate) folders: Vec<String>,
}

impl Bucket {
    /// Deletes an object, with retries. Deleting one that does not exist succeeds.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let mut tries = self.tries(path, self.0.pace.write);
        loop {
            let place = self.path(path)?;
            match self.attempt(self.0.store.delete(&place)).await {
                Ok(()) | Err(Failure::Absent) => return Ok(()),
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    /// What is directly in a folder: a few thousand names in the layout of a log.
    pub(crate) async fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        let mut tries = self.tries(folder, self.0.pace.read);
        loop {
            let place = self.path(folder)?;
            match self.attempt(self.0.store.list_with_delimiter(Some(&place))).await {
                Ok(found) => {
                    let name = |full: &Path| format!("{folder}/{}", full.filename().unwrap_or_default());
                    return Ok(Listing {
                        objects: found.objects.iter().map(|object| name(&object.location)).collect(),
                        folders: found.common_prefixes.iter().map(name).collect(),
                    });
                }
                Err(Failure::Absent) => return Ok(Listing::default()),
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    /// Paths of objects below a folder however deep, at most `limit`, in any order.
    pub(crate) async fn list_some(&self, folder: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut tries = self.tries(folder, self.0.pace.read);
        let place = self.path(folder)?;
        let above = self.0.prefix.as_ref().len();
        loop {
            let listed = self.0.store.list(Some(&place)).take(limit).try_collect::<Vec<_>>();
            match self.attempt(listed).await {
                Ok(found) => {
                    let path = |object: ObjectMeta| {
                        object.location.as_ref()[above..].trim_start_matches('/').to_owned()
                    };
                    return Ok(found.into_iter().map(path).collect());
                }
                Err(Failure::Absent) => return Ok(Vec::new()),
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    /// Makes what was deleted in a folder of files survive a power cut.
    pub(crate) async fn settle_folder(&self, folder: &str) -> Result<(), StoreError> {
        let Some(files) = self.0.files.clone() else { return Ok(()) };
        let place = folder.to_owned();
        let settled = self.blocking(move || files.settle_folder(&place)).await;
        settled.map_err(|failure| self.error(folder, failure))
    }
}
