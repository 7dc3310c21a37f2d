//! One stream as the log sees it: a small append-only tree whose every head the gateway signed.
//!
//! A request is *add-checkpoint for statements*: old size, statements, the signed head after them. The state computes the
//! head itself and compares, so one signature authenticates the statements, their order and that none is missing. The rules,
//! in the order they are checked:
//!
//! 0. the head's note is plain: no extension lines, no other signatures, always of one origin;
//! 1. the signed size is the old size plus the statements;
//! 2. a run the log already has is answered again, unchanged (a retry); another root at its size is a fork;
//! 3. the old size is the size the log has, else conflict;
//! 4. the stream is open;
//! 5. the root of the statements is the signed root;
//! 6. the head was not signed before the newest one; with no statements (a heartbeat) it was signed later.

use std::collections::VecDeque;

use vouchlog_merkle::{CompactRange, Hash, LeafIndex, TreeHead};
use vouchlog_note::{CosignedCheckpoint, Origin, VerifyingKey};

use self::stored::plain_note;
use self::tree::{Tree, root};
use crate::limits::{MAX_STREAM_SIZE, RECENT_RUNS};
use crate::{LoggedAt, Previous, StreamError, StreamId};

mod replay;
mod stored;
mod tree;

/// Statements of one request: contiguous in the stream and in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Sequence number of the first.
    pub start: u64,
    /// How many.
    pub count: u32,
    /// Where the first is in the log.
    pub first: LeafIndex,
    /// When the log took them.
    pub logged_at: LoggedAt,
    /// Root of the stream's tree after them.
    pub root: Hash,
    /// The note in which the gateway signed that root.
    pub note: String,
}

impl Run {
    /// Size of the stream after the run.
    pub fn end(&self) -> u64 {
        self.start + u64::from(self.count)
    }
}

/// Whether a stream takes statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamStatus {
    /// It does.
    Open,
    /// Its gateway closed it.
    Closed,
    /// A later stream named it as its predecessor.
    Superseded(StreamId),
}

/// Two heads of one size with different roots, each signed by the stream's key: proof that the gateway told two histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The size both have.
    pub size: u64,
    /// The note the log accepted.
    pub accepted: String,
    /// The note that contradicts it.
    pub refused: String,
}

/// What a stream did with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// New statements: they are the log's entries from `first` on.
    Appended(Run),
    /// The log has had these statements before.
    Repeated(Run),
    /// No statements: the gateway is alive, or closed the stream.
    HeadOnly,
}

/// The newest head its gateway signed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NewestHead {
    origin: Origin,
    /// Seconds since 1970 by the gateway's clock.
    timestamp: u64,
    note: String,
}

impl NewestHead {
    fn of(head: &CosignedCheckpoint) -> Self {
        Self { origin: head.origin().clone(), timestamp: head.timestamp(), note: head.note().to_owned() }
    }
}

/// One stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    id: StreamId,
    gateway: VerifyingKey,
    key: VerifyingKey,
    previous: Option<Previous>,
    tree: Tree,
    head: Option<NewestHead>,
    runs: VecDeque<Run>,
    status: StreamStatus,
    /// The size that the newest stream-head entry in the log covers.
    logged_size: u64,
    fork: Option<Fork>,
}

impl StreamState {
    /// A stream that was just opened by the entry `id`.
    pub fn new(id: StreamId, gateway: VerifyingKey, key: VerifyingKey, previous: Option<Previous>) -> Self {
        Self {
            id,
            gateway,
            key,
            previous,
            tree: Tree::Growing(CompactRange::new()),
            head: None,
            runs: VecDeque::new(),
            status: StreamStatus::Open,
            logged_size: 0,
            fork: None,
        }
    }

    /// The stream as it is once it takes no more statements and its newest head, verified with [`key`](Self::key), is an entry. The
    /// requests that its statements came in are not known.
    #[must_use]
    pub fn ended(mut self, head: Option<&CosignedCheckpoint>, status: StreamStatus) -> Self {
        if let Some(head) = head {
            self.tree = Tree::of_head(head.head());
            self.head = Some(NewestHead::of(head));
        }
        self.logged_size = self.size();
        self.status = status;
        self
    }

    /// Its name.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The enrolled key of the gateway that opened it.
    pub fn gateway(&self) -> &VerifyingKey {
        &self.gateway
    }

    /// The key that signs its heads.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The stream it continues.
    pub fn previous(&self) -> Option<Previous> {
        self.previous
    }

    /// How many statements it has.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Size and root of its tree.
    pub fn tree_head(&self) -> TreeHead {
        self.tree.head()
    }

    /// The compact range of its tree, so that the holder of the stream's key can continue it. None if only its last head is known,
    /// see [`ended`](Self::ended).
    pub fn range(&self) -> Option<&CompactRange> {
        self.tree.range()
    }

    /// The newest head its gateway signed, as a note; none before the first statement or heartbeat.
    pub fn head_note(&self) -> Option<&str> {
        self.head.as_ref().map(|head| head.note.as_str())
    }

    /// When the newest head was signed, seconds since 1970 by the gateway's clock.
    pub fn head_timestamp(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.timestamp)
    }

    /// Its latest runs, oldest first, at most [`RECENT_RUNS`].
    pub fn runs(&self) -> impl ExactSizeIterator<Item = &Run> {
        self.runs.iter()
    }

    /// Whether it takes statements.
    pub fn status(&self) -> StreamStatus {
        self.status
    }

    /// The first fork its gateway was caught at.
    pub fn fork(&self) -> Option<&Fork> {
        self.fork.as_ref()
    }

    /// Admits a request, or refuses it and stays as it is; only a fork is remembered.
    ///
    /// `leaves` are the stream leaf hashes of the statements, `head` the head verified with [`key`](Self::key); `first`
    /// and `logged_at` are the place and time the log would give the statements.
    pub fn admit(
        &mut self,
        old_size: u64,
        leaves: &[Hash],
        head: &CosignedCheckpoint,
        first: LeafIndex,
        logged_at: LoggedAt,
    ) -> Result<Admitted, StreamError> {
        let statements = range_of(old_size, leaves, head)?;
        self.admit_range(&statements, head, first, logged_at)
    }

    /// The same for statements whose leaf hashes were put together before, by [`range_of`]: nearly all the hashing, which needs nothing
    /// of the stream.
    pub fn admit_range(
        &mut self,
        statements: &CompactRange,
        head: &CosignedCheckpoint,
        first: LeafIndex,
        logged_at: LoggedAt,
    ) -> Result<Admitted, StreamError> {
        self.check_plain(head)?;
        let (signed, old_size) = (head.head(), statements.begin());
        let count = u32::try_from(statements.end() - old_size).map_err(|_| StreamError::Full(self.id))?;
        if statements.end() != signed.size.get() {
            return Err(head_size(old_size, u64::from(count), head));
        }
        if let Some(known) = self.note_of_size(signed.size.get()).filter(|(root, _)| *root != signed.root) {
            return Err(self.record_fork(signed.size.get(), known.1, head.note()));
        }
        if count > 0
            && let Some(run) = self.runs.iter().find(|run| run.start == old_size && run.count == count)
        {
            return Ok(Admitted::Repeated(run.clone()));
        }
        if old_size != self.size() {
            return Err(StreamError::Conflict { stream: self.id, claimed: old_size, size: self.size() });
        }
        self.check_open()?;
        if count == 0 {
            return self.admit_head(head);
        }
        self.admit_statements(
            statements,
            head,
            Run { start: old_size, count, first, logged_at, root: signed.root, note: head.note().to_owned() },
        )
    }

    fn admit_statements(
        &mut self,
        statements: &CompactRange,
        head: &CosignedCheckpoint,
        run: Run,
    ) -> Result<Admitted, StreamError> {
        if run.end() > MAX_STREAM_SIZE {
            return Err(StreamError::Full(self.id));
        }
        // Grown beside the old range, so that a refusal leaves the stream as it was.
        let mut grown = self.tree.range().ok_or(StreamError::Closed(self.id))?.clone();
        grown.merge(statements).expect("the statements begin where the stream ends");
        let computed = root(&grown);
        if computed != run.root {
            return Err(StreamError::Root { signed: run.root, computed });
        }
        if head.timestamp() < self.head_timestamp() {
            return Err(self.replayed(head));
        }
        self.tree = Tree::Growing(grown);
        self.head = Some(NewestHead::of(head));
        if self.runs.len() == RECENT_RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back(run.clone());
        Ok(Admitted::Appended(run))
    }

    fn admit_head(&mut self, head: &CosignedCheckpoint) -> Result<Admitted, StreamError> {
        let computed = self.tree_head().root;
        if head.head().root != computed {
            // Only a stream without a signed head gets here: any other size has a known root.
            return Err(StreamError::Root { signed: head.head().root, computed });
        }
        if self.head.is_some() && head.timestamp() <= self.head_timestamp() {
            return Err(self.replayed(head));
        }
        self.head = Some(NewestHead::of(head));
        Ok(Admitted::HeadOnly)
    }

    /// Closes the stream after its last statement was admitted.
    pub fn close(&mut self) {
        self.status = StreamStatus::Closed;
    }

    /// Marks the stream as continued by another one, which named its size.
    pub fn supersede(&mut self, by: StreamId, size: u64) -> Result<(), StreamError> {
        if size != self.size() {
            return Err(StreamError::Conflict { stream: self.id, claimed: size, size: self.size() });
        }
        if let StreamStatus::Superseded(by) = self.status {
            return Err(StreamError::Superseded { stream: self.id, by });
        }
        self.status = StreamStatus::Superseded(by);
        Ok(())
    }

    /// Whether it takes no more statements and all there is to know of it are entries of the log. Only a [`fork`](Self::fork) is no
    /// entry.
    pub fn has_ended(&self) -> bool {
        self.status != StreamStatus::Open && !self.has_unlogged_head()
    }

    /// Whether statements came since the last head in the log.
    pub fn has_unlogged_head(&self) -> bool {
        self.size() != self.logged_size
    }

    /// Remembers that the newest head was written as an entry.
    pub fn head_logged(&mut self) {
        self.logged_size = self.size();
    }

    /// A note may carry lines that verify nothing, a megabyte of them. One that came with a head would be kept with every
    /// run, and the entry that logs it could be one no reader takes. What is plain is short, and follows from its
    /// signature.
    fn check_plain(&self, head: &CosignedCheckpoint) -> Result<(), StreamError> {
        let same_origin = self.head.as_ref().is_none_or(|newest| newest.origin == *head.origin());
        let signature = stored::signature(head.note());
        let plain = plain_note(head.origin(), head.head(), &self.key, signature);
        if same_origin && plain == head.note() { Ok(()) } else { Err(StreamError::NotPlain(self.id)) }
    }

    fn check_open(&self) -> Result<(), StreamError> {
        match self.status {
            StreamStatus::Open => Ok(()),
            StreamStatus::Closed => Err(StreamError::Closed(self.id)),
            StreamStatus::Superseded(by) => Err(StreamError::Superseded { stream: self.id, by }),
        }
    }

    /// The root and the signed note of a size, where the stream still knows them.
    fn note_of_size(&self, size: u64) -> Option<(Hash, String)> {
        if size == self.size() {
            return self.head.as_ref().map(|head| (self.tree_head().root, head.note.clone()));
        }
        self.runs.iter().find(|run| run.end() == size).map(|run| (run.root, run.note.clone()))
    }

    fn record_fork(&mut self, size: u64, accepted: String, refused: &str) -> StreamError {
        // The first proof is enough, and a gateway must not be able to fill the store with more.
        self.fork.get_or_insert_with(|| Fork { size, accepted, refused: refused.to_owned() });
        StreamError::Fork { stream: self.id, size }
    }

    fn replayed(&self, head: &CosignedCheckpoint) -> StreamError {
        StreamError::Replayed { stream: self.id, signed: head.timestamp(), last: self.head_timestamp() }
    }
}

/// The statements of a request as one range of their stream, from their leaf hashes: what [`StreamState::admit_range`] takes. This is
/// nearly all the hashing of a request and needs nothing but the request, so that many threads can do it.
///
/// # Errors
/// [`StreamError::HeadSize`] where no stream is as long as the request claims.
pub fn range_of(
    old_size: u64,
    leaves: &[Hash],
    head: &CosignedCheckpoint,
) -> Result<CompactRange, StreamError> {
    CompactRange::of_leaves(old_size, leaves).ok_or_else(|| head_size(old_size, leaves.len() as u64, head))
}

fn head_size(claimed: u64, statements: u64, head: &CosignedCheckpoint) -> StreamError {
    let signed = head.head().size.get();
    StreamError::HeadSize { signed, claimed: claimed.min(MAX_STREAM_SIZE), statements }
}

#[cfg(test)]
mod tests;
