//! From items to records: the parts of one interaction, which come in any order and from several exporters, become one record.
//!
//! A record is one call of a model, with what belongs to it:
//!
//! ```text
//! SERVER POST /tickets          ── client address, request boundary ──┐
//!   invoke_agent Support        ── session, initiator, agent ─────────┤  handed down to every record below
//!     retrieval kb              ── data.sources ───────┐
//!     chat gpt                  ═══════════════════════╪═ record 1
//!     │  raw request, 2nd instrumentation, events ─────┤
//!     execute_tool get_order    ── tools[0], by call id┤
//!       MCP client > MCP server ── the same tool call ─┤
//!       HTTP POST /orders       ── its downstream ─────┘
//!     run_guardrail             ── policy, of the call it stands by
//!     chat gpt                  ═══════════════════════ record 2, causes: [record 1]
//! ```
//!
//! A tool run, a retrieval, an agent or a decision that belongs to no call of a model is a record of its own: so is a request that a
//! guardrail blocked before any model was called. Which part belongs where is told by ids (call id, response id, span and parent
//! span), never by a likeness of names.
//!
//! OTLP does not say when a trace is over. A trace all of whose parents are here is done when nothing came for
//! [`Config::settle`]; any other when nothing came for [`Config::idle`], and then its records say `custody.completed_by`. What
//! comes later becomes a record that amends the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use vouchlog_record::{Commitment, Record, RecordId};

use crate::dialect::{self, Role};
use crate::intake::{Item, ItemError, Refused};
use crate::limits::MAX_TRACE_PARTS;

mod a2a;
mod attach;
mod build;
mod claude;
mod fields;
mod gather;
mod identity;
mod mcp;
mod memory;
mod open;
mod packed;
mod part;
mod pending;
mod session_order;
mod times;
mod unclaimed;
mod unit;

pub(crate) use build::{decision_of, record_of};
pub(crate) use fields::put;
use memory::{Account, Memory};
use open::Open;
pub(crate) use part::Part;
use part::Parts;
use session_order::SessionOrder;
use times::{Times, hull, may_be_of_one_call};
pub use unclaimed::{Emitter, Unclaimed};

/// Makes names of records out of keys: a keyed function such as HMAC-SHA256 under a secret of the gateway, cut to 16 bytes. The
/// same key must give the same name. A record's name is public and must not give its trace away: a bare hash would.
pub type Naming = Box<dyn Fn(&[u8]) -> [u8; 16] + Send + Sync>;

/// How long to wait, and how much to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// A whole trace is done when nothing came for so long. Exporters send logs and spans some seconds apart.
    pub settle: SignedDuration,
    /// Any trace is done when nothing came for so long.
    pub idle: SignedDuration,
    /// And when it began so long ago, whatever still comes.
    pub max_age: SignedDuration,
    /// Most traces that are open; the oldest are done first, and say so.
    pub max_open: usize,
    /// Most items that wait in them.
    pub max_items: usize,
    /// Most bytes of those, about as they lie in memory.
    pub max_bytes: usize,
    /// Most items of done traces that are remembered, to know duplicates and late parts.
    pub max_remembered: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settle: SignedDuration::from_secs(10),
            idle: SignedDuration::from_secs(60),
            max_age: SignedDuration::from_mins(15),
            max_open: 100_000,
            max_items: 200_000,
            max_bytes: 128 * 1024 * 1024,
            max_remembered: 200_000,
        }
    }
}

/// What is known of items that came together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When they came, by the wall clock.
    pub received: Timestamp,
    /// When they came, by a clock that never goes back: their trace waits by it.
    pub steady: Timestamp,
    /// Where the body they came in stands, so that it is kept until all of it is in records.
    pub position: u64,
    /// Keyed commitment to that body (`hmac-sha256:…`), so that it can be shown what a record was made from.
    pub commitment: Option<Commitment>,
    /// Who sent it, if that caller was authenticated.
    pub emitter: Option<Arc<str>>,
}

impl Delivery {
    /// Items of which no more is known than when they came.
    pub fn at(received: Timestamp) -> Self {
        Self { received, steady: received, position: 0, commitment: None, emitter: None }
    }
}

/// A span that was sent twice with different content. One of the two is wrong: it belongs in a `finding` record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Trace id.
    pub trace: String,
    /// Span id.
    pub span: String,
    /// The record that has the first account, if it is made already.
    pub record: Option<RecordId>,
}

/// What came of feeding or waiting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Out {
    /// Records in order of their begin.
    pub records: Vec<Record>,
    /// Spans that came twice and differ.
    pub conflicts: Vec<Conflict>,
    /// Items that were not taken, by place in what was fed; for OTLP's partial success.
    pub refused: Vec<Refused>,
    /// Attributes of records that no table knows, by name: how often.
    pub unknown: BTreeMap<String, u64>,
    /// Items that belong to no interaction, by name: how often. They are not kept.
    pub ignored: BTreeMap<String, u64>,
    /// Spans that no table understands, by emitter: how often. They are not kept.
    pub unclaimed: Unclaimed,
    /// Interactions that could not be recorded, and why. There should be none.
    pub failed: Vec<String>,
}

impl Out {
    /// Traces that are done together come in the order of their ids, which means nothing: whoever numbers a session wants to
    /// know what was first.
    fn in_order(mut self) -> Self {
        let begin = |record: &Record| {
            let time = record.body.time.value()?;
            time.start.value().or(time.received.value()).copied()
        };
        self.records.sort_by_key(begin);
        self
    }
}

/// Why a trace was taken for done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Settled,
    Timeout,
    Full,
    Flushed,
}

/// Collects items and completes records. It has no clock: every call passes the time.
pub struct Assembler {
    config: Config,
    naming: Naming,
    open: BTreeMap<String, Open>,
    /// Those by age: position and time of the first body of which they have something.
    ages: BTreeSet<(u64, Timestamp, String)>,
    /// Traces by the provider's id of an answer, with the times of the calls that it came from, as far as spans tell them: two
    /// instrumentations of one call may be in two traces.
    answers: BTreeMap<String, BTreeMap<String, Option<Times>>>,
    sessions: SessionOrder,
    items: usize,
    bytes: usize,
    memory: Memory,
}

impl Assembler {
    /// An assembler with nothing in it.
    pub fn new(config: Config, naming: Naming) -> Self {
        let memory = Memory::new(config.max_remembered);
        let (open, ages, answers) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let sessions = SessionOrder::default();
        Self { config, naming, open, ages, answers, sessions, items: 0, bytes: 0, memory }
    }

    /// How many traces are open, and how many items wait in them.
    pub fn waiting(&self) -> (usize, usize) {
        (self.open.len(), self.items)
    }

    /// Takes items. Records come out only if there is no room left; otherwise they come with [`tick`](Self::tick).
    pub fn feed(&mut self, items: Vec<Item>, lot: &Delivery) -> Out {
        let lot = Arc::new(lot.clone());
        let mut out = Out::default();
        for (place, item) in items.into_iter().enumerate() {
            if let Err(why) = self.take(item, &lot, &mut out) {
                out.refused.push(Refused { place, why });
            }
            while self.has_no_room() {
                let Some((_, _, key)) = self.ages.first().cloned() else { break };
                self.complete(&BTreeSet::from([key]), Done::Full, &mut out);
            }
        }
        out.in_order()
    }

    fn has_no_room(&self) -> bool {
        let Config { max_open, max_items, max_bytes, .. } = self.config;
        self.open.len() > max_open || self.items > max_items || self.bytes > max_bytes
    }

    fn take(&mut self, item: Item, lot: &Arc<Delivery>, out: &mut Out) -> Result<(), ItemError> {
        dialect::unsalted(&item)?;
        let item = pending::as_unfinished(item);
        let reading = dialect::read(&item);
        if let (Item::Event(event), Role::Context | Role::McpTalk) = (&item, reading.role) {
            *out.ignored.entry(event.name.clone()).or_default() += 1;
            return Ok(());
        }
        let digest = (self.naming)(&identity::encode(&item));
        let part = Part::new(item, reading, lot.clone(), digest);
        if let Some((trace, span)) = part.span_key() {
            match self.memory.knows(trace, span, Account::of(&part)) {
                memory::Known::Not => {}
                memory::Known::Same => return Ok(()),
                memory::Known::Other(record) => {
                    out.conflicts.push(Conflict { trace: trace.into(), span: span.into(), record });
                    return Ok(());
                }
            }
        } else if self.memory.has_event(&digest)
            || self
                .memory
                .has_event_of_version_1(|| (self.naming)(&identity::encode_as_version_1(&part.item)))
        {
            return Ok(());
        }
        let key = part.group_key();
        if let Some(answer) = part.reading.text("correlation.response_id") {
            let times = self.answers.entry(answer.to_owned()).or_default().entry(key.clone()).or_default();
            // When an answer was asked for again tells nothing about when it was given.
            let told = part.span_key().filter(|_| part.role() != Role::Fetch);
            *times = hull(*times, told.map(|_| part.times()));
        }
        if let Some(session) = part.session() {
            self.sessions.add(session, &key, part.times().0);
        }
        let now = lot.steady;
        let open = self.open.entry(key.clone()).or_insert_with(|| {
            let open = Open::new(now, lot.position);
            self.ages.insert((lot.position, now, key.clone()));
            self.bytes += open.size();
            open
        });
        open.last = open.last.max(now);
        let before = open.size();
        match open.add(part) {
            open::Added::New => self.items += 1,
            open::Added::Same | open::Added::Replaced => {}
            open::Added::Differs { trace, span } => {
                out.conflicts.push(Conflict { trace, span, record: None });
            }
        }
        self.bytes = self.bytes - before + open.size();
        if open.len() >= MAX_TRACE_PARTS {
            self.complete(&BTreeSet::from([key]), Done::Full, out);
        }
        Ok(())
    }

    /// Takes up what an earlier assembler remembered of done traces: the changes it told, put together. Returns how many of them
    /// cannot be read.
    pub fn restore(&mut self, kept: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> usize {
        self.memory.restore(kept)
    }

    /// What changed of what it remembers of done traces since the last call: keys, and what is known under them now.
    pub fn changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        self.memory.changes()
    }

    /// Takes note of a record that came whole. If it is about a call that has a record already, it becomes one that amends that;
    /// what telemetry tells of the call later amends this one.
    pub fn adopt(&mut self, record: &mut Record) {
        let Some(correlation) = record.body.correlation.value() else { return };
        let span = correlation.trace.value().zip(correlation.span.value());
        let known = span.and_then(|(trace, span)| self.memory.of_span(trace, span));
        let known = known.or_else(|| {
            let answer = correlation.response_id.value()?;
            self.memory.of_answer(answer, memory::times_of(record))
        });
        if let Some(known) = known.filter(|known| record.id.as_ref() != Some(*known)).cloned() {
            let amends = &mut record.body.correlation.get_or_default().amends;
            if amends.is_absent() {
                *amends = known.into();
            }
        }
        self.memory.remember(memory::entries_of(record));
    }

    /// Position of the oldest body of which something still waits.
    pub fn oldest(&self) -> Option<u64> {
        self.ages.first().map(|(position, _, _)| *position)
    }

    /// Completes what has waited long enough, by the clock of [`Delivery::steady`].
    pub fn tick(&mut self, now: Timestamp) -> Out {
        let mut out = Out::default();
        let due: BTreeMap<String, Done> = self
            .open
            .iter()
            .filter_map(|(key, open)| Some((key.clone(), open.is_due(&self.config, now)?)))
            .collect();
        let mut seen = BTreeSet::new();
        let mut ready = Vec::new();
        for (key, done) in &due {
            if seen.contains(key) {
                continue;
            }
            let group = self.together(key);
            let all_due = group.iter().all(|key| due.contains_key(key));
            let too_old =
                self.open.get(key).is_some_and(|open| now.duration_since(open.first) >= self.config.max_age);
            if all_due || too_old {
                seen.extend(group.iter().cloned());
                ready.push((group, *done));
            }
        }
        // Sessions are numbered in the order of records. No trace waits longer than it would for its own parts.
        let patience = self.config.idle.saturating_add(self.config.settle);
        let may_wait = |key: &String| {
            self.open.get(key).is_some_and(|open| {
                now.duration_since(open.last) < patience
                    && now.duration_since(open.first) < self.config.max_age
            })
        };
        self.sessions.defer(&mut ready, may_wait);
        for (group, done) in ready {
            self.complete(&group, done, &mut out);
        }
        out.in_order()
    }

    /// Completes everything, as before a shutdown.
    pub fn flush(&mut self) -> Out {
        let mut out = Out::default();
        while let Some(key) = self.open.keys().next().cloned() {
            let group = self.together(&key);
            self.complete(&group, Done::Flushed, &mut out);
        }
        out.in_order()
    }

    /// The open traces that tell of a call of this one. They share an answer and the time it was given: a cache gives the same
    /// answer again and again, and nobody waits for that.
    fn together(&self, key: &str) -> BTreeSet<String> {
        let mut group = BTreeSet::new();
        let mut next = vec![key.to_owned()];
        while let Some(key) = next.pop() {
            let Some(open) = self.open.get(&key) else { continue };
            if !group.insert(key.clone()) {
                continue;
            }
            let answers: BTreeSet<&str> = open.answers().collect();
            for traces in answers.into_iter().filter_map(|answer| self.answers.get(answer)) {
                let mine = traces.get(&key).copied().flatten();
                let others = traces.iter().filter(|(_, theirs)| may_be_of_one_call(mine, **theirs));
                next.extend(others.map(|(key, _)| key.clone()));
            }
        }
        group
    }

    fn complete(&mut self, group: &BTreeSet<String>, done: Done, out: &mut Out) {
        let mut parts = Parts::default();
        for key in group {
            let Some(open) = self.open.remove(key) else { continue };
            self.sessions.remove(key);
            self.ages.remove(&(open.position, open.first, key.clone()));
            self.items -= open.len();
            self.bytes -= open.size();
            for answer in open.answers() {
                if let Some(keys) = self.answers.get_mut(answer) {
                    keys.remove(key);
                    if keys.is_empty() {
                        self.answers.remove(answer);
                    }
                }
            }
            open.unpack_to(&mut parts);
        }
        let units = gather::units(&parts, &self.memory);
        out.unclaimed.extend(unclaimed::count(&parts, &units, &self.memory));
        let made = build::records(&units, done, &self.naming, out);
        let entries = memory::entries(&parts, &units, &made);
        self.memory.remember(entries);
        out.records.extend(made.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests;
