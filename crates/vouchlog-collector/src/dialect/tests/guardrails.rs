//! Goal: what guardrails decided is read by every generation of names, and no bare hash of content is kept.

use serde_json::{Value, json};

use super::super::*;
use super::emitters::{event, with_events};
use super::read_span;
use crate::intake::Item;
use crate::testsupport::{assembled, json as value, span};

#[test]
fn verdicts_of_guardrails_are_read_by_every_generation_of_names() {
    for (attributes, phase) in [
        (
            json!({
                "gen_ai.operation.name": "run_guardrail", "gen_ai.guardrail.component.name": "pii", "gen_ai.guardrail.target.type": "input",
                "gen_ai.guardrail.target.subtype": "llm", "gen_ai.guardrail.verdict.type": "deny", "gen_ai.guardrail.action.type": "block",
                "gen_ai.guardrail.security.policy.id": "p1", "gen_ai.guardrail.verdict.code": "112"
            }),
            json!("input"),
        ),
        (
            json!({
                "gen_ai.operation.name": "apply_guardrail", "gen_ai.guardian.name": "pii", "gen_ai.security.target.type": "llm_output",
                "gen_ai.security.decision.type": "deny", "gen_ai.security.action.type": "block", "gen_ai.security.policy.id": "p1",
                "gen_ai.security.decision.code": "112"
            }),
            json!("output"),
        ),
        (
            json!({
                "gen_ai.guardrail.component.name": "pii", "gen_ai.guardrail.target.type": "input", "gen_ai.guardrail.target.subtype": "tool_call",
                "gen_ai.guardrail.target.id": "c1", "gen_ai.guardrail.verdict.type": "deny", "gen_ai.guardrail.action.type": "block",
                "gen_ai.guardrail.policy.id": "p1", "gen_ai.guardrail.verdict.code": "112"
            }),
            json!("pre_tool"),
        ),
        // What a tool gave back is no answer of the model.
        (
            json!({
                "gen_ai.guardrail.component.name": "pii", "gen_ai.guardrail.target.type": "output", "gen_ai.guardrail.target.subtype": "tool_call",
                "gen_ai.guardrail.verdict.type": "deny", "gen_ai.guardrail.action.type": "block", "gen_ai.guardrail.policy.id": "p1",
                "gen_ai.guardrail.verdict.code": "112"
            }),
            Value::Null,
        ),
    ] {
        let out = assembled(vec![span("a", (1, 2, 0), "guardrail", (0, 1), attributes.clone())]);
        let decision = value(&out.records[0])["policy"][0].clone();
        let said = ["engine", "verdict", "enforced", "id", "reason"].map(|name| decision[name].clone());
        assert_eq!(said, ["pii", "deny", "deny", "p1", "112"].map(Value::from), "{attributes}");
        assert_eq!(decision.get("phase").cloned().unwrap_or_default(), phase);
    }
    let result =
        json!({ "gen_ai.guardrail.component.name": "pii", "gen_ai.guardrail.verdict.type": "allow" });
    let Item::Event(mut found) = event("gen_ai.guardrail.result", &json!({})) else { panic!("an event") };
    found.attributes = result.as_object().unwrap().clone();
    assert_eq!(read(&Item::Event(found)).role, Role::Guardrail);
    // A finding may be an event of the guardrail's span.
    let finding =
        json!({ "gen_ai.guardrail.verdict.type": "deny", "gen_ai.guardrail.security.policy.id": "p1" });
    let run = json!({ "gen_ai.operation.name": "run_guardrail", "gen_ai.guardrail.component.name": "pii" });
    let out = assembled(vec![with_events(
        "run_guardrail pii",
        &run,
        &[("gen_ai.guardrail.security.finding", finding)],
    )]);
    let decision = value(&out.records[0])["policy"][0].clone();
    assert_eq!((&decision["verdict"], &decision["id"]), (&json!("deny"), &json!("p1")));
    // A call of a model stays one, whatever guards it.
    let guarded = json!({ "gen_ai.operation.name": "chat", "gen_ai.guardrail.name": "pii" });
    assert_eq!(read_span("a", "chat m", guarded).role, Role::Inference);
}

#[test]
fn a_bare_hash_of_content_is_refused_by_any_name() {
    let bare = "ab".repeat(32);
    for name in [
        "gen_ai.guardrail.security.content.input.hash",
        "gen_ai.guardrail.content.output.hash",
        "gen_ai.security.content.input.hash",
        "evidence.output.commitment",
        "evidence.input.commitment#2",
        "gen_ai.prompt.sha256",
        "app.tool_arguments_digest",
    ] {
        for value in [bare.clone(), format!("sha256:{bare}")] {
            let item = span("a", (1, 1, 0), "x", (0, 1), json!({ name: value }));
            assert_eq!(unsalted(&item), Err(crate::intake::ItemError::Unsalted(name.into())));
        }
        let noted = with_events("x", &json!({}), &[("gen_ai.security.finding", json!({ name: bare }))]);
        assert!(unsalted(&noted).is_err(), "{name}");
        assert!(unsalted(&event("x", &json!({ name: bare }))).is_err(), "{name}");
        let keyed = span("a", (1, 1, 0), "x", (0, 1), json!({ name: "hmac-sha256:ab" }));
        assert_eq!(unsalted(&keyed), Ok(()));
    }
    for public in [
        "traceloop.prompt.version_hash",
        "litellm.api_key.hash",
        "gen_ai.response.id",
        "evidence.policy.digest",
        "vcs.commit.hash",
    ] {
        assert_eq!(unsalted(&span("a", (1, 1, 0), "x", (0, 1), json!({ public: bare }))), Ok(()), "{public}");
    }
}

#[test]
fn the_rule_of_a_guardrail_is_not_its_method() {
    let response = json!([{ "type": "pattern", "pattern_name": "us_ssn", "action": "BLOCK" }]).to_string();
    let attributes = json!({
        "litellm.guardrail.name": "pii", "litellm.guardrail.status": "guardrail_intervened", "litellm.guardrail.detection_method": "regex",
        "litellm.guardrail.response": response
    });
    let out = assembled(vec![span("litellm", (1, 2, 0), "execute_guardrail pii", (0, 1), attributes)]);
    let decision = value(&out.records[0])["policy"][0].clone();
    assert_eq!((&decision["rule"], &decision["detection_method"]), (&json!("us_ssn"), &json!("regex")));
}
