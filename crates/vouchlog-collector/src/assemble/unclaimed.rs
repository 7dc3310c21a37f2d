//! Spans that no table understands: who sent them, and how many. Of an emitter whose names are in no table nothing is on record but
//! this count.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::memory::Memory;
use super::part::{Part, Parts};
use super::unit::Unit;
use crate::dialect::{Dialect, Role};
use crate::intake::{Attributes, Item, Span};
use crate::limits::{MAX_EMITTER_NAME_BYTES, MAX_UNCLAIMED_EMITTERS};

/// Who sent spans: its names are its own word.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emitter {
    /// Name of the service; empty if it gives none.
    pub service: String,
    /// Name of the instrumentation scope; empty if it gives none.
    pub scope: String,
}

/// Numbers of spans by emitter, bounded: beyond [`MAX_UNCLAIMED_EMITTERS`] they are counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unclaimed(BTreeMap<Emitter, u64>);

/// Stands for all emitters beyond the bound.
const OTHERS: &str = "(others)";

impl Unclaimed {
    /// Counts spans of an emitter.
    pub fn add(&mut self, emitter: Emitter, spans: u64) {
        let is_full = self.0.len() >= MAX_UNCLAIMED_EMITTERS && !self.0.contains_key(&emitter);
        let counted =
            if is_full { Emitter { service: OTHERS.into(), scope: String::new() } } else { emitter };
        let count = self.0.entry(counted).or_default();
        *count = count.saturating_add(spans);
    }

    /// Adds the numbers of another.
    pub fn extend(&mut self, other: Self) {
        other.0.into_iter().for_each(|(emitter, spans)| self.add(emitter, spans));
    }

    /// The emitters, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&Emitter, u64)> {
        self.0.iter().map(|(emitter, spans)| (emitter, *spans))
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, spans| sum.saturating_add(*spans))
    }
}

/// Counts the spans of completed traces that are in no record and in no table.
///
/// Next to a call that is understood, a span of another kind is its surroundings: the HTTP request around it, a query of a database.
/// Those count only if they carry names of AI that no table has. In a trace without any record, everything counts but what is plainly
/// traffic of another kind.
pub(super) fn count(parts: &Parts, units: &[Unit<'_>], memory: &Memory) -> Unclaimed {
    let of_records: BTreeSet<_> = units
        .iter()
        .flat_map(|unit| unit.parts().chain(unit.above.iter().copied()))
        .filter_map(Part::span_key)
        .collect();
    let traces: BTreeSet<&str> = of_records.iter().map(|(trace, _)| *trace).collect();
    let mut unclaimed = Unclaimed::default();
    for part in parts.spans.values() {
        let Item::Span(span) = &part.item else { continue };
        let is_told = part.span_key().is_some_and(|key| of_records.contains(&key));
        if is_told || !matches!(part.role(), Role::Context | Role::Downstream) {
            continue;
        }
        let has_record = || traces.contains(span.trace.as_str()) || memory.has_record_of(&span.trace);
        if is_foreign(part, span) || !is_ordinary(&span.attributes) && !has_record() {
            unclaimed.add(emitter(part), 1);
        }
    }
    unclaimed
}

fn emitter(part: &Part) -> Emitter {
    let short = |name: &str| {
        let end = (0..=MAX_EMITTER_NAME_BYTES.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
        name[..end.unwrap_or_default()].to_owned()
    };
    Emitter { service: short(part.service()), scope: short(part.scope()) }
}

/// Whether a span is about AI, in words that no table has.
fn is_foreign(part: &Part, span: &Span) -> bool {
    const NAMES: [&str; 7] =
        ["crewai.", "crew_", "braintrust.", "weave.", "ai.model.", "ai.prompt", "ai.response."];
    const SCOPES: [&str; 5] = ["langfuse", "mlflow", "crewai", "langsmith", "braintrust"];
    // Operations that hold others together, and are no call themselves.
    const AROUND: [&str; 7] = [
        "invoke_workflow",
        "plan",
        "framework",
        "agent_step",
        "execute_task",
        "chain",
        "execute_event_loop_cycle",
    ];
    let operation = span.attributes.get("gen_ai.operation.name").and_then(Value::as_str);
    if operation.is_some_and(|operation| !AROUND.contains(&operation)) {
        return true;
    }
    let begins = |name: &String| NAMES.iter().any(|prefix| name.starts_with(prefix));
    part.reading.dialect == Dialect::Other
        && (SCOPES.iter().any(|scope| span.source.scope.contains(scope))
            || span.attributes.keys().any(begins))
}

/// Whether a span is traffic of another kind, by OpenTelemetry's names for it, or states nothing but the place in the code.
fn is_ordinary(attributes: &Attributes) -> bool {
    const TRAFFIC: [&str; 12] = [
        "http.",
        "url.",
        "db.",
        "rpc.",
        "messaging.",
        "net.",
        "network.",
        "dns.",
        "tls.",
        "faas.",
        "graphql.",
        "asgi.",
    ];
    const PLACE: [&str; 2] = ["code.", "thread."];
    let begins = |name: &str, prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    attributes.keys().any(|name| begins(name, &TRAFFIC))
        || !attributes.is_empty() && attributes.keys().all(|name| begins(name, &PLACE))
}
