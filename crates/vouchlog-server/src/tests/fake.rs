//! A log in memory, as slow and plain as can be, of the real parts: entries, trees, streams, signatures.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use vouchlog_api::{
    AckLevel, Append, Appended, Appender, Error, ErrorKind, HouseAppend, HouseAppended, LogReader, Lookup,
    LookupKey, Opened, RangeReceipt, Result, RunInfo, StreamInfo, Watch, proof,
};
use vouchlog_merkle::{CompactRange, EntryBundle, Hash, LeafIndex, TileId, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{
    Checkpoint, CosignedCheckpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey,
    VerifyingKey,
};
use vouchlog_runtime::charge;
use vouchlog_stream::{
    Admitted, Enrolment, Entry, Genesis, LoggedAt, Revocation, SequenceNumber, Statement, StatementEntry,
    StreamId, StreamOpening, StreamState, stream_origin,
};

pub(super) const ORIGIN: &str = "log.example/server-test";

pub(super) fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

pub(super) fn key(name: &str, signature_type: SignatureType, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), signature_type, [seed; 32]).unwrap()
}

pub(super) fn log_key() -> SigningKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

pub(super) fn log_vkey() -> VerifyingKey {
    log_key().verifying_key().clone()
}

pub(super) fn operator() -> SigningKey {
    key("operator.example", SignatureType::Ed25519, 2)
}

pub(super) fn gateway_key() -> SigningKey {
    key("gateway.example/a", SignatureType::Ed25519, 3)
}

pub(super) fn other_gateway_key() -> SigningKey {
    key("gateway.example/b", SignatureType::Ed25519, 5)
}

pub(super) fn stream_key() -> SigningKey {
    key("gateway.example/a/1", SignatureType::CosignatureEd25519, 4)
}

/// The log. Clones are the same one.
#[derive(Clone)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    size: watch::Sender<u64>,
}

struct State {
    key: SigningKey,
    entries: Vec<Bytes>,
    leaves: Vec<Hash>,
    tree: CompactRange,
    checkpoint: String,
    streams: BTreeMap<StreamId, StreamState>,
    house: (StreamId, u64),
    troubles: VecDeque<Trouble>,
    attempts: u64,
    store: std::result::Result<(), String>,
    stopped: Option<String>,
    flipped: Option<TileId>,
}

/// What the next append runs into.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// None.
    Fine,
    /// An error.
    Refuse(ErrorKind),
    /// A bug.
    Panic,
    /// No answer.
    Hang,
}

impl Fake {
    /// A log with a genesis, a house stream and `ORIGIN`'s gateway enrolled: three entries.
    pub(super) fn new() -> Self {
        let key = key(ORIGIN, SignatureType::Ed25519, 1);
        let note =
            Genesis { origin: origin(), operator: operator().verifying_key().clone() }.sign(&key).unwrap();
        let logged_at = LoggedAt::from_millis(1_000).unwrap();
        let mut state = State {
            key,
            entries: Vec::new(),
            leaves: Vec::new(),
            tree: CompactRange::new(),
            checkpoint: String::new(),
            streams: BTreeMap::new(),
            house: (StreamId::new(1).unwrap(), 0),
            troubles: VecDeque::new(),
            attempts: 0,
            store: Ok(()),
            stopped: None,
            flipped: None,
        };
        state.push([Entry::Genesis { logged_at, note }]);
        let opening = opening(&gateway_key(), &stream_key());
        state.push([Entry::StreamOpened { logged_at, note: opening }]);
        let enrolment = Enrolment::first(origin(), gateway_key().verifying_key().clone());
        state.push([Entry::GatewayEnrolled { logged_at, note: enrolment.sign(&operator()).unwrap() }]);
        let (size, _) = watch::channel(3);
        Self { state: Arc::new(Mutex::new(state)), size }
    }

    /// What the next appends run into, one after the other.
    pub(super) fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.state.lock().unwrap().troubles.extend(troubles);
    }

    /// What the store's health check says.
    pub(super) fn break_store(&self, why: &str) {
        self.state.lock().unwrap().store = Err(why.to_owned());
    }

    /// Stops writing for good.
    pub(super) fn poison(&self, why: &str) {
        self.state.lock().unwrap().stopped = Some(why.to_owned());
    }

    pub(super) fn stopped(&self) -> Option<String> {
        self.state.lock().unwrap().stopped.clone()
    }

    pub(super) fn store_check(&self) -> std::result::Result<(), String> {
        self.state.lock().unwrap().store.clone()
    }

    /// Has a bit flip in a tile whenever it is read.
    pub(super) fn damage(&self, tile: TileId) {
        self.state.lock().unwrap().flipped = Some(tile);
    }

    /// Adds statements to the house stream.
    pub(super) async fn fill(&self, count: usize) {
        for done in (0..count).step_by(1_000) {
            let statements = (done..count.min(done + 1_000)).map(statement).collect();
            self.append_house(HouseAppend { statements, wait_for: AckLevel::Sequenced }).await.unwrap();
        }
    }

    /// How many requests to write have begun.
    /// A line by a witness joins the checkpoint, as one that arrives late does.
    pub(super) fn cosign(&self) {
        let key = stream_key();
        let mut state = self.state.lock().unwrap();
        let text = state.checkpoint.split_once("\n\n").unwrap().0;
        let checkpoint = Checkpoint::parse(&format!("{text}\n")).unwrap();
        let line = key.cosign(&checkpoint, 1_767_225_600).unwrap();
        state.checkpoint.push_str(&format!("{line}\n"));
        drop(state);
        self.size.send_modify(|_| {});
    }

    pub(super) fn attempts(&self) -> u64 {
        self.state.lock().unwrap().attempts
    }

    pub(super) fn size(&self) -> u64 {
        self.state.lock().unwrap().tree.end()
    }

    pub(super) fn entry(&self, index: u64) -> Bytes {
        self.state.lock().unwrap().entries[usize::try_from(index).unwrap()].clone()
    }

    /// Does what a request asks, unless trouble is due.
    async fn attempt<T>(&self, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let trouble = {
            let mut state = self.state.lock().unwrap();
            state.attempts += 1;
            state.troubles.pop_front()
        };
        match trouble.unwrap_or(Trouble::Fine) {
            Trouble::Fine => {}
            Trouble::Refuse(kind) => return Err(Error::new(kind, "as the test wants it")),
            Trouble::Panic => panic!("as the test wants it"),
            Trouble::Hang => std::future::pending().await,
        }
        let (answer, size) = {
            let mut state = self.state.lock().unwrap();
            (work(&mut state)?, state.tree.end())
        };
        self.size.send_replace(size);
        // Lets what was started after this begin before it is answered, as a commit would.
        tokio::task::yield_now().await;
        Ok(answer)
    }
}

/// A statement like no other.
pub(super) fn statement(number: usize) -> Statement {
    Statement {
        kind: vouchlog_stream::StatementKind::Interaction,
        evidence: vouchlog_stream::Evidence::NONE,
        digest: vouchlog_stream::Digest::of(&number.to_be_bytes()),
    }
}

/// A note that opens a stream.
pub(super) fn opening(gateway: &SigningKey, stream: &SigningKey) -> String {
    let opening = StreamOpening {
        log: origin(),
        gateway: gateway.verifying_key().clone(),
        stream: stream.verifying_key().clone(),
        previous: None,
    };
    opening.sign(gateway).unwrap()
}

/// A gateway's side of its stream: it makes requests, one after the other.
pub(super) struct Gateway {
    pub(super) stream: StreamId,
    tree: CompactRange,
    sent: usize,
}

impl Gateway {
    pub(super) fn new(stream: u64) -> Self {
        Self { stream: StreamId::new(stream).unwrap(), tree: CompactRange::new(), sent: 0 }
    }

    /// The next request.
    pub(super) fn request(&mut self, count: usize) -> Append {
        let old_size = self.tree.end();
        let statements: Vec<Statement> = (self.sent..self.sent + count).map(statement).collect();
        self.sent += count;
        for statement in &statements {
            self.tree.append(statement.stream_leaf_hash());
        }
        let head = TreeHead { size: self.tree.size(), root: self.tree.root().unwrap() };
        let origin = Origin::new(&stream_origin(ORIGIN, self.stream)).unwrap();
        let head = CosignedCheckpoint::sign(&Checkpoint::new(origin, head), &stream_key(), 5_000 + old_size);
        Append {
            stream: self.stream,
            old_size,
            statements,
            head: head.unwrap().note().to_owned(),
            close: false,
            wait_for: AckLevel::Witnessed,
        }
    }
}

impl State {
    fn push(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            let bytes = Bytes::from(entry.encode());
            self.leaves.push(leaf_hash(&bytes));
            self.tree.append(leaf_hash(&bytes));
            self.entries.push(bytes);
        }
        let head = TreeHead { size: self.tree.size(), root: self.tree.root().unwrap() };
        let signed = SignedCheckpoint::sign(&Checkpoint::new(origin(), head), &self.key).unwrap();
        self.checkpoint = signed.note().to_owned();
    }

    fn next_index(&self) -> LeafIndex {
        LeafIndex::new(self.tree.end())
    }

    fn now(&self) -> LoggedAt {
        LoggedAt::from_millis(1_000 + self.tree.end()).unwrap()
    }

    fn push_statements(&mut self, stream: StreamId, start: u64, statements: &[Statement]) {
        let logged_at = self.now();
        let entries = statements.iter().zip(start..).map(|(statement, sequence)| {
            Entry::Statement(StatementEntry {
                logged_at,
                stream,
                sequence: SequenceNumber::new(sequence).unwrap(),
                statement: *statement,
            })
        });
        self.push(entries);
    }

    fn append(&mut self, request: &Append) -> Result<(StreamId, Admitted)> {
        let (first, now) = (self.next_index(), self.now());
        let no_such = || Error::not_found("no such stream");
        let state = self.streams.get_mut(&request.stream).ok_or_else(no_such)?;
        let origin = Origin::new(&stream_origin(ORIGIN, request.stream)).unwrap();
        let head = CosignedCheckpoint::open(request.head.as_bytes(), &origin, state.key())
            .map_err(|error| Error::new(ErrorKind::PermissionDenied, error.to_string()))?;
        let is_new = head.head().size.get() > state.size();
        if is_new && !charge::to(|| format!("gateway {}", state.gateway())) {
            return Err(Error::new(
                ErrorKind::Overloaded { retry_after: Duration::ZERO },
                "it has its share",
            ));
        }
        let leaves: Vec<Hash> = request.statements.iter().map(Statement::stream_leaf_hash).collect();
        let admitted = state.admit(request.old_size, &leaves, &head, first, now)?;
        if matches!(admitted, Admitted::Appended(_)) {
            self.push_statements(request.stream, request.old_size, &request.statements);
        }
        Ok((request.stream, admitted))
    }
}

/// Witnesses are given to every caller.
fn witnessed(wait_for: AckLevel) -> bool {
    wait_for == AckLevel::Witnessed
}

impl Appender for Fake {
    async fn open_stream(&self, note: String) -> Result<Opened> {
        self.attempt(|state| {
            let opening = StreamOpening::open(&note, &origin())
                .map_err(|error| Error::new(ErrorKind::PermissionDenied, error.to_string()))?;
            let (stream, logged_at) = (StreamId::from_index(state.next_index()).unwrap(), state.now());
            state.push([Entry::StreamOpened { logged_at, note }]);
            let opened = StreamState::new(stream, opening.gateway, opening.stream, opening.previous);
            state.streams.insert(stream, opened);
            Ok(Opened { stream, checkpoint: state.checkpoint.clone() })
        })
        .await
    }

    async fn append(&self, request: Append) -> Result<Appended> {
        let (stream, admitted) = self.attempt(|state| state.append(&request)).await?;
        let (run, repeated) = match admitted {
            Admitted::Appended(run) => (run, false),
            Admitted::Repeated(run) => (run, true),
            Admitted::HeadOnly => {
                let stream_size = request.old_size;
                return Ok(Appended { stream_size, receipt: None, repeated: false, witnessed: false });
            }
        };
        let receipt = self.receipt(stream, run.start, run.first, run.count, run.logged_at).await?;
        let witnessed = witnessed(request.wait_for);
        Ok(Appended { stream_size: run.end(), receipt: Some(receipt), repeated, witnessed })
    }

    async fn append_house(&self, request: HouseAppend) -> Result<HouseAppended> {
        let count = u32::try_from(request.statements.len()).unwrap();
        let ((house, start), first, logged_at) = self
            .attempt(|state| {
                let (house, first, now) = (state.house, state.next_index(), state.now());
                state.push_statements(house.0, house.1, &request.statements);
                state.house.1 += u64::from(count);
                Ok((house, first, now))
            })
            .await?;
        let receipt = self.receipt(house, start, first, count, logged_at).await?;
        Ok(HouseAppended { receipt, witnessed: witnessed(request.wait_for) })
    }

    async fn enrol(&self, note: String) -> Result<LeafIndex> {
        self.attempt(|state| {
            Enrolment::open(&note, &origin(), operator().verifying_key())
                .map_err(|error| Error::new(ErrorKind::PermissionDenied, error.to_string()))?;
            let (index, logged_at) = (state.next_index(), state.now());
            state.push([Entry::GatewayEnrolled { logged_at, note }]);
            Ok(index)
        })
        .await
    }

    async fn revoke(&self, note: String) -> Result<LeafIndex> {
        self.attempt(|state| {
            Revocation::open(&note, &origin(), operator().verifying_key())
                .map_err(|error| Error::new(ErrorKind::PermissionDenied, error.to_string()))?;
            let (index, logged_at) = (state.next_index(), state.now());
            state.push([Entry::GatewayRevoked { logged_at, note }]);
            Ok(index)
        })
        .await
    }

    async fn set_quota(&self, note: String) -> Result<LeafIndex> {
        self.attempt(|state| {
            vouchlog_stream::Quota::open(&note, &origin(), operator().verifying_key())
                .map_err(|error| Error::new(ErrorKind::PermissionDenied, error.to_string()))?;
            let (index, logged_at) = (state.next_index(), state.now());
            state.push([Entry::QuotaSet { logged_at, note }]);
            Ok(index)
        })
        .await
    }

    async fn retire(&self, note: String) -> Result<LeafIndex> {
        self.attempt(|state| {
            let retirement = vouchlog_stream::Retirement::open(&note)
                .map_err(|error| Error::new(ErrorKind::PermissionDenied, error.to_string()))?;
            if retirement.origin() != origin() {
                return Err(Error::invalid("another log"));
            }
            let (index, logged_at) = (state.next_index(), state.now());
            state.push([Entry::LogRetired { logged_at, note }]);
            Ok(index)
        })
        .await
    }

    async fn change_key(&self, note: String) -> Result<LeafIndex> {
        self.attempt(|state| {
            vouchlog_stream::Operators::new(operator().verifying_key().clone())
                .open(&note, &origin())
                .map_err(|error| Error::new(ErrorKind::PermissionDenied, error.to_string()))?;
            let (index, logged_at) = (state.next_index(), state.now());
            state.push([Entry::OperatorChanged { logged_at, note }]);
            Ok(index)
        })
        .await
    }

    async fn stream(&self, stream: StreamId) -> Result<StreamInfo> {
        let state = self.state.lock().unwrap();
        let known = state.streams.get(&stream).ok_or_else(|| Error::not_found("no such stream"))?;
        let run = |run: &vouchlog_stream::Run| RunInfo {
            start: run.start,
            count: run.count,
            first: run.first,
            logged_at: run.logged_at,
        };
        Ok(StreamInfo {
            stream,
            gateway: known.gateway().name().to_string(),
            enrolled: LeafIndex::new(1),
            revoked: None,
            operator_changes: Vec::new(),
            key: known.key().to_string(),
            previous: known.previous(),
            size: known.size(),
            head: known.head_note().map(str::to_owned),
            runs: known.runs().map(run).collect(),
            status: known.status(),
            fork: known.fork().cloned(),
        })
    }
}

impl Fake {
    async fn receipt(
        &self,
        stream: StreamId,
        start: u64,
        first: LeafIndex,
        count: u32,
        logged_at: LoggedAt,
    ) -> Result<RangeReceipt> {
        let (size, checkpoint) = {
            let state = self.state.lock().unwrap();
            (state.tree.size(), state.checkpoint.clone())
        };
        let proof = proof::range(self, first, u64::from(count), size).await?;
        let sequence = SequenceNumber::new(start).unwrap();
        Ok(RangeReceipt { stream, sequence, first, count, logged_at, proof, checkpoint })
    }
}

impl Watch for Fake {
    async fn checkpoint_other_than(&self, seen: String) -> Result<String> {
        let mut sizes = self.size.subscribe();
        loop {
            let newest = self.checkpoint().await?;
            if newest != seen {
                return Ok(newest);
            }
            sizes.changed().await.unwrap();
        }
    }

    async fn sequenced_checkpoint(&self) -> Result<String> {
        self.checkpoint().await
    }
}

impl LogReader for Fake {
    async fn checkpoint(&self) -> Result<String> {
        Ok(self.state.lock().unwrap().checkpoint.clone())
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        let mut sizes = self.size.subscribe();
        sizes.wait_for(|newest| *newest > size.get()).await.unwrap();
        self.checkpoint().await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        let state = self.state.lock().unwrap();
        if tile.width_at(state.tree.size()) < width {
            return Err(Error::not_found(format!("no tile {} yet", tile.path(width))));
        }
        let per_hash = 1_usize << (8 * u32::from(tile.level));
        let first = usize::try_from(tile.index).unwrap() * 256 * per_hash;
        let hash = |at: usize| {
            let mut subtree = CompactRange::new();
            let begin = first + at * per_hash;
            state.leaves[begin..begin + per_hash].iter().for_each(|leaf| subtree.append(*leaf));
            if per_hash == 1 { state.leaves[begin] } else { subtree.root().unwrap() }
        };
        let mut bytes: Vec<u8> = (0..usize::from(width)).flat_map(|at| *hash(at).as_bytes()).collect();
        if state.flipped == Some(tile) {
            bytes[0] ^= 1;
        }
        Ok(bytes.into())
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        let state = self.state.lock().unwrap();
        if (TileId { level: 0, index: bundle }).width_at(state.tree.size()) < width {
            return Err(Error::not_found(format!("no bundle {bundle} of width {width} yet")));
        }
        let first = usize::try_from(bundle).unwrap() * 256;
        let mut bytes = Vec::new();
        for entry in &state.entries[first..first + usize::from(width)] {
            EntryBundle::push_entry(&mut bytes, entry).unwrap();
        }
        Ok(bytes.into())
    }
}

impl Lookup for Fake {
    async fn find(&self, key: LookupKey) -> Result<LeafIndex> {
        let state = self.state.lock().unwrap();
        let fits = |bytes: &Bytes| match (key, Entry::decode(bytes).unwrap()) {
            (LookupKey::LeafHash(hash), _) => leaf_hash(bytes) == hash,
            (LookupKey::Digest(digest), Entry::Statement(entry)) => entry.statement.digest == digest,
            (LookupKey::Sequence(stream, sequence), Entry::Statement(entry)) => {
                (entry.stream, entry.sequence) == (stream, sequence)
            }
            _ => false,
        };
        let place = state.entries.iter().position(fits).ok_or_else(|| Error::not_found("no entry fits"))?;
        Ok(LeafIndex::new(place as u64))
    }
}
