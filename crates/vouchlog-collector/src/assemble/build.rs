//! From a unit to its record.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use vouchlog_access::ANONYMOUS;
use vouchlog_record::{Record, RecordError, RecordId};

use super::fields::{self, Merged, put};
use super::part::Part;
use super::times::StatedTimes;
use super::unit::Unit;
use super::{Done, Naming, Out};
use crate::dialect::is_without_tool;
use crate::intake::Item;
use crate::limits::MAX_LISTED;

mod account;
mod authority;
mod credentials;
mod handoff;
mod lists;
mod outcome;
mod remote;

pub(crate) use lists::decision_of;

/// Records of the units of a group, each at the place of its unit; none where no record could be made.
pub(super) fn records(units: &[Unit<'_>], done: Done, naming: &Naming, out: &mut Out) -> Vec<Option<Record>> {
    let ids: Vec<RecordId> =
        units.iter().map(|unit| RecordId::from_random(naming(name(unit).as_bytes()))).collect();
    let mut records = Vec::new();
    let acting = handoff::acting(units);
    for (at, unit) in units.iter().enumerate() {
        let make = || {
            let mut object = object(unit, done, &acting);
            object.insert("id".into(), ids[at].as_str().into());
            if let Some(cause) = cause(units, at) {
                put(&mut object, "correlation.causes", json!([ids[cause].as_str()]));
            }
            object
        };
        for part in unit.parts() {
            for name in part.reading.left.keys() {
                *out.unknown.entry(name.clone()).or_default() += 1;
            }
        }
        let record = match read(make()) {
            // Made once more, in a way that leaves out what is refused: a copy of each object would cost more.
            Err(error) if is_set_aside(&error) => record_of(make()),
            record => record,
        };
        if let Err(error) = &record {
            out.failed.push(format!("{}: {error}", key(unit)));
        }
        records.push(record.ok());
    }
    records
}

/// The same for every way the same call may come.
fn key(unit: &Unit<'_>) -> String {
    let Some(main) = unit.main() else { return String::new() };
    match main.about() {
        Some((trace, span)) => format!("otel:{trace}:{span}"),
        None => format!("otel:{}:{}:{}", main.service(), main.scope(), main.times().0),
    }
}

/// What the record's name is made of. Parts that came late are another record than the one they amend.
fn name(unit: &Unit<'_>) -> String {
    match (&unit.amends, unit.main()) {
        (None, Some(main)) if main.span_key().is_some() => format!("record {}", key(unit)),
        (_, main) => {
            let digest = main.map(|main| hex::encode(main.digest)).unwrap_or_default();
            format!("record {} {digest}", key(unit))
        }
    }
}

/// The call before this one in the same run of an agent: what came of it went into this one.
fn cause(units: &[Unit<'_>], at: usize) -> Option<usize> {
    fn above<'a>(unit: &Unit<'a>) -> Option<(&'a str, &'a str)> {
        unit.above.first().and_then(|part| part.span_key())
    }
    let here = above(&units[at])?;
    let stated = |unit: &Unit<'_>| unit.main().map(Part::stated).unwrap_or_default();
    let start = stated(&units[at]).start?;
    let before = (0..units.len()).filter(|other| *other != at).filter_map(|other| {
        let unit = &units[other];
        let end = stated(unit).end.filter(|end| *end <= start)?;
        (unit.is_inference() && above(unit) == Some(here)).then_some((end, other))
    });
    before.max().map(|(_, other)| other)
}

fn object(unit: &Unit<'_>, done: Done, acting: &BTreeSet<String>) -> Map<String, Value> {
    let mut merged = fields::merge(unit);
    account::endpoint(&mut merged);
    authority::add_chain(&mut merged);
    account::from_messages(unit, &mut merged);
    account::add_calls(&mut merged);
    let outcome = outcome::of(unit, &merged);
    if outcome.is_failure() {
        account::drop_zero_usage(&mut merged);
    }
    let tools = lists::tools(unit, &merged, acting);
    let policy = lists::policy(unit, outcome.is_failure());
    let (input, output) = account::content(unit, &mut merged);
    let mut conflicts = std::mem::take(&mut merged.conflicts);
    let times = times(unit, &merged);
    let approval = lists::approval(unit);
    let definitions = merged.take("content.tools");
    let placed = merged.fields.clone();
    merged.take(authority::ACT);
    let mut object = merged.into_object();
    object.insert("kind".into(), "interaction".into());
    if let Some(definitions) = definitions {
        put(&mut object, "model.params.tools", definitions);
    }
    object.insert("time".into(), times);
    merge_into(&mut object, "input", input);
    merge_into(&mut object, "output", output);
    merge_into(&mut object, "approval", approval);
    for (name, list) in [("tools", tools), ("policy", policy)] {
        if !list.is_empty() {
            object.insert(name.into(), list.into());
        }
    }
    lists::sources(unit, &mut object);
    not_required(&mut object);
    conflicts.extend(fields::state_none(&placed, &mut object));
    if done == Done::Settled && unit.is_inference() && asked_for_no_tool(&object) {
        object.entry("tools").or_insert_with(|| json!([]));
    }
    credentials::put_in(unit, &mut object);
    remote::put_in(unit, &mut object);
    correlation(unit, &mut object);
    outcome.put(&mut object);
    custody(unit, done, &mut object);
    let otel = account::otel(unit, conflicts, &placed);
    if !otel.is_empty() {
        object.insert("otel".into(), otel.into());
    }
    if unit.creates_agent() {
        agent(unit, &mut object);
    }
    object
}

/// That no approval was required, of which nothing else is stated, is the state of the approval, too.
fn not_required(object: &mut Map<String, Value>) {
    if let Some(Value::Object(approval)) = object.get_mut("approval")
        && approval.len() == 1
        && approval.get("required") == Some(&Value::Bool(false))
    {
        approval.insert("state".into(), "not_required".into());
    }
}

/// Makes it the record of an agent that was set up: what is configured from then on, and no interaction.
fn agent(unit: &Unit<'_>, object: &mut Map<String, Value>) {
    let fields = unit.accounts.iter().map(|part| &part.reading.fields);
    let field = |name: &str| fields.clone().find_map(|fields| fields.get(name)).cloned();
    let since = object.get("time").and_then(|time| time.get("end")).cloned();
    object.insert("kind".into(), "configuration".into());
    object.remove("outcome");
    for (name, value) in [
        ("subject", Some("agent".into())),
        ("id", field("workload.agent.id").or_else(|| field("workload.agent.name"))),
        ("version", field("workload.agent.version")),
        ("digest", field("workload.agent.config_digest")),
        ("in_force_from", since),
    ] {
        if let Some(value) = value {
            put(object, &format!("configuration.{name}"), value);
        }
    }
}

/// Whether the model gave an answer and asked for no tool in it, by its own word or by what it said. A trace that is whole and has no
/// tool run then had none.
fn asked_for_no_tool(object: &Map<String, Value>) -> bool {
    let Some(output) = object.get("output") else { return false };
    let messages = output.get("content").and_then(Value::as_array).into_iter().flatten();
    let mut parts = messages.filter_map(|message| message["parts"].as_array()).flatten();
    // The provider may have run tools itself, and other things may be calls of tools by another name.
    if !parts.all(is_without_tool) {
        return false;
    }
    // Gemini gives the same reason, whether it asks for a tool or not.
    let provider = object.get("model").and_then(|model| model.get("provider")?.as_str()).unwrap_or_default();
    let is_gemini = ["gemini", "gcp", "google", "vertex"].into_iter().any(|word| provider.contains(word));
    if is_gemini && output.get("content").is_none() {
        return false;
    }
    let reasons = output.get("finish").and_then(Value::as_array);
    let says_so = reasons.is_some_and(|reasons| {
        !reasons.is_empty() && reasons.iter().all(|reason| reason == "stop" || reason == "length")
    });
    says_so || (reasons.is_none() && output.get("content").is_some())
}

fn merge_into(object: &mut Map<String, Value>, group: &str, members: Map<String, Value>) {
    for (name, value) in members {
        put(object, &format!("{group}.{name}"), value);
    }
}

pub(super) fn stamp(nanoseconds: u64) -> Option<Value> {
    let time = Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()?;
    (nanoseconds > 0).then(|| time.to_string().into())
}

/// Puts when something began and ended, as far as that is stated.
fn put_times(StatedTimes { start, end }: StatedTimes, object: &mut Map<String, Value>) {
    for (name, time) in [("start", start), ("end", end)] {
        object.extend(time.and_then(stamp).map(|time| (name.to_owned(), time)));
    }
}

fn times(unit: &Unit<'_>, merged: &Merged) -> Value {
    let mut times = Map::new();
    let Some(main) = unit.main() else { return Value::Object(times) };
    let stated = main.stated();
    put_times(stated, &mut times);
    let clock: Map<String, Value> = ["source", "max_error_ms"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), merged.fields.get(&format!("time.clock.{name}"))?.clone())))
        .collect();
    if !clock.is_empty() {
        times.insert("clock".into(), clock.into());
    }
    let received = unit.parts().map(|part| part.lot.received).min();
    times.extend(received.map(|received| ("received".to_owned(), received.to_string().into())));
    let after = merged.fields.get("time.first_chunk_after").and_then(|it| it.as_str()?.parse::<f64>().ok());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    let after = after.filter(|after| (0.0..86_400.0).contains(after)).map(|after| (after * 1e9) as u64);
    let told = stated.start.zip(after).and_then(|(start, after)| start.checked_add(after));
    let noted = unit.accounts.iter().filter_map(|part| match &part.item {
        Item::Span(span) => {
            span.events.iter().find(|event| is_first_chunk(&event.name)).map(|event| event.time)
        }
        _ => None,
    });
    let first = told.or_else(|| noted.min()).and_then(stamp);
    times.extend(first.map(|first| ("first_chunk".to_owned(), first)));
    Value::Object(times)
}

fn is_first_chunk(name: &str) -> bool {
    matches!(
        name,
        "First Token Stream Event"
            | "mlflow.chunk.item.0"
            | "ai.stream.firstChunk"
            | "gen_ai.content.completion.chunk"
            | "llm.content.completion.chunk"
    )
}

fn correlation(unit: &Unit<'_>, object: &mut Map<String, Value>) {
    let Some(main) = unit.main() else { return };
    if let Some(trace) = main.trace() {
        put(object, "correlation.trace", trace.into());
    }
    if let Some((_, span)) = main.about() {
        put(object, "correlation.span", span.into());
    }
    put(object, "correlation.idempotency_key", key(unit).into());
    if let Some(amends) = &unit.amends {
        put(object, "correlation.amends", amends.as_str().into());
    }
    // The way up ends at a root, at another process's span, or in the dark.
    let top = unit.above.last().copied().filter(|_| main.span_key().is_some()).or(Some(main));
    let Some(Item::Span(top)) = top.map(|part| &part.item) else { return };
    let direct = match &main.item {
        Item::Span(span) => span.parent.clone(),
        _ => None,
    };
    if let Some(parent) = direct.or_else(|| top.parent.clone()) {
        put(object, "correlation.parent_span", parent.into());
    }
    if top.parent.is_some() && top.has_remote_parent() {
        put(object, "correlation.parent_external", true.into());
    }
}

fn custody(unit: &Unit<'_>, done: Done, object: &mut Map<String, Value>) {
    let mut sources: Vec<String> = Vec::new();
    let parts = if unit.accounts.is_empty() { unit.parts().collect() } else { unit.accounts.clone() };
    for part in parts.iter().chain(&unit.messages) {
        let source = source(part);
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    put(object, "custody.source", sources.join("; ").into());
    let service = unit.main().map(Part::service).filter(|service| !service.is_empty());
    if let Some(service) = service {
        put(object, "custody.service", service.into());
    }
    let bodies: BTreeSet<&str> =
        unit.parts().filter_map(|part| Some(part.lot.commitment.as_ref()?.as_str())).collect();
    if !bodies.is_empty() {
        put(object, "custody.bodies", bodies.into_iter().take(MAX_LISTED).collect());
    }
    let emitters: BTreeSet<Option<&str>> = unit.parts().map(|part| part.lot.emitter.as_deref()).collect();
    if emitters.iter().any(Option::is_some) {
        let emitters = emitters.into_iter().map(|emitter| emitter.unwrap_or(ANONYMOUS));
        put(object, "custody.emitters", emitters.take(MAX_LISTED).collect());
    }
    let dropped = unit.parts().map(|part| match &part.item {
        Item::Span(span) => span.dropped,
        Item::Event(event) => event.dropped,
        Item::Decision(_) => 0,
    });
    let dropped = dropped.fold(0, u64::saturating_add);
    put(object, "custody.dropped_attributes", dropped.into());
    let is_unsampled = |part: &Part| matches!(&part.item, Item::Event(event) if event.is_unsampled());
    if unit.parts().any(is_unsampled) && !unit.parts().any(|part| part.span_key().is_some()) {
        put(object, "custody.sampled", true.into());
    }
    let by = match done {
        Done::Settled => return,
        Done::Timeout => "timeout",
        Done::Full => "no_room",
        Done::Flushed => "flush",
    };
    put(object, "custody.completed_by", by.into());
}

fn source(part: &Part) -> String {
    let (scope, version) = match &part.item {
        Item::Span(span) => (&span.source.scope, &span.source.version),
        Item::Event(event) => (&event.source.scope, &event.source.version),
        Item::Decision(_) => return "decision log".into(),
    };
    let dialect = part.reading.dialect.name();
    [dialect, scope, version].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The record of an object. A field that the model refuses is moved to `otel.refused`, with its reason: a gateway's odd word must
/// not cost the record.
pub(crate) fn record_of(mut object: Map<String, Value>) -> Result<Record, RecordError> {
    match read(object.clone()) {
        Err(error) if is_set_aside(&error) => {}
        record => return record,
    }
    account::fit(&mut object);
    let refused = account::set_aside(&mut object);
    let otel = object.entry("otel").or_insert_with(|| json!({}));
    otel["refused"] = refused.into();
    Record::from_value(Value::Object(object)).map(|parsed| parsed.record)
}

fn read(mut object: Map<String, Value>) -> Result<Record, RecordError> {
    account::fit(&mut object);
    Record::from_value(Value::Object(object)).map(|parsed| parsed.record)
}

/// Whether a record can be made by moving a field away.
fn is_set_aside(error: &RecordError) -> bool {
    matches!(error, RecordError::Field { .. } | RecordError::TooMany { .. })
}
