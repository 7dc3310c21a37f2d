//! A log in this process, wired up.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use vouchlog_server::{Config, Server};
use vouchlog_storage_sled::SledStore;

/// A log in this process. Clones are the same log; it stops on [`stop`](vouchlog_sequencer::Log::stop), or when the last
/// one is dropped.
///
/// It is the engine ([`vouchlog_sequencer::Log`], to which it dereferences) over the store in a directory, so it is an
/// [`Appender`](crate::Appender), a [`LogReader`](crate::LogReader) and a [`Lookup`](crate::Lookup).
#[derive(Clone)]
pub struct Log {
    engine: vouchlog_sequencer::Log<SledStore>,
    /// The engine's metrics, until a server takes them.
    registry: Arc<Mutex<Registry>>,
}

impl Log {
    pub(crate) fn new(engine: vouchlog_sequencer::Log<SledStore>, registry: Registry) -> Self {
        Self { engine, registry: Arc::new(Mutex::new(registry)) }
    }

    /// gRPC and HTTP on one router, to be merged or nested into an axum program's own. gRPC clients find services at the
    /// root only.
    pub fn router(&self) -> Router {
        self.server(Config::default()).router()
    }

    /// A server of this log, with its readiness; the first one made also shows the engine's metrics.
    pub fn server(&self, config: Config) -> Server {
        let registry = std::mem::take(&mut *self.registry.lock());
        let engine = self.engine.clone();
        Server::new(self.engine.clone(), config).health(move || engine.readiness()).registry(registry)
    }
}

impl Deref for Log {
    type Target = vouchlog_sequencer::Log<SledStore>;

    fn deref(&self) -> &Self::Target {
        &self.engine
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({})", self.engine.origin())
    }
}
