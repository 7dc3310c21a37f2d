//! What the conversation with the log works on: who the gateway is, its disk, its state, and the history of the log as far as it
//! was compared.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use vouchlog_api::{Appender, ErrorKind, LogReader, StreamInfo, StreamSigner};
use vouchlog_merkle::{CompactRange, TreeHead};
use vouchlog_note::{Checkpoint, CosignedCheckpoint, Origin, SignedCheckpoint, SigningKey, VerifyingKey};
use vouchlog_runtime::{Backoff, Clock};
use vouchlog_stream::{StreamId, stream_origin};

use super::error::Trouble;
use super::writer::Change;
use super::{GatewayError, GatewayStatus, Options, Order};
use crate::receipts::LoggedStatements;
use crate::spool::{Spool, State, StreamKeys};
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
    /// The stream it writes to, for signers of statements; from the second start on, known without the log.
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

    /// Makes a state durable, hands its receipts to their callers, and goes on from it.
    pub(super) async fn remember(
        &mut self,
        state: State,
        taken: Vec<LoggedStatements>,
    ) -> Result<(), Trouble> {
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
    pub(super) fn show(&self, stream: Option<StreamId>) {
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
    pub(super) fn recall(&mut self) -> Result<(), GatewayError> {
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
