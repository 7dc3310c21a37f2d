//! What a store that can give up entries promises.

use vouchlog_merkle::TileId;

use super::model::Model;
use crate::{Part, Pruned, Store, StoreError};

/// Checks every promise of [`Store::prune`]. For stores that can give up entries, beside [`check_store`](super::check_store).
///
/// # Panics
/// If a promise is broken.
pub fn check_pruning<S: Store, O: FnMut() -> S>(mut new_place: impl FnMut() -> O) {
    what_is_given_up_stays_so(new_place());
    what_cannot_be_given_up_is_refused(new_place());
    a_pruned_log_grows(new_place());
    removal_goes_on_after_each_restart(new_place());
    a_closed_store_gives_nothing_up(new_place());
}

/// Openings within which everything that was given up is removed.
const MAX_REMOVALS: u32 = 100;

/// A closed log of so many entries, everything full of it sealed.
fn grown<S: Store>(open: &mut impl FnMut() -> S, size: u64) -> Model {
    let mut model = Model::default();
    let store = open();
    model.append(&store, size);
    store.close().expect("it closes");
    model
}

fn what_is_given_up_stays_so<S: Store>(mut open: impl FnMut() -> S) {
    let model = grown(&mut open, 1_500);
    let store = open();
    model.recover(&store);
    assert_eq!(store.pruned(), None, "nothing was given up");
    let first = Pruned::new(768, 1_400, vec![0]);
    store.prune(&first).expect("what is sealed can be given up");
    check(&store, &model, &first);
    store.prune(&first).expect("the same once more changes nothing");
    drop(store);

    let store = open();
    model.recover(&store);
    check(&store, &model, &first);
    let second = Pruned::new(1_024, 1_450, vec![3]);
    store.prune(&second).expect("more can be given up, and what was kept before");
    check(&store, &model, &second);
    store.close().expect("it closes");
    drop(store);
    let store = open();
    model.recover(&store);
    check(&store, &model, &second);
}

/// Every tile is there, and every bundle but those that were given up.
fn check(store: &impl Store, model: &Model, pruned: &Pruned) {
    assert_eq!(store.pruned().as_deref(), Some(pruned), "the store knows what was given up");
    for (bundle, bytes) in model.full_bundles(0) {
        let id = TileId { level: 0, index: bundle };
        assert!(store.tile(id).is_ok_and(|tile| tile.is_some()), "the tile of bundle {bundle} stays");
        let read = store.entry_bundle(bundle);
        if pruned.has_removed(bundle) {
            let gone = StoreError::Pruned(pruned.minimum());
            assert_eq!(read, Err(gone.clone()), "bundle {bundle} was given up");
            assert_eq!(store.reread(Part::Bundle(bundle)), Err(gone), "bundle {bundle} was given up");
        } else {
            assert_eq!(read, Ok(Some(bytes)), "bundle {bundle} stays");
        }
    }
}

fn what_cannot_be_given_up_is_refused<S: Store>(mut open: impl FnMut() -> S) {
    let model = grown(&mut open, 1_500);
    let store = open();
    model.recover(&store);
    let first = Pruned::new(768, 1_400, vec![0]);
    store.prune(&first).expect("what is sealed can be given up");
    for (what, wrong) in [
        ("an unsealed bundle", Pruned::new(1_536, 1_600, vec![0])),
        ("the last sealed bundle", Pruned::new(1_280, 1_400, vec![0])),
        ("less than before", Pruned::new(512, 1_400, vec![0])),
        ("what would have to come back", Pruned::new(1_024, 1_400, vec![0, 1])),
    ] {
        assert!(store.prune(&wrong).is_err(), "{what} is refused");
        check(&store, &model, &first);
    }
}

fn a_pruned_log_grows<S: Store>(mut open: impl FnMut() -> S) {
    let mut model = grown(&mut open, 1_000);
    let store = open();
    model.recover(&store);
    let pruned = Pruned::new(512, 900, Vec::new());
    store.prune(&pruned).expect("what is sealed can be given up");
    for count in [20, 1, 500] {
        model.append(&store, count);
    }
    drop(store);
    let store = open();
    model.recover(&store);
    model.append(&store, 300);
    store.close().expect("it closes");
    check(&store, &model, &pruned);
    drop(store);
    model.recover(&open());
}

/// A process that ends after any removal, or before the first, leaves the rest to the next one. What stays is whole all the while.
fn removal_goes_on_after_each_restart<S: Store>(mut open: impl FnMut() -> S) {
    let model = grown(&mut open, 3_000);
    for pruned in [Pruned::new(1_024, 2_900, vec![0, 2]), Pruned::new(2_048, 2_950, vec![2, 5, 6])] {
        let store = open();
        model.recover(&store);
        store.prune(&pruned).expect("what is sealed can be given up");
        drop(store);
        let mut openings = 0;
        loop {
            let store = open();
            model.recover(&store);
            check(&store, &model, &pruned);
            let removed = store.remove_pruned().expect("what was given up can be removed");
            check(&store, &model, &pruned);
            if removed == 0 {
                break;
            }
            openings += 1;
            assert!(openings < MAX_REMOVALS, "removal comes to an end");
        }
    }
}

fn a_closed_store_gives_nothing_up<S: Store>(mut open: impl FnMut() -> S) {
    let model = grown(&mut open, 1_500);
    let store = open();
    model.recover(&store);
    store.close().expect("it closes");
    assert!(store.prune(&Pruned::new(768, 1_400, vec![0])).is_err(), "a closed store gives nothing up");
    drop(store);
    let store = open();
    model.recover(&store);
    assert_eq!(store.pruned(), None, "nothing was given up");
}
