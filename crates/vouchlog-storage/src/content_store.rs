//! What a vault asks of an object store: objects that are written once under names without meaning, read whole, and deleted.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::StoreError;

/// What an operation on a [`ContentStore`] comes to.
pub type ContentFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place for sealed content. It interprets nothing: what an object holds was encrypted before.
///
/// Each operation ends within bounds of its own and retries what may pass. [`StoreError::ObjectStore`] is worth another attempt later.
pub trait ContentStore: Send + Sync + 'static {
    /// Its URL, which holds no secret.
    fn url(&self) -> &str;

    /// Checks that it can be reached and keeps the conditions of writes.
    fn check(&self) -> ContentFuture<'_, ()>;

    /// Writes an object durably, unless there is one with these bytes. One with other bytes is [`StoreError::Conflict`], and stays as it is.
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> ContentFuture<'a, ()>;

    /// An object of at most `limit` bytes; `None` if there is none. A longer one is [`StoreError::Damaged`].
    fn read<'a>(&'a self, name: &'a str, limit: usize) -> ContentFuture<'a, Option<Bytes>>;

    /// Deletes an object durably. One that is not there is success.
    fn delete<'a>(&'a self, name: &'a str) -> ContentFuture<'a, ()>;

    /// Names of objects in a folder, at most `limit`, in any order.
    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> ContentFuture<'a, Vec<String>>;
}
