//! Logs that are honest or not, and a witness over any store. The trees are computed by the definitions of RFC 6962, by
//! recursion, so that no proof comes from the code under test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use vouchlog_api::{Error, Witness as _};
use vouchlog_merkle::{
    ConsistencyProof, EMPTY_ROOT, Hash, InclusionProof, TreeHead, TreeSize, leaf_hash, node_hash, sha256,
};
use vouchlog_note::{
    AddCheckpoint, Checkpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote,
};
use vouchlog_runtime::{Clock, UnixSeconds};
use vouchlog_storage::{MemoryWitnessStore, StoreIdentity, WitnessStore};
use vouchlog_stream::{Entry, LoggedAt, Retirement, RetirementCause, RetirementProof};
use vouchlog_witness::{Config, KnownLog, Logs, Options, Rate, Refusal, Witness, WitnessEngineError};

pub(crate) const WITNESS: &str = "witness.example.com/w";
pub(crate) const START: u64 = 1_767_225_600;

pub(crate) fn key(name: &str, kind: SignatureType, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), kind, [seed; 32]).unwrap()
}

/// The witness's Ed25519 key.
pub(crate) fn ed25519() -> SigningKey {
    key(WITNESS, SignatureType::CosignatureEd25519, 0x71)
}

/// The witness's ML-DSA-44 key.
pub(crate) fn ml_dsa() -> SigningKey {
    key(WITNESS, SignatureType::MlDsa44, 0x72)
}

/// A log that signs whatever it is asked to.
#[derive(Clone, Debug)]
pub(crate) struct TestLog {
    pub(crate) key: SigningKey,
    pub(crate) origin: Origin,
    leaves: Vec<Hash>,
}

impl TestLog {
    /// A log of `size` entries.
    pub(crate) fn new(origin: &str, size: u64) -> Self {
        let leaves = (0..size).map(|at| leaf_hash(&at.to_be_bytes())).collect();
        let seed = sha256(origin.as_bytes()).as_bytes()[0];
        let key = key(origin, SignatureType::Ed25519, seed);
        Self { key, origin: Origin::new(origin).unwrap(), leaves }
    }

    /// The same log, with another history from entry `at` on.
    pub(crate) fn forked_at(&self, at: usize) -> Self {
        let mut fork = self.clone();
        fork.leaves.iter_mut().skip(at).for_each(|leaf| *leaf = node_hash(leaf, leaf));
        fork
    }

    pub(crate) fn head(&self, size: u64) -> TreeHead {
        TreeHead { size: TreeSize::new(size), root: root(&self.leaves[..usize::try_from(size).unwrap()]) }
    }

    pub(crate) fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint::new(self.origin.clone(), self.head(size))
    }

    pub(crate) fn signed(&self, size: u64) -> SignedCheckpoint {
        SignedCheckpoint::sign(&self.checkpoint(size), &self.key).unwrap()
    }

    /// The hashes of a consistency proof.
    pub(crate) fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        if old == 0 || old >= new {
            return Vec::new();
        }
        let (old, new) = (usize::try_from(old).unwrap(), usize::try_from(new).unwrap());
        subproof(old, &self.leaves[..new], true)
    }

    /// An honest request.
    pub(crate) fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        request(old, self.proof(old, new), self.signed(new).note())
    }

    /// A text of the log's own making, signed.
    pub(crate) fn sign_text(&self, text: &str) -> String {
        format!("{text}\n{}\n", self.key.sign_note(text).unwrap())
    }

    /// The same log with its retirement as one entry more, and the proof of that end.
    pub(crate) fn retired(&self, successor: &SigningKey) -> (Self, RetirementProof) {
        let retirement = Retirement {
            log: self.key.verifying_key().clone(),
            successor: successor.verifying_key().clone(),
            cause: RetirementCause::Compromised,
            words: "the disk was copied".to_owned(),
        };
        let note = retirement.sign(&self.key, successor).unwrap();
        let entry = Entry::LogRetired { logged_at: LoggedAt::default(), note }.encode();
        let mut ended = self.clone();
        ended.leaves.push(leaf_hash(&entry));
        let path = InclusionProof::from_hashes(last_path(&ended.leaves)).unwrap();
        let checkpoint = ended.signed(ended.leaves.len() as u64);
        let proof = RetirementProof::new(&entry, path, checkpoint.note().as_bytes()).unwrap();
        (ended, proof)
    }

    /// The same log with entries that its key's thief adds.
    pub(crate) fn continued(&self, more: u64) -> Self {
        let mut longer = self.clone();
        longer.leaves.extend((0..more).map(|at| leaf_hash(&[b"theft", &at.to_be_bytes()[..]].concat())));
        longer
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub(crate) fn known(&self) -> KnownLog {
        let keys = vec![self.key.verifying_key().clone()];
        KnownLog::new(self.origin.clone(), keys, Rate::UNLIMITED).unwrap()
    }

    pub(crate) fn origin_hash(&self) -> Hash {
        sha256(self.origin.as_str().as_bytes())
    }
}

pub(crate) fn request(old: u64, proof: Vec<Hash>, note: &str) -> AddCheckpoint {
    let proof = ConsistencyProof::from_hashes(proof).unwrap();
    let note = UnverifiedNote::parse(note.as_bytes()).unwrap();
    AddCheckpoint::new(TreeSize::new(old), proof, note).unwrap()
}

/// SPEC: RFC 6962 section 2.1.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// SPEC: RFC 6962 section 2.1.1, for the last leaf.
fn last_path(leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    [last_path(right), vec![root(left)]].concat()
}

/// SPEC: RFC 6962 section 2.1.2.
fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = if old <= left.len() {
        (subproof(old, left, whole), root(right))
    } else {
        (subproof(old - left.len(), right, false), root(left))
    };
    proof.push(other);
    proof
}

/// The largest power of two below `size`.
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

/// A clock that tests set.
#[derive(Clone, Debug)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

/// A witness, its clock, and what it refused.
#[derive(Debug)]
pub(crate) struct World<S: WitnessStore> {
    pub(crate) witness: Witness<S>,
    pub(crate) clock: TestClock,
    pub(crate) refusals: Arc<Mutex<Vec<Refusal>>>,
    pub(crate) registry: Registry,
}

pub(crate) fn memory() -> Arc<MemoryWitnessStore> {
    Arc::new(MemoryWitnessStore::new(StoreIdentity::from_bytes([0x33; 16])))
}

impl<S: WitnessStore> World<S> {
    /// A witness with both keys that knows `logs`.
    pub(crate) fn open(store: S, logs: &[&TestLog]) -> Self {
        Self::with(store, vec![ed25519(), ml_dsa()], logs.iter().map(|log| log.known()))
    }

    pub(crate) fn with(store: S, keys: Vec<SigningKey>, known: impl IntoIterator<Item = KnownLog>) -> Self {
        Self::build(store, keys, known, Options::default()).unwrap()
    }

    pub(crate) fn with_patience(store: S, logs: &[&TestLog], commit_patience: Duration) -> Self {
        let options = Options { commit_patience, ..Options::default() };
        Self::build(store, vec![ed25519()], logs.iter().map(|log| log.known()), options).unwrap()
    }

    pub(crate) fn try_open(store: S, logs: &[&TestLog]) -> Result<Self, WitnessEngineError> {
        Self::build(store, vec![ed25519()], logs.iter().map(|log| log.known()), Options::default())
    }

    fn build(
        store: S,
        keys: Vec<SigningKey>,
        known: impl IntoIterator<Item = KnownLog>,
        options: Options,
    ) -> Result<Self, WitnessEngineError> {
        let mut logs = Logs::new();
        known.into_iter().for_each(|log| logs.add(log).unwrap());
        let clock = TestClock(Arc::new(AtomicU64::new(START)));
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let (time, sink) = (clock.clone(), refusals.clone());
        let config = Config {
            keys,
            logs,
            clock: Clock::from_wall(move || UnixSeconds::new(time.0.load(Ordering::Relaxed)).millis()),
            on_refusal: Arc::new(move |refusal: &Refusal| {
                sink.lock().push(refusal.clone());
                Ok(())
            }),
            options,
        };
        let mut registry = Registry::default();
        let witness = Witness::open(config, store, &mut registry)?;
        Ok(Self { witness, clock, refusals, registry })
    }

    /// Asks, without a look at the answer.
    pub(crate) async fn witness_add(&self, request: AddCheckpoint) -> Result<String, Error> {
        self.witness.add_checkpoint(request).await
    }

    /// Asks, and checks of an answer that it cosigns what was asked.
    pub(crate) async fn ask(&self, request: AddCheckpoint) -> Result<Cosigned, Error> {
        let note = request.note().clone();
        let lines = self.witness.add_checkpoint(request).await?;
        Ok(Cosigned::verify(&note, &lines, &self.witness))
    }

    /// The latest checkpoint served, verified.
    pub(crate) async fn latest(&self, log: &TestLog) -> Result<SignedCheckpoint, Error> {
        let note = self.witness.latest_checkpoint(log.origin_hash()).await?;
        let keys = [log.key.verifying_key()].into_iter().chain(self.witness.vkeys());
        let verified = UnverifiedNote::parse(note.as_bytes()).unwrap().verify(keys).unwrap();
        assert!(verified.ignored_lines().is_empty(), "lines that nobody vouches for were stored:\n{note}");
        assert_eq!(verified.signatures().len(), 1 + self.witness.vkeys().len(), "{note}");
        Ok(SignedCheckpoint::open(note.as_bytes(), &log.origin, log.key.verifying_key()).unwrap())
    }

    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

/// What a cosignature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cosigned {
    pub(crate) head: TreeHead,
    pub(crate) timestamp: u64,
    pub(crate) lines: String,
}

impl Cosigned {
    fn verify<S: WitnessStore>(note: &UnverifiedNote, lines: &str, witness: &Witness<S>) -> Self {
        let checkpoint = Checkpoint::parse(note.unverified_text()).unwrap();
        let cosigned = format!("{}\n{lines}", checkpoint.text());
        let cosigned = UnverifiedNote::parse(cosigned.as_bytes()).unwrap().verify(witness.vkeys()).unwrap();
        assert!(cosigned.ignored_lines().is_empty(), "an answer holds lines of the witness only");
        assert_eq!(cosigned.signatures().len(), witness.vkeys().len(), "every key cosigns");
        let timestamp = cosigned.signatures()[0].timestamp().unwrap();
        assert!(cosigned.signatures().iter().all(|signature| signature.timestamp() == Some(timestamp)));
        assert_ne!(timestamp, 0, "a cosignature of a whole tree has a timestamp");
        Self { head: checkpoint.head(), timestamp, lines: lines.to_owned() }
    }
}
