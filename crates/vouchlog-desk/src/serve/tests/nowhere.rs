//! A way to a log on which nothing is sent. The tests of the server and the example `desk_load` share it.

use std::collections::HashSet;
use std::sync::Arc;

use vouchlog_api::{Error, StreamOwner, StreamSigner, Submitter};
use vouchlog_note::SigningKey;
use vouchlog_stream::{Digest, Statement, StreamId};

/// Takes every statement, and sends none.
pub(crate) struct Nowhere(pub(crate) Arc<SigningKey>);

impl Submitter for Nowhere {
    async fn signer(&self) -> vouchlog_api::Result<StreamSigner> {
        let stream = StreamId::new(1).ok_or_else(|| Error::internal("a stream"))?;
        Ok(StreamSigner { stream, key: Arc::clone(&self.0) })
    }

    async fn submit(&self, _: Vec<Statement>) -> vouchlog_api::Result<()> {
        Ok(())
    }

    async fn flush(&self) -> vouchlog_api::Result<()> {
        Ok(())
    }

    async fn pending(&self, digests: Vec<Digest>) -> vouchlog_api::Result<HashSet<Digest>> {
        Ok(digests.into_iter().collect())
    }

    async fn owner(&self, _: StreamId) -> vouchlog_api::Result<StreamOwner> {
        Ok(StreamOwner::Own)
    }

    async fn look_up(&self, statements: Vec<Statement>) -> vouchlog_api::Result<Vec<Statement>> {
        Ok(statements)
    }
}
