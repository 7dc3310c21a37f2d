//! What a store or an index forgets, and what it must not.

use std::fs;

use bytes::Bytes;
use vouchlog_storage::{Batch, Growth, Index, IndexAnswer, IndexBatch, StateKey, Store};
use vouchlog_storage_sled::{RunIndex, SledStore};

use crate::synthetic::{check, grow, head, open};

fn set(store: &SledStore, size: u64, states: &[(&str, &str)]) {
    let state = |(key, value): &(&str, &str)| {
        (StateKey::new(key.as_bytes().to_vec()), Bytes::copy_from_slice(value.as_bytes()))
    };
    let states = states.iter().map(state).collect();
    let batch =
        Batch { head: head(size), count: 0, entries: Bytes::new(), states, growth: Growth::default() };
    store.commit(Some(size), batch).unwrap();
}

/// Whichever copy is lost, and whether or not the ledger was begun again meanwhile.
#[test]
fn a_removed_state_is_removed_from_both_copies() {
    for lost in ["live", "ledger"] {
        for goes_on in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let store = open(dir.path()).unwrap();
            grow(&store, None, 300, 100);
            let many: Vec<String> = (0..50).map(|n| format!("state {n}")).collect();
            let states: Vec<(&str, &str)> = many.iter().map(|key| (&key[..], "value")).collect();
            set(&store, 300, &states);
            let removed: Vec<(&str, &str)> = many.iter().map(|key| (&key[..], "")).collect();
            set(&store, 300, &removed);
            if goes_on {
                grow(&store, Some(300), 700, 50);
            }
            store.close().unwrap();
            drop(store);
            fs::remove_dir_all(dir.path().join(lost)).unwrap();
            let size = if goes_on { 700 } else { 300 };
            // It compares the states, which are those that `grow` sets and no others.
            assert_eq!(check(&open(dir.path()).unwrap()), size, "without {lost}");
            assert_eq!(check(&open(dir.path()).unwrap()), size, "and from both copies again");
        }
    }
}

/// The part of the index that is not on disk yet goes with the process; that it was there does not.
#[test]
fn an_index_that_forgot_its_newest_entries_remembers_how_far_it_reached() {
    let dir = tempfile::tempdir().unwrap();
    let batch = IndexBatch { upto: 5, stream_keys: vec![([2; 8], 1)], ..IndexBatch::default() };
    let index = RunIndex::open(dir.path()).unwrap();
    index.put(&batch).unwrap();
    // The process is killed.
    std::mem::forget(index);

    let index = RunIndex::open(dir.path()).unwrap();
    assert_eq!((index.covered(), index.remembered()), (Ok(0), Ok(5)));
    assert_eq!(index.by_stream_key([2; 8], 9), Ok(IndexAnswer::default()));
    index.put(&IndexBatch { upto: 3, ..batch.clone() }).unwrap();
    assert_eq!((index.covered(), index.remembered()), (Ok(3), Ok(5)));
    assert_eq!(index.by_stream_key([2; 8], 9).unwrap().covered, 3);
    index.put(&IndexBatch { from: 3, upto: 9, ..IndexBatch::default() }).unwrap();
    assert_eq!((index.covered(), index.remembered()), (Ok(9), Ok(9)));
    drop(index);
    let index = RunIndex::open(dir.path()).unwrap();
    assert_eq!((index.covered(), index.remembered()), (Ok(9), Ok(9)), "it was closed");
    index.clear().unwrap();
    assert_eq!((index.covered(), index.remembered()), (Ok(0), Ok(0)));
}
