//! Heartbeats against the vault. Each states how many records of each kind its process put into the stream since the one before
//! it; the stream's places between the two say which those are.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use vouchlog_record::{Field, Record, RecordId};
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Access, Cursor, Order, Query, Row, Vault, VaultError};

use super::facts::{RowFacts, time};
use crate::assemble::{Emitter, Unclaimed};

#[cfg(test)]
mod tests;

/// Rows before the window that are looked through for places that the window's rows lack: what came in late began earlier.
const MAX_OLDER: usize = 100_000;

/// Names of doors that are kept: a record may come from any client, and name any.
const MAX_DOORS: usize = 32;

/// A place in a stream: the stream, the sequence number.
type Place = (u64, u64);

/// The heartbeats of the window, and which kind of record each place of a stream has.
#[derive(Default)]
pub(super) struct Heartbeats {
    beats: Vec<Beat>,
    places: BTreeMap<Place, StatementKind>,
    sums: Sums,
    unclaimed: Unclaimed,
    doors: BTreeMap<String, Timestamp>,
}

/// What the heartbeats of the window count, together.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Sums {
    /// Items taken from emitters.
    pub received: u64,
    /// Items refused.
    pub refused: u64,
    /// Attributes that no table knows.
    pub not_understood: u64,
    /// Items about no interaction.
    pub ignored: u64,
    /// Items lost.
    pub lost: u64,
    /// Bodies that were not passed on to the next collector.
    pub forward_dropped: u64,
}

struct Beat {
    id: RecordId,
    recorder: String,
    place: Option<Place>,
    number: u64,
    to: Timestamp,
    counts: BTreeMap<String, u64>,
}

/// What the heartbeats of the window show.
#[derive(Debug, Default, Serialize)]
pub struct HeartbeatReport {
    /// Heartbeats in the window.
    pub heartbeats: u64,
    /// The collectors that sent them.
    pub recorders: Vec<RecorderReport>,
    /// The longest time between two of one gateway, or from the last one until now.
    pub longest_silence: Option<Silence>,
    /// Intervals whose records are those the heartbeat counts.
    pub agreeing: u64,
    /// Intervals that could not be checked: not logged yet, or out of the window's reach.
    pub unchecked: u64,
    /// Intervals whose records are others than the heartbeat counts.
    pub disagreeing: Vec<Disagreement>,
    /// What the heartbeats count, together.
    pub sums: Sums,
    /// Spans that no mapping table understands, by emitter, the most first. Nothing else of them is on record.
    pub unclaimed: Vec<UnclaimedReport>,
    /// When each door of the collector last received anything, by the door's name: `traces`, `logs`, `records`, `litellm`, `opa`,
    /// `intents` or `seal`. One that is not listed received nothing in the window.
    pub doors: BTreeMap<String, Timestamp>,
}

/// Spans of one emitter that no mapping table understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnclaimedReport {
    /// Name of the service; empty if it gives none.
    pub service: String,
    /// Name of the instrumentation scope; empty if it gives none.
    pub scope: String,
    /// How many.
    pub spans: u64,
}

/// A collector, by its heartbeats.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct RecorderReport {
    /// Its name; empty if it gives none.
    pub recorder: String,
    /// Heartbeats in the window.
    pub heartbeats: u64,
    /// Up to when the last of them counts.
    pub last: Timestamp,
}

/// A time without a heartbeat of one recorder.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// How long it was.
    pub seconds: i64,
    /// When it began.
    pub from: Timestamp,
    /// The recorder that was silent.
    pub recorder: String,
}

/// A heartbeat that counts other records than the vault has.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// The heartbeat.
    pub heartbeat: RecordId,
    /// The stream it counts.
    pub stream: u64,
    /// Records by kind, as the heartbeat counts them.
    pub stated: BTreeMap<String, u64>,
    /// Records by kind, as the vault has them.
    pub found: BTreeMap<String, u64>,
}

impl Heartbeats {
    /// Takes in where a record is in its stream; erased ones keep their place.
    pub(super) fn row(&mut self, row: &Row) {
        if let Some(place) = row.place {
            self.places.insert((place.stream.get(), place.sequence.get()), row.kind);
        }
    }

    /// Takes in what a heartbeat says.
    pub(super) fn take(&mut self, row: &RowFacts, record: &Record) {
        let Some(heartbeat) = record.body.heartbeat.value() else { return };
        // A record may come from any client, so its numbers may be any.
        let add = |sum: &mut u64, count: &Field<u64>| {
            *sum = sum.saturating_add(count.value().copied().unwrap_or_default());
        };
        let sums = &mut self.sums;
        add(&mut sums.received, &heartbeat.received);
        add(&mut sums.refused, &heartbeat.refused);
        add(&mut sums.not_understood, &heartbeat.not_understood);
        add(&mut sums.ignored, &heartbeat.ignored);
        add(&mut sums.lost, &heartbeat.lost);
        add(&mut sums.forward_dropped, &heartbeat.forward_dropped);
        for told in heartbeat.unclaimed.value().into_iter().flatten() {
            let name = |name: &Field<String>| name.value().cloned().unwrap_or_default();
            let emitter = Emitter { service: name(&told.service), scope: name(&told.scope) };
            self.unclaimed.add(emitter, told.spans.value().copied().unwrap_or_default());
        }
        for told in heartbeat.doors.value().into_iter().flatten() {
            let (Some(door), Some(last)) = (told.door.value(), told.last.value()) else { continue };
            if self.doors.len() < MAX_DOORS || self.doors.contains_key(door) {
                let known = self.doors.entry(door.clone()).or_insert(*last);
                *known = (*known).max(*last);
            }
        }
        let custody = record.body.custody.value();
        self.beats.push(Beat {
            id: row.id.clone(),
            recorder: custody.and_then(|it| it.recorder.value().cloned()).unwrap_or_default(),
            place: row.place,
            number: heartbeat.number.value().copied().unwrap_or_default(),
            to: heartbeat.to.value().copied().unwrap_or_else(|| time(row.started_at)),
            counts: heartbeat.counts.value().cloned().unwrap_or_default(),
        });
    }

    /// Looks up places that are between two heartbeats and not among the window's rows.
    pub(super) async fn complete(
        &mut self,
        vault: &Vault,
        access: &Access,
        tenant: &str,
        last: Option<Cursor>,
    ) -> Result<(), VaultError> {
        self.beats.sort_by_key(|beat| (beat.place, beat.to));
        let mut missing: BTreeSet<Place> = self.intervals().flat_map(|(_, places)| places).collect();
        missing.retain(|place| !self.places.contains_key(place));
        let tenant = Some(tenant.to_owned());
        let query = Query { tenant, order: Order::NewestFirst, after: last, ..Query::default() };
        let (mut pages, mut seen) = (vault.pages(access, query), 0);
        while !missing.is_empty() && seen < MAX_OLDER {
            let Some(rows) = pages.next().await? else { return Ok(()) };
            seen += rows.len();
            for row in &rows {
                self.row(row);
                if let Some(place) = row.place {
                    missing.remove(&(place.stream.get(), place.sequence.get()));
                }
            }
        }
        // Of what is further back nobody can say here that it is not there.
        self.beats.iter_mut().filter(|_| !missing.is_empty()).for_each(|beat| {
            let is_open = |(stream, _): &Place| beat.place.is_some_and(|(own, _)| own == *stream);
            if missing.iter().any(is_open) {
                beat.place = None;
            }
        });
        Ok(())
    }

    /// Each heartbeat that follows another of its process, and the places that it counts: from the one before, which is counted by
    /// the next, to the one before itself.
    fn intervals(&self) -> impl Iterator<Item = (&Beat, impl Iterator<Item = Place> + use<>)> {
        self.beats.iter().zip(self.beats.iter().skip(1)).filter_map(|(before, beat)| {
            let (stream, from) = before.place?;
            let (same, to) = beat.place?;
            let follows =
                stream == same && before.number > 0 && before.number.checked_add(1) == Some(beat.number);
            follows.then(|| (beat, (from..to).map(move |sequence| (stream, sequence))))
        })
    }

    /// What they say. For after [`complete`](Self::complete).
    pub(super) fn judge(mut self, now: Timestamp) -> HeartbeatReport {
        self.beats.sort_by_key(|beat| (beat.place, beat.to));
        let heartbeats = self.beats.len() as u64;
        let mut unclaimed: Vec<UnclaimedReport> = self.unclaimed.iter().map(UnclaimedReport::of).collect();
        unclaimed.sort_by_key(|one| std::cmp::Reverse(one.spans));
        let doors = std::mem::take(&mut self.doors);
        let mut report =
            HeartbeatReport { heartbeats, sums: self.sums, unclaimed, doors, ..HeartbeatReport::default() };
        for (beat, places) in self.intervals() {
            let mut found: BTreeMap<String, u64> = BTreeMap::new();
            let mut stream = 0;
            for place in places {
                stream = place.0;
                if let Some(kind) = self.places.get(&place) {
                    *found.entry(kind.name().to_owned()).or_default() += 1;
                }
            }
            if found == beat.counts {
                report.agreeing += 1;
            } else {
                let (heartbeat, stated) = (beat.id.clone(), beat.counts.clone());
                report.disagreeing.push(Disagreement { heartbeat, stream, stated, found });
            }
        }
        // The first of a process follows none: there is nothing to count from.
        let due = self.beats.iter().filter(|beat| beat.number > 1).count() as u64;
        report.unchecked = due.saturating_sub(report.agreeing + report.disagreeing.len() as u64);
        report.longest_silence = self.longest_silence(now);
        report.recorders = self.recorders();
        report
    }

    fn recorders(&self) -> Vec<RecorderReport> {
        let mut recorders: BTreeMap<&str, (u64, Timestamp)> = BTreeMap::new();
        for beat in &self.beats {
            let (heartbeats, last) = recorders.entry(&beat.recorder).or_insert((0, beat.to));
            (*heartbeats, *last) = (*heartbeats + 1, beat.to.max(*last));
        }
        let report = |(recorder, (heartbeats, last)): (&str, (u64, Timestamp))| {
            let recorder = recorder.to_owned();
            RecorderReport { recorder, heartbeats, last }
        };
        recorders.into_iter().map(report).collect()
    }

    fn longest_silence(&self, now: Timestamp) -> Option<Silence> {
        let mut by_recorder: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
        for beat in &self.beats {
            by_recorder.entry(&beat.recorder).or_default().push(beat.to);
        }
        let mut longest: Option<(SignedDuration, Silence)> = None;
        for (recorder, mut times) in by_recorder {
            times.sort_unstable();
            times.push(now);
            for pair in times.windows(2) {
                let [from, to] = pair else { continue };
                let silent = to.duration_since(*from);
                if longest.as_ref().is_none_or(|(known, _)| silent > *known) {
                    let silence =
                        Silence { seconds: silent.as_secs(), from: *from, recorder: recorder.to_owned() };
                    longest = Some((silent, silence));
                }
            }
        }
        longest.map(|(_, silence)| silence)
    }
}

impl UnclaimedReport {
    fn of((emitter, spans): (&Emitter, u64)) -> Self {
        Self { service: emitter.service.clone(), scope: emitter.scope.clone(), spans }
    }
}

impl HeartbeatReport {
    /// What is critical, in words.
    pub(super) fn critical(&self) -> impl Iterator<Item = String> + '_ {
        self.disagreeing.iter().map(|one| {
            format!(
                "heartbeat {} counts {}; its places in stream {} have {} (R64)",
                one.heartbeat,
                in_words(&one.stated),
                one.stream,
                in_words(&one.found)
            )
        })
    }
}

fn in_words(counts: &BTreeMap<String, u64>) -> String {
    let words: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
