//! Keeps reading at a rate, by monotonic time.

use std::time::{Duration, Instant};

/// A pause of the reader longer than this is not made up for by reading faster afterwards.
const SLACK: Duration = Duration::from_secs(1);

/// Bytes per second, at most.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// When the bytes read so far may all have been read.
    due: Option<Instant>,
}

impl Pace {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), due: None }
    }

    /// How long to wait after `bytes` were read at `now`.
    pub(super) fn after(&mut self, bytes: u64, now: Instant) -> Duration {
        let taken = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let from = self.due.map_or(now, |due| due.max(now.checked_sub(SLACK).unwrap_or(due)));
        let due = from + taken;
        self.due = Some(due);
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_and_a_pause_is_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(1000);
        let mut now = start;
        for _ in 0..100 {
            now += pace.after(500, now);
        }
        assert_eq!(now - start, Duration::from_secs(50));
        now += Duration::from_secs(3600);
        let mut burst = 0;
        while pace.after(100, now).is_zero() {
            burst += 100;
        }
        assert!(burst <= 1000, "{burst} bytes at once");
    }
}
