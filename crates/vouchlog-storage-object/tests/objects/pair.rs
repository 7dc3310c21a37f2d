//! Stores of sled and a bucket, and the buckets of these tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use object_store::ObjectStore;
use vouchlog_outbound::ConnectionSecurity;
use vouchlog_storage::{Sealed, StoreError};
use vouchlog_storage_object::{Bucket, Committed, ObjectSealed, ObjectUrl, Pace};
use vouchlog_storage_sled::{Options, SledStore};

use crate::synthetic::ORIGIN;

/// Faults in these tests last for milliseconds.
pub(crate) const QUICK: Pace = Pace {
    attempt: Duration::from_millis(300),
    read: Duration::from_secs(2),
    write: Duration::from_secs(2),
    first_wait: Duration::from_millis(1),
    longest_wait: Duration::from_millis(20),
};

/// The store in a directory whose sealed part is in a bucket.
pub(crate) fn open(dir: &Path, bucket: &Bucket) -> Result<SledStore, StoreError> {
    open_as(dir, ORIGIN, bucket)
}

pub(crate) fn open_as(dir: &Path, origin: &str, bucket: &Bucket) -> Result<SledStore, StoreError> {
    SledStore::open_with_objects(dir, origin, Options::default(), bucket.url(), |size, sealed| {
        let sealed = ObjectSealed::open(bucket.clone(), origin, Committed { size, sealed })?;
        Ok(Arc::new(sealed) as Arc<dyn Sealed>)
    })
}

/// A bucket over a store of objects, which is called `memory:`.
pub(crate) fn over(store: Arc<dyn ObjectStore>) -> Bucket {
    Bucket::over(store, "memory:", QUICK)
}

pub(crate) fn folder(path: &Path) -> Bucket {
    let url: ObjectUrl = format!("file://{}", path.display()).parse().unwrap();
    Bucket::open(&url, &ConnectionSecurity::default()).unwrap()
}

/// The bucket of a running S3 server: `VOUCHLOG_S3`, such as `s3://vouchlog`, with `AWS_ENDPOINT_URL` and credentials. If it is set,
/// the server must be there.
pub(crate) fn s3() -> Option<String> {
    server("VOUCHLOG_S3", "an S3 server")
}

/// The container of a running server of Azure Blob Storage: `VOUCHLOG_AZURE`, such as `az://vouchlog`, with `AZURE_STORAGE_ENDPOINT` and
/// credentials.
pub(crate) fn azure() -> Option<String> {
    server("VOUCHLOG_AZURE", "a server of Azure Blob Storage")
}

fn server(variable: &str, kind: &str) -> Option<String> {
    let server = std::env::var(variable).ok().filter(|server| !server.is_empty());
    if server.is_none() {
        eprintln!("NOT TESTED with {kind}: set {variable} to a bucket of one, as `.ci/run` does");
    }
    server
}

/// A prefix of its own in the bucket of a server.
pub(crate) struct Place(String);

impl Place {
    pub(crate) fn new(server: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("{server}/test-{}-{time}-{count}", std::process::id()))
    }

    pub(crate) fn bucket(&self) -> Bucket {
        Bucket::open(&self.0.parse().unwrap(), &ConnectionSecurity::default()).unwrap()
    }
}
