//! An object store in memory whose requests fail by plan, in the ways that real ones fail.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 503 Slow Down: nothing was done.
    Busy,
    /// 409: another write was in progress, and nothing was done.
    InProgress,
    /// It was carried out, and the answer was lost.
    LostAnswer,
    /// It is never answered, and nothing was done.
    Hang,
    /// It is carried out without its condition.
    Unconditional,
    /// Credentials that are not valid.
    Forbidden,
    /// A read whose answer ends after half of the bytes.
    CutShort,
    /// A read whose answer has one bit flipped.
    Flipped,
}

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Swap,
    Read,
    Delete,
}

/// Which request fails, by its number from 0 and what it is.
type Plan = dyn Fn(u64, Operation) -> Option<Fault> + Send + Sync;

pub(crate) struct Faulty {
    objects: InMemory,
    plan: parking_lot::Mutex<Arc<Plan>>,
    requests: AtomicU64,
}

impl Faulty {
    pub(crate) fn new(plan: impl Fn(u64, Operation) -> Option<Fault> + Send + Sync + 'static) -> Arc<Self> {
        let plan: Arc<Plan> = Arc::new(plan);
        Arc::new(Self {
            objects: InMemory::new(),
            plan: parking_lot::Mutex::new(plan),
            requests: AtomicU64::new(0),
        })
    }

    /// Another plan, with requests counted from 0 again.
    pub(crate) fn plan(&self, plan: impl Fn(u64, Operation) -> Option<Fault> + Send + Sync + 'static) {
        *self.plan.lock() = Arc::new(plan);
        self.requests.store(0, Ordering::Relaxed);
    }

    /// The objects themselves, which do not fail.
    pub(crate) fn objects(&self) -> Arc<InMemory> {
        Arc::new(self.objects.clone())
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        let plan = self.plan.lock().clone();
        plan(self.requests.fetch_add(1, Ordering::Relaxed), operation)
    }
}

fn failed(what: &'static str) -> Error {
    Error::Generic { store: "faulty", source: what.into() }
}

async fn hang<T>() -> Result<T> {
    tokio::time::sleep(Duration::from_secs(3600)).await;
    Err(failed("an hour has passed"))
}

/// A failure before anything was done, if the fault is one.
async fn fail_before(fault: Option<Fault>, path: &Path) -> Result<()> {
    match fault {
        Some(Fault::Busy) => Err(failed("503 Slow Down")),
        Some(Fault::Hang) => hang().await,
        Some(Fault::InProgress) => Err(Error::AlreadyExists {
            path: path.to_string(),
            source: "409 ConditionalRequestConflict".into(),
        }),
        Some(Fault::Forbidden) => {
            Err(Error::PermissionDenied { path: path.to_string(), source: "403 InvalidAccessKeyId".into() })
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        let operation = match options.mode {
            PutMode::Update(_) => Operation::Swap,
            _ => Operation::Create,
        };
        let fault = self.fault(operation);
        fail_before(fault, path).await?;
        if fault == Some(Fault::Unconditional) {
            options.mode = PutMode::Overwrite;
        }
        let result = self.objects.put_opts(path, payload, options).await?;
        if fault == Some(Fault::LostAnswer) { Err(failed("connection reset")) } else { Ok(result) }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.fault(Operation::Read);
        let fault = fault.filter(|fault| *fault != Fault::InProgress);
        fail_before(fault, path).await?;
        if fault == Some(Fault::LostAnswer) {
            return Err(failed("connection reset"));
        }
        let mut result = self.objects.get_opts(path, options).await?;
        if matches!(fault, Some(Fault::CutShort | Fault::Flipped)) {
            let (meta, range, attributes) =
                (result.meta.clone(), result.range.clone(), result.attributes.clone());
            let mut bytes = result.bytes().await?.to_vec();
            match fault {
                Some(Fault::CutShort) => bytes.truncate(bytes.len() / 2),
                _ => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
            }
            let stream = futures::stream::iter([Ok(bytes.into())]);
            let payload = GetResultPayload::Stream(Box::pin(stream));
            result = GetResult { payload, meta, range, attributes, extensions: Default::default() };
        }
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (plan, objects) = (self.plan.lock().clone(), self.objects.clone());
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let delete = move |path: Result<Path>| {
            let (fault, objects) = (plan(number, Operation::Delete), objects.clone());
            async move {
                let path = path?;
                fail_before(fault, &path).await?;
                objects.delete(&path).await?;
                if fault == Some(Fault::LostAnswer) { Err(failed("connection reset")) } else { Ok(path) }
            }
        };
        Box::pin(paths.then(delete))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}
