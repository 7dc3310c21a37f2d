//! Credentials and their uses, chains of delegation, and determining policies, from telemetry to a verdict.

use vouchlog_grading::{Answer, Context, grade};

use super::*;

/// Attributes of two groups together.
fn both(mut one: Value, other: &Value) -> Value {
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}

/// A call below an agent, a tool that it asked for, and a retrieval; each with more attributes.
fn run(agent: &Value, call: &Value, tool: &Value, retrieval: &Value) -> Value {
    let f = json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.id": "c1" });
    let r = json!({ "gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "crm" });
    one(vec![
        span(
            "app",
            (1, 1, 0),
            "invoke_agent A",
            (0, 90),
            both(json!({ "gen_ai.operation.name": "invoke_agent" }), agent),
        ),
        span("app", (1, 5, 1), "retrieval crm", (2, 8), both(r, retrieval)),
        chat(
            (1, 2, 1),
            (10, 30),
            both(json!({ "gen_ai.output.messages": ASKS, "gen_ai.response.id": "r1" }), call),
        ),
        span("app", (1, 4, 1), "execute_tool f", (40, 60), both(f, tool)),
    ])
}

fn token(id: &str) -> Value {
    json!({
        "evidence.credential.id": id, "evidence.credential.iat": "2026-11-21T20:00:00Z", "evidence.credential.exp": "2026-11-22T20:00:00Z",
    })
}

fn described(id: &str) -> Value {
    json!({ "id": id, "iat": "2026-11-21T20:00:00Z", "exp": "2026-11-22T20:00:00Z" })
}

const LIST: &str = r#"[{"id":"A","iat":"2026-11-21T20:00:00Z","exp":"2026-11-22T20:00:00Z"},{"id":"B","iat":"2026-11-21T20:00:00Z","exp":"2026-11-22T20:00:00Z"}]"#;

/// The credentials of a record by id, and what its uses name: model, tool, retrieval.
fn told(record: &Value) -> (Vec<&str>, [&Value; 3]) {
    let ids =
        record["credentials"].as_array().map(|all| all.iter().map(|one| one["id"].as_str().unwrap_or("?")));
    let ids =
        ids.map_or_else(|| record["credential"]["id"].as_str().into_iter().collect(), Iterator::collect);
    let uses = [
        &record["model"]["credential"],
        &record["tools"][0]["credential"],
        &record["data"]["sources"][0]["credential"],
    ];
    (ids, uses)
}

#[test]
fn each_use_names_the_credential_that_its_span_states() {
    let none = json!({});
    let null = Value::Null;
    let list = json!({ "evidence.credentials": LIST });
    let uses = |id: &str| json!({ "evidence.credential.use": id });
    let takes_none = json!({ "evidence.credential.none": true });
    let not_applicable = json!({ "$": "not_applicable" });
    let (a, b) = (json!("A"), json!("B"));
    for (what, [agent, call, tool, retrieval], ids, expected) in [
        ("one for all", [&token("A"), &none, &none, &none], vec!["A"], [&null, &null, &null]),
        ("one of a tool's own", [&token("A"), &none, &token("B"), &none], vec!["A", "B"], [&a, &b, &null]),
        ("the same again", [&token("A"), &none, &token("A"), &none], vec!["A"], [&null, &a, &null]),
        ("of a retrieval", [&token("A"), &none, &none, &token("B")], vec!["A", "B"], [&a, &null, &b]),
        ("a list and uses", [&list, &uses("A"), &uses("B"), &uses("A")], vec!["A", "B"], [&a, &b, &a]),
        ("a list alone", [&list, &none, &none, &none], vec!["A", "B"], [&null, &null, &null]),
        (
            "a use that is not described",
            [&list, &uses("C"), &none, &none],
            vec!["A", "B"],
            [&json!("C"), &null, &null],
        ),
        (
            "a local function",
            [&token("A"), &none, &takes_none, &none],
            vec!["A"],
            [&null, &not_applicable, &null],
        ),
        (
            "it took none, and describes one",
            [&token("A"), &none, &both(token("B"), &takes_none), &none],
            vec!["A", "B"],
            [&a, &b, &null],
        ),
        ("only a tool describes one", [&none, &none, &token("B"), &none], vec!["?", "B"], [&null, &b, &null]),
        (
            "and the model takes none",
            [&none, &takes_none, &token("B"), &none],
            vec!["B"],
            [&not_applicable, &b, &null],
        ),
    ] {
        let record = run(agent, call, tool, retrieval);
        assert_eq!(told(&record), (ids, expected), "{what}: {record:#}");
        assert!(record.get("credential").is_none() || record.get("credentials").is_none(), "{what}");
    }
}

#[test]
fn a_list_comes_flattened_too_and_is_described_once() {
    let list = json!({ "evidence.credentials.0.id": "A", "evidence.credentials.1.id": "B" });
    let record = run(&json!({ "evidence.credentials": LIST }), &list, &token("A"), &json!({}));
    assert_eq!(record["credentials"], json!([described("A"), described("B")]));
}

#[test]
fn descriptions_that_contradict_each_other_both_stay() {
    let mut other = token("A");
    other["evidence.credential.exp"] = json!("2026-11-21T21:00:00Z");
    let record = run(&json!({}), &token("A"), &other, &json!({}));
    let ends: Vec<_> =
        record["credentials"].as_array().unwrap().iter().map(|one| one["exp"].as_str().unwrap()).collect();
    assert_eq!(ends, ["2026-11-22T20:00:00Z", "2026-11-21T21:00:00Z"]);
}

#[test]
fn of_two_checks_of_one_credential_the_first_counts() {
    let checked = |second: u32| {
        both(
            token("A"),
            &json!({
                "evidence.credential.status.result": "active", "evidence.credential.status.method": "introspection",
                "evidence.credential.status.checked_at": format!("2026-11-21T22:26:{second:02}Z"),
            }),
        )
    };
    for (call, tool) in [(39, 40), (40, 39)] {
        let record = run(&json!({}), &checked(call), &checked(tool), &json!({}));
        assert_eq!(record["credential"]["status"]["checked_at"], "2026-11-21T22:26:39Z", "{record:#}");
    }
    let mut revoked = checked(40);
    revoked["evidence.credential.status.result"] = json!("revoked");
    let record = run(&json!({}), &checked(39), &revoked, &json!({}));
    assert_eq!(record["credentials"].as_array().unwrap().len(), 2, "{record:#}");
}

#[test]
fn a_call_whose_spans_name_two_credentials_names_none() {
    let f = json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.id": "c1" });
    let call =
        json!({ "mcp.method.name": "tools/call", "gen_ai.tool.name": "f", "gen_ai.tool.call.id": "c1" });
    let record = one(vec![
        chat(
            (1, 2, 0),
            (10, 30),
            both(json!({ "gen_ai.output.messages": ASKS, "gen_ai.response.id": "r1" }), &token("A")),
        ),
        span(
            "app",
            (1, 4, 2),
            "execute_tool f",
            (40, 60),
            both(f, &json!({ "evidence.credential.use": "A" })),
        ),
        span(
            "mcp",
            (1, 5, 4),
            "tools/call f",
            (41, 59),
            both(call, &json!({ "evidence.credential.use": "B" })),
        ),
    ]);
    assert_eq!(record["tools"].as_array().unwrap().len(), 1, "{record:#}");
    assert_eq!(told(&record), (vec!["A", "B"], [&json!("A"), &Value::Null, &Value::Null]), "{record:#}");
}

#[test]
fn a_tool_that_a_second_token_was_too_old_for_is_found() {
    let with = |exp: &str| {
        let mut tool = both(token("B"), &json!({ "evidence.credential.exp": exp }));
        tool["evidence.credential.use"] = json!("B");
        let record = run(&token("A"), &json!({}), &tool, &json!({ "evidence.credential.use": "A" }));
        let record = Record::from_value(record).unwrap().record;
        let graded = grade(&record, &Context::default());
        graded.validity.moments.into_iter().map(|moment| (moment.what, moment.answer)).collect::<Vec<_>>()
    };
    let no = |moments: &[(String, Answer)]| {
        moments
            .iter()
            .filter(|(_, answer)| *answer == Answer::No)
            .map(|(what, _)| what.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(no(&with("2026-11-21T20:01:00Z")), ["tool c1"]);
    assert_eq!(no(&with("2026-11-22T20:00:00Z")), Vec::<String>::new());
}

#[test]
fn calls_have_the_times_of_their_spans() {
    let record = run(&json!({}), &json!({}), &json!({}), &json!({}));
    let source = &record["data"]["sources"][0];
    assert_eq!(
        (&source["start"], &source["end"]),
        (&json!("2026-11-21T22:26:40.002Z"), &json!("2026-11-21T22:26:40.008Z"))
    );
    assert_eq!(record["tools"][0]["start"], "2026-11-21T22:26:40.04Z");
}

#[test]
fn an_access_key_id_is_kept_as_one_stand_in_everywhere() {
    let id = "ASIAIOSFODNN7EXAMPLE";
    let session = json!({
        "evidence.credential.id": id, "evidence.credential.type": "sts_session",
        "evidence.credential.role_session.role": "arn:aws:iam::123456789012:role/refunds",
        "evidence.credential.role_session.name": "run-42", "evidence.credential.role_session.source_identity": "ann",
        "evidence.credential.exp": 1_795_305_600,
    });
    let list = json!({ "evidence.credentials": json!([{ "id": id, "scope": "s3" }]).to_string() });
    let record = run(&list, &session, &json!({ "evidence.credential.use": id }), &json!({}));
    let stand_in = record["credentials"][0]["id"].as_str().unwrap();
    assert!(stand_in.starts_with("[secret removed: "), "{record:#}");
    assert_eq!(record["tools"][0]["credential"], stand_in);
    assert_eq!(record["credentials"].as_array().unwrap().len(), 1);
    assert_eq!(
        record["credentials"][0]["role_session"],
        json!({
            "role": "arn:aws:iam::123456789012:role/refunds", "name": "run-42", "source_identity": "ann",
        })
    );
    assert!(!record.to_string().contains(id), "{record:#}");
}

const ACT: &str = r#"{"sub":"spiffe://corp.example/refunds","iss":"https://as.example","iat":1795299000,"exp":1795301000,"cnf":{"jkt":"0ZcO"},
    "act":{"sub":"orchestrator","iss":"https://as.example"}}"#;

#[test]
fn an_act_claim_becomes_the_chain_from_the_initiator_to_the_current_actor() {
    let own = json!({ "evidence.authority.act": ACT, "user.id": "u-1", "evidence.initiator.iss": "https://idp.example" });
    let record = one(vec![chat((1, 1, 0), (0, 9), own)]);
    assert_eq!(
        record["authority"],
        json!({
            "mode": "on_behalf_of",
            "chain": [
                { "principal": "u-1", "issuer": "https://idp.example", "actor": "orchestrator" },
                {
                    "principal": "orchestrator", "issuer": "https://as.example", "actor": "spiffe://corp.example/refunds",
                    "iat": "2026-11-21T22:10:00Z", "exp": "2026-11-21T22:43:20Z", "confirmation": "dpop",
                },
                { "principal": "spiffe://corp.example/refunds", "issuer": "https://as.example" },
            ],
        })
    );
    assert_eq!(record["otel"].get("parts").and_then(|parts| parts[0].get("fields")), None, "{record:#}");
}

#[test]
fn a_chain_that_is_stated_goes_before_an_act_claim_that_differs() {
    let with = |chain: &str| {
        let own = json!({
            "evidence.authority.act": ACT, "user.id": "u-1", "evidence.authority.chain": chain, "evidence.authority.mode": "connector",
        });
        one(vec![chat((1, 1, 0), (0, 9), own)])
    };
    let same = with(r#"["u-1","orchestrator","spiffe://corp.example/refunds"]"#);
    assert_eq!(
        (&same["authority"]["chain"][1]["confirmation"], &same["authority"]["mode"]),
        (&json!("dpop"), &json!("connector"))
    );
    let other = with(r#"["u-1","spiffe://corp.example/refunds"]"#);
    assert_eq!(other["authority"]["chain"], json!(["u-1", "spiffe://corp.example/refunds"]));
    assert_eq!(other["otel"]["conflicts"][0]["field"], "authority.chain");
}

#[test]
fn a_chain_is_handed_down_as_a_whole() {
    let outer = json!({ "evidence.authority.chain": ["u-1", "w"], "evidence.authority.scopes": ["a b", "a"], "user.id": "u-1" });
    let below = |own: Value| {
        one(vec![span("app", (1, 1, 0), "POST /ask", (0, 50), outer.clone()), chat((1, 3, 1), (2, 9), own)])["authority"].clone()
    };
    assert_eq!(below(json!({}))["scopes"], json!([["a", "b"], ["a"]]));
    let own = below(json!({ "evidence.authority.act": r#"{"sub":"x"}"#, "user.id": "u-1" }));
    assert_eq!((own["chain"].as_array().unwrap().len(), own.get("scopes")), (2, None), "{own}");
    assert_eq!(own["chain"][1]["principal"], "x");
}

#[test]
fn a_hop_outside_its_window_is_found() {
    let with = |exp: &str| {
        let act = format!(r#"{{"sub":"svc","iat":"2026-11-21T20:00:00Z","exp":"{exp}"}}"#);
        let own = json!({
            "evidence.authority.act": act, "user.id": "u-1", "evidence.initiator.kind": "human", "evidence.workload.id": "svc",
        });
        let record = Record::from_value(one(vec![chat((1, 1, 0), (0, 9), own)])).unwrap().record;
        let findings = grade(&record, &Context::default()).findings;
        let not_in_force = |message: &str| message.contains("was not in force");
        findings.iter().any(|finding| finding.rule.code == "R08" && not_in_force(&finding.message))
    };
    assert!(with("2026-11-21T21:00:00Z"));
    assert!(!with("2026-11-21T23:00:00Z"));
}

#[test]
fn a_decision_names_the_policies_that_determined_it() {
    let attributes = json!({
        "gen_ai.security.guardrail.name": "cedar", "evidence.policy.verdict": "ALLOW", "evidence.policy.phase": "input",
        "evidence.policy.determining": r#"[{"policyId":"p0","effect":"permit"},{"policyId":"p1","effect":"Forbid"}]"#,
        "evidence.policy.unevaluated": "p2",
    });
    let record = one(vec![span("app", (1, 2, 0), "guard", (1, 3), attributes)]);
    let decision = &record["policy"][0];
    assert_eq!(
        decision["determining"],
        json!([{ "id": "p0", "effect": "permit" }, { "id": "p1", "effect": "forbid" }])
    );
    assert_eq!((&decision["unevaluated"], &decision["verdict"]), (&json!(["p2"]), &json!("allow")));
    let graded = grade(&Record::from_value(record).unwrap().record, &Context::default());
    let found: Vec<_> = graded.findings.iter().filter(|finding| finding.rule.code == "R84").collect();
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn a_workload_and_its_agent_are_told_with_who_vouches_for_them() {
    let own = json!({
        "evidence.workload.id": "bbbbbbbb-1111-2222-3333-444444444444", "evidence.workload.method": "entra_token",
        "evidence.workload.issuer": "https://sts.windows.net/00000001-0000-0ff1-ce00-000000000000/",
        "evidence.workload.aud": "api://refunds", "evidence.workload.verified": true, "evidence.workload.verified_by": "issuer-keys",
        "evidence.agent.id": "bbbbbbbb-1111-2222-3333-444444444444", "gen_ai.agent.id": "asst_1", "evidence.agent.sponsor": "ann",
        "evidence.agent.blueprint": "30cf4c22-9985-4ef7-8756-91cc888176bd", "evidence.agent.tenant": "00000001-0000-0ff1-ce00-000000000000",
        "evidence.workload.credential": "at-1",
    });
    let record = one(vec![chat((1, 1, 0), (0, 9), own)]);
    assert_eq!(
        record["workload"],
        json!({
            "id": "bbbbbbbb-1111-2222-3333-444444444444", "method": "entra_token",
            "issuer": "https://sts.windows.net/00000001-0000-0ff1-ce00-000000000000/", "aud": ["api://refunds"],
            "verified": true, "verified_by": "issuer_keys", "credential": "at-1",
            "agent": {
                "id": "bbbbbbbb-1111-2222-3333-444444444444", "sponsor": "ann", "blueprint": "30cf4c22-9985-4ef7-8756-91cc888176bd",
                "tenant": "00000001-0000-0ff1-ce00-000000000000",
            },
        })
    );
}
