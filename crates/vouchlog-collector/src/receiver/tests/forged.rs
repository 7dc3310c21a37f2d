//! Goal: no emitter writes what is not its to state: the collector's account of itself, other services, other sessions, and the life of
//! credentials. Method: bodies that forge each of them, by callers with and without the grant.

use jiff::Timestamp;
use serde_json::json;
use vouchlog_access::{Access, AccessFile, BearerToken, Reach, Setup};

use super::*;

/// Tokens of the file below, by the principal's name.
fn token(name: &str) -> String {
    format!("{name}-0123456789abcdef")
}

fn sha256(text: &str) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()))
}

fn access() -> Access {
    let principal = |name: &str, emit: Value| json!({ "name": name, "tokens": [{ "sha256": sha256(&token(name)) }], "emit": emit });
    let file = json!({ "principals": [
        principal("support", json!({ "services": ["support-*"], "sessions": ["s-*"] })),
        principal("issuer", json!({ "kinds": ["credential-event"] })),
        principal("admin", json!({ "services": ["*"], "kinds": ["configuration"], "seal": ["*"] })),
        { "name": "reader", "tokens": [{ "sha256": sha256(&token("reader")) }], "roles": ["read"] },
    ] });
    let file = AccessFile::parse(file.to_string().as_bytes()).unwrap();
    Access::new(&Setup { file: Some(file), ..Setup::default() }, || Timestamp::UNIX_EPOCH).unwrap()
}

async fn served(access: Access) -> Served {
    Served::with(ReceiverConfig { access, ..ReceiverConfig::default() }).await
}

/// What a body of one record is answered with.
async fn status(served: &Served, caller: &str, path: &str, body: &Value) -> StatusCode {
    let bearer = format!("Bearer {}", token(caller));
    let headers = [JS, ("authorization", bearer.as_str())];
    let headers = if caller.is_empty() { &headers[..1] } else { &headers[..] };
    served.post(path, headers, body.to_string()).await.status
}

#[tokio::test]
async fn what_only_the_collector_and_the_vault_state_is_refused_from_anyone() {
    let forged = [
        json!({ "kind": "heartbeat", "heartbeat": { "number": 7, "lost": 0 } }),
        json!({ "kind": "declared-loss", "declared_loss": { "count": 1 } }),
        json!({ "kind": "session-seal", "correlation": { "session": "s-1" }, "session_seal": { "records": 1 } }),
        json!({ "kind": "finding", "finding": { "code": "R69", "record": "r-1" } }),
        json!({ "kind": "disclosure", "disclosure": { "records": ["r-1"] } }),
        json!({ "kind": "erasure", "erasure": { "records": ["r-1"] } }),
        json!({ "kind": "hold", "hold": { "name": "case 17", "action": "lifted" } }),
        json!({ "kind": "opaque" }),
        json!({ "kind": "configuration", "configuration": { "subject": "gateway", "id": "collector" } }),
        json!({ "kind": "configuration", "configuration": { "subject": "dialects", "id": "gen_ai" } }),
        json!({ "kind": "configuration", "configuration": { "mode": "fail_open" } }),
        json!({ "kind": "configuration" }),
        // The same, in a record of another kind.
        json!({ "kind": "interaction", "session_seal": { "records": 1 } }),
        json!({ "kind": "interaction", "heartbeat": { "number": 7 } }),
        json!({ "kind": "interaction", "declared_loss": { "count": 1 } }),
        json!({ "kind": "interaction", "finding": { "code": "R69" } }),
        json!({ "kind": "interaction", "credential_event": { "action": "revoked" } }),
        json!({ "kind": "interaction", "configuration": { "subject": "agent", "id": "a" } }),
        json!({ "kind": "intent", "session_seal": { "records": 1 } }),
    ];
    let (trial, with_file) = (Served::start().await, served(access()).await);
    for record in &forged {
        for (served, caller) in
            [(&trial, ""), (&with_file, "support"), (&with_file, "issuer"), (&with_file, "admin")]
        {
            let answer = status(served, caller, "/v1/records", record).await;
            assert_eq!(answer, StatusCode::BAD_REQUEST, "{caller}: {record}");
            assert_eq!(served.sink.given(), [], "{caller}: {record}");
        }
        let intents = status(&trial, "", "/v1/intents", record).await;
        assert_ne!(intents, StatusCode::CREATED, "{record}");
        assert_eq!(trial.sink.given(), [], "{record}");
    }
    // Its neighbours are taken.
    let body = json!([forged[0], { "kind": "interaction" }]).to_string();
    let told = trial.post("/v1/records", &[JS], body).await.json();
    assert_eq!((&told["accepted"], &told["refused"][0]["place"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_credential_event_takes_an_issuer() {
    let event = json!({ "kind": "credential-event", "credential": { "id": "tok-1" },
        "credential_event": { "action": "revoked", "effective": "2026-01-01T00:00:00Z" } });
    let bearer = Some(BearerToken::new(&token("bearer")).unwrap());
    let bearer = Access::new(&Setup { bearer, ..Setup::default() }, || Timestamp::UNIX_EPOCH).unwrap();
    for (access, caller, expected) in [
        (Access::default(), "", 403),
        (Access::off(Reach::Network), "", 403),
        (bearer, "bearer", 403),
        (access(), "", 401),
        (access(), "support", 403),
        (access(), "admin", 403),
        (access(), "issuer", 200),
    ] {
        let served = served(access).await;
        assert_eq!(status(&served, caller, "/v1/records", &event).await.as_u16(), expected, "{caller}");
        assert_eq!(served.sink.given().len(), usize::from(expected == 200), "{caller}");
    }
    let served = served(access()).await;
    let interaction = json!({ "kind": "interaction" });
    assert_eq!(status(&served, "issuer", "/v1/records", &interaction).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_emitter_writes_its_own_services_and_sessions() {
    let served = served(access()).await;
    let record = |service: &str, session: &str| json!({ "kind": "interaction", "custody": { "service": service }, "correlation": { "session": session } });
    let conversation = json!({ "kind": "interaction", "correlation": { "conversation": "other" } });
    for (record, expected) in [
        (record("support-eu", "s-1"), 200),
        (json!({ "kind": "interaction" }), 200),
        (record("refunds", "s-1"), 403),
        (record("support-eu", "t-1"), 403),
        (conversation, 403),
    ] {
        let answer = status(&served, "support", "/v1/records", &record).await;
        assert_eq!(answer.as_u16(), expected, "{record}");
        let intent =
            json!({ "kind": "intent", "custody": record["custody"], "correlation": record["correlation"] });
        if expected == 403 {
            assert_eq!(
                status(&served, "support", "/v1/intents", &intent).await.as_u16(),
                expected,
                "{intent}"
            );
        }
    }
    let senders = served.sink.senders();
    assert_eq!(
        senders.iter().map(|sender| sender.name().map(|name| &**name)).collect::<Vec<_>>(),
        [Some("support"); 2]
    );
    assert_eq!(served.sink.given().len(), 2);
    assert_eq!(
        status(&served, "reader", "/v1/records", &json!({ "kind": "interaction" })).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(&served, "", "/v1/records", &json!({ "kind": "interaction" })).await,
        StatusCode::UNAUTHORIZED
    );

    // Telemetry: the items of other services are rejected one by one.
    let resource = |service: &str, session: &str, id: u8| {
        json!({ "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
            "scopeSpans": [{ "spans": [{ "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "name": "chat",
                "attributes": [{ "key": "gen_ai.operation.name", "value": { "stringValue": "chat" } },
                    { "key": "gen_ai.conversation.id", "value": { "stringValue": session } }] }] }] })
    };
    let spans = json!({ "resourceSpans": [resource("support-eu", "s-1", 1), resource("refunds", "s-1", 2), resource("support-eu", "t", 3)] });
    let bearer = format!("Bearer {}", token("support"));
    let answer = served.post("/v1/traces", &[JS, ("authorization", &bearer)], spans.to_string()).await;
    let partial = answer.json()["partialSuccess"].clone();
    assert_eq!(partial["rejectedSpans"], "2", "{partial}");
    assert!(
        partial["errorMessage"]
            .as_str()
            .unwrap()
            .contains("span 1: the caller may not send for this service"),
        "{partial}"
    );
    assert!(matches!(&served.sink.given()[..], [Handover::Body(_, _, 1)]));

    // An agent that is set up becomes an entry of the registry.
    let mut agent = resource("support-eu", "s-1", 4);
    agent["scopeSpans"][0]["spans"][0]["attributes"][0]["value"]["stringValue"] = "create_agent".into();
    let spans = json!({ "resourceSpans": [agent] }).to_string();
    let answer = served.post("/v1/traces", &[JS, ("authorization", &bearer)], spans).await;
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "1");
    assert_eq!(served.sink.given(), []);
}

#[tokio::test]
async fn a_session_is_sealed_by_callers_that_may() {
    let strangers = Access::off(Reach::Network);
    for (access, caller, session, expected) in [
        (Access::default(), "", "s-1", 202),
        (strangers, "", "s-1", 403),
        (access(), "", "s-1", 401),
        // Whether it is the caller's own is decided with the records.
        (access(), "support", "s-1", 202),
        (access(), "support", "t-1", 403),
        (access(), "admin", "t-1", 202),
        (access(), "reader", "s-1", 403),
    ] {
        let served = served(access).await;
        let path = format!("/v1/sessions/{session}/seal");
        assert_eq!(status(&served, caller, &path, &json!({})).await.as_u16(), expected, "{caller} {session}");
        assert_eq!(served.sink.given().len(), usize::from(expected == 202), "{caller} {session}");
    }
}

#[tokio::test]
async fn strangers_may_send_telemetry_and_nothing_that_changes_what_others_show() {
    let served = served(Access::off(Reach::Network)).await;
    let agent = json!({ "kind": "configuration", "configuration": { "subject": "agent", "id": "a", "agent": { "retired": "2020-01-01T00:00:00Z" } } });
    assert_eq!(status(&served, "", "/v1/records", &agent).await, StatusCode::FORBIDDEN);
    assert_eq!(served.sink.given(), []);
    assert_eq!(status(&served, "", "/v1/records", &json!({ "kind": "interaction" })).await, StatusCode::OK);
    // On this machine alone, an agent may be registered without a file.
    assert_eq!(status(&Served::start().await, "", "/v1/records", &agent).await, StatusCode::OK);
}
