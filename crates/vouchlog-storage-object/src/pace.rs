//! How long operations on a bucket may take.

use std::time::Duration;

/// Bounds of time of the operations on a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For one request, from connecting to the last byte.
    pub attempt: Duration,
    /// For a read with its retries: readers of the log wait for it.
    pub read: Duration,
    /// For a write with its retries: the sealing thread waits for it, and repeats it later.
    pub write: Duration,
    /// The first wait between two attempts; it doubles.
    pub first_wait: Duration,
    /// The longest wait between two attempts.
    pub longest_wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            read: Duration::from_secs(10),
            write: Duration::from_secs(30),
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(5),
        }
    }
}
