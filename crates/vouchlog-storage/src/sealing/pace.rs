//! How much is sealed at a time, and how long the sealing thread rests in between.
//!
//! What seals shares processors, network and database with the commits, which callers wait for. Nobody waits for the sealing unless the
//! backlog is at its limit. So a store that is far away is filled as fast as full bundles arrive, and a backlog is worked off slowly; at the
//! limit it is filled as fast as it goes.

use std::time::Duration;

/// The most that is sealed at once: after each, commits that wait for room get some. Smaller portions let them wait less at a time, and
/// fill a remote store more slowly: each ends with its slowest write and with the mark of what is sealed.
const MOST_BUNDLES: usize = 1_024;
/// The same in bytes, since a bundle may have 16 MiB.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// The most that goes to a remote store at once when no commit waits, so that few requests are under way.
const GENTLE_BUNDLES: usize = 16;
const GENTLE_BYTES: usize = 8 * 1024 * 1024;
/// How long it takes about to work a backlog off, in seconds, on top of what arrives.
const DRAIN_SECONDS: f64 = 20.0;
/// How long a change of the rate of arrivals takes about to count, in seconds.
const SMOOTHING_SECONDS: f64 = 1.0;
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What is sealed at once, at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Portion {
    pub(super) bundles: usize,
    pub(super) bytes: usize,
}

impl Portion {
    pub(super) const MOST: Self = Self { bundles: MOST_BUNDLES, bytes: MOST_BYTES };
}

/// The pace of a sealing thread.
#[derive(Debug)]
pub(super) struct Pace {
    is_remote: bool,
    is_hurried: bool,
    /// Bundles that became full in a second.
    arrivals: f64,
    /// Bundles that were full in all at the last look.
    full: Option<u64>,
    /// The rest that was granted last.
    rested: Duration,
}

impl Pace {
    pub(super) fn new(is_remote: bool) -> Self {
        Self { is_remote, is_hurried: false, arrivals: 0.0, full: None, rested: Duration::ZERO }
    }

    /// How much to seal next. `is_hurried` when commits wait for it.
    pub(super) fn portion(&mut self, is_hurried: bool) -> Portion {
        self.is_hurried = is_hurried;
        match (self.is_remote, is_hurried) {
            (false, _) | (true, true) => Portion::MOST,
            (true, false) => Portion { bundles: GENTLE_BUNDLES, bytes: GENTLE_BYTES },
        }
    }

    /// How long to rest after so many bundles were sealed in that time, with so many left, of so many that were ever full.
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    pub(super) fn rest(&mut self, sealed: usize, took: Duration, (left, full): (usize, u64)) -> Duration {
        if !self.is_remote {
            return Duration::ZERO;
        }
        let span = (took + self.rested).as_secs_f64();
        let arrived = full.saturating_sub(self.full.replace(full).unwrap_or(full)) as f64;
        if span > 0.0 {
            let weight = span / (span + SMOOTHING_SECONDS);
            self.arrivals += weight * (arrived / span - self.arrivals);
        }
        let rate = self.arrivals + left as f64 / DRAIN_SECONDS;
        self.rested = if self.is_hurried || left == 0 || sealed == 0 || rate <= 0.0 {
            Duration::ZERO
        } else {
            let share = Duration::try_from_secs_f64(sealed as f64 / rate).unwrap_or(LONGEST_REST);
            share.min(LONGEST_REST).saturating_sub(took)
        };
        self.rested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Seals for a while while bundles arrive at a rate; how many are left in the end, and the share of time at rest.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "there are few bundles"
    )]
    fn worked(backlog: usize, arrivals_a_second: f64, seconds: u32) -> (usize, f64) {
        let mut pace = Pace::new(true);
        let (mut time, mut rested, mut sealed, begun) =
            (Duration::ZERO, Duration::ZERO, 0_usize, backlog as f64);
        let mut left = backlog;
        while time < Duration::from_secs(seconds.into()) {
            let portion = pace.portion(false).bundles.min(left);
            // Two requests for each bundle, a millisecond each.
            let took = 2 * MS * u32::try_from(portion).unwrap();
            sealed += portion;
            let full = begun + arrivals_a_second * (time + took).as_secs_f64();
            left = full as usize - sealed;
            let rest = pace.rest(portion, took, (left, full as u64));
            // Where nothing is left, the thread waits for more.
            let wait = if left == 0 { 500 * MS } else { rest };
            rested += wait;
            time += took + wait;
        }
        (left, rested.as_secs_f64() / time.as_secs_f64())
    }

    #[test]
    fn a_backlog_is_worked_off_while_most_of_the_time_is_left_to_the_commits() {
        let (left, rested) = worked(4_096, 0.0, 20);
        assert!((1_000..2_200).contains(&left) && rested > 0.6, "{left} {rested}");
        let (left, rested) = worked(4_096, 4.0, 120);
        assert!(left < 100 && rested > 0.8, "{left} {rested}");
    }

    #[test]
    fn what_arrives_is_sealed_as_fast() {
        for arrivals in [4.0, 40.0, 230.0] {
            let (left, _) = worked(0, arrivals, 120);
            assert!(left < 10, "{left} of {arrivals} a second");
        }
    }

    #[test]
    fn commits_that_wait_are_not_kept_waiting_and_neither_is_a_disk() {
        let (mut remote, mut disk) = (Pace::new(true), Pace::new(false));
        assert_eq!(remote.portion(true), Portion::MOST);
        assert_eq!(remote.rest(1_024, 1_200 * MS, (4_000, 5_000)), Duration::ZERO);
        assert_eq!(disk.portion(false), Portion::MOST);
        assert_eq!(disk.rest(1_024, 30 * MS, (3_000, 5_000)), Duration::ZERO);
        assert!(remote.portion(false).bundles < 256);
        assert!(remote.rest(16, 5 * MS, (4_000, 5_000)) > 50 * MS);
    }
}
