//! The fold: entries of the journal in, records out. It has no clock, no disk and no randomness: the same entries give the same
//! records with the same names, so what a crash interrupted is done again and nothing twice. Start here to follow a body to its
//! records.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vouchlog_grading::RULES_VERSION;
use vouchlog_record::{Record, RecordId, SealReason};
use vouchlog_stream::StatementKind;

use crate::arrival::{Door, JournalEntry, What};
use crate::assemble::{Assembler, Delivery, Out, Unclaimed};
use crate::intake::{Encoding, Item, Signal, decode};
use crate::intents::Intents;
use crate::journal::{Changes, Losses, Pairs};
use crate::secret::Secret;
use crate::sender::{Refusals, Sender};
use crate::sessions::{Seal, Sessions};
use crate::settings::{Mode, Settings};
use crate::{doors, intents};

mod configuration;
pub(crate) mod loss;

/// Prefixes of what is remembered across restarts.
const MEMORY: u8 = b'm';
const SESSION: u8 = b's';
const INTENT: u8 = b'i';
const CONFIGURATION: u8 = b'c';

/// What an entry amounted to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FoldOutcome {
    /// Records, in order.
    pub(crate) records: Vec<Record>,
    pub(crate) tally: Tally,
    /// Spans that no table understands, by emitter.
    pub(crate) unclaimed: Unclaimed,
    /// Interactions that could not be recorded, and why. There should be none; each is declared lost in `records`.
    pub(crate) failed: Vec<String>,
}

/// Counts for the account that the collector gives of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Spans, log records, payloads.
    pub(crate) received: u64,
    /// Of those: not taken.
    pub(crate) refused: u64,
    /// Attributes of records that no table knows.
    pub(crate) not_understood: u64,
    /// Items that belong to no interaction.
    pub(crate) ignored: u64,
    /// Spans that came twice and differed.
    pub(crate) conflicts: u64,
    /// Turned away for want of room.
    pub(crate) lost: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.received += other.received;
        self.refused += other.refused;
        self.not_understood += other.not_understood;
        self.ignored += other.ignored;
        self.conflicts += other.conflicts;
        self.lost += other.lost;
    }
}

/// The end of a session, as its door has it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SealRequest {
    pub(crate) session: String,
    pub(crate) reason: SealReason,
}

/// Everything between the journal and the recorder.
pub(crate) struct Fold {
    secret: Secret,
    settings: Settings,
    assembler: Assembler,
    sessions: Sessions,
    intents: Intents,
    /// Digests of the configurations that are logged, by what they are of.
    configurations: BTreeMap<String, String>,
    changed_configurations: BTreeSet<String>,
}

impl Fold {
    pub(crate) fn new(secret: Secret, settings: Settings) -> Self {
        Self {
            assembler: Assembler::new(settings.assemble, secret.naming()),
            sessions: Sessions::new(settings.session_idle),
            intents: Intents::new(settings.intent_timeout),
            configurations: BTreeMap::new(),
            changed_configurations: BTreeSet::new(),
            secret,
            settings,
        }
    }

    /// Takes up what an earlier process remembered: pairs of one [`changes`](Self::changes) after the other, put together. Returns how
    /// many of them cannot be read.
    pub(crate) fn restore(&mut self, kept: Pairs) -> usize {
        let mut unread = 0;
        let mut by_prefix: BTreeMap<u8, Pairs> = BTreeMap::new();
        for (key, value) in kept {
            match key.split_first() {
                Some((prefix @ (&MEMORY | &SESSION | &INTENT), rest)) => {
                    by_prefix.entry(*prefix).or_default().push((rest.to_owned(), value));
                }
                Some((&CONFIGURATION, rest)) => {
                    match (String::from_utf8(rest.to_owned()), String::from_utf8(value)) {
                        (Ok(key), Ok(value)) => drop(self.configurations.insert(key, value)),
                        _ => unread += 1,
                    }
                }
                _ => unread += 1,
            }
        }
        let mut of = |prefix| by_prefix.remove(&prefix).unwrap_or_default();
        unread += self.assembler.restore(of(MEMORY));
        unread += self.sessions.restore(of(SESSION));
        unread + self.intents.restore(of(INTENT))
    }

    /// What must survive of what changed since the last call.
    pub(crate) fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        let changed = std::mem::take(&mut self.changed_configurations);
        let configurations = changed.into_iter().map(|key| {
            let digest = self.configurations.get(&key).map(|digest| digest.clone().into_bytes());
            (key.into_bytes(), digest)
        });
        let all = [
            (MEMORY, self.assembler.changes()),
            (SESSION, self.sessions.changes()),
            (INTENT, self.intents.changes()),
            (CONFIGURATION, configurations.collect()),
        ];
        for (prefix, changed) in all {
            for (key, value) in changed {
                let key = [&[prefix][..], &key].concat();
                match value {
                    Some(value) => changes.put.push((key, value)),
                    None => changes.remove.push(key),
                }
            }
        }
        changes
    }

    /// Position of the oldest entry of which something still waits.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.assembler.oldest()
    }

    /// Items in traces that are open.
    pub(crate) fn waiting(&self) -> usize {
        self.assembler.waiting().1
    }

    /// Takes up again what an entry brought that was recorded in part before a restart: what is remembered as done is left out, the
    /// rest waits as it did.
    pub(crate) fn refill(&mut self, position: u64, entry: &JournalEntry) {
        if let What::Arrived(door) = entry.what
            && let Some(Ok((items, _))) = items(door, entry)
        {
            self.assembler.feed(items, &self.lot(position, entry));
        }
    }

    /// What an entry amounts to.
    pub(crate) fn apply(&mut self, position: u64, entry: &JournalEntry) -> FoldOutcome {
        let mut step = self.step(position, entry);
        for place in 0..step.failed.len() {
            let id = self.name(&format!("no record {position} {place}"));
            step.records.push(loss::not_made(id, entry.at, self.settings.mode));
            step.tally.lost += 1;
        }
        step
    }

    fn step(&mut self, position: u64, entry: &JournalEntry) -> FoldOutcome {
        let now = entry.at;
        match entry.what {
            What::Arrived(door) => self.arrived(position, door, entry),
            What::Tick | What::Heartbeat => {
                let out = self.assembler.tick(entry.steady);
                let mut step = self.assembled(out, position, entry);
                for seal in self.sessions.tick(entry.steady) {
                    step.records.push(self.seal(seal, now));
                }
                for intent in self.intents.tick(entry.steady) {
                    step.records.push(self.orphan(intent, now));
                }
                step
            }
            What::Flush => {
                let out = self.assembler.flush();
                self.assembled(out, position, entry)
            }
            What::Started => FoldOutcome {
                records: self.configurations(now, position, &entry.body),
                ..FoldOutcome::default()
            },
            What::Lost => self.lost(position, now, &entry.body),
        }
    }

    fn arrived(&mut self, position: u64, door: Door, entry: &JournalEntry) -> FoldOutcome {
        if let Some(read) = items(door, entry) {
            let (items, unread) = match read {
                Ok(read) => read,
                Err(why) => return FoldOutcome::unread(position, &why),
            };
            let received = items.len() as u64 + unread;
            let out = self.assembler.feed(items, &self.lot(position, entry));
            let mut step = self.assembled(out, position, entry);
            step.tally.received += received;
            step.tally.refused += unread;
            return step;
        }
        match door {
            Door::Seal => self.seal_asked_for(entry),
            Door::LiteLlm => {
                let naming = self.secret.naming();
                match doors::litellm(&entry.body, &naming, entry.at) {
                    Ok((records, refused)) => self.whole(records, refused, position, entry),
                    Err(why) => FoldOutcome::unread(position, &why),
                }
            }
            _ => match doors::records(&entry.body) {
                Ok((parsed, refused)) => {
                    let records = parsed.into_iter().map(|parsed| parsed.record).collect();
                    self.whole(records, refused, position, entry)
                }
                Err(why) => FoldOutcome::unread(position, &why),
            },
        }
    }

    fn lot(&self, position: u64, entry: &JournalEntry) -> Delivery {
        let commitment = Some(self.secret.commitment(&entry.body));
        let emitter = entry.sender.as_ref().and_then(Sender::name).cloned();
        Delivery { received: entry.at, steady: entry.steady, position, commitment, emitter }
    }

    /// What the assembler gave.
    fn assembled(&mut self, out: Out, position: u64, entry: &JournalEntry) -> FoldOutcome {
        let now = entry.at;
        let mut step = FoldOutcome { failed: out.failed, unclaimed: out.unclaimed, ..FoldOutcome::default() };
        step.tally.refused = out.refused.len() as u64;
        step.tally.not_understood = out.unknown.values().sum();
        step.tally.ignored = out.ignored.values().sum();
        step.tally.conflicts = out.conflicts.len() as u64;
        for record in out.records {
            self.finish(record, entry, &mut step.records);
        }
        for (place, conflict) in out.conflicts.into_iter().enumerate() {
            let mut record = Record::new(StatementKind::Finding);
            record.id = Some(self.name(&format!("conflict {position} {place}")));
            record.body.time.get_or_default().start = now.into();
            let finding = record.body.finding.get_or_default();
            finding.code = "R71".to_owned().into();
            finding.rules = RULES_VERSION.to_owned().into();
            let which = format!("span {} of trace {}", conflict.span, conflict.trace);
            finding.message = format!("{which} was sent twice with different content").into();
            if let Some(about) = conflict.record {
                finding.record = about.into();
            }
            step.records.push(record);
        }
        step
    }

    /// Records that came whole.
    fn whole(
        &mut self,
        records: Vec<Record>,
        refused: Vec<doors::Rejection>,
        position: u64,
        entry: &JournalEntry,
    ) -> FoldOutcome {
        let now = entry.at;
        let commitment = self.secret.commitment(&entry.body);
        let sender = entry.sender.clone().unwrap_or_default();
        let emitters = sender.name().map(|name| vec![name.to_string()]);
        let mut refused: Refusals = refused.into_iter().collect();
        let mut step = FoldOutcome::default();
        step.tally.received = (records.len() + refused.len()) as u64;
        let records = Sender::keep(records, &mut refused, |record| sender.check_record(record));
        step.tally.refused = refused.len() as u64;
        for (place, mut record) in records.into_iter().enumerate() {
            if record.id.is_none() {
                record.id = Some(self.name(&key_of(&record, position, place)));
            }
            let time = record.body.time.get_or_default();
            if time.received.is_absent() {
                time.received = now.into();
            }
            let custody = record.body.custody.get_or_default();
            // Whatever the record says of itself.
            custody.emitters = emitters.clone().into();
            if custody.bodies.is_absent() {
                custody.bodies = vec![commitment.clone()].into();
            }
            self.assembler.adopt(&mut record);
            self.finish(record, entry, &mut step.records);
        }
        step
    }

    /// Joins a record to its intent and its session, and says what the operator says of its source.
    fn finish(&mut self, mut record: Record, entry: &JournalEntry, records: &mut Vec<Record>) {
        let now = entry.at;
        let mut given_up = Vec::new();
        let mut seals = Vec::new();
        if matches!(record.kind, StatementKind::Interaction | StatementKind::Intent) {
            record.profile = record.profile.or(self.settings.profile);
            if self.settings.unsampled {
                let custody = record.body.custody.get_or_default();
                if custody.sampled.is_absent() {
                    custody.sampled = false.into();
                }
            }
        }
        match record.kind {
            StatementKind::Intent => given_up = self.intents.begin(&record, entry.steady),
            StatementKind::Interaction => {
                self.intents.end(&mut record);
                let must = self.settings.mode == Mode::FailClosed;
                let correlation = record.body.correlation.get_or_default();
                if correlation.write_ahead.is_absent() {
                    correlation.write_ahead = (must || correlation.intent.value().is_some()).into();
                }
                seals = self.sessions.number(&mut record, entry.steady);
            }
            _ => {}
        }
        records.push(record);
        records.extend(seals.into_iter().map(|seal| self.seal(seal, now)));
        records.extend(given_up.into_iter().map(|intent| self.orphan(intent, now)));
    }

    fn seal_asked_for(&mut self, entry: &JournalEntry) -> FoldOutcome {
        let mut step = FoldOutcome::default();
        let sender = entry.sender.clone().unwrap_or_default();
        match serde_json::from_slice(&entry.body) {
            Ok(SealRequest { session, reason }) => {
                let is_own = || self.sessions.is_own(&session, sender.name().map(|name| &**name));
                if !sender.may_seal(&session, is_own) {
                    tracing::warn!("a seal is refused: others sent records of the session, too");
                    step.tally.refused += 1;
                    return step;
                }
                let seal = self.sessions.seal(&session, reason);
                step.records.extend(seal.map(|seal| self.seal(seal, entry.at)));
            }
            // It announces no interaction, so nothing is lost with it.
            Err(_) => step.tally.refused += 1,
        }
        step
    }

    fn seal(&self, seal: Seal, now: Timestamp) -> Record {
        let id = self.name(&seal.name());
        seal.record(id, now)
    }

    fn orphan(&self, intent: RecordId, now: Timestamp) -> Record {
        let id = self.name(&format!("orphan {intent}"));
        intents::orphan(intent, id, now)
    }

    fn lost(&self, position: u64, now: Timestamp, body: &[u8]) -> FoldOutcome {
        let losses = match serde_json::from_slice::<Losses>(body) {
            Ok(losses) => losses,
            Err(why) => return FoldOutcome::unread(position, &why),
        };
        let id = self.name(&format!("loss {position}"));
        let record = loss::over_budget(id, now, losses, self.settings.mode);
        let tally = Tally { lost: losses.items, ..Tally::default() };
        FoldOutcome { records: vec![record], tally, ..FoldOutcome::default() }
    }

    fn name(&self, key: &str) -> RecordId {
        self.secret.record_id(key)
    }
}

impl FoldOutcome {
    /// An entry that was acknowledged and cannot be read. The doors read every body before it is acknowledged, so this takes a
    /// version of the program that reads less than the one before it.
    fn unread(position: u64, why: &impl std::fmt::Display) -> Self {
        let failed = vec![format!("entry {position} of the journal cannot be read: {why}")];
        Self { failed, ..Self::default() }
    }
}

/// Items of a body that is put together from items, and how many could not be read or may not be sent; or why the whole body could
/// not be read.
fn items(door: Door, entry: &JournalEntry) -> Option<Result<(Vec<Item>, u64), String>> {
    let (body, sender) = (&entry.body, entry.sender.clone().unwrap_or_default());
    let granted = |mut items: Vec<Item>, unread: usize| {
        let read = items.len();
        items.retain(|item| sender.check_item(item).is_ok());
        let refused = read - items.len() + unread;
        (items, refused as u64)
    };
    let otlp = |signal, encoding: Encoding| {
        let decoded = decode(signal, encoding, body).map_err(|error| error.to_string())?;
        Ok(granted(decoded.items, decoded.refused.len()))
    };
    match door {
        Door::Traces(encoding) => Some(otlp(Signal::Traces, encoding)),
        Door::Logs(encoding) => Some(otlp(Signal::Logs, encoding)),
        Door::Opa => {
            let read = doors::opa(body).map_err(|error| error.to_string());
            Some(read.map(|(items, refused)| granted(items, refused.len())))
        }
        Door::Records | Door::LiteLlm | Door::Intents | Door::Seal => None,
    }
}

/// What the name of a record is made of that came without one: the call it is about, if it names one, else where it stands.
fn key_of(record: &Record, position: u64, place: usize) -> String {
    let correlation = record.body.correlation.value();
    let call = correlation.and_then(|it| it.idempotency_key.value());
    let attempt = correlation.and_then(|it| it.attempt.value()).unwrap_or(&1);
    match call {
        Some(call) => format!("{} {attempt} of call {call}", record.kind),
        None => format!("record {position} {place}"),
    }
}

#[cfg(test)]
mod tests;
