//! A log that is away, a disk budget that is used up: emitters are told what is true, and what was lost is on record.

use std::time::Duration;

use serde_json::json;
use vouchlog_stream::StatementKind;

use super::world::{World, traces};
use crate::process::signal;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_log_is_away_emitters_notice_nothing() {
    let world = World::new();
    let log = world.start_log();
    let mut collector = world.start_collector(&[]);
    let mut sent = Vec::new();
    let mut send = async |round: u64| sent.extend(world.send_traces(round, 3).await);
    send(0).await;
    world.wait_for(StatementKind::Interaction, 3).await;
    signal(log.pid(), "STOP");
    for round in 1..10 {
        send(round).await;
    }
    // They are kept and stated without the log.
    let waiting = world.wait_for(StatementKind::Interaction, 30).await;
    assert!(waiting.iter().filter(|row| row.place.is_none()).count() >= 27);
    // Nobody need send telemetry elsewhere for that, and it is no secret either.
    let shown = async {
        loop {
            let answer = reqwest::get(format!("{}/readyz", collector.url)).await.unwrap();
            assert_eq!(answer.status(), 200);
            if answer
                .text()
                .await
                .unwrap()
                .contains("the oldest record that is not in the log has been waiting")
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), shown).await.expect("readiness hides what is not logged");
    collector.kill();
    collector = world.start_collector(&[]);
    for round in 10..15 {
        send(round).await;
    }
    signal(log.pid(), "CONT");
    assert_eq!(collector.terminate(), 0);
    let rows = world.rows(&[StatementKind::Interaction]).await;
    assert_eq!((rows.len(), rows.iter().filter(|row| row.place.is_some()).count()), (45, 45));
    let report = world.ask(0, &["audit", "--log", &world.log_url(), "--entries", "ours"]);
    assert_eq!(report["clean"], json!(true), "{report}");
    let found = world.by_answer(&sent).await;
    assert!(found.values().all(|rows| rows.len() == 1));
    drop(log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_records_and_odd_words_hold_nothing_up() {
    let world = World::new();
    let _log = world.start_log();
    let collector = world.start_collector(&[]);
    // Done together, they are more than the vault takes in one call.
    let text = "Where is order 8841? ".repeat(43_000);
    for round in 0..5 {
        let (mut body, _) = traces(0, round, 12);
        for span in body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array_mut().unwrap() {
            let attributes = span["attributes"].as_array_mut().unwrap();
            if let Some(input) = attributes.iter_mut().find(|one| one["key"] == "gen_ai.input.messages") {
                let messages = json!([{ "role": "user", "parts": [{ "type": "text", "content": text }] }]);
                input["value"]["stringValue"] = messages.to_string().into();
            }
        }
        assert_eq!(world.post("/v1/traces", &body).await, Some((reqwest::StatusCode::OK, json!({}))));
    }
    // No name of a class of records: what of it can be one is.
    let odd = json!({ "kind": "interaction", "custody": { "retention": "P7Y\n".repeat(100) } });
    assert_eq!(world.post("/v1/records", &odd).await.unwrap().0, reqwest::StatusCode::OK);
    let rows = world.wait_for(StatementKind::Interaction, 61).await;
    let classes = rows.iter().filter(|row| !row.retention.class.is_empty());
    let classes: Vec<_> = classes.map(|row| (&row.retention.class[..3], row.retention.until)).collect();
    assert_eq!(classes, [("P7Y", None)]);
    assert_eq!(collector.terminate(), 0);
    assert_eq!(world.rows(&[StatementKind::DeclaredLoss]).await, []);
}

/// A collector that has never reached its log cannot state anything yet: what comes in waits, until there is no more room.
async fn fill(world: &World) -> (u64, u64) {
    let (mut kept, mut told) = (0, 0);
    for round in 0..30 {
        let (body, answers) = traces(0, round, 4);
        let (status, said) = world.post("/v1/traces", &body).await.unwrap();
        match status.as_u16() {
            200 => kept += answers.len() as u64,
            503 => told += 2 * answers.len() as u64,
            _ => panic!("{status}: {said}"),
        }
    }
    (kept, told)
}

/// How many are declared lost in all. Every heartbeat tells of its own time, so there may be several that do.
async fn declared(world: &World, mode: &str) -> u64 {
    let mut declared = 0;
    for loss in world.rows(&[StatementKind::DeclaredLoss]).await {
        let loss = world.facts(loss).await["declared_loss"].clone();
        assert_eq!((&loss["mode"], &loss["cause"]), (&json!(mode), &json!("disk_budget")));
        declared += loss["count"].as_u64().unwrap();
    }
    declared
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_budget_is_told_to_emitters_and_declared() {
    let world = World::new();
    let collector = world.start_collector(&["--disk-budget", "32KiB", "--heartbeat", "1s"]);
    let (kept, told) = fill(&world).await;
    assert!(kept > 0 && told > 0, "{kept} {told}");
    let url = format!("{}/v1/traces", collector.url);
    let (body, _) = traces(1, 0, 4);
    let request = world.client.post(url).header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));

    let log = world.start_log();
    // What waited is recorded, and there is room again.
    world.wait_for(StatementKind::Interaction, usize::try_from(kept).unwrap()).await;
    let mut told = told + 8;
    while world.post("/v1/traces", &body).await.unwrap().0 == 503 {
        // A record is in the vault a moment before its body leaves the journal.
        told += 8;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(collector.terminate(), 0);
    assert_eq!(world.rows(&[StatementKind::Interaction]).await.len() as u64, kept + 4);
    assert_eq!(declared(&world, "spool").await, told, "spans, each attempt counted");
    drop(log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_fail_open_it_lets_business_go_on_and_declares_what_is_lost() {
    let world = World::new();
    let more = ["--disk-budget", "32KiB", "--heartbeat", "1s", "--mode", "fail_open"];
    let collector = world.start_collector(&more);
    let (taken, told) = fill(&world).await;
    assert_eq!((taken, told), (120, 0), "nobody is told to wait");
    let log = world.start_log();
    // What waited is recorded; the rest is declared, also if the collector stops before its next heartbeat.
    world.wait_for(StatementKind::DeclaredLoss, 1).await;
    assert_eq!(collector.terminate(), 0);
    let kept = world.rows(&[StatementKind::Interaction]).await.len() as u64;
    let declared = declared(&world, "fail_open").await;
    assert!(declared > 0 && kept > 0);
    assert_eq!(declared, 2 * (taken - kept), "two spans each");
    drop(log);
}
