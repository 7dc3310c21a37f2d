//! One value for each field out of several accounts, and what contradicts it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::part::Part;
use super::unit::Unit;
use crate::dialect::{Role, text_of};
use crate::intake::{Item, SpanKind};
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
const HANDED_DOWN: [(&str, &[&str]); 9] = [
    ("initiator.", &["initiator.sub"]),
    ("session.", &["correlation.session"]),
    ("device.", &["device.id", "device.client_address"]),
    ("workload.agent.", &["workload.agent.id", "workload.agent.name"]),
    ("workload.", &["workload.id", "workload.instance"]),
    ("authority.", &["initiator.sub"]),
    ("credential.", &["credential.id"]),
    ("grant.", &["grant.id"]),
    ("data.", &[]),
];

/// Groups of one act, handed down as they are or not at all: a state of one approval and the approver of another would be an approval
/// that nobody gave. A field in the second place is no part of the act.
const HANDED_DOWN_WHOLE: [(&str, &str); 2] = [("approval.", "approval.required"), ("override.", "")];

/// The chain of authority in its spellings, and its scopes: handed down together or not at all.
const CHAIN: [&str; 3] = ["authority.act", "authority.chain", "authority.scopes"];

/// What a span touched itself, and those below it did not.
const OWN_DATA: [&str; 2] = ["data.resources", "data.sources"];

const HANDED_DOWN_ALONE: [&str; 17] = [
    "approval.required",
    "correlation.intent",
    "correlation.session",
    "correlation.conversation",
    "correlation.turn",
    "correlation.a2a_task",
    "correlation.a2a_context",
    "correlation.session_sequence",
    "initiator.sub",
    "input.truncated",
    "output.truncated",
    "none.approval",
    "none.device",
    "none.override",
    "none.policy",
    "none.session",
    "none.workload.agent",
];

/// Groups of a record of which a source can state that there is nothing, by the field that it states it in.
const NONE: [(&str, &str); 7] = [
    ("none.approval", "approval"),
    ("none.device", "device"),
    ("none.override", "override"),
    ("none.policy", "policy"),
    ("none.session", "session"),
    ("none.tools", "tools"),
    ("none.workload.agent", "workload.agent"),
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
        let names_other = calls_agent(part);
        let uses_other = merged.uses_another_credential(part);
        for (field, value) in &part.reading.fields {
            let is_other = names_other && field.starts_with(AGENT)
                || uses_other && field.starts_with("credential.") && field != "credential.id"
                || part.role() == Role::Downstream && field.starts_with("credential.");
            if !field.starts_with("content.") && !is_other {
                merged.add(field, value, part);
            }
        }
    }
    for field in ["content.input", "content.output", "content.system", "content.tools", "content.calls"] {
        merged.content(field, &unit.accounts);
    }
    // Guardrails and tools of the request know who asked, if the call itself does not say.
    let service = unit.main().map(Part::service).unwrap_or_default();
    for part in unit.above.iter().chain(&unit.decisions) {
        merged.hand_down(part, service, passes_on(unit, part));
    }
    merged.main_agent(unit.main());
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

/// Fields of the agent that executed.
pub(super) const AGENT: &str = "workload.agent.";

/// Whether the agent that a part names is another one than the one that executed: it called an agent that runs elsewhere, or set one up.
pub(super) fn calls_agent(part: &Part) -> bool {
    let Item::Span(span) = &part.item else { return false };
    let is_outgoing = matches!(span.kind, SpanKind::Client | SpanKind::Producer);
    match part.role() {
        Role::AgentCreation => true,
        Role::Agent | Role::A2a => is_outgoing,
        _ => false,
    }
}

/// Whether a span above calls the agent that the unit calls over the protocol: in the caller's own program, that agent runs elsewhere.
pub(super) fn passes_on(unit: &Unit<'_>, above: &Part) -> bool {
    let is_over_protocol =
        |part: &&Part| part.role() == Role::A2a && calls_agent(part) && part.service() == above.service();
    above.role() == Role::Agent
        && calls_agent(above)
        && unit.accounts.is_empty()
        && unit.tools.iter().flat_map(|run| &run.parts).any(is_over_protocol)
}

impl Merged {
    /// Whether a part describes another credential than the one that is known. Of two nothing is mixed.
    fn uses_another_credential(&self, part: &Part) -> bool {
        const ID: &str = "credential.id";
        let known = self.fields.get(ID).zip(part.reading.fields.get(ID));
        known.is_some_and(|(mine, theirs)| mine != theirs)
    }

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
        let best = match all.as_slice() {
            // Of one, its length does not matter.
            [only] => Some(only),
            all => {
                let best = all.iter().enumerate().max_by_key(|(place, (part, value))| {
                    (!part.reading.truncated, size(value), std::cmp::Reverse(*place))
                });
                best.map(|(_, best)| best)
            }
        };
        let Some((from, best)) = best else { return };
        for (part, other) in all.iter().filter(|(part, _)| !std::ptr::eq(*part, *from)) {
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

    /// Where no span names the agent, the program's own one acted: the resource names it.
    fn main_agent(&mut self, main: Option<&Part>) {
        let source = match main.map(|part| &part.item) {
            Some(Item::Span(span)) => &span.source,
            Some(Item::Event(event)) => &event.source,
            _ => return,
        };
        if main.is_some_and(|part| part.role() == Role::AgentCreation)
            || self.fields.keys().any(|field| field.starts_with(AGENT))
        {
            return;
        }
        for name in ["id", "name"] {
            let value = source.resource.get(&format!("gen_ai.main_agent.{name}")).filter(|it| it.is_string());
            self.fields.extend(value.map(|value| (format!("{AGENT}{name}"), value.clone())));
        }
    }

    fn hand_down(&mut self, part: &Part, service: &str, passes_on: bool) {
        let from = &part.reading.fields;
        // Below a call of a remote agent, the agent is who executes; in the caller's own program it is not.
        let is_own = |field: &str| {
            field.starts_with(AGENT)
                && (passes_on || part.role() == Role::A2a && calls_agent(part) && part.service() == service)
        };
        if part.service() == service {
            self.take_proven_workload(from);
        }
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
                field.starts_with(group)
                    && (group != "workload." || !field.starts_with("workload.agent."))
                    && !OWN_DATA.contains(&field.as_str())
            });
            // That something was retrieved is true of the span alone; that nothing was is true of all spans below it.
            let of_group =
                of_group.filter(|(field, value)| *field != "data.retrieved" || **value == Value::Bool(false));
            handed.extend(of_group);
        }
        let initiator = |fields: &BTreeMap<String, Value>| fields.get("initiator.sub").cloned();
        let is_of_another =
            initiator(from).zip(initiator(&self.fields)).is_some_and(|(one, other)| one != other);
        for (group, apart) in HANDED_DOWN_WHOLE {
            let is_of_act = |field: &str| field.starts_with(group) && field != apart;
            if !is_of_another && !self.fields.keys().any(|field| is_of_act(field)) {
                handed.extend(from.iter().filter(|(field, _)| is_of_act(field)));
            }
        }
        handed.extend(from.iter().filter(|(field, _)| HANDED_DOWN_ALONE.contains(&field.as_str())));
        let has_chain = CHAIN.iter().any(|field| self.fields.contains_key(*field));
        let is_own = |field: &str| is_own(field) || has_chain && CHAIN.contains(&field);
        for (field, value) in handed.into_iter().filter(|(field, _)| !is_own(field)) {
            self.fields.entry(field.clone()).or_insert_with(|| value.clone());
        }
    }

    /// Replaces the identity of a program that only names itself by the proven one that a span above, of the same program, states.
    fn take_proven_workload(&mut self, from: &BTreeMap<String, Value>) {
        let is_self = |fields: &BTreeMap<String, Value>| {
            fields.get("workload.method").is_none_or(|method| *method == "self")
        };
        if is_self(&self.fields) && !is_self(from) && from.contains_key("workload.id") {
            self.fields.remove("workload.id");
            self.fields.remove("workload.method");
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
    if !one.is_f64() && !other.is_f64() {
        return one == other;
    }
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        _ => one == other,
    }
}

/// Marks the groups of which a source states that there is nothing. Where the record has something of one, that counts, and the
/// statement contradicts it.
pub(super) fn state_none(fields: &BTreeMap<String, Value>, object: &mut Map<String, Value>) -> Vec<Value> {
    let mut contradicted = Vec::new();
    let stated = NONE.iter().filter(|(field, _)| fields.get(*field) == Some(&Value::Bool(true)));
    for (field, group) in stated {
        if has(object, group) {
            contradicted.push(json!({ "field": field, "kept": false, "other": true }));
        } else {
            // A list of tools that is empty says the same.
            let nothing = if *group == "tools" { json!([]) } else { json!({ "$": "not_applicable" }) };
            put(object, group, nothing);
        }
    }
    let retrieved = object.get("data").is_some_and(|data| data["retrieved"] == true);
    if retrieved && fields.get("data.retrieved") == Some(&Value::Bool(false)) {
        contradicted.push(json!({ "field": "data.retrieved", "kept": true, "other": false }));
    }
    contradicted
}

/// Whether something is at `a.b.c`.
fn has(object: &Map<String, Value>, path: &str) -> bool {
    let mut members = path.split('.');
    let first = members.next().and_then(|first| object.get(first));
    members.fold(first, |group, member| group.and_then(|group| group.get(member))).is_some()
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
