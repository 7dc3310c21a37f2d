//! A log in this process, wired up.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
#[cfg(feature = "postgres")]
use tracing::Instrument;
use tracing::Span;
use vouchlog_api::{
    Append, Appended, Appender, HouseAppend, HouseAppended, LogReader, Lookup, LookupKey, Opened,
    PrunedNotice, Result, StreamInfo, Watch,
};
use vouchlog_merkle::{LeafIndex, TileId, TreeSize};
use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_runtime::{Poison, Readiness};
use vouchlog_sequencer::{Published, Sequenced, WitnessState};
use vouchlog_server::{Offered, Server, ServerConfig};
use vouchlog_storage::Store;
#[cfg(feature = "objects")]
use vouchlog_storage_object::Publisher;
use vouchlog_stream::{Operators, StreamId};

#[cfg(feature = "objects")]
use crate::objects::{Objects, PublisherStatus};

/// A log in this process. Clones are the same log; it stops on [`stop`](Self::stop), or when the last one is dropped.
///
/// It is an [`Appender`], a [`LogReader`], a [`Lookup`] and a [`Watch`], as a log across the network is.
#[derive(Clone)]
pub struct Log {
    engine: vouchlog_sequencer::Engine<Arc<dyn Store>>,
    /// The engine's metrics, until a server takes them.
    registry: Arc<Mutex<Registry>>,
    /// The span of everything it does.
    span: Span,
    #[cfg(feature = "objects")]
    publisher: Option<Arc<Publisher>>,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "only a lease can be handed over"))]
    tenancy: Tenancy,
    #[cfg(feature = "postgres")]
    _showing: Option<Arc<CheckpointFeed>>,
}

/// The task that shows a log's checkpoints to its standbys. It ends with the log.
#[cfg(feature = "postgres")]
struct CheckpointFeed(tokio::task::JoinHandle<()>);

#[cfg(feature = "postgres")]
impl Drop for CheckpointFeed {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What keeps other processes from writing to a log's store.
#[derive(Clone)]
pub(crate) enum Tenancy {
    /// A lock on the data directory.
    Locked,
    /// A lease in the database.
    #[cfg(feature = "postgres")]
    Leased(Arc<crate::postgres::Lease>),
}

impl Tenancy {
    /// Notes how long opening the log took.
    pub(crate) fn took_over(&self, duration: Duration) {
        match self {
            Self::Locked => _ = duration,
            #[cfg(feature = "postgres")]
            Self::Leased(lease) => lease.metrics().took_over(duration),
        }
    }
}

/// How long a log that stops waits for its last checkpoint to be published in an object store.
#[cfg(feature = "objects")]
const LAST_PUBLICATION: std::time::Duration = std::time::Duration::from_secs(20);

/// How often it is looked for a checkpoint to show to standbys. The lease is renewed less often.
#[cfg(feature = "postgres")]
const SHOW_EVERY: Duration = Duration::from_millis(100);

impl Log {
    pub(crate) fn new(
        engine: vouchlog_sequencer::Engine<Arc<dyn Store>>,
        (registry, span): (Registry, Span),
        tenancy: Tenancy,
    ) -> Self {
        Self {
            engine,
            span,
            registry: Arc::new(Mutex::new(registry)),
            #[cfg(feature = "objects")]
            publisher: None,
            tenancy,
            #[cfg(feature = "postgres")]
            _showing: None,
        }
    }

    /// Shows its checkpoints to standbys from now on, if it has any.
    #[cfg(feature = "postgres")]
    pub(crate) fn showing(self) -> Self {
        let Tenancy::Leased(lease) = &self.tenancy else { return self };
        let (engine, lease) = (self.engine.clone(), Arc::clone(lease));
        let showing = async move {
            loop {
                let published = engine.published();
                lease.show(
                    engine.sequenced().checkpoint(),
                    published.as_ref().map(|newest| newest.checkpoint()),
                );
                tokio::time::sleep(SHOW_EVERY).await;
            }
        };
        let showing = tokio::spawn(showing.in_current_span());
        Self { _showing: Some(Arc::new(CheckpointFeed(showing))), ..self }
    }

    /// Publishes its checkpoints in an object store from now on.
    #[cfg(feature = "objects")]
    pub(crate) fn publishing(self, objects: &Objects) -> Self {
        objects.register(&mut self.registry.lock());
        let engine = self.engine.clone();
        let publisher = objects.publish(self.engine.clone(), move || engine.sealed_size());
        Self { publisher: Some(Arc::new(publisher)), ..self }
    }

    /// How publishing in an object store goes, for a log whose sealed part is there.
    #[cfg(feature = "objects")]
    pub fn publishing_status(&self) -> Option<PublisherStatus> {
        self.publisher.as_ref().map(|publisher| publisher.status())
    }

    /// Completes when an operator asks this process to hand the log over to a standby: [stop](Self::stop) it then. Never for a log
    /// that is not in PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn handover_requested(&self) -> impl Future<Output = ()> + Send + use<> {
        let tenancy = self.tenancy.clone();
        async move {
            match tenancy {
                Tenancy::Leased(lease) => lease.resign_requested().await,
                Tenancy::Locked => std::future::pending().await,
            }
        }
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        self.engine.origin()
    }

    /// The key that signs its checkpoints.
    pub fn vkey(&self) -> &VerifyingKey {
        self.engine.vkey()
    }

    /// The key that enrols its gateways.
    pub fn operator_vkey(&self) -> VerifyingKey {
        self.engine.operators().key().clone()
    }

    /// Every key that was the operator's, and since which entry.
    pub fn operators(&self) -> Operators {
        self.engine.operators()
    }

    /// The newest sequenced head: every entry under it is durable.
    pub fn sequenced(&self) -> Arc<Sequenced> {
        self.engine.sequenced()
    }

    /// The published checkpoint, as [`checkpoint`](LogReader::checkpoint) returns it. With a witness policy this is the newest
    /// checkpoint that satisfies the policy, or none yet.
    pub fn published(&self) -> Option<Arc<Published>> {
        self.engine.published()
    }

    /// What the log knows of each of its witnesses.
    pub fn witnesses(&self) -> Vec<WitnessState> {
        self.engine.witnesses()
    }

    /// For a retired log, which is read only: the entry, the cause and the successor, in words.
    pub fn retired(&self) -> Option<String> {
        self.engine.retired()
    }

    /// Checks whether the log takes statements and serves proofs.
    pub fn readiness(&self) -> Readiness {
        self.with_publishing(self.engine.readiness())
    }

    #[cfg(feature = "objects")]
    fn with_publishing(&self, readiness: Readiness) -> Readiness {
        let Some(status) = self.publishing_status() else { return readiness };
        let (size, trouble) = (status.size, status.trouble);
        let words = trouble.as_ref().map_or_else(String::new, |trouble| format!("; {trouble}"));
        let final_trouble = trouble.filter(|_| status.stopped);
        readiness
            .unless("objects", final_trouble)
            .note("objects", format!("the checkpoint there covers {size} entries{words}"))
    }

    #[cfg(not(feature = "objects"))]
    fn with_publishing(&self, readiness: Readiness) -> Readiness {
        readiness
    }

    /// Reports whether the log has stopped writing for good. The handle can be waited on.
    pub fn poison(&self) -> Poison {
        self.engine.poison()
    }

    /// Rebuilds the lookup index while the log runs. Lookups respond once it has caught up.
    pub fn rebuild_index(&self) {
        self.engine.rebuild_index();
    }

    /// Trusts the clock as it is now, after a jump forward that [`readiness`](Self::readiness) reports.
    pub fn confirm_clock(&self) {
        self.engine.confirm_clock();
    }

    /// Stops the log: queued requests are still taken and answered, the heads of all active streams are written, and the store
    /// is closed. Later submissions are rejected.
    pub async fn stop(&self) {
        self.engine.stop().await;
        #[cfg(feature = "objects")]
        if let Some(publisher) = &self.publisher {
            publisher.finish(LAST_PUBLICATION).await;
        }
    }

    /// gRPC and HTTP on one router, to be merged or nested into an axum program's own. gRPC clients find services at the
    /// root only.
    pub fn router(&self) -> Router {
        self.server(ServerConfig::default()).router()
    }

    /// A server of this log, with its readiness; the first one made also shows the engine's metrics.
    pub fn server(&self, config: ServerConfig) -> Server {
        let registry = std::mem::take(&mut *self.registry.lock());
        let log = self.clone();
        let offered = Offered { log_vkey: Some(self.vkey().to_string()), policy: None };
        let server = Server::new(self.clone(), config).offer(offered).scope(self.span.clone());
        server.health(move || log.readiness()).overview(self.engine.clone()).registry(registry)
    }
}

impl Appender for Log {
    fn open_stream(&self, note: String) -> impl Future<Output = Result<Opened>> + Send {
        self.engine.open_stream(note)
    }

    fn append(&self, request: Append) -> impl Future<Output = Result<Appended>> + Send {
        self.engine.append(request)
    }

    fn append_house(&self, request: HouseAppend) -> impl Future<Output = Result<HouseAppended>> + Send {
        self.engine.append_house(request)
    }

    fn enrol(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send {
        self.engine.enrol(note)
    }

    fn revoke(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send {
        self.engine.revoke(note)
    }

    fn set_quota(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send {
        self.engine.set_quota(note)
    }

    fn retire(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send {
        self.engine.retire(note)
    }

    fn change_key(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send {
        self.engine.change_key(note)
    }

    fn stream(&self, stream: StreamId) -> impl Future<Output = Result<StreamInfo>> + Send {
        self.engine.stream(stream)
    }
}

impl LogReader for Log {
    fn checkpoint(&self) -> impl Future<Output = Result<String>> + Send {
        self.engine.checkpoint()
    }

    fn checkpoint_after(&self, size: TreeSize) -> impl Future<Output = Result<String>> + Send {
        self.engine.checkpoint_after(size)
    }

    fn tile(&self, tile: TileId, width: u16) -> impl Future<Output = Result<Bytes>> + Send {
        self.engine.tile(tile, width)
    }

    fn entry_bundle(&self, bundle: u64, width: u16) -> impl Future<Output = Result<Bytes>> + Send {
        self.engine.entry_bundle(bundle, width)
    }

    fn pruned(&self) -> impl Future<Output = Result<Option<PrunedNotice>>> + Send {
        self.engine.pruned()
    }
}

impl Lookup for Log {
    fn find(&self, key: LookupKey) -> impl Future<Output = Result<LeafIndex>> + Send {
        self.engine.find(key)
    }
}

impl Watch for Log {
    fn checkpoint_other_than(&self, seen: String) -> impl Future<Output = Result<String>> + Send {
        self.engine.checkpoint_other_than(seen)
    }

    fn sequenced_checkpoint(&self) -> impl Future<Output = Result<String>> + Send {
        self.engine.sequenced_checkpoint()
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({})", self.engine.origin())
    }
}
