//! The account that the collector gives of itself: every half minute, also when nothing happens.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use vouchlog_evidence::{Record, RecordId};
use vouchlog_stream::StatementKind;

use crate::fold::Tally;

/// What happened since the last heartbeat.
#[derive(Debug)]
pub(super) struct Account {
    number: u64,
    from: Option<Timestamp>,
    counts: BTreeMap<StatementKind, u64>,
    tally: Tally,
    records: Vec<Record>,
}

impl Account {
    /// The account of a process that begins.
    pub(super) fn new() -> Self {
        Self { number: 1, from: None, counts: BTreeMap::new(), tally: Tally::default(), records: Vec::new() }
    }

    pub(super) fn add(&mut self, at: Timestamp, records: Vec<Record>, tally: Tally) {
        self.from.get_or_insert(at);
        self.records.extend(records);
        self.tally.add(tally);
    }

    /// Records that wait to be recorded.
    pub(super) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    pub(super) fn count(&mut self, kind: StatementKind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    pub(super) fn is_due(&self, now: Timestamp, every: SignedDuration) -> bool {
        self.from.is_some_and(|from| now.duration_since(from) >= every)
    }

    /// Something got into the stream that is not counted: what follows is counted as after a start.
    pub(super) fn begin_anew(&mut self) {
        self.number = 1;
    }

    /// The heartbeat for what happened until now; the next account begins.
    pub(super) fn heartbeat(&mut self, id: RecordId, now: Timestamp, waiting: u64, journal: u64) -> Record {
        let mut record = Record::new(StatementKind::Heartbeat);
        record.id = Some(id);
        record.body.time.get_or_default().start = now.into();
        let heartbeat = record.body.heartbeat.get_or_default();
        heartbeat.from = self.from.unwrap_or(now).into();
        heartbeat.to = now.into();
        heartbeat.number = self.number.into();
        let counts = self.counts.iter().map(|(kind, count)| (kind.name().to_owned(), *count));
        heartbeat.counts = counts.collect::<BTreeMap<_, _>>().into();
        let Tally { received, refused, not_understood, ignored, conflicts: _, lost } = self.tally;
        heartbeat.received = received.into();
        heartbeat.refused = refused.into();
        heartbeat.not_understood = not_understood.into();
        heartbeat.ignored = ignored.into();
        heartbeat.lost = lost.into();
        heartbeat.waiting = waiting.into();
        heartbeat.journal_bytes = journal.into();
        self.number += 1;
        self.from = Some(now);
        self.counts.clear();
        self.tally = Tally::default();
        record
    }
}
