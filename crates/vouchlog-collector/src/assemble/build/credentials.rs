//! The credentials of a record, and which of them each call used.
//!
//! A span of a call describes the credential that it used (`evidence.credential.*`), or names it (`evidence.credential.use`) and leaves
//! the description to a list (`evidence.credentials`). Nothing is concluded: a call whose spans name two credentials names none, and
//! both are described.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::fields::put;
use super::super::part::Part;
use super::super::unit::Unit;
use crate::dialect::Role;
use crate::intake::Span;
use crate::limits::MAX_CREDENTIALS;

const GROUP: &str = "credential.";

/// The credential that a call used, by the parts that describe the call: its id, that the call took none, or nothing.
pub(super) fn used_by(parts: &[&Part]) -> Option<Value> {
    match ids(parts).as_slice() {
        [id] => Some((*id).into()),
        [] if parts.iter().all(|part| !describes(part)) => took_none(parts),
        _ => None,
    }
}

/// The ids of the credentials that the parts name as used; where no part names one, those that they describe.
fn ids<'a>(parts: &[&'a Part]) -> Vec<&'a str> {
    let named = texts(parts, "use.credential");
    if named.is_empty() { texts(parts, "credential.id") } else { named }
}

/// What the parts state in a field, each text once.
fn texts<'a>(parts: &[&'a Part], field: &str) -> Vec<&'a str> {
    let all: BTreeSet<&str> = parts.iter().filter_map(|part| part.reading.text(field)).collect();
    all.into_iter().collect()
}

fn describes(part: &Part) -> bool {
    part.reading.fields.keys().any(|field| field.starts_with(GROUP))
}

fn took_none(parts: &[&Part]) -> Option<Value> {
    let states = |part: &&Part| part.reading.fields.get("use.none") == Some(&Value::Bool(true));
    parts.iter().any(states).then(not_applicable)
}

fn not_applicable() -> Value {
    json!({ "$": "not_applicable" })
}

/// The credential that a tool used for a call of its own. Only attributes of the span itself count: the resource describes what the
/// program uses, which need not be what this call used.
pub(super) fn used_downstream(span: &Span) -> Option<Value> {
    let text = |name: &str| span.attributes.get(name).and_then(Value::as_str).filter(|id| !id.is_empty());
    let used = text("evidence.credential.use").or_else(|| text("evidence.credential.id"));
    let is_none = span.attributes.get("evidence.credential.none") == Some(&Value::Bool(true));
    used.map(Value::from).or_else(|| is_none.then(not_applicable))
}

/// Whether the credential that a part describes is among those of the record: parts of calls describe their own.
pub(super) fn is_listed(part: &Part, field: &str) -> bool {
    let is_call =
        matches!(part.role(), Role::Tool | Role::McpCall | Role::A2a | Role::Downstream | Role::Retrieval);
    is_call && field.starts_with(GROUP)
}

/// Puts `credential`, or `credentials` where there are several, and the one that the call of the model used.
pub(super) fn put_in(unit: &Unit<'_>, object: &mut Map<String, Value>) {
    let own = match object.remove("credential") {
        Some(Value::Object(own)) => Some(own),
        _ => None,
    };
    let mut all: Vec<Map<String, Value>> = Vec::new();
    let id = own.as_ref().and_then(|own| own.get("id")).cloned();
    let has_own = own.is_some();
    own.into_iter().for_each(|own| add(&mut all, own));
    let lists: Vec<&Value> = unit
        .accounts
        .iter()
        .copied()
        .chain(unit.above.iter().copied())
        .chain(unit.parts())
        .filter_map(|part| part.reading.fields.get("credentials"))
        .collect();
    let of_lists = lists.iter().filter_map(|list| list.as_array()).flatten().filter_map(Value::as_object);
    of_lists.for_each(|one| add(&mut all, one.clone()));
    let by_name = used_by_model(unit);
    if !has_own && lists.is_empty() && by_name.is_none() && unit.is_inference() {
        unknown_beside(unit, &mut all);
    }
    // Accounts of one call that name two credentials leave open which of them it was.
    let is_disputed = ids(&unit.accounts).len() > 1;
    if is_disputed {
        described(&unit.accounts, &mut all);
    }
    calls(unit).iter().for_each(|parts| described(parts, &mut all));
    let several = all.len() > 1 || !lists.is_empty();
    let used = by_name.or_else(|| id.filter(|_| several && unit.is_inference() && !is_disputed));
    if let Some(used) = used {
        put(object, "model.credential", used);
    }
    if several {
        object.insert("credentials".into(), all.into_iter().map(Value::Object).collect());
    } else if let Some(only) = all.pop() {
        object.insert("credential".into(), only.into());
    }
}

/// The parts of each call but the model's: of tools, of what they called, of retrievals.
fn calls<'a>(unit: &Unit<'a>) -> Vec<Vec<&'a Part>> {
    let of_tools = unit.tools.iter().flat_map(|run| {
        let downstream = run.downstream.iter().map(|part| vec![*part]);
        std::iter::once(run.parts.clone()).chain(downstream)
    });
    of_tools.chain(unit.sources.iter().map(|part| vec![*part])).collect()
}

fn used_by_model(unit: &Unit<'_>) -> Option<Value> {
    match texts(&unit.accounts, "use.credential").as_slice() {
        [id] => Some((*id).into()),
        [] => took_none(&unit.accounts),
        _ => None,
    }
}

/// The model was called with a credential of which nothing is known. Where only tools describe theirs, it must not pass for one of
/// those.
fn unknown_beside(unit: &Unit<'_>, all: &mut Vec<Map<String, Value>>) {
    let is_described = calls(unit).iter().flatten().any(|part| describes(part));
    if is_described {
        all.push(Map::new());
    }
}

/// Adds what the parts of a call describe. Ids of two credentials that cannot both be its own are listed too, so that neither is
/// left out when the call is judged.
fn described(parts: &[&Part], all: &mut Vec<Map<String, Value>>) {
    for part in parts {
        let mut one = Map::new();
        for (field, value) in &part.reading.fields {
            if let Some(name) = field.strip_prefix(GROUP) {
                put(&mut one, name, value.clone());
            }
        }
        add(all, one);
    }
    if let several @ [_, _, ..] = ids(parts).as_slice() {
        several.iter().for_each(|id| add(all, Map::from_iter([("id".to_owned(), Value::from(*id))])));
    }
}

/// Adds a description to the one of the same credential. Two that contradict each other both stay, and the rules ask for both.
fn add(all: &mut Vec<Map<String, Value>>, one: Map<String, Value>) {
    if one.is_empty() {
        return;
    }
    let fits = |known: &&mut Map<String, Value>| match (known.get("id"), one.get("id")) {
        (Some(mine), Some(theirs)) => mine == theirs && agree(known, &one),
        (_, None) => one.iter().all(|(name, value)| known.get(name) == Some(value)),
        (None, Some(_)) => false,
    };
    if let Some(known) = all.iter_mut().find(fits) {
        for (name, value) in one {
            match known.get(&name) {
                Some(mine) if name == "status" && is_earlier(&value, mine) => known.insert(name, value),
                Some(_) => None,
                None => known.insert(name, value),
            };
        }
    } else if all.len() < MAX_CREDENTIALS {
        all.push(one);
    } else {
        // What finds no room must not be missed: an entry without a name shows that one is missing.
        all[MAX_CREDENTIALS - 1] = Map::new();
    }
}

fn agree(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    one.iter().all(|(name, mine)| match other.get(name) {
        Some(theirs) if name == "status" => {
            ["method", "result"].iter().all(|member| mine.get(*member) == theirs.get(*member))
        }
        Some(theirs) => mine == theirs,
        None => true,
    })
}

/// Of two checks with one result, the first proves the least: a later use is judged by its age.
fn is_earlier(one: &Value, other: &Value) -> bool {
    let time = |status: &Value| status.get("checked_at")?.as_str()?.parse::<Timestamp>().ok();
    match (time(one), time(other)) {
        (Some(one), Some(other)) => one < other,
        (None, other) => other.is_some(),
        (Some(_), None) => false,
    }
}
