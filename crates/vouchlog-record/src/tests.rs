//! Reading and writing records.

use proptest::prelude::*;
use serde_json::{Value, json};
use vouchlog_stream::StatementKind;

use crate::error::RecordError;
use crate::facets::Facet;
use crate::field::Field;
use crate::parties::InitiatorKind;
use crate::record::Record;

fn read(value: Value) -> Record {
    Record::from_value(value).unwrap().record
}

#[test]
fn what_the_model_does_not_know_is_kept_and_marked() {
    let value = json!({
        "kind": "interaction",
        "initiator": { "kind": "human", "sub": "u-1", "favourite/colour": "blue" },
        "policy": [{ "verdict": "allow" }, { "verdict": "deny", "x": { "y": [1, 2] } }],
        "input": { "content": { "anything": { "goes": null } } },
        "vendor": { "a": 1 }
    });
    let record = read(value.clone());
    let unknown: Vec<_> = record.unknown().keys().map(String::as_str).collect();
    assert_eq!(unknown, ["/initiator/favourite~1colour", "/policy/1/x", "/vendor"]);
    assert_eq!(Value::Object(record.to_object()), value);
}

#[test]
fn four_states_of_a_missing_value_are_four() {
    let record = read(json!({
        "kind": "interaction",
        "device": { "$": "not_applicable" },
        "initiator": { "sub": { "$": "erased" }, "iss": { "$": "redacted" } }
    }));
    assert_eq!(record.body.device, Field::NotApplicable);
    let initiator = record.body.initiator.value().unwrap();
    assert_eq!((&initiator.sub, &initiator.iss), (&Field::Erased, &Field::Redacted));
    assert_eq!(initiator.kind, Field::Absent);
    assert_eq!(read(Value::Object(record.to_object())), record);
}

#[test]
fn an_error_names_the_place() {
    for (value, place, words) in [
        (json!({ "kind": "chat" }), "kind", "`chat` is not a kind of record"),
        (
            json!({ "kind": "interaction", "initiator": { "kind": "robot" } }),
            "initiator.kind",
            "unknown variant `robot`",
        ),
        (json!({ "kind": "interaction", "time": { "start": "yesterday" } }), "time.start", ""),
        (
            json!({ "kind": "interaction", "policy": [{}, { "verdict": "maybe" }] }),
            "policy[1].verdict",
            "unknown variant",
        ),
        (
            json!({ "kind": "interaction", "input": { "commitment": "sha256:ab" } }),
            "input.commitment",
            "an unsalted digest",
        ),
        (json!({ "kind": "interaction", "time": [] }), "time", "expected an object, found a list"),
        (json!({}), "kind", "there is no such member"),
        (json!({ "kind": "interaction", "id": "a b" }), "id", "a record's id has"),
    ] {
        match Record::from_value(value.clone()) {
            Err(RecordError::Field { at, problem }) => {
                assert!(at == place && problem.contains(words), "{value}: {at}: {problem}");
            }
            other => panic!("{value}: {other:?}"),
        }
    }
}

#[test]
fn every_input_has_a_bound() {
    let mut deep = json!(1);
    for _ in 0..70 {
        deep = json!([deep]);
    }
    let deep = json!({ "kind": "interaction", "input": { "content": deep } });
    assert!(matches!(Record::from_value(deep), Err(RecordError::TooDeep)));
    let many: Vec<_> = (0..1_001).map(|_| json!({})).collect();
    let many = json!({ "kind": "interaction", "tools": many });
    assert!(matches!(Record::from_value(many), Err(RecordError::TooMany { at }) if at == "/tools"));
    let long = vec![b' '; crate::limits::MAX_RECORD_BYTES + 1];
    assert!(matches!(Record::from_json(&long), Err(RecordError::TooLong(_))));
    assert!(matches!(Record::from_json(b"[]"), Err(RecordError::NotAnObject)));
    assert!(matches!(Record::from_json(b"{"), Err(RecordError::Json(_))));
    let other = json!({ "kind": "interaction", "schema": "ier/1" });
    assert!(matches!(Record::from_value(other), Err(RecordError::Schema(_))));
}

#[test]
fn secrets_are_taken_out_and_counted_wherever_they_are() {
    let jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1LTEifQ.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw";
    let value = json!({
        "kind": "interaction",
        "vendor": { "headers": { "Authorization": "x", "Set-Cookie": ["a=b"], "x-goog-api-key": "k", "accept": "*/*" } },
        "credential": { "id": "k-1", "authorization_details": { "clientSecret": "s3cr3t" } },
        "input": { "content": [{ "text": format!("use Bearer abcdefghijkl1234 and {jwt}, and sk-proj4abcdefghijklmnop.") }] },
        "output": { "content": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----" },
        "custody": { "secrets_removed": 2 }
    });
    let parsed = Record::from_value(value).unwrap();
    assert_eq!(parsed.removed.len(), 6, "{:?}", parsed.removed);
    let text = Value::Object(parsed.record.to_object()).to_string();
    for secret in [jwt, "abcdefghijkl1234", "s3cr3t", "sk-proj4", "MIIE", "a=b"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("*/*") && text.contains("and [secret removed: "), "{text}");
    assert_eq!(parsed.record.body.custody.value().unwrap().secrets_removed, Field::Value(8));
}

#[test]
fn what_only_sounds_like_a_secret_stays() {
    let value = json!({
        "kind": "interaction",
        "usage": { "input_tokens": 12 },
        "vendor": { "token_count": 3, "secretary": "Ann", "password": { "$": "redacted" }, "cookie": false },
        "input": { "content": "ask sk-learn-contributors about basic authorization: see RFC 9110, 11.6.2." }
    });
    let parsed = Record::from_value(value.clone()).unwrap();
    assert_eq!(parsed.removed, Vec::<String>::new());
    assert_eq!(Value::Object(parsed.record.to_object()), value);
}

#[test]
fn a_record_says_what_it_is_found_by() {
    let record = read(json!({
        "kind": "interaction",
        "correlation": { "session": "s-1", "trace": "t-1", "intent": "i-1" },
        "initiator": { "iss": "https://idp.example", "sub": "u-1", "end_user": "guest-7", "pseudonym": "guest-7" },
        "credential": { "id": "c-1" },
        "custody": { "service": "support-assistant" },
        "tools": [{ "name": "refund", "credential": "c-3", "downstream": [{ "credential": "c-2" }, { "credential": "c-1" }] }],
        "model": { "credential": "c-4" },
        "policy": [{ "verdict": "step_up" }]
    }));
    let facets: Vec<String> =
        record.facets().into_iter().map(|(facet, value)| format!("{}={value}", facet.name())).collect();
    let expected = [
        "session=s-1",
        "trace=t-1",
        "initiator=guest-7",
        "initiator=https://idp.example|u-1",
        "initiator=u-1",
        "credential=c-1",
        "credential=c-2",
        "credential=c-3",
        "credential=c-4",
        "tool=refund",
        "verdict=step_up",
        "service=support-assistant",
        "refers=i-1",
    ];
    assert_eq!(facets, expected);
    assert_eq!(record.subjects(), ["guest-7", "https://idp.example|u-1"]);
    assert_eq!(record.profile(), crate::record::Profile::Privileged);
}

#[test]
fn a_person_is_found_at_any_issuer_and_in_any_form_of_the_name() {
    let of = |initiator: Value| {
        Record::from_value(json!({ "kind": "interaction", "initiator": initiator })).unwrap().record
    };
    let record = of(json!({ "iss": "https://idp.example/", "sub": "Zo\u{eb}", "end_user": "guest-7" }));
    for name in [
        "https://idp.example/|Zo\u{eb}",
        "https://idp.example|Zo\u{eb}",
        "https://idp.example//|Zoe\u{308}",
        "Zo\u{eb}",
        "Zoe\u{308}",
    ] {
        assert_eq!(record.subjects_named(name), ["https://idp.example/|Zo\u{eb}"], "{name}");
        // What it is found by says the same.
        let canonical = |(facet, value): &(Facet, String)| facet.canonical(value).into_owned();
        let found: Vec<String> = record.facets().iter().map(canonical).collect();
        assert!(found.contains(&Facet::Initiator.canonical(name).into_owned()), "{name}");
    }
    assert_eq!(record.subjects_named("guest-7"), ["guest-7"]);
    for other in [
        "Zoe",
        "zo\u{eb}",
        "https://idp.example",
        "https://other.example|Zo\u{eb}",
        "|Zo\u{eb}",
        "guest-70",
        "",
    ] {
        assert_eq!(record.subjects_named(other), [""; 0], "{other}");
    }
    // A subject may have a bar of its own.
    let record = of(json!({ "iss": "https://idp.example", "sub": "auth0|5/" }));
    for name in ["auth0|5/", "https://idp.example/|auth0|5/"] {
        assert_eq!(record.subjects_named(name), ["https://idp.example|auth0|5/"], "{name}");
    }
    // Only of people: an address is one with its slash.
    assert_eq!(Facet::Tool.canonical("a/|e\u{301}"), "a/|\u{e9}");
}

#[test]
fn a_heartbeat_is_a_record_like_all_others() {
    let value = json!({
        "kind": "heartbeat",
        "heartbeat": { "from": "2026-11-18T09:06:00Z", "to": "2026-11-18T09:07:00Z", "number": 3,
            "counts": { "interaction": 2, "session-seal": 1 }, "received": 12, "waiting": 4, "lost": 0 }
    });
    let record = read(value.clone());
    assert_eq!((record.kind, record.unknown().len()), (StatementKind::Heartbeat, 0));
    let counts = record.body.heartbeat.value().unwrap().counts.value().unwrap();
    assert_eq!(
        counts.iter().map(|(kind, n)| (kind.as_str(), *n)).collect::<Vec<_>>(),
        [("interaction", 2), ("session-seal", 1)]
    );
    assert_eq!(Value::Object(record.to_object()), value);
}

#[test]
fn groups_are_filled_in_place() {
    let mut record = Record::new(StatementKind::Interaction);
    record.body.initiator.get_or_default().kind = InitiatorKind::Human.into();
    record.body.initiator.get_or_default().sub = "u-1".into();
    let object = record.to_object();
    assert_eq!(
        Value::Object(object),
        json!({ "kind": "interaction", "initiator": { "kind": "human", "sub": "u-1" } })
    );
}

#[test]
fn the_published_schema_is_the_model_s() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/record.schema.json");
    if std::env::var_os("VOUCHLOG_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{:#}\n", Record::json_schema())).unwrap();
    }
    let published: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(published == Record::json_schema(), "write it anew: vouchlog schema > docs/record.schema.json");
}

/// Free JSON under names that the model knows and some that it does not.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9:-]{0,12}".prop_map(Value::from),
        Just(json!("2026-11-18T09:06:40.1Z")),
        Just(json!({ "$": "redacted" })),
        Just(json!(["a"])),
    ];
    let name = prop_oneof![
        Just("kind".to_owned()),
        Just("sub".to_owned()),
        Just("verdict".to_owned()),
        Just("start".to_owned()),
        Just("content".to_owned()),
        Just("status".to_owned()),
        Just("downstream".to_owned()),
        "[a-z~/$]{1,4}",
    ];
    leaf.prop_recursive(3, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::btree_map(name.clone(), inner.clone(), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            prop::collection::vec(inner, 0..4).prop_map(Value::Array),
        ]
    })
}

proptest! {
    #[test]
    fn reading_is_total_and_what_is_written_reads_the_same(
        groups in prop::collection::btree_map(
            prop::sample::select(vec!["initiator", "policy", "tools", "input", "time", "credential", "vendor", "a/b"]), json(), 0..6,
        )
    ) {
        let mut object: serde_json::Map<_, _> = groups.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        object.insert("kind".into(), "interaction".into());
        if let Ok(parsed) = Record::from_value(Value::Object(object)) {
            let written = parsed.record.to_object();
            let again = Record::from_value(Value::Object(written.clone())).unwrap();
            prop_assert_eq!(&again.record, &parsed.record);
            prop_assert_eq!(again.removed.len(), 0);
            let _ = (parsed.record.facets(), parsed.record.subjects(), parsed.record.profile());
        }
    }
}

#[test]
fn credentials_are_one_or_a_list_and_never_both() {
    let one = json!({ "id": "c-1" });
    let record = read(json!({ "kind": "interaction", "credential": one }));
    let places: Vec<_> = record.credentials().map(|(at, _)| at).collect();
    assert_eq!(places, ["/credential"]);
    let record =
        read(json!({ "kind": "interaction", "credentials": [one, { "id": "c-2" }], "credential": null }));
    let named: Vec<_> = record.credentials().map(|(at, it)| (at, it.id.value().cloned())).collect();
    assert_eq!(
        named,
        [
            ("/credentials/0".to_owned(), Some("c-1".to_owned())),
            ("/credentials/1".to_owned(), Some("c-2".to_owned()))
        ]
    );
    for both in [
        json!({ "kind": "interaction", "credential": one, "credentials": [one] }),
        json!({ "kind": "interaction", "credential": { "$": "redacted" }, "credentials": [one] }),
        json!({ "kind": "interaction", "credential": one, "credentials": [] }),
    ] {
        match Record::from_value(both) {
            Err(RecordError::Field { at, problem }) => {
                assert!(at == "credentials" && problem.contains("`credential`"), "{at}: {problem}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_may_be_one_or_several_is_written_as_it_was_read() {
    for value in [
        json!({ "kind": "interaction", "approval": { "state": "approved" }, "override": { "$": "not_applicable" } }),
        json!({ "kind": "interaction", "approval": [{ "state": "approved", "x": 1 }, { "state": "pending" }], "override": [] }),
        json!({ "kind": "interaction", "authority": { "chain": ["u-1", "agent"] } }),
        json!({ "kind": "interaction", "authority": { "chain": ["u-1", { "principal": "agent", "issuer": "https://idp.example",
            "exp": "2026-11-18T09:06:40Z", "confirmation": "dpop", "claims": { "x": 1 } }] } }),
    ] {
        let record = read(value.clone());
        assert_eq!(Value::Object(record.to_object()), value);
        assert_eq!(read(Value::Object(record.to_object())), record);
    }
    let record = read(json!({ "kind": "interaction", "approval": [{}, { "rationale": "because", "x": 1 }] }));
    assert_eq!(record.unknown().keys().collect::<Vec<_>>(), ["/approval/1/x"]);
    let shown = record.without_content();
    let approvals: Vec<_> = shown.body.approval.value().unwrap().places("/approval").collect();
    assert_eq!(approvals[1].0, "/approval/1");
    assert_eq!(approvals[1].1.rationale, Field::Redacted);
}

#[test]
fn a_hop_is_a_name_or_says_more() {
    let of = |hop: Value| read(json!({ "kind": "interaction", "authority": { "chain": [hop] } }));
    let hop = |record: &Record| record.body.authority.value().unwrap().chain.value().unwrap()[0].clone();
    assert_eq!(hop(&of(json!("u-1"))).principal(), Some("u-1"));
    assert_eq!(hop(&of(json!({ "principal": "u-1" }))).principal(), Some("u-1"));
    let withheld = hop(&of(json!({ "$": "redacted" })));
    assert_eq!((withheld.principal(), withheld.is_withheld()), (None, true));
    for wrong in [json!(1), json!(["u-1"]), json!({ "exp": "never" }), json!({ "$": "lost" })] {
        let value = json!({ "kind": "interaction", "authority": { "chain": [wrong] } });
        assert!(
            matches!(Record::from_value(value), Err(RecordError::Field { at, .. }) if at.starts_with("authority.chain[0]"))
        );
    }
}

#[test]
fn ids_that_look_like_secrets_are_told_apart() {
    let key = crate::stand_in::RedactionKey::new(&[3; 32]);
    let id = |id: &str| {
        let value = json!({ "kind": "interaction", "credential": { "id": id } });
        let parsed = Record::from_value_with(value, &key).unwrap();
        assert_eq!(parsed.removed, ["/credential/id"]);
        parsed.record.credentials().next().unwrap().1.id.value().unwrap().clone()
    };
    let (mine, other) = (id("AKIAIOSFODNN7EXAMPLE"), id("AKIAI44QH8DHBEXAMPLE"));
    assert_ne!(mine, other);
    assert_eq!(mine, id("AKIAIOSFODNN7EXAMPLE"));
    assert!(!crate::stand_in::is_collapsed_secret(&mine));
    assert_eq!(key.redacted("AKIAIOSFODNN7EXAMPLE"), mine, "it can be looked for");
}

#[test]
fn a_session_of_a_cloud_role_never_has_its_key_id() {
    let key = crate::stand_in::RedactionKey::new(&[3; 32]);
    let value = json!({
        "kind": "interaction",
        "workload": { "id": "arn:aws:sts::123456789012:assumed-role/refunds/run-42", "credential": "ASIAIOSFODNN7EXAMPLE" },
        "credentials": [{
            "id": "ASIAIOSFODNN7EXAMPLE", "type": "sts_session", "exp": "2026-11-18T10:00:00Z",
            "role_session": { "role": "arn:aws:iam::123456789012:role/refunds", "name": "run-42", "source_identity": "ann" },
        }],
        "tools": [{ "credential": "ASIAIOSFODNN7EXAMPLE" }, { "credential": "ASIAI44QH8DHBEXAMPLE" }],
    });
    let parsed = Record::from_value_with(value, &key).unwrap();
    assert_eq!(parsed.removed.len(), 4, "{:?}", parsed.removed);
    let named: Vec<_> = parsed.record.named_credentials().cloned().collect();
    let described = parsed.record.credentials().next().unwrap().1.clone();
    let id = described.id.value().unwrap();
    assert_eq!((&named[0], &named[1]), (id, id), "each use names the one that is described");
    assert_ne!(&named[2], id, "another key is another credential");
    let text = Value::Object(parsed.record.to_object()).to_string();
    assert!(!text.contains("EXAMPLE") && text.contains("assumed-role/refunds/run-42"), "{text}");
    assert!(parsed.record.unknown().is_empty(), "{:?}", parsed.record.unknown());
}
