//! Bodies that are no OTLP.

use serde_json::{Value, json};

use super::*;
use crate::testsupport::{assembled, at, golden, json as value, naming, span, testdata};

fn payloads(name: &str) -> Vec<Record> {
    let body = std::fs::read(testdata().join("generic").join(name)).unwrap();
    let (records, not_taken) = litellm(&body, &naming(), at(0)).unwrap();
    assert_eq!(not_taken, []);
    records
}

#[test]
fn payloads_of_litellm_become_the_records_in_the_golden_files() {
    for (file, count) in [("litellm-proxy.json", 6), ("litellm-mcp.json", 3)] {
        let records = payloads(file);
        assert_eq!(records.len(), count);
        let all: Vec<Value> = records.iter().map(value).collect();
        golden(&format!("generic-{}", file.trim_end_matches(".json")), &Value::Array(all));
    }
}

#[test]
fn a_blocked_request_is_a_denial() {
    let blocked: Vec<Value> = payloads("litellm-proxy.json")
        .iter()
        .map(value)
        .filter(|record| record["outcome"]["state"] == "blocked")
        .collect();
    let [record] = blocked.as_slice() else { panic!("{blocked:#?}") };
    assert_eq!(
        (&record["policy"][0]["verdict"], &record["policy"][0]["rule"]),
        (&json!("deny"), &json!("us_ssn"))
    );
    assert_eq!(
        (&record["initiator"]["sub"], &record["initiator"]["verified_by"]),
        (&json!("user-0042"), &json!("api_key"))
    );
    assert_eq!((&record["model"]["requested"], record.get("usage")), (&json!("gpt-mock"), None));
}

#[test]
fn one_object_an_array_and_lines_are_the_same() {
    let one = json!({ "id": "r1", "litellm_call_id": "c1", "call_type": "acompletion", "status": "success", "startTime": 1795230599.5,
        "endTime": 1795230600.5, "messages": [{ "role": "user", "content": "x" }], "response": { "model": "m-1" } });
    let records = |body: String| litellm(body.as_bytes(), &naming(), at(0)).unwrap().0;
    let single = records(one.to_string());
    assert_eq!(single.len(), 1);
    assert_eq!(records(json!([one]).to_string()), single);
    assert_eq!(records(format!("{one}\n{one}\n")), [single.clone(), single].concat());
    let (records, not_taken) = litellm(b"[5, {}]", &naming(), at(0)).unwrap();
    assert_eq!((records.len(), not_taken.len()), (0, 2));
    assert!(matches!(litellm(b"nothing", &naming(), at(0)), Err(DoorError::Json(_))));
}

fn opa_entry(more: &Value) -> Value {
    let mut entry = json!({
        "labels": { "id": "1780d507", "version": "1.3.0" }, "decision_id": "4ca636c1", "bundles": { "authz": { "revision": "W3sibCI6" } },
        "path": "http/refunds/allow", "input": { "tool": "f", "args_digest": "hmac-sha256:e1" },
        "result": { "allow": false, "reason": "limit-100" }, "timestamp": "2026-11-21T22:26:40.012Z", "erased": ["/input/args"]
    });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

#[test]
fn a_decision_of_opa_joins_the_call_it_is_about() {
    let output =
        r#"[{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"f","arguments":{}}]}]"#;
    let chat = span(
        "app",
        (1, 2, 1),
        "chat m",
        (0, 10),
        json!({
        "gen_ai.operation.name": "chat", "gen_ai.output.messages": output, "gen_ai.response.id": "r1" }),
    );
    let root = span("app", (1, 1, 0), "handle", (0, 20), json!({}));
    for more in [
        json!({ "trace_id": "01".repeat(16), "span_id": "01".repeat(8) }),
        json!({ "trace_id": "01".repeat(16), "input": { "tool_call_id": "c1" } }),
        json!({ "input": { "tool": "f", "response_id": "r1" } }),
    ] {
        let (mut items, not_taken) = opa(json!([opa_entry(&more)]).to_string().as_bytes()).unwrap();
        assert_eq!(not_taken, []);
        items.extend([chat.clone(), root.clone()]);
        let out = assembled(items);
        assert_eq!(out.records.len(), 1, "{more}: {:#}", crate::testsupport::shown(&out));
        let decision = &value(&out.records[0])["policy"][0];
        assert_eq!(
            (&decision["engine"], &decision["verdict"], &decision["reason"]),
            (&json!("opa"), &json!("deny"), &json!("limit-100"))
        );
        assert_eq!(
            (&decision["id"], &decision["version"]),
            (&json!("http/refunds/allow"), &json!("authz@W3sibCI6"))
        );
        assert_eq!(decision["phase"], "pre_tool");
        assert_eq!(decision["at"], "2026-11-21T22:26:40.012Z");
    }
}

#[test]
fn a_decision_alone_is_a_record() {
    for (result, verdict, state) in [
        (json!(true), "allow", Value::Null),
        (json!(false), "deny", json!("denied")),
        (Value::Null, "not_evaluated", Value::Null),
    ] {
        let (items, _) = opa(opa_entry(&json!({ "result": result })).to_string().as_bytes()).unwrap();
        let out = assembled(items);
        let record = value(&out.records[0]);
        assert_eq!(record["policy"][0]["verdict"], verdict);
        assert_eq!(record["outcome"]["state"], state, "{record:#}");
    }
}

#[test]
fn a_record_passes_as_it_is() {
    let (parsed, _) = records(br#"{"kind":"interaction","initiator":{"sub":"u-1"}}"#).unwrap();
    let parsed = &parsed[0];
    assert_eq!(value(&parsed.record)["initiator"]["sub"], "u-1");
}
