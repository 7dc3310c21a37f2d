//! Sessions from JSON files, for tests: records as they are kept, and where they are in the log.

use serde::Deserialize;
use serde_json::Value;
use vouchlog_grading::{Cause, Context, Finding, grade, rule};
use vouchlog_merkle::LeafIndex;
use vouchlog_record::{Record, RecordId};
use vouchlog_stream::{LogPlace, LoggedAt, SequenceNumber, StreamId};

use crate::input::{ErasedAt, Loss, ProofState, SessionContext, SessionRecord, StreamGap};
use crate::timeline::Timeline;

/// A session in which all is well: six records, among them a denial, an approval, tools and what they called.
pub const COMPLETE: &str = include_str!("../testdata/complete.json");
/// One in which much is not: gaps, an erasure, an intent without an outcome, contradictions, a circle, hostile text.
pub const BROKEN: &str = include_str!("../testdata/broken.json");
/// One of which there is nothing.
pub const EMPTY: &str = include_str!("../testdata/empty.json");

/// A session in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the texts are from, for people.
    #[serde(rename = "origin")]
    _origin: String,
    session: String,
    /// Records that were there before: issued credentials, configurations in force.
    #[serde(default)]
    earlier: Vec<Value>,
    records: Vec<OneRecord>,
    #[serde(default)]
    losses: Vec<OneLoss>,
    #[serde(default)]
    stream_gaps: Vec<OneStreamGap>,
    #[serde(default)]
    findings: Vec<OneFinding>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneRecord {
    id: RecordId,
    index: u64,
    sequence: u64,
    logged_at: jiff::Timestamp,
    proof: String,
    erased: Option<OneErasure>,
    record: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneErasure {
    at: jiff::Timestamp,
    entry: Option<u64>,
    basis: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneLoss {
    entry: u64,
    from: jiff::Timestamp,
    to: jiff::Timestamp,
    count: u64,
    cause: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneStreamGap {
    stream: u64,
    first: u64,
    last: u64,
    declared: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneFinding {
    code: String,
    record: Option<RecordId>,
    at: Vec<String>,
    message: String,
}

/// The timeline of a session in a file.
///
/// # Panics
/// If the file is not one.
pub fn timeline(file: &str) -> Timeline {
    let (session, records, known) = read(file);
    Timeline::of(&session, records, &known)
}

/// The name, the records and what else is known of a session in a file.
///
/// # Panics
/// If the file is not one.
pub fn read(file: &str) -> (String, Vec<SessionRecord>, SessionContext) {
    let file: File = serde_json::from_str(file).expect("the file is a sample session");
    let context = context(file.earlier);
    let records = file.records.into_iter().map(|one| record(one, &context)).collect();
    let entry = LeafIndex::new;
    let sequence = |number| SequenceNumber::new(number).expect("it is a sequence number");
    let losses = file.losses.into_iter().map(|loss| Loss {
        entry: Some(entry(loss.entry)),
        from: loss.from,
        to: loss.to,
        count: Some(loss.count),
        cause: Some(loss.cause),
    });
    let stream_gaps = file.stream_gaps.into_iter().map(|gap| StreamGap {
        stream: StreamId::new(gap.stream).expect("it is a stream"),
        first: sequence(gap.first),
        last: sequence(gap.last),
        declared: gap.declared.map(entry),
    });
    let known = SessionContext {
        losses: losses.collect(),
        stream_gaps: stream_gaps.collect(),
        findings: file.findings.into_iter().map(finding).collect(),
        notes: file.notes,
        ..SessionContext::default()
    };
    (file.session, records, known)
}

fn context(earlier: Vec<Value>) -> Context {
    let begin = "2026-11-01T00:00:00Z".parse().expect("it is a time");
    let mut context = Context::default()
        .class_order(["public", "internal", "customer-pii"])
        .recorder_key_in_force("gw-eu1#3", begin, None);
    for value in earlier {
        let record = Record::from_value(value).expect("it is a record").record;
        let id = record.id.clone().expect("it has a name");
        context.learn(&id, &record);
    }
    context
}

fn record(one: OneRecord, context: &Context) -> SessionRecord {
    let millis = u64::try_from(one.logged_at.as_millisecond()).expect("it is after 1970");
    let place = LogPlace {
        index: LeafIndex::new(one.index),
        stream: StreamId::new(7).expect("it is a stream"),
        sequence: SequenceNumber::new(one.sequence).expect("it is a sequence number"),
        logged_at: LoggedAt::from_millis(millis).expect("it is before 10889"),
    };
    let proof = match one.proof.as_str() {
        "witnessed" => ProofState::Witnessed {
            by: vec!["w1.example".to_owned(), "w2.example".to_owned()],
            until: Some(millis / 1_000 + 2),
        },
        "signed" => ProofState::Signed,
        "waiting" => ProofState::Waiting,
        _ => ProofState::Missing,
    };
    let record = Record::from_value(one.record).expect("it is a record").record;
    let erased = one.erased.map(|erased| ErasedAt {
        at: Some(erased.at),
        entry: erased.entry.map(LeafIndex::new),
        basis: Some(erased.basis),
    });
    SessionRecord {
        grade: Some(grade(&record, context)),
        id: one.id,
        place: if proof == ProofState::Waiting { None } else { Some(place) },
        proof,
        record,
        erased,
        content_shown: true,
        partial: false,
    }
}

fn finding(one: OneFinding) -> Finding {
    let rule = rule(&one.code).expect("there is such a rule");
    let OneFinding { record, at, message, .. } = one;
    Finding { rule, severity: rule.severity, cause: Cause::Wrong, record, at, message }
}
