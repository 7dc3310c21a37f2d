//! Times, approvals and outcomes: a record states what was sent, and nothing else.

use vouchlog_grading::{Context, grade};

use super::*;

/// Codes of the rules that found something wrong or missing, with their messages.
fn findings(record: &Record, code: &str) -> Vec<String> {
    let found = grade(record, &Context::default()).findings;
    found.into_iter().filter(|finding| finding.rule.code == code).map(|finding| finding.message).collect()
}

fn timed(start: u64, end: u64, more: Value) -> Item {
    let Item::Span(span) = chat((1, 1, 0), (0, 1), more) else { panic!() };
    Item::Span(Span { start, end, ..span })
}

fn only(items: Vec<Item>) -> Record {
    let out = assembled(items);
    assert_eq!((out.records.len(), out.failed.as_slice()), (1, &[][..]), "{:#}", shown(&out));
    out.records.into_iter().next().unwrap()
}

const NOON: u64 = 1_795_305_600_000_000_000;

#[test]
fn an_end_before_the_start_stays_and_is_found() {
    let record = only(vec![timed(NOON, NOON - 5_000_000_000, json!({}))]);
    let time = json(&record)["time"].clone();
    assert_eq!(
        (&time["start"], &time["end"]),
        (&json!("2026-11-22T00:00:00Z"), &json!("2026-11-21T23:59:55Z"))
    );
    assert_eq!(findings(&record, "R58"), ["it ended before it started"]);
}

#[test]
fn a_time_that_was_not_sent_is_not_in_the_record() {
    for (start, end, has_start, has_end, state) in [
        (NOON, 0, true, false, Value::Null),
        (0, NOON, false, true, json!("executed")),
        (0, 0, false, false, Value::Null),
    ] {
        let record = only(vec![timed(start, end, json!({ "gen_ai.response.time_to_first_chunk": 0.5 }))]);
        let found = json(&record);
        let has = |name: &str| found["time"].get(name).is_some();
        assert_eq!(
            (has("start"), has("end"), has("first_chunk")),
            (has_start, has_end, has_start),
            "{found:#}"
        );
        assert_eq!(found["outcome"]["state"], state);
        assert!(!findings(&record, "R58").is_empty(), "{found:#}");
    }
}

#[test]
fn a_tools_times_are_those_that_were_sent() {
    let tool = |start: u64, end: u64| {
        let attributes = json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f" });
        let Item::Span(span) = span("app", (1, 4, 0), "execute_tool f", (0, 1), attributes) else { panic!() };
        json(&only(vec![Item::Span(Span { start, end, ..span })]))["tools"][0].clone()
    };
    let backwards = tool(NOON, NOON - 1);
    assert!(backwards["end"].as_str() < backwards["start"].as_str(), "{backwards}");
    assert_eq!(backwards["status"], "executed");
    let begun = tool(NOON, 0);
    assert_eq!((begun.get("end"), begun.get("status")), (None, None), "{begun}");
}

#[test]
fn a_decision_of_which_no_end_is_known_has_no_time() {
    let guardrail = |end: u64| {
        let attributes =
            json!({ "gen_ai.security.guardrail.name": "g", "gen_ai.security.verdict.type": "allow" });
        let Item::Span(span) = span("app", (1, 4, 0), "guard", (0, 1), attributes) else { panic!() };
        json(&only(vec![Item::Span(Span { start: NOON, end, ..span })]))["policy"][0].clone()
    };
    assert_eq!(guardrail(0).get("at"), None);
    assert_eq!(guardrail(NOON + 1_000_000_000)["at"], "2026-11-22T00:00:01Z");
}

#[test]
fn times_at_the_bounds_are_no_trouble() {
    for (start, end) in [(u64::MAX, 1), (1, u64::MAX), (u64::MAX, u64::MAX), (u64::MAX, 0)] {
        let more = json!({ "gen_ai.response.time_to_first_chunk": 86_399.0 });
        let found = json(&only(vec![timed(start, end, more)]));
        assert!(found["time"]["start"].is_string(), "{found:#}");
        if start == u64::MAX {
            assert_eq!(found["time"].get("first_chunk"), None, "it would be beyond what can be written");
        }
    }
}

#[test]
fn a_call_that_has_not_ended_is_no_cause_of_the_next() {
    let causes = |end: u64| {
        let agent = json!({ "gen_ai.operation.name": "invoke_agent" });
        let Item::Span(first) = chat((1, 2, 1), (0, 1), json!({})) else { panic!() };
        let Item::Span(second) = chat((1, 3, 1), (0, 1), json!({})) else { panic!() };
        let out = assembled(vec![
            span("app", (1, 1, 0), "invoke_agent A", (0, 50), agent),
            Item::Span(Span { start: NOON, end, ..first }),
            Item::Span(Span { start: NOON + 10, end: NOON + 20, ..second }),
        ]);
        json(out.records.last().unwrap())["correlation"].get("causes").is_some()
    };
    assert_eq!((causes(NOON + 5), causes(NOON + 15), causes(0)), (true, false, false));
}

/// What a call below two spans has of a group.
fn handed(outer: &Value, inner: &Value, own: &Value, group: &str) -> Value {
    one(vec![
        span("app", (1, 1, 0), "POST /ask", (0, 50), outer.clone()),
        span("app", (1, 2, 1), "step", (1, 49), inner.clone()),
        chat((1, 3, 2), (2, 9), own.clone()),
    ])[group]
        .clone()
}

#[test]
fn what_a_span_states_of_approval_data_override_and_intent_holds_for_calls_below() {
    let stated = json!({
        "evidence.approval.required": true, "evidence.approval.state": "approved", "evidence.approval.approver": "boss",
        "evidence.approval.approver_kind": "human", "evidence.approval.at": "2026-11-21T20:00:00Z", "evidence.approval.ref": "CHG-1",
        "evidence.data.input_class": ["internal"], "evidence.data.output_class": ["public"],
        "evidence.override.by": "lead", "evidence.override.from": "deny", "evidence.override.to": "allow",
        "evidence.override.reason": "incident", "evidence.intent.id": "intent-1",
    });
    let none = json!({});
    for (outer, inner) in [(&stated, &none), (&none, &stated)] {
        let approval = handed(outer, inner, &none, "approval");
        assert_eq!((&approval["state"], &approval["approver"]), (&json!("approved"), &json!("boss")));
        assert_eq!((&approval["required"], &approval["ref"]), (&json!(true), &json!("CHG-1")));
        let data = handed(outer, inner, &none, "data");
        assert_eq!((&data["input_class"], &data["output_class"]), (&json!(["internal"]), &json!(["public"])));
        let done = handed(outer, inner, &none, "override");
        assert_eq!(
            (&done["by"], &done["to"], &done["reason"]),
            (&json!("lead"), &json!("allow"), &json!("incident"))
        );
        assert_eq!(handed(outer, inner, &none, "correlation")["intent"], "intent-1");
    }
}

#[test]
fn of_two_acts_nothing_is_mixed_and_the_nearest_goes_first() {
    let outer = json!({
        "evidence.approval.state": "approved", "evidence.approval.approver": "boss", "evidence.approval.required": true,
        "evidence.override.by": "lead", "evidence.override.reason": "incident", "evidence.data.input_class": ["secret"],
        "evidence.intent.id": "outer",
    });
    let none = json!({});
    for own in [
        json!({ "evidence.approval.state": "approved" }),
        json!({ "evidence.approval.state": "rejected" }),
        json!({ "evidence.approval.ref": "CHG-2" }),
    ] {
        for (inner, call) in [(&own, &none), (&none, &own)] {
            let approval = handed(&outer, inner, call, "approval");
            assert_eq!(
                approval.get("approver"),
                None,
                "{approval}: the call's own approval names no approver"
            );
            assert_eq!(approval["required"], true, "that one is asked for is no part of the approval");
        }
    }
    let by_another = handed(&outer, &none, &json!({ "evidence.override.by": "agent" }), "override");
    assert_eq!(by_another, json!({ "by": "agent" }));
    let data = handed(&outer, &json!({ "evidence.data.input_class": ["internal"] }), &none, "data");
    assert_eq!(data["input_class"], json!(["internal"]));
    let intent = handed(&outer, &json!({ "evidence.intent.id": "inner" }), &none, "correlation");
    assert_eq!(intent["intent"], "inner");
}

#[test]
fn what_is_not_handed_down_is_kept_beside_its_span() {
    let outer = json!({ "evidence.approval.state": "approved", "evidence.approval.approver": "boss" });
    let tool = json!({
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "evidence.approval.state": "rejected",
        "evidence.approval.approver": "lead",
    });
    let record = one(vec![
        span("app", (1, 1, 0), "step", (0, 50), outer),
        chat((1, 2, 1), (1, 30), json!({ "evidence.approval.state": "approved" })),
        span("app", (1, 3, 2), "execute_tool f", (3, 20), tool),
    ]);
    assert_eq!(record["approval"], json!({ "state": "approved" }), "{record:#}");
    assert_eq!(record["otel"]["above"][0]["fields"], json!({ "approval.approver": "boss" }));
    let of_tool =
        record["otel"]["parts"].as_array().unwrap().iter().find(|part| part["span"] == "03".repeat(8));
    assert_eq!(
        of_tool.unwrap()["fields"],
        json!({ "approval.approver": "lead", "approval.state": "rejected" })
    );
}

#[test]
fn an_approval_of_another_persons_request_is_not_handed_down() {
    let outer = json!({ "user.id": "ann", "evidence.approval.state": "approved", "evidence.approval.approver": "boss" });
    let below = |user: &str| handed(&outer, &json!({}), &json!({ "user.id": user }), "approval");
    assert_eq!(below("ann")["approver"], "boss");
    assert_eq!(below("eve"), Value::Null);
}

#[test]
fn what_a_span_touched_itself_is_not_handed_down() {
    let resource = json!({ "mcp.method.name": "resources/read", "mcp.resource.uri": "file:///a" });
    let call = chat((1, 3, 1), (2, 9), json!({}));
    let out = assembled(vec![span("mcp", (1, 1, 0), "resources/read", (0, 50), resource), call]);
    let inference = out
        .records
        .iter()
        .map(json)
        .find(|record| record["model"].is_object() || record["correlation"]["span"] == "03".repeat(8));
    assert_eq!(inference.unwrap().get("data"), None);
}

/// The state of the only record with a policy decision.
fn state(items: Vec<Item>) -> (Value, Value) {
    let out = assembled(items);
    let record = out.records.iter().map(json).find(|record| record.get("policy").is_some());
    let record = record.unwrap_or_else(|| panic!("{:#}", shown(&out)));
    (record["outcome"]["state"].clone(), record["outcome"]["error"].clone())
}

fn guardrail(ids: (u8, u8, u8), times: (u64, u64), phase: &str, verdict: &str) -> Item {
    let attributes = json!({
        "gen_ai.security.guardrail.name": "g", "gen_ai.security.target.type": phase, "gen_ai.security.verdict.type": verdict,
    });
    span("app", ids, "run_guardrail g", times, attributes)
}

fn request(id: u8, status: u64) -> Item {
    let attributes = json!({ "http.request.method": "POST", "http.response.status_code": status });
    spans("app", &[((1, id, 0), "POST /v1/chat/completions", 2, (0, 90), attributes)]).remove(0)
}

#[test]
fn a_guardrail_alone_executes_nothing() {
    let allow = || guardrail((1, 2, 1), (1, 3), "input", "allow");
    assert_eq!(state(vec![guardrail((1, 2, 0), (1, 3), "input", "allow")]).0, Value::Null);
    assert_eq!(state(vec![request(1, 200), allow()]).0, Value::Null);
    for status in [400, 404, 500] {
        assert_eq!(state(vec![request(1, status), allow()]), (json!("error"), json!(status.to_string())));
    }
    for status in [200, 400] {
        let deny = guardrail((1, 2, 1), (1, 3), "input", "deny");
        assert_eq!(state(vec![request(1, status), deny]).0, "blocked");
    }
}

#[test]
fn a_failed_span_between_guardrail_and_request_is_a_failure_too() {
    let Item::Span(endpoint) =
        span("app", (1, 5, 1), "endpoint", (0, 80), json!({ "error.type": "NotFound" }))
    else {
        panic!()
    };
    let endpoint = Item::Span(Span { failed: true, ..endpoint });
    let found = state(vec![request(1, 200), endpoint, guardrail((1, 2, 5), (1, 3), "input", "allow")]);
    assert_eq!(found, (json!("error"), json!("NotFound")));
}

#[test]
fn an_answer_that_was_denied_and_withheld_is_blocked() {
    let answered =
        || chat((1, 3, 1), (10, 40), json!({ "gen_ai.response.id": "r", "gen_ai.usage.output_tokens": 5 }));
    let with = |status: u64, guardrail: Item| state(vec![request(1, status), answered(), guardrail]).0;
    assert_eq!(with(400, guardrail((1, 4, 1), (41, 45), "output", "deny")), "blocked");
    assert_eq!(
        with(400, guardrail((1, 4, 1), (9, 30), "input", "deny")),
        "blocked",
        "it ran beside the call"
    );
    // Nothing says that the answer was withheld: it is a denial that was not obeyed, and a rule finds it.
    assert_eq!(with(200, guardrail((1, 4, 1), (41, 45), "output", "deny")), "executed");
    assert_eq!(
        with(400, guardrail((1, 4, 1), (1, 5), "input", "deny")),
        "executed",
        "the model was called anyway"
    );
    assert_eq!(with(400, guardrail((1, 4, 1), (41, 45), "output", "allow")), "executed");
    assert_eq!(
        with(400, guardrail((1, 4, 1), (12, 15), "tool_call", "deny")),
        "executed",
        "it denies the tool"
    );
    let enforced = |action: &str| {
        let attributes = json!({
            "gen_ai.security.guardrail.name": "g", "gen_ai.security.target.type": "output",
            "gen_ai.security.verdict.type": "deny", "gen_ai.security.action.type": action,
        });
        with(200, span("app", (1, 4, 1), "run_guardrail g", (41, 45), attributes))
    };
    assert_eq!((enforced("block"), enforced("allow")), (json!("blocked"), json!("executed")));
}
