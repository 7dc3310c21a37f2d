//! Goal: nothing a log serves is believed that its key did not sign, and nothing it signed is forgotten.
//! Method: a log in memory that serves what it is told to; every lie must be named, with both notes where there are two.

use vouchlog_client::{Misbehaviour, VerifiedLog, VerifyError};
use vouchlog_merkle::{LeafIndex, TileId, TilePath, leaf_hash};
use vouchlog_note::SignedCheckpoint;

use crate::memory_log::MemoryLog;
use crate::world::{key, log_key, origin};

fn entries(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|n| format!("entry {n}"))
}

fn open(log: &MemoryLog) -> VerifiedLog<MemoryLog> {
    VerifiedLog::open(log.clone(), origin(), log_key().verifying_key().clone(), None).unwrap()
}

fn caught(result: Result<SignedCheckpoint, VerifyError>) -> (Misbehaviour, String, String) {
    match result {
        Err(VerifyError::Misbehaviour(evidence)) => (evidence.what, evidence.known, evidence.presented),
        other => panic!("it should be caught, not {other:?}"),
    }
}

#[tokio::test]
async fn growth_is_followed_and_entries_are_proven() {
    let log = MemoryLog::default();
    let verified = open(&log);
    assert_eq!(verified.update().await.unwrap().head(), log.head());
    let mut size = 0;
    for grown in [1, 2, 255, 256, 257, 700] {
        log.add(entries(size..grown));
        size = grown;
        assert_eq!(verified.update().await.unwrap().head(), log.head());
        for index in [0, size / 2, size - 1] {
            let (entry, file) = verified.entry(LeafIndex::new(u64::from(index))).await.unwrap();
            assert_eq!(entry, format!("entry {index}"));
            file.verify_inclusion(&leaf_hash(&entry), &log.head()).unwrap();
        }
    }
    // An entry behind the last checkpoint makes it look for a newer one.
    log.add(entries(700..710));
    assert_eq!(verified.entry(LeafIndex::new(709)).await.unwrap().0, "entry 709");
    let missing = verified.proof_file(LeafIndex::new(710)).await;
    assert!(matches!(missing, Err(VerifyError::NotYet { .. })));
}

#[tokio::test]
async fn a_rollback_is_caught() {
    let log = MemoryLog::of(entries(0..300));
    let older = MemoryLog::of(entries(0..299)).signed();
    let verified = open(&log);
    verified.update().await.unwrap();
    log.serve_note(Some(older.clone()));
    assert_eq!(caught(verified.update().await), (Misbehaviour::Rollback, log.signed(), older));
    // What was believed before still is.
    log.serve_note(None);
    verified.update().await.unwrap();
}

#[tokio::test]
async fn forks_of_the_same_and_of_a_larger_size_are_caught() {
    let log = MemoryLog::of(entries(0..300));
    let verified = open(&log);
    verified.update().await.unwrap();
    let other = MemoryLog::of(entries(0..299).chain(["another".to_owned()]));
    log.serve_note(Some(other.signed()));
    assert_eq!(caught(verified.update().await), (Misbehaviour::Fork, log.signed(), other.signed()));

    // A log that rewrote an entry serves tiles to match; they do not lead to the root that was remembered.
    let rewritten = MemoryLog::of(["rewritten".to_owned()].into_iter().chain(entries(1..600)));
    let trusting =
        VerifiedLog::open(rewritten.clone(), origin(), log_key().verifying_key().clone(), None).unwrap();
    trusting.accept(&log.signed()).await.unwrap();
    let found = caught(trusting.update().await);
    assert_eq!(found, (Misbehaviour::Inconsistent, log.signed(), rewritten.signed()));
    assert_eq!(trusting.head().unwrap().head(), log.head());
}

#[tokio::test]
async fn tampered_tiles_and_entries_prove_nothing() {
    let log = MemoryLog::of(entries(0..600));
    let verified = open(&log);
    verified.update().await.unwrap();
    let index = LeafIndex::new(5);
    let bundle = TilePath::Entries { index: 0, width: 256 };
    // The last byte of entry 5, whose bundle begins with ten framed entries of 2 + 7 bytes.
    log.tamper(bundle, 6 * 9 - 1);
    let error = verified.entry(index).await.unwrap_err();
    assert!(matches!(error, VerifyError::Entry { .. }) && error.is_finding(), "{error}");
    verified.entry(LeafIndex::new(6)).await.unwrap();
    log.mend();
    // A hash in the tile that entry 5's proof needs; entry 300 does not need it.
    log.tamper(TilePath::Hashes { tile: TileId { level: 0, index: 0 }, width: 256 }, 4 * 32);
    assert!(matches!(verified.entry(index).await, Err(VerifyError::Entry { .. })));
    verified.entry(LeafIndex::new(300)).await.unwrap();
    log.mend();
    verified.entry(index).await.unwrap();
}

#[tokio::test]
async fn another_key_or_origin_is_not_believed() {
    let log = MemoryLog::of(entries(0..3));
    let stranger =
        VerifiedLog::open(log.clone(), origin(), key(crate::world::ORIGIN, 7).verifying_key().clone(), None);
    let error = stranger.unwrap().update().await.unwrap_err();
    assert!(matches!(error, VerifyError::Checkpoint(_)) && error.is_finding());
    let elsewhere = vouchlog_note::Origin::new("log.example/elsewhere").unwrap();
    let elsewhere = VerifiedLog::open(log, elsewhere, log_key().verifying_key().clone(), None);
    assert!(matches!(elsewhere.unwrap().update().await, Err(VerifyError::Checkpoint(_))));
}

#[tokio::test]
async fn the_last_checkpoint_is_remembered_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let memory = dir.path().join("head");
    let open = |log: &MemoryLog| {
        let key = log_key().verifying_key().clone();
        VerifiedLog::open(log.clone(), origin(), key, Some(memory.clone()))
    };
    let log = MemoryLog::of(entries(0..300));
    open(&log).unwrap().update().await.unwrap();
    assert_eq!(std::fs::read_to_string(&memory).unwrap(), log.signed());

    let shorter = MemoryLog::of(entries(0..200));
    assert_eq!(caught(open(&shorter).unwrap().update().await).0, Misbehaviour::Rollback);
    assert_eq!(std::fs::read_to_string(&memory).unwrap(), log.signed());
    log.add(entries(300..301));
    open(&log).unwrap().update().await.unwrap();
    assert_eq!(std::fs::read_to_string(&memory).unwrap(), log.signed());

    for damage in ["", "not a note", &log.signed().replace("301", "302")] {
        std::fs::write(&memory, damage).unwrap();
        assert!(matches!(open(&log), Err(VerifyError::Memory { .. })), "{damage:?}");
    }
}
