//! The two things only a program can bring: the time and randomness. Every other crate takes them as values.

use vouchlog_runtime::{Clock, UnixMillis};

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
