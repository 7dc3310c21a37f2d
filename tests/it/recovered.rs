//! A log that was rebuilt by `vouchlog recover` from its served tiles, which lack the heads that gateways signed last: collectors and
//! gateways go on with it, lose nothing, and send nothing twice.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use vouchlog_stream::StatementKind;

use crate::collect::world::World;
use crate::process::{run, succeed, vouchlog};
use crate::witnesses::copy_dir;

/// Kills the log and puts in its place what `recover` builds from its tiles.
fn recover(world: &World, log: crate::process::Server) -> crate::process::Server {
    let (new, old) = (world.path("log.new"), world.path("log.old"));
    let url = world.log_url();
    let said = succeed(&["recover", "--json", "--log-vkey", &log.vkey, "--tiles", &url, "--to", &new]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(!said["streams_without_head"].as_array().unwrap().is_empty(), "{said}");
    log.kill();
    std::fs::rename(world.path("log"), old).unwrap();
    std::fs::rename(new, world.path("log")).unwrap();
    world.start_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_goes_on_with_a_recovered_log() {
    let world = World::new();
    let log = world.start_log();
    let collector = world.start_collector(&[]);
    let mut sent = Vec::new();
    let mut send = async |round: u64| sent.extend(world.send_traces(round, 3).await);
    send(0).await;
    send(1).await;
    let all_logged = async |count: usize| loop {
        let rows = world.wait_for(StatementKind::Interaction, count).await;
        if rows.iter().all(|row| row.place.is_some()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, all_logged(6)).await.expect("not everything is logged");
    let log = recover(&world, log);
    send(2).await;
    tokio::time::timeout(patience, all_logged(9)).await.expect("nothing is logged any more");
    assert_eq!(collector.terminate(), 0);
    let (rows, logged) = (world.rows(&[]).await, world.logged().await);
    assert!(rows.iter().all(|row| row.place.is_some() && logged[&row.digest] == 1), "{rows:?}");
    let report = world.ask(0, &["audit", "--log", &world.log_url(), "--entries", "ours"]);
    assert_eq!(report["clean"], json!(true), "{report}");
    assert!(world.by_answer(&sent).await.values().all(|rows| rows.len() == 1));
    drop(log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_a_spool_goes_on_with_a_recovered_log() {
    let world = World::new();
    let log = world.start_log();
    let (live, copy) = (world.path("state"), world.path("state.copy"));
    let vkey = log.vkey.clone();
    let submit = |state: &str, url: &str, digest: Option<u8>| {
        let digest = digest.map(|digest| hex::encode([digest; 32]));
        let mut command = vouchlog();
        command.args(["submit", "--log", url, "--log-vkey", &vkey, "--state", state, "--keep-open"]);
        let wait = if url == world.log_url() { "20s" } else { "500ms" };
        command.args(["--gateway-key", &world.path("gateway.key"), "--wait", wait]);
        match &digest {
            Some(digest) => command.args(["--digest", digest]),
            None => command.arg("--flush"),
        };
        command.output().unwrap()
    };
    let url = world.log_url();
    assert!(submit(&live, &url, Some(1)).status.success());
    // The log takes this one from the state, and the copy does not know it.
    let away = submit(&live, "http://127.0.0.1:1", Some(2));
    assert!(String::from_utf8_lossy(&away.stderr).contains("in the spool"), "{away:?}");
    copy_dir(Path::new(&live), Path::new(&copy));
    assert!(submit(&live, &url, None).status.success());
    let log = recover(&world, log);
    for (state, digest) in [(&copy, 3), (&live, 4)] {
        let more = submit(state, &url, Some(digest));
        assert!(more.status.success(), "{}", String::from_utf8_lossy(&more.stderr));
    }
    let logged = world.logged().await;
    assert_eq!(logged.values().copied().collect::<Vec<_>>(), [1; 4], "{logged:?}");
    let audit = run(&["audit", "--log", &url, "--log-vkey", &vkey]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    drop(log);
}
