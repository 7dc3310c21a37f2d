//! Goal: bodies that are no OTLP are taken whole or refused with their place, and an intent is answered with what shows it.

use serde_json::json;
use vouchlog_record::RecordId;
use vouchlog_stream::Digest;

use super::*;
use crate::testsupport::testdata;

#[tokio::test]
async fn records_are_taken_as_one_as_an_array_or_on_lines() {
    let served = Served::start().await;
    let good = json!({ "id": "r-1", "kind": "interaction", "credential": { "authorization": "Bearer sk-very-secret" } });
    let bad = json!({ "id": "r-2", "kind": "nonsense" });
    let bodies = [
        (good.to_string(), 1, vec![]),
        (json!([good, bad, good]).to_string(), 2, vec![1]),
        (format!("{good}\n{bad}\n{good}\n"), 2, vec![1]),
    ];
    for (body, accepted, refused) in bodies {
        let answer = served.post("/v1/records", &[JS, GZ], gzip(body.as_bytes())).await;
        let told = answer.json();
        assert_eq!((answer.status, &told["accepted"]), (StatusCode::OK, &json!(accepted)), "{told}");
        let places: Vec<u64> =
            told["refused"].as_array().unwrap().iter().map(|one| one["place"].as_u64().unwrap()).collect();
        assert_eq!(places, refused);
        assert_eq!(told["secrets_removed"], accepted, "{told}");
        assert_eq!(served.sink.given(), [Handover::Body(Door::Records, body.into(), accepted)]);
    }
    let nothing = served.post("/v1/records", &[JS], json!([bad]).to_string()).await;
    assert_eq!((nothing.status, &nothing.json()["accepted"]), (StatusCode::BAD_REQUEST, &json!(0)));
    assert_eq!(served.post("/v1/records", &[JS], "[]").await.status, StatusCode::OK);
    let broken = served.post("/v1/records", &[JS], "{").await;
    assert_eq!(
        (broken.status, broken.content_type.as_str()),
        (StatusCode::BAD_REQUEST, "application/problem+json")
    );
    assert_eq!(served.sink.given(), []);
    served.sink.answers(Err(Rejection::Full { held: 1, limit: 1 }));
    let full = served.post("/v1/records", &[JS], good.to_string()).await;
    assert_eq!((full.status, full.retry_after.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("5")));
    assert_eq!(full.json()["code"], "UNAVAILABLE");
}

#[tokio::test]
async fn an_id_that_belongs_to_another_record_is_a_conflict() {
    let served = Served::start().await;
    let taken = json!({ "id": "taken", "kind": "interaction", "usage": { "input_tokens": 1 } });
    let again = json!({ "id": "taken", "kind": "interaction" });
    let good = json!({ "id": "r-1", "kind": "interaction" });
    let answer = served.post("/v1/records", &[JS], taken.to_string()).await;
    assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::CONFLICT, &json!("ALREADY_EXISTS")));
    assert!(answer.json()["detail"].as_str().unwrap().starts_with("taken "), "{}", answer.json());
    assert_eq!(served.sink.given(), []);
    let answer = served.post("/v1/records", &[JS], again.to_string()).await;
    assert_eq!((answer.status, &answer.json()["accepted"]), (StatusCode::OK, &json!(1)), "a retry");
    served.sink.given();
    let both = json!([taken, good]).to_string();
    let answer = served.post("/v1/records", &[JS], both.clone()).await;
    assert_eq!((answer.status, &answer.json()["accepted"]), (StatusCode::OK, &json!(1)));
    assert_eq!(answer.json()["conflicts"], json!(["taken"]));
    assert_eq!(served.sink.given(), [Handover::Body(Door::Records, both.into(), 1)]);
    let intent = json!({ "id": "taken", "kind": "intent", "usage": { "input_tokens": 1 } });
    let answer = served.post("/v1/intents", &[JS], intent.to_string()).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(served.sink.given(), []);
}

/// An intent is answered before it is recorded: one that cannot be stated must not be announced.
#[tokio::test]
async fn an_intent_of_which_no_statement_can_be_made_is_refused() {
    let served = Served::start().await;
    let intent = json!({ "kind": "intent", "iss": "https://issuer.example" });
    let answer = served.post("/v1/intents", &[JS], intent.to_string()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json()["detail"].as_str().unwrap().contains("has a member `iss`"), "{}", answer.json());
    assert_eq!(served.sink.given(), []);
}

#[tokio::test]
async fn a_name_that_occurs_twice_is_refused_at_every_door() {
    let served = Served::start().await;
    let good = json!({ "id": "r-1", "kind": "interaction" });
    let body = format!(r#"[{good},{{"kind":"interaction","id":"a","id":"b"}}]"#);
    let told = served.post("/v1/records", &[JS], body).await.json();
    assert_eq!((&told["accepted"], &told["refused"][0]["place"]), (&json!(1), &json!(1)));
    assert_eq!(told["refused"][0]["why"], "the name `id` occurs twice in an object");
    for (path, body) in [
        ("/logs", r#"[{"decision_id":"d","decision_id":"e"}]"#),
        ("/v1/litellm", r#"[{"id":"a","id":"b"}]"#),
        ("/v1/intents", r#"{"kind":"intent","kind":"intent"}"#),
        ("/v1/sessions/s/seal", r#"{"reason":"done","reason":"abandoned"}"#),
    ] {
        let answer = served.post(path, &[JS], body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(String::from_utf8_lossy(&answer.body).contains("occurs twice"), "{path}");
    }
}

#[tokio::test]
async fn callbacks_and_decision_logs_are_taken() {
    let served = Served::start().await;
    let callback = std::fs::read(testdata().join("generic/litellm-proxy.json")).unwrap();
    let answer = served.post("/v1/litellm", &[JS], callback.clone()).await;
    assert_eq!((answer.status, &answer.json()["accepted"]), (StatusCode::OK, &json!(6)));
    assert_eq!(served.sink.given(), [Handover::Body(Door::LiteLlm, callback.into(), 6)]);
    let decisions = json!([{ "decision_id": "d-1", "result": true }, { "result": false }]).to_string();
    let answer = served.post("/logs", &[JS, GZ], gzip(decisions.as_bytes())).await;
    assert_eq!(answer.json()["refused"], json!([{ "place": 1, "why": "it has no decision_id" }]));
    assert_eq!(served.sink.given(), [Handover::Body(Door::Opa, decisions.into(), 1)]);
}

#[tokio::test]
async fn an_intent_is_answered_with_what_shows_it() {
    let served = Served::start().await;
    let receipt = |proof: Option<&str>, lost: bool| IntentReceipt {
        id: RecordId::new("i-1").unwrap(),
        digest: (!lost).then_some(Digest::from_bytes([7; 32])),
        index: proof.map(|_| 5),
        proof: proof.map(str::to_owned),
        lost,
    };
    let states =
        [(Some("c2sp.org/tlog-proof@v1"), false, "logged"), (None, false, "kept"), (None, true, "lost")];
    for (proof, lost, state) in states {
        served.sink.shows(receipt(proof, lost));
        let answer = served.post("/v1/intents", &[JS], json!({ "id": "i-1" }).to_string()).await;
        let told = answer.json();
        assert_eq!((answer.status, &told["state"]), (StatusCode::CREATED, &json!(state)));
        assert_eq!((&told["id"], &told["receipt"]), (&json!("i-1"), &json!(proof)));
        assert_eq!((told["digest"].is_null(), told["index"].is_null()), (lost, proof.is_none()));
    }
    for given in served.sink.given() {
        let Handover::Intent(record) = given else { panic!("{given:?}") };
        assert_eq!(record.kind, vouchlog_stream::StatementKind::Intent);
    }
    let other = served.post("/v1/intents", &[JS], json!({ "kind": "interaction" }).to_string()).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    assert!(other.json()["detail"].as_str().unwrap().contains("only intents"), "{}", other.json());
    assert_eq!(served.post("/v1/intents", &[JS], "[]").await.status, StatusCode::BAD_REQUEST);
    let long = vec![b' '; vouchlog_record::limits::MAX_RECORD_BYTES + 1];
    assert_eq!(served.post("/v1/intents", &[JS], long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    served.sink.answers(Err(Rejection::NoReceipt("it did not answer".into())));
    let unconfirmed = served.post("/v1/intents", &[JS], "{}").await;
    assert_eq!(unconfirmed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(unconfirmed.json()["detail"].as_str().unwrap().contains("do not proceed"));
}

#[tokio::test]
async fn a_session_is_sealed_for_a_reason() {
    let served = Served::start().await;
    let seals = [
        ("", SealReason::Done),
        ("{}", SealReason::Done),
        (r#"{"reason":"abandoned"}"#, SealReason::Abandoned),
    ];
    for (body, reason) in seals {
        let answer = served.post("/v1/sessions/chat%2F7/seal", &[JS], body).await;
        assert_eq!((answer.status, &answer.json()["state"]), (StatusCode::ACCEPTED, &json!("kept")));
        assert_eq!(served.sink.given(), [Handover::Seal("chat/7".into(), reason)]);
    }
    // That a session timed out is the collector's to say.
    for body in ["[]", "done", r#"{"reason":"bored"}"#, r#"{"reason":7}"#, r#"{"reason":"timeout"}"#] {
        assert_eq!(
            served.post("/v1/sessions/s/seal", &[JS], body).await.status,
            StatusCode::BAD_REQUEST,
            "{body}"
        );
    }
    let long = format!("/v1/sessions/{}/seal", "s".repeat(1_025));
    assert_eq!(served.post(&long, &[JS], "").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(served.sink.given(), []);
}
