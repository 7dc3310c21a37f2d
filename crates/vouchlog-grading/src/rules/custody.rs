//! R56 to R58, R70, R72, R73, R76, R80: time, and how the record was made and is kept.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use vouchlog_record::{Record, RecordId};

use crate::case::{Case, stated_clock_error};
use crate::context::KeyState;
use crate::field_view::view;
use crate::limits::ASSUMED_CLOCK_ERROR;
use crate::record_set::RecordSet;
use crate::rule::{RULE, Reporter, Rule, whole_seconds};
use crate::terms::{AskedOf, Definition, Severity};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Definition::{Completeness, Identity, Inference, Trail};
    use Severity::{Critical, Warn};
    const INTERACTION: Rule = Rule { asked_of: AskedOf::Interactions, ..RULE };
    vec![
        Rule { code: "R56", name: "LATE_OR_SKEWED", severity: Warn, serves: &[Trail],
            says: "the recorder received it long after it happened, or before",
            remedy: "record `time.received`; keep clocks in step and the way to the recorder short",
            record: Some(late), ..INTERACTION },
        Rule { code: "R57", name: "BACKDATED", serves: &[Trail],
            says: "it started before a record that it names as its cause; or an entry of the log, or a stream's head, is older than the one before it",
            remedy: "keep the clocks of gateway and log from going back; record `time.clock.max_error_ms`",
            set: Some(backdated), asked_of: AskedOf::Set, ..RULE },
        Rule { code: "R58", name: "END_BEFORE_START", serves: &[Inference],
            says: "it ended before it started, or a time is not recorded",
            remedy: "record `time.start` and `time.end` by one clock",
            record: Some(end_before_start), ..INTERACTION },
        Rule { code: "R70", name: "OUTCOME_WITHOUT_INTENT", serves: &[Completeness],
            says: "the gateway records intents and this outcome has none, or it is not recorded whether it does",
            remedy: "record `correlation.intent`; where intents are not written ahead, `correlation.write_ahead: false`",
            record: Some(no_intent), set: Some(intent_not_there), ..INTERACTION },
        Rule { code: "R72", name: "SAMPLED_SOURCE", serves: &[Completeness],
            says: "the source omits interactions, or it is not recorded whether it does",
            remedy: "switch sampling off at the source; record `custody.sampled: false`",
            record: Some(sampled), ..RULE },
        Rule { code: "R73", name: "DROPPED_ATTRIBUTES", severity: Warn, serves: &[Completeness],
            says: "the source dropped attributes, or it is not recorded whether it did",
            remedy: "raise the source's limits on attributes; record `custody.dropped_attributes: 0`",
            record: Some(dropped), ..RULE },
        Rule { code: "R76", name: "RECORDER_KEY_NOT_VALID", severity: Critical, serves: &[Trail, Identity],
            says: "the recorder's key was not in force when the record was made, or a stream of the log uses a key that is not enrolled or was revoked",
            remedy: "enrol the key before it is used, and no longer use it once it is revoked; record `custody.recorder`",
            record: Some(recorder_key), asked_of: AskedOf::Every, ..RULE },
        Rule { code: "R80", name: "CLAIM_CONTRADICTED", severity: Critical, serves: &[Completeness],
            says: "the gateway signed a claim about the record that the record itself contradicts",
            remedy: "none: find out why the gateway claimed it",
            asked_of: AskedOf::Every, ..RULE },
    ]
}

fn late(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/time/received";
    let received = case.time(|time| &time.received);
    let Some(received) = report.require(received, at, "when the recorder received it is not recorded") else {
        return;
    };
    let Some(end) = case.time(|time| &time.end).value() else { return };
    let delay = received.duration_since(*end);
    if delay > case.context.max_merge_delay() {
        let delay = whole_seconds(delay);
        report.wrong([at], format!("the recorder received it {delay:#} after it ended"));
    } else if delay < -case.clock_error() {
        report.wrong([at], "the recorder received it before it ended");
    }
}

fn backdated(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    let started = |record: &Record| record.body.time.value().and_then(|time| time.start.value()).copied();
    let known: BTreeMap<&RecordId, &Record> = set.records.iter().copied().collect();
    for (id, record) in &set.records {
        let causes = record.body.correlation.value().and_then(|correlation| correlation.causes.value());
        for cause in causes.into_iter().flatten() {
            let Some(cause_record) = known.get(cause) else { continue };
            let Some((start, before)) = started(record).zip(started(cause_record)) else { continue };
            let errors = [*record, *cause_record].map(stated_clock_error);
            let unsure = errors.into_iter().fold(SignedDuration::ZERO, |sum, error| {
                sum.saturating_add(error.unwrap_or(ASSUMED_CLOCK_ERROR))
            });
            if before.duration_since(start) > unsure {
                report.of_record(id).wrong(
                    ["/time/start", "/correlation/causes"],
                    format!("it started at {start:.0}, before {cause}, its cause, at {before:.0}"),
                );
            }
        }
    }
}

fn end_before_start(case: &Case<'_>, report: &mut Reporter<'_>) {
    let start = report.known(case.time(|time| &time.start), "/time/start");
    let end = report.known(case.time(|time| &time.end), "/time/end");
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        report.wrong(["/time/start", "/time/end"], "it ended before it started");
    }
    for (place, tool) in case.run_tools() {
        let start = report.known(view(&tool.start), &format!("/tools/{place}/start"));
        let end = report.known(view(&tool.end), &format!("/tools/{place}/end"));
        if start.zip(end).is_some_and(|(start, end)| end < start) {
            let at = ["start", "end"].map(|name| format!("/tools/{place}/{name}"));
            report.wrong(at, "the tool call ended before it started");
        }
    }
}

fn no_intent(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/correlation/intent";
    let correlation = view(&case.body.correlation);
    let intent = correlation.then(|correlation| &correlation.intent);
    if intent.value().is_some() {
        return;
    }
    let told = correlation.then(|correlation| &correlation.write_ahead);
    match told.value().copied().or(case.context.writes_ahead()) {
        Some(true) => {
            report.require(intent, at, "the gateway records intents, and this outcome has none");
        }
        Some(false) => {}
        None => {
            report.known(told, "/correlation/write_ahead");
        }
    }
}

fn intent_not_there(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for (id, record) in set.interactions() {
        let intent = record.body.correlation.value().and_then(|correlation| correlation.intent.value());
        if let Some(intent) = intent
            && set.facts.whole
            && !set.has_intent(intent)
        {
            report
                .of_record(id)
                .missing(["/correlation/intent"], format!("the intent {intent} is not among the records"));
        }
    }
}

fn sampled(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/custody/sampled";
    if report.known(view(&case.body.custody).then(|custody| &custody.sampled), at) == Some(&true) {
        report.wrong([at], "the source omits interactions");
    }
}

fn dropped(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/custody/dropped_attributes";
    let dropped = view(&case.body.custody).then(|custody| &custody.dropped_attributes);
    if dropped.is_not_applicable() {
        return;
    }
    let dropped = report.require(dropped, at, "whether the source dropped attributes is not recorded");
    if let Some(count) = dropped.filter(|count| **count > 0) {
        let what = if *count == 1 { "attribute" } else { "attributes" };
        report.wrong([at], format!("the source dropped {count} {what}"));
    }
}

fn recorder_key(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/custody/recorder";
    let recorder = view(&case.body.custody).then(|custody| &custody.recorder).text();
    if recorder.is_not_applicable() {
        return report.missing([at], "the record does not name its recorder");
    }
    let Some(recorder) = report.known(recorder, at) else { return };
    let made = case.time(|time| &time.received).value().or(case.time(|time| &time.end).value());
    let made = made.or(case.time(|time| &time.start).value()).copied();
    match case.context.recorder_key(recorder, made) {
        KeyState::InForce => {}
        KeyState::NotInForce => report.wrong([at], format!("the key {recorder} was not in force")),
        KeyState::Unknown => report.unknown(
            [at],
            format!("when the key {recorder} was in force, or when it was used, is not known"),
        ),
    }
}
