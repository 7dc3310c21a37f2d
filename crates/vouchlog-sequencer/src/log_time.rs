//! The time that entries bear, guarded against a wall clock that jumps.
//!
//! Entries never go back in time, so one reading of a clock that is wrong by years would date every later entry: a jump forward
//! is not followed. Until the clock is back, or an operator confirms it, entries are dated by the last trusted reading and
//! the monotonic time since. A step back needs no guard: entries keep the time of the one before until the clock has
//! caught up.

use std::time::Duration;

use parking_lot::Mutex;
use vouchlog_runtime::{Clock, Monotonic, UnixMillis};
use vouchlog_stream::LoggedAt;

/// A log that was stopped for longer than this must have its clock confirmed when it starts again.
const LONGEST_STOP: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The log's time.
#[derive(Debug)]
pub(crate) struct LogTime {
    clock: Clock,
    /// How far the wall clock may run ahead of the monotonic one between two readings.
    max_jump: Duration,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// The latest time that was trusted, and when.
    wall: UnixMillis,
    at: Monotonic,
    /// How far ahead of it the clock is, while it is not trusted.
    jump: Option<Duration>,
}

impl LogTime {
    /// For a log whose newest entry is of the time `newest`; of 1970 if it has none.
    pub(crate) fn new(clock: Clock, max_jump: Duration, newest: LoggedAt) -> Self {
        let (now, newest) = (clock.now(), UnixMillis::new(newest.millis()));
        let stopped = now.since(newest);
        let is_new = newest == UnixMillis::default();
        let trusted = if is_new || stopped <= LONGEST_STOP { now } else { newest };
        let state = State { wall: trusted, at: clock.monotonic(), jump: None };
        let time = Self { clock, max_jump, state: Mutex::new(state) };
        time.now();
        time
    }

    /// The time for the next entry.
    pub(crate) fn now(&self) -> LoggedAt {
        let (wall, at) = (self.clock.now(), self.clock.monotonic());
        let mut state = self.state.lock();
        let expected = state.wall.plus(at.since(state.at));
        let ahead = wall.since(expected);
        if ahead > self.max_jump {
            if state.jump.replace(ahead).is_none() {
                let seconds = ahead.as_secs();
                tracing::error!(
                    seconds,
                    "the clock jumped forward and is not used to date entries until it is confirmed"
                );
            }
            return logged_at(expected);
        }
        // A step back lowers nothing: the clock may come back to where it was.
        *state = State { wall: wall.max(expected), at, jump: None };
        logged_at(wall)
    }

    /// Trusts the clock as it is.
    pub(crate) fn confirm(&self) {
        let (wall, at) = (self.clock.now(), self.clock.monotonic());
        *self.state.lock() = State { wall, at, jump: None };
    }

    /// What is wrong with the clock, if anything is.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.now();
        let ahead = self.state.lock().jump?;
        Some(format!(
            "the clock jumped {} s forward and is not used to date entries: correct it, or confirm it with SIGHUP",
            ahead.as_secs()
        ))
    }

    /// Monotonic time, for intervals.
    pub(crate) fn monotonic(&self) -> Monotonic {
        self.clock.monotonic()
    }
}

/// What does not fit an entry's field is its maximum.
pub(crate) fn logged_at(now: UnixMillis) -> LoggedAt {
    LoggedAt::from_millis(now.get()).unwrap_or(LoggedAt::MAX)
}

#[cfg(test)]
mod tests {
    use vouchlog_runtime::clock::ManualTime;

    use super::*;

    const START: u64 = 1_767_225_600_000;
    const HOUR: Duration = Duration::from_secs(3600);

    fn log_time(newest: u64) -> (LogTime, ManualTime) {
        let (clock, time) = Clock::manual(UnixMillis::new(START));
        let newest = LoggedAt::from_millis(newest).unwrap();
        (LogTime::new(clock, Duration::from_secs(60), newest), time)
    }

    fn at(millis: u64) -> LoggedAt {
        LoggedAt::from_millis(millis).unwrap()
    }

    #[test]
    fn a_jump_forward_is_not_followed_until_it_is_gone_or_confirmed() {
        let (log, time) = log_time(START - 5);
        time.advance(HOUR);
        assert_eq!((log.now(), log.trouble()), (at(START + 3_600_000), None));
        for wrong in [START + 24 * 3_600_000, START + 3_600_000 + 60_001, u64::MAX] {
            time.set_wall(UnixMillis::new(wrong));
            assert_eq!(log.now(), at(START + 3_600_000));
            assert!(log.trouble().unwrap().contains("jumped"));
        }
        time.advance_monotonic(Duration::from_secs(10));
        assert_eq!(log.now(), at(START + 3_610_000), "time goes on meanwhile");
        time.set_wall(UnixMillis::new(START + 3_611_000));
        assert_eq!((log.now(), log.trouble()), (at(START + 3_611_000), None));
        time.set_wall(UnixMillis::new(START + 9_000_000));
        assert!(log.trouble().is_some());
        log.confirm();
        assert_eq!((log.now(), log.trouble()), (at(START + 9_000_000), None));
    }

    #[test]
    fn slewing_and_steps_back_are_followed() {
        let (log, time) = log_time(0);
        for _ in 0..100 {
            time.advance_monotonic(Duration::from_secs(10));
            time.set_wall(UnixMillis::new(log.now().millis() + 69_000));
            assert_eq!(log.trouble(), None, "up to a minute ahead is not a jump");
        }
        time.set_wall(UnixMillis::new(START));
        assert_eq!((log.now(), log.trouble()), (at(START), None));
        time.set_wall(UnixMillis::new(0));
        assert_eq!((log.now(), log.trouble()), (at(0), None));
        time.set_wall(UnixMillis::new(START + 1_000_000));
        assert_eq!((log.now(), log.trouble()), (at(START + 1_000_000), None), "back to where it was");
    }

    #[test]
    fn a_start_years_after_the_last_entry_needs_a_confirmation() {
        let year = 366 * 24 * 3_600_000;
        assert_eq!(log_time(START - year).0.trouble(), None);
        let (log, _) = log_time(START - year - 1);
        assert!(log.trouble().is_some());
        assert_eq!(log.now(), at(START - year - 1));
        log.confirm();
        assert_eq!(log.now(), at(START));
        assert_eq!(log_time(0).0.trouble(), None, "a new log has nothing to compare with");
        assert_eq!(log_time(START + year).0.trouble(), None, "entries ahead of the clock are no jump of it");
    }
}
