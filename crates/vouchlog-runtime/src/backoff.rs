//! Waits between retries: each is longer than the one before, up to a limit, and clients do not retry in step.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The waits after failures in a row. Each lies between half of a span and all of it; the span doubles up to a limit.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    jitter: Jitter,
}

impl Backoff {
    /// Spans from `first` to `longest`, with jitter that differs in every process.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self::seeded(first, longest, RandomState::new().build_hasher().finish())
    }

    /// Spans from `first` to `longest`, with jitter that follows from `seed`: for simulations.
    pub fn seeded(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first: first.min(longest), longest, failures: 0, jitter: Jitter(seed) }
    }

    /// Failures in a row so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Starts again at the first span, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after one more failure.
    pub fn next_wait(&mut self) -> Duration {
        // 2^31 times any span that is not zero is longer than any limit that is waited for.
        let span = self.first.saturating_mul(1 << self.failures.min(31)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let half = span / 2;
        half.saturating_add(half.mul_f64(self.jitter.share()))
    }

    /// How long to wait after one more failure, when the other side asked for a wait: at least that long, but never longer
    /// than the limit.
    pub fn next_wait_of_at_least(&mut self, asked: Duration) -> Duration {
        self.next_wait().max(asked.min(self.longest))
    }
}

/// A sequence of pseudo-random numbers (splitmix64). Not for secrets.
#[derive(Clone, Debug)]
struct Jitter(u64);

impl Jitter {
    /// The next number, from 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [high, low, ..] = (mixed ^ (mixed >> 31)).to_be_bytes();
        f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(1);

    fn assert_within(wait: Duration, millis: u64) {
        let span = Duration::from_millis(millis);
        assert!(wait >= span / 2 && wait <= span, "{wait:?} of {span:?}");
    }

    #[test]
    fn waits_double_up_to_their_limit_and_start_again() {
        for seed in 0..100 {
            let mut backoff = Backoff::seeded(FIRST, LONGEST, seed);
            for _ in 0..2 {
                for millis in [100, 200, 400, 800, 1000, 1000] {
                    assert_within(backoff.next_wait(), millis);
                }
                backoff.reset();
            }
        }
    }

    #[test]
    fn a_million_failures_and_extreme_spans_do_not_overflow() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        for _ in 0..1_000_000 {
            backoff.next_wait();
        }
        assert_eq!(backoff.failures(), 1_000_000);
        assert_within(backoff.next_wait(), 1000);
        let mut huge = Backoff::new(Duration::MAX, Duration::MAX);
        for _ in 0..40 {
            assert!(huge.next_wait() >= Duration::MAX / 2);
        }
        assert_eq!(Backoff::new(Duration::ZERO, LONGEST).next_wait(), Duration::ZERO);
        assert_within(Backoff::new(LONGEST, FIRST).next_wait(), 100);
    }

    #[test]
    fn a_wait_that_was_asked_for_is_kept_within_the_limit() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        assert_eq!(backoff.next_wait_of_at_least(Duration::from_millis(700)), Duration::from_millis(700));
        assert_eq!(backoff.next_wait_of_at_least(Duration::from_secs(700)), LONGEST);
        assert_within(backoff.next_wait_of_at_least(Duration::ZERO), 400);
    }

    #[test]
    fn one_seed_gives_one_sequence_and_seeds_differ() {
        let waits = |seed| {
            let mut backoff = Backoff::seeded(FIRST, LONGEST, seed);
            (0..8).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
        assert_ne!(Backoff::new(FIRST, LONGEST).jitter.0, Backoff::new(FIRST, LONGEST).jitter.0);
    }
}
