//! The task that sends to the log: it finds or opens a stream, compares it with the log, sends what waits, and reconnects after a failure.

use std::collections::VecDeque;
use std::sync::Arc;

use vouchlog_api::{ErrorKind, StreamInfo, StreamSigner};
use vouchlog_stream::{Previous, StreamStatus};

use super::error::Trouble;
use super::exchange::Exchange;
use super::recover::Known;
use super::resume::{self, Plan};
use super::session::{Session, Stream};
use super::writer::Change;
use super::{GatewayError, Order};
use crate::spool::StreamRecord;

impl Session {
    /// Runs until it is stopped, the stream is closed on request, or an error ends it.
    pub(super) async fn run(mut self) {
        let mut orders = self.orders.clone();
        let end = tokio::select! {
            biased;
            // The channel closes when the gateway is dropped.
            _ = orders.wait_for(|order| *order == Order::Stop) => GatewayError::Stopped,
            end = self.talk_on() => end,
        };
        if !matches!(end, GatewayError::Closed | GatewayError::Stopped) {
            tracing::error!(error = %end, "the gateway stopped");
        }
        self.status.send_modify(|status| status.stopped = Some(end.clone()));
        drop(self.disk.changes.send(Change::Fail(end)).await);
    }

    async fn talk_on(&mut self) -> GatewayError {
        if let Err(error) = self.recall() {
            return error;
        }
        loop {
            if self.is_closed() {
                return GatewayError::Closed;
            }
            match self.converse().await {
                Ok(()) => {}
                Err(Trouble::Stop(error)) => return error,
                Err(Trouble::Again(error)) => {
                    let wait = match error.kind {
                        ErrorKind::Overloaded { retry_after } | ErrorKind::QuotaExceeded { retry_after } => {
                            self.backoff.next_wait_of_at_least(retry_after)
                        }
                        _ => self.backoff.next_wait(),
                    };
                    tracing::warn!(%error, ?wait, "the log cannot be reached");
                    self.status.send_modify(|status| status.trouble = Some(error.message));
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// One conversation, from finding the stream to its end.
    async fn converse(&mut self) -> Result<(), Trouble> {
        let stream = self.stream().await?;
        let signer = StreamSigner { stream: stream.id, key: Arc::new(stream.key.clone()) };
        self.signer.send_if_modified(|known| {
            let is_new = known.as_ref().is_none_or(|known| known.stream != signer.stream);
            *known = Some(signer);
            is_new
        });
        let info = self.stream_info(stream.id).await?;
        self.check_history().await?;
        let plan = resume::compare(&self.state, &self.disk.spool, &stream, &info)?;
        self.signed_at = self.signed_at.max(plan.signed_at());
        self.show(Some(stream.id));
        let (id, over) = match plan {
            Plan::Successor { .. } => {
                tracing::warn!(stream = %stream.id, "the state is older than the stream: a new one continues it");
                self.recover_known(stream.id, info.size).await?;
                (stream.id, info.status)
            }
            Plan::Headless => (stream.id, self.close_headless(stream, &info).await?),
            Plan::GoOn { recover, redo, is_open, .. } => {
                self.recover(stream.id, recover).await?;
                let pipe = self.log.append_stream(self.me.options.window).await?;
                let id = stream.id;
                Exchange::new(self, stream, pipe, redo, is_open).run().await?;
                (id, if is_open { StreamStatus::Closed } else { info.status })
            }
        };
        self.signer.send_replace(None);
        // A stream that another writer continued cannot be continued here.
        let size = info.size.max(self.state.size());
        let over = match over {
            StreamStatus::Superseded(_) => None,
            _ => Some(StreamRecord::Over(Previous { stream: id, size })),
        };
        self.remember(self.state.begin(over), Vec::new()).await
    }

    /// Ends a stream of which the log has statements but no signed head; its status then. What the log has is acknowledged first, so
    /// that the next stream does not send it again.
    async fn close_headless(&mut self, stream: Stream, info: &StreamInfo) -> Result<StreamStatus, Trouble> {
        let id = stream.id;
        tracing::warn!(stream = %id, size = info.size, "the log has no signed head of the stream: a new stream continues it");
        match self.recover_known(id, info.size).await? {
            // Without proofs it is unknown whether the log has what waits: it could be sent twice.
            Known::Unproven(from) => {
                Err(GatewayError::ReceiptsLost { stream: id, from, to: info.size }.into())
            }
            // Our statements lead to the log's tree, so this head is no second history. A larger one might be.
            Known::All if info.status == StreamStatus::Open => {
                let pipe = self.log.append_stream(self.me.options.window).await?;
                Exchange::new(self, stream, pipe, VecDeque::new(), true).closing().run().await?;
                Ok(StreamStatus::Closed)
            }
            Known::All | Known::Part => Ok(info.status),
        }
    }

    /// Closing was asked for, and everything was said.
    fn is_closed(&self) -> bool {
        let over = matches!(self.state.stream, None | Some(StreamRecord::Over(_)));
        over && *self.orders.borrow() == Order::Close && self.disk.spool.len() == 0
    }
}
