//! How long to wait before trying again: longer each time, and not all gateways at the same moment.

use std::time::Duration;

use vouchlog_api::{Error, ErrorKind};

use super::Patience;

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Something went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: between half and all of a doubling span, and at least what the log asked for.
    pub(super) fn next(&mut self, patience: &Patience, error: &Error, random: [u8; 32]) -> Duration {
        let span =
            patience.first_backoff.saturating_mul(1 << self.failures.min(16)).min(patience.max_backoff);
        self.failures = self.failures.saturating_add(1);
        let share = f64::from(u16::from_be_bytes([random[0], random[1]])) / f64::from(u16::MAX);
        let wait = span.mul_f64(0.5 + share / 2.0);
        match error.kind {
            ErrorKind::Overloaded { retry_after } => wait.max(retry_after.min(patience.max_backoff)),
            _ => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_begin_anew() {
        let patience = Patience {
            first_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            ..Patience::default()
        };
        let (lost, mut backoff) = (Error::unavailable("lost"), Backoff::default());
        let mut wait = |random| backoff.next(&patience, &lost, [random; 32]).as_millis();
        assert_eq!([wait(0), wait(255), wait(0), wait(255), wait(255)], [50, 200, 200, 800, 1000]);
        for _ in 0..100 {
            assert_eq!(wait(255), 1000);
        }
        backoff.reset();
        let busy = Error::new(ErrorKind::Overloaded { retry_after: Duration::from_millis(700) }, "busy");
        assert_eq!(backoff.next(&patience, &busy, [0; 32]).as_millis(), 700);
    }
}
