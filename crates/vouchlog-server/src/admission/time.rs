//! Times that many threads read often: milliseconds since the server began, and epochs of which few are told apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Epochs that are told apart: the current one, two before it, and the one that is over.
pub(crate) const EPOCHS: usize = 4;

/// A server's clock. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Clock {
    began: Instant,
    epoch: Arc<AtomicUsize>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), epoch: Arc::default() }
    }

    /// Milliseconds since the server began.
    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The current epoch.
    pub(crate) fn epoch(&self) -> usize {
        self.epoch.load(Ordering::Relaxed) % EPOCHS
    }

    /// The epoch that began longest ago. What is of it has outlived two whole epochs.
    pub(crate) fn oldest_epoch(&self) -> usize {
        (self.epoch.load(Ordering::Relaxed) + 1) % EPOCHS
    }

    /// Begins the next epoch.
    pub(crate) fn next_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }
}
