//! One stream as far as it was read: what its next entry must be.

use vouchlog_merkle::{CompactRange, Hash, TreeHead};
use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_stream::{LoggedAt, StatementEntry, StatementKind, StreamId};

use crate::evidence::EvidenceSource;
use crate::finding::{Cause, Suspicions};
use crate::kind::FindingKind;
use crate::place::Place;

/// Bits of the evidence bitmap.
pub(crate) const EVIDENCE_BITS: usize = 32;

/// A key that was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Withdrawn {
    /// The entry that did.
    pub(crate) index: u64,
    /// From when on.
    pub(crate) effective: LoggedAt,
}

/// The newest head of a stream in the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeadSeen {
    pub(crate) index: u64,
    pub(crate) head: TreeHead,
    /// Seconds since 1970 by the gateway's clock.
    pub(crate) timestamp: u64,
    /// The compact range whose root was signed: from here a later stretch of the stream can be replayed on its own.
    pub(crate) range: CompactRange,
}

/// One stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stream {
    /// Who opened it and which key signs it; none when its opening does not say so reliably.
    pub(crate) gateway: Option<VerifyingKey>,
    pub(crate) key: Option<VerifyingKey>,
    pub(crate) origin: Option<Origin>,
    pub(crate) previous: Option<(StreamId, u64)>,
    /// The tree of its statements; meaningless once the stream is broken.
    pub(crate) range: CompactRange,
    /// The sequence number that follows.
    pub(crate) next: u64,
    pub(crate) statements: u64,
    pub(crate) last_statement: Option<u64>,
    pub(crate) head: Option<HeadSeen>,
    pub(crate) heads: u64,
    /// The log's uptime when it was opened or when the newest head was written.
    pub(crate) alive_at: u64,
    /// The log's uptime when the first statement came that no head covers.
    pub(crate) uncovered_since: Option<u64>,
    pub(crate) closed: Option<u64>,
    /// The opening of its successor.
    pub(crate) succeeded: Option<u64>,
    pub(crate) withdrawn: Option<Withdrawn>,
    /// What made its statements incomparable with what its gateway signed.
    pub(crate) broken: Option<Cause>,
    /// Whether it is broken because the log gave up some of its statements, which is no fault of the stream.
    pub(crate) pruned: bool,
    pub(crate) losses: u64,
    /// Statements of interactions and intents.
    pub(crate) interactions: u64,
    /// How many of those claim each bit of evidence.
    pub(crate) evidence: [u64; EVIDENCE_BITS],
}

impl Stream {
    pub(crate) fn new(uptime: u64) -> Self {
        Self {
            gateway: None,
            key: None,
            origin: None,
            previous: None,
            range: CompactRange::new(),
            next: 0,
            statements: 0,
            last_statement: None,
            head: None,
            heads: 0,
            alive_at: uptime,
            uncovered_since: None,
            closed: None,
            succeeded: None,
            withdrawn: None,
            broken: None,
            pruned: false,
            losses: 0,
            interactions: 0,
            evidence: [0; EVIDENCE_BITS],
        }
    }

    /// The root of its statements so far.
    pub(crate) fn root(&self) -> Hash {
        self.range.root().expect("a stream's range begins at its first statement")
    }

    /// Counts a statement in.
    pub(crate) fn take(&mut self, index: u64, entry: &StatementEntry, uptime: u64) {
        if self.broken.is_none() {
            self.range.append(entry.statement.stream_leaf_hash());
        }
        self.next = entry.sequence.get().saturating_add(1);
        self.statements += 1;
        self.last_statement = Some(index);
        self.uncovered_since.get_or_insert(uptime);
        self.losses += u64::from(entry.statement.kind == StatementKind::DeclaredLoss);
        if !matches!(entry.statement.kind, StatementKind::Interaction | StatementKind::Intent) {
            return;
        }
        self.interactions += 1;
        let mut bits = entry.statement.evidence.bits();
        while bits != 0 {
            self.evidence[bits.trailing_zeros() as usize] += 1;
            bits &= bits - 1;
        }
    }

    /// SPEC: nothing of a stream follows its closing, and no statement the opening of its successor.
    pub(crate) fn check_open(&self, index: u64, id: StreamId, found: &mut Suspicions) {
        let Some(ended) = self.closed.or(self.succeeded) else { return };
        let how = if self.closed.is_some() { "closed" } else { "succeeded" };
        found.add(
            FindingKind::EntryAfterClose,
            Place::stream(id).at(index),
            EvidenceSource::entries([id.get(), ended, index]),
            || format!("stream {id} was {how} at entry {ended}"),
        );
    }

    /// SPEC: a withdrawn key is not trusted from the time its revocation names, nor before the log had that.
    pub(crate) fn check_not_withdrawn(
        &self,
        index: u64,
        id: StreamId,
        now: LoggedAt,
        what: &str,
        found: &mut Suspicions,
    ) -> bool {
        let Some(withdrawn) = self.withdrawn.filter(|withdrawn| withdrawn.effective <= now) else {
            return true;
        };
        // A head after the revocation is a fault only if it covers nothing that was there before; the one before it shows that.
        let before = self.head.as_ref().map(|head| head.index);
        found.add(
            FindingKind::RevokedKeyUsed,
            Place::stream(id).at(index),
            EvidenceSource::entries([id.get(), withdrawn.index, index].into_iter().chain(before)),
            || format!("{what} of stream {id}, whose gateway's key was revoked at entry {}", withdrawn.index),
        );
        false
    }

    /// The sequence number is not the one that follows.
    pub(crate) fn gap(&mut self, index: u64, id: StreamId, sequence: u64, found: &mut Suspicions) {
        if let Some(cause) = self.broken {
            return found.follows(cause);
        }
        let next = self.next;
        let last = self.last_statement.unwrap_or(id.get());
        let lead = EvidenceSource::entries([last, index]).with_run(last, index);
        let cause = found.add(FindingKind::StreamGap, Place::stream(id).at(index), lead, || {
            let what = if sequence > next { "statements are missing" } else { "a statement is repeated" };
            format!("stream {id} has sequence number {sequence} where {next} follows: {what}")
        });
        self.broken = Some(cause);
    }
}
