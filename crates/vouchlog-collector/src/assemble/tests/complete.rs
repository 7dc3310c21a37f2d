//! All that a rule asks for can be stated by telemetry: each statement has an attribute of its own, and none has to be untrue.

use vouchlog_grading::{Answer, Context, Grade, Severity, grade};
use vouchlog_record::Profile;

use super::*;

const START: u64 = 1_795_299_100;

/// What the request states, which all below it has in common.
fn request() -> Value {
    json!({
        "user.id": "u-20931", "evidence.initiator.kind": "human", "evidence.initiator.iss": "https://idp.example.org",
        "evidence.initiator.verified_by": "oidc", "session.id": "sess-01", "evidence.session.verified": true,
        "evidence.session.shared": false, "evidence.session.auth_time": START - 60, "evidence.device.id": "dev-1",
        "evidence.workload.id": "spiffe://example.org/ai-gateway", "evidence.workload.method": "jwt_svid",
        "evidence.workload.verified": true, "evidence.workload.shared": false, "evidence.agent.none": true,
        "evidence.authority.mode": "on_behalf_of", "evidence.authority.task": "refund-8841", "evidence.delegation.scopes": "[[\"chat\"],[\"chat\"]]",
        "evidence.delegation.chain": ["u-20931", "spiffe://example.org/ai-gateway"],
        "evidence.credential.id": "jti-77", "evidence.credential.type": "access_token",
        "evidence.credential.aud": ["ai.example.org"], "evidence.credential.scope": ["chat"],
        "evidence.credential.iat": START - 30, "evidence.credential.exp": START + 600,
        "evidence.credential.binding": "dpop", "evidence.credential.proof_verified": true, "evidence.credential.status.method": "introspection",
        "evidence.credential.status.checked_at": START - 1, "evidence.credential.status.result": "active",
        "evidence.override.none": true, "evidence.approval.required": false,
        "evidence.data.retrieved": false, "evidence.data.input_class": ["internal"],
        "evidence.data.output_class": ["internal"], "evidence.data.approved_for": ["internal"],
        "evidence.clock.source": "ntp", "evidence.clock.max_error_ms": 20,
    })
}

fn call() -> Value {
    json!({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-2026-08-07", "gen_ai.response.id": "r-1", "gen_ai.request.temperature": 0.2,
        "gen_ai.input.messages": r#"[{"role":"user","parts":[{"type":"text","content":"Hello"}]}]"#,
        "gen_ai.output.messages":
            r#"[{"role":"assistant","parts":[{"type":"text","content":"Good day."}],"finish_reason":"stop"}]"#,
        "evidence.input.truncated": false, "evidence.output.truncated": false,
    })
}

fn decision(phase: &str, target: &str) -> Value {
    json!({
        "evidence.policy.verdict": "allow", "evidence.policy.enforced": "allow", "evidence.policy.phase": phase,
        "evidence.policy.id": "support", "evidence.policy.version": "7", "evidence.policy.target": target,
    })
}

fn timed(mut items: Vec<Item>) -> Vec<Item> {
    for item in &mut items {
        let Item::Span(span) = item else { continue };
        // What the samples count in seconds from their own beginning.
        let shift = START * 1_000_000_000;
        (span.start, span.end) = (shift + span.start % 100_000_000_000, shift + span.end % 100_000_000_000);
    }
    items
}

fn graded(record: &Record, profile: Profile) -> Grade {
    let mut value = json(record);
    value["profile"] = serde_json::to_value(profile).unwrap();
    value["custody"]["recorder"] = "recorder".into();
    value["custody"]["sampled"] = false.into();
    value["correlation"]["write_ahead"] = false.into();
    let received = Timestamp::from_second(i64::try_from(START).unwrap() + 12).unwrap();
    value["time"]["received"] = received.to_string().into();
    let mut context = Context::default()
        .recorder_key_in_force("recorder", Timestamp::MIN, None)
        .issued("jti-77", None, None);
    let policy = json!({ "kind": "configuration", "configuration":
        { "subject": "policy", "id": "support", "version": "7", "in_force_from": "2026-01-01T00:00:00Z" } });
    context.learn(&RecordId::from_random([1; 16]), &Record::from_value(policy).unwrap().record);
    grade(&Record::from_value(value).unwrap().record, &context)
}

fn open(grade: &Grade) -> Vec<String> {
    let open = grade.findings.iter().filter(|finding| finding.severity > Severity::Info);
    open.map(ToString::to_string).collect()
}

#[test]
fn a_plain_call_can_be_complete() {
    let all = timed(spans(
        "app",
        &[
            ((1, 1, 0), "POST /ask", 2, (0, 10), request()),
            ((1, 2, 1), "guardrail", 1, (1, 2), decision("input", "")),
            ((1, 3, 1), "chat gpt-5", 3, (3, 8), call()),
            ((1, 4, 1), "guardrail", 1, (8, 9), decision("output", "")),
        ],
    ));
    let out = assembled(all);
    assert_eq!(out.records.len(), 1, "{:#}", shown(&out));
    for profile in [Profile::LowRisk, Profile::Regulated, Profile::Privileged] {
        let grade = graded(&out.records[0], profile);
        assert_eq!(
            (grade.verdicts.complete, open(&grade)),
            (Answer::Yes, vec![]),
            "{profile:?} {:#}",
            json(&out.records[0])
        );
    }
}

/// Two calls of a model with a tool run between them.
fn with_tool(tool: &Value) -> Vec<Item> {
    let asks = r#"[{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"refund","arguments":{"order":8841}}],"finish_reason":"tool_call"}]"#;
    let mut first = call();
    first["gen_ai.output.messages"] = asks.into();
    first["gen_ai.response.id"] = "r-0".into();
    let mut run = json!({
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund", "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.call.arguments": r#"{"order":8841}"#, "gen_ai.tool.call.result": r#"{"ok":true}"#,
    });
    run.as_object_mut().unwrap().extend(tool.as_object().unwrap().clone());
    let mut on_tool = decision("pre_tool", "c1");
    on_tool["evidence.policy.input_digest"] = COMMITMENT.into();
    let mut asked = request();
    asked["evidence.credential.scope"] = json!(["chat", "refund.write"]);
    asked["evidence.delegation.scopes"] = r#"[["chat","refund.write"],["chat","refund.write"]]"#.into();
    timed(spans(
        "app",
        &[
            ((1, 1, 0), "POST /ask", 2, (0, 30), asked),
            ((1, 2, 1), "guardrail", 1, (1, 2), decision("input", "")),
            ((1, 3, 1), "chat gpt-5", 3, (3, 8), first),
            ((1, 5, 1), "guardrail", 1, (9, 10), on_tool),
            ((1, 6, 1), "execute_tool refund", 1, (11, 20), run),
            (
                (1, 7, 6),
                "POST /refunds",
                3,
                (12, 19),
                json!({
            "http.request.method": "POST", "server.address": "payments.internal", "http.response.status_code": 201,
            "evidence.credential.id": "jti-77" }),
            ),
            ((1, 10, 1), "guardrail", 1, (20, 21), decision("input", "")),
            ((1, 8, 1), "chat gpt-5", 3, (21, 28), call()),
            ((1, 9, 1), "guardrail", 1, (28, 29), decision("output", "")),
        ],
    ))
}

fn tool() -> Value {
    json!({
        "evidence.tool.side_effect": true, "evidence.tool.irreversible": false, "evidence.tool.effect": "confirmed",
        "evidence.tool.needs_scope": "refund.write", "evidence.tool.audience": "ai.example.org",
        "evidence.tool.arguments_digest": COMMITMENT, "evidence.tool.definition_digest": DIGEST, "evidence.tool.pinned_definition_digest": DIGEST,
    })
}

const COMMITMENT: &str = "hmac-sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_call_with_a_tool_can_be_complete() {
    let out = assembled(with_tool(&tool()));
    assert_eq!(out.records.len(), 2, "{:#}", shown(&out));
    for record in &out.records {
        let grade = graded(record, Profile::LowRisk);
        assert_eq!((grade.verdicts.complete, open(&grade)), (Answer::Yes, vec![]), "{:#}", json(record));
    }
}

#[test]
fn where_something_is_recorded_nothing_can_be_declared() {
    for (attribute, more, at, conflict) in [
        ("evidence.override.none", json!({ "evidence.override.by": "u-1" }), "override", "none.override"),
        (
            "evidence.approval.none",
            json!({ "evidence.approval.state": "approved" }),
            "approval",
            "none.approval",
        ),
        ("evidence.device.none", json!({ "evidence.device.id": "d" }), "device", "none.device"),
        ("evidence.session.none", json!({ "evidence.session.shared": true }), "session", "none.session"),
        ("evidence.agent.none", json!({ "gen_ai.agent.id": "a" }), "workload/agent", "none.workload.agent"),
        ("evidence.tools.none", json!({ "gen_ai.output.messages": ASKS }), "tools", "none.tools"),
    ] {
        let pointer = format!("/{at}");
        let mut attributes = json!({ attribute: true });
        let alone = one(vec![chat((1, 1, 0), (0, 1), attributes.clone())]);
        let nothing = if at == "tools" { json!([]) } else { json!({ "$": "not_applicable" }) };
        assert_eq!(alone.pointer(&pointer), Some(&nothing), "{alone:#}");
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let both = one(vec![chat((1, 1, 0), (0, 1), attributes)]);
        assert_ne!(both.pointer(&pointer), Some(&nothing), "{both:#}");
        assert_eq!(both["otel"]["conflicts"][0]["field"], conflict, "{both:#}");
        let no = one(vec![chat((1, 1, 0), (0, 1), json!({ attribute: false }))]);
        assert_eq!(no.pointer(&pointer).filter(|found| **found == nothing), None, "{no:#}");
    }
}

#[test]
fn a_request_under_which_something_was_retrieved_did_not_retrieve_nothing() {
    let all = |told: bool| {
        one(spans(
            "app",
            &[
                ((1, 1, 0), "POST /ask", 2, (0, 30), json!({ "evidence.data.retrieved": told })),
                ((1, 2, 1), "invoke_agent A", 1, (1, 20), json!({ "gen_ai.operation.name": "invoke_agent" })),
                (
                    (1, 3, 2),
                    "retrieval kb",
                    3,
                    (2, 3),
                    json!({ "gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "kb" }),
                ),
                ((1, 4, 2), "chat m", 3, (4, 9), json!({ "gen_ai.operation.name": "chat" })),
            ],
        ))
    };
    let found = all(false);
    assert_eq!(
        (&found["data"]["retrieved"], &found["otel"]["conflicts"][0]["field"]),
        (&json!(true), &json!("data.retrieved"))
    );
    assert_eq!(all(true)["otel"].get("conflicts"), None);
}

#[test]
fn content_that_is_cut_is_not_whole_because_its_source_says_so() {
    let cut = r#"[{"role":"user","parts":[{"type":"text","content":"Hel"#;
    let found = one(vec![chat(
        (1, 1, 0),
        (0, 1),
        json!({ "gen_ai.input.messages": cut, "evidence.input.truncated": false }),
    )]);
    assert_eq!(found["input"]["truncated"], true);
}
