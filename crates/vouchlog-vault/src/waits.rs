//! How long writers have been waiting for the database's lock, so that readiness can report it before they give up.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::VaultError;

#[derive(Default)]
pub(crate) struct Waits(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: usize,
    /// When the first wait began since the lock was last acquired.
    since: Option<Instant>,
}

/// One writer that waits.
pub(crate) struct Wait<'a> {
    waits: &'a Waits,
    /// The lock was not had, and the caller will try again.
    is_busy: bool,
}

impl Waits {
    pub(crate) fn begin(&self) -> Wait<'_> {
        let mut state = self.0.lock();
        state.waiting += 1;
        state.since.get_or_insert_with(Instant::now);
        Wait { waits: self, is_busy: false }
    }

    /// The longest wait at present.
    pub(crate) fn longest(&self) -> Option<Duration> {
        let state = self.0.lock();
        state.since.filter(|_| state.waiting > 0).map(|since| since.elapsed())
    }
}

impl Wait<'_> {
    /// The writer has the lock, or failed.
    pub(crate) fn end(mut self, error: Option<&VaultError>) {
        self.is_busy = error.is_some_and(VaultError::is_busy);
        if error.is_none() {
            self.waits.0.lock().since = None;
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut state = self.waits.0.lock();
        state.waiting -= 1;
        if state.waiting == 0 && !self.is_busy {
            state.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_lasts_over_attempts_and_ends_with_the_lock_or_the_caller() {
        let waits = Waits::default();
        assert_eq!(waits.longest(), None);
        let (first, second) = (waits.begin(), waits.begin());
        let since = waits.0.lock().since;
        first.end(Some(&VaultError::Busy));
        second.end(Some(&VaultError::Busy));
        assert_eq!(waits.longest(), None, "nobody waits between two attempts");
        let again = waits.begin();
        assert_eq!(waits.0.lock().since, since);
        assert!(waits.longest().is_some());
        again.end(None);
        assert_eq!((waits.longest(), waits.0.lock().since), (None, None));
        drop(waits.begin());
        assert_eq!(waits.0.lock().since, None, "the caller went away");
    }
}
