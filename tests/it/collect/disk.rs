//! Full disks, and journals that are not what was written.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use vouchlog_stream::StatementKind;

use super::world::{World, traces};

/// A file system of 256 MiB in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this process may not mount.
    fn mount(at: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=256m", "tmpfs", at]).output().ok()?;
        mounted.status.success().then(|| Self(at.into()))
    }

    /// Leaves 32 MiB: less than the reserve.
    fn fill(&self) {
        let free = Command::new("df").args(["--output=avail", "-B1"]).arg(&self.0).output().unwrap();
        let free = String::from_utf8(free.stdout).unwrap();
        let free = free.lines().last().unwrap().trim().parse::<u64>().unwrap() - (32 << 20);
        let done =
            Command::new("fallocate").args(["-l", &free.to_string()]).arg(self.0.join("fill")).status();
        assert!(done.unwrap().success());
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("fill")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

async fn readiness(url: &str) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{url}/readyz")).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Waits until readiness says this.
async fn becomes(url: &str, status: StatusCode, word: &str) {
    let waiting = async {
        loop {
            let (found, text) = readiness(url).await;
            if found == status && text.contains(word) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "{:?}", readiness(url).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_journal_is_told_and_the_collector_goes_on_when_there_is_room() {
    let world = World::new();
    let Some(disk) = SmallDisk::mount(&world.path("collector")) else {
        return eprintln!("no disk is filled here: run as root where a tmpfs can be mounted");
    };
    let log = world.start_log();
    let collector = world.start_collector(&["--heartbeat", "1s"]);
    let (body, first) = traces(0, 0, 3);
    assert_eq!(world.post("/v1/traces", &body).await.unwrap().0, StatusCode::OK);
    disk.fill();
    let (body, second) = traces(0, 1, 3);
    let (status, said) = world.post("/v1/traces", &body).await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(said["message"].as_str().unwrap().contains("the disk is full"), "{said}");
    becomes(&collector.url, StatusCode::SERVICE_UNAVAILABLE, "the disk is full").await;
    disk.make_room();
    assert_eq!(world.post("/v1/traces", &body).await.unwrap().0, StatusCode::OK);
    becomes(&collector.url, StatusCode::OK, "").await;
    world.wait_for(StatementKind::Interaction, 6).await;
    world.wait_for(StatementKind::DeclaredLoss, 1).await;
    assert_eq!(collector.terminate(), 0);
    let found = world.by_answer(&[first, second].concat()).await;
    assert!(found.values().all(|rows| rows.len() == 1 && rows[0].place.is_some()));
    let report = world.ask(0, &["audit", "--log", &world.log_url(), "--entries", "ours"]);
    assert_eq!(report["clean"], json!(true), "{report}");
    drop((log, disk));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_vault_holds_up_records_and_nothing_else() {
    let world = World::new();
    let Some(disk) = SmallDisk::mount(&world.path("collector/vault")) else {
        return eprintln!("no disk is filled here: run as root where a tmpfs can be mounted");
    };
    let log = world.start_log();
    let collector = world.start_collector(&[]);
    let (body, mut sent) = traces(0, 0, 3);
    assert_eq!(world.post("/v1/traces", &body).await.unwrap().0, StatusCode::OK);
    world.wait_for(StatementKind::Interaction, 3).await;
    disk.fill();
    for round in 1..4 {
        let (body, more) = traces(0, round, 3);
        assert_eq!(world.post("/v1/traces", &body).await.unwrap().0, StatusCode::OK);
        sent.extend(more);
    }
    becomes(&collector.url, StatusCode::SERVICE_UNAVAILABLE, "the disk of the vault is full").await;
    disk.make_room();
    world.wait_for(StatementKind::Interaction, 12).await;
    becomes(&collector.url, StatusCode::OK, "").await;
    assert_eq!(collector.terminate(), 0);
    let found = world.by_answer(&sent).await;
    assert!(found.values().all(|rows| rows.len() == 1 && rows[0].place.is_some()));
    drop((log, disk));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_gone_or_damaged_is_refused_by_name() {
    let world = World::new();
    // It has never reached its log: everything waits in the journal.
    let collector = world.start_collector(&[]);
    for round in 0..5 {
        assert_eq!(world.post("/v1/traces", &traces(0, round, 3).0).await.unwrap().0, StatusCode::OK);
    }
    drop(collector);
    let journal = PathBuf::from(world.path("collector/journal"));
    let newest = journal.join("00000001");
    let whole = std::fs::read(&newest).unwrap();
    let mut flipped = whole.clone();
    flipped[3_000] ^= 1;
    for damaged in [None, Some(&flipped[..]), Some(&whole[..2_000])] {
        match damaged {
            None => std::fs::remove_file(&newest).unwrap(),
            Some(bytes) => std::fs::write(&newest, bytes).unwrap(),
        }
        refused(&world, "00000001");
        std::fs::write(&newest, &whole).unwrap();
    }
    let aside = Path::new(&world.path("aside")).to_owned();
    std::fs::rename(&journal, &aside).unwrap();
    refused(&world, "journal/");
    assert!(!journal.exists(), "nothing is made in its place");
    std::fs::rename(&aside, &journal).unwrap();

    let log = world.start_log();
    let collector = world.start_collector(&[]);
    world.wait_for(StatementKind::Interaction, 15).await;
    assert_eq!(collector.terminate(), 0);
    drop(log);
}

fn refused(world: &World, name: &str) {
    let output = world.collector(&[]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(name) && error.contains("the journal is rejected"), "{error}");
}
