//! How a call ended, where something beside it tells: an answer that was fetched, a tool that failed, a tool that was refused.

use super::*;
use crate::assemble::{Assembler, Config, Delivery};

const CLIENT: u8 = 3;

#[test]
fn an_answer_that_is_fetched_belongs_to_its_call() {
    let call = |more: Value| {
        let mut attributes = json!({ "gen_ai.response.id": "resp_1", "gen_ai.request.model": "gpt-5" });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        chat((1, 2, 1), (0, 10), attributes)
    };
    let fetch = |trace: u8, id: u8, times, more: Value| {
        let mut attributes =
            json!({ "gen_ai.operation.name": "fetch_response", "gen_ai.response.id": "resp_1" });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spans("app", &[((trace, id, 1), "fetch_response", CLIENT, times, attributes)]).remove(0)
    };
    let answer = r#"[{"role":"assistant","parts":[{"type":"text","content":"Rainy."}]}]"#;
    let all = vec![
        call(json!({})),
        fetch(1, 3, (20, 25), json!({ "gen_ai.response.status": "in_progress" })),
        fetch(
            1,
            4,
            (40, 45),
            json!({ "gen_ai.response.status": "completed", "gen_ai.output.messages": answer }),
        ),
    ];
    let record = one(all);
    assert_eq!(
        (&record["output"]["content"][0]["parts"][0]["content"], &record["outcome"]["state"]),
        (&json!("Rainy."), &json!("executed"))
    );
    let open =
        one(vec![call(json!({})), fetch(1, 3, (20, 25), json!({ "gen_ai.response.status": "queued" }))]);
    assert_eq!(open.get("outcome"), None, "nothing was generated yet");
    let failed =
        one(vec![call(json!({})), fetch(1, 3, (20, 25), json!({ "gen_ai.response.status": "failed" }))]);
    assert_eq!(failed["outcome"]["state"], "error");
    // Later, and in another trace.
    let mut assembler = Assembler::new(Config::default(), naming());
    assembler.feed(vec![call(json!({}))], &Delivery::at(at(0)));
    let first = assembler.tick(at(61)).records;
    let late = fetch(
        2,
        5,
        (90_000, 90_010),
        json!({ "gen_ai.response.status": "completed", "gen_ai.output.messages": answer }),
    );
    assembler.feed(vec![late], &Delivery::at(at(100)));
    let second = assembler.tick(at(161)).records;
    assert_eq!(json(&second[0])["correlation"]["amends"], json(&first[0])["id"]);
    // One that failed says nothing of the call.
    let Item::Span(broken) = fetch(1, 3, (20, 25), json!({})) else { panic!() };
    let out = assembled(vec![call(json!({})), Item::Span(Span { failed: true, ..broken })]);
    let ends: Vec<Value> =
        out.records.iter().map(|record| json(record)["outcome"]["state"].clone()).collect();
    assert_eq!(ends, [json!("executed"), json!("error")]);
}

#[test]
fn what_failed_in_a_tool_is_the_tools() {
    let all = || {
        let tool = json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.id": "c1" });
        vec![
            chat((1, 2, 1), (0, 10), json!({ "gen_ai.output.messages": ASKS, "gen_ai.response.id": "r1" })),
            span("app", (1, 4, 2), "execute_tool f", (12, 20), tool),
        ]
    };
    let about = |span: &str, name: &str| {
        let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{
            "eventName": name, "timeUnixNano": "1795300000015000000", "traceId": "01".repeat(16), "spanId": span.repeat(8),
            "attributes": [{ "key": "exception.type", "value": { "stringValue": "ValueError" } }],
        }] }] }] });
        let decoded = crate::intake::decode(
            crate::intake::Signal::Logs,
            crate::intake::Encoding::Json,
            body.to_string().as_bytes(),
        );
        decoded.unwrap().items
    };
    let mut items = all();
    items.extend(about("04", "gen_ai.execute_tool.exception"));
    let record = one(items);
    assert_eq!(
        (&record["tools"][0]["status"], &record["tools"][0]["error"], &record["outcome"]["state"]),
        (&json!("failed"), &json!("ValueError"), &json!("executed"))
    );
    let mut items = all();
    items.extend(about("02", "gen_ai.client.inference.exception"));
    let record = one(items);
    assert_eq!(
        (&record["outcome"]["state"], &record["outcome"]["error"]),
        (&json!("error"), &json!("ValueError"))
    );
}

#[test]
fn claude_code_that_refused_everything_was_refused() {
    let event = |name: &'static str, number: u64, more: Value| {
        let mut all = json!({ "event.sequence": number, "session.id": "s-1", "prompt.id": "p-1" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (name, number, all)
    };
    let decision = |number, tool: &str, decision: &str, source: &str| {
        event(
            "claude_code.tool_decision",
            number,
            json!({ "tool_name": tool, "decision": decision, "source": source }),
        )
    };
    // The decision alone, without the request that it belongs to.
    let record = one(events(&[decision(1, "Bash", "reject", "user_reject")]));
    assert_eq!(
        (&record["outcome"]["state"], &record["approval"]["state"]),
        (&json!("denied"), &json!("rejected"))
    );
    let request = || event("claude_code.api_request", 1, json!({ "model": "claude-x", "output_tokens": 3 }));
    let record = one(events(&[request(), decision(2, "Bash", "reject", "user_reject")]));
    assert_eq!(
        (&record["outcome"]["state"], &record["tools"][0]["status"], &record["approval"]["state"]),
        (&json!("executed"), &json!("denied"), &json!("rejected")),
        "the model answered; its tool was refused"
    );
    // Of what a rule and a person approved, not everything was approved by a person.
    let record = one(events(&[
        request(),
        decision(2, "Read", "accept", "config"),
        decision(3, "Bash", "accept", "user_temporary"),
    ]));
    assert_eq!(
        (&record["approval"]["approver_kind"], &record["approval"]["source"]),
        (&json!("policy"), &json!("config"))
    );
}
