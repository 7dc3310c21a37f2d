//! A gateway as what keepers of records submit to.

use std::collections::HashSet;

use vouchlog_api::{Error, ErrorKind, Result, StreamOwner, StreamSigner, Submitter};
use vouchlog_stream::{Digest, Statement, StreamId};

use super::{Gateway, GatewayError};
use crate::SpoolError;

impl Submitter for Gateway {
    async fn signer(&self) -> Result<StreamSigner> {
        let mut signer = self.signer.clone();
        let mut status = self.status.clone();
        tokio::select! {
            biased;
            // The session ends by saying why in its status, and then drops both channels.
            signer = signer.wait_for(Option::is_some) => match signer {
                Ok(signer) => Ok(signer.clone().expect("it was waited for")),
                Err(_) => Err(self.why_it_stopped()),
            },
            _ = status.wait_for(|status| status.stopped.is_some()) => Err(self.why_it_stopped()),
        }
    }

    async fn submit(&self, statements: Vec<Statement>) -> Result<()> {
        Gateway::submit(self, statements).await.map(drop).map_err(to_api)
    }

    async fn flush(&self) -> Result<()> {
        Gateway::flush(self).await.map_err(to_api)
    }

    async fn pending(&self, digests: Vec<Digest>) -> Result<HashSet<Digest>> {
        let (spool, digests) = (self.spool.clone(), digests.into_iter().collect());
        let pending = tokio::task::spawn_blocking(move || spool.pending(&digests)).await;
        pending.map_err(|_| to_api(GatewayError::Stopped))
    }

    async fn owner(&self, stream: StreamId) -> Result<StreamOwner> {
        let present = self.signer().await?.stream;
        self.finder.owner(present, stream).await
    }

    async fn look_up(&self, statements: Vec<Statement>) -> Result<Vec<Statement>> {
        let (found, missing) = self.finder.look_up(statements).await?;
        if !found.is_empty() {
            self.hand_over(found).await.map_err(to_api)?;
        }
        Ok(missing)
    }
}

impl Gateway {
    fn why_it_stopped(&self) -> Error {
        to_api(self.status.borrow().stopped.clone().unwrap_or(GatewayError::Stopped))
    }
}

pub(super) fn to_api(error: GatewayError) -> Error {
    let kind = match error {
        GatewayError::Refused(error) => return error,
        GatewayError::Spool(SpoolError::Full { .. }) => {
            ErrorKind::Overloaded { retry_after: crate::limits::FIRST_BACKOFF }
        }
        GatewayError::Stopped | GatewayError::Closed => ErrorKind::Unavailable,
        GatewayError::Config(_) => ErrorKind::InvalidArgument,
        GatewayError::Forked { .. } => ErrorKind::Fork,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, error.to_string())
}
