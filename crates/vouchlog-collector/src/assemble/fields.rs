//! One value for each field out of several accounts, and what contradicts it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::open::Part;
use super::unit::Unit;
use crate::dialect::{Role, text_of};
use crate::limits::MAX_LISTED;

/// The fields of a record as far as its parts state them.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) fields: BTreeMap<String, Value>,
    pub(super) conflicts: Vec<Value>,
    /// Content that was cut off.
    pub(super) truncated: BTreeSet<String>,
}

/// Groups that a span hands down to those below it, each with the fields that identify what the group is about: of two different
/// people nothing is mixed.
const HANDED_DOWN: [(&str, &[&str]); 8] = [
    ("initiator.", &["initiator.sub"]),
    ("session.", &["correlation.session"]),
    ("device.", &["device.id", "device.client_address"]),
    ("workload.agent.", &["workload.agent.id", "workload.agent.name"]),
    ("workload.", &["workload.id", "workload.instance"]),
    ("authority.", &["initiator.sub"]),
    ("credential.", &["credential.id"]),
    ("grant.", &["grant.id"]),
];

const HANDED_DOWN_ALONE: [&str; 7] = [
    "correlation.session",
    "correlation.conversation",
    "correlation.turn",
    "correlation.a2a_task",
    "correlation.a2a_context",
    "correlation.session_sequence",
    "initiator.sub",
];

/// Fields that differ between layers without anybody being wrong.
const LAYERED: [&str; 5] = [
    "correlation.request_id",
    "model.endpoint",
    "model.endpoint_port",
    "time.first_chunk_after",
    "model.routing",
];

pub(super) fn merge(unit: &Unit<'_>) -> Merged {
    let mut merged = Merged::default();
    let accounts: Vec<&Part> =
        if unit.accounts.is_empty() { unit.parts().collect() } else { unit.accounts.clone() };
    for part in &accounts {
        for (field, value) in &part.reading.fields {
            if !field.starts_with("content.") {
                merged.add(field, value, part);
            }
        }
    }
    for field in ["content.input", "content.output", "content.system", "content.tools"] {
        merged.content(field, &unit.accounts);
    }
    // Guardrails and tools of the request know who asked, if the call itself does not say.
    for part in unit.above.iter().chain(&unit.decisions) {
        merged.hand_down(part);
    }
    // To OpenTelemetry a conversation is "session, thread": where no session is named, it is the session.
    if let Some(conversation) = merged.fields.get("correlation.conversation").cloned() {
        merged.fields.entry("correlation.session".to_owned()).or_insert(conversation);
    }
    // Where no answer came, LiteLLM puts the id of its own call in the place of the answer's.
    if merged.fields.get("correlation.response_id") == merged.fields.get("correlation.request_id") {
        merged.fields.remove("correlation.response_id");
    }
    merged.conflicts.truncate(MAX_LISTED);
    merged
}

impl Merged {
    fn add(&mut self, field: &str, value: &Value, part: &Part) {
        let Some(kept) = self.fields.get(field).cloned() else {
            self.fields.insert(field.to_owned(), value.clone());
            return;
        };
        let is_about_call = !LAYERED.contains(&field)
            && ["model.", "usage.", "output.", "correlation.", "initiator.", "credential."]
                .iter()
                .any(|group| field.starts_with(group));
        if is_about_call && !agree(&kept, value) {
            // What the provider itself named goes before a gateway's alias: its own accounts are by those names.
            let is_provider = part.role() == Role::RawInference
                && matches!(field, "model.served" | "correlation.response_id");
            let (kept, value) = if is_provider { (value, &kept) } else { (&kept, value) };
            let conflict = json!({ "field": field, "kept": kept, "other": value, "by": part.scope() });
            self.fields.insert(field.to_owned(), kept.clone());
            if !self.conflicts.contains(&conflict) {
                self.conflicts.push(conflict);
            }
        }
    }

    /// The fullest content that was not cut off. Another one that reads differently is a conflict; it is not repeated here, since
    /// this is no place for content.
    fn content(&mut self, field: &str, accounts: &[&Part]) {
        let all: Vec<(&Part, &Value)> =
            accounts.iter().filter_map(|part| Some((*part, part.reading.fields.get(field)?))).collect();
        let size = |value: &Value| value.to_string().len();
        let best = all.iter().enumerate().max_by_key(|(place, (part, value))| {
            (!part.reading.truncated, size(value), std::cmp::Reverse(*place))
        });
        let Some((_, (from, best))) = best else { return };
        for (part, other) in &all {
            let is_whole = !part.reading.truncated && !from.reading.truncated;
            if is_whole && text_of(best) != text_of(other) {
                self.conflicts.push(json!({ "field": field, "by": part.scope() }));
            }
        }
        // An exporter's limit that cut a string here may have cut every string of a structured value there, and left it whole JSON.
        let is_at_limit = |limit: usize| has_text_of(best, limit);
        let limits = all.iter().filter_map(|(part, _)| part.reading.cut_at);
        if from.reading.truncated || limits.into_iter().any(is_at_limit) {
            self.truncated.insert(field.to_owned());
        }
        self.fields.insert(field.to_owned(), (*best).clone());
    }

    fn hand_down(&mut self, part: &Part) {
        let from = &part.reading.fields;
        let mut handed = Vec::new();
        for (group, identity) in HANDED_DOWN {
            let is_other = |field: &&str| match (self.fields.get(*field), from.get(*field)) {
                (Some(mine), Some(theirs)) => mine != theirs,
                (Some(_), None) => true,
                _ => false,
            };
            if identity.iter().any(is_other) && group != "session." {
                continue;
            }
            let of_group = from.iter().filter(|(field, _)| {
                field.starts_with(group) && (group != "workload." || !field.starts_with("workload.agent."))
            });
            handed.extend(of_group);
        }
        handed.extend(from.iter().filter(|(field, _)| HANDED_DOWN_ALONE.contains(&field.as_str())));
        for (field, value) in handed {
            self.fields.entry(field.clone()).or_insert_with(|| value.clone());
        }
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.fields.remove(field)
    }

    /// The fields of the record's own groups, in their places.
    pub(super) fn into_object(self) -> Map<String, Value> {
        const OWN: [&str; 16] = [
            "correlation.",
            "initiator.",
            "session.",
            "device.",
            "workload.",
            "authority.",
            "credential.",
            "grant.",
            "approval.",
            "override.",
            "data.",
            "model.",
            "input.",
            "output.",
            "usage.",
            "outcome.",
        ];
        let mut object = Map::new();
        for (field, value) in self.fields {
            if OWN.iter().any(|group| field.starts_with(group)) {
                put(&mut object, &field, value);
            }
        }
        object
    }
}

fn has_text_of(value: &Value, characters: usize) -> bool {
    match value {
        Value::String(text) => text.chars().count() == characters,
        Value::Array(list) => list.iter().any(|one| has_text_of(one, characters)),
        Value::Object(members) => members.values().any(|one| has_text_of(one, characters)),
        _ => false,
    }
}

fn agree(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        _ => one == other,
    }
}

/// Puts a value at `a.b.c`.
pub(crate) fn put(object: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
