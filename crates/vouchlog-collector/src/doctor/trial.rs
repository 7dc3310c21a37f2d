//! Trying advice: what lines add to a call that a gateway's defaults are known of, put onto records that it really sent.
//!
//! The collector itself makes the records of the known call, without the lines and with them. What differs goes onto a real record where
//! that has nothing, with the real record's own times and names; then it is graded again. Nothing of it is ever recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use vouchlog_grading::Context;
use vouchlog_record::{PolicyDecision, Record, RecordId};

use crate::assemble::{Assembler, Config, Delivery, Naming};
use crate::doors;
use crate::intake::{Event, Item, Source, Span, SpanKind};

/// A call as a gateway sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    door: String,
    pub(super) body: Value,
}

const SECOND: u64 = 1_000_000_000;
/// When the call of an example starts.
const START: i64 = 1_795_299_100;
const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const REQUEST: &str = "a000000000000001";
const CALL: &str = "a000000000000002";

/// What lines change in the record of a call.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// New values, and those that they replace, by JSON pointer. A list is one value.
    values: BTreeMap<String, Change>,
    /// Configurations that are on record then: that a policy is in force.
    known: Vec<Record>,
}

#[derive(Debug)]
struct Change {
    before: Option<Value>,
    after: Value,
}

/// Fields that name somebody or something. Values of other fields that repeat the example's name get the record's own.
const NAMES: [&str; 4] = ["/initiator/sub", "/workload/id", "/credential/id", "/correlation/session"];

impl Changes {
    /// What lines add to an example. None where the example's record cannot be made, which a test excludes.
    pub(super) fn of(example: &Example, adds: &Value) -> Option<Self> {
        let (before, after) = (example.record(&json!({}))?.0, example.record(adds)?.0);
        let (before, after) = (before.to_object().into(), after.to_object().into());
        let mut values = BTreeMap::new();
        differences(&before, &after, String::new(), &mut values);
        let known = adds["known"].as_array().into_iter().flatten();
        let known =
            known.filter_map(|record| Some(Record::from_value(record.clone()).ok()?.record)).collect();
        Some(Self { values, known })
    }

    /// A record as it would have been with the lines.
    pub(super) fn applied(&self, record: &Record) -> Option<Record> {
        let mut object: Value = record.to_object().into();
        let is_named_by_itself = object.pointer("/workload/method").is_none_or(|method| method == "self");
        let started = record.body.time.value().and_then(|time| time.start.value()).copied();
        let mut added = Vec::new();
        for (pointer, Change { before, after }) in &self.values {
            let is_free = match object.pointer(pointer) {
                None => true,
                Some(value) => {
                    Some(value) == before.as_ref() || (pointer == "/workload/id" && is_named_by_itself)
                }
            };
            if is_free && put(&mut object, pointer, after.clone()) {
                added.push(pointer);
            }
        }
        let own = |pointer: &&str| {
            let theirs = self.values.get(*pointer)?.after.as_str()?.to_owned();
            Some((theirs, object.pointer(pointer)?.as_str()?.to_owned()))
        };
        let names: BTreeMap<String, String> =
            NAMES.iter().filter_map(own).filter(|(theirs, own)| theirs != own).collect();
        for pointer in added {
            if let Some(value) = object.pointer_mut(pointer) {
                fit(value, &names, started);
            }
        }
        Record::from_value(object).ok().map(|parsed| parsed.record)
    }

    /// What is known of the things that records name, once the lines are there: that a policy they cite is in force, by its id and version
    /// in those records.
    pub(super) fn learned(&self, context: &Context, records: &[Record]) -> Context {
        let mut context = context.clone();
        for known in &self.known {
            for policy in records.iter().flat_map(policies) {
                let mut known = known.clone();
                let configuration = known.body.configuration.get_or_default();
                (configuration.id, configuration.version) = (policy.id.clone(), policy.version.clone());
                (configuration.digest, configuration.in_force_from) =
                    (policy.digest.clone(), Timestamp::UNIX_EPOCH.into());
                context.learn(&RecordId::from_random([0; 16]), &known);
            }
        }
        context
    }
}

/// The policies that decided.
fn policies(record: &Record) -> impl Iterator<Item = &PolicyDecision> {
    record.body.policy.value().into_iter().flatten().filter(|decision| decision.id.value().is_some())
}

/// Whether lines can change what is at a pointer: where a call stands in its trace, and what the collector says of its own work, they
/// cannot.
fn is_stated(pointer: &str) -> bool {
    const NOT: [&str; 8] = [
        "/id",
        "/otel",
        "/left_out",
        "/correlation/parent_span",
        "/correlation/idempotency_key",
        "/custody/source",
        "/custody/bodies",
        "/custody/secrets_removed",
    ];
    !NOT.iter()
        .any(|not| pointer.strip_prefix(not).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn differences(before: &Value, after: &Value, at: String, found: &mut BTreeMap<String, Change>) {
    if !is_stated(&at) || before == after {
        return;
    }
    let is_mark = |members: &Map<String, Value>| members.contains_key("$");
    match after {
        Value::Object(members) if !is_mark(members) => {
            for (name, member) in members {
                let before = before.get(name).unwrap_or(&Value::Null);
                differences(before, member, format!("{at}/{name}"), found);
            }
        }
        _ => {
            let before = (!before.is_null()).then(|| before.clone());
            found.insert(at, Change { before, after: after.clone() });
        }
    }
}

/// Puts a value where a pointer leads; not through what is no object.
fn put(object: &mut Value, pointer: &str, value: Value) -> bool {
    let mut place = object;
    for name in pointer.split('/').skip(1) {
        let Value::Object(members) = place else { return false };
        if members.contains_key("$") {
            return false;
        }
        place = members.entry(name).or_insert_with(|| json!({}));
    }
    *place = value;
    true
}

/// Replaces the example's names and moves its times.
fn fit(value: &mut Value, names: &BTreeMap<String, String>, started: Option<Timestamp>) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|value| fit(value, names, started)),
        Value::Array(list) => list.iter_mut().for_each(|value| fit(value, names, started)),
        Value::String(text) => {
            if let Some(own) = names.get(text) {
                text.clone_from(own);
            } else if let (Ok(time), Some(started)) = (text.parse::<Timestamp>(), started)
                && let Ok(time) = started.checked_add(time.duration_since(start()))
            {
                *text = time.to_string();
            }
        }
        _ => {}
    }
}

fn start() -> Timestamp {
    Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Example {
    /// The record of the call with what lines add to it, and the names of attributes that were not understood.
    pub(super) fn record(&self, adds: &Value) -> Option<(Record, BTreeSet<String>)> {
        let (mut body, mut adds) = (self.body.clone(), adds.clone());
        let members = adds.as_object_mut()?;
        members.remove("known");
        let told = members.remove("record");
        merge(&mut body, &adds);
        let (made, unknown) = collected(&self.door, &body)?;
        let mut object: Value = made.to_object().into();
        merge(
            &mut object,
            &json!({ "custody": { "recorder": "recorder" }, "correlation": { "write_ahead": false } }),
        );
        merge(&mut object, &told.unwrap_or_else(|| json!({})));
        Some((Record::from_value(object).ok()?.record, unknown))
    }
}

/// The record that the collector makes of an example, and the names of attributes it did not understand.
fn collected(door: &str, body: &Value) -> Option<(Record, BTreeSet<String>)> {
    let received = Timestamp::from_second(START + 3).ok()?;
    let bytes = serde_json::to_vec(body).ok()?;
    let items = match door {
        "litellm" => {
            return Some((doors::litellm(&bytes, &naming(), received).ok()?.0.pop()?, BTreeSet::new()));
        }
        "record" => return Some((doors::records(&bytes).ok()?.0.pop()?.record, BTreeSet::new())),
        "opa" => doors::opa(&bytes).ok()?.0,
        "event" => vec![event(body)],
        "span" => spans(body),
        _ => return None,
    };
    let mut assembler = Assembler::new(Config::default(), naming());
    assembler.feed(items, &Delivery::at(received));
    let mut out = assembler.tick(Timestamp::from_second(START + 100).ok()?);
    (out.records.len() == 1 && out.failed.is_empty()).then_some(())?;
    Some((out.records.pop()?, out.unknown.into_keys().collect()))
}

/// The call; the request around it where lines say something of that; and what else they make the program do: before the call, or after
/// it.
fn spans(body: &Value) -> Vec<Item> {
    let around = ["above", "before", "after"];
    if !around.iter().any(|member| body.get(*member).is_some()) {
        return vec![span(body, CALL, None, 0)];
    }
    let mut above = body.get("above").cloned().unwrap_or_else(|| json!({}));
    above["resource"] = body["resource"].clone();
    let mut all = vec![span(&above, REQUEST, None, 0), span(body, CALL, Some(REQUEST), 0)];
    for (member, offset) in [("before", -1), ("after", 1)] {
        let Some(beside) = body.get(member) else { continue };
        let mut beside = beside.clone();
        beside["resource"] = body["resource"].clone();
        all.push(span(&beside, &format!("b00000000000000{}", offset + 2), Some(REQUEST), offset));
    }
    all
}

fn source(body: &Value) -> Arc<Source> {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let resource = body["resource"].as_object().cloned().unwrap_or_default();
    Arc::new(Source { resource, scope: text("scope"), version: text("version"), ..Source::default() })
}

fn span(body: &Value, id: &str, parent: Option<&str>, offset: i64) -> Item {
    let start = u64::try_from(START + offset).unwrap_or_default() * SECOND;
    Item::Span(Span {
        source: source(body),
        trace: TRACE.into(),
        span: id.into(),
        parent: parent.map(str::to_owned),
        flags: 0x100,
        name: body["name"].as_str().unwrap_or("request").into(),
        kind: SpanKind::Client,
        start,
        end: start + SECOND,
        attributes: body["attributes"].as_object().cloned().unwrap_or_default(),
        dropped: 0,
        cut: false,
        events: vec![],
        links: vec![],
        failed: false,
        message: String::new(),
    })
}

fn event(body: &Value) -> Item {
    Item::Event(Event {
        source: source(body),
        trace: None,
        span: None,
        flags: 0,
        time: (u64::try_from(START).unwrap_or_default() + 1) * SECOND,
        name: body["name"].as_str().unwrap_or_default().into(),
        body: Value::Null,
        attributes: body["attributes"].as_object().cloned().unwrap_or_default(),
        dropped: 0,
        cut: false,
    })
}

/// Names that nobody sees: records of examples go nowhere.
fn naming() -> Naming {
    Box::new(|key| {
        let mut name = [0_u8; 16];
        for (place, byte) in key.iter().enumerate() {
            let at = place % 16;
            name[at] = name[at].rotate_left(1) ^ byte;
        }
        name
    })
}

pub(super) fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name.clone()).or_insert_with(|| json!({})), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}
