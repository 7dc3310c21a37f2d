//! A bucket as the place of a vault's sealed content.

use bytes::Bytes;
use vouchlog_storage::{ContentFuture, ContentStore};

use crate::bucket::{Bucket, Content};
use crate::sealed::check_conditions;

/// The sealed content of a vault in a bucket, below a prefix that nothing else uses.
#[derive(Clone, Debug)]
pub struct BucketContents(Bucket);

impl BucketContents {
    /// In this bucket.
    pub fn new(bucket: Bucket) -> Self {
        Self(bucket)
    }
}

impl ContentStore for BucketContents {
    fn url(&self) -> &str {
        self.0.url()
    }

    fn check(&self) -> ContentFuture<'_, ()> {
        Box::pin(check_conditions(&self.0))
    }

    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> ContentFuture<'a, ()> {
        Box::pin(async move { self.0.create(name, &bytes, Content::Sealed).await })
    }

    fn read<'a>(&'a self, name: &'a str, limit: usize) -> ContentFuture<'a, Option<Bytes>> {
        Box::pin(async move { Ok(self.0.get(name, limit).await?.map(|found| found.bytes)) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> ContentFuture<'a, ()> {
        Box::pin(async move {
            self.0.remove(name).await?;
            match name.rsplit_once('/') {
                Some((folder, _)) => self.0.settle_folder(folder).await,
                None => Ok(()),
            }
        })
    }

    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> ContentFuture<'a, Vec<String>> {
        Box::pin(self.0.list_some(folder, limit))
    }
}
