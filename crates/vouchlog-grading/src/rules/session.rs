//! R65 to R69, R71, R77: records beside each other, and beside what their provider reports.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vouchlog_record::{Record, RecordId, are_numbered_apart};
use vouchlog_stream::StatementKind;

use crate::record_set::{NamedRecord, RecordSet};
use crate::rule::{RULE, Reporter, Rule};
use crate::terms::{AskedOf, Definition, Severity};

/// Most names that one message lists.
const NAMED: usize = 10;

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Definition::{Completeness, Trail};
    use Severity::{Critical, Warn};
    const SET: Rule = Rule { asked_of: AskedOf::Set, serves: &[Completeness, Trail], ..RULE };
    vec![
        Rule { code: "R65", name: "SESSION_GAP",
            says: "records of a session are missing",
            remedy: "number a session's records in `correlation.session_sequence`, from 1; find the missing ones",
            set: Some(gap), ..SET },
        Rule { code: "R66", name: "SESSION_UNSEALED",
            says: "a session is over, and no seal states how many records it has",
            remedy: "write a record of kind `session-seal` when a session ends or times out",
            set: Some(unsealed), ..SET },
        Rule { code: "R67", name: "RECORD_AFTER_SEAL",
            says: "a session has records that its seal does not count",
            remedy: "seal a session when it is over; begin a new session for what comes later",
            set: Some(after_seal), ..SET },
        Rule { code: "R68", name: "TRACE_PARENT_MISSING", severity: Warn,
            says: "the parent span is in no record, and is not marked as external",
            remedy: "log it, or record `correlation.parent_external: true`",
            set: Some(orphan_span), ..SET },
        Rule { code: "R69", name: "INTENT_WITHOUT_OUTCOME",
            says: "an intent has no recorded outcome",
            remedy: "write an outcome for every intent, also after a crash: `outcome.state: error`",
            set: Some(orphan_intent), ..SET },
        Rule { code: "R71", name: "DUPLICATE",
            says: "two records of one attempt at one call contradict each other",
            remedy: "give every call its own `correlation.idempotency_key` and every retry its `attempt`",
            set: Some(duplicate), ..SET },
        Rule { code: "R77", name: "PROVIDER_COUNT_MISMATCH", severity: Critical,
            says: "the provider reports a response that no record of the vault has",
            remedy: "find out which traffic goes past the gateway: close that way",
            ..SET },
    ]
}

/// Records of a session that are numbered together.
struct Numbering<'a> {
    session: &'a str,
    /// Whose numbers they are, where several recorders number the session.
    recorder: Option<&'a str>,
    records: Vec<NamedRecord<'a>>,
}

/// How the counted records of each session are numbered: together, or by each recorder.
fn numberings<'a>(set: &RecordSet<'a>) -> Vec<Numbering<'a>> {
    let mut all = Vec::new();
    for (session, records) in set.by_session(Record::is_counted_in_session) {
        let is_shared = are_numbered_apart(records.iter().map(|(_, record)| *record));
        let mut parts: BTreeMap<Option<&str>, Vec<NamedRecord<'a>>> = BTreeMap::new();
        for (id, record) in records {
            parts.entry(is_shared.then(|| record.recorder())).or_default().push((id, record));
        }
        all.extend(parts.into_iter().map(|(recorder, records)| Numbering { session, recorder, records }));
    }
    all
}

/// How many records a seal counts, and which where it says so.
type Sealed<'a> = (Option<u64>, Option<&'a [RecordId]>);

/// The seal of a session, or of what one recorder numbers of it. A session that was sealed because nothing came may go on and be sealed
/// again: of several seals the one that counts most is in force.
fn seal<'a>(set: &RecordSet<'a>, session: &str, owner: Option<&str>) -> Option<Sealed<'a>> {
    let is_its = |record: &&Record| {
        record.kind == StatementKind::SessionSeal
            && owner.is_none_or(|owner| record.recorder() == owner)
            && record
                .body
                .correlation
                .value()
                .and_then(|correlation| correlation.session.value())
                .map(String::as_str)
                == Some(session)
    };
    let seals = set.records.iter().map(|(_, record)| *record).filter(is_its);
    let said = seals.filter_map(|seal| seal.body.session_seal.value());
    said.map(|seal| (seal.records.value().copied(), seal.ids.value().map(Vec::as_slice)))
        .max_by_key(|(count, _)| *count)
}

fn listed(mut names: impl Iterator<Item = String>) -> String {
    let mut list: Vec<_> = names.by_ref().take(NAMED).collect();
    let more = names.count();
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    list.join(", ")
}

fn gap(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for Numbering { session, recorder, records } in numberings(set) {
        let at = [format!("session {session}")];
        let unnumbered = records.iter().filter(|(_, record)| record.session_sequence().is_none()).count();
        if unnumbered > 0 {
            let records = if unnumbered == 1 {
                "1 record has".to_owned()
            } else {
                format!("{unnumbered} records have")
            };
            report.unknown(at, format!("{records} no number in the session"));
            continue;
        }
        let places: BTreeSet<u64> =
            records.iter().filter_map(|(_, record)| record.session_sequence()).collect();
        let count = seal(set, session, recorder).and_then(|(count, _)| count);
        let mut next = 1;
        let end = count.map(|count| count.saturating_add(1));
        let mut missing = Vec::new();
        for place in places.into_iter().chain(end.filter(|_| set.facts.whole)) {
            if place > next {
                missing.push(if place - 1 == next {
                    next.to_string()
                } else {
                    format!("{next} to {}", place - 1)
                });
            }
            next = next.max(place.saturating_add(1));
        }
        if !missing.is_empty() {
            report.missing(at, format!("missing: {}", listed(missing.into_iter())));
        }
    }
}

fn unsealed(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    let numberings = numberings(set);
    for session in set.facts.sessions.iter().filter(|session| session.over) {
        let name = session.session.as_str();
        let mut owners: Vec<Option<&str>> = numberings
            .iter()
            .filter(|numbering| numbering.session == name)
            .map(|numbering| numbering.recorder)
            .collect();
        if owners.is_empty() {
            owners.push(None);
        }
        for owner in owners {
            let at = [format!("session {name}")];
            match seal(set, name, owner) {
                None => report.missing(at, "the session is over and has no seal"),
                Some((None, _)) => {
                    report.missing(at, "the session's seal does not state its number of records");
                }
                Some(_) => {}
            }
        }
    }
}

fn after_seal(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for Numbering { session, recorder, records } in numberings(set) {
        let Some((count, ids)) = seal(set, session, recorder) else { continue };
        for (id, record) in records {
            let beyond = record.session_sequence().zip(count).is_some_and(|(place, count)| place > count);
            let unlisted = ids.is_some_and(|ids| !ids.contains(id));
            if beyond || unlisted {
                report.of_record(id).wrong(
                    ["/correlation/session_sequence"],
                    format!("the seal of {session} does not count it"),
                );
            }
        }
    }
}

/// Spans that a record describes, of its own trace: that of the call, those it was made from and those above them, and what its tools
/// called. Spans that are no interaction have no record of their own.
fn spans(record: &Record) -> impl Iterator<Item = &str> {
    let own = record.body.correlation.value().and_then(|correlation| correlation.span.value());
    let telemetry = record.unknown().get("/otel");
    let lists = ["parts", "above"].into_iter().filter_map(move |list| telemetry?.get(list)?.as_array());
    let told = lists.flatten().filter_map(|part| part.get("span").and_then(Value::as_str));
    let tools = record.body.tools.value().into_iter().flatten();
    let called = tools.flat_map(|tool| tool.downstream.value().into_iter().flatten());
    let called = called.filter_map(|call| call.span.value());
    own.into_iter().chain(called).map(String::as_str).chain(told)
}

fn orphan_span(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    let correlations = || {
        set.records.iter().filter_map(|(id, record)| Some((*id, *record, record.body.correlation.value()?)))
    };
    let traced = correlations().filter_map(|(_, record, here)| Some((here.trace.value()?, record)));
    let known: BTreeSet<_> =
        traced.flat_map(|(trace, record)| spans(record).map(move |span| (trace, span))).collect();
    for (id, _, here) in correlations() {
        let (Some(trace), Some(parent)) = (here.trace.value(), here.parent_span.value()) else { continue };
        if here.parent_external.value() != Some(&true) && !known.contains(&(trace, parent.as_str())) {
            report
                .of_record(id)
                .missing(["/correlation/parent_span"], format!("span {parent} is not among the records"));
        }
    }
}

fn orphan_intent(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    let outcomes: BTreeSet<_> = set
        .interactions()
        .filter_map(|(_, record)| record.body.correlation.value()?.intent.value())
        .collect();
    for (id, record) in set.records.iter().filter(|(_, record)| record.kind == StatementKind::Intent) {
        if outcomes.contains(id) {
            continue;
        }
        let began = record.body.time.value().and_then(|time| time.start.value());
        let at = ["/time/start"];
        match (began, set.facts.now) {
            (Some(began), Some(now)) if now.duration_since(*began) <= set.facts.orphan_timeout() => {}
            (Some(began), Some(_)) => {
                report.of_record(id).missing(at, format!("an intent recorded at {began:.0} has no outcome"));
            }
            _ => {
                report
                    .of_record(id)
                    .unknown(at, "the intent has no outcome, and whether one is due yet is not known");
            }
        }
    }
}

fn duplicate(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    let mut seen: BTreeMap<(&String, Option<u64>), (&RecordId, &Record)> = BTreeMap::new();
    // What completes a record is of the same attempt, and says something else.
    for (id, record) in set.interactions().filter(|(_, record)| !record.is_amendment()) {
        let Some(correlation) = record.body.correlation.value() else { continue };
        let Some(key) = correlation.idempotency_key.value() else { continue };
        let attempt = correlation.attempt.value().copied();
        let (first, earlier) = *seen.entry((key, attempt)).or_insert((id, record));
        // The very same record twice does no harm.
        if earlier.body != record.body {
            report.of_record(id).wrong(
                ["/correlation/idempotency_key"],
                format!("{first} records the same attempt differently"),
            );
        }
    }
}
