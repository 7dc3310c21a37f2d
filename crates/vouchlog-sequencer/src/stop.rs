//! How a thread beside the log is stopped while it waits.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A request to a thread to stop, which wakes it.
#[derive(Debug, Default)]
pub(crate) struct StopSignal {
    is_raised: Mutex<bool>,
    raised: Condvar,
}

impl StopSignal {
    pub(crate) fn raise(&self) {
        *self.is_raised.lock() = true;
        self.raised.notify_all();
    }

    /// Waits for so long, or until the signal is raised; whether it is.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut is_raised = self.is_raised.lock();
        while !*is_raised && !self.raised.wait_until(&mut is_raised, end).timed_out() {}
        *is_raised
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_wait_ends_with_its_time_or_with_the_signal() {
        let signal = Arc::new(StopSignal::default());
        assert!(!signal.wait(Duration::ZERO));
        let waiting = std::thread::spawn({
            let signal = signal.clone();
            move || signal.wait(Duration::from_secs(600))
        });
        signal.raise();
        assert!(waiting.join().unwrap());
        assert!(signal.wait(Duration::from_secs(600)), "it stays raised");
    }
}
