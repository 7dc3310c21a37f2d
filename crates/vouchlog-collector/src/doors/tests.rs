//! Bodies that are no OTLP.

use jiff::Timestamp;
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
    for (file, count) in [("litellm-proxy.json", 6), ("litellm-mcp.json", 3), ("litellm-sdk.json", 7)] {
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

#[test]
fn a_decision_says_what_it_is_about_where_it_is_known() {
    let phase = |more: Value| {
        let (items, _) = opa(opa_entry(&more).to_string().as_bytes()).unwrap();
        value(&assembled(items).records[0])["policy"][0].get("phase").cloned().unwrap_or_default()
    };
    for (more, expected) in [
        (json!({ "input": { "prompt": "x" } }), json!("input")),
        (json!({ "input": { "messages": [] } }), json!("input")),
        (json!({ "input": { "response": "x", "prompt": "y" } }), json!("output")),
        (json!({ "input": { "phase": "output" } }), json!("output")),
        (json!({ "input": { "stage": "pre-call", "tool": "f" } }), json!("input")),
        (
            json!({ "input": {}, "result": { "allow": true, "phase": "resource_read" } }),
            json!("resource_read"),
        ),
        (json!({ "input": { "tool_name": "f" } }), json!("pre_tool")),
        (json!({ "input": { "tool_call_id": "c1" } }), json!("pre_tool")),
        (json!({ "input": { "resource": "doc-1", "action": "read" } }), json!("resource_read")),
        (json!({ "input": { "resource": "doc-1", "action": "delete" } }), Value::Null),
        (json!({ "input": { "user": "u-1" } }), Value::Null),
        (json!({ "input": "x" }), Value::Null),
    ] {
        assert_eq!(phase(more.clone()), expected, "{more}");
    }
}

#[test]
fn a_decision_that_names_a_trace_joins_the_call_it_stands_by() {
    let chat = |id: u8, times: (u64, u64)| {
        let answer = format!("r{id}");
        span(
            "app",
            (1, id, 1),
            "chat m",
            times,
            json!({ "gen_ai.operation.name": "chat", "gen_ai.response.id": answer }),
        )
    };
    let at = |millisecond: u64| {
        Timestamp::from_millisecond(1_795_300_000_000 + i64::try_from(millisecond).unwrap())
            .unwrap()
            .to_string()
    };
    let root = || span("app", (1, 1, 0), "handle", (0, 200), json!({}));
    for (input, time, joined) in [
        (json!({ "prompt": "x" }), 5, "r2"),
        (json!({ "prompt": "x" }), 60, "r3"),
        (json!({ "response": "x" }), 45, "r2"),
        (json!({ "response": "x" }), 150, "r3"),
        (json!({ "tool": "f" }), 50, "r2"),
        (json!({ "user": "u" }), 190, "r3"),
    ] {
        let entry = opa_entry(&json!({ "trace_id": "01".repeat(16), "input": input, "timestamp": at(time) }));
        let (mut items, not_taken) = opa(entry.to_string().as_bytes()).unwrap();
        assert_eq!(not_taken, []);
        items.extend([root(), chat(2, (10, 40)), chat(3, (80, 120))]);
        let out = assembled(items);
        let with: Vec<Value> =
            out.records.iter().map(value).filter(|record| record.get("policy").is_some()).collect();
        assert_eq!(with.len(), 1, "{input} {time}");
        assert_eq!(with[0]["correlation"]["response_id"], joined, "{input} {time}");
        assert_eq!(out.records.len(), 2);
    }
    let tool =
        span("app", (1, 2, 0), "execute_tool f", (0, 9), json!({ "gen_ai.operation.name": "execute_tool" }));
    let (mut items, _) =
        opa(opa_entry(&json!({ "trace_id": "01".repeat(16) })).to_string().as_bytes()).unwrap();
    items.push(tool);
    assert_eq!(assembled(items).records.len(), 1);
    // Where the trace has no call it is a record of its own, as before.
    let (items, _) = opa(opa_entry(&json!({ "trace_id": "09".repeat(16) })).to_string().as_bytes()).unwrap();
    assert_eq!(assembled(items).records.len(), 1);
}

/// Payloads that cannot be read, each in its own way.
fn bad() -> Vec<String> {
    let deep = format!("{}1{}", r#"{"a":["#.repeat(200), "]}".repeat(200));
    let all = [
        r#"{"kind":"interaction","initiator":{"sub":"a","sub":"b"}}"#,
        r#"{"kind":"interaction","kind":"interaction"}"#,
        r#"{"kind":"interaction","input":{"content":"\ud800"}}"#,
        r#"{"kind":"interaction","a":NaN}"#,
        r#"{"kind" "interaction"}"#,
        &deep,
    ];
    all.map(str::to_owned).to_vec()
}

#[test]
fn one_bad_payload_is_refused_by_name_and_its_neighbours_are_taken() {
    let good = json!({ "kind": "interaction", "initiator": { "sub": "u-1" } }).to_string();
    let opa_good = opa_entry(&json!({})).to_string();
    let call = json!({ "litellm_call_id": "c1", "status": "success", "messages": [] }).to_string();
    for bad in bad() {
        for separator in [",", "\n"] {
            let body = |good: &str| match separator {
                "," => format!("[{good},{bad},{good}]"),
                _ => format!("{good}\n{bad}\n{good}"),
            };
            let (taken, refused) = records(body(&good).as_bytes()).unwrap();
            assert_eq!((taken.len(), refused.len(), refused[0].0), (2, 1, 1), "{bad}");
            let (taken, refused) = opa(body(&opa_good).as_bytes()).unwrap();
            assert_eq!((taken.len(), refused.len()), (2, 1), "{bad}");
            let (taken, refused) = litellm(body(&call).as_bytes(), &naming(), at(0)).unwrap();
            assert_eq!((taken.len(), refused.len()), (2, 1), "{bad}");
        }
        assert!(records(bad.as_bytes()).is_ok_and(|(taken, refused)| taken.is_empty() && refused.len() == 1));
    }
    // A line that breaks off, and bytes that are not UTF-8.
    let lines = format!("{good}\n{{\"kind\":\"inter\n{good}\n");
    let (taken, refused) = records(lines.as_bytes()).unwrap();
    assert_eq!((taken.len(), refused.len()), (2, 1));
    let mut bytes = format!("[{good},{{\"kind\":\"x\"}},{good}]").into_bytes();
    let spoiled = bytes.iter().position(|byte| *byte == b'x').unwrap();
    bytes[spoiled] = 0xff;
    let (taken, refused) = records(&bytes).unwrap();
    assert_eq!((taken.len(), refused[0].1.contains("UTF-8")), (2, true));
}

/// Such records were accepted, and then declared lost.
#[test]
fn a_record_of_which_no_statement_can_be_made_is_refused_with_the_reason() {
    for name in ["iss", "cnf", "_sd", "...", "evidence", "sub", "json_text"] {
        let body = json!([{ "kind": "interaction", name: 1 }, { "kind": "interaction", "x": { name: 1 } }]);
        let (taken, refused) = records(body.to_string().as_bytes()).unwrap();
        assert_eq!((taken.len(), refused.len(), refused[0].0), (1, 1, 0), "{name}");
        assert!(refused[0].1.contains(&format!("has a member `{name}`")), "{}", refused[0].1);
    }
    let with = |count: usize| {
        let own = (0..count).map(|place| (format!("x{place}"), json!(1)));
        let kind = [("kind".to_owned(), json!("interaction")), ("id".to_owned(), json!("r"))];
        Value::Object(own.chain(kind).collect()).to_string()
    };
    assert_eq!(records(with(509).as_bytes()).unwrap().0.len(), 1);
    let (taken, refused) = records(with(510).as_bytes()).unwrap();
    assert!(taken.is_empty() && refused[0].1.contains("more than 512"), "{refused:?}");
}

#[test]
fn a_record_has_the_numbers_that_were_sent() {
    let body = r#"{"kind":"interaction","input":{"content":[{"account":12345678901234567890123,"share":0.10000000000000000001,
        "ulp":51.24817837550540,"big":18446744073709551615}]},"extra":{"n":1e999}}"#;
    let (parsed, refused) = records(body.as_bytes()).unwrap();
    assert_eq!(refused, []);
    let record = value(&parsed[0].record);
    assert_eq!(
        record["input"]["content"][0],
        json!({ "account": "12345678901234567890123", "share": "0.10000000000000000001", "ulp": 51.248_178_375_505_4, "big": u64::MAX })
    );
    assert_eq!(record["extra"]["n"], "1e999");
}

#[test]
fn what_opa_took_out_of_its_log_is_on_record() {
    let call = || span("app", (1, 2, 0), "chat m", (0, 10), json!({ "gen_ai.operation.name": "chat" }));
    let decided = |more: &Value| {
        let mut entry = json!({ "trace_id": "01".repeat(16), "span_id": "02".repeat(8), "result": true });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (mut items, not_taken) = opa(opa_entry(&entry).to_string().as_bytes()).unwrap();
        assert_eq!(not_taken, []);
        items.push(call());
        value(&assembled(items).records[0])["policy"][0].clone()
    };
    let erased = json!(["/input/password", "/input/user/ssn"]);
    let decision = decided(&json!({ "erased": erased, "masked": ["/input/token"] }));
    assert_eq!((&decision["log_erased"], &decision["log_masked"]), (&erased, &json!(["/input/token"])));
    // It is the log that was masked, not what was decided on.
    assert_eq!((&decision["verdict"], &decision["enforced"]), (&json!("allow"), &json!("allow")));
    let decision = decided(&json!({ "erased": [], "masked": [7, null] }));
    assert_eq!((decision.get("log_erased"), decision.get("log_masked")), (None, None));
}

#[test]
fn every_policy_that_determined_a_decision_is_on_record() {
    let policies = |result: Value| {
        let entry =
            json!({ "trace_id": "01".repeat(16), "span_id": "02".repeat(8), "result": result, "path": null });
        let (mut items, _) = opa(opa_entry(&entry).to_string().as_bytes()).unwrap();
        items.push(span("app", (1, 2, 0), "chat m", (0, 10), json!({ "gen_ai.operation.name": "chat" })));
        let record = value(&assembled(items).records[0]);
        let decision = &record["policy"][0];
        (decision["verdict"].clone(), decision["determining"].clone())
    };
    // Amazon Verified Permissions, and Cedar's own diagnostics.
    let verified = json!({ "decision": "DENY", "determiningPolicies": [{ "policyId": "p-1" }, { "policyId": "p-2" }], "errors": [] });
    assert_eq!(policies(verified), (json!("deny"), json!([{ "id": "p-1" }, { "id": "p-2" }])));
    let cedar =
        json!({ "decision": "Allow", "diagnostics": { "reason": ["policy0", "policy3"], "errors": [] } });
    assert_eq!(policies(cedar), (json!("allow"), json!([{ "id": "policy0" }, { "id": "policy3" }])));
    assert_eq!(policies(json!({ "decision": "allow", "reason": "none" })), (json!("allow"), Value::Null));
    // Stated by attributes of a span.
    let stated = json!({
        "gen_ai.operation.name": "run_guardrail", "evidence.policy.verdict": "deny", "evidence.policy.determining": ["p-1", "p-2"],
    });
    let record = value(&assembled(vec![span("app", (1, 2, 0), "authorize", (0, 10), stated)]).records[0]);
    assert_eq!(
        (&record["policy"][0]["determining"], record["policy"][0].get("id")),
        (&json!([{ "id": "p-1" }, { "id": "p-2" }]), None)
    );
}
