//! kill -9 of the collector and of the log, again and again, under load: every acknowledged span is in the log exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use vouchlog_stream::StatementKind;

use super::world::{World, traces};
use crate::process::rounds;

/// In the short and the long form.
const KILLS: (u64, u64) = (6, 30);
const EMITTERS: u64 = 3;

/// Sends until it is told to stop, each body again until it is acknowledged, and counts the answers. Returns those that were acknowledged.
async fn emit(
    world: Arc<World>,
    emitter: u64,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        let (body, answers) = traces(emitter, round, 4);
        round += 1;
        loop {
            match world.post("/v1/traces", &body).await {
                Some((status, said)) if status.is_success() => {
                    assert_eq!(said, json!({}), "everything is taken");
                    break;
                }
                Some((status, said)) => assert_eq!(status, 503, "{said}"),
                None => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        count.fetch_add(answers.len(), Ordering::Relaxed);
        acknowledged.extend(answers);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing_and_double_nothing() {
    let world = Arc::new(World::new());
    let mut log = world.start_log();
    let mut collector = world.start_collector(&[]);
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let emitters: Vec<_> = (0..EMITTERS)
        .map(|emitter| tokio::spawn(emit(world.clone(), emitter, stop.clone(), count.clone())))
        .collect();
    for kill in 0..rounds(KILLS) {
        // Spread over start-up, waiting traces and steady recording; the spread repeats, the scheduling does not.
        tokio::time::sleep(Duration::from_millis(50 + kill * 173 % 1_500)).await;
        collector.kill();
        if kill % 7 == 3 {
            log.kill();
            log = world.start_log();
        }
        collector = world.start_collector(&[]);
    }
    let enough = async {
        while count.load(Ordering::Relaxed) <= 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), enough).await.expect("the collector takes spans");
    stop.store(true, Ordering::Relaxed);
    let mut sent = Vec::new();
    for emitter in emitters {
        sent.extend(emitter.await.unwrap());
    }
    world.wait_for(StatementKind::Interaction, sent.len()).await;
    assert_eq!(collector.terminate(), 0);

    let found = world.by_answer(&sent).await;
    for (answer, rows) in &found {
        assert_eq!(rows.len(), 1, "{answer}: {rows:?}");
        assert!(rows[0].place.is_some(), "{answer} is not in the log");
    }
    let interactions = world.rows(&[StatementKind::Interaction]).await;
    assert_eq!(interactions.len(), sent.len(), "a record for each call, and no other");
    assert_eq!(world.rows(&[StatementKind::Finding]).await.len(), 0);
    assert_eq!(world.rows(&[StatementKind::DeclaredLoss]).await.len(), 0);

    let logged = world.logged().await;
    let all = world.rows(&[]).await;
    assert!(all.iter().all(|row| logged.get(&row.digest) == Some(&1)), "each is in the log once");
    assert_eq!(logged.len(), all.len(), "and nothing else is");
    no_gap(&world, all.len() as u64);
    drop(log);
}

/// The auditor finds nothing, and the streams are proven complete to somebody who has only the log's key.
fn no_gap(world: &World, statements: u64) {
    let report = world.ask(0, &["audit", "--log", &world.log_url(), "--entries", "ours"]);
    assert_eq!(
        (&report["clean"], &report["checked"]["statements"]),
        (&json!(true), &json!(statements)),
        "{report}"
    );
    let streams = report["streams"].as_array().unwrap();
    assert!(streams.iter().all(|stream| stream["complete"] == true), "{report}");
    let file = world.path("completeness");
    world.ask(0, &["prove-complete", "--all", "--out", &file]);
    let said = world.ask(0, &["verify", "--completeness", &file]);
    assert_eq!(said["holds"], json!(true), "{said}");
}
