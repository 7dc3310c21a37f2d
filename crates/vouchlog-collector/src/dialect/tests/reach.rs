//! Every field that a gateway can state truthfully has an attribute.

use std::collections::BTreeSet;

use vouchlog_record::Record;

use super::*;

/// Groups of records that are not made from spans of interactions.
const OTHER_KINDS: [&str; 12] = [
    "configuration",
    "credential_event",
    "custody",
    "declared_loss",
    "disclosure",
    "erasure",
    "escalation",
    "finding",
    "heartbeat",
    "hold",
    "session_seal",
    "kind",
];

/// What the collector takes from a span itself, its place in the trace, or its content.
const FROM_SPANS: [&str; 49] = [
    "correlation.a2a_task_state",
    "correlation.amends",
    "correlation.causes",
    "correlation.idempotency_key",
    "correlation.parent_external",
    "correlation.parent_span",
    "correlation.span",
    "correlation.trace",
    "correlation.write_ahead",
    "data.sources.content",
    "data.sources.end",
    "data.sources.score",
    "data.sources.start",
    "id",
    "input.bytes",
    "input.content",
    "model.params",
    "outcome.message",
    "outcome.state",
    "output.bytes",
    "output.content",
    "output.refusal",
    "policy.at",
    "policy.mode",
    "profile",
    "remote_agents.context",
    "remote_agents.endpoint",
    "remote_agents.id",
    "remote_agents.name",
    "remote_agents.polls",
    "remote_agents.state",
    "remote_agents.state_at",
    "remote_agents.task",
    "remote_agents.version",
    "time.end",
    "time.first_chunk",
    "time.received",
    "time.start",
    "tools.downstream.at",
    "tools.downstream.credential",
    "tools.downstream.op",
    "tools.downstream.span",
    "tools.downstream.status",
    "tools.downstream.target",
    "tools.end",
    "tools.error",
    "tools.proposed",
    "tools.start",
    "tools.status",
];

/// What no attribute carries, and why.
const NOT_IN_TELEMETRY: [(&str, &str); 14] = [
    ("credential.issuance", "names a record; a log's own events of credentials say it"),
    ("credentials.issuance", "the same"),
    ("credentials.status.answer_digest", "the same"),
    ("data.sources.credential", "`evidence.credential.use` or `.id` of its own span names it"),
    ("model.credential", "the same"),
    ("tools.credential", "the same"),
    ("credential.status.answer_digest", "a commitment, which its key's holder makes"),
    ("data.sources.digest", "the content itself is in the record, where it gets a salt"),
    ("policy.log_erased", "OPA sends it with its decision log"),
    ("policy.log_masked", "the same"),
    ("input.finish", "only an output ends"),
    ("input.refusal", "only an output refuses"),
    ("time.decision", "an approval has a time of its own"),
    (
        "tools.downstream.ref",
        "the other side's reference is in its response, which a client's span does not have",
    ),
];

/// Paths of the fields of a schema's node.
fn paths(node: &Value, at: &str, schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(name) = node["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
        if name != "State" {
            paths(&schema["$defs"][name], at, schema, found);
        }
        return;
    }
    let choices = [&node["anyOf"], &node["oneOf"]].into_iter().filter_map(Value::as_array).flatten();
    let members = node["properties"].as_object();
    let mut is_leaf = true;
    for choice in choices.chain(Some(&node["items"]).filter(|items| items.is_object())) {
        is_leaf = false;
        paths(choice, at, schema, found);
    }
    for (name, member) in members.into_iter().flatten() {
        is_leaf = false;
        let below = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        paths(member, &below, schema, found);
    }
    if is_leaf && node["type"] != "null" {
        found.insert(at.to_owned());
    }
}

/// By which name the tables know the field at a path.
fn field_of(path: &str) -> String {
    // A list of policies is one value, too.
    if path.starts_with("policy.determining.") {
        return "decision.determining".to_owned();
    }
    for (list, one) in [
        ("tools.mcp.", "mcp."),
        ("tools.", "tool."),
        ("policy.", "decision."),
        ("data.sources.", "source."),
        ("credentials.", "credential."),
    ] {
        if let Some(rest) = path.strip_prefix(list) {
            return format!("{one}{rest}");
        }
    }
    // A hop is one value.
    if path.starts_with("authority.chain.") { "authority.chain".to_owned() } else { path.to_owned() }
}

#[test]
fn every_field_of_an_interaction_has_an_attribute_or_a_reason() {
    let schema = Record::json_schema();
    let mut all = BTreeSet::new();
    paths(&schema, "", &schema, &mut all);
    let is_of_interactions =
        |path: &String| !OTHER_KINDS.contains(&path.split('.').next().unwrap_or_default());
    all.retain(is_of_interactions);
    assert!(all.len() > 100, "{all:?}");
    let known: BTreeSet<String> =
        Dialect::ALL.iter().flat_map(|dialect| table::of(*dialect).merged.fields.keys().cloned()).collect();
    let is_excused = |path: &str| {
        FROM_SPANS.contains(&path) || NOT_IN_TELEMETRY.iter().any(|(excused, _)| *excused == path)
    };
    let lacking: Vec<&String> =
        all.iter().filter(|path| !known.contains(&field_of(path)) && !is_excused(path)).collect();
    assert!(lacking.is_empty(), "no attribute states {lacking:#?}");
    let needless: Vec<&str> = FROM_SPANS
        .into_iter()
        .chain(NOT_IN_TELEMETRY.map(|(path, _)| path))
        .filter(|path| !all.contains(*path) || known.contains(&field_of(path)))
        .collect();
    assert!(needless.is_empty(), "excused without need: {needless:#?}");
}
