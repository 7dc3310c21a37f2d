//! A short run, the repeatability of runs, and the planted bugs.

use vouchlog_sim::{Outcome, Plant, run};

const SEEDS: u64 = 150;
/// Seeds in which each planted bug must be found.
const PLANTED_SEEDS: u64 = 300;

#[test]
fn every_promise_holds() {
    let mut refused = 0;
    for seed in 0..SEEDS {
        let report = run(seed, None);
        assert_eq!(report.violation, None, "run `tools/sim --seed {seed}`");
        refused += u64::from(report.outcome == Outcome::Refused);
    }
    assert!(refused < SEEDS / 3, "{refused} of {SEEDS} logs refused to start");
}

#[test]
fn a_seed_gives_the_same_run() {
    for seed in [3, 14, 159] {
        assert_eq!(run(seed, None).trace, run(seed, None).trace, "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    for plant in Plant::ALL {
        let found = (0..PLANTED_SEEDS).find(|seed| run(*seed, Some(plant)).violation.is_some());
        assert!(found.is_some(), "{plant:?} is not found in {PLANTED_SEEDS} seeds");
    }
}
