//! One function is the log: [`Sequencer::sequence_batch`]. Read it first.
//!
//! | step | what | a failure means |
//! | --- | --- | --- |
//! | draft | requests become entries and changed states | that request is refused, the others go on |
//! | integrate | the tree grows, in memory, beside the committed one | – (pure) |
//! | commit | the store makes entries, states and head durable, all or nothing | refused: the batch is; unknown: the log stops writing |
//! | check | meanwhile, another implementation hashes every entry again and computes the root by a second path | the log stops writing: memory or code is broken |
//! | note | the head, which is committed, is noted as signed | the log stops writing |
//! | sign | the log's key signs it | it is asked again; nothing else is drafted, shown or acknowledged meanwhile |
//! | show | readers see the new head | – |
//! | acknowledge | every caller gets an answer | – |
//!
//! The signature comes after the commit, never before: one root per size then rests on the commit alone. A process that ends
//! between the two signs the same head when it starts again; the signed note itself is stored with the next commit. A key that is kept
//! elsewhere may be away: see `signing`.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::field::Empty;
use tracing::{Span, info_span};
use vouchlog_api::{Error, Result};
use vouchlog_merkle::{CompactRange, Growth as Nodes, TreeHead, TreeSize};
use vouchlog_runtime::Monotonic;
use vouchlog_storage::{Batch, CommitError, Growth, Store, Tenure};
use vouchlog_stream::{StreamId, StreamState};

use crate::commit::Committer;
use crate::draft::{Draft, FinishedDraft, House, HousePlace, HouseRun, OpenHouse, Parties};
use crate::edge::{Edge, Framed};
use crate::evict::evictable;
use crate::limits::{MAX_BATCH_REQUESTS, MAX_BATCH_STATEMENTS};
use crate::publish::Published;
use crate::queue::{Caller, Committed, Message, Request, Waiting};
use crate::second_path::SecondPath;
use crate::signer::{SignedHead, Signer};
use crate::state::{
    Eviction, Shared, Tree, stored_gateway, stored_operators, stored_published, stored_quota, stored_signed,
    stored_stream, stored_usage, stored_witness_keys,
};

mod answering;
mod signing;

use answering::{Answer, acknowledge, refuse};
use signing::Unsigned;

/// How often an idle sequencer looks for stream heads that are due.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// Owns the tree. Lives on one thread; nothing else writes.
pub(crate) struct Sequencer<S> {
    pub(crate) shared: Arc<Shared<S>>,
    pub(crate) tree: Tree,
    pub(crate) signer: Signer,
    pub(crate) house: House,
    pub(crate) committer: Committer,
    pub(crate) second_path: SecondPath,
    pub(crate) due: DueHeads,
    /// The published checkpoint that is in the store.
    pub(crate) stored: Option<Arc<Published>>,
    /// The committed batch whose head is not signed yet.
    unsigned: Option<Unsigned>,
}

/// What the sequencer works with beside the tree.
pub(crate) struct Parts {
    pub(crate) signer: Signer,
    pub(crate) house: House,
    pub(crate) committer: Committer,
    pub(crate) second_path: SecondPath,
    pub(crate) due: DueHeads,
}

/// Streams with statements that no stream-head entry covers yet, by the monotonic time one is due: a wall clock that jumps must not stop them.
#[derive(Debug, Default)]
pub(crate) struct DueHeads {
    by_time: BTreeSet<(Monotonic, StreamId)>,
    due: HashMap<StreamId, Monotonic>,
}

/// A batch that is in the tree, in memory.
pub(crate) struct Integrated {
    pub(crate) head: TreeHead,
    pub(crate) before: CompactRange,
    pub(crate) range: CompactRange,
    pub(crate) nodes: Nodes,
    pub(crate) edge: Edge,
    pub(crate) growth: Growth,
}

/// A committed batch, until it is the state of the log.
pub(crate) struct Batched {
    drafted: FinishedDraft,
    integrated: Integrated,
    house: Option<OpenHouse>,
    evicted: Eviction,
}

impl<S: Store> Sequencer<S> {
    pub(crate) fn new(shared: Arc<Shared<S>>, tree: Tree, parts: Parts) -> Self {
        let Parts { signer, house, committer, second_path, due } = parts;
        let stored = shared.publisher.published();
        let unsigned = None;
        Self { shared, tree, signer, house, committer, second_path, due, stored, unsigned }
    }

    /// The thread: batches whatever waits, at once; while one batch is being made durable, the next one gathers in the
    /// queue. Ends when told to, or when the last handle is gone.
    pub(crate) fn run(mut self, queue: &Receiver<Message>) {
        let mut stop = None;
        while stop.is_none() {
            let batch = match queue.recv_timeout(IDLE_TICK) {
                Ok(first) => gather(queue, first, &mut stop),
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.check_tenure();
            self.sequence_batch(batch, false);
        }
        let rest = queue.try_iter().filter_map(request).collect();
        self.sequence_batch(rest, true);
        // A store whose commit hangs would hang in closing too; the next start does what closing would have done.
        if self.shared.poison().is_none()
            && let Err(error) = self.shared.store.close()
        {
            tracing::error!(%error, "the store did not close cleanly");
        }
        if let Some(stopped) = stop {
            // The caller may be gone by now.
            let _ = stopped.send(());
        }
    }

    /// Stops the log once another process has taken it over, also if there is nothing to sign.
    fn check_tenure(&self) {
        if let Tenure::Lost(reason) = self.shared.store.tenure()
            && self.shared.poison().is_none()
        {
            self.shared.set_poison(&reason);
        }
    }

    /// Takes a batch of requests through the whole protocol. `last` also writes the heads of all active streams.
    pub(crate) fn sequence_batch(&mut self, requests: Vec<Waiting>, last: bool) {
        if let Some(reason) = self.shared.poison() {
            return refuse(requests, &format!("the log has stopped writing: {reason}"));
        }
        if let Err(error) = self.sign_waiting(last) {
            return requests.into_iter().for_each(|waiting| waiting.caller.answer(Err(error.clone())));
        }
        let is_idle = requests.is_empty();
        let _span = batch_span(&requests).entered();
        let (drafted, answers, house) = self.draft(requests, last);
        let published = self.newly_published();
        // Requests that change nothing must not wait for a commit.
        let evicts = is_idle || !drafted.is_empty();
        let evicted = if evicts { evictable(&self.shared, &drafted) } else { Eviction::default() };
        if drafted.is_empty() && evicted.is_empty() && !(last && published.is_some()) {
            return self.answer_unchanged(answers);
        }
        let integrated = integrate(&self.tree, &drafted.entries, &drafted.leaves);
        Span::current().record("entries", drafted.leaves.len()).record("size", integrated.head.size.get());
        self.second_path.begin(self.tree.range.clone(), drafted.entries.clone(), integrated.head);
        let committed = self.commit(&drafted, &integrated, published.as_deref(), &evicted);
        let checked = self.second_path.finish();
        if let Err(error) = committed.and_then(|()| self.note(&integrated, checked)) {
            return self.fail(answers, &error);
        }
        self.stored = published.or(self.stored.take());
        let signed = self.sign(integrated.head, drafted.now, self.shared.options.signer_patience);
        let batch = Batched { drafted, integrated, house, evicted };
        match signed {
            Ok(head) => acknowledge(answers, Some(&self.show(head, batch))),
            Err(error) => {
                self.keep_unsigned(batch);
                self.fail(answers, &error);
            }
        }
    }

    /// Turns requests into entries and changed states. House requests of the batch become one run at its end.
    fn draft(&self, requests: Vec<Waiting>, last: bool) -> (FinishedDraft, Vec<Answer>, Option<OpenHouse>) {
        let directory = self.shared.directory.read();
        let now = self.shared.time.now().max(self.tree.logged_at);
        let recall = self.shared.recall(directory.evicted_below);
        let mut draft = Draft::new(&directory, recall, self.tree.size(), now);
        draft.reserve(statements(&requests));
        let mut answers = Vec::with_capacity(requests.len());
        let mut house = HouseRun::default();
        let mut house_callers = Vec::new();
        let mut retirements = Vec::new();
        for Waiting { request, caller, span: _ } in requests {
            let done = match request {
                Request::Append(append) => draft.append(&append),
                Request::Open { note, opening, enrolment } => {
                    draft.open(note, &opening, enrolment.as_deref())
                }
                Request::Enrol { note, enrolment, by } => {
                    draft.check_operator(&by).and_then(|()| draft.enrol(note, &enrolment))
                }
                Request::Revoke { note, revocation, by } => {
                    draft.check_operator(&by).and_then(|()| draft.revoke(note, &revocation))
                }
                Request::SetQuota { note, quota, by } => {
                    draft.check_operator(&by).and_then(|()| draft.set_quota(note, &quota))
                }
                Request::ChangeKey { note } => draft.change_key(note, &Parties::of(&self.shared)),
                // The last entry of the log comes after all others of the batch.
                Request::Retire { note, retirement } => {
                    retirements.push((caller, note, retirement));
                    continue;
                }
                Request::House { statements, leaves, room: _room } => {
                    if let Err(error) = draft.charge_house(&self.house, statements.len()) {
                        answers.push((caller, Err(error)));
                        continue;
                    }
                    house_callers.push((caller, house.add(&statements, &leaves), statements.len()));
                    continue;
                }
            };
            answers.push((caller, done));
        }
        let mut opened = None;
        if !house_callers.is_empty() {
            let placed = draft.append_house(&self.house, &house);
            let place = placed.map(|(place, open)| {
                opened = Some(open);
                place
            });
            answers.extend(house_callers.into_iter().map(|caller| house_answer(caller, &place)));
        }
        if !draft.is_retired() {
            // A log that ends has the newest head of every stream, like one that stops.
            let all = last || !retirements.is_empty();
            self.due.write_due(&mut draft, self.shared.time.monotonic(), all);
        }
        for (caller, note, retirement) in retirements {
            answers.push((caller, draft.retire(note, &retirement)));
        }
        let drafted = draft.finish();
        self.shared.metrics.over_quota(&drafted.over_quota);
        (drafted, answers, opened)
    }

    /// Notes that the committed head is going to be signed, once the second path has led to the same root. From here on the head is
    /// part of the log, so a failure stops all writing: the next start signs it.
    fn note(&self, integrated: &Integrated, checked: Result<(), String>) -> Result<()> {
        let head = integrated.head;
        let same_size = integrated.edge.size() == head.size.get();
        let agreed = if same_size { checked } else { Err("the edge is not as wide as the tree".into()) };
        if let Err(reason) = agreed {
            self.shared.set_poison(&reason);
            return Err(Error::internal("the log stopped: its own check of the new root failed"));
        }
        if self.tree.head.as_ref().is_some_and(|signed| signed.tree == head) {
            return Ok(());
        }
        self.shared.store.note_signed(head).map_err(|error| {
            self.shared.set_poison(&error.to_string());
            Error::unavailable("the log stopped: it cannot sign its checkpoint")
        })
    }

    /// The published checkpoint, if the store has another: it goes along with the next batch.
    fn newly_published(&self) -> Option<Arc<Published>> {
        // Without a policy it is the head, which the store has anyway.
        self.shared.policy.as_ref()?;
        self.shared.publisher.published().filter(|published| self.stored.as_ref() != Some(published))
    }

    fn commit(
        &mut self,
        drafted: &FinishedDraft,
        integrated: &Integrated,
        published: Option<&Published>,
        evicted: &Eviction,
    ) -> Result<()> {
        let streams = drafted.streams.iter().map(stored_stream);
        let states = streams.chain(drafted.gateways.iter().map(stored_gateway));
        let states = states.chain(drafted.quotas.iter().map(stored_quota));
        let states = states.chain(drafted.usage.iter().map(stored_usage));
        let states = states.chain(drafted.operators.iter().map(stored_operators));
        let states = states.chain(drafted.witness_keys.iter().map(stored_witness_keys));
        let states = states.chain(published.map(stored_published)).chain(evicted.states());
        let states = states.chain(self.tree.head.as_ref().map(stored_signed)).collect();
        let batch = Batch {
            head: integrated.head,
            count: drafted.leaves.len() as u64,
            entries: drafted.entries.bytes.clone(),
            states,
            growth: integrated.growth.clone(),
        };
        let expected = self.tree.head.as_ref().map(|head| head.tree.size.get());
        let timer = self.shared.metrics.commit_started();
        let outcome = self.committer.commit(expected, batch);
        self.shared.metrics.commit_ended(timer, drafted.leaves.len());
        outcome.map_err(|error| {
            tracing::error!(%error, "a batch was not committed");
            self.shared.metrics.refused_batches.inc();
            if !matches!(error, CommitError::Refused(_)) {
                self.shared.set_poison(&error.to_string());
            }
            Error::unavailable(match error {
                CommitError::Refused(reason) => format!("the log accepts nothing now: {reason}"),
                CommitError::Moved { .. } | CommitError::Fenced(_) => {
                    "the log stopped: another process writes to its store".into()
                }
                CommitError::Unknown(_) => {
                    "the log stopped: it is unknown whether the batch is durable".into()
                }
            })
        })
    }

    /// Makes the committed batch the state of the log, for the next batch and for readers.
    fn show(&mut self, head: SignedHead, batch: Batched) -> Arc<Committed> {
        let Batched { drafted, integrated, house, evicted } = batch;
        let Integrated { before, range, nodes, edge, .. } = integrated;
        self.shared.metrics.committed(&head.tree, drafted.leaves.len());
        let interval = self.shared.options.stream_head_interval;
        self.due.update(&drafted.streams, self.shared.time.monotonic(), interval);
        {
            let mut directory = self.shared.directory.write();
            let size = head.tree.size.get();
            drafted.streams.into_iter().for_each(|stream| directory.put_stream(stream, size));
            directory.evict(&evicted);
            self.shared.metrics.streams.set(directory.streams.len() as u64);
            drafted.gateways.into_iter().for_each(|gateway| directory.put_gateway(gateway));
            drafted.quotas.into_iter().for_each(|quota| directory.quotas.put_quota(quota));
            drafted.usage.into_iter().for_each(|usage| directory.quotas.put_usage(usage));
            directory.operators = drafted.operators.or(directory.operators.take());
            if let Some(keys) = drafted.witness_keys {
                directory.witness_keys = keys;
            }
            self.shared.metrics.quotas(directory.quotas.count(), &directory.quotas.highest(drafted.now));
            if let (None, Some(retired)) = (&directory.retired, &drafted.retired) {
                tracing::warn!("{retired}");
                self.shared.metrics.retired.set(1);
            }
            directory.retired = drafted.retired;
        }
        self.shared.publisher.sequenced(head.clone(), edge.clone());
        self.tree = Tree { head: Some(head.clone()), range, edge, logged_at: drafted.now };
        self.house.open = house.or(self.house.open.take());
        Arc::new(Committed { head, before, nodes, logged_at: drafted.now })
    }
}

impl FinishedDraft {
    fn is_empty(&self) -> bool {
        self.leaves.is_empty() && self.streams.is_empty() && self.gateways.is_empty()
    }
}

/// Grows a tree by entries, in memory. Pure: the tree stays as it is.
pub(crate) fn integrate(tree: &Tree, entries: &Framed, leaves: &[vouchlog_merkle::Hash]) -> Integrated {
    let before = tree.range.clone();
    let mut range = before.clone();
    let nodes = range.extend(leaves);
    let (edge, growth) = tree.edge.grow(&nodes, entries);
    let root = range.root().expect("the log's range begins at its first entry");
    let head = TreeHead { size: TreeSize::new(range.end()), root };
    Integrated { head, before, range, nodes, edge, growth }
}

/// Everything that waits, up to the size of a batch.
fn gather(queue: &Receiver<Message>, first: Message, stop: &mut Option<oneshot::Sender<()>>) -> Vec<Waiting> {
    let mut batch = Vec::new();
    let mut statements = 0;
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Request(waiting) => {
                statements += waiting.request.weight();
                batch.push(waiting);
            }
            Message::Stop(stopped) => {
                *stop = Some(stopped);
                return batch;
            }
        }
        if statements >= MAX_BATCH_STATEMENTS || batch.len() >= MAX_BATCH_REQUESTS {
            return batch;
        }
        next = queue.try_recv().ok();
    }
    batch
}

/// The span of a batch; none for what the sequencer does by itself.
fn batch_span(requests: &[Waiting]) -> Span {
    let statements = statements(requests);
    Waiting::batch_span(
        requests,
        |first| info_span!(parent: first, "batch", requests = requests.len(), statements, entries = Empty, size = Empty),
    )
}

/// How many statements there are, or a few more.
fn statements(requests: &[Waiting]) -> usize {
    requests.iter().map(|waiting| waiting.request.weight()).sum()
}

fn request(message: Message) -> Option<Waiting> {
    match message {
        Message::Request(waiting) => Some(waiting),
        Message::Stop(stopped) => {
            let _ = stopped.send(());
            None
        }
    }
}

fn house_answer((caller, offset, count): (Caller, u64, usize), place: &Result<HousePlace>) -> Answer {
    (caller, place.clone().map(|place| place.done(offset, count)))
}

impl DueHeads {
    /// Takes up streams that have statements no head entry covers, and lets go of those that have none.
    pub(crate) fn update<'s>(
        &mut self,
        streams: impl IntoIterator<Item = &'s StreamState>,
        now: Monotonic,
        interval: Duration,
    ) {
        let due = now.plus(interval);
        for stream in streams {
            let id = stream.id();
            if stream.has_unlogged_head() {
                if let Entry::Vacant(place) = self.due.entry(id) {
                    place.insert(due);
                    self.by_time.insert((due, id));
                }
            } else if let Some(due) = self.due.remove(&id) {
                self.by_time.remove(&(due, id));
            }
        }
    }

    fn write_due(&self, draft: &mut Draft<'_>, now: Monotonic, all: bool) {
        for (due, id) in &self.by_time {
            if !all && *due > now {
                break;
            }
            if draft.stream(*id).is_some_and(StreamState::has_unlogged_head) {
                draft.write_head(*id);
            }
        }
    }
}
