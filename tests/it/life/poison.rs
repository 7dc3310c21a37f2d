//! A server that can no longer write exits with code 3, or stays up reading and reports it. Writing is stopped from outside: a limit
//! of file size that is set on the running process, under which its writes fail.

use std::process::Command;

use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_note::{Checkpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey};

use super::program::{Program, add, collect, get, has, limited, post, serve, try_add, witness};

/// From now on no file of the process grows, and none is written to beyond its first byte.
fn stop_writing(program: &Program) {
    let pid = program.pid().to_string();
    let set = Command::new("prlimit").args(["--pid", &pid, "--fsize=1:"]).status().unwrap();
    assert!(set.success());
}

#[tokio::test]
async fn a_log_that_cannot_write_exits_with_3_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    let mut log = Program::start(limited(&serve(&data, &[]), &["--fsize=unlimited:unlimited"]));
    assert_eq!(add(log.url(), "before").await.0, 200);
    stop_writing(&log);
    assert_eq!(add(log.url(), "refused").await.0, 503);
    log.wait_for_line("exiting with code 3");
    assert_eq!(log.end(), Some(3));
    let mut log = Program::start(serve(&data, &[]));
    assert!(has(log.url(), "before").await);
    assert_eq!(add(log.url(), "after").await.0, 200);
    assert_eq!(log.terminate(), Some(0));
}

#[tokio::test]
async fn a_log_that_is_to_stay_up_serves_reads_and_is_not_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    let command = limited(&serve(&data, &["--exit-when-poisoned=false"]), &["--fsize=unlimited:unlimited"]);
    let mut log = Program::start(command);
    assert_eq!(add(log.url(), "before").await.0, 200);
    stop_writing(&log);
    assert_eq!(add(log.url(), "refused").await.0, 503);
    log.wait_for_line("reads are served");
    let at = |path: &str| format!("{}{path}", log.url());
    assert_eq!(get(&at("/checkpoint")).await.unwrap().0, 200);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&at(path)).await.unwrap().0, 503, "{path}");
    }
    assert_eq!(log.terminate(), Some(0), "it stops as it was told");
}

#[tokio::test]
async fn a_witness_that_cannot_write_exits_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let name = "log.example.com/a";
    let log = SigningKey::generate(KeyName::new(name).unwrap(), SignatureType::Ed25519, [5; 32]).unwrap();
    let head = TreeHead { size: TreeSize::new(1), root: Hash::from_bytes([1; 32]) };
    let checkpoint = Checkpoint::new(Origin::new(name).unwrap(), head);
    let checkpoint = SignedCheckpoint::sign(&checkpoint, &log).unwrap();
    let command = witness(&folder.path().join("witness"), &["--log-vkey", &log.verifying_key().to_string()]);
    let mut witness = Program::start(limited(&command, &["--fsize=unlimited:unlimited"]));
    stop_writing(&witness);
    let url = format!("{}/add-checkpoint", witness.url());
    let (status, said) = post(&url, "none", format!("old 0\n\n{}", checkpoint.note())).await;
    assert_eq!(status, 503, "{said}");
    witness.wait_for_line("exiting with code 3");
    assert_eq!(witness.end(), Some(3));
}

#[tokio::test]
async fn a_collector_whose_log_cannot_write_exits_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let command = collect(&folder.path().join("collector"), &["--listen", "127.0.0.1:0"]);
    let mut collector = Program::start(limited(&command, &["--fsize=unlimited:unlimited"]));
    let log = collector.announced["log"].as_str().unwrap().to_owned();
    assert_eq!(add(&log, "before").await.0, 200);
    stop_writing(&collector);
    // The collector writes by itself, too, and may have ended over that.
    let answer = try_add(&log, "refused").await;
    assert!(answer.as_ref().map_or(true, |(status, _)| *status == 503), "{answer:?}");
    collector.wait_for_line("exiting with code 3");
    assert_eq!(collector.end(), Some(3));
}
