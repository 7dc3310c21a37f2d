//! What is missing between the records: numbers of the session and of streams, and records that the seal names.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use jiff::Timestamp;
use vouchlog_record::{Field, RecordId, are_numbered_apart};
use vouchlog_stream::StatementKind;

use crate::input::{Loss, SessionContext, SessionRecord};
use crate::numbers::count;
use crate::phrases::name;
use crate::timeline::{DeclaredGap, Gap, GapScope};

/// What the session's seal says, compared with the records.
#[derive(Debug, Default)]
pub(crate) struct SealCheck {
    /// The seal, if there is one: which of the records.
    pub(crate) record: Option<usize>,
    /// How many records it counts.
    pub(crate) counts: Option<u64>,
    /// Records it names that are not here.
    pub(crate) missing: Vec<RecordId>,
    /// Records that were logged after it.
    pub(crate) after: BTreeSet<usize>,
}

impl SealCheck {
    /// The seals in force: of each numbering one, and their numbers together.
    pub(crate) fn of(records: &[SessionRecord]) -> Self {
        let mut all = Self::default();
        for owner in owners(records) {
            let one = Self::of_one(records, owner.as_deref());
            all.record = all.record.max(one.record);
            all.counts = match (all.counts, one.counts) {
                (Some(sum), Some(count)) => Some(sum.saturating_add(count)),
                (sum, count) => sum.or(count),
            };
            all.missing.extend(one.missing);
            all.after.extend(one.after);
        }
        all
    }

    /// The seal in force, of one recorder if it has numbers of its own. A session that was sealed because nothing came may go on and be
    /// sealed again: the seal that counts most is in force, and of those the first.
    fn of_one(records: &[SessionRecord], owner: Option<&str>) -> Self {
        let is_its = |record: &SessionRecord| owner.is_none_or(|owner| record.recorder() == owner);
        let seals = records
            .iter()
            .enumerate()
            .filter(|(_, record)| record.record.kind == StatementKind::SessionSeal && is_its(record));
        let in_force = seals
            .min_by_key(|(place, seal)| (Reverse(sealed_count(seal)), seal.place.map(|at| at.index), *place));
        let Some((place, sealing)) = in_force else { return Self::default() };
        let after = records.iter().enumerate();
        let after = after.filter(|(other, record)| {
            *other != place && is_its(record) && record.is_counted() == Some(true) && record.is_after(sealing)
        });
        let mut seal =
            Self { record: Some(place), after: after.map(|(other, _)| other).collect(), ..Self::default() };
        if let Some(said) = sealing.record.body.session_seal.value() {
            seal.counts = sealed_count(sealing);
            let here: BTreeSet<&RecordId> = records.iter().map(|record| &record.id).collect();
            let named = said.ids.value().into_iter().flatten();
            seal.missing = named.filter(|id| !here.contains(id)).cloned().collect();
        }
        seal
    }

    /// How many records there are that it should count: at least and at most, where that is not shown of every record.
    pub(crate) fn counted(&self, records: &[SessionRecord]) -> RangeInclusive<u64> {
        let (mut least, mut most) = (0, 0);
        for (place, record) in records.iter().enumerate() {
            if self.after.contains(&place) {
                continue;
            }
            let counted = record.is_counted();
            least += u64::from(counted == Some(true));
            most += u64::from(counted != Some(false));
        }
        least..=most
    }
}

/// The number of records that a seal states.
fn sealed_count(seal: &SessionRecord) -> Option<u64> {
    seal.record.body.session_seal.value()?.records.value().copied()
}

/// A gap, and where it is drawn.
pub(crate) struct PlacedGap {
    pub(crate) gap: Gap,
    /// The record it is drawn before; at the end if there is none.
    pub(crate) before: Option<usize>,
}

/// Every gap, those of the session first.
pub(crate) fn gaps(records: &[SessionRecord], seal: &SealCheck, context: &SessionContext) -> Vec<PlacedGap> {
    let mut found = session_gaps(records, seal, &context.losses);
    for gap in &context.stream_gaps {
        let declared = gap.declared.map(|entry| {
            let loss = context.losses.iter().find(|loss| loss.entry == Some(entry));
            loss.map_or(DeclaredGap { entry: Some(entry), count: None, cause: None }, declared)
        });
        let after = records.iter().enumerate().filter_map(|(place, record)| {
            let at = record.place.filter(|at| at.stream == gap.stream && at.sequence > gap.last)?;
            Some((at.sequence, place))
        });
        let before = after.min().map(|(_, place)| place);
        let (first, last) = (gap.first.get(), gap.last.get());
        let gap = Gap { of: GapScope::Stream(gap.stream), first, last, declared };
        found.push(PlacedGap { gap, before });
    }
    found
}

/// Runs of numbers from 1 that no record has, up to the last one seen or counted by the seal. Without a single number there
/// is nothing to compare.
fn session_gaps(records: &[SessionRecord], seal: &SealCheck, losses: &[Loss]) -> Vec<PlacedGap> {
    let owners = owners(records);
    let is_split = owners.len() > 1;
    let mut found = Vec::new();
    for owner in owners {
        let own = is_split.then(|| SealCheck::of_one(records, owner.as_deref()));
        found.extend(numbered_gaps(records, owner.as_deref(), own.as_ref().unwrap_or(seal), losses));
    }
    found
}

/// The same of what is numbered together.
fn numbered_gaps(
    records: &[SessionRecord],
    owner: Option<&str>,
    seal: &SealCheck,
    losses: &[Loss],
) -> Vec<PlacedGap> {
    let mut numbered: BTreeMap<u64, usize> = BTreeMap::new();
    for (place, record) in records.iter().enumerate() {
        let is_its = owner.is_none_or(|owner| record.recorder() == owner);
        if let Some(number) = record.sequence().filter(|_| is_its) {
            numbered.entry(number).or_insert(place);
        }
    }
    let mut found = Vec::new();
    let (mut next, mut before) = (1, None);
    for (number, place) in &numbered {
        if *number > next {
            let between = (before.map(|place: usize| &records[place]), Some(&records[*place]));
            found.push(PlacedGap { gap: gap(next, number - 1, between, losses), before: Some(*place) });
        }
        next = number.saturating_add(1).max(next);
        before = Some(*place);
    }
    let counts = seal.counts.filter(|counts| !numbered.is_empty() && *counts >= next);
    if let Some(counts) = counts {
        let sealing = seal.record.map(|place| &records[place]);
        let between = (before.map(|place| &records[place]), sealing);
        found.push(PlacedGap { gap: gap(next, counts, between, losses), before: seal.record });
    }
    found
}

/// Whose numbers the records have: one for all (`None`), or each recorder's where two of them gave one number.
fn owners(records: &[SessionRecord]) -> BTreeSet<Option<String>> {
    let counted = || records.iter().filter(|record| record.is_of_session() && record.sequence().is_some());
    if !are_numbered_apart(counted().map(|record| &record.record)) {
        return BTreeSet::from([None]);
    }
    counted().map(|record| Some(record.recorder().to_owned())).collect()
}

fn gap(
    first: u64,
    last: u64,
    (before, after): (Option<&SessionRecord>, Option<&SessionRecord>),
    losses: &[Loss],
) -> Gap {
    let (from, to) = (before.and_then(SessionRecord::at), after.and_then(SessionRecord::at));
    let covering = losses.iter().find(|loss| covers(loss, from, to));
    Gap { of: GapScope::Session, first, last, declared: covering.map(declared) }
}

/// Whether a declared loss falls into the time of a gap. A gap of which neither end has a time is covered by nothing.
fn covers(loss: &Loss, from: Option<Timestamp>, to: Option<Timestamp>) -> bool {
    (from.is_some() || to.is_some())
        && from.is_none_or(|from| loss.to >= from)
        && to.is_none_or(|to| loss.from <= to)
}

fn declared(loss: &Loss) -> DeclaredGap {
    DeclaredGap { entry: loss.entry, count: loss.count, cause: loss.cause.as_deref().map(name) }
}

impl Gap {
    /// The gap in words.
    pub fn words(&self) -> String {
        let whose = match self.of {
            GapScope::Session => "of the session".to_owned(),
            GapScope::Stream(stream) => format!("of stream {stream}"),
        };
        let which = match (self.first, self.last) {
            (first, last) if first == last => format!("record {first} {whose} is missing"),
            (first, last) => format!("records {first}–{last} {whose} are missing"),
        };
        let Some(declared) = &self.declared else { return format!("{which}; no loss was declared") };
        let many = declared
            .count
            .map_or_else(|| "a loss".to_owned(), |n| format!("a loss of {}", count(n, "record", "records")));
        let entry = declared
            .entry
            .map_or_else(|| "which is not logged yet".to_owned(), |entry| format!("at entry {entry}"));
        let cause = declared.cause.as_ref().map_or_else(String::new, |cause| format!(", cause: {cause}"));
        format!("{which}; {many} was declared {entry}{cause}")
    }
}

/// Intents whose outcome nobody recorded.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    /// Which of the records.
    pub(crate) records: BTreeSet<usize>,
    /// How many more it cannot be told of: an outcome may be theirs whose intent is withheld.
    pub(crate) unknown: u64,
}

impl Orphans {
    pub(crate) fn of(records: &[SessionRecord]) -> Self {
        let ended =
            records.iter().filter_map(|record| record.record.body.correlation.value()?.intent.value());
        let ended: BTreeSet<&RecordId> = ended.collect();
        let mut outcomes = records.iter().filter(|record| record.record.kind == StatementKind::Interaction);
        let is_hidden = outcomes.any(hides_its_intent);
        let intents =
            records.iter().enumerate().filter(|(_, record)| record.record.kind == StatementKind::Intent);
        let open = intents.filter(|(_, intent)| !ended.contains(&intent.id)).map(|(place, _)| place);
        let open: BTreeSet<usize> = open.collect();
        // One outcome whose intent is hidden may belong to any of the open intents: then none of them is known to be an orphan.
        if is_hidden {
            Self { records: BTreeSet::new(), unknown: open.len() as u64 }
        } else {
            Self { records: open, unknown: 0 }
        }
    }
}

fn hides_its_intent(record: &SessionRecord) -> bool {
    match &record.record.body.correlation {
        Field::Value(it) => record.hides(&it.intent),
        field => record.hides(field),
    }
}

/// What a record points to and is not here, in words; and an intent it should have.
pub(crate) fn missing_links(record: &SessionRecord, here: &BTreeSet<&RecordId>) -> Vec<String> {
    let Some(it) = record.record.body.correlation.value() else { return Vec::new() };
    let mut found = Vec::new();
    let mut missing = |words: &str, id: Option<&RecordId>| {
        if let Some(id) = id.filter(|id| !here.contains(id)) {
            found.push(format!("{words} {id}, which is missing"));
        }
    };
    missing("it is the outcome of", it.intent.value());
    missing("it completes", it.amends.value());
    const MOST: usize = 8;
    let causes = it.causes.value().map_or(&[][..], Vec::as_slice);
    causes.iter().take(MOST).for_each(|cause| missing("it follows from", Some(cause)));
    if causes.len() > MOST {
        found.push(format!("it follows from {} in total", count(causes.len() as u64, "record", "records")));
    }
    if record.lacks_intent() {
        found.push("no intent was recorded first, although its gateway records intents".to_owned());
    }
    found
}
