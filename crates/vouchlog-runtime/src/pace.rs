//! Keeps work at a rate, by a monotonic clock that its user reads.

use std::time::{Duration, Instant};

/// So many units of work in a second, at most.
#[derive(Clone, Debug)]
pub struct Pace {
    per_second: u64,
    /// After a pause, work worth this time may be done at once.
    slack: Duration,
    /// When the work so far may all have been done.
    due: Option<Instant>,
}

impl Pace {
    /// A pace of bytes, at least one a second. After a pause, a second's worth may be read at once.
    pub fn of_bytes(per_second: u64) -> Self {
        Self { per_second: per_second.max(1), slack: Duration::from_secs(1), due: None }
    }

    /// A pace of single requests, at least one a second. Each begins 1/`per_second` s or more after the one before.
    pub fn of_requests(per_second: u64) -> Self {
        let per_second = per_second.max(1);
        Self { per_second, slack: Duration::from_secs_f64(1.0 / per_second as f64), due: None }
    }

    /// How long to wait at `now` for `units` of work, before they are done or after.
    pub fn wait_for(&mut self, units: u64, now: Instant) -> Duration {
        let taken = Duration::from_secs_f64(units as f64 / self.per_second as f64);
        let from = self.due.map_or(now, |due| due.max(now.checked_sub(self.slack).unwrap_or(due)));
        let due = from + taken;
        self.due = Some(due);
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_and_a_pause_is_made_up_for_within_the_slack() {
        let start = Instant::now();
        let mut pace = Pace::of_bytes(1000);
        let mut now = start;
        for _ in 0..100 {
            now += pace.wait_for(500, now);
        }
        assert_eq!(now - start, Duration::from_secs(50));
        now += Duration::from_secs(3600);
        let mut burst = 0;
        while pace.wait_for(100, now).is_zero() {
            burst += 100;
        }
        assert!(burst <= 1000, "{burst} units at once");
    }

    #[test]
    fn two_requests_are_never_closer_than_the_rate() {
        let mut pace = Pace::of_requests(10);
        let mut now = Instant::now();
        now += pace.wait_for(1, now);
        // A slow answer costs no more time, and a long pause lets no second request through.
        for pause in [Duration::from_millis(150), Duration::from_secs(3600)] {
            now += pause;
            assert_eq!(pace.wait_for(1, now), Duration::ZERO);
            let wait = pace.wait_for(1, now);
            assert!(wait > Duration::ZERO && wait <= Duration::from_millis(100), "{wait:?}");
            now += wait;
        }
        // Requests that come at once are spread.
        let waits: Vec<_> = (1..=3).map(|_| pace.wait_for(1, now).as_millis()).collect();
        assert_eq!(waits, [100, 200, 300]);
    }
}
