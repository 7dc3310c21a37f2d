//! Events of the Open Cybersecurity Schema Framework (OCSF), version 1.5.0: a record is an event of the class API Activity (6003), a
//! finding one of the class Detection Finding (2004). `metadata.log_name` is the origin of the log that has the record, and
//! `metadata.sequence` the index of its entry, so that the recipient of the event can ask for a proof. Fields without an OCSF attribute are
//! in `unmapped`.

use serde_json::{Map, Value, json};
use vouchlog_grading::rule;
use vouchlog_record::{Facet, Record};

use super::ExportedRecord;
use crate::decisions::FindingState;
use crate::findings::FindingRow;

/// The version of OCSF.
const VERSION: &str = "1.5.0";

/// Events of an API; `activity_id` 99 is one that the class has no number for.
const API_ACTIVITY: u64 = 6003;
/// What a rule found.
const DETECTION_FINDING: u64 = 2004;

/// What a class numbers, and how an event is rated.
struct Class {
    uid: u64,
    activity: u64,
    severity: u64,
}

fn event(class: &Class, time: i64, metadata: &Value) -> Map<String, Value> {
    let Class { uid, activity, severity } = *class;
    let event = json!({
        "category_uid": uid / 1_000, "class_uid": uid, "activity_id": activity, "type_uid": uid * 100 + activity,
        "severity_id": severity, "time": time, "metadata": metadata,
    });
    match event {
        Value::Object(event) => event,
        _ => Map::new(),
    }
}

fn metadata(uid: &str, tenant: &str, log: Option<&str>, index: Option<u64>) -> Value {
    without_nulls(json!({
        "version": VERSION,
        "product": { "name": "Vouchlog", "vendor_name": "Vouchlog", "version": env!("CARGO_PKG_VERSION") },
        "uid": uid, "tenant_uid": tenant, "log_name": log, "sequence": index,
    }))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => object.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        value => value,
    }
}

pub(super) fn of_record(exported: &ExportedRecord) -> Value {
    let ExportedRecord { opened, log } = exported;
    let row = &opened.row;
    let record = opened.record().ok().flatten();
    let facets = record.as_ref().map(Record::facets).unwrap_or_default();
    let of = |facet: Facet| -> Vec<&str> {
        facets.iter().filter(|(of, _)| *of == facet).map(|(_, value)| value.as_str()).collect()
    };
    let (activity, activity_name) = match row.kind.as_str() {
        "disclosure" => (2, "Read"),
        "erasure" => (4, "Delete"),
        other => (99, other),
    };
    let index = row.place.map(|place| place.index);
    let mut metadata = metadata(row.id.as_str(), &row.tenant, log.as_deref(), index);
    if let (Some(metadata), Some(place)) = (metadata.as_object_mut(), row.place) {
        metadata.insert("logged_time".to_owned(), place.logged_at.into());
    }
    let class = Class { uid: API_ACTIVITY, activity, severity: 1 };
    let mut event = event(&class, row.started_at, &metadata);
    let responsible = record.as_ref().and_then(responsible);
    let user = record.as_ref().and_then(Record::initiator).or(responsible).map(|uid| json!({ "uid": uid }));
    let session = of(Facet::Session).first().map(|uid| json!({ "uid": uid }));
    let agent = of(Facet::Agent).first().copied().or(of(Facet::Gateway).first().copied());
    let actor =
        json!({ "user": user, "session": session, "app_uid": agent, "app_name": agent.unwrap_or("unknown") });
    let source = of(Facet::Workload).first().copied().unwrap_or("unknown");
    let service = of(Facet::Service).first().map(|name| json!({ "name": name }));
    let grade = opened.grade.as_ref();
    let verdicts: Map<String, Value> = grade
        .into_iter()
        .flat_map(|grade| grade.verdicts.answers())
        .map(|(question, answer)| (question.to_owned(), answer.to_string().into()))
        .collect();
    let mut codes: Vec<&str> =
        grade.into_iter().flat_map(|grade| &grade.findings).map(|finding| finding.rule.code).collect();
    codes.dedup();
    let more = json!({
        "activity_name": activity_name,
        "actor": without_nulls(actor),
        "api": without_nulls(json!({ "operation": row.kind, "service": service })),
        "src_endpoint": { "name": source },
        "unmapped": {
            "digest": row.digest, "stream": row.place.map(|place| place.stream),
            "stream_sequence": row.place.map(|place| place.sequence), "erased": row.erased.is_some(),
            "credentials": of(Facet::Credential), "tools": of(Facet::Tool), "models": of(Facet::Model),
            "data_classes": of(Facet::DataClass), "policy": of(Facet::Verdict), "verdicts": verdicts,
            "findings": codes,
        },
    });
    event.extend(more.as_object().cloned().unwrap_or_default());
    event.into()
}

/// Who is named as responsible by a record that has no initiator: of a disclosure, a hold, or a decision.
fn responsible(record: &Record) -> Option<String> {
    let body = &record.body;
    let disclosed = body.disclosure.value().and_then(|event| event.by.value());
    let held = body.hold.value().and_then(|event| event.by.value());
    let decided = body.finding.value().and_then(|event| event.by.value());
    disclosed.or(held).or(decided).cloned()
}

/// The OCSF number of a severity. `indeterminate` has that of medium.
fn severity(name: &str) -> u64 {
    match name {
        "info" => 1,
        "warn" => 2,
        "indeterminate" => 3,
        "error" => 4,
        "critical" => 5,
        _ => 0,
    }
}

pub(super) fn of_finding(row: &FindingRow, log: Option<&str>) -> Value {
    let uid = format!("{}/{}", row.record, row.code);
    let severity = severity(&row.severity);
    // Create; a decision is an update of what was created.
    let activity = if row.decision.is_some() { 2 } else { 1 };
    let class = Class { uid: DETECTION_FINDING, activity, severity };
    let mut event = event(&class, row.started_at, &metadata(&uid, &row.tenant, log, row.entry));
    // New, resolved, suppressed.
    let status = match row.state {
        FindingState::Open => 1,
        FindingState::Explained => 4,
        FindingState::Accepted => 3,
    };
    let info = json!({
        "uid": uid, "title": row.meaning, "desc": row.found.as_ref().map(|found| &found.message),
        "analytic": { "uid": row.code, "name": row.name, "type_id": 1 }, "created_time": row.started_at,
    });
    let more = json!({
        "status_id": status,
        "is_alert": row.state == FindingState::Open && severity >= 4,
        "finding_info": without_nulls(info),
        "resources": [{ "uid": row.record, "type": "record" }],
        "comment": row.decision.as_ref().map(|decision| &decision.reason),
        "remediation": row.found.as_ref().map(|found| json!({ "desc": found.remedy })),
        "unmapped": without_nulls(json!({
            "record": row.record, "session": row.session, "agent": row.agent, "erased": row.erased,
            "serves": rule(&row.code).map(|rule| rule.serves),
            "decision": row.decision.as_ref().map(|decision| &decision.record),
        })),
    });
    event.extend(without_nulls(more).as_object().cloned().unwrap_or_default());
    event.into()
}
