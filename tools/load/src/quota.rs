//! How much load there is left to put on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much there is left to do.
#[derive(Debug)]
pub(crate) struct Quota {
    left: Option<AtomicU64>,
    end: Instant,
}

impl Quota {
    /// So many seconds, or so many things in all, for which there is an hour more.
    pub(crate) fn new(seconds: u64, count: Option<u64>) -> Arc<Self> {
        let end = Instant::now() + Duration::from_secs(seconds);
        Arc::new(match count {
            None => Self { left: None, end },
            Some(left) => Self { left: Some(AtomicU64::new(left)), end: end + Duration::from_secs(3600) },
        })
    }

    /// Takes up to `count` things to do; none is the end.
    pub(crate) fn take(&self, count: usize) -> usize {
        if Instant::now() >= self.end {
            return 0;
        }
        let Some(left) = &self.left else { return count };
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(count as u64))
        });
        usize::try_from(taken.unwrap_or(0)).unwrap_or(usize::MAX).min(count)
    }
}
