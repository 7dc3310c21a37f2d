//! The two things only a program can bring: the time and randomness. Every other crate takes them as values.

use std::time::{SystemTime, UNIX_EPOCH};

use vouchlog_sequencer::Clock;

/// The system's clock.
pub fn system_clock() -> Clock {
    Clock::new(unix_millis)
}

/// Milliseconds since 1970-01-01 UTC by the system's clock; 0 when it stands before that.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock; all else takes it as a value"
)]
pub fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
