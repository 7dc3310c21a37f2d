//! Every state within the limits keeps every promise, and each planted bug is found.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model as _};
use vouchlog_model::{Event, Limits, Plant, Promise, Protocol, Takeover, canonical};

/// Three nodes, of which two come to lead.
const THREE: Limits =
    Limits { ttl: 2, margin: 1, epochs: 2, batches: 1, crashes: 1, losses: 1, slips: 0, starts: 1, nodes: 3 };

/// Two nodes and more of everything else.
const TWO: Limits = Limits { epochs: 3, batches: 2, crashes: 0, nodes: 2, ..THREE };

/// With `VOUCHLOG_LONG_TESTS=1`.
const LONG: [Limits; 2] = [Limits { slips: 1, ..THREE }, Limits { crashes: 1, slips: 1, ..TWO }];

fn limits() -> [Limits; 2] {
    if std::env::var("VOUCHLOG_LONG_TESTS").is_ok_and(|set| set == "1") { LONG } else { [THREE, TWO] }
}

/// Walks through everything, or until one of the promises is found broken.
fn walk(protocol: Protocol, until: HasDiscoveries) -> impl Checker<Protocol> {
    let builder = protocol.checker().threads(2).symmetry_fn(canonical).finish_when(until);
    let checker = builder.spawn_dfs().join();
    let Protocol { plant, takeover, limits, .. } = checker.model();
    eprintln!("{plant:?}, {takeover:?}, {limits:?}: {} states", checker.unique_state_count());
    checker
}

#[test]
fn every_promise_holds() {
    for limits in limits() {
        let checker = walk(Protocol::new(Takeover::WhenFree, limits), HasDiscoveries::AnyFailures);
        checker.assert_properties();
        let is_missed = |event: &Event| !checker.model().has_reached(*event);
        let missed: Vec<_> = Event::ALL.into_iter().filter(is_missed).collect();
        assert!(missed.is_empty(), "the walk came across everything but {missed:?}");
    }
}

/// A process that takes any lease, running or not, makes no second history either.
#[test]
fn one_history_does_not_rest_on_the_lease() {
    let [_, limits] = limits();
    let checker = walk(Protocol::new(Takeover::AtOnce, limits), HasDiscoveries::AnyFailures);
    checker.assert_properties();
}

/// What a planted bug is looked for in.
fn limits_for(plant: Plant) -> Limits {
    match plant.breaks() {
        // A bug in the times of the lease shows with one batch, and clocks that differ.
        Promise::ShownByLeader => Limits { epochs: 2, batches: 1, slips: 1, ..TWO },
        _ => Limits { epochs: 2, ..TWO },
    }
}

#[test]
fn every_planted_bug_is_found() {
    for plant in Plant::ALL {
        let broken = plant.breaks().name();
        let until = HasDiscoveries::AllOf(BTreeSet::from([broken]));
        let checker = walk(Protocol::new(Takeover::WhenFree, limits_for(plant)).with(plant), until);
        let steps = checker.discovery(broken).unwrap_or_else(|| panic!("{plant:?} is not found"));
        eprintln!("  {broken}: {:?}", steps.into_actions());
    }
}
