//! The suite every witness store must pass.

use std::collections::BTreeMap;

use bytes::Bytes;
use vouchlog_merkle::{Hash, sha256};

use crate::witness_store::{MAX_WITNESS_CHANGES, MAX_WITNESS_STATE_BYTES};
use crate::{Revision, StoreIdentity, WitnessChange, WitnessCommitError, WitnessStore};

/// The name the suite gives a new store.
const FIRST: StoreIdentity = StoreIdentity::from_bytes([0xa1; 16]);
/// The name it offers when it opens one again, which must not be taken.
const OTHER: StoreIdentity = StoreIdentity::from_bytes([0xb2; 16]);
/// Logs of a large witness, so that a restart reads more than one page.
const MANY: u32 = 6_000;

/// Checks every promise of [`WitnessStore`]. The places open a store with the name it gets if it is new; at one time at most
/// one store is open in a place.
///
/// # Panics
/// If a promise is broken.
pub fn check_witness_store<S, O>(mut new_place: impl FnMut() -> O)
where
    S: WitnessStore,
    O: FnMut(StoreIdentity) -> S,
{
    a_store_keeps_its_name(new_place());
    states_come_back(new_place());
    a_state_that_moved_is_told(new_place());
    all_or_nothing(new_place());
    what_cannot_be_one_commit_is_refused(new_place());
    many_logs_come_back(new_place());
    of_two_writers_one_is_told(new_place());
    a_closed_store_only_reads(new_place());
}

/// What the suite committed, by log.
#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<Hash, (Revision, Bytes)>);

impl Model {
    fn change(&self, log: &str, state: &[u8]) -> WitnessChange {
        let origin = sha256(log.as_bytes());
        let expected = self.0.get(&origin).map_or(Revision::NONE, |(revision, _)| *revision);
        WitnessChange { origin, expected, state: Bytes::copy_from_slice(state) }
    }

    fn commit(&mut self, store: &impl WitnessStore, changes: &[WitnessChange]) {
        assert_eq!(store.commit(changes), Ok(()), "changes that expect what is there are committed");
        for change in changes {
            self.0.insert(change.origin, (change.expected.next(), change.state.clone()));
        }
    }

    fn check(&self, store: &impl WitnessStore) {
        let mut found = BTreeMap::new();
        store
            .load(&mut |origin, revision, state| {
                let before = found.insert(origin, (revision, state));
                assert!(before.is_none(), "the log {origin} is handed over twice");
            })
            .expect("it loads");
        assert!(found == self.0, "a store hands over exactly what was committed");
        for (origin, (_, state)) in self.0.iter().take(50) {
            assert_eq!(store.state(origin), Ok(Some(state.clone())), "the state of the log {origin}");
        }
        assert_eq!(store.state(&sha256(b"of nobody")), Ok(None), "an unknown log has no state");
    }
}

fn a_store_keeps_its_name<S: WitnessStore>(mut open: impl FnMut(StoreIdentity) -> S) {
    for offered in [FIRST, OTHER, OTHER] {
        let store = open(offered);
        assert_eq!(store.identity(), FIRST, "a store is named when it is made, and keeps the name");
        assert_eq!(store.impediment(), None, "a new store takes commits");
        Model::default().check(&store);
        store.close().expect("it closes");
    }
}

fn states_come_back<S: WitnessStore>(mut open: impl FnMut(StoreIdentity) -> S) {
    let mut model = Model::default();
    let store = open(FIRST);
    let longest = vec![0x5a; MAX_WITNESS_STATE_BYTES];
    for state in [&b"first"[..], b"", b"third", &longest, b"fifth"] {
        for log in ["a", "b"] {
            let change = model.change(log, state);
            model.commit(&store, &[change]);
        }
        model.check(&store);
    }
    model.commit(&store, &[]);
    drop(store);
    let store = open(OTHER);
    model.check(&store);
    let change = model.change("a", b"after the restart");
    model.commit(&store, &[change]);
    store.close().expect("it closes");
    drop(store);
    model.check(&open(OTHER));
}

fn a_state_that_moved_is_told<S: WitnessStore>(mut open: impl FnMut(StoreIdentity) -> S) {
    let mut model = Model::default();
    let mut store = open(FIRST);
    for round in 0..4 {
        let right = model.change("a", b"state");
        for wrong in [round + 1, round + 2, u64::MAX, round.wrapping_sub(1)] {
            let expected = Revision::new(wrong);
            let outcome = store.commit(&[WitnessChange { expected, ..right.clone() }]);
            let found = right.expected;
            let moved = WitnessCommitError::Moved { origin: right.origin, expected, found };
            assert_eq!(outcome, Err(moved), "a change that expects revision {wrong} meets {found}");
            model.check(&store);
        }
        model.commit(&store, &[right]);
        drop(store);
        store = open(OTHER);
    }
}

fn all_or_nothing<S: WitnessStore>(mut open: impl FnMut(StoreIdentity) -> S) {
    let mut model = Model::default();
    let store = open(FIRST);
    let logs: Vec<String> = (0..20).map(|log| log.to_string()).collect();
    let changes: Vec<_> = logs.iter().map(|log| model.change(log, b"first")).collect();
    model.commit(&store, &changes);
    for wrong in 0..logs.len() {
        let mut changes: Vec<_> = logs.iter().map(|log| model.change(log, b"second")).collect();
        changes[wrong].expected = changes[wrong].expected.next();
        let outcome = store.commit(&changes);
        assert!(matches!(outcome, Err(WitnessCommitError::Moved { .. })), "{outcome:?}");
        model.check(&store);
    }
    drop(store);
    model.check(&open(OTHER));
}

fn what_cannot_be_one_commit_is_refused<S: WitnessStore>(mut open: impl FnMut(StoreIdentity) -> S) {
    let model = Model::default();
    let store = open(FIRST);
    let many = (0..=MAX_WITNESS_CHANGES).map(|log| model.change(&log.to_string(), b"")).collect();
    let broken: [Vec<WitnessChange>; 3] = [
        vec![model.change("a", b"one"), model.change("a", b"other")],
        vec![model.change("a", &vec![0; MAX_WITNESS_STATE_BYTES + 1])],
        many,
    ];
    for changes in broken {
        let outcome = store.commit(&changes);
        assert!(matches!(outcome, Err(WitnessCommitError::Refused(_))), "{outcome:?} is no refusal");
        model.check(&store);
    }
}

fn many_logs_come_back<S: WitnessStore>(mut open: impl FnMut(StoreIdentity) -> S) {
    let mut model = Model::default();
    let store = open(FIRST);
    let logs: Vec<String> = (0..MANY).map(|log| format!("log {log}")).collect();
    for part in logs.chunks(MAX_WITNESS_CHANGES) {
        let changes: Vec<_> = part.iter().map(|log| model.change(log, log.repeat(40).as_bytes())).collect();
        model.commit(&store, &changes);
    }
    drop(store);
    let store = open(OTHER);
    model.check(&store);
    let change = model.change("log 17", b"later");
    model.commit(&store, &[change]);
    drop(store);
    model.check(&open(OTHER));
}

fn of_two_writers_one_is_told<S: WitnessStore>(mut open: impl FnMut(StoreIdentity) -> S) {
    const ROUNDS: u64 = 40;
    let store = open(FIRST);
    for round in 0..ROUNDS {
        let change = |writer: u8| WitnessChange {
            origin: sha256(b"contended"),
            expected: Revision::new(round),
            state: Bytes::copy_from_slice(&[writer]),
        };
        let (writer, change) = (&store, &change);
        let outcomes = std::thread::scope(|scope| {
            let commit = |by| scope.spawn(move || writer.commit(&[change(by)]).map(|()| by));
            [1, 2, 3].map(commit).map(|writer| writer.join().expect("a commit does not panic"))
        });
        let winners: Vec<u8> = outcomes.iter().filter_map(|outcome| outcome.clone().ok()).collect();
        let [winner] = winners[..] else { panic!("{outcomes:?}: exactly one writer wins") };
        let state = store.state(&sha256(b"contended"));
        assert_eq!(state, Ok(Some(Bytes::copy_from_slice(&[winner]))), "what won is what is there");
    }
}

fn a_closed_store_only_reads<S: WitnessStore>(mut open: impl FnMut(StoreIdentity) -> S) {
    let mut model = Model::default();
    let store = open(FIRST);
    let change = model.change("a", b"state");
    model.commit(&store, &[change]);
    store.close().expect("it closes");
    let outcome = store.commit(&[model.change("a", b"too late")]);
    assert!(matches!(outcome, Err(WitnessCommitError::Refused(_))), "{outcome:?} from a closed store");
    assert!(store.impediment().is_some(), "a closed store says that it takes no commits");
    model.check(&store);
    store.close().expect("closing twice is closing once");
    drop(store);
    model.check(&open(OTHER));
}
