//! The switch that stops a log or a witness from writing for good.
//!
//! After a commit with an unknown outcome, the content of the store is unknown. Continuing could contradict what was signed, so
//! the engine stops writing; only opening the store again can tell. Reads continue. A server watches [`Poison::wait`] and
//! may exit, so that a service manager restarts it.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether writing stopped for good, and why. Clones share one state; it is set once and never cleared.
#[derive(Clone, Debug)]
pub struct Poison(Arc<watch::Sender<Option<Arc<str>>>>);

impl Poison {
    /// Not set.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Sets it. The first reason wins; returns whether this is the first.
    pub fn set(&self, reason: &str) -> bool {
        self.0.send_if_modified(|state| {
            let is_first = state.is_none();
            state.get_or_insert_with(|| reason.into());
            is_first
        })
    }

    /// The reason, if it is set.
    pub fn reason(&self) -> Option<Arc<str>> {
        self.0.borrow().clone()
    }

    /// An error with the reason, if it is set: the form of a readiness check.
    pub fn check(&self) -> Result<(), String> {
        self.reason().map_or(Ok(()), |reason| Err(reason.to_string()))
    }

    /// Waits until it is set and returns the reason. Does not borrow the handle, so it can run on a task of its own.
    pub fn wait(&self) -> impl Future<Output = Arc<str>> + Send + use<> {
        let poison = self.clone();
        async move {
            let mut state = poison.0.subscribe();
            loop {
                if let Some(reason) = state.borrow_and_update().clone() {
                    return reason;
                }
                // This future holds a sender, so the channel stays open.
                let _ = state.changed().await;
            }
        }
    }
}

impl Default for Poison {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_wins() {
        let poison = Poison::new();
        assert_eq!(poison.check(), Ok(()));
        assert!(poison.set("the disk"));
        assert!(!poison.clone().set("something later"));
        assert_eq!(poison.reason().as_deref(), Some("the disk"));
        assert_eq!(poison.check(), Err("the disk".to_owned()));
    }

    #[tokio::test]
    async fn waiters_from_before_and_after_get_the_reason() {
        let poison = Poison::new();
        let early: Vec<_> = (0..3).map(|_| tokio::spawn(poison.wait())).collect();
        tokio::task::yield_now().await;
        assert!(early.iter().all(|waiter| !waiter.is_finished()));
        // Set from a thread outside the runtime, as an engine does.
        let setter = poison.clone();
        std::thread::spawn(move || setter.set("why")).join().unwrap();
        for waiter in early {
            assert_eq!(&*waiter.await.unwrap(), "why");
        }
        assert_eq!(&*poison.wait().await, "why");
    }

    #[tokio::test]
    async fn a_wait_outlives_every_other_handle() {
        let poison = Poison::new();
        let (setter, wait) = (poison.clone(), poison.wait());
        drop(poison);
        setter.set("last");
        drop(setter);
        assert_eq!(&*wait.await, "last");
    }
}
