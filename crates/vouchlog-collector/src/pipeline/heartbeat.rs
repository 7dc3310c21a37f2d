//! The account that the collector gives of itself: every half minute, also when nothing happens.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vouchlog_record::{DoorActivity, Record, RecordId, UnclaimedSpans};
use vouchlog_stream::StatementKind;

use crate::arrival::What;
use crate::assemble::{Emitter, Unclaimed};
use crate::fold::Tally;

/// What happened since the last heartbeat.
#[derive(Debug)]
pub(super) struct Account {
    number: u64,
    from: Option<Timestamp>,
    counts: BTreeMap<StatementKind, u64>,
    tally: Tally,
    unclaimed: Unclaimed,
    /// When something last came, by the name of its door.
    doors: BTreeMap<&'static str, Timestamp>,
    /// Bodies not sent on, when it began.
    not_forwarded: u64,
    records: Vec<Record>,
}

/// How the collector is, when it gives its account.
#[derive(Clone, Copy)]
pub(super) struct State {
    /// Items in traces that are open.
    pub(super) waiting: u64,
    pub(super) journal_bytes: u64,
    /// Bodies not sent on since this process began, if any are to be.
    pub(super) not_forwarded: Option<u64>,
}

impl Account {
    /// The account of a process that begins.
    pub(super) fn new() -> Self {
        let (counts, tally, records) = (BTreeMap::new(), Tally::default(), Vec::new());
        Self {
            number: 1,
            from: None,
            counts,
            tally,
            unclaimed: Unclaimed::default(),
            doors: BTreeMap::new(),
            not_forwarded: 0,
            records,
        }
    }

    pub(super) fn add(&mut self, at: Timestamp, records: Vec<Record>, tally: Tally) {
        self.from.get_or_insert(at);
        self.records.extend(records);
        self.tally.add(tally);
    }

    /// Notes by which door something came, and when.
    pub(super) fn add_arrival(&mut self, what: What, at: Timestamp) {
        if let What::Arrived(door) = what {
            self.doors.insert(door.name(), at);
        }
    }

    /// Counts spans that no table understands.
    pub(super) fn add_unclaimed(&mut self, unclaimed: Unclaimed) {
        self.unclaimed.extend(unclaimed);
    }

    /// Counts what became of records after they were folded.
    pub(super) fn add_tally(&mut self, tally: Tally) {
        self.tally.add(tally);
    }

    /// Records that wait to be recorded.
    pub(super) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    pub(super) fn count(&mut self, kind: StatementKind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// Something got into the stream that is not counted: what follows is counted as after a start.
    pub(super) fn begin_anew(&mut self) {
        self.number = 1;
    }

    /// The heartbeat for what happened until now; the next account begins.
    pub(super) fn heartbeat(&mut self, id: RecordId, now: Timestamp, state: State) -> Record {
        let mut record = Record::new(StatementKind::Heartbeat);
        record.id = Some(id);
        record.body.time.get_or_default().start = now.into();
        let heartbeat = record.body.heartbeat.get_or_default();
        // The wall clock may have been set back meanwhile.
        heartbeat.from = self.from.unwrap_or(now).min(now).into();
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
        let unclaimed: Vec<UnclaimedSpans> = std::mem::take(&mut self.unclaimed).iter().map(told).collect();
        heartbeat.unclaimed = unclaimed.into();
        let doors: Vec<DoorActivity> = std::mem::take(&mut self.doors)
            .into_iter()
            .map(|(door, last)| DoorActivity { door: door.into(), last: last.into() })
            .collect();
        heartbeat.doors = doors.into();
        heartbeat.waiting = state.waiting.into();
        heartbeat.journal_bytes = state.journal_bytes.into();
        if let Some(not_forwarded) = state.not_forwarded {
            heartbeat.forward_dropped = not_forwarded.saturating_sub(self.not_forwarded).into();
            self.not_forwarded = not_forwarded;
        }
        self.number += 1;
        self.from = Some(now);
        self.counts.clear();
        self.tally = Tally::default();
        record
    }
}

fn told((emitter, spans): (&Emitter, u64)) -> UnclaimedSpans {
    let mut told = UnclaimedSpans { spans: spans.into(), ..UnclaimedSpans::default() };
    for (field, name) in [(&mut told.service, &emitter.service), (&mut told.scope, &emitter.scope)] {
        if !name.is_empty() {
            *field = name.clone().into();
        }
    }
    told
}
