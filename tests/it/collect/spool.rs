//! A spool that is damaged or lost: refused in words, and after the operator has followed them every record that is kept reaches the log,
//! once.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use vouchlog_stream::StatementKind;

use super::world::World;
use crate::process::signal;

/// Starts the collector on a spool that it must refuse, and returns what it says.
fn refused(world: &World) -> String {
    let output = world.collector(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_spool_loses_no_record() {
    let world = World::new();
    let log = world.start_log();
    let mut collector = world.start_collector(&[]);
    let mut sent = Vec::new();
    let mut send = async |round: u64| sent.extend(world.send_traces(round, 3).await);
    send(0).await;
    world.wait_for(StatementKind::Interaction, 3).await;
    signal(log.pid(), "STOP");
    for round in 1..6 {
        send(round).await;
    }
    let waiting = world.wait_for(StatementKind::Interaction, 18).await;
    assert!(waiting.iter().filter(|row| row.place.is_none()).count() >= 15);
    collector.kill();
    signal(log.pid(), "CONT");

    // One bit of a statement that waits.
    let state = PathBuf::from(world.path("collector/spool"));
    let file = state.join("spool/00000001");
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[900] ^= 4;
    std::fs::write(&file, damaged).unwrap();
    let said = refused(&world);
    assert!(said.contains("spool/00000001 is damaged at byte"), "{said}");
    assert!(said.contains("submitted without a vault") && said.contains("To continue, move"), "{said}");
    // All of it.
    std::fs::remove_dir_all(state.join("spool")).unwrap();
    let said = refused(&world);
    assert!(said.contains("is missing") && said.contains("To continue, move"), "{said}");

    std::fs::remove_file(state.join("FORMAT")).unwrap();
    collector = world.start_collector(&[]);
    send(6).await;
    let mut rows = world.wait_for(StatementKind::Interaction, 21).await;
    let all_logged = async {
        while rows.iter().any(|row| row.place.is_none()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            rows = world.rows(&[StatementKind::Interaction]).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_logged).await.expect("not all records reach the log");
    assert_eq!(collector.terminate(), 0);
    let rows = world.rows(&[]).await;
    assert!(rows.iter().all(|row| row.place.is_some()), "{rows:?}");
    let logged = world.logged().await;
    assert!(rows.iter().all(|row| logged[&row.digest] == 1));
    let report = world.ask(0, &["audit", "--log", &world.log_url(), "--entries", "ours"]);
    assert_eq!(report["clean"], json!(true), "{report}");
    let found = world.by_answer(&sent).await;
    assert!(found.values().all(|rows| rows.len() == 1));
    drop(log);
}
