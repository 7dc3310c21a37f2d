//! The handle of a log: opening one, submitting to it, stopping it.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::sync::oneshot;
use vouchlog_api::{
    self as api, Appended, Appender, Error, HouseAppended, Opened, RangeReceipt, Result, RunInfo, StreamInfo,
};
use vouchlog_merkle::{LeafIndex, RangeProof, TreeSize};
use vouchlog_note::{SignatureType, VerifyingKey};
use vouchlog_storage::{CommitError, Index, Store, StoreError};
use vouchlog_stream::{Enrolment, Genesis, Run, SequenceNumber, StreamId, StreamState};

use crate::commit::Committer;
use crate::config::Config;
use crate::draft::House;
use crate::edge::{Edge, PerfectNodes};
use crate::follow::Follower;
use crate::limits::MAX_QUEUED_REQUESTS;
use crate::metrics::Metrics;
use crate::prepare;
use crate::publish::{Published, Publisher};
use crate::queue::{Committed, Done, Queue, Request};
use crate::recover::{create, genesis, recover};
use crate::sequence::{DueHeads, Sequencer};
use crate::state::{Directory, Shared};

/// Why a log did not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store cannot be read, or is not this log's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The genesis entry could not be committed.
    #[error("the log could not be created: {0}")]
    Create(#[from] CommitError),
    /// The first entry is not signed by the key the log was opened with.
    #[error("the log in this store was created with another key: {0}")]
    LogKey(String),
    /// The operator key is not the one the genesis entry names.
    #[error("the log's operator is `{0}`, not the operator key given")]
    OperatorKey(String),
    /// A new log needs to name its operator.
    #[error("a new log needs an operator key, which will enrol its gateways")]
    NoOperator,
    /// A key is of the wrong type or name.
    #[error("{0}")]
    Key(String),
    /// The operating system gave no thread.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
}

/// Whether a log takes statements and serves proofs, check by check.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// What was checked, and what is wrong with it.
    pub checks: Vec<(&'static str, Result<(), String>)>,
}

impl Readiness {
    /// Whether every check passed.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|(_, outcome)| outcome.is_ok())
    }
}

/// A log in this process. Clones are the same log; it stops when the last one is dropped, or on [`Log::stop`].
#[derive(Debug)]
pub struct Log<S: Store> {
    pub(crate) inner: Arc<Inner<S>>,
}

#[derive(Debug)]
pub(crate) struct Inner<S: Store> {
    pub(crate) shared: Arc<Shared<S>>,
    pub(crate) queue: Queue,
    pub(crate) follower: Option<Follower>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl<S: Store> Clone for Log<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S: Store> Log<S> {
    /// Opens the log in `store`, or creates it with a genesis entry. `index` is the lookup index, if there is to be one;
    /// metrics are registered in `registry`. Blocks while the tail is read back.
    pub fn open(
        config: Config,
        store: S,
        index: Option<Arc<dyn Index>>,
        registry: &mut Registry,
    ) -> Result<Self, OpenError> {
        check_keys(&config)?;
        if store.load()?.is_none() {
            create(&config, &store)?;
        }
        let loaded =
            store.load()?.ok_or_else(|| StoreError::Damaged("what was just created is gone".into()))?;
        let log_key = config.log_key.verifying_key().clone();
        let operator = operator(&genesis(&store, &loaded)?, &config)?;
        let tree = recover(&store, &loaded)?;
        let directory = Directory::load(&loaded.states)
            .ok_or_else(|| StoreError::Damaged("a stream or gateway state cannot be read".into()))?;
        let metrics = Metrics::register(registry);
        metrics.tree_size.set(tree.size());
        let store = Arc::new(store);
        let mut due = DueHeads::default();
        let streams = directory.streams.values().map(Arc::as_ref);
        due.update(streams, tree.logged_at, config.options.stream_head_interval);
        let publisher = Publisher::new(Published { head: loaded.head, edge: Edge::clone(&tree.edge) });
        let (clock, options) = (config.clock.clone(), config.options.clone());
        let origin = config.origin.clone();
        let shared = Arc::new(Shared::new(
            store.clone(),
            origin.clone(),
            log_key,
            operator,
            clock,
            options,
            directory,
            publisher,
            metrics,
        ));
        let committer = Committer::start(store, config.options.commit_patience).map_err(OpenError::Thread)?;
        let house = House { origin, gateway: config.house_key, randomness: config.randomness, open: None };
        let house_key = house.gateway.as_ref().map(|key| key.verifying_key().clone());
        let sequencer = Sequencer {
            shared: shared.clone(),
            tree,
            log_key: config.log_key,
            operator_key: config.operator_key,
            house,
            committer,
            due,
        };
        Self::start(shared, sequencer, index, house_key.as_ref())
    }

    fn start(
        shared: Arc<Shared<S>>,
        sequencer: Sequencer<S>,
        index: Option<Arc<dyn Index>>,
        house: Option<&VerifyingKey>,
    ) -> Result<Self, OpenError> {
        let (messages, queue) = sync_channel(MAX_QUEUED_REQUESTS);
        let follower =
            index.map(|index| Follower::start(&shared, index)).transpose().map_err(OpenError::Thread)?;
        let enrolment = match (&sequencer.operator_key, house) {
            (Some(operator), Some(house)) if !shared.directory.read().gateways.contains_key(house) => {
                let enrolment = Enrolment { log: shared.origin.clone(), gateway: house.clone() };
                Some((enrolment.sign(operator), enrolment))
            }
            _ => None,
        };
        let thread = std::thread::Builder::new()
            .name("vouchlog-sequencer".into())
            .spawn(move || sequencer.run(&queue))
            .map_err(OpenError::Thread)?;
        let queue = Queue::new(messages, shared.options.max_queued_statements);
        if let Some((note, enrolment)) = enrolment {
            let note = note.map_err(|error| OpenError::Key(error.to_string()))?;
            // Nobody waits: a house stream that cannot be enrolled says so when it is used.
            drop(queue.submit(Request::Enrol { note, enrolment: Box::new(enrolment) }));
        }
        let thread = Mutex::new(Some(thread));
        Ok(Self { inner: Arc::new(Inner { shared, queue, follower, thread }) })
    }

    /// The log's name.
    pub fn origin(&self) -> &vouchlog_note::Origin {
        &self.inner.shared.origin
    }

    /// The key that signs its checkpoints.
    pub fn vkey(&self) -> &VerifyingKey {
        &self.inner.shared.log_key
    }

    /// The key that enrols its gateways.
    pub fn operator_vkey(&self) -> &VerifyingKey {
        &self.inner.shared.operator
    }

    /// The newest published head.
    pub fn published(&self) -> Arc<Published> {
        self.inner.shared.publisher.newest()
    }

    /// Stops the log: what is queued is still taken and answered, the heads of all active streams are written, the store is
    /// closed. Later submissions are refused; reads of what is in memory go on.
    pub async fn stop(&self) {
        let (stopped, done) = oneshot::channel();
        let queue = self.inner.queue.clone();
        // Sending blocks while the queue is full, so it must not happen on an async thread.
        let _ = tokio::task::spawn_blocking(move || queue.stop(stopped)).await;
        // An error means that the sequencer had stopped before.
        let _ = done.await;
    }

    /// Begins the lookup index anew, while the log runs. Lookups answer once it has caught up.
    pub fn rebuild_index(&self) {
        if let Some(follower) = &self.inner.follower {
            follower.rebuild();
        }
    }

    /// Checks whether the log takes statements and serves proofs.
    pub fn readiness(&self) -> Readiness {
        let shared = &self.inner.shared;
        let published = self.published();
        let checkpoint = vouchlog_note::SignedCheckpoint::open(
            published.checkpoint().as_bytes(),
            &shared.origin,
            &shared.log_key,
        );
        let running = self.inner.thread.lock().as_ref().is_some_and(|thread| !thread.is_finished());
        let mut checks = vec![
            ("checkpoint", checkpoint.map(drop).map_err(|error| error.to_string())),
            ("sequencer", if running { Ok(()) } else { Err("it has stopped".to_owned()) }),
            ("writes", shared.poison().map_or(Ok(()), Err)),
            ("store", shared.store.impediment().map_or(Ok(()), Err)),
        ];
        if let Some(follower) = &self.inner.follower {
            checks.push(("index", follower.failure().map_or(Ok(()), Err)));
        }
        Readiness { checks }
    }

    /// Queues a prepared request and waits for what becomes of it.
    async fn submit(&self, request: Request) -> Result<(Done, Option<Arc<Committed>>)> {
        let inner = &self.inner;
        let outcome = inner.queue.submit(request)?;
        inner.shared.metrics.queued.set(inner.queue.waiting() as u64);
        outcome.await.unwrap_or_else(|_| Err(Error::unavailable("the log stopped before it could answer")))
    }

    /// The receipt of statements the log had before, from the published tree.
    async fn repeated_receipt(&self, stream: StreamId, run: &Run) -> Result<RangeReceipt> {
        let published = self.published();
        let size = published.size();
        let proof = api::proof::range(self, run.first, u64::from(run.count), size).await?;
        receipt(stream, run, proof, published.checkpoint())
    }
}

impl<S: Store> Appender for Log<S> {
    async fn open_stream(&self, note: String) -> Result<Opened> {
        let request = prepare::open(&self.inner.shared, note)?;
        match self.submit(request).await? {
            (Done::Opened(stream), _) => {
                Ok(Opened { stream, checkpoint: self.published().checkpoint().to_owned() })
            }
            _ => Err(mixed_up()),
        }
    }

    async fn append(&self, request: api::Append) -> Result<Appended> {
        let stream = request.stream;
        let request = prepare::append(&self.inner.shared, request)?;
        match self.submit(request).await? {
            (Done::Appended(run), Some(committed)) => {
                let proof = fresh_proof(&committed, run.first, u64::from(run.count))?;
                let stream_size = run.end();
                let receipt = receipt(stream, &run, proof, &committed.head.checkpoint)?;
                Ok(Appended { stream_size, receipt: Some(receipt), repeated: false, witnessed: false })
            }
            (Done::Repeated(run), _) => {
                let receipt = self.repeated_receipt(stream, &run).await?;
                Ok(Appended {
                    stream_size: run.end(),
                    receipt: Some(receipt),
                    repeated: true,
                    witnessed: false,
                })
            }
            (Done::HeadOnly(stream_size), _) => {
                Ok(Appended { stream_size, receipt: None, repeated: false, witnessed: false })
            }
            _ => Err(mixed_up()),
        }
    }

    async fn append_house(&self, request: api::HouseAppend) -> Result<HouseAppended> {
        match self.submit(prepare::house(request)?).await? {
            (Done::House { stream, sequence, first, count }, Some(committed)) => {
                let receipt = RangeReceipt {
                    stream,
                    sequence: sequence_number(sequence)?,
                    first,
                    count,
                    logged_at: committed.logged_at,
                    proof: fresh_proof(&committed, first, u64::from(count))?,
                    checkpoint: committed.head.checkpoint.clone(),
                };
                Ok(HouseAppended { receipt, witnessed: false })
            }
            _ => Err(mixed_up()),
        }
    }

    async fn enrol(&self, note: String) -> Result<LeafIndex> {
        let request = prepare::enrol(&self.inner.shared, note)?;
        match self.submit(request).await? {
            (Done::Enrolled(index), _) => Ok(index),
            _ => Err(mixed_up()),
        }
    }

    async fn revoke(&self, note: String) -> Result<LeafIndex> {
        let request = prepare::revoke(&self.inner.shared, note)?;
        match self.submit(request).await? {
            (Done::Revoked(index), _) => Ok(index),
            _ => Err(mixed_up()),
        }
    }

    async fn stream(&self, stream: StreamId) -> Result<StreamInfo> {
        let state = self.inner.shared.directory.read().streams.get(&stream).cloned();
        state.map(|state| stream_info(&state)).ok_or_else(|| prepare::unknown_stream(stream))
    }
}

fn stream_info(state: &StreamState) -> StreamInfo {
    let run = |run: &Run| RunInfo {
        start: run.start,
        count: run.count,
        first: run.first,
        logged_at: run.logged_at,
    };
    StreamInfo {
        stream: state.id(),
        gateway: state.gateway().name().to_string(),
        key: state.key().to_string(),
        previous: state.previous(),
        size: state.size(),
        head: state.head_note().map(str::to_owned),
        runs: state.runs().map(run).collect(),
        status: state.status(),
        fork: state.fork().cloned(),
    }
}

/// The range proof of entries of a batch that was just committed: every node it needs was completed by the batch or was in
/// the compact range before it, so nothing is read.
fn fresh_proof(committed: &Committed, first: LeafIndex, count: u64) -> Result<RangeProof> {
    let size: TreeSize = committed.head.tree.size;
    let plan = RangeProof::plan(first, count, size)?;
    let nodes = PerfectNodes::new(&committed.before, &committed.nodes);
    let missing = || Error::internal("the new tree lacks a node of its own proof");
    let left = nodes.find(plan.left().nodes()).ok_or_else(missing)?;
    let right = nodes.find(plan.right().nodes()).ok_or_else(missing)?;
    Ok(RangeProof::from_nodes(&plan, &left, &right)?)
}

fn receipt(stream: StreamId, run: &Run, proof: RangeProof, checkpoint: &str) -> Result<RangeReceipt> {
    Ok(RangeReceipt {
        stream,
        sequence: sequence_number(run.start)?,
        first: run.first,
        count: run.count,
        logged_at: run.logged_at,
        proof,
        checkpoint: checkpoint.to_owned(),
    })
}

fn sequence_number(number: u64) -> Result<SequenceNumber> {
    SequenceNumber::new(number).ok_or_else(|| Error::internal("a sequence number is out of range"))
}

fn mixed_up() -> Error {
    Error::internal("the sequencer answered another question")
}

fn check_keys(config: &Config) -> Result<(), OpenError> {
    let log = config.log_key.verifying_key();
    if log.name().as_str() != config.origin.as_str() {
        let message = format!("the log's key is named `{}`, its origin is `{}`", log.name(), config.origin);
        return Err(OpenError::Key(message));
    }
    let others = [&config.operator_key, &config.house_key];
    let keys = others.into_iter().flatten().map(vouchlog_note::SigningKey::verifying_key).chain([log]);
    for key in keys {
        if key.signature_type() != SignatureType::Ed25519 {
            return Err(OpenError::Key(format!("the key `{key}` is not an Ed25519 note key (type 0x01)")));
        }
    }
    Ok(())
}

/// The operator the genesis entry names, checked against the keys the log is opened with.
fn operator(genesis_note: &str, config: &Config) -> Result<VerifyingKey, OpenError> {
    let genesis = Genesis::open(genesis_note, config.log_key.verifying_key())
        .map_err(|error| OpenError::LogKey(error.to_string()))?;
    if genesis.origin != config.origin {
        let message = format!("the store holds the log `{}`, not `{}`", genesis.origin, config.origin);
        return Err(StoreError::Foreign(message).into());
    }
    match &config.operator_key {
        Some(key) if *key.verifying_key() != genesis.operator => {
            Err(OpenError::OperatorKey(genesis.operator.to_string()))
        }
        _ => Ok(genesis.operator),
    }
}
