//! Lists of credentials, chains, `act` claims and determining policies.

use super::*;

fn field(name: &str, value: &Value) -> Option<Value> {
    let reading = read_span("a", "chat m", json!({ "gen_ai.operation.name": "chat", name: value }));
    let field = match name {
        "evidence.credentials" => "credentials",
        "evidence.authority.act" => "authority.act",
        "evidence.authority.chain" => "authority.chain",
        _ => "authority.scopes",
    };
    let found = reading.fields.get(field).cloned();
    assert_eq!(
        found.is_none(),
        reading.left.contains_key(name),
        "an attribute is either a field or left over: {reading:?}"
    );
    found
}

#[test]
fn a_list_of_credentials_has_the_shapes_of_one() {
    let found = field(
        "evidence.credentials",
        &json!(
            r#"[{"id":"at-1","type":"Access-Token","aud":"https://api.example","scope":"a b","iat":1795305600,"exp":"2026-11-22T01:00:00Z",
                "status":{"method":"introspection","checked_at":1795305601,"result":"ACTIVE"},"kid":7,"x":3,
                "cnf":{"x5t#S256":"AbC"},"proof_verified":"true","iss":null},
               {"id":{"$":"redacted"}}]"#
        ),
    );
    assert_eq!(
        found,
        Some(json!([
            {
                "id": "at-1", "type": "access_token", "aud": ["https://api.example"], "scope": ["a", "b"],
                "iat": "2026-11-22T00:00:00Z", "exp": "2026-11-22T01:00:00Z",
                "status": { "method": "introspection", "checked_at": "2026-11-22T00:00:01Z", "result": "active" },
                "kid": "7", "x": 3, "cnf": { "x5t_s256": "AbC" }, "proof_verified": true,
            },
            { "id": { "$": "redacted" } },
        ]))
    );
}

#[test]
fn a_list_that_came_flattened_is_the_same() {
    let flat = read_span(
        "a",
        "chat m",
        json!({
            "gen_ai.operation.name": "chat", "evidence.credentials.0.id": "at-1", "evidence.credentials.0.aud.0": "x",
            "evidence.credentials.1.id": "svid-1", "evidence.credentials.1.exp": 1_795_305_600,
            "evidence.credentials.1.status.result": "active",
        }),
    );
    let expected = json!([
        { "id": "at-1", "aud": ["x"] },
        { "id": "svid-1", "exp": "2026-11-22T00:00:00Z", "status": { "result": "active" } },
    ]);
    assert_eq!((flat.fields.get("credentials"), flat.left.len()), (Some(&expected), 0));
}

#[test]
fn what_is_no_list_of_credentials_is_left_as_it_is() {
    let many = Value::from(vec![json!({ "id": "x" }); 65]).to_string();
    for text in ["at-1", "[\"at-1\"]", "[{\"id\":\"at-1\"},5]", "[{\"id\":\"at-1\"}", many.as_str()] {
        assert_eq!(field("evidence.credentials", &json!(text)), None, "{text}");
    }
}

#[test]
fn a_resources_credential_is_not_mixed_with_an_items_own() {
    let with = |own: Value, resource: Value| {
        let mut attributes = json!({ "gen_ai.operation.name": "chat" });
        attributes.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let Item::Span(mut span) = span("a", (1, 1, 0), "chat m", (0, 1), attributes) else {
            panic!("a span")
        };
        let Value::Object(resource) = resource else { panic!("an object") };
        span.source = std::sync::Arc::new(Source { resource, ..Source::default() });
        let fields = read(&Item::Span(span)).fields;
        let is_one = |field: &&String| field.starts_with("credential") || field.starts_with("use.");
        fields.keys().filter(is_one).cloned().collect::<Vec<_>>().join(" ")
    };
    let declared = json!({ "evidence.credential.id": "A", "evidence.credential.exp": "2026-11-22T01:00:00Z", "evidence.credential.use": "A" });
    let nameless = json!({ "evidence.credential.exp": "2026-11-22T01:00:00Z" });
    let list =
        json!({ "evidence.credentials.0.id": "A", "evidence.credentials.0.exp": "2026-11-22T01:00:00Z" });
    for (own, resource, found) in [
        (json!({}), &declared, "credential.exp credential.id use.credential"),
        (json!({ "evidence.credential.id": "A" }), &declared, "credential.exp credential.id"),
        (json!({ "evidence.credential.id": "B" }), &declared, "credential.id"),
        (json!({ "evidence.credential.none": true }), &declared, "credential.exp credential.id use.none"),
        (json!({ "evidence.credential.id": "B" }), &nameless, "credential.exp credential.id"),
    ] {
        assert_eq!(with(own.clone(), resource.clone()), found, "{own} {resource}");
    }
    let of_list = |own: Value| {
        let mut attributes = json!({ "gen_ai.operation.name": "chat" });
        attributes.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let Item::Span(mut span) = span("a", (1, 1, 0), "chat m", (0, 1), attributes) else {
            panic!("a span")
        };
        let Value::Object(resource) = list.clone() else { panic!("an object") };
        span.source = std::sync::Arc::new(Source { resource, ..Source::default() });
        read(&Item::Span(span)).fields.get("credentials").cloned()
    };
    assert_eq!(of_list(json!({})), Some(json!([{ "id": "A", "exp": "2026-11-22T01:00:00Z" }])));
    assert_eq!(of_list(json!({ "evidence.credentials.0.id": "B" })), Some(json!([{ "id": "B" }])));
}

#[test]
fn an_act_claim_is_read_from_the_inside_out() {
    let found = field(
        "evidence.authority.act",
        &json!(
            r#"{"sub":"https://service16.example","iss":"https://as.example","iat":1795305600,"exp":1795306600,"cnf":{"jkt":"0ZcO"},
                "act":{"sub":"https://service77.example","cnf":{"x5t#S256":"bwcK"},"act":{"client_id":"s6BhdRkqt3"}}}"#
        ),
    );
    assert_eq!(
        found,
        Some(json!([
            { "principal": "s6BhdRkqt3" },
            { "principal": "https://service77.example", "confirmation": "mtls" },
            {
                "principal": "https://service16.example", "issuer": "https://as.example", "iat": "2026-11-22T00:00:00Z",
                "exp": "2026-11-22T00:16:40Z", "confirmation": "dpop",
            },
        ]))
    );
}

#[test]
fn a_broken_or_bottomless_act_claim_is_left_as_it_is() {
    let nested = |depth: usize| {
        (1..depth).fold(json!({ "sub": "a" }), |act, _| json!({ "sub": "a", "act": act })).to_string()
    };
    for text in [
        "agent",
        r#"{"sub":""}"#,
        r#"{"sub":7}"#,
        r#"{"sub":"a","act":"b"}"#,
        r#"{"sub":"a","act":[]}"#,
        r#"{"sub":"a","act":{"iss":"x"}}"#,
        r#"{"sub":"a","act":{"#,
        nested(17).as_str(),
    ] {
        assert_eq!(field("evidence.authority.act", &json!(text)), None, "{text}");
    }
    let deepest = field("evidence.authority.act", &json!(nested(16))).unwrap();
    assert_eq!(deepest.as_array().unwrap().len(), 16);
    assert!(field("evidence.authority.act", &json!(r#"{"sub":"a","act":null}"#)).is_some());
}

#[test]
fn no_hop_of_a_chain_is_left_out() {
    for (text, found) in [
        (json!("u-1, w"), Some(json!(["u-1", "w"]))),
        (json!(["u-1", "w"]), Some(json!(["u-1", "w"]))),
        (
            json!(r#"["u-1",{"principal":"m","actor":"w","nbf":1795305600},"w"]"#),
            Some(json!(["u-1", { "principal": "m", "actor": "w", "nbf": "2026-11-22T00:00:00Z" }, "w"])),
        ),
        (json!(r#"["u-1",["m"],"w"]"#), None),
        (json!(r#"["u-1",null,"w"]"#), None),
    ] {
        assert_eq!(field("evidence.authority.chain", &text), found, "{text}");
    }
    for (text, found) in [
        (json!(r#"[["a","b"],["a"]]"#), Some(json!([["a", "b"], ["a"]]))),
        (json!(["a b", "a"]), Some(json!([["a", "b"], ["a"]]))),
        (json!(r#"[["a"],[]]"#), Some(json!([["a"], []]))),
        (json!("a b"), None),
        (json!(r#"[["a"],5]"#), None),
    ] {
        assert_eq!(field("evidence.authority.scopes", &text), found, "{text}");
    }
}

#[test]
fn determining_policies_have_ids_and_effects() {
    let decided = |value: Value| {
        let attributes =
            json!({ "gen_ai.security.guardrail.name": "cedar", "evidence.policy.determining": value });
        read_span("a", "guard", attributes).fields.get("decision.determining").cloned()
    };
    for (value, found) in [
        (json!(["p0", "p1"]), Some(json!([{ "id": "p0" }, { "id": "p1" }]))),
        (json!("p0,p1"), Some(json!([{ "id": "p0" }, { "id": "p1" }]))),
        (
            json!(r#"[{"policyId":"p0","effect":"Permit"},{"id":"p1","effect":"deny","version":3}]"#),
            Some(
                json!([{ "id": "p0", "effect": "permit" }, { "id": "p1", "effect": "forbid", "version": "3" }]),
            ),
        ),
        (json!("[]"), Some(json!([]))),
        (json!(r#"["p0",["p1"]]"#), None),
    ] {
        assert_eq!(decided(value.clone()), found, "{value}");
    }
}
