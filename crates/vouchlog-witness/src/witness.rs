//! The witness as programs hold it: opening, asking, stopping.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::sync::oneshot;
use vouchlog_api::{Error, Result};
use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, KeyName, SignSubtree, SignatureType, SigningKey, VerifyingKey};
use vouchlog_runtime::{Poison, Readiness};
use vouchlog_storage::{StoreError, StoreIdentity, WitnessStore};

use crate::check::{Claim, check, check_retirement};
use crate::commit::Committer;
use crate::config::Config;
use crate::cosign::Cosigner;
use crate::evidence::Ledger;
use crate::limits;
use crate::logs::{Logs, LogsError, same_line};
use crate::metrics::WitnessMetrics;
use crate::queue::Queue;
use crate::shared::{PanicGuard, Shared};
use crate::state::{self, Latest};
use crate::subtree::sign_subtree;

/// Why a witness could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WitnessEngineError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key is of the wrong type or name, or there are none.
    #[error("{0}")]
    Key(String),
    /// A log cannot be witnessed.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// The operating system gave no thread.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
}

/// A witness in this process. Clones are the same witness; it stops when the last one is dropped, or on [`Witness::stop`].
#[derive(Debug)]
pub struct Witness<S: WitnessStore> {
    inner: Arc<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S: WitnessStore> {
    shared: Arc<Shared<S>>,
    queue: Queue,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl<S: WitnessStore> Clone for Witness<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S: WitnessStore> Witness<S> {
    /// Opens the witness whose memory is `store`; metrics are registered in `registry`. Blocks while the states are read.
    ///
    /// A key whose store was lost must not be opened with another one: a witness that does not remember what it cosigned may
    /// contradict it. The identity of the store ([`Witness::store_identity`]) lets the caller, who has the keys, find out.
    ///
    /// # Errors
    /// For a store that cannot be read, keys that are no witness's, or a log that has one of them.
    pub fn open(config: Config, store: S, registry: &mut Registry) -> Result<Self, WitnessEngineError> {
        let name = check_keys(&config.keys)?;
        let latest = load(&store)?;
        let metrics = WitnessMetrics::register(registry);
        let store = Arc::new(store);
        let committer = Committer::start(store.clone(), config.options.commit_patience);
        let committer = committer.map_err(WitnessEngineError::Thread)?;
        let shared = Arc::new(Shared::new(store, name, config.keys, config.clock, metrics));
        shared.set_logs(config.logs)?;
        let (queue, messages) = Queue::new(config.options.max_queued_requests);
        let (ledger, on_refusal) = (Ledger::default(), config.on_refusal);
        let signers = signers(&shared.vkeys);
        let cosigner = Cosigner { shared: shared.clone(), latest, committer, signers, ledger, on_refusal };
        let thread = std::thread::Builder::new()
            .name("vouchlog-witness".into())
            .spawn(move || {
                let _guard = PanicGuard(cosigner.shared.clone());
                cosigner.run(&messages);
            })
            .map_err(WitnessEngineError::Thread)?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { inner: Arc::new(Inner { shared, queue, thread }) })
    }

    /// The witness's name, which stands in its signature lines.
    pub fn name(&self) -> &KeyName {
        &self.inner.shared.name
    }

    /// The keys that verify its cosignatures.
    pub fn vkeys(&self) -> &[VerifyingKey] {
        &self.inner.shared.vkeys
    }

    /// The identity of its store.
    pub fn store_identity(&self) -> StoreIdentity {
        self.inner.shared.store.identity()
    }

    /// The logs it knows now.
    pub fn logs(&self) -> Arc<Logs> {
        self.inner.shared.logs.load_full()
    }

    /// Replaces the logs it knows, at once and all together. What it cosigned for a log that is gone it keeps in mind.
    ///
    /// # Errors
    /// If a log has a key of the witness; nothing is changed then.
    pub fn set_logs(&self, logs: Logs) -> Result<(), LogsError> {
        self.inner.shared.set_logs(logs)
    }

    /// Stops the witness: what is queued is still cosigned and answered, the store is closed. Later requests are refused.
    pub async fn stop(&self) {
        let (stopped, done) = oneshot::channel();
        self.inner.queue.stop(stopped);
        // An error means that it had stopped before.
        let _ = done.await;
    }

    /// Checks whether the witness cosigns.
    pub fn readiness(&self) -> Readiness {
        let shared = &self.inner.shared;
        let running = self.inner.thread.lock().as_ref().is_some_and(|thread| !thread.is_finished());
        Readiness::new()
            .unless("witness", (!running).then_some("it has stopped"))
            .stopped(shared.poison().map(|reason| reason.to_string()))
            .check("cosigning", shared.poison.check())
            .unless("store", shared.store.impediment())
    }

    /// Whether the witness stopped cosigning for good; a handle that can be waited on.
    pub fn poison(&self) -> Poison {
        self.inner.shared.poison.clone()
    }

    async fn cosign(&self, claim: Result<Claim>) -> Result<String> {
        let shared = &self.inner.shared;
        let waiting = match claim.and_then(|claim| self.inner.queue.submit(claim)) {
            Ok(waiting) => waiting,
            Err(error) => {
                // Who never reached the cosigner is counted here.
                let outcome = Err(error);
                shared.metrics.answered(&outcome);
                return outcome;
            }
        };
        let stopped = || Err(Error::unavailable("the witness stopped before it could respond"));
        waiting.await.unwrap_or_else(|_| stopped())
    }
}

impl<S: WitnessStore> vouchlog_api::Witness for Witness<S> {
    async fn add_checkpoint(&self, request: AddCheckpoint) -> Result<String> {
        let claim = check(&self.inner.shared.logs.load(), &request);
        self.cosign(claim).await
    }

    async fn sign_subtree(&self, request: SignSubtree) -> Result<String> {
        let shared = self.inner.shared.clone();
        off_thread(move || sign_subtree(&shared.keys, &shared.vkeys, &shared.logs.load(), &request)).await
    }

    async fn latest_checkpoint(&self, origin: Hash) -> Result<String> {
        let shared = self.inner.shared.clone();
        off_thread(move || latest_checkpoint(&shared, &origin)).await
    }

    async fn retire_log(&self, proof: String) -> Result<String> {
        let claim = check_retirement(&self.inner.shared.logs.load(), &proof);
        self.cosign(claim).await
    }
}

/// Runs disk reads and computations of milliseconds where they block no other request.
async fn off_thread(work: impl FnOnce() -> Result<String> + Send + 'static) -> Result<String> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|_| Err(Error::internal("the witness failed on this request")))
}

fn latest_checkpoint<S: WitnessStore>(shared: &Shared<S>, origin: &Hash) -> Result<String> {
    // The store may hold what is not durable, or hang.
    if shared.poison().is_some() {
        return Err(Error::unavailable("the witness stopped, and its last cosignature is unknown"));
    }
    let damaged = || Error::internal("the witness cannot read its earlier cosignatures");
    let state = shared.store.state(origin).map_err(|error| {
        tracing::error!(%error, "a state cannot be read");
        Error::unavailable("the witness cannot read its store now")
    })?;
    let Some(state) = state else {
        return Err(Error::not_found("this witness cosigned no checkpoint of that log"));
    };
    state::note(&state).map(str::to_owned).ok_or_else(damaged)
}

/// Reads back what was cosigned.
fn load(store: &impl WitnessStore) -> Result<HashMap<Hash, Latest>, StoreError> {
    let mut latest = HashMap::new();
    let mut damaged = None;
    store.load(&mut |origin, revision, bytes| match state::from_bytes(&origin, revision, &bytes) {
        Some(state) => drop(latest.insert(origin, state)),
        None => damaged = Some(origin),
    })?;
    match damaged {
        None => Ok(latest),
        Some(origin) => Err(StoreError::Damaged(format!(
            "the cosignatures for the log with origin hash {origin} cannot be read"
        ))),
    }
}

/// How many threads sign. An ML-DSA-44 signature takes half a millisecond, and a thread is started in a tenth of that; an
/// Ed25519 signature takes less than starting one.
fn signers(vkeys: &[VerifyingKey]) -> usize {
    let slow = vkeys.iter().any(|key| key.signature_type() == SignatureType::MlDsa44);
    if slow { std::thread::available_parallelism().map_or(1, NonZeroUsize::get) } else { 1 }
}

/// The one name of a witness's keys.
fn check_keys(keys: &[SigningKey]) -> Result<KeyName, WitnessEngineError> {
    let refused = |message: String| Err(WitnessEngineError::Key(message));
    let vkeys: Vec<_> = keys.iter().map(SigningKey::verifying_key).collect();
    let Some(first) = vkeys.first() else { return refused("a witness needs a key".into()) };
    if vkeys.len() > limits::MAX_WITNESS_KEYS {
        return refused(format!("a witness has at most {} keys", limits::MAX_WITNESS_KEYS));
    }
    for (place, key) in vkeys.iter().enumerate() {
        if key.signature_type() == SignatureType::Ed25519 {
            return refused(format!("the key `{key}` signs notes (type 0x01), so it cannot cosign"));
        }
        if key.name() != first.name() {
            return refused(format!(
                "the keys of a witness must have one name, not `{}` and `{}`",
                first.name(),
                key.name()
            ));
        }
        if vkeys[..place].iter().any(|other| same_line(other, key)) {
            return refused(format!("the key `{key}` is given twice, or has the name and id of another"));
        }
    }
    Ok(first.name().clone())
}
