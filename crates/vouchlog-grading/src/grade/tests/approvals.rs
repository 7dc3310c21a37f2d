//! Approvals and overrides: who gave them, when, and how many.

use super::*;

fn at(text: &str) -> Value {
    json!(format!("2026-11-18T09:06:{text}Z"))
}

/// The record's approval, changed.
fn approval(edits: &[(&str, Value)]) -> Value {
    let mut approval = testdata(COMPLETE)["approval"].take();
    edit(&mut approval, edits);
    approval
}

/// A denial of the tool call that was overridden in time by another person.
fn denied(edits: &[(&str, Value)], also: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut over = json!({ "by": "u-9", "decision_id": "4ca636c1", "from": "deny", "to": "allow", "reason": "incident",
        "at": "2026-11-18T09:06:41.945Z" });
    edit(&mut over, edits);
    let mut all = vec![("/policy/2/verdict", json!("deny")), ("/override", over)];
    all.extend(also.iter().cloned());
    all
}

fn second(approver: &str) -> Value {
    approval(&[("/approver", json!(approver))])
}

type Row = (&'static str, Vec<(&'static str, Value)>, &'static [&'static str]);

#[rustfmt::skip] // one line each: a table
fn rows() -> Vec<Row> {
    let null = Value::Null;
    vec![
        ("approved by another person in time", vec![], &[]),
        ("approved a moment too late", vec![("/approval/at", at("41.951"))], &["R36"]),
        ("approved at the start", vec![("/approval/at", at("41.950"))], &[]),
        ("an approval that expires at the start", vec![("/approval/expires", at("41.950"))], &["R36"]),
        ("an approval that expires right after the start", vec![("/approval/expires", at("41.951"))], &[]),
        ("approved by the initiator", vec![("/approval/approver", json!("u-20931"))], &["R35"]),
        ("approved by the initiator, by the full name", vec![("/approval/approver", json!("https://idp.example|u-20931"))], &["R35"]),
        ("approved by the agent", vec![("/approval/approver", json!("agt-refunds"))], &["R35"]),
        ("approved by the agent's name", vec![("/approval/approver", json!("Refunds"))], &["R35"]),
        ("approved by the account of the workload", vec![("/approval/approver", json!("refunds"))], &["R35"]),
        ("approved by the workload", vec![("/approval/approver", json!("spiffe://corp.example/ns/agents/sa/refunds"))], &["R35"]),
        // Four eyes
        ("a list of one", vec![("/approval", json!([approval(&[])]))], &[]),
        ("four eyes", vec![("/approval", json!([approval(&[]), second("u-11008")]))], &[]),
        ("four eyes of one person", vec![("/approval", json!([approval(&[]), approval(&[])]))], &["R35"]),
        ("four eyes, two of them the initiator's", vec![("/approval", json!([approval(&[]), second("u-20931")]))], &["R35"]),
        ("four eyes, two of them still closed", vec![("/approval", json!([approval(&[]), approval(&[("/state", json!("pending"))])]))], &["R32", "R34"]),
        ("four eyes, and one said no", vec![("/approval", json!([approval(&[("/state", json!("rejected"))]), second("u-11008")]))], &["R32", "R34"]),
        ("four eyes, one of which expired", vec![("/approval", json!([approval(&[]), approval(&[("/approver", json!("u-11008")), ("/expires", at("41.950"))])]))], &["R36"]),
        ("four eyes, one of which came too late", vec![("/approval", json!([approval(&[]), approval(&[("/approver", json!("u-11008")), ("/at", at("42.500"))])]))], &["R36"]),
        ("a person and a rule", vec![("/approval", json!([approval(&[]), approval(&[("/approver", json!("limits")), ("/approver_kind", json!("policy")), ("/source", json!("config"))])]))], &[]),
        ("two rules, where a person has to", vec![("/approval", json!([approval(&[("/approver_kind", json!("policy"))]), approval(&[("/approver", json!("limits")), ("/approver_kind", json!("policy"))])]))], &["R34"]),
        ("nobody", vec![("/approval", json!([]))], &["R32", "R34"]),
        ("one of withheld state", vec![("/approval", json!([approval(&[]), approval(&[("/approver", json!("u-11008")), ("/state", json!({ "$": "redacted" }))])]))], &["R32", "R34"]),
        // A later tool call is under the same approval.
        ("an approval that expired before the second call", {
            let mut tool = testdata(COMPLETE)["tools"][0].take();
            edit(&mut tool, &[("/call_id", json!("call_A2")), ("/start", at("42.800")), ("/end", at("42.900")), ("/downstream", json!([]))]);
            let mut decision = testdata(COMPLETE)["policy"][2].take();
            edit(&mut decision, &[("/target", json!("call_A2"))]);
            vec![("/tools/-", tool), ("/policy/-", decision), ("/approval/expires", at("42.500"))]
        }, &["R36", "R54"]),
        // Overrides
        ("overridden by another person in time", denied(&[], &[]), &[]),
        ("overridden at the start", denied(&[("/at", at("41.950"))], &[]), &[]),
        ("overridden after the call began", denied(&[("/at", at("41.951"))], &[]), &["R26", "R36"]),
        ("overridden minutes later", denied(&[("/at", json!("2026-11-18T09:19:00Z"))], &[]), &["R26", "R36"]),
        ("overridden by the initiator", denied(&[("/by", json!("u-20931"))], &[]), &["R26", "R35"]),
        ("overridden by the agent", denied(&[("/by", json!("agt-refunds"))], &[]), &["R26", "R35"]),
        ("overridden by the workload", denied(&[("/by", json!("spiffe://corp.example/ns/agents/sa/refunds"))], &[]), &["R26", "R35"]),
        ("overridden by nobody", denied(&[("/by", null.clone())], &[]), &["R26", "R38"]),
        ("overridden at an unknown time", denied(&[("/at", null.clone())], &[]), &["R26", "R36"]),
        ("overridden by somebody withheld", denied(&[("/by", json!({ "$": "redacted" }))], &[]), &["R26", "R38"]),
        ("another decision overridden", denied(&[("/decision_id", json!("in-1"))], &[]), &["R26"]),
        ("no decision overridden", denied(&[("/decision_id", null.clone())], &[]), &["R26"]),
        ("not overridden", vec![("/policy/2/verdict", json!("deny"))], &["R26"]),
        ("nobody says whether it was overridden", vec![("/policy/2/verdict", json!("deny")), ("/override", null.clone())], &["R26", "R38"]),
        ("two decisions, both overridden", {
            let over = |decision: &str| json!({ "by": "u-9", "decision_id": decision, "from": "deny", "reason": "incident", "at": "2026-11-18T09:06:40.150Z" });
            vec![("/policy/0/verdict", json!("deny")), ("/policy/0/reason", json!("pii")), ("/policy/2/verdict", json!("deny")), ("/override", json!([over("in-1"), over("4ca636c1")]))]
        }, &[]),
        ("two decisions, one overridden", {
            let over = json!({ "by": "u-9", "decision_id": "in-1", "from": "deny", "reason": "incident", "at": "2026-11-18T09:06:40.150Z" });
            vec![("/policy/0/verdict", json!("deny")), ("/policy/0/reason", json!("pii")), ("/policy/2/verdict", json!("deny")), ("/override", json!([over]))]
        }, &["R26"]),
        ("one decision overridden twice, once by the agent", {
            let over = |by: &str| json!({ "by": by, "decision_id": "4ca636c1", "from": "deny", "reason": "incident", "at": "2026-11-18T09:06:41.945Z" });
            vec![("/policy/2/verdict", json!("deny")), ("/override", json!([over("agt-refunds"), over("u-9")]))]
        }, &["R35"]),
        ("a denial of the answer, overridden while it was held back", denied(&[("/decision_id", json!("out-1")), ("/at", at("44.100"))],
            &[("/policy/2/verdict", json!("allow")), ("/policy/3/verdict", json!("deny")), ("/policy/3/reason", json!("pii"))]), &[]),
        ("a denial of the answer, overridden after the record was received", denied(&[("/decision_id", json!("out-1")), ("/at", at("44.900"))],
            &[("/policy/2/verdict", json!("allow")), ("/policy/3/verdict", json!("deny")), ("/policy/3/reason", json!("pii"))]), &["R26", "R36"]),
        // A decision on the answer
        ("the answer checked after the model had ended", vec![("/policy/3/at", at("44.100"))], &[]),
        ("the answer checked after the record was received", vec![("/policy/3/at", at("44.230"))], &["R25"]),
        ("the answer checked after the end, nobody knows when it was received", vec![("/policy/3/at", at("44.100")), ("/time/received", null.clone())], &["R25", "R56"]),
        ("the input checked after the end", vec![("/policy/0/at", at("44.100"))], &["R25"]),
    ]
}

#[test]
fn approvals_and_overrides_count_only_if_somebody_else_gave_them_in_time() {
    let mut wrong = Vec::new();
    for (what, edits, codes) in rows() {
        let graded = graded(&edits);
        let mut got: Vec<_> = graded.findings.iter().map(|finding| finding.rule.code).collect();
        got.dedup();
        if got != codes {
            let findings: Vec<_> = graded.findings.iter().map(ToString::to_string).collect();
            wrong.push(format!("{what}: {got:?}, not {codes:?} {findings:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn taking_a_field_away_from_any_of_them_never_makes_an_answer_a_yes() {
    for (nth, (what, edits, _)) in rows().into_iter().enumerate() {
        let value = Value::Object(edited(&edits).to_object());
        let before = grade(&read(value.clone()), &context()).verdicts.answers();
        for pointer in super::properties::third_of_members(&value, nth) {
            // By which other names the executor may be known is never recorded in full.
            let names = ["/workload/agent/name", "/workload/service_account"];
            if super::properties::STATEMENTS.contains(&pointer.as_str()) || names.contains(&pointer.as_str())
            {
                continue;
            }
            let mut less = value.clone();
            edit(&mut less, &[(pointer.as_str(), Value::Null)]);
            let after = grade(&read(less), &context()).verdicts.answers();
            for ((verdict, before), (_, after)) in before.iter().zip(&after) {
                assert!(
                    *after != Answer::Yes || *before == Answer::Yes,
                    "{what}: {verdict} became yes by taking away {pointer}"
                );
            }
        }
    }
}
