//! A witness in this process, wired up.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use vouchlog_api::Result;
use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, KeyName, SignSubtree, VerifyingKey};
use vouchlog_runtime::{Poison, Readiness};
use vouchlog_server::{Server, ServerConfig};
use vouchlog_storage::{StoreIdentity, WitnessStore};
use vouchlog_witness::{Logs, LogsError};

use super::refusals::RefusalDir;

/// A witness in this process. Clones are the same witness; it stops on [`stop`](Self::stop), or when the last one is dropped.
///
/// It implements the trait [`Witness`](vouchlog_api::Witness), as a witness across the network does.
#[derive(Clone)]
pub struct Witness {
    engine: vouchlog_witness::Witness<Arc<dyn WitnessStore>>,
    /// The engine's metrics, until a server takes them.
    registry: Arc<Mutex<Registry>>,
    refusals: RefusalDir,
}

impl Witness {
    pub(super) fn new(
        engine: vouchlog_witness::Witness<Arc<dyn WitnessStore>>,
        registry: Registry,
        refusals: RefusalDir,
    ) -> Self {
        Self { engine, registry: Arc::new(Mutex::new(registry)), refusals }
    }

    /// The witness's name.
    pub fn name(&self) -> &KeyName {
        self.engine.name()
    }

    /// The keys it cosigns with.
    pub fn vkeys(&self) -> &[VerifyingKey] {
        self.engine.vkeys()
    }

    /// The identity of its store, which the `.state` files of its keys name.
    pub fn store_identity(&self) -> StoreIdentity {
        self.engine.store_identity()
    }

    /// The logs it cosigns for.
    pub fn logs(&self) -> Arc<Logs> {
        self.engine.logs()
    }

    /// Cosigns for these logs from now on.
    ///
    /// # Errors
    /// One of the witness's own keys is among the keys of the logs. Nothing was changed.
    pub fn set_logs(&self, logs: Logs) -> std::result::Result<(), LogsError> {
        self.engine.set_logs(logs)
    }

    /// Where the checkpoints are that it refused as contradictions.
    pub fn refusals(&self) -> &RefusalDir {
        &self.refusals
    }

    /// Checks whether the witness can cosign.
    pub fn readiness(&self) -> Readiness {
        self.engine.readiness()
    }

    /// Reports whether the witness has stopped cosigning for good. The handle can be waited on.
    pub fn poison(&self) -> Poison {
        self.engine.poison()
    }

    /// Stops the witness: queued requests are still answered, then the store is closed.
    pub async fn stop(&self) {
        self.engine.stop().await;
    }

    /// gRPC and HTTP on one router, to be merged or nested into an axum program's own. gRPC clients find services at the
    /// root only.
    pub fn router(&self) -> Router {
        self.server(ServerConfig::default()).router()
    }

    /// A server of this witness, with its readiness; the first one made also shows the engine's metrics.
    pub fn server(&self, config: ServerConfig) -> Server {
        let registry = std::mem::take(&mut *self.registry.lock());
        let engine = self.engine.clone();
        Server::witness(self.clone(), config).health(move || engine.readiness()).registry(registry)
    }
}

impl vouchlog_api::Witness for Witness {
    fn add_checkpoint(&self, request: AddCheckpoint) -> impl Future<Output = Result<String>> + Send {
        self.engine.add_checkpoint(request)
    }

    fn sign_subtree(&self, request: SignSubtree) -> impl Future<Output = Result<String>> + Send {
        self.engine.sign_subtree(request)
    }

    fn latest_checkpoint(&self, origin: Hash) -> impl Future<Output = Result<String>> + Send {
        self.engine.latest_checkpoint(origin)
    }

    fn retire_log(&self, proof: String) -> impl Future<Output = Result<String>> + Send {
        self.engine.retire_log(proof)
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witness({})", self.engine.name())
    }
}
