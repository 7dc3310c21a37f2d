//! The sealed part of a log in an object store, from which anyone can read and audit the log.
//!
//! ```no_run
//! use vouchlog::objects::Objects;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let objects = Objects::open("s3://bucket/prefix", &vouchlog::ConnectionSecurity::default())?;
//! let log = vouchlog::open("./log").origin("log.example.com/ai").objects(objects).await?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use vouchlog_api::Result as ReadResult;
use vouchlog_client::{ConnectionSecurity, TileReader, TileSource};
use vouchlog_storage::{Sealed, StoreError};
use vouchlog_storage_object::{Bucket, Committed, ObjectSealed, Publication, Publisher};

pub use vouchlog_storage_object::{AddressError, ConnectError, ObjectUrl, PublisherStatus};

/// How often a checkpoint is published in the object store, unless another interval is set.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

/// An object store for the sealed part of a log: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or
/// `file:///folder`.
#[derive(Clone, Debug)]
pub struct Objects {
    bucket: Bucket,
    interval: Duration,
}

/// Why an object store was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObjectsError {
    /// The URL names none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It cannot be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Objects {
    /// The object store at `url`, with credentials from the usual environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`). `security` applies to
    /// connections. Nothing is sent yet.
    pub fn open(url: &str, security: &ConnectionSecurity) -> Result<Self, ObjectsError> {
        let url: ObjectUrl = url.parse()?;
        let bucket = Bucket::open(&url, security)?;
        Ok(Self { bucket, interval: DEFAULT_INTERVAL })
    }

    /// How often a checkpoint is published there, with the partial tiles that it needs.
    #[must_use]
    pub fn publish_every(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Checks whether the object store keeps the conditions of writes, which takes a moment. Opening a log does this once in the life of a
    /// process; a standby does it before it waits, so that a takeover need not.
    ///
    /// # Errors
    /// [`StoreError::ForeignObjects`] when it does not; [`StoreError::ObjectStore`] when it cannot be reached.
    pub async fn check_conditions(&self) -> Result<(), StoreError> {
        vouchlog_storage_object::check_conditions(&self.bucket).await
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        self.bucket.url()
    }

    pub(crate) fn sealed(&self, origin: &str, size: u64, sealed: u64) -> Result<Arc<dyn Sealed>, StoreError> {
        let opened = ObjectSealed::open(self.bucket.clone(), origin, Committed { size, sealed })?;
        Ok(Arc::new(opened))
    }

    /// The sealed part of a log that another process writes.
    #[cfg(feature = "postgres")]
    pub(crate) fn reading(&self, origin: &str, size: u64, sealed: u64) -> Result<ObjectSealed, StoreError> {
        ObjectSealed::open_for_reading(self.bucket.clone(), origin, Committed { size, sealed })
    }

    /// The sealed part of a log that is being moved to or from here.
    #[cfg(feature = "postgres")]
    pub(crate) fn moving(&self, origin: &str, size: u64, sealed: u64) -> Result<ObjectSealed, StoreError> {
        ObjectSealed::open_for_moving(self.bucket.clone(), origin, Committed { size, sealed })
    }

    /// Gives it to a vault as the place of long content. It takes a prefix of its own, and becomes the vault's.
    ///
    /// # Errors
    /// [`VaultError::ForeignObjects`](crate::vault::VaultError::ForeignObjects) when it is not the object store of this vault.
    #[cfg(feature = "vault")]
    pub async fn keep_content_of(
        &self,
        vault: &crate::vault::Vault,
        metrics: crate::vault::ObjectMetrics,
    ) -> Result<(), crate::vault::VaultError> {
        let contents = vouchlog_storage_object::BucketContents::new(self.bucket.clone());
        vault.use_objects(Arc::new(contents), metrics).await
    }

    #[cfg(feature = "auditor")]
    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Reads the log that is in it. Nothing read is verified.
    pub fn reader(&self) -> TileReader {
        TileReader::over(Arc::new(BucketSource(self.bucket.clone())))
    }

    pub(crate) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        self.bucket.register(registry);
    }

    pub(crate) fn publish<L: vouchlog_api::LogReader + vouchlog_api::Watch>(
        &self,
        log: L,
        sealed: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Publisher {
        Publisher::start(log, Publication::new(self.bucket.clone()), self.interval, sealed)
    }
}

/// Reads the log that is in an object store. A folder is read as files.
pub fn tiles(url: &str, security: &ConnectionSecurity) -> Result<TileReader, ObjectsError> {
    let url: ObjectUrl = url.parse()?;
    if let Some(folder) = url.folder() {
        return Ok(TileReader::directory(folder));
    }
    Ok(TileReader::over(Arc::new(BucketSource(Bucket::open(&url, security)?))))
}

struct BucketSource(Bucket);

impl TileSource for BucketSource {
    fn get<'a>(
        &'a self,
        path: &'a str,
        limit: usize,
    ) -> Pin<Box<dyn Future<Output = ReadResult<Bytes>> + Send + 'a>> {
        Box::pin(async move {
            match self.0.get(path, limit).await {
                Ok(Some(found)) => Ok(found.bytes),
                Ok(None) => Err(vouchlog_api::Error::not_found(format!("{} has no {path}", self.0.url()))),
                Err(StoreError::Io(reason) | StoreError::ObjectStore(reason)) => {
                    Err(vouchlog_api::Error::unavailable(reason))
                }
                Err(error) => Err(vouchlog_api::Error::internal(error.to_string())),
            }
        })
    }
}

impl fmt::Debug for BucketSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
