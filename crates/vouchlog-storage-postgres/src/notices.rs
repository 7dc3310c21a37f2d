//! Warnings of the server during a commit.
//!
//! A commit that waits for a synchronous standby and is cancelled there succeeds with a warning: it is durable on the primary alone. The
//! driver reports warnings as events of `tracing` only, so a commit runs under a subscriber that listens for them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// The driver's target for notices.
const TARGET: &str = "sqlx::postgres::notice";

/// Listens for warnings. Made once for a store: registering a subscriber is slow.
#[derive(Clone)]
pub(crate) struct Notices {
    dispatch: Dispatch,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    any: AtomicBool,
    text: Mutex<String>,
}

impl Notices {
    pub(crate) fn new() -> Self {
        let heard = Arc::<Heard>::default();
        Self { dispatch: Dispatch::new(Listener(heard.clone())), heard }
    }

    /// Does work; with its outcome comes the warning it caused, if there was one.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> (T, Option<String>) {
        self.heard.any.store(false, Ordering::Relaxed);
        let outcome = work.with_subscriber(self.dispatch.clone()).await;
        let warned = self.heard.any.load(Ordering::Relaxed).then(|| self.heard.text.lock().clone());
        (outcome, warned)
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}

struct Listener(Arc<Heard>);

/// Warnings and errors: a commit causes no other notices, and those below do not concern it.
fn is_warning(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET && *metadata.level() <= Level::WARN
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_warning(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_warning(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if !is_warning(event.metadata()) {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        *self.0.text.lock() = message.0;
        self.0.any.store(true, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
