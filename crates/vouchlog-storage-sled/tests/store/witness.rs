//! The store of a witness: the suite of the contract, kill -9 at any moment, and what can happen to its directory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use vouchlog_merkle::{Hash, sha256};
use vouchlog_storage::{
    Revision, StoreError, StoreIdentity, WitnessChange, WitnessCommitError, WitnessStore, conformance,
};
use vouchlog_storage_sled::{Options, SledWitnessStore};

use crate::crash::{CHILD_DIR, kill, spawn};

const ROUNDS: u64 = 20;
/// Logs of the synthetic witness; every commit changes three of them.
const LOGS: u64 = 10;
const IDENTITY: StoreIdentity = StoreIdentity::from_bytes([0x17; 16]);

fn open(dir: &Path) -> Result<SledWitnessStore, StoreError> {
    SledWitnessStore::open(dir, IDENTITY, Options::default())
}

fn log(number: u64) -> Hash {
    sha256(&number.to_be_bytes())
}

/// How often the first `commits` commits changed a log: commit n changes the logs n, n + 1 and n + 2, modulo [`LOGS`].
fn revision_after(commits: u64, number: u64) -> Revision {
    let changes = (0..commits).filter(|commit| (0..3).any(|next| (commit + next) % LOGS == number)).count();
    Revision::new(changes as u64)
}

/// A state follows from its log and revision. As long as one with ML-DSA-44 lines.
fn state(number: u64, revision: Revision) -> Bytes {
    Bytes::from(format!("log {number} revision {revision}\n").repeat(300))
}

fn commit(store: &SledWitnessStore, commits: u64) {
    let changes: Vec<_> = (0..3)
        .map(|next| {
            let number = (commits + next) % LOGS;
            let expected = revision_after(commits, number);
            WitnessChange { origin: log(number), expected, state: state(number, expected.next()) }
        })
        .collect();
    store.commit(&changes).unwrap();
}

/// Checks that the store holds what some number of commits left, whole, and returns the number.
fn check(store: &SledWitnessStore) -> u64 {
    let mut revisions = 0;
    let mut found = Vec::new();
    store
        .load(&mut |origin, revision, state| {
            revisions += revision.get();
            found.push((origin, revision, state));
        })
        .unwrap();
    assert_eq!(revisions % 3, 0, "a commit is there in part");
    let commits = revisions / 3;
    for number in 0..LOGS {
        let revision = revision_after(commits, number);
        let expected = (revision != Revision::NONE).then(|| (log(number), revision, state(number, revision)));
        assert_eq!(found.iter().find(|(origin, ..)| *origin == log(number)), expected.as_ref());
    }
    commits
}

#[test]
fn passes_the_suite_of_witness_stores() {
    conformance::check_witness_store(|| {
        let dir = tempfile::tempdir().unwrap();
        move |identity| SledWitnessStore::open(dir.path(), identity, Options::default()).unwrap()
    });
}

/// The child: says every commit once it is acknowledged.
#[test]
fn writer() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let store = open(Path::new(&dir)).unwrap();
    for commits in check(&store).. {
        commit(&store, commits);
        println!("acknowledged {}", commits + 1);
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for round in 0..ROUNDS {
        let after = Duration::from_micros(round * 7919 % 60_000);
        let child = spawn(dir.path(), "witness::writer");
        let acknowledged = kill(child, true, after).expect("the writer gets somewhere");
        let store = open(dir.path()).unwrap();
        let commits = check(&store);
        assert!(
            commits >= acknowledged,
            "round {round}: {acknowledged} were acknowledged, {commits} are there"
        );
        assert!(commits > reached, "round {round} goes on where the last one stopped");
        reached = commits;
    }
}

#[test]
fn a_store_cut_short_while_it_is_made_can_be_made_again() {
    for round in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let child = spawn(dir.path(), "witness::writer");
        let acknowledged = kill(child, false, Duration::from_millis(2 * round)).unwrap_or(0);
        let store = open(dir.path()).unwrap_or_else(|error| panic!("killed after {} ms: {error}", 2 * round));
        assert!(check(&store) >= acknowledged, "killed after {} ms", 2 * round);
        assert_eq!(store.identity(), IDENTITY);
    }
}

/// A closed store after `commits` commits.
fn closed(commits: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    (0..commits).for_each(|at| commit(&store, at));
    store.close().unwrap();
    dir
}

#[test]
fn a_store_is_open_once() {
    let dir = closed(1);
    let store = open(dir.path()).unwrap();
    assert_eq!(open(dir.path()).unwrap_err(), StoreError::InUse);
    drop(store);
    open(dir.path()).unwrap();
}

#[test]
fn what_is_not_the_store_it_was_does_not_open() {
    type Inflict = fn(&Path);
    let damages: [(&str, Inflict); 7] = [
        ("without its database", |dir| fs::remove_dir_all(dir.join("live")).unwrap()),
        ("with an emptied database", |dir| fs::write(dir.join("live/db"), b"").unwrap()),
        ("with rubbish for a database", |dir| fs::write(dir.join("live/db"), vec![0xee; 1 << 20]).unwrap()),
        ("with another's database", |dir| {
            fs::remove_dir_all(dir.join("live")).unwrap();
            let other = tempfile::tempdir().unwrap();
            let named = StoreIdentity::from_bytes([0x99; 16]);
            drop(SledWitnessStore::open(other.path(), named, Options::default()).unwrap());
            crate::opening::copy(&other.path().join("live"), &dir.join("live"));
        }),
        ("with an older database", |dir| {
            fs::remove_dir_all(dir.join("live")).unwrap();
            crate::opening::copy(&closed(3).path().join("live"), &dir.join("live"));
        }),
        ("with half a FORMAT", |dir| {
            fs::write(dir.join("FORMAT"), "vouchlog witness store 1\nidentity 17").unwrap();
        }),
        ("of a log", |dir| fs::write(dir.join("FORMAT"), "vouchlog store 1\norigin a\n").unwrap()),
    ];
    for (damage, inflict) in damages {
        let dir = closed(5);
        inflict(dir.path());
        let error = open(dir.path()).expect_err(damage);
        let foreign = matches!(error, StoreError::Foreign(_));
        assert_eq!(foreign, damage == "of a log", "a store {damage}: {error}");
        assert_ne!(error, StoreError::InUse, "a store {damage}");
    }
}

/// One flipped byte anywhere in the database: an error, or nothing that mattered. Never a state of a moment before.
#[test]
fn a_flipped_byte_in_the_database_is_an_error_or_harmless() {
    let dir = closed(40);
    let db = fs::read(dir.path().join("live/db")).unwrap();
    let used = db.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for at in (0..used).step_by(used / 40).chain(used - 40..used) {
        let copy = tempfile::tempdir().unwrap();
        crate::opening::copy(dir.path(), copy.path());
        let mut damaged = db.clone();
        damaged[at] ^= 0x40;
        fs::write(copy.path().join("live/db"), damaged).unwrap();
        match open(copy.path()).map(|store| check_gently(&store)) {
            Ok(Some(commits)) => assert_eq!(commits, 40, "flipped at {at}: it went back and nobody says so"),
            Ok(None) | Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "no byte of the last commit matters");
}

/// As [`check`], where a load may fail.
fn check_gently(store: &SledWitnessStore) -> Option<u64> {
    store.load(&mut |_, _, _| {}).ok().map(|()| check(store))
}

/// What a power cut leaves of a file that was not synced: nothing, or an older count.
#[test]
fn a_count_that_lags_is_no_damage() {
    for left in [&b""[..], b"\0\0\0", &[0; 16], &[[0; 8], [0xff; 8]].concat()] {
        let dir = closed(5);
        fs::write(dir.path().join("COMMITS"), left).unwrap();
        assert_eq!(check(&open(dir.path()).unwrap()), 5, "{left:?}");
        assert_eq!(fs::read(dir.path().join("COMMITS")).unwrap()[..8], 5u64.to_be_bytes());
    }
}

#[test]
fn a_full_disk_refuses_and_breaks_nothing() {
    let dir = closed(2);
    let full = Options { min_free_bytes: u64::MAX, ..Options::default() };
    let store = SledWitnessStore::open(dir.path(), IDENTITY, full).unwrap();
    let change = WitnessChange { origin: log(50), expected: Revision::NONE, state: Bytes::new() };
    let outcome = store.commit(&[change]);
    assert!(matches!(outcome, Err(WitnessCommitError::Refused(_))), "{outcome:?}");
    assert!(store.impediment().is_some());
    assert_eq!(check(&store), 2);
}

#[test]
fn a_store_of_which_only_the_first_bytes_were_written_can_be_made_again() {
    let whole = tempfile::tempdir().unwrap();
    drop(open(whole.path()).unwrap());
    let settings = std::fs::read(whole.path().join("live/conf")).unwrap();
    for end in 0..=settings.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("live/blobs")).unwrap();
        std::fs::write(dir.path().join("live/conf"), &settings[..end]).unwrap();
        let store = open(dir.path()).unwrap_or_else(|error| panic!("{end} bytes of the settings: {error}"));
        assert_eq!(store.identity(), IDENTITY);
    }
}
