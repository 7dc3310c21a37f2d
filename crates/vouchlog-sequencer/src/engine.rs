//! The handle of a log: submitting to it, asking how it is, stopping it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tracing::Span;
use vouchlog_api::{
    self as api, AckLevel, Appended, Appender, Error, ErrorKind, HouseAppended, Opened, RangeReceipt, Result,
    RunInfo, StreamInfo,
};
use vouchlog_merkle::{LeafIndex, RangeProof, TreeSize};
use vouchlog_note::VerifyingKey;
use vouchlog_runtime::{Poison, Readiness};
use vouchlog_storage::Store;
use vouchlog_stream::{GatewayState, Operators, Run, SequenceNumber, StreamId, StreamState};

use crate::edge::PerfectNodes;
use crate::enroller::Enroller;
use crate::follow::Follower;
use crate::prepare::{self, Prepared};
use crate::pruner::Pruner;
use crate::publish::{Published, Sequenced};
use crate::queue::{Committed, Done, Queue, Request, index_pushback};
use crate::read::Reader;
use crate::scrubber::Scrubber;
use crate::state::Shared;
use crate::witnesses::{WitnessState, Witnessing};

mod overview;
mod reading;

/// A log in this process. Clones are the same log; it stops when the last one is dropped, or on [`Engine::stop`].
#[derive(Debug)]
pub struct Engine<S: Store> {
    pub(crate) inner: Arc<Inner<S>>,
}

#[derive(Debug)]
pub(crate) struct Inner<S: Store> {
    pub(crate) shared: Arc<Shared<S>>,
    pub(crate) queue: Queue,
    /// Of a log that lets everyone in.
    pub(crate) enroller: Option<Enroller>,
    pub(crate) follower: Option<Follower>,
    pub(crate) scrubber: Option<Scrubber>,
    /// Of a log that has entries to give up.
    pub(crate) pruner: Option<Pruner>,
    pub(crate) witnessing: Option<Witnessing>,
    pub(crate) thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl<S: Store> Clone for Engine<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S: Store> Engine<S> {
    /// The log's name.
    pub fn origin(&self) -> &vouchlog_note::Origin {
        &self.inner.shared.origin
    }

    /// The key that signs its checkpoints.
    pub fn vkey(&self) -> &VerifyingKey {
        &self.inner.shared.log_keys[0]
    }

    /// The operator's keys: the one that enrols its gateways now, and those before it.
    ///
    /// # Panics
    /// Never: they are read when the log is opened.
    pub fn operators(&self) -> Operators {
        let directory = self.inner.shared.directory.read();
        directory.operators().expect("read when the log is opened").clone()
    }

    /// The newest sequenced head: every entry under it is durable.
    pub fn sequenced(&self) -> Arc<Sequenced> {
        self.inner.shared.publisher.newest()
    }

    /// The published checkpoint, which [`LogReader::checkpoint`](vouchlog_api::LogReader::checkpoint) answers; with a witness
    /// policy, the newest that satisfies it, or none yet.
    pub fn published(&self) -> Option<Arc<Published>> {
        self.inner.shared.publisher.published()
    }

    /// Size up to which tiles and bundles are sealed.
    pub fn sealed_size(&self) -> u64 {
        self.inner.shared.store.sealed_size()
    }

    /// What the log knows of each of its witnesses.
    pub fn witnesses(&self) -> Vec<WitnessState> {
        self.inner.witnessing.as_ref().map(Witnessing::states).unwrap_or_default()
    }

    pub(crate) fn reader(&self) -> Reader<S> {
        Reader(self.inner.shared.clone())
    }

    /// Stops the log: what is queued is still taken and answered, the heads of all active streams are written, the store is
    /// closed. Later submissions are refused; reads of what is in memory go on.
    pub async fn stop(&self) {
        let (stopped, done) = oneshot::channel();
        self.inner.queue.stop(stopped);
        // An error means that the sequencer had stopped before.
        let _ = done.await;
    }

    /// Rebuilds the lookup index while the log runs. Lookups answer once it has caught up.
    pub fn rebuild_index(&self) {
        if let Some(follower) = &self.inner.follower {
            follower.rebuild();
        }
    }

    /// Trusts the clock as it is now, after a jump forward that [`readiness`](Self::readiness) reports.
    pub fn confirm_clock(&self) {
        self.inner.shared.time.confirm();
    }

    /// For a retired log: the entry, the cause and the successor, in words. It accepts no more entries.
    pub fn retired(&self) -> Option<String> {
        self.inner.shared.directory.read().retired.as_ref().map(ToString::to_string)
    }

    /// Checks whether the log takes statements and serves proofs.
    pub fn readiness(&self) -> Readiness {
        let shared = &self.inner.shared;
        let newest = self.sequenced();
        let (note, keys) = (newest.checkpoint().as_bytes(), &shared.log_keys);
        let checkpoint = vouchlog_note::SignedCheckpoint::open_with_keys(note, &shared.origin, keys);
        let running = self.inner.thread.lock().as_ref().is_some_and(|thread| !thread.is_finished());
        let mut readiness = Readiness::new()
            .check("checkpoint", checkpoint.map(drop).map_err(|error| error.to_string()))
            .unless("sequencer", (!running).then_some("it has stopped"))
            .check("writes", shared.poison.check())
            .stopped(shared.poison().map(|reason| reason.to_string()))
            .unless("signature", shared.unsigned.lock().clone())
            .unless("store", shared.store.impediment())
            .unless("clock", shared.time.trouble());
        if let Some(follower) = &self.inner.follower {
            readiness = readiness.unless("index", follower.failure());
            if let Some(behind) = follower.behind(newest.size()) {
                readiness = readiness.note("index", behind);
            }
        } else if let Some(reason) = self.missing_index() {
            readiness = readiness.unless("index", Some(reason));
        }
        if let Some(scrubber) = &self.inner.scrubber {
            readiness = readiness.unless("sealed data", scrubber.failure());
        }
        if let Some(witnessing) = &self.inner.witnessing {
            readiness = readiness.unless("witnesses", witnessing.impediment());
        }
        for (name, text) in shared.store.notes() {
            readiness = readiness.note(name, text);
        }
        if let Some(reason) = self.inner.pruner.as_ref().and_then(Pruner::failure) {
            readiness = readiness.note("pruning", reason);
        }
        // A retired log only serves reads, so it is ready.
        if let Some(retired) = self.retired() {
            readiness = readiness.note("retired", retired);
        }
        // A witness in trouble makes nothing unready while there is a quorum.
        for witness in self.witnesses() {
            readiness = readiness.note(format!("witness {}", witness.name), witness.to_string());
        }
        readiness
    }

    /// Why a log that runs without an index should have one.
    fn missing_index(&self) -> Option<String> {
        let evicted = self.inner.shared.directory.read().evicted_below > 0;
        evicted.then(|| {
            "it is switched off, and ended streams were evicted: no stream can be opened. Start the log with its index".into()
        })
    }

    /// Whether the log stopped writing for good; a handle that can be waited on.
    pub fn poison(&self) -> Poison {
        self.inner.shared.poison.clone()
    }

    /// What is refused before it queues rests on memory as well, which is the log only while the tenure is held.
    fn current<T>(&self, prepared: Result<T>) -> Result<T> {
        prepared.map_err(|error| match self.inner.shared.store.tenure().obstacle() {
            None => error,
            Some(reason) => Error::unavailable(reason),
        })
    }

    /// What becomes of a request that may be answered already.
    async fn settle(&self, prepared: Prepared) -> Result<(Done, Option<Arc<Committed>>)> {
        match prepared {
            Prepared::Queue(request) => self.submit(request).await,
            Prepared::Answered(done) => Ok((done, None)),
        }
    }

    /// Queues a prepared request and waits for what becomes of it.
    async fn submit(&self, request: Request) -> Result<(Done, Option<Arc<Committed>>)> {
        let inner = &self.inner;
        if request.has_statements()
            && let Some(follower) = &inner.follower
            && follower.lag().is_too_far(self.sequenced().size())
        {
            return Err(index_pushback());
        }
        let outcome = inner.queue.submit(request)?;
        inner.shared.metrics.queued.set(inner.queue.waiting() as u64);
        outcome.await.unwrap_or_else(|_| Err(Error::unavailable("the log stopped before it could respond")))
    }

    /// The receipt of statements the log had before, from the newest tree.
    async fn repeated_receipt(&self, stream: StreamId, run: &Run) -> Result<RangeReceipt> {
        let newest = self.sequenced();
        let size = newest.size();
        let proof = api::proof::range(self, run.first, u64::from(run.count), size).await?;
        receipt(stream, run, proof, newest.checkpoint())
    }

    /// No caller waits for witnesses that do not exist.
    fn check_level(&self, level: AckLevel) -> Result<()> {
        if level == AckLevel::Witnessed && self.inner.shared.policy.is_none() {
            let message = "this log has no witnesses: use `sequenced`";
            return Err(Error::new(ErrorKind::FailedPrecondition, message));
        }
        Ok(())
    }

    /// Exchanges a receipt for one against a checkpoint that satisfies the policy, if the caller waits for that; answers whether it
    /// is one. The statements are in the log: when the witnesses take too long, the receipt there is beats an error.
    async fn acknowledge(&self, receipt: RangeReceipt, level: AckLevel) -> Result<(RangeReceipt, bool)> {
        if level == AckLevel::Sequenced {
            return Ok((receipt, false));
        }
        let end = receipt.first.get() + u64::from(receipt.count);
        let mut published = self.inner.shared.publisher.watch_published();
        let covered = published.wait_for(|p| p.as_ref().is_some_and(|newest| newest.size().get() >= end));
        let waited = tokio::time::timeout(self.inner.shared.options.witness_patience, covered).await;
        let Some(newest) = waited.ok().and_then(|covered| covered.ok().and_then(|newest| newest.clone()))
        else {
            return Ok((receipt, false));
        };
        let proof = api::proof::range(self, receipt.first, u64::from(receipt.count), newest.size()).await?;
        Ok((RangeReceipt { proof, checkpoint: newest.checkpoint().to_owned(), ..receipt }, true))
    }
}

impl<S: Store> Appender for Engine<S> {
    #[tracing::instrument(name = "open_stream", skip_all, fields(stream))]
    async fn open_stream(&self, note: String) -> Result<Opened> {
        let mut prepared = self.current(prepare::open(&self.inner.shared, note))?;
        if let (Some(enroller), Prepared::Queue(Request::Open { opening, enrolment, .. })) =
            (&self.inner.enroller, &mut prepared)
        {
            *enrolment = enroller.enrolment(&self.inner.shared, opening).await?;
        }
        match self.settle(prepared).await? {
            (Done::Opened(stream), _) => {
                Span::current().record("stream", stream.get());
                Ok(Opened { stream, checkpoint: self.sequenced().checkpoint().to_owned() })
            }
            _ => Err(mixed_up()),
        }
    }

    #[tracing::instrument(name = "append", level = "debug", skip_all, fields(stream = request.stream.get(), statements = request.statements.len(), size))]
    async fn append(&self, request: api::Append) -> Result<Appended> {
        let (stream, wait_for) = (request.stream, request.wait_for);
        self.check_level(wait_for)?;
        let prepared = self.current(prepare::append(&self.inner.shared, request))?;
        match self.settle(prepared).await? {
            (Done::Appended(run), Some(committed)) => {
                Span::current().record("size", committed.head.tree.size.get());
                let proof = fresh_proof(&committed, run.first, u64::from(run.count))?;
                let stream_size = run.end();
                let receipt = receipt(stream, &run, proof, &committed.head.checkpoint)?;
                let (receipt, witnessed) = self.acknowledge(receipt, wait_for).await?;
                Ok(Appended { stream_size, receipt: Some(receipt), repeated: false, witnessed })
            }
            (Done::Repeated(run), _) => {
                let receipt = self.repeated_receipt(stream, &run).await?;
                let (receipt, witnessed) = self.acknowledge(receipt, wait_for).await?;
                Ok(Appended { stream_size: run.end(), receipt: Some(receipt), repeated: true, witnessed })
            }
            (Done::HeadOnly(stream_size), _) => {
                Ok(Appended { stream_size, receipt: None, repeated: false, witnessed: false })
            }
            _ => Err(mixed_up()),
        }
    }

    #[tracing::instrument(name = "append", level = "debug", skip_all, fields(stream, statements = request.statements.len(), size))]
    async fn append_house(&self, request: api::HouseAppend) -> Result<HouseAppended> {
        let wait_for = request.wait_for;
        self.check_level(wait_for)?;
        match self.submit(prepare::house(request)?).await? {
            (Done::House { stream, sequence, first, count }, Some(committed)) => {
                Span::current().record("stream", stream.get()).record("size", committed.head.tree.size.get());
                let receipt = RangeReceipt {
                    stream,
                    sequence: sequence_number(sequence)?,
                    first,
                    count,
                    logged_at: committed.logged_at,
                    proof: fresh_proof(&committed, first, u64::from(count))?,
                    checkpoint: committed.head.checkpoint.clone(),
                };
                let (receipt, witnessed) = self.acknowledge(receipt, wait_for).await?;
                Ok(HouseAppended { receipt, witnessed })
            }
            _ => Err(mixed_up()),
        }
    }

    #[tracing::instrument(name = "enrol", skip_all)]
    async fn enrol(&self, note: String) -> Result<LeafIndex> {
        let request = self.current(prepare::enrol(&self.inner.shared, note))?;
        match self.submit(request).await? {
            (Done::Enrolled(index), _) => Ok(index),
            _ => Err(mixed_up()),
        }
    }

    #[tracing::instrument(name = "revoke", skip_all)]
    async fn revoke(&self, note: String) -> Result<LeafIndex> {
        let request = self.current(prepare::revoke(&self.inner.shared, note))?;
        match self.submit(request).await? {
            (Done::Revoked(index), _) => Ok(index),
            _ => Err(mixed_up()),
        }
    }

    #[tracing::instrument(name = "set_quota", skip_all)]
    async fn set_quota(&self, note: String) -> Result<LeafIndex> {
        let request = self.current(prepare::quota(&self.inner.shared, note))?;
        match self.submit(request).await? {
            (Done::QuotaSet(index), _) => Ok(index),
            _ => Err(mixed_up()),
        }
    }

    #[tracing::instrument(name = "retire", skip_all)]
    async fn retire(&self, note: String) -> Result<LeafIndex> {
        let request = self.current(prepare::retire(&self.inner.shared, note))?;
        match self.submit(request).await? {
            (Done::Retired(index), _) => Ok(index),
            _ => Err(mixed_up()),
        }
    }

    #[tracing::instrument(name = "change_key", skip_all)]
    async fn change_key(&self, note: String) -> Result<LeafIndex> {
        let prepared = self.current(prepare::change_key(&self.inner.shared, note))?;
        match self.settle(prepared).await? {
            (Done::KeyChanged(index), _) => Ok(index),
            _ => Err(mixed_up()),
        }
    }

    async fn stream(&self, stream: StreamId) -> Result<StreamInfo> {
        let state = self.inner.shared.stream(stream)?;
        let directory = self.inner.shared.directory.read();
        let gateway = directory.gateways.get(state.gateway());
        let gateway =
            gateway.ok_or_else(|| Error::internal("the stream's gateway is not in the directory"))?;
        Ok(stream_info(&state, gateway, directory.operators()?.changes()))
    }
}

fn stream_info(state: &StreamState, gateway: &GatewayState, operator_changes: Vec<LeafIndex>) -> StreamInfo {
    let run = |run: &Run| RunInfo {
        start: run.start,
        count: run.count,
        first: run.first,
        logged_at: run.logged_at,
    };
    StreamInfo {
        stream: state.id(),
        gateway: state.gateway().name().to_string(),
        enrolled: gateway.enrolled,
        revoked: gateway.revoked.as_ref().map(|revoked| revoked.index),
        operator_changes,
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
    let nodes = PerfectNodes { before: &committed.before, grown: &committed.nodes };
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
    Error::internal("internal error: mismatched reply from the sequencer")
}
