//! What the cosigning thread and every handle share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use vouchlog_note::{KeyName, SigningKey, VerifyingKey};
use vouchlog_runtime::{Clock, Poison};

use crate::logs::{Logs, LogsError};
use crate::metrics::WitnessMetrics;

#[derive(Debug)]
pub(crate) struct Shared<S> {
    pub(crate) store: Arc<S>,
    pub(crate) name: KeyName,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) vkeys: Vec<VerifyingKey>,
    pub(crate) logs: ArcSwap<Logs>,
    pub(crate) clock: Clock,
    pub(crate) metrics: WitnessMetrics,
    pub(crate) poison: Poison,
}

impl<S> Shared<S> {
    pub(crate) fn new(
        store: Arc<S>,
        name: KeyName,
        keys: Vec<SigningKey>,
        clock: Clock,
        metrics: WitnessMetrics,
    ) -> Self {
        let vkeys = keys.iter().map(|key| key.verifying_key().clone()).collect();
        let (logs, poison) = (ArcSwap::default(), Poison::new());
        Self { store, name, keys, vkeys, logs, clock, metrics, poison }
    }

    /// Replaces the logs, for every request that comes from now on.
    pub(crate) fn set_logs(&self, logs: Logs) -> Result<(), LogsError> {
        logs.iter().try_for_each(|log| log.refuse_own_keys(&self.vkeys))?;
        self.metrics.logs.set(logs.len() as u64);
        self.logs.store(Arc::new(logs));
        Ok(())
    }

    /// Why the witness stopped cosigning for good, if it did.
    pub(crate) fn poison(&self) -> Option<Arc<str>> {
        self.poison.reason()
    }

    /// Stops all cosigning: what the store holds is unknown until it is reopened.
    pub(crate) fn set_poison(&self, reason: &str) {
        tracing::error!(reason, "the witness stops cosigning; restart it to recover");
        self.metrics.poisoned.set(1);
        self.poison.set(reason);
    }
}

/// Held by the cosigning thread: if that panics, nothing is cosigned any more.
pub(crate) struct PanicGuard<S>(pub(crate) Arc<Shared<S>>);

impl<S> Drop for PanicGuard<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_poison("the cosigning thread panicked");
        }
    }
}
