//! Which log of its process a log is: the only one, or one of several that share metrics, log lines and an end.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use vouchlog::Log;
use vouchlog_runtime::metrics::{Gauge, register_as};
use vouchlog_server::limits::RESERVED_DESCRIPTORS;
use vouchlog_server::{Health, Readiness, Registries, ServerConfig};

use crate::commands::running::{CLOSING, Unit};
use crate::output::Output;
use crate::telemetry;

/// The least of each bound in bytes that a log of several gets: a few requests of the longest kind.
const MIN_BYTES: usize = 16 * 1024 * 1024;

/// A log among those of its process. Clones are the same.
#[derive(Clone)]
pub(super) struct Member(Option<Arc<Shared>>);

struct Shared {
    name: String,
    span: Span,
    /// How many logs there are.
    of: usize,
    /// What operators are shown of all logs.
    registries: Registries,
    state: Mutex<State>,
    is_open: Gauge,
    reopened: Counter,
}

struct State {
    health: Arc<dyn Health>,
    /// Cancelled once the log serves: its caretaker ends.
    caretaker: CancellationToken,
    /// The metrics that are shown of it.
    shown: Option<Arc<Registry>>,
}

impl Member {
    /// The only log of its process.
    pub(super) fn alone() -> Self {
        Self(None)
    }

    /// One of `of` logs, whose metrics are shown in `registries` too.
    pub(super) fn one_of(name: &str, of: usize, registries: Registries) -> Self {
        let state = State {
            health: Arc::new(|| closed("it is being opened")),
            caretaker: CancellationToken::new(),
            shown: None,
        };
        let (is_open, reopened) = (Gauge::default(), Counter::default());
        // An error's level: lines of every level show which log they are of.
        let span = tracing::error_span!("log", log = name);
        Self(Some(Arc::new(Shared {
            name: name.to_owned(),
            span,
            of,
            registries,
            state: Mutex::new(state),
            is_open,
            reopened,
        })))
    }

    /// What ends with it when it stops writing for good.
    pub(super) fn unit(&self) -> Unit {
        if self.0.is_some() { Unit::Log } else { Unit::Process }
    }

    /// The span of everything it does.
    pub(super) fn span(&self) -> Span {
        match &self.0 {
            Some(shared) => shared.span.clone(),
            None => Span::none(),
        }
    }

    /// The registry for its metrics.
    pub(super) fn registry(&self) -> Registry {
        let Some(shared) = &self.0 else { return Registry::default() };
        let mut registry = Registry::with_labels([("log".into(), shared.name.clone().into())].into_iter());
        register_as(
            &mut registry,
            "vouchlog_log_open",
            "Whether the log is open, as its leader or as a standby: 1, or 0 while it is opened or has failed",
            shared.is_open.clone(),
        );
        register_as(
            &mut registry,
            "vouchlog_log_reopened",
            "How often the log was opened again because it had failed or was handed over",
            shared.reopened.clone(),
        );
        registry
    }

    /// Gives it its part of what the process has.
    pub(super) fn share(&self, config: &mut ServerConfig) {
        let Some(shared) = &self.0 else { return };
        // What is open is counted for the process; each log's store is to find some free.
        let reserved = RESERVED_DESCRIPTORS * (shared.of - 1);
        config.max_descriptors = config.max_descriptors.map(|all| all.saturating_sub(reserved).max(all / 2));
        for bytes in [
            &mut config.body_bytes,
            &mut config.queued_bytes,
            &mut config.answer_bytes,
            &mut config.window_bytes,
        ] {
            *bytes = (*bytes / shared.of).max(MIN_BYTES.min(*bytes));
        }
    }

    /// What to do with the registry of its server.
    pub(super) fn sharing(&self) -> impl FnOnce(Arc<Registry>) + Send + Sync + 'static {
        let member = self.clone();
        move |registry| {
            telemetry::share(Arc::clone(&registry));
            let Some(shared) = &member.0 else { return };
            shared.registries.add(Arc::clone(&registry));
            let before = shared.state.lock().shown.replace(registry);
            if let Some(before) = before {
                shared.registries.remove(&before);
                telemetry::withdraw(&before);
            }
        }
    }

    /// It serves from now on, and this is how it does.
    pub(super) fn serves(&self, health: impl Health) {
        let Some(shared) = &self.0 else { return };
        shared.is_open.set(1);
        let mut state = shared.state.lock();
        state.health = Arc::new(health);
        state.caretaker.cancel();
    }

    /// It does not serve, for this reason, until [`serves`](Self::serves). Returns what ends its caretaker.
    pub(super) fn fails(&self, reason: &str) -> CancellationToken {
        let Some(shared) = &self.0 else { return CancellationToken::new() };
        shared.is_open.set(0);
        let reason = reason.to_owned();
        let mut state = shared.state.lock();
        state.health = Arc::new(move || closed(&reason));
        state.caretaker.cancel();
        state.caretaker = CancellationToken::new();
        state.caretaker.clone()
    }

    /// It is opened once more.
    pub(super) fn reopens(&self) {
        if let Some(shared) = &self.0 {
            shared.reopened.inc();
        }
    }

    /// How it is.
    pub(super) fn readiness(&self) -> Readiness {
        match &self.0 {
            Some(shared) => {
                let health = Arc::clone(&shared.state.lock().health);
                health.readiness()
            }
            None => Readiness::new(),
        }
    }

    /// Closes the log. One of several that stopped writing may have a store that hangs: the others do not wait for it.
    pub(super) async fn close(&self, log: Log, is_poisoned: bool) {
        if self.0.is_none() || !is_poisoned {
            return log.stop().await;
        }
        // It is asked how it is no more, and so is kept by nothing else.
        drop(self.fails("it is being closed"));
        if tokio::time::timeout(CLOSING, log.stop()).await.is_err() {
            tracing::error!("the log's store does not close; it is opened again once it has");
        }
        // Threads of the log may be waited for here.
        drop(tokio::task::spawn_blocking(move || drop(log)));
    }

    /// The first words of its server.
    pub(super) fn announce(&self, output: Output, words: &str, mut answer: Value) {
        if let (Some(shared), Some(fields)) = (&self.0, answer.as_object_mut()) {
            fields.insert("log".to_owned(), Value::String(shared.name.clone()));
        }
        output.announce(&self.named(words), &answer);
    }

    /// The last words.
    pub(super) fn farewell(&self, output: Output, words: &str) {
        output.farewell(&self.named(words));
    }

    fn named(&self, words: &str) -> String {
        match &self.0 {
            Some(shared) => format!("{}: {words}", shared.name),
            None => words.to_owned(),
        }
    }
}

/// How a log is that does not serve.
fn closed(reason: &str) -> Readiness {
    Readiness::new().check("log", Err(reason.to_owned()))
}
