//! kill -9 at any moment, while sealing too: every acknowledged commit is there, and the bucket holds what was committed.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vouchlog_outbound::ConnectionSecurity;
use vouchlog_storage::Store;
use vouchlog_storage_object::Bucket;

use crate::pair::{Place, folder, open, s3};
use crate::synthetic::{batch, check, check_reads};

/// Set for the child process, which commits until it is killed.
const CHILD_DIR: &str = "VOUCHLOG_TEST_CRASH_DIR";
const CHILD_OBJECTS: &str = "VOUCHLOG_TEST_CRASH_OBJECTS";
const ROUNDS: u64 = 12;
/// All of a log is read in each round, so none grows over all of them.
const ROUNDS_OF_A_LOG: u64 = ROUNDS / 2;

/// Batches of many sizes, most of which fill bundles, so that something is being sealed at any time.
fn next_size(size: u64) -> u64 {
    size + match size % 5 {
        0 => 1,
        1 | 2 => 257,
        _ => 2000,
    }
}

/// The child: prints every size once it is acknowledged.
#[test]
fn writer() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let url = std::env::var(CHILD_OBJECTS).unwrap();
    let bucket = Bucket::open(&url.parse().unwrap(), &ConnectionSecurity::default()).unwrap();
    let store = open(Path::new(&dir), &bucket).unwrap();
    let mut size = store.load().unwrap().map(|_| check(&store));
    loop {
        let old = size.unwrap_or(0);
        store.commit(size, batch(old, next_size(old))).unwrap();
        size = Some(next_size(old));
        println!("acknowledged {}", next_size(old));
    }
}

fn spawn(dir: &Path, objects: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writer", "--nocapture"])
        .env(CHILD_DIR, dir)
        .env(CHILD_OBJECTS, objects)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a writer some time after its first acknowledged commit; the last size it acknowledged.
fn kill(mut child: Child, after: Duration) -> u64 {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let size_in = |line: String| line.strip_prefix("acknowledged ").and_then(|size| size.parse().ok());
    let first: u64 = lines.by_ref().find_map(size_in).expect("the writer gets somewhere");
    let reader = std::thread::spawn(move || lines.filter_map(size_in).last());
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap().unwrap_or(first)
}

fn nothing_acknowledged_is_lost(bucket: &Bucket, rounds: Range<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for round in rounds {
        let after = Duration::from_micros(round * 77_919 % 400_000);
        let acknowledged = kill(spawn(dir.path(), bucket.url()), after);
        let store = open(dir.path(), bucket).unwrap();
        let size = check(&store);
        assert!(size >= acknowledged, "round {round}: {acknowledged} were acknowledged, {size} are there");
        assert!(size > reached, "round {round} goes on where the last one stopped");
        reached = size;
        if round % 3 == 0 {
            store.close().unwrap();
        }
    }
    let store = open(dir.path(), bucket).unwrap();
    assert_eq!(check(&store), reached);
    store.close().unwrap();
    assert_eq!(store.sealed_size(), reached & !255);
    check_reads(&store, reached);
}

#[test]
fn nothing_acknowledged_is_lost_with_a_folder() {
    let objects = tempfile::tempdir().unwrap();
    nothing_acknowledged_is_lost(&folder(objects.path()), 0..ROUNDS_OF_A_LOG);
}

#[test]
fn nothing_acknowledged_is_lost_with_a_folder_at_other_moments() {
    let objects = tempfile::tempdir().unwrap();
    nothing_acknowledged_is_lost(&folder(objects.path()), ROUNDS_OF_A_LOG..ROUNDS);
}

#[test]
fn nothing_acknowledged_is_lost_with_an_s3_server() {
    let Some(server) = s3() else { return };
    nothing_acknowledged_is_lost(&Place::new(&server).bucket(), 0..ROUNDS_OF_A_LOG);
}
