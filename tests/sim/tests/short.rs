//! A short run, the repeatability of runs, and the planted bugs.

use vouchlog_sim::{Outcome, Plant, run, run_suited};

const SEEDS: u64 = 40;
/// Seeds in which each planted bug must be found.
const PLANTED_SEEDS: u64 = 300;
/// Seeds that have found one before the others could: they are tried first.
const LIKELY: [u64; 8] = [0, 1, 3, 5, 7, 12, 28, 52];

#[test]
fn every_promise_holds() {
    let mut refused = 0;
    for seed in 0..SEEDS {
        let report = run(seed);
        assert_eq!(report.violation, None, "run `tools/sim --seed {seed}`");
        refused += u64::from(report.outcome == Outcome::Refused);
    }
    // A simulation that damages everything beyond repair would check nothing.
    assert!(refused < SEEDS / 2, "{refused} of {SEEDS} logs refused to start");
}

#[test]
fn a_seed_gives_the_same_run() {
    for seed in 300..306 {
        assert_eq!(run(seed).trace, run(seed).trace, "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    for plant in Plant::ALL {
        let mut seeds = LIKELY.into_iter().chain(0..PLANTED_SEEDS);
        let found = seeds.find(|seed| run_suited(*seed, plant, true).violation.is_some());
        let seed = found.unwrap_or_else(|| panic!("{plant:?} is not found in {PLANTED_SEEDS} seeds"));
        eprintln!("{plant:?} is found in seed {seed}");
        let without = run_suited(seed, plant, false).violation;
        assert_eq!(without, None, "{plant:?}: what seed {seed} finds is not the planted bug");
    }
}
