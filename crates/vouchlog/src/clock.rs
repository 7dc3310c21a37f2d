//! The two things only a program can bring: the time and randomness. Every other crate takes them as values.

use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;
use vouchlog_runtime::{Clock, UnixMillis};

/// 9999-01-01, in seconds. HTTP dates and RFC 3339 have years of four digits; libraries this program uses panic on later ones.
const LAST_SECONDS: u64 = 253_370_764_800;

/// The system clock is set to a time that cannot be written down. Libraries below this program panic on such times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClockError {
    /// It is set before 1970.
    #[error("the system clock is set before 1970-01-01")]
    TooEarly,
    /// It is set past 9998.
    #[error("the system clock is set after the year 9998")]
    TooLate,
}

/// Checks that the system clock shows a time that protocols can carry. For a program to call before it opens anything.
pub fn check_clock() -> Result<(), ClockError> {
    check(system_time())
}

#[allow(clippy::disallowed_methods, reason = "a Clock saturates, and would hide what is checked here")]
fn system_time() -> SystemTime {
    SystemTime::now()
}

fn check(now: SystemTime) -> Result<(), ClockError> {
    let since = now.duration_since(UNIX_EPOCH).map_err(|_| ClockError::TooEarly)?;
    if since.as_secs() < LAST_SECONDS { Ok(()) } else { Err(ClockError::TooLate) }
}

/// The system's clock.
pub fn system_clock() -> Clock {
    Clock::system()
}

/// The time by the system's clock; 0 when it stands before 1970.
pub fn unix_millis() -> UnixMillis {
    Clock::system().now()
}

/// 32 bytes from the operating system's generator.
///
/// # Panics
/// If the system has no randomness. A key or a salt made without would be worse than no program.
pub fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_no_protocol_can_carry_is_refused() {
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(check(after(0)), Ok(()));
        assert_eq!(check(after(LAST_SECONDS - 1)), Ok(()));
        assert_eq!(check(after(LAST_SECONDS)), Err(ClockError::TooLate));
        for before in [Duration::from_nanos(1), Duration::from_secs(1 << 33)] {
            assert_eq!(check(UNIX_EPOCH - before), Err(ClockError::TooEarly));
        }
    }
}
