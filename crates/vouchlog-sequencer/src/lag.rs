//! How far the lookup index lags behind the log, and how far it may.
//!
//! An index that is filled for the first time, or again after damage, may lag by all of the log. So the bound is relative: the lag may
//! exceed the smallest one since then by so much, and no more. A log that takes statements faster than its index follows is
//! held to the pace of the index, and the index catches up as soon as the log is less busy.

use std::sync::atomic::{AtomicU64, Ordering};

use vouchlog_merkle::TreeSize;

/// What the follower reports. One thread writes it.
#[derive(Debug)]
pub(crate) struct Lag {
    covered: AtomicU64,
    /// The largest lag at which the log takes statements.
    limit: AtomicU64,
    /// By how much the lag may grow.
    max: u64,
}

impl Lag {
    pub(crate) fn new(max: u64) -> Self {
        Self { covered: AtomicU64::new(0), limit: AtomicU64::new(u64::MAX), max }
    }

    /// Notes how much of the log is covered.
    pub(crate) fn note(&self, covered: u64, size: TreeSize) {
        let before = self.covered.swap(covered, Ordering::Relaxed);
        // What was lost is not the fault of what is being written now.
        let limit = if covered < before { u64::MAX } else { self.limit.load(Ordering::Relaxed) };
        let lag = size.get().saturating_sub(covered);
        self.limit.store(limit.min(lag.saturating_add(self.max)), Ordering::Relaxed);
    }

    /// Takes no account of the lag until the next note: an index that fails does not stop the log.
    pub(crate) fn excuse(&self) {
        self.limit.store(u64::MAX, Ordering::Relaxed);
    }

    pub(crate) fn covered(&self) -> u64 {
        self.covered.load(Ordering::Relaxed)
    }

    /// How many of the log's entries are not covered.
    pub(crate) fn of(&self, size: TreeSize) -> u64 {
        size.get().saturating_sub(self.covered())
    }

    /// Whether a log of this size must wait for its index.
    pub(crate) fn is_too_far(&self, size: TreeSize) -> bool {
        self.of(size) > self.limit.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 1_000_000;

    fn size(size: u64) -> TreeSize {
        TreeSize::new(size)
    }

    #[test]
    fn a_log_may_outrun_its_index_by_so_much_and_no_more() {
        let lag = Lag::new(MAX);
        assert!(!lag.is_too_far(size(u64::MAX)), "nothing is known yet");
        lag.note(100, size(100));
        assert!(!lag.is_too_far(size(100 + MAX)));
        assert!(lag.is_too_far(size(101 + MAX)));
        lag.note(8_292, size(101 + MAX));
        assert!(!lag.is_too_far(size(101 + MAX)), "it goes on as the index does");
    }

    #[test]
    fn an_index_that_is_filled_again_may_lag_by_all_of_the_log_but_must_catch_up() {
        let lag = Lag::new(MAX);
        let mut log = 500_000_000;
        lag.note(0, size(log));
        assert!(!lag.is_too_far(size(log)));
        // The log grows by a quarter of what the index takes, and may all the time.
        let mut covered = 0;
        while covered < log {
            (covered, log) = ((covered + 1_000_000).min(log + 250_000), log + 250_000);
            lag.note(covered, size(log));
            assert!(!lag.is_too_far(size(log)), "{covered} of {log}");
        }
        assert!(lag.is_too_far(size(log + MAX + 1)), "now it is held to the index");
        lag.note(1_000, size(log));
        assert!(!lag.is_too_far(size(log + MAX)), "a part of the index was lost");
        assert!(lag.is_too_far(size(log + MAX + 1)));
        lag.excuse();
        assert!(!lag.is_too_far(size(u64::MAX)));
    }
}
