//! A log of tests: its maker holds every key, so it can also be dishonest in every way, and sign that.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use vouchlog_api::{Error, LogReader, PrunedNotice, Result};
use vouchlog_auditor::{AuditReport, AuditState, Audited, Config, LogIdentity, audit};
use vouchlog_merkle::{
    CompactRange, EntryBundle, Hash, TILE_WIDTH, TileId, TilePath, TreeHead, TreeSize, leaf_hash,
};
use vouchlog_note::{
    Checkpoint, CosignedCheckpoint, KeyName, Origin, Policy, SignatureType, SigningKey, UnverifiedNote,
};
use vouchlog_stream::{
    DailyLimits, Digest, Enrolment, Entry, Evidence, Genesis, Limit, LoggedAt, OperatorCause, OperatorChange,
    Previous, Quota, QuotaScope, ReplacementReason, Replaces, Revocation, SequenceNumber, Statement,
    StatementEntry, StatementKind, StreamId, StreamOpening, WitnessRotation, stream_origin,
};

/// The origin of test logs.
pub(crate) const ORIGIN: &str = "log.example.com/audited";
/// When test logs begin, milliseconds.
pub(crate) const BEGIN: u64 = 1_767_225_600_000;

pub(crate) fn key(name: &str, kind: SignatureType, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), kind, [seed; 32]).unwrap()
}

pub(crate) fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

pub(crate) fn log_key() -> SigningKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

pub(crate) fn operator_key() -> SigningKey {
    next_operator(2)
}

/// The operator's key of this number; 2 is the first.
pub(crate) fn next_operator(seed: u8) -> SigningKey {
    key("operator.example.com", SignatureType::Ed25519, seed)
}

/// The first witness's key of this number; 1 is the first.
pub(crate) fn next_witness(seed: u8) -> SigningKey {
    key("witness-1.example.com", SignatureType::CosignatureEd25519, 200 + seed)
}

/// The note with which the first witness rotates its key of one number to that of another.
pub(crate) fn witness_rotation(old: u8, new: u8) -> String {
    WitnessRotation::sign(&next_witness(old), &next_witness(new), BEGIN / 1000).unwrap()
}

pub(crate) fn witness_key(seed: u8) -> SigningKey {
    key(&format!("witness-{seed}.example.com"), SignatureType::CosignatureEd25519, 200 + seed)
}

pub(crate) fn gateway_key(seed: u8) -> SigningKey {
    key(&format!("gateway-{seed}.example.com"), SignatureType::Ed25519, seed)
}

/// Two witnesses, of which one is enough.
pub(crate) fn policy() -> Policy {
    let witness = |seed| format!("witness w{seed} {}\n", witness_key(seed).verifying_key());
    let text = format!("{}{}group any-of-two any w1 w2\nquorum any-of-two\n", witness(1), witness(2));
    Policy::parse(text.as_bytes()).unwrap()
}

pub(crate) fn identity() -> LogIdentity {
    LogIdentity { origin: origin(), keys: vec![log_key().verifying_key().clone()], policy: Some(policy()) }
}

pub(crate) fn config() -> Config {
    Config::new(identity())
}

/// A checkpoint of a head, signed by the log and by these witnesses at a time in seconds.
pub(crate) fn checkpoint(head: TreeHead, witnesses: &[u8], time: u64) -> String {
    let checkpoint = Checkpoint::new(origin(), head);
    let text = checkpoint.text();
    let cosigned = witnesses.iter().map(|seed| witness_key(*seed).cosign(&checkpoint, time).unwrap());
    let lines = [log_key().sign_note(&text).unwrap()].into_iter().chain(cosigned).collect();
    UnverifiedNote::from_parts(&text, lines).unwrap().as_str().to_owned()
}

/// Everything a log serves, by path; whatever is not there is not served.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Objects {
    pub(crate) checkpoint: Option<String>,
    pub(crate) files: BTreeMap<String, Bytes>,
}

impl Objects {
    /// What an honest server of these entries has.
    pub(crate) fn of(entries: &[Vec<u8>]) -> Self {
        let mut objects = Self::tree(entries);
        objects.checkpoint = Some(checkpoint(head_of(entries), &[1, 2], BEGIN / 1000 + 7200));
        objects
    }

    /// Bundles and tiles, without a checkpoint.
    pub(crate) fn tree(entries: &[Vec<u8>]) -> Self {
        let mut files = BTreeMap::new();
        for (index, chunk) in (0..).zip(entries.chunks(TILE_WIDTH)) {
            let path = TilePath::Entries { index, width: u16::try_from(chunk.len()).unwrap() };
            files.insert(path.to_string(), bundle(chunk));
        }
        let mut hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut level = 0;
        while !hashes.is_empty() {
            let mut above = Vec::new();
            for (index, chunk) in (0..).zip(hashes.chunks(TILE_WIDTH)) {
                let path = TilePath::Hashes {
                    tile: TileId { level, index },
                    width: u16::try_from(chunk.len()).unwrap(),
                };
                let bytes: Vec<u8> = chunk.iter().flat_map(|hash| *hash.as_bytes()).collect();
                files.insert(path.to_string(), bytes.into());
                if chunk.len() == TILE_WIDTH {
                    let mut range = CompactRange::new();
                    range.extend(chunk);
                    above.push(range.root().unwrap());
                }
            }
            (hashes, level) = (above, level + 1);
        }
        Self { checkpoint: None, files }
    }

    /// Changes an object that is there.
    pub(crate) fn change(&mut self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.files[path].to_vec();
        change(&mut bytes);
        self.files.insert(path.to_owned(), bytes.into());
    }

    /// Changes the entries of a bundle.
    pub(crate) fn change_entries(&mut self, path: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let width = usize::from(path.parse::<TilePath>().unwrap().width());
        let entries = EntryBundle::entries(&self.files[path], width).unwrap();
        let mut entries: Vec<Vec<u8>> = entries.into_iter().map(<[u8]>::to_vec).collect();
        change(&mut entries);
        self.files.insert(path.to_owned(), bundle(&entries));
    }
}

pub(crate) fn bundle(entries: &[Vec<u8>]) -> Bytes {
    let mut bytes = Vec::new();
    entries.iter().for_each(|entry| EntryBundle::push_entry(&mut bytes, entry).unwrap());
    bytes.into()
}

pub(crate) fn head_of(entries: &[Vec<u8>]) -> TreeHead {
    let mut range = CompactRange::new();
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    range.extend(&leaves);
    TreeHead { size: TreeSize::new(range.end()), root: range.root().unwrap() }
}

#[derive(Clone, Debug)]
pub(crate) struct Server(pub(crate) std::sync::Arc<Objects>);

impl From<Objects> for Server {
    fn from(objects: Objects) -> Self {
        Self(std::sync::Arc::new(objects))
    }
}

impl Server {
    fn file(&self, path: TilePath) -> Result<Bytes> {
        self.0.files.get(&path.to_string()).cloned().ok_or_else(|| Error::not_found(format!("no {path}")))
    }
}

impl LogReader for Server {
    async fn checkpoint(&self) -> Result<String> {
        self.0.checkpoint.clone().ok_or_else(|| Error::not_found("no checkpoint"))
    }

    async fn checkpoint_after(&self, _size: TreeSize) -> Result<String> {
        Err(Error::unavailable("this log does not grow"))
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.file(TilePath::Hashes { tile, width })
    }

    async fn entry_bundle(&self, index: u64, width: u16) -> Result<Bytes> {
        self.file(TilePath::Entries { index, width })
    }

    async fn pruned(&self) -> Result<Option<PrunedNotice>> {
        Ok(self.0.files.get("pruned").and_then(|text| PrunedNotice::parse(text).ok()))
    }
}

/// A stream as its gateway has it.
#[derive(Clone)]
pub(crate) struct TestStream {
    pub(crate) id: StreamId,
    pub(crate) key: SigningKey,
    pub(crate) range: CompactRange,
}

/// Writes the entries of a log.
#[derive(Clone)]
pub(crate) struct Builder {
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) now: u64,
    pub(crate) streams: Vec<TestStream>,
    drawn: u64,
    /// The operator's key in force.
    operator: SigningKey,
}

impl Builder {
    /// A log with its genesis entry.
    pub(crate) fn new() -> Self {
        let mut builder =
            Self { entries: Vec::new(), now: BEGIN, streams: Vec::new(), drawn: 0, operator: operator_key() };
        let genesis = Genesis { origin: origin(), operator: operator_key().verifying_key().clone() };
        let note = genesis.sign(&log_key()).unwrap();
        builder.push(&Entry::Genesis { logged_at: builder.time(), note });
        builder
    }

    pub(crate) fn next(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn time(&self) -> LoggedAt {
        LoggedAt::from_millis(self.now).unwrap()
    }

    pub(crate) fn push(&mut self, entry: &Entry) -> u64 {
        self.entries.push(entry.encode());
        self.next() - 1
    }

    pub(crate) fn enrol(&mut self, gateway: u8) -> u64 {
        let gateway = gateway_key(gateway).verifying_key().clone();
        let note = Enrolment::first(origin(), gateway).sign(&self.operator).unwrap();
        self.push(&Entry::GatewayEnrolled { logged_at: self.time(), note })
    }

    /// Enrols a key, and says whose place it takes.
    pub(crate) fn enrol_key(
        &mut self,
        key: &SigningKey,
        replaces: Option<(&SigningKey, ReplacementReason)>,
    ) -> u64 {
        let first = Enrolment::first(origin(), key.verifying_key().clone());
        let note = match replaces {
            None => first.sign(&self.operator).unwrap(),
            Some((old, reason)) => {
                let is_rotation = reason == ReplacementReason::Rotation;
                let replaces = Some(Replaces { key: old.verifying_key().clone(), reason });
                let enrolment = Enrolment { replaces, ..first };
                if is_rotation {
                    let note = enrolment.cross_sign(old, key).unwrap();
                    Enrolment::countersign(&note, &origin(), &self.operator).unwrap()
                } else {
                    enrolment.sign(&self.operator).unwrap()
                }
            }
        };
        self.push(&Entry::GatewayEnrolled { logged_at: self.time(), note })
    }

    /// Opens a stream with a gateway's key; its place in `streams` is returned.
    pub(crate) fn open_with(
        &mut self,
        gateway: &SigningKey,
        stream: u8,
        previous: Option<Previous>,
    ) -> usize {
        let opening = StreamOpening {
            log: origin(),
            gateway: gateway.verifying_key().clone(),
            stream: stream_key(stream).verifying_key().clone(),
            previous,
        };
        let note = opening.sign(gateway).unwrap();
        let index = self.push(&Entry::StreamOpened { logged_at: self.time(), note });
        let id = StreamId::new(index).unwrap();
        self.streams.push(TestStream { id, key: stream_key(stream), range: CompactRange::new() });
        self.streams.len() - 1
    }

    pub(crate) fn revoke(&mut self, gateway: u8) -> u64 {
        self.revoke_at(gateway, self.now)
    }

    /// The same, with the time in milliseconds from which on the key must not be trusted.
    pub(crate) fn revoke_at(&mut self, gateway: u8, effective: u64) -> u64 {
        let revocation = Revocation {
            log: origin(),
            gateway: gateway_key(gateway).verifying_key().clone(),
            effective: LoggedAt::from_millis(effective).unwrap(),
            reason: "it was stolen".into(),
        };
        let note = revocation.sign(&self.operator).unwrap();
        self.push(&Entry::GatewayRevoked { logged_at: self.time(), note })
    }

    /// The operator's key of this number takes the place of the one in force; what follows is signed by it.
    pub(crate) fn rotate_operator(&mut self, seed: u8) -> u64 {
        let new = next_operator(seed);
        let rotation = OperatorChange {
            log: origin(),
            operator: new.verifying_key().clone(),
            replaces: self.operator.verifying_key().clone(),
            cause: OperatorCause::Rotation,
            words: "yearly".to_owned(),
        };
        let note = rotation.sign(&self.operator, &new).unwrap();
        self.operator = new;
        self.push(&Entry::OperatorChanged { logged_at: self.time(), note })
    }

    /// The rotation by [`witness_rotation`] is logged.
    pub(crate) fn rotate_witness(&mut self, old: u8, new: u8) -> u64 {
        let note = witness_rotation(old, new);
        self.push(&Entry::WitnessRotated { logged_at: self.time(), note })
    }

    /// The operator bounds what all gateways may log in a day.
    pub(crate) fn quota(&mut self, issued: u64, statements: u64) -> u64 {
        let quota = Quota {
            log: origin(),
            scope: QuotaScope::All,
            issued: LoggedAt::from_millis(issued).unwrap(),
            limits: DailyLimits {
                statements: Limit::AtMost(statements),
                bytes: Limit::Unlimited,
                streams: Limit::Unlimited,
            },
        };
        let note = quota.sign(&self.operator).unwrap();
        self.push(&Entry::QuotaSet { logged_at: self.time(), note })
    }

    /// The note with which a gateway opens a stream.
    pub(crate) fn opening(gateway: u8, stream: u8, previous: Option<Previous>) -> String {
        let enrolled = gateway_key(gateway);
        let opening = StreamOpening {
            log: origin(),
            gateway: enrolled.verifying_key().clone(),
            stream: stream_key(stream).verifying_key().clone(),
            previous,
        };
        opening.sign(&enrolled).unwrap()
    }

    /// Opens a stream; its place in `streams` is returned.
    pub(crate) fn open(&mut self, gateway: u8, stream: u8, previous: Option<Previous>) -> usize {
        let note = Self::opening(gateway, stream, previous);
        let index = self.push(&Entry::StreamOpened { logged_at: self.time(), note });
        let id = StreamId::new(index).unwrap();
        self.streams.push(TestStream { id, key: stream_key(stream), range: CompactRange::new() });
        self.streams.len() - 1
    }

    pub(crate) fn statement(&mut self) -> Statement {
        self.drawn += 1;
        Statement {
            kind: if self.drawn.is_multiple_of(97) {
                StatementKind::DeclaredLoss
            } else {
                StatementKind::Interaction
            },
            evidence: Evidence::new(0b1_0101).unwrap(),
            digest: Digest::of(&self.drawn.to_be_bytes()),
        }
    }

    /// The gateway states something; the log does not have it yet.
    pub(crate) fn state(&mut self, stream: usize) -> StatementEntry {
        let (statement, logged_at) = (self.statement(), self.time());
        let stream = &mut self.streams[stream];
        let sequence = SequenceNumber::new(stream.range.end()).unwrap();
        stream.range.append(statement.stream_leaf_hash());
        StatementEntry { logged_at, stream: stream.id, sequence, statement }
    }

    pub(crate) fn push_statement(&mut self, entry: StatementEntry) -> u64 {
        self.push(&Entry::Statement(entry))
    }

    /// The gateway states things and the log takes them.
    pub(crate) fn statements(&mut self, stream: usize, count: usize) {
        for _ in 0..count {
            let entry = self.state(stream);
            self.push_statement(entry);
        }
    }

    /// What the gateway signs as the head of its stream now.
    pub(crate) fn signed_head(&self, stream: usize) -> String {
        let stream = &self.streams[stream];
        let head = TreeHead { size: stream.range.size(), root: stream.range.root().unwrap() };
        sign_head(stream, head, self.now / 1000)
    }

    pub(crate) fn head(&mut self, stream: usize) -> u64 {
        let note = self.signed_head(stream);
        self.push_head(stream, note)
    }

    pub(crate) fn push_head(&mut self, stream: usize, note: String) -> u64 {
        let (logged_at, stream) = (self.time(), self.streams[stream].id);
        self.push(&Entry::StreamHead { logged_at, stream, note })
    }

    pub(crate) fn close(&mut self, stream: usize) -> u64 {
        let note = self.signed_head(stream);
        let (logged_at, stream) = (self.time(), self.streams[stream].id);
        self.push(&Entry::StreamClosed { logged_at, stream, note })
    }

    /// Where a stream stopped.
    pub(crate) fn previous(&self, stream: usize) -> Previous {
        let stream = &self.streams[stream];
        Previous { stream: stream.id, size: stream.range.end() }
    }

    /// One round: half a minute in which every given stream states things and its head is logged.
    pub(crate) fn round(&mut self, streams: &[usize], count: usize) {
        for stream in streams {
            self.statements(*stream, count);
        }
        self.now += 30_000;
        for stream in streams {
            self.head(*stream);
        }
    }
}

pub(crate) fn stream_key(seed: u8) -> SigningKey {
    key(&format!("stream-{seed}.example.com"), SignatureType::CosignatureEd25519, seed)
}

pub(crate) fn sign_head(stream: &TestStream, head: TreeHead, seconds: u64) -> String {
    let origin = Origin::new(&stream_origin(ORIGIN, stream.id)).unwrap();
    CosignedCheckpoint::sign(&Checkpoint::new(origin, head), &stream.key, seconds).unwrap().note().to_owned()
}

/// A log whose three gateways have opened their streams.
fn begun() -> Builder {
    let mut log = Builder::new();
    for gateway in [10, 11, 12] {
        log.enrol(gateway);
        log.open(gateway, gateway + 20, None);
    }
    log
}

/// A log of three gateways: one stream all through, one that is closed, one that restarts. In its middle `deed` does what it
/// likes and says where the fault is. Some 5,500 entries.
pub(crate) fn log_with(deed: impl FnOnce(&mut Builder) -> Option<u64>) -> (Vec<Vec<u8>>, Option<u64>) {
    told(begun(), deed)
}

/// The same after a long life: more than 100,000 entries with `VOUCHLOG_LONG_TESTS=1`, and a quarter of that as a rule.
pub(crate) fn long_log_with(deed: impl FnOnce(&mut Builder) -> Option<u64>) -> (Vec<Vec<u8>>, Option<u64>) {
    static BEFORE: LazyLock<Builder> = LazyLock::new(|| {
        let mut log = begun();
        for _ in 0..10 {
            log.round(&[0, 1, 2], long_round());
        }
        log
    });
    told(BEFORE.clone(), deed)
}

/// Statements of a stream in each of the ten rounds of a long life.
pub(crate) fn long_round() -> usize {
    if std::env::var("VOUCHLOG_LONG_TESTS").is_ok_and(|set| set == "1") { 3_200 } else { 700 }
}

fn told(mut log: Builder, deed: impl FnOnce(&mut Builder) -> Option<u64>) -> (Vec<Vec<u8>>, Option<u64>) {
    for _ in 0..8 {
        log.round(&[0, 1, 2], 100);
    }
    let place = deed(&mut log);
    for _ in 0..3 {
        log.round(&[0, 1, 2], 100);
    }
    log.now += 1_000;
    log.close(1);
    let previous = log.previous(2);
    let restarted = log.open(12, 52, Some(previous));
    for _ in 0..9 {
        log.round(&[0, restarted], 100);
    }
    (log.entries, place)
}

/// The same log with nothing wrong.
pub(crate) fn honest_log() -> Vec<Vec<u8>> {
    log_with(|_| None).0
}

pub(crate) async fn run(objects: Objects, config: &Config, previous: Option<AuditState>) -> Audited {
    audit(Server::from(objects), config, previous, |_| {}).await.unwrap()
}

pub(crate) async fn report(objects: Objects) -> AuditReport {
    run(objects, &config(), None).await.report
}

/// The state that an audit of these entries leaves.
pub(crate) async fn state_of(entries: &[Vec<u8>]) -> AuditState {
    let audited = run(Objects::of(entries), &config(), None).await;
    assert!(audited.report.is_clean(), "{}", audited.report);
    audited.state.unwrap()
}

/// The reports of two audits of these entries, both clean: the first one's, and that of one that goes on from the state that the first saved.
pub(crate) async fn both_reports(entries: &[Vec<u8>]) -> [AuditReport; 2] {
    let config = config();
    let first = run(Objects::of(entries), &config, None).await;
    let saved = first.state.unwrap().to_json();
    let state = AuditState::from_json(saved.as_bytes(), &config.log).unwrap();
    let again = run(Objects::of(entries), &config, Some(state)).await;
    let reports = [first.report, again.report];
    reports.iter().for_each(|report| assert!(report.is_clean(), "{report}"));
    reports
}
