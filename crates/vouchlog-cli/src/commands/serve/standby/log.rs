//! The log as a standby shows it: writes and lookups are passed on to the leader, reads come from the shared store.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use vouchlog::{
    Append, Appended, Appender, Error, HouseAppend, HouseAppended, LeafIndex, LogReader, Lookup, LookupKey,
    Opened, PrunedNotice, StreamInfo, TreeSize, Watch,
};
use vouchlog_api::ErrorKind;
use vouchlog_client::GrpcLog;
use vouchlog_merkle::TileId;
use vouchlog_runtime::sender;
use vouchlog_stream::StreamId;

use super::forward::{Authority, Forwarder, Repetition};
use super::lanes::Lanes;
use super::reading::{Reads, stated_size};

/// A log that another node leads. Clones are the same.
#[derive(Clone)]
pub(super) struct StandbyLog {
    pub(super) forwarder: Forwarder,
    pub(super) lanes: Lanes,
    pub(super) reads: Reads,
    /// Whether this node lets callers append to the house stream. What it refuses here, the leader is not asked for.
    pub(super) has_house: bool,
}

/// How long the leader may take to tell its checkpoint. Then this node serves its own, if that is the newest there can be.
const CHECKPOINT_PATIENCE: Duration = Duration::from_secs(2);
/// A note of the operator's: the same again is the same.
const NOTE: (Authority, Repetition) = (Authority::Role, Repetition::Harmless);
/// What is signed by a gateway.
const SIGNED: (Authority, Repetition) = (Authority::Signatures, Repetition::Harmless);

impl Appender for StandbyLog {
    async fn open_stream(&self, note: String) -> Result<Opened, Error> {
        let call = |log: GrpcLog| {
            let note = note.clone();
            async move { log.open_stream(note).await }
        };
        let opened = self.forwarder.forward(SIGNED, call).await?;
        self.reads.offer(&opened.checkpoint);
        Ok(opened)
    }

    async fn append(&self, request: Append) -> Result<Appended, Error> {
        let sender = sender::current();
        let appended = match sender.call {
            Some(call) => {
                self.forwarder.check(&sender, Authority::Signatures)?;
                self.lanes.append(call, request).await?
            }
            None => {
                let call = |log: GrpcLog| {
                    let request = request.clone();
                    async move { log.append(request).await }
                };
                self.forwarder.forward(SIGNED, call).await?
            }
        };
        if let Some(receipt) = &appended.receipt {
            self.reads.offer(&receipt.checkpoint);
        }
        Ok(appended)
    }

    async fn append_house(&self, request: HouseAppend) -> Result<HouseAppended, Error> {
        if !self.has_house {
            return Err(Error::new(
                ErrorKind::FailedPrecondition,
                "this node has no house stream: submit through a gateway's stream",
            ));
        }
        let call = |log: GrpcLog| {
            let request = request.clone();
            async move { log.append_house(request).await }
        };
        let appended = self.forwarder.forward((Authority::Role, Repetition::Appends), call).await?;
        self.reads.offer(&appended.receipt.checkpoint);
        Ok(appended)
    }

    async fn enrol(&self, note: String) -> Result<LeafIndex, Error> {
        self.note(note, |log, note| async move { log.enrol(note).await }).await
    }

    async fn revoke(&self, note: String) -> Result<LeafIndex, Error> {
        self.note(note, |log, note| async move { log.revoke(note).await }).await
    }

    async fn set_quota(&self, note: String) -> Result<LeafIndex, Error> {
        self.note(note, |log, note| async move { log.set_quota(note).await }).await
    }

    async fn retire(&self, note: String) -> Result<LeafIndex, Error> {
        self.note(note, |log, note| async move { log.retire(note).await }).await
    }

    async fn change_key(&self, note: String) -> Result<LeafIndex, Error> {
        self.note(note, |log, note| async move { log.change_key(note).await }).await
    }

    async fn stream(&self, stream: StreamId) -> Result<StreamInfo, Error> {
        let call = |log: GrpcLog| async move { log.stream(stream).await };
        self.forwarder.forward(SIGNED, call).await
    }
}

impl StandbyLog {
    /// The checkpoint that the leader has published at this moment.
    async fn published(&self) -> Result<String, Error> {
        let sender = sender::current();
        // This node has let the caller in already. A leader that does not is not asked again.
        self.forwarder.check(&sender, Authority::Signatures)?;
        let place = self.forwarder.leaders.place(sender.token.as_deref())?;
        let deadline = Instant::now() + CHECKPOINT_PATIENCE;
        self.forwarder.answer(&place, deadline, place.log.checkpoint()).await
    }

    /// Passes a note of the operator's on.
    async fn note<F>(&self, note: String, call: impl Fn(GrpcLog, String) -> F) -> Result<LeafIndex, Error>
    where
        F: Future<Output = Result<LeafIndex, Error>> + Send,
    {
        self.forwarder.forward(NOTE, |log| call(log, note.clone())).await
    }
}

impl LogReader for StandbyLog {
    async fn checkpoint(&self) -> Result<String, Error> {
        match self.published().await {
            Ok(note) => self.reads.checkpoint_from(note).await,
            // Another node asks, and must not take this one's word for the leader's.
            Err(error) if error.kind == ErrorKind::NotLeader && sender::current().is_forwarded => Err(error),
            Err(error) => self.reads.checkpoint_alone(&error).await,
        }
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String, Error> {
        let newest = self.checkpoint().await?;
        if stated_size(&newest).is_some_and(|newest| newest > size.get()) {
            return Ok(newest);
        }
        self.reads.checkpoint_after(size).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes, Error> {
        self.reads.tile(tile, width).await
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes, Error> {
        self.reads.entry_bundle(bundle, width).await
    }

    async fn pruned(&self) -> Result<Option<PrunedNotice>, Error> {
        self.reads.pruned().await
    }
}

impl Watch for StandbyLog {
    async fn checkpoint_other_than(&self, seen: String) -> Result<String, Error> {
        self.reads.checkpoint_other_than(seen).await
    }

    async fn sequenced_checkpoint(&self) -> Result<String, Error> {
        self.reads.sequenced_checkpoint().await
    }
}

impl Lookup for StandbyLog {
    /// A standby keeps no index. The leader's answer is an entry that fits the key, so nothing depends on its word.
    async fn find(&self, key: LookupKey) -> Result<LeafIndex, Error> {
        let call = |log: GrpcLog| async move { log.find(key).await };
        self.forwarder.forward((Authority::Role, Repetition::Harmless), call).await
    }
}
