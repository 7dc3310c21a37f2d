//! A bucket: bounded reads, conditional writes with retries, and byte comparison where an outcome is unknown.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    UpdateVersion,
};
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use vouchlog_outbound::ConnectionSecurity;
use vouchlog_runtime::Backoff;
use vouchlog_storage::StoreError;

use crate::address::ObjectUrl;
use crate::connect::{ConnectError, connect};
use crate::failure::Failure;
use crate::files::{FileSwap, Files};
use crate::metrics::ObjectMetrics;
use crate::pace::Pace;

mod removal;

/// Room for an object that is compared before a file is replaced: checkpoints and tiles are far smaller, bundles fit.
const MAX_SWAPPED: usize = vouchlog_merkle::MAX_BUNDLE_LEN;

/// What an object is, for the headers that a bucket serves it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A tile or bundle, which never changes.
    Tile,
    /// The checkpoint, which does.
    Checkpoint,
    /// What a vault sealed: no cache keeps a copy that an erasure would not reach.
    Sealed,
}

impl Content {
    fn attributes(self) -> Attributes {
        let (kind, caching) = match self {
            Self::Tile => ("application/octet-stream", "max-age=604800,immutable"),
            Self::Checkpoint => ("text/plain; charset=utf-8", "no-cache"),
            Self::Sealed => ("application/octet-stream", "private, no-store"),
        };
        [(Attribute::ContentType, kind), (Attribute::CacheControl, caching)].into_iter().collect()
    }
}

/// An object as it was read: its bytes and its version.
#[derive(Clone, Debug)]
pub struct VersionedObject {
    /// The bytes.
    pub bytes: Bytes,
    version: UpdateVersion,
}

/// What became of a compare-and-swap.
#[derive(Clone, Debug)]
pub enum Swapped {
    /// The object holds the new bytes.
    Done(VersionedObject),
    /// The object is not the expected one; nothing was replaced.
    Moved(Option<VersionedObject>),
}

/// A bucket, or a folder, below a prefix. Clones share their connections.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    store: Arc<dyn ObjectStore>,
    files: Option<Arc<Files>>,
    prefix: Path,
    url: String,
    advice: &'static str,
    pace: Pace,
    metrics: ObjectMetrics,
    /// Whether a probe has shown that it keeps the conditions of writes.
    probed: AtomicBool,
}

/// What a read of an object came to.
pub(crate) enum Read {
    Absent,
    TooLong(u64),
    Found(VersionedObject),
}

impl Bucket {
    /// Opens the bucket that `url` names, with credentials from the environment. Nothing is sent yet; a missing folder is made.
    ///
    /// # Errors
    /// [`ConnectError`] when the environment, the endpoint or the authorities cannot be used.
    pub fn open(url: &ObjectUrl, security: &ConnectionSecurity) -> Result<Self, ConnectError> {
        let pace = Pace::default();
        let connected = connect(url, security, pace)?;
        Ok(Self(Arc::new(Inner {
            store: connected.store,
            files: connected.files.map(Arc::new),
            prefix: url.prefix.clone(),
            url: url.to_string(),
            advice: connected.advice,
            pace,
            metrics: ObjectMetrics::default(),
            probed: AtomicBool::new(false),
        })))
    }

    /// A bucket over any store, such as one in memory, that is called `url` in messages.
    pub fn over(store: Arc<dyn ObjectStore>, url: &str, pace: Pace) -> Self {
        let (prefix, advice, metrics) = (Path::default(), "", ObjectMetrics::default());
        let (url, probed) = (url.to_owned(), AtomicBool::new(false));
        Self(Arc::new(Inner { store, files: None, prefix, url, advice, pace, metrics, probed }))
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Has its requests counted in a registry of metrics.
    pub fn register(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }

    pub(crate) fn is_probed(&self) -> bool {
        self.0.probed.load(Ordering::Relaxed)
    }

    pub(crate) fn note_probed(&self) {
        self.0.probed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn metrics(&self) -> &ObjectMetrics {
        &self.0.metrics
    }

    /// The bounds of time of its operations.
    pub fn pace(&self) -> Pace {
        self.0.pace
    }

    /// The URL of an object, for messages.
    pub(crate) fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.0.url)
    }

    /// An object of at most `limit` bytes; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::ObjectStore`] when it cannot be read in time, [`StoreError::Damaged`] when it is longer.
    pub async fn get(&self, path: &str, limit: usize) -> Result<Option<VersionedObject>, StoreError> {
        let mut tries = self.tries(path, self.0.pace.read);
        loop {
            match self.read_once(path, limit).await {
                Ok(Read::Found(found)) => return Ok(Some(found)),
                Ok(Read::Absent) => return Ok(None),
                Ok(Read::TooLong(length)) => {
                    let name = self.name(path);
                    return Err(StoreError::Damaged(format!(
                        "{name} has {length} bytes, more than the {limit} that it may have"
                    )));
                }
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    /// Whether there is an object at a path.
    pub async fn exists(&self, path: &str) -> Result<bool, StoreError> {
        let mut tries = self.tries(path, self.0.pace.read);
        loop {
            let place = self.path(path)?;
            let options = GetOptions { head: true, ..GetOptions::default() };
            match self.attempt(self.0.store.get_opts(&place, options)).await {
                Ok(_) => return Ok(true),
                Err(Failure::Absent) => return Ok(false),
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    /// Writes an object that is not there yet. One with the same bytes is success: an earlier attempt wrote it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one with other bytes, which is left as it is.
    pub async fn create(&self, path: &str, bytes: &Bytes, content: Content) -> Result<(), StoreError> {
        let mut tries = self.tries(path, self.0.pace.write);
        loop {
            match self.put_once(path, bytes, PutMode::Create, content).await {
                Ok(_) => return self.settle(path, false).await,
                Err(Failure::Taken) => match self.read_once(path, bytes.len()).await {
                    Ok(Read::Found(found)) if found.bytes == bytes => return self.settle(path, true).await,
                    Ok(Read::Found(_) | Read::TooLong(_)) => return Err(self.conflict(path)),
                    // Another write was in progress, and failed.
                    Ok(Read::Absent) => {
                        tries.again(Failure::Passing("a conflicting write was in progress".into())).await?;
                    }
                    Err(failure) => tries.again(failure).await?,
                },
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    /// Replaces an object if it still is `expected`, or creates it when nothing is expected. After an unknown outcome the object is read
    /// back: if it holds `bytes`, the swap is done.
    pub async fn swap(
        &self,
        path: &str,
        bytes: &Bytes,
        expected: Option<&VersionedObject>,
        content: Content,
    ) -> Result<Swapped, StoreError> {
        let mut tries = self.tries(path, self.0.pace.write);
        loop {
            let failure = match self.swap_once(path, bytes, expected, content).await {
                Ok(version) if version.e_tag.is_some() || version.version.is_some() => {
                    return Ok(Swapped::Done(VersionedObject { bytes: bytes.clone(), version }));
                }
                // A store that names no version of what it wrote is read back.
                Ok(_) => Failure::Taken,
                Err(failure @ (Failure::Refused(_) | Failure::Unsynced(_))) => {
                    return Err(self.error(path, failure));
                }
                Err(failure) => failure,
            };
            let retried = match self.read_once(path, MAX_SWAPPED).await {
                Ok(Read::Found(found)) if found.bytes == bytes => return Ok(Swapped::Done(found)),
                Ok(Read::Found(found)) if expected.is_some_and(|known| known.version == found.version) => {
                    failure
                }
                Ok(Read::Found(found)) => return Ok(Swapped::Moved(Some(found))),
                Ok(Read::Absent) if expected.is_none() => failure,
                Ok(Read::Absent) => return Ok(Swapped::Moved(None)),
                Ok(Read::TooLong(_)) => return Err(self.conflict(path)),
                Err(unread) => unread,
            };
            let retried = match retried {
                Failure::Taken | Failure::Absent => {
                    Failure::Passing("a conflicting write was in progress".into())
                }
                other => other,
            };
            tries.again(retried).await?;
        }
    }

    /// Replaces an object by bytes that were verified, whatever it holds now.
    pub(crate) async fn replace(&self, path: &str, bytes: &Bytes) -> Result<(), StoreError> {
        let found = match self.read_once(path, MAX_SWAPPED).await {
            Ok(Read::Found(found)) => Some(found),
            Ok(Read::Absent) => None,
            Ok(Read::TooLong(_)) => return Err(self.conflict(path)),
            Err(failure) => return Err(self.error(path, failure)),
        };
        match self.swap(path, bytes, found.as_ref(), Content::Tile).await? {
            Swapped::Done(_) => Ok(()),
            Swapped::Moved(_) => Err(StoreError::ObjectStore(format!(
                "{} changed while it was being repaired",
                self.name(path)
            ))),
        }
    }

    /// Deletes an object. Deleting one that does not exist succeeds.
    pub async fn delete(&self, path: &str) -> Result<(), StoreError> {
        let place = self.path(path)?;
        match self.attempt(self.0.store.delete(&place)).await {
            Ok(()) | Err(Failure::Absent) => Ok(()),
            Err(failure) => Err(self.error(path, failure)),
        }
    }

    /// One attempt to write.
    pub(crate) async fn put_once(
        &self,
        path: &str,
        bytes: &Bytes,
        mode: PutMode,
        content: Content,
    ) -> Result<UpdateVersion, Failure> {
        let place = self.path(path).map_err(|error| Failure::Refused(error.to_string()))?;
        // Files have no attributes.
        let attributes = if self.0.files.is_some() { Attributes::new() } else { content.attributes() };
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        let payload = PutPayload::from_bytes(bytes.clone());
        Ok(self.attempt(self.0.store.put_opts(&place, payload, options)).await?.into())
    }

    /// One attempt to compare and swap.
    pub(crate) async fn swap_once(
        &self,
        path: &str,
        bytes: &Bytes,
        expected: Option<&VersionedObject>,
        content: Content,
    ) -> Result<UpdateVersion, Failure> {
        if let Some(files) = self.0.files.clone() {
            let (path, bytes) = (path.to_owned(), bytes.clone());
            let expected = expected.map(|found| found.bytes.clone());
            let swapped = move || files.swap(&path, &bytes, expected.as_deref(), MAX_SWAPPED);
            return match self.blocking(swapped).await? {
                FileSwap::Done => Ok(UpdateVersion { e_tag: None, version: None }),
                FileSwap::Moved => Err(Failure::Taken),
            };
        }
        let mode = expected.map_or(PutMode::Create, |found| PutMode::Update(found.version.clone()));
        self.put_once(path, bytes, mode, content).await
    }

    /// One attempt to read.
    pub(crate) async fn read_once(&self, path: &str, limit: usize) -> Result<Read, Failure> {
        let place = self.path(path).map_err(|error| Failure::Refused(error.to_string()))?;
        let read = async {
            let result = self.0.store.get_opts(&place, GetOptions::default()).await?;
            let (size, meta) = (result.meta.size, result.meta.clone());
            if size > limit as u64 {
                return Ok(Whole::Read(Read::TooLong(size)));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            let mut parts = result.into_stream();
            while let Some(part) = parts.next().await {
                let part = part?;
                if bytes.len() + part.len() > limit {
                    return Ok(Whole::Read(Read::TooLong((bytes.len() + part.len()) as u64)));
                }
                bytes.extend_from_slice(&part);
            }
            if bytes.len() as u64 != size {
                return Ok(Whole::CutShort);
            }
            let version = UpdateVersion { e_tag: meta.e_tag, version: meta.version };
            Ok::<_, object_store::Error>(Whole::Read(Read::Found(VersionedObject {
                bytes: bytes.into(),
                version,
            })))
        };
        match self.attempt(read).await {
            Ok(Whole::Read(read)) => Ok(read),
            Ok(Whole::CutShort) => Err(Failure::Passing("the answer ended early".into())),
            Err(Failure::Absent) => Ok(Read::Absent),
            Err(failure) => Err(failure),
        }
    }

    /// A request, for at most as long as one may take.
    async fn attempt<T>(&self, request: impl Future<Output = object_store::Result<T>>) -> Result<T, Failure> {
        let limit = self.0.pace.attempt;
        self.0.metrics.requests.inc();
        match tokio::time::timeout(limit, request).await {
            Ok(outcome) => outcome.map_err(Failure::from),
            Err(_) => Err(Failure::Passing(format!("no response within {limit:?}"))),
        }
    }

    async fn settle(&self, path: &str, was_found: bool) -> Result<(), StoreError> {
        let Some(files) = self.0.files.clone() else { return Ok(()) };
        let object = path.to_owned();
        let settled = self.blocking(move || files.settle(&object, was_found)).await;
        settled.map_err(|failure| self.error(path, failure))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        match tokio::task::spawn_blocking(work).await {
            Ok(outcome) => outcome.map_err(Failure::of_file),
            Err(_) => Err(Failure::Passing("a thread for files was lost".into())),
        }
    }

    fn path(&self, path: &str) -> Result<Path, StoreError> {
        let full = match self.0.prefix.as_ref() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        };
        Path::parse(full).map_err(|error| StoreError::ObjectStore(error.to_string()))
    }

    fn tries<'a>(&'a self, path: &'a str, patience: Duration) -> Tries<'a> {
        let pace = self.0.pace;
        let backoff = Backoff::new(pace.first_wait, pace.longest_wait);
        Tries { bucket: self, path, backoff, until: Instant::now() + patience }
    }

    pub(crate) fn error(&self, path: &str, failure: Failure) -> StoreError {
        let name = self.name(path);
        match failure {
            Failure::Absent => StoreError::Damaged(format!("{name} is missing")),
            Failure::Taken => StoreError::ObjectStore(format!("{name} was changed by another writer")),
            Failure::Refused(reason) if !self.0.advice.is_empty() => StoreError::ObjectStore(format!(
                "{name}: the request was refused: {}. {reason}",
                self.0.advice
            )),
            Failure::Refused(reason) => {
                StoreError::ObjectStore(format!("{name}: the request was refused: {reason}"))
            }
            Failure::Unsynced(reason) => StoreError::Unsynced(format!("{name}: {reason}")),
            Failure::Passing(reason) if self.0.advice.starts_with("no ") => {
                StoreError::ObjectStore(format!("{name}: {reason}. {}", self.0.advice))
            }
            Failure::Passing(reason) => StoreError::ObjectStore(format!("{name}: {reason}")),
        }
    }

    fn conflict(&self, path: &str) -> StoreError {
        self.0.metrics.conflicts.inc();
        StoreError::Conflict(format!(
            "{} holds other bytes than this log has there: another log writes below this URL, or this store is an older copy. \
             Nothing was overwritten",
            self.name(path)
        ))
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.0.url)
    }
}

/// What a read received.
enum Whole {
    Read(Read),
    /// Fewer bytes than were announced.
    CutShort,
}

/// Attempts at one operation, until its patience ends.
struct Tries<'a> {
    bucket: &'a Bucket,
    path: &'a str,
    backoff: Backoff,
    until: Instant,
}

impl Tries<'_> {
    /// Waits for the next attempt.
    ///
    /// # Errors
    /// The failure, when it is final or there is no time left.
    async fn again(&mut self, failure: Failure) -> Result<(), StoreError> {
        let wait = self.backoff.next_wait();
        if !matches!(failure, Failure::Passing(_)) || Instant::now() + wait > self.until {
            return Err(self.bucket.error(self.path, failure));
        }
        tracing::debug!(object = self.path, ?failure, "a request to the object store is repeated");
        self.bucket.0.metrics.retries.inc();
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
