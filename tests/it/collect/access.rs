//! What an emitter may state, as the program and its vault have it: forged evidence changes no verdict, and each record names its sender.

use serde_json::{Value, json};
use vouchlog_stream::StatementKind;

use super::world::World;
use crate::process::{signal, succeed, vouchlog};

/// A session of one interaction by a credential.
fn interaction(id: &str, session: &str) -> Value {
    json!({ "kind": "interaction", "id": id, "correlation": { "session": session },
        "time": { "start": "2026-11-18T10:00:00Z", "end": "2026-11-18T10:00:02Z" },
        "credential": { "id": "tok-1", "iat": "2026-11-18T09:00:00Z", "exp": "2026-11-18T11:00:00Z" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_evidence_of_any_emitter_changes_no_verdict() {
    let world = World::new();
    let log = world.start_log();
    let collector = world.start_collector(&[]);
    assert_eq!(world.post("/v1/records", &interaction("r-1", "victim")).await.unwrap().0, 200);
    world.wait_for(StatementKind::Interaction, 1).await;
    let verdicts = || {
        let said = world.ask(1, &["session", "victim"]);
        ["authorised", "executor", "credential", "complete"].map(|question| said["summary"][question].clone())
    };
    let before = verdicts();
    assert!(before.iter().all(Value::is_object), "{before:?}");
    for forged in [
        json!({ "kind": "credential-event", "id": "evil-1", "credential": { "id": "tok-1" },
            "credential_event": { "action": "revoked", "effective": "2026-11-18T09:30:00Z" } }),
        json!({ "kind": "session-seal", "id": "evil-2", "correlation": { "session": "victim" }, "session_seal": { "records": 1 } }),
        json!({ "kind": "heartbeat", "id": "evil-3", "heartbeat": { "number": 1, "lost": 0 } }),
        json!({ "kind": "declared-loss", "id": "evil-4", "declared_loss": { "count": 7 } }),
        json!({ "kind": "interaction", "id": "evil-5", "session_seal": { "records": 1 } }),
    ] {
        let (status, said) = world.post("/v1/records", &forged).await.unwrap();
        assert!(status.is_client_error() && said["accepted"] == json!(0), "{forged}: {status} {said}");
    }
    // What comes after it is recorded after it.
    assert_eq!(world.post("/v1/records", &interaction("r-2", "other")).await.unwrap().0, 200);
    world.wait_for(StatementKind::Interaction, 2).await;
    assert_eq!(verdicts(), before);
    let kinds = [StatementKind::CredentialEvent, StatementKind::SessionSeal, StatementKind::DeclaredLoss];
    assert_eq!(world.rows(&kinds).await, []);
    let heartbeats = world.rows(&[StatementKind::Heartbeat]).await;
    assert!(heartbeats.iter().all(|row| row.id.as_str() != "evil-3"));
    assert_eq!(collector.terminate(), 0);
    drop(log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_caller_sends_what_its_principal_may_and_tokens_are_rotated() {
    let world = World::new();
    let log = world.start_log();
    let made = |name: &str| -> (String, Value) {
        let file = world.path(&format!("{name}.token"));
        let said: Value =
            serde_json::from_str(&succeed(&["token", "--json", "--expires", "1d", "--out", &file])).unwrap();
        (std::fs::read_to_string(&file).unwrap().trim().to_owned(), said["entry"].clone())
    };
    let ((app, app_entry), (issuer, issuer_entry), (next, next_entry)) =
        (made("app"), made("issuer"), made("next"));
    let file = world.path("access.json");
    let write = |entry: &Value| {
        let access = json!({ "principals": [
            { "name": "support-app", "tokens": [entry], "emit": { "services": ["support"] } },
            { "name": "issuer", "tokens": [issuer_entry], "emit": { "kinds": ["credential-event"] } } ] });
        std::fs::write(&file, access.to_string()).unwrap();
    };
    write(&app_entry);
    let collector = world.start_collector(&["--access", &file]);
    let send = async |token: &str, path: &str, body: &Value| {
        let request = world.client.post(format!("{}{path}", collector.url)).bearer_auth(token).json(body);
        request.send().await.unwrap().status().as_u16()
    };
    let event = json!({ "kind": "credential-event", "credential": { "id": "tok-1" }, "credential_event": { "action": "revoked" } });
    assert_eq!(send("", "/v1/records", &interaction("r-1", "s")).await, 401);
    assert_eq!(send(&app, "/v1/records", &event).await, 403);
    assert_eq!(send(&app, "/v1/records", &interaction("r-1", "s")).await, 200);
    assert_eq!(
        send(&app, "/v1/records", &json!({ "kind": "interaction", "custody": { "service": "refunds" } }))
            .await,
        403
    );
    assert_eq!(send(&issuer, "/v1/records", &event).await, 200);
    let row = world.wait_for(StatementKind::Interaction, 1).await.remove(0);
    assert_eq!(world.facts(row).await["custody"]["emitters"], json!(["support-app"]));
    let event = world.wait_for(StatementKind::CredentialEvent, 1).await.remove(0);
    assert_eq!(world.facts(event).await["custody"]["emitters"], json!(["issuer"]));
    // The issuer's door to the session is closed; the app's is open, as all of it is the app's.
    assert_eq!(send(&app, "/v1/sessions/s/seal", &json!({})).await, 202);
    world.wait_for(StatementKind::SessionSeal, 1).await;

    write(&next_entry);
    signal(collector.pid(), "HUP");
    let rotated = async {
        while send(&next, "/v1/records", &interaction("r-2", "s")).await != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), rotated).await.unwrap();
    assert_eq!(send(&app, "/v1/records", &interaction("r-3", "s")).await, 401);
    assert_eq!(collector.terminate(), 0);
    drop(log);

    // A file with a mistake is no access file, and nothing is served.
    std::fs::write(&file, r#"{"principals":[],"anonymus":{}}"#).unwrap();
    let mut command = world.collector(&["--access", &file]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("anonymus"));
}

/// A collector that others can reach says so, and says what anyone may do there.
#[test]
fn a_collector_that_others_reach_without_authentication_warns() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut child = vouchlog()
        .args([
            "collect",
            "--json",
            "--insecure-listen",
            "--otlp-http",
            "0.0.0.0:0",
            "--otlp-grpc",
            "127.0.0.1:0",
        ])
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    while !said.contains("not authenticated") {
        match lines.next() {
            Some(line) => said.push_str(&line.unwrap()),
            None => break,
        }
    }
    let _ = child.kill();
    child.wait().unwrap();
    assert!(said.contains("not authenticated") && said.contains("--access"), "{said}");
}
