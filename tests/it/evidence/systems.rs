//! One test for each of the five, named after it.

use serde_json::{Value, json};

use super::world::{World, exchange, record_of};

/// Codes of a record's findings that make it less than evidence.
fn codes(recorded: &Value) -> Vec<&str> {
    let findings = recorded["grade"]["findings"].as_array().unwrap();
    let counts = |finding: &&Value| !matches!(finding["severity"].as_str(), Some("info" | "warn"));
    findings.iter().filter(counts).map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn verdict<'a>(recorded: &'a Value, name: &str) -> &'a str {
    recorded["grade"]["verdicts"][name].as_str().unwrap()
}

#[test]
fn auditable_ai_interaction() {
    let world = World::start();
    let recorded = world.record(&record_of("a-1", &exchange("tool-call")));
    assert_eq!(codes(&recorded[0]), [""; 0]);
    assert_eq!(verdict(&recorded[0], "auditable_interaction"), "yes");

    // Which agent, for whom, with what data, was it allowed, who approved, what came of it: answered without prompt or answer.
    let fields =
        "initiator,workload.agent,data.input_class,policy,approval.state,approval.approver_kind,outcome";
    let said = world.disclosed("a-1", fields);
    let shown = &said["disclosed"];
    assert_eq!(shown["initiator"]["sub"], "u-20931");
    assert_eq!(shown["initiator"]["sponsor"], "team-refunds");
    assert_eq!(shown["workload"]["agent"]["id"], "agt-refunds");
    assert_eq!(shown["data"]["input_class"], json!(["internal", "customer-pii"]));
    assert_eq!(shown["policy"][2]["verdict"], "step_up");
    assert_eq!(shown["policy"][2]["reason"], "amount_over_25");
    assert_eq!(shown["approval"], json!({ "state": "approved", "approver_kind": "human" }));
    assert_eq!(shown["outcome"]["state"], "executed");
    assert!(!said.to_string().contains("San Francisco"), "{said}");

    // A transcript without identity, policy and data context is the misuse of the word.
    let transcript = exchange("chat");
    let transcript = json!({
        "kind": "interaction",
        "input": { "content": transcript["request_body"]["messages"] },
        "output": { "content": transcript["response_body"]["content"] },
    });
    let recorded = world.record(&transcript);
    assert_eq!(recorded[0]["grade"]["verdicts"]["transcript_only"], true);
    assert_eq!(verdict(&recorded[0], "auditable_interaction"), "no");
    for code in ["R01", "R05", "R24", "R39", "R46"] {
        assert!(codes(&recorded[0]).contains(&code), "{code}: {recorded:?}");
    }
}

#[test]
fn interaction_level_audit_trail() {
    let world = World::start();
    // Three turns: a tool call, its result, and a request the provider refused.
    let mut turns: Vec<Value> = ["tool-call", "tool-result", "error"]
        .iter()
        .zip(1..)
        .map(|(name, turn)| {
            let mut record = record_of(&format!("t-{turn}"), &exchange(name));
            record["correlation"]["session_sequence"] = turn.into();
            record["correlation"]["session"] = "sess-trail".into();
            record["correlation"]["idempotency_key"] = format!("idem-{turn}").into();
            record["correlation"]["span"] = format!("a00000000000000{turn}").into();
            record
        })
        .collect();
    turns[2]["outcome"] = json!({ "state": "error", "error": "model_not_found" });
    turns[2]["output"] = json!({ "$": "not_applicable" });
    let recorded = world.record(&Value::Array(turns));
    assert_eq!(verdict(&recorded[0], "interaction_level"), "yes");

    // Prompt and answer, from the file alone.
    let said =
        world.disclosed("t-1", "input,output,tools.0.name,tools.0.arguments,tools.0.status,policy.2.verdict");
    let shown = &said["disclosed"];
    assert_eq!(shown["input"]["content"], exchange("tool-call")["request_body"]["messages"]);
    assert_eq!(shown["output"]["content"], exchange("tool-call")["response_body"]["choices"]);
    assert_eq!(shown["tools"][0]["name"], "get_current_weather");
    assert_eq!(shown["tools"][0]["status"], "executed");

    // The whole session is found, in its order, and the log proves that nothing is missing from the gateway's stream.
    let (_, found) = world.ask(&["find", "--by", "session=sess-trail"]);
    let ids: Vec<&str> =
        found["records"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["t-1", "t-2", "t-3"]);
    let stream = found["records"][0]["stream"].to_string();
    let file = world.path("complete.json");
    let log = ["--log", &world.server.url, "--log-vkey", &world.server.vkey];
    crate::process::succeed(&[&["prove-complete", "--stream", &stream, "--out", &file], &log[..]].concat());
    crate::process::succeed(&["verify", "--completeness", &file, "--log-vkey", &world.server.vkey]);
}

#[test]
fn identity_governance_audit_trail() {
    let world = World::start();
    let recorded = world.record(&record_of("g-1", &exchange("tool-call")));
    assert_eq!(verdict(&recorded[0], "governed"), "yes");
    // Workload identity, decision at the time of the request, a short-lived credential, the chain of calls.
    let said = world.disclosed(
        "g-1",
        "workload,authority,credential,policy,tools.0.downstream,tools.0.start,outcome.state",
    );
    let shown = &said["disclosed"];
    assert_eq!(shown["workload"]["id"], "spiffe://corp.example/ns/agents/sa/refunds");
    assert_eq!(shown["workload"]["verified"], true);
    assert_eq!(shown["authority"]["chain"][0], "u-20931");
    let lifetime =
        |name: &str| shown["credential"][name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(lifetime("exp").duration_since(lifetime("iat")), jiff::SignedDuration::from_secs(300));
    assert!(shown["policy"][2]["at"].as_str() < shown["tools"][0]["start"].as_str());
    assert_eq!(shown["tools"][0]["downstream"][0]["target"], "payments-api");

    // A static key that many share is what governance is about: it is told apart.
    let mut shared = record_of("g-2", &exchange("tool-result"));
    shared["correlation"]["idempotency_key"] = "idem-g-2".into();
    shared["correlation"]["session_sequence"] = 2.into();
    shared["workload"]["shared"] = true.into();
    shared["credential"].as_object_mut().unwrap().retain(|name, _| name == "id" || name == "type");
    let recorded = world.record(&shared);
    assert_eq!(verdict(&recorded[0], "governed"), "no");
    for code in ["R06", "R12"] {
        assert!(codes(&recorded[0]).contains(&code), "{code}: {recorded:?}");
    }
}

#[test]
fn inference_level_audit_trail() {
    let world = World::start();
    let recorded = world.record(&record_of("i-1", &exchange("tool-call")));
    assert_eq!(verdict(&recorded[0], "inference_level"), "yes");
    // Which model really answered, with which parameters, and which systems were called because of it.
    let said = world.disclosed("i-1", "model,tools.0.downstream,correlation.response_id");
    let shown = &said["disclosed"];
    assert_eq!(shown["model"]["requested"], "gpt-3.5-turbo");
    assert_eq!(shown["model"]["served"], "gpt-3.5-turbo-0125");
    assert_eq!(shown["correlation"]["response_id"], exchange("tool-call")["response_body"]["id"]);
    assert_eq!(shown["tools"][0]["downstream"][0]["ref"], "re_77");

    // A call that the model made up, or that got lost: proposed, and nobody did anything.
    let mut lost = record_of("i-2", &exchange("tool-call"));
    lost["correlation"]["idempotency_key"] = "idem-i-2".into();
    lost["correlation"]["session_sequence"] = 2.into();
    lost["tools"][0]["status"] = "proposed".into();
    lost["tools"][0].as_object_mut().unwrap().remove("downstream");
    lost["model"].as_object_mut().unwrap().remove("served");
    let recorded = world.record(&lost);
    assert_eq!(verdict(&recorded[0], "inference_level"), "no");
    for code in ["R43", "R51"] {
        assert!(codes(&recorded[0]).contains(&code), "{code}: {recorded:?}");
    }
}

#[test]
fn identity_linked_evidence() {
    let world = World::start();
    let mut died = record_of("e-no", &exchange("tool-call"));
    // It was valid when it was decided, and dead when the payment went out.
    died["credential"]["exp"] = "2026-11-18T09:06:42.050Z".into();
    let mut unknown = record_of("e-unknown", &exchange("tool-result"));
    unknown["credential"].as_object_mut().unwrap().remove("status");
    for (record, turn) in [&mut died, &mut unknown].into_iter().zip(2..) {
        record["correlation"]["idempotency_key"] = format!("idem-{turn}").into();
        record["correlation"]["session_sequence"] = turn.into();
    }
    let recorded = world.record(&json!([record_of("e-yes", &exchange("tool-call")), died, unknown]));

    // Who authorised it, what identity executed it, was the credential valid at that exact moment: yes, no, indeterminate.
    let answers: Vec<&str> =
        recorded.iter().map(|record| verdict(record, "credential_valid_at_moment")).collect();
    assert_eq!(answers, ["yes", "no", "indeterminate"]);
    assert_eq!(verdict(&recorded[0], "attributable"), "yes");
    assert!(codes(&recorded[1]).contains(&"R14"), "{recorded:?}");
    assert!(codes(&recorded[2]).contains(&"R16"), "{recorded:?}");
    // For the right reason: the decision and the tool's start were fine, the downstream call was not.
    let moments = recorded[1]["grade"]["validity"]["moments"].as_array().unwrap();
    let when = |what: &str| {
        let of = |moment: &&Value| moment["what"].as_str().unwrap().contains(what);
        moments.iter().find(of).unwrap_or_else(|| panic!("{what} in {moments:?}"))["answer"].as_str().unwrap()
    };
    assert_eq!((when("decision"), when("downstream")), ("yes", "no"));
    // The log itself says so to everybody, without a word of the record: bits 24 and 25 of the bitmap.
    for (id, claim) in [("e-yes", 1), ("e-no", 2), ("e-unknown", 0)] {
        let said = world.disclosed(id, "credential.exp");
        assert_eq!(said["evidence"].as_u64().unwrap() >> 24 & 3, claim, "{said}");
    }

    // A revocation that comes to light later re-judges history: from its time on, and not before.
    let credential = record_of("x", &exchange("tool-call"))["credential"]["id"].as_str().unwrap().to_owned();
    let revocation = json!({
        "kind": "credential-event", "id": "revoked-1", "time": { "start": "2026-11-19T00:00:00Z" },
        "credential": { "id": credential },
        "credential_event": { "action": "revoked", "effective": "2026-11-18T09:06:42Z", "reason": "stolen" },
    });
    world.record(&revocation);
    let proofs = world.path("proofs");
    let since = "2026-11-18T09:06:42Z";
    let (code, said) =
        world.ask(&["revoked", "--credential", &credential, "--since", since, "--proofs", &proofs]);
    assert_eq!(code, 1);
    let affected: Vec<(&str, &str)> = said["affected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|affected| (affected["record"].as_str().unwrap(), affected["what"].as_str().unwrap()))
        .collect();
    for id in ["e-yes", "e-no", "e-unknown"] {
        assert!(
            affected.iter().any(|(record, what)| *record == id && what.contains("downstream")),
            "{affected:?}"
        );
        let proof = format!("{proofs}/{id}.tlog-proof");
        let digest = world.ask(&["find", "--by", &format!("credential={credential}")]).1;
        let digest =
            digest["records"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap()["digest"]
                .clone();
        let log = ["--log-vkey", &world.server.vkey];
        let digest = ["--digest", digest.as_str().unwrap()];
        crate::process::succeed(&[&["verify", "--proof", &proof], &log[..], &digest[..]].concat());
    }
    assert!(affected.iter().all(|(_, what)| !what.contains("decision in-1")), "{affected:?}");
}
