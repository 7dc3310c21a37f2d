//! The task that talks to the log: gets a stream, compares it with the log, converses, and begins anew after trouble.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use vouchlog_api::{Appender, ErrorKind, LogReader, StreamInfo, StreamSigner};
use vouchlog_merkle::{CompactRange, TreeHead};
use vouchlog_note::{Checkpoint, CosignedCheckpoint, Origin, SignedCheckpoint, SigningKey, VerifyingKey};
use vouchlog_runtime::{Backoff, Clock};
use vouchlog_stream::{Previous, StreamId, StreamStatus, stream_origin};

use super::error::Trouble;
use super::recover::Known;
use super::resume::{self, Plan};
use super::talk::Talk;
use super::writer::Change;
use super::{GatewayError, GatewayStatus, Options, Order};
use crate::receipts::Taken;
use crate::spool::{Spool, State, StreamKeys, StreamRecord};
use crate::{Evidence, GrpcLog, Misbehaviour};

/// Who the gateway is, and whom it believes.
pub(super) struct Identity {
    pub(super) origin: Origin,
    pub(super) log_key: VerifyingKey,
    pub(super) gateway_key: SigningKey,
    pub(super) clock: Clock,
    pub(super) randomness: fn() -> [u8; 32],
    pub(super) options: Options,
}

/// The way to the disk and back.
pub(super) struct Disk {
    pub(super) spool: Arc<Spool>,
    pub(super) keys: StreamKeys,
    pub(super) changes: mpsc::Sender<Change>,
    /// Where the spool ends.
    pub(super) ends: watch::Receiver<u64>,
}

/// The conversation with the log.
pub(super) struct Session {
    pub(super) log: GrpcLog,
    pub(super) me: Identity,
    pub(super) disk: Disk,
    /// As it is on disk.
    pub(super) state: State,
    pub(super) history: History,
    pub(super) orders: watch::Receiver<Order>,
    pub(super) status: watch::Sender<GatewayStatus>,
    /// The stream it writes to, for whoever signs statements: known without the log from the second start on.
    pub(super) signer: watch::Sender<Option<StreamSigner>>,
    pub(super) backoff: Backoff,
    /// Time of the newest head that was signed.
    pub(super) signed_at: u64,
}

/// The log's checkpoints, as far as they were compared.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Everything up to here is known to be one history.
    anchor: Option<SignedCheckpoint>,
    /// The largest that was verified; of its own size there is no other.
    newest: Option<SignedCheckpoint>,
}

/// A stream this gateway can write to.
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) key: SigningKey,
    origin: Origin,
}

impl Session {
    /// Talks until it is told to stop, the stream was closed on demand, or nothing can go on.
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
                        ErrorKind::Overloaded { retry_after } => {
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
                Talk::new(self, stream, pipe, redo, is_open).run().await?;
                (id, if is_open { StreamStatus::Closed } else { info.status })
            }
        };
        self.signer.send_replace(None);
        // A stream that somebody else continued cannot be continued again.
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
                Talk::new(self, stream, pipe, VecDeque::new(), true).closing().run().await?;
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

    /// What the log knows of a stream it opened.
    pub(super) async fn stream_info(&self, id: StreamId) -> Result<StreamInfo, Trouble> {
        match self.log.stream(id).await {
            Ok(info) if info.stream == id => Ok(info),
            Ok(info) => {
                let message = format!("asked about stream {id}, the log returned stream {}", info.stream);
                Err(GatewayError::Unverified(message).into())
            }
            Err(error) if error.kind == ErrorKind::NotFound => Err(self.lost(error.message)),
            Err(error) => Err(error.into()),
        }
    }

    /// The log does not have what it had acknowledged.
    pub(super) fn lost(&self, presented: String) -> Trouble {
        lost(&self.state, presented)
    }

    /// Makes a state durable, hands its receipts to whoever waits for them, and goes on from it.
    pub(super) async fn remember(&mut self, state: State, taken: Vec<Taken>) -> Result<(), Trouble> {
        let (reply, remembered) = oneshot::channel();
        let change = Change::Remember { state: Box::new(state.clone()), taken, reply };
        self.disk.changes.send(change).await.map_err(|_| GatewayError::Stopped)?;
        remembered.await.map_err(|_| GatewayError::Stopped)??;
        self.state = state;
        let (acknowledged, position) = (self.state.size(), self.state.position());
        self.status.send_modify(|status| (status.acknowledged, status.position) = (acknowledged, position));
        Ok(())
    }

    /// Shows that all is well.
    fn show(&self, stream: Option<StreamId>) {
        let (acknowledged, position) = (self.state.size(), self.state.position());
        self.status.send_replace(GatewayStatus {
            stream,
            acknowledged,
            trouble: None,
            spool: None,
            stopped: None,
            position,
        });
    }

    /// Signs the head of a stream's tree. Its time never goes back, whatever the clock does.
    pub(super) fn sign(&mut self, stream: &Stream, range: &CompactRange, at: u64) -> Result<String, Trouble> {
        self.signed_at = self.signed_at.max(at);
        let root = range.root().expect("a stream's range begins at its first statement");
        let checkpoint = Checkpoint::new(stream.origin.clone(), TreeHead { size: range.size(), root });
        Ok(CosignedCheckpoint::sign(&checkpoint, &stream.key, self.signed_at)?.note().to_owned())
    }

    /// Takes up the checkpoint that was remembered on disk.
    fn recall(&mut self) -> Result<(), GatewayError> {
        let Some(note) = &self.state.head else { return Ok(()) };
        let head = SignedCheckpoint::open(note.as_bytes(), &self.me.origin, &self.me.log_key);
        let head = head.map_err(|_| crate::SpoolError::Damaged("its checkpoint does not verify".into()))?;
        self.history = History { anchor: Some(head.clone()), newest: Some(head) };
        Ok(())
    }

    /// Takes note of a checkpoint whose signature holds.
    ///
    /// SPEC: the same size with another root is a fork. A smaller size is none: with witnesses, what is published lags
    /// behind what a receipt is given for; that the log went back shows in the size of our stream.
    pub(super) fn see(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), Trouble> {
        let (head, history) = (checkpoint.head(), &mut self.history);
        for known in [&history.anchor, &history.newest].into_iter().flatten() {
            if known.head().size == head.size && known.head().root != head.root {
                let evidence = Evidence::of(Misbehaviour::Fork, known, checkpoint);
                return Err(GatewayError::Misbehaviour(Box::new(evidence)).into());
            }
        }
        if history.newest.as_ref().is_none_or(|newest| newest.head().size < head.size) {
            history.newest = Some(checkpoint.clone());
        }
        Ok(())
    }

    /// Fetches the log's checkpoint and checks that everything seen since the last time is one history.
    pub(super) async fn check_history(&mut self) -> Result<(), Trouble> {
        let note = self.log.checkpoint().await?;
        let published = SignedCheckpoint::open(note.as_bytes(), &self.me.origin, &self.me.log_key)?;
        self.see(&published)?;
        let Some(newest) = self.history.newest.clone() else { return Ok(()) };
        let (old, new) = match &self.history.anchor {
            Some(anchor) => (anchor.head(), newest.head()),
            None => (TreeHead::EMPTY, newest.head()),
        };
        if new.size <= old.size && self.history.anchor.is_some() {
            return Ok(());
        }
        if old.size.get() > 0 {
            let proof = match self.log.consistency_proof(old.size, new.size).await {
                // Not published yet: next time.
                Err(error) if matches!(error.kind, ErrorKind::InvalidArgument | ErrorKind::NotFound) => {
                    return Ok(());
                }
                other => other?,
            };
            let anchor = self.history.anchor.as_ref().unwrap_or(&newest);
            let evidence = || Box::new(Evidence::of(Misbehaviour::Inconsistent, anchor, &newest));
            proof.verify(&old, &new).map_err(|_| GatewayError::Misbehaviour(evidence()))?;
        }
        let state = State { head: Some(newest.note().to_owned()), ..self.state.clone() };
        self.history.anchor = Some(newest);
        self.remember(state, Vec::new()).await
    }
}

impl Stream {
    pub(super) fn new(log: &Origin, id: StreamId, key: SigningKey) -> Result<Self, Trouble> {
        Ok(Self { id, key, origin: Origin::new(&stream_origin(log.as_str(), id))? })
    }

    /// Opens a head that this stream's key should have signed.
    pub(super) fn open_head(&self, note: &str) -> Result<CosignedCheckpoint, Trouble> {
        Ok(CosignedCheckpoint::open(note.as_bytes(), &self.origin, self.key.verifying_key())?)
    }
}

/// The log does not have what it had acknowledged: its last checkpoint against its present words.
pub(super) fn lost(state: &State, presented: String) -> Trouble {
    let known = state.head.clone().unwrap_or_default();
    let evidence = Evidence { what: Misbehaviour::Lost, known, presented };
    GatewayError::Misbehaviour(Box::new(evidence)).into()
}
