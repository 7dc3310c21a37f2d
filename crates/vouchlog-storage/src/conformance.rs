//! The suite every store and every index must pass. It panics with a sentence that says which promise was broken.
//!
//! The suite is handed *places*: every call of the outer closure makes a new, empty place (a directory, a schema, a bucket),
//! and every call of what that returns opens the store which lives there, as a new process would.
//!
//! ```
//! use std::sync::Arc;
//! use vouchlog_storage::{MemoryStore, conformance};
//!
//! conformance::check_store(|| {
//!     let mut last = Arc::new(MemoryStore::new());
//!     move || {
//!         last = Arc::new(last.reopen());
//!         last.clone()
//!     }
//! });
//! ```

mod index;
mod model;
mod pruning;
mod witness;

use bytes::Bytes;
use vouchlog_merkle::TileId;

pub use index::check_index;
pub use pruning::check_pruning;
pub use witness::check_witness_store;

use crate::{CommitError, StateKey, Store};
use model::Model;

/// Sizes around which tiles, bundles and their parents become full.
const SIZES: [u64; 12] = [1, 2, 255, 256, 257, 511, 512, 513, 767, 65_535, 65_536, 65_537];
/// The most entries the engine puts into one commit.
const BIG_BATCH: u64 = 16_384;
/// The longest entry its 16-bit length allows.
const LONGEST_ENTRY: usize = 65_535;

/// Checks every promise of [`Store`]. At one time at most one store is open in a place.
///
/// # Panics
/// If a promise is broken.
pub fn check_store<S: Store, O: FnMut() -> S>(mut new_place: impl FnMut() -> O) {
    a_new_store_is_empty(new_place());
    a_head_that_moved_is_told(new_place());
    what_contradicts_itself_is_refused(new_place());
    states_are_replaced(new_place());
    removed_states_are_gone(new_place());
    many_states_come_back(new_place());
    every_size_comes_back(new_place());
    every_size_comes_back_uncleanly(new_place());
    sealing_can_be_repeated(new_place());
    what_was_signed_is_remembered(new_place());
    a_closed_store_only_reads(new_place());
    big_batches_and_long_entries_come_back(new_place());
    single_entries_come_back(new_place());
}

fn a_new_store_is_empty<S: Store>(mut open: impl FnMut() -> S) {
    for _ in 0..2 {
        let store = open();
        assert_eq!(store.load(), Ok(None), "a new store holds nothing");
        assert_eq!(store.tile(TileId { level: 0, index: 0 }), Ok(None), "a new store has no tiles");
        assert_eq!(store.entry_bundle(0), Ok(None), "a new store has no bundles");
        assert_eq!(store.impediment(), None, "a new store takes commits");
        store.close().expect("a new store closes");
    }
}

fn a_head_that_moved_is_told<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    let store = open();
    refuse_as_moved(&store, &model, Some(5));
    model.append(&store, 300);
    for wrong in [None, Some(0), Some(299), Some(301), Some(u64::MAX)] {
        refuse_as_moved(&store, &model, wrong);
    }
    model.append(&store, 1);
    drop(store);

    let store = open();
    model.check_loaded(&store);
    refuse_as_moved(&store, &model, Some(300));
    refuse_as_moved(&store, &model, None);
}

/// A batch that is right but for the head it expects must be refused and change nothing.
fn refuse_as_moved<S: Store>(store: &S, model: &Model, expected: Option<u64>) {
    let mut stranger = Model::of_size(expected.unwrap_or(0).min(1000));
    let mut batch = stranger.batch(&[Bytes::from_static(b"of another writer")]);
    batch.head.size = vouchlog_merkle::TreeSize::new(expected.unwrap_or(0).saturating_add(1));
    batch.states.push((StateKey::new(b"of another writer".to_vec()), Bytes::from_static(b"x")));
    let found = model.size().unwrap_or(0);
    assert_eq!(
        store.commit(expected, batch),
        Err(CommitError::Moved { expected: expected.unwrap_or(0), found }),
        "a commit that expects size {expected:?} meets size {found}"
    );
    match model.size() {
        None => assert_eq!(store.load(), Ok(None), "a refused commit leaves a new store empty"),
        Some(_) => model.check_loaded(store),
    }
}

fn what_contradicts_itself_is_refused<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    let store = open();
    model.append(&store, 255);
    let entries = [Bytes::from_static(b"the one that fills a bundle")];
    let broken = [
        model.clone().batch_with(&entries, |batch| batch.count = 2),
        model.clone().batch_with(&entries, |batch| batch.count = 0),
        model.clone().batch_with(&entries, |batch| batch.entries = Bytes::new()),
        model.clone().batch_with(&entries, |batch| batch.entries = Bytes::from_static(b"\xff\xffshort")),
        model.clone().batch_with(&entries, |batch| batch.head.size = vouchlog_merkle::TreeSize::new(0)),
        model.clone().batch_with(&entries, |batch| batch.growth.bundles.clear()),
        model.clone().batch_with(&entries, |batch| batch.growth.tiles.clear()),
        model.clone().batch_with(&entries, |batch| batch.growth.bundles[0].0 = 1),
    ];
    for batch in broken {
        let outcome = store.commit(Some(255), batch.clone());
        assert!(
            matches!(outcome, Err(CommitError::Refused(_))),
            "{outcome:?} is no refusal of a batch of {} entries that contradicts itself",
            batch.count
        );
        model.check_loaded(&store);
    }
    model.append(&store, 1);
    model.check_reads(&store);
}

fn states_are_replaced<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    let store = open();
    model.append(&store, 3);
    let long_key = vec![0xff; StateKey::MAX_BYTES];
    for value in [&b"first"[..], b"\0", b"third", &[0; 60_000]] {
        for key in [&b""[..], b"a", b"a\0", b"b", &long_key] {
            model.set_state(&store, key, value);
        }
        model.check_loaded(&store);
    }
    store.close().expect("it closes");
    drop(store);
    model.check_loaded(&open());
}

/// An empty value removes a state, whether or not there is one, and whether or not the store is closed before it is opened again.
fn removed_states_are_gone<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    let store = open();
    model.append(&store, 3);
    let keys = [&b""[..], b"a", b"a\0", b"b", b"c"];
    model.set_states(&store, keys.iter().map(|key| (key.to_vec(), b"value".to_vec())).collect());
    model.set_state(&store, b"a", b"");
    model.check_loaded(&store);
    model.set_state(&store, b"never there", b"");
    model.check_loaded(&store);
    drop(store);

    let store = open();
    model.recover(&store);
    // One batch removes a state, replaces another and brings a third back.
    let states = [(&b""[..], &b""[..]), (b"b", b"replaced"), (b"a", b"back")];
    model.set_states(&store, states.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect());
    model.check_loaded(&store);
    store.close().expect("it closes");
    drop(store);

    let store = open();
    model.recover(&store);
    keys.iter().for_each(|key| model.set_state(&store, key, b""));
    model.append(&store, 300);
    drop(store);
    model.check_loaded(&open());
}

fn many_states_come_back<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    let store = open();
    model.append(&store, 1);
    let states = (0..4_000u32).map(|n| (n.to_be_bytes().to_vec(), vec![n.to_le_bytes()[0]; 600])).collect();
    model.set_states(&store, states);
    model.append(&store, 10);
    drop(store);
    model.check_loaded(&open());
}

fn every_size_comes_back<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    for size in SIZES {
        let store = open();
        model.recover(&store);
        model.append(&store, size - model.size().unwrap_or(0));
        model.check_reads(&store);
        model.check_loaded(&store);
        store.close().expect("it closes");
        // Full tiles and bundles are read from wherever closing has put them.
        model.check_reads(&store);
        drop(store);

        let store = open();
        model.recover(&store);
        let sealed = store.load().expect("it loads").expect("it holds a log").sealed;
        assert_eq!(sealed, size & !255, "closing seals everything that is full");
        model.check_reads(&store);
    }
}

fn every_size_comes_back_uncleanly<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    for size in SIZES {
        let store = open();
        model.recover(&store);
        model.append(&store, size - model.size().unwrap_or(0));
        drop(store);
        let store = open();
        model.recover(&store);
        model.check_reads(&store);
    }
}

/// A restart hands back what the tail completes, any number of times, whether or not it was sealed in between.
fn sealing_can_be_repeated<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    for round in 0..6 {
        let store = open();
        model.recover(&store);
        model.check_reads(&store);
        model.append(&store, 200);
        model.check_reads(&store);
        if round % 2 == 1 {
            store.close().expect("it closes");
        }
    }
    let store = open();
    model.recover(&store);
    drop(store);
    let store = open();
    model.recover(&store);
    model.check_reads(&store);
}

/// What was noted as signed survives the end of the process, whatever was committed since.
fn what_was_signed_is_remembered<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    let store = open();
    assert_eq!(store.signed(), Ok(None), "a new store has signed nothing");
    let mut last = None;
    for _ in 0..5 {
        model.append(&store, 100);
        let head = store.load().expect("it loads").expect("it holds a log").head;
        store.note_signed(head).expect("what is signed is noted");
        last = Some(head);
        assert_eq!(store.signed(), Ok(last), "the newest signed head is remembered");
    }
    model.append(&store, 100);
    drop(store);
    let store = open();
    assert_eq!(store.signed(), Ok(last), "what was signed is remembered by the next process");
    model.check_loaded(&store);
}

fn a_closed_store_only_reads<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    let store = open();
    model.append(&store, 600);
    store.close().expect("it closes");
    let batch = model.clone().batch(&[Bytes::from_static(b"too late")]);
    let outcome = store.commit(model.size(), batch);
    assert!(matches!(outcome, Err(CommitError::Refused(_))), "{outcome:?} from a closed store is no refusal");
    assert!(store.impediment().is_some(), "a closed store says that it takes no commits");
    model.check_reads(&store);
    store.close().expect("closing twice is closing once");
    drop(store);
    model.check_loaded(&open());
}

fn big_batches_and_long_entries_come_back<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    let store = open();
    model.append(&store, BIG_BATCH);
    model.append(&store, BIG_BATCH);
    let longest = Bytes::from(vec![0xa5; LONGEST_ENTRY]);
    model.append_entries(&store, &vec![longest; 300]);
    model.append_entries(&store, &vec![Bytes::new(); 300]);
    model.check_reads(&store);
    drop(store);
    let store = open();
    model.recover(&store);
    model.append(&store, BIG_BATCH - 1);
    model.check_reads(&store);
    store.close().expect("it closes");
    drop(store);
    let store = open();
    model.recover(&store);
    model.check_reads(&store);
}

fn single_entries_come_back<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = Model::default();
    let store = open();
    for at in 0..600 {
        model.append(&store, 1);
        if at % 100 == 0 {
            model.check_loaded(&store);
        }
    }
    drop(store);
    let store = open();
    model.recover(&store);
    model.check_reads(&store);
}
