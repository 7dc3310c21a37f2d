//! Every door leads to a record; intents, sessions and heartbeats are on record as they should be.

use serde_json::{Value, json};
use vouchlog_stream::StatementKind;

use super::world::{World, traces};
use crate::process::signal;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_has_a_receipt_before_the_call_and_its_outcome_cites_it() {
    let world = World::new();
    let log = world.start_log();
    let collector =
        world.start_collector(&["--mode", "fail_closed", "--intent-timeout", "15s", "--heartbeat", "1s"]);
    let intent = json!({ "correlation": { "idempotency_key": "call-1" }, "model": { "requested": "m" } });
    let (status, said) = world.post("/v1/intents", &intent).await.unwrap();
    assert_eq!((status.as_u16(), &said["state"]), (201, &json!("logged")), "{said}");
    let proof = world.path("intent.tlog-proof");
    std::fs::write(&proof, said["receipt"].as_str().unwrap()).unwrap();
    let digest = said["digest"].as_str().unwrap();
    assert_eq!(world.ask(0, &["verify", "--proof", &proof, "--digest", digest])["holds"], json!(true));

    let outcome = json!({ "kind": "interaction", "correlation": { "idempotency_key": "call-1" } });
    assert_eq!(world.post("/v1/records", &outcome).await.unwrap().0, 200);
    let row = world.wait_for(StatementKind::Interaction, 1).await.remove(0);
    let facts = world.facts(row).await;
    assert_eq!(
        (&facts["correlation"]["intent"], &facts["correlation"]["write_ahead"]),
        (&said["id"], &json!(true))
    );

    // Without a log there is no receipt, and the caller is told not to go on.
    signal(log.pid(), "STOP");
    let (status, refused) = world.post("/v1/intents", &json!({ "id": "orphan" })).await.unwrap();
    assert_eq!(status, 503, "{refused}");
    signal(log.pid(), "CONT");
    let finding = world.wait_for(StatementKind::Finding, 1).await.remove(0);
    let facts = world.facts(finding).await;
    assert_eq!((&facts["finding"]["code"], &facts["finding"]["record"]), (&json!("R69"), &json!("orphan")));
    assert_eq!(collector.terminate(), 0);
    drop(log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_doors_join_what_they_bring_to_the_call() {
    let world = World::new();
    let log = world.start_log();
    let collector = world.start_collector(&[]);
    let (body, answers) = traces(0, 0, 1);
    assert_eq!(world.post("/v1/traces", &body).await.unwrap().0, 200);
    let trace = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"].clone();
    let decision = json!([{ "decision_id": "d-1", "trace_id": trace, "path": "http/refunds/allow",
        "result": { "allow": true }, "bundles": { "authz": { "revision": "r7" } },
        "timestamp": "2026-11-21T10:00:00Z", "input": { "response_id": answers[0] } }]);
    assert_eq!(world.post("/logs", &decision).await.unwrap().0, 200);
    let row = world.wait_for(StatementKind::Interaction, 1).await.remove(0);
    assert_eq!(world.facts(row).await["policy"][0]["decision_id"], "d-1");

    let callback = json!([{ "id": answers[0], "litellm_call_id": "l-1", "call_type": "acompletion", "status": "success",
        "model": "model-1", "startTime": 1_795_300_000.1, "endTime": 1_795_300_000.9,
        "messages": [{ "role": "user", "content": "hello" }], "response": { "id": answers[0], "model": "model-1-2026" } }]);
    assert_eq!(world.post("/v1/litellm", &callback).await.unwrap().0, 200);
    let rows = world.wait_for(StatementKind::Interaction, 2).await;
    assert_eq!(rows[1].amends.as_ref(), Some(&rows[0].id), "one call, told by two");

    let mixed = json!([{ "kind": "interaction" }, { "kind": "nonsense" }, 7]);
    let (status, said) = world.post("/v1/records", &mixed).await.unwrap();
    assert_eq!((status.as_u16(), &said["accepted"]), (200, &json!(1)), "{said}");
    assert_eq!(said["refused"].as_array().unwrap().len(), 2);
    assert_eq!(collector.terminate(), 0);
    drop(log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_numbered_and_sealed_and_heartbeats_count_what_the_stream_has() {
    let world = World::new();
    let log = world.start_log();
    // A log takes no telemetry: whatever is passed on to it is refused.
    let elsewhere = world.log_url();
    let more = ["--heartbeat", "1s", "--session-idle", "20s", "--forward", &elsewhere];
    let collector = world.start_collector(&more);
    for round in 0..5 {
        let (body, _) = traces(0, round, 1);
        assert_eq!(world.post("/v1/traces", &body).await.unwrap().0, 200);
    }
    world.wait_for(StatementKind::Interaction, 5).await;
    let (status, _) =
        world.post("/v1/sessions/session-0-0/seal", &json!({ "reason": "done" })).await.unwrap();
    assert_eq!(status, 202);
    let seal = world.wait_for(StatementKind::SessionSeal, 1).await.remove(0);
    let seal = world.facts(seal).await["session_seal"].clone();
    assert_eq!((&seal["records"], &seal["reason"]), (&json!(5), &json!("done")));
    let said = world.ask(1, &["session", "session-0-0"]);
    let text = said.to_string();
    assert!(!text.contains("R65") && !text.contains("R66"), "complete, and sealed: {text}");

    // One that nobody ends is over when nothing comes.
    let (body, _) = traces(1, 0, 1);
    assert_eq!(world.post("/v1/traces", &body).await.unwrap().0, 200);
    let seals = world.wait_for(StatementKind::SessionSeal, 2).await;
    assert_eq!(world.facts(seals[1].clone()).await["session_seal"]["reason"], "timeout");
    assert_eq!(collector.terminate(), 0);

    let mut rows = world.rows(&[]).await;
    rows.sort_by_key(|row| row.place.map(|place| place.sequence));
    let mut since: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    let (mut heartbeats, mut not_forwarded) = (0, 0);
    for row in rows {
        if row.kind == StatementKind::Heartbeat {
            let facts = world.facts(row.clone()).await;
            let told = facts["heartbeat"].get("counts").cloned().unwrap_or(json!({}));
            assert_eq!(told, json!(since), "{facts}");
            not_forwarded += facts["heartbeat"]["forward_dropped"].as_u64().unwrap();
            since.clear();
            heartbeats += 1;
        }
        *since.entry(row.kind.name().to_owned()).or_default() += 1;
    }
    assert!(heartbeats >= 5, "{heartbeats}");
    assert_eq!(not_forwarded, 6);
    drop(log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_bodies_get_clear_errors_and_memory_stays_flat() {
    let world = World::new();
    let log = world.start_log();
    let collector = world.start_collector(&[]);
    let mut before = collector.resident();
    let post = async |path: &str, kind: &str, encoding: Option<&str>, body: Vec<u8>| {
        let mut request = world.client.post(format!("{}{path}", collector.url)).header("content-type", kind);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        // A body that is too long is refused before it is all sent, and then there may be no one to read the answer.
        request.body(body).send().await.map_or(413, |answer| answer.status().as_u16())
    };
    let bomb = {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..256 {
            gzip.write_all(&vec![0; 1024 * 1024]).unwrap();
        }
        gzip.finish().unwrap()
    };
    for round in 0..9 {
        if round == 1 {
            // Buffers as large as these bodies are taken once; what grows from here on grows without a bound.
            before = collector.resident();
        }
        for path in ["/v1/traces", "/v1/logs"] {
            assert_eq!(post(path, "application/x-protobuf", None, vec![0xff; 100]).await, 400);
            assert_eq!(post(path, "application/json", None, b"{".to_vec()).await, 400);
            assert_eq!(post(path, "application/x-protobuf", Some("gzip"), bomb.clone()).await, 413);
            assert_eq!(post(path, "application/x-protobuf", None, vec![0; 17 * 1024 * 1024]).await, 413);
            assert_eq!(post(path, "text/plain", None, b"hello".to_vec()).await, 415);
        }
        let nested = "[".repeat(200_000).into_bytes();
        assert_eq!(post("/v1/records", "application/json", None, nested).await, 400);
    }
    let grown = collector.resident().saturating_sub(before);
    assert!(grown < 128 * 1024 * 1024, "{} MiB more", grown >> 20);
    let (body, _) = traces(0, 0, 1);
    assert_eq!(world.post("/v1/traces", &body).await, Some((reqwest::StatusCode::OK, json!({}))));
    assert_eq!(collector.terminate(), 0);
    assert_eq!(world.rows(&[StatementKind::Interaction]).await.len(), 1);
    let _: Value = world.ask(0, &["audit", "--log", &world.log_url(), "--entries", "ours"]);
    drop(log);
}
