//! kill -9 at any moment: every acknowledged commit is there, whole, and nothing is torn.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vouchlog_storage::Store;

use crate::synthetic::{batch, check, grow, open};

/// Set for the child process, which commits until it is killed.
pub(crate) const CHILD_DIR: &str = "VOUCHLOG_TEST_CRASH_DIR";
const ROUNDS: u64 = 12;

/// Batches of many sizes, chosen by the size reached, so that a restart goes on in another rhythm.
fn next_size(size: u64) -> u64 {
    size + match size % 7 {
        0 => 1,
        1..=3 => 64,
        4 => 1000,
        _ => 5000,
    }
}

/// The child: says every size once it is acknowledged.
#[test]
fn writer() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let store = open(Path::new(&dir)).unwrap();
    let mut size = store.load().unwrap().map(|_| check(&store));
    loop {
        let old = size.unwrap_or(0);
        store.commit(size, batch(old, next_size(old))).unwrap();
        size = Some(next_size(old));
        println!("acknowledged {}", next_size(old));
    }
}

/// Starts this test binary again, as the writer that is the test `writer`.
pub(crate) fn spawn(dir: &Path, writer: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", writer, "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a writer `after` its first acknowledged commit (or after its start); the last size it acknowledged.
pub(crate) fn kill(mut child: Child, first: bool, after: Duration) -> Option<u64> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let size_in = |line: String| line.strip_prefix("acknowledged ").and_then(|size| size.parse().ok());
    // Reading on from here would keep the pipe empty; a full one stops the child, which the rounds must outlast.
    let mut last = if first { lines.by_ref().find_map(size_in) } else { None };
    let reader = std::thread::spawn(move || lines.filter_map(size_in).last());
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    last = reader.join().unwrap().or(last);
    last
}

#[test]
fn nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for round in 0..ROUNDS {
        let after = Duration::from_micros(round * 17_919 % 60_000);
        let acknowledged =
            kill(spawn(dir.path(), "crash::writer"), true, after).expect("the writer gets somewhere");
        let store = open(dir.path()).unwrap();
        let size = check(&store);
        assert!(size >= acknowledged, "round {round}: {acknowledged} were acknowledged, {size} are there");
        assert!(size > reached, "round {round} goes on where the last one stopped");
        reached = size;
        if round % 3 == 0 {
            store.close().unwrap();
        }
    }
}

#[test]
fn a_store_cut_short_while_it_is_made_can_be_made_again() {
    for round in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let after = Duration::from_millis(4 * round);
        let acknowledged = kill(spawn(dir.path(), "crash::writer"), false, after).unwrap_or(0);
        let store = open(dir.path()).unwrap_or_else(|error| panic!("killed after {after:?}: {error}"));
        assert!(check(&store) >= acknowledged, "killed after {after:?}");
    }
}

/// What a kill between two writes of the first database leaves, each write cut anywhere.
#[test]
fn a_store_of_which_only_the_first_bytes_were_written_can_be_made_again() {
    let whole = tempfile::tempdir().unwrap();
    open(whole.path()).unwrap().close().unwrap();
    let read = |name: &str| std::fs::read(whole.path().join("live").join(name)).unwrap();
    let (settings, data) = (read("conf"), read("db"));
    assert!(!settings.is_empty() && !data.is_empty());
    let check = |settings: &[u8], data: Option<&[u8]>, what: String| {
        let dir = tempfile::tempdir().unwrap();
        let live = dir.path().join("live");
        std::fs::create_dir_all(live.join("blobs")).unwrap();
        std::fs::write(live.join("conf"), settings).unwrap();
        if let Some(data) = data {
            std::fs::write(live.join("db"), data).unwrap();
        }
        let store = open(dir.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(store.load().unwrap(), None);
        grow(&store, None, 1, 1);
    };
    for end in 0..=settings.len() {
        check(&settings[..end], None, format!("{end} bytes of the settings"));
    }
    for end in (0..40.min(data.len())).chain((40..data.len()).step_by(data.len() / 50 + 1)) {
        check(&settings, Some(&data[..end]), format!("{end} bytes of the data"));
    }
}
