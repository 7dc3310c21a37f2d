//! What tests and benchmarks of the engine need: a log with published test keys, and a gateway that signs its own stream.
//!
//! Nothing here is for production: the keys are constants.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::registry::Registry;
use vouchlog_api::{AckLevel, Append, Appended, Appender, Result};
use vouchlog_merkle::{CompactRange, Hash, TreeHead};
use vouchlog_note::{
    Checkpoint, CosignedCheckpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey,
    VerifyingKey,
};
use vouchlog_runtime::clock::{ManualTime, TimeSource as _};
use vouchlog_runtime::{Clock, UnixMillis};
use vouchlog_storage::{Index, Store};
use vouchlog_stream::{
    Digest, Enrolment, Evidence, Previous, Statement, StatementKind, StreamId, StreamOpening, stream_origin,
};

use crate::{Config, Engine, EngineError, Options};

/// The origin of test logs.
pub const ORIGIN: &str = "log.example.com/test";

/// A clock that tests set, in milliseconds.
#[derive(Clone, Debug)]
pub struct TestClock(ManualTime);

impl Default for TestClock {
    fn default() -> Self {
        Self(ManualTime::new(UnixMillis::new(1_767_225_600_000)))
    }
}

impl TestClock {
    /// The time.
    pub fn now(&self) -> u64 {
        self.0.wall().get()
    }

    /// Lets time pass.
    pub fn advance(&self, millis: u64) {
        self.0.advance(Duration::from_millis(millis));
    }

    /// Sets the wall clock forward or back; no time passes.
    pub fn step(&self, millis: i64) {
        self.0.set_wall(UnixMillis::new(self.now().saturating_add_signed(millis)));
    }

    fn clock(&self) -> Clock {
        Clock::new(self.0.clone())
    }
}

/// A test key.
pub fn key(name: &str, kind: SignatureType, seed: u8) -> SigningKey {
    let name = KeyName::new(name).expect("a test name");
    SigningKey::generate(name, kind, [seed; 32]).expect("a test key")
}

/// The configuration of a test log.
pub fn config(clock: &TestClock, options: Options) -> Config {
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    Config {
        origin: Origin::new(ORIGIN).expect("a test origin"),
        log_key: key(ORIGIN, SignatureType::Ed25519, 1),
        ml_dsa_key: None,
        operator_key: Some(key("operator.example.com", SignatureType::Ed25519, 2)),
        operator: None,
        continues: None,
        house_key: Some(key("house.example.com", SignatureType::Ed25519, 3)),
        randomness: || {
            *vouchlog_merkle::sha256(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes()).as_bytes()
        },
        clock: clock.clock(),
        witnesses: None,
        options,
    }
}

/// Opens a test log.
pub fn open<S: Store>(
    store: S,
    index: Option<Arc<dyn Index>>,
    clock: &TestClock,
) -> Result<Engine<S>, EngineError> {
    Engine::open(config(clock, Options::default()), store, index, &mut Registry::default())
}

/// Some statements, each different.
pub fn statements(count: usize, seed: u64) -> Vec<Statement> {
    let statement = |at: usize| Statement {
        kind: StatementKind::Interaction,
        evidence: Evidence::NONE,
        digest: Digest::of(&[seed.to_be_bytes(), (at as u64).to_be_bytes()].concat()),
    };
    (0..count).map(statement).collect()
}

/// A gateway: its enrolled key, its stream's key, and the compact range of what it sent.
#[derive(Clone, Debug)]
pub struct TestGateway {
    enrolled: SigningKey,
    stream_key: SigningKey,
    /// The stream the log gave it.
    pub stream: StreamId,
    /// What it sent so far.
    pub range: CompactRange,
}

impl TestGateway {
    /// The enrolled key of the gateway `seed`.
    pub fn enrolled_key(seed: u8) -> SigningKey {
        key(&format!("gateway-{seed}.example.com"), SignatureType::Ed25519, seed)
    }

    /// The operator's note that enrols the gateway `seed`.
    pub fn enrolment(seed: u8) -> String {
        let gateway = Self::enrolled_key(seed).verifying_key().clone();
        let operator = key("operator.example.com", SignatureType::Ed25519, 2);
        Enrolment::first(Origin::new(ORIGIN).expect("a test origin"), gateway).sign(&operator).expect("signs")
    }

    /// The note with which gateway `seed` opens the stream of key `stream_seed`.
    pub fn opening(seed: u8, stream_seed: u8, previous: Option<Previous>) -> (String, SigningKey) {
        let enrolled = Self::enrolled_key(seed);
        let name = enrolled.verifying_key().name().as_str();
        let stream_key = key(name, SignatureType::CosignatureEd25519, stream_seed);
        (sign_opening(&enrolled, &stream_key, previous), stream_key)
    }

    /// The note with which gateway `seed` opens its stream `number`, of which there can be any number.
    pub fn numbered_opening(seed: u8, number: u64, previous: Option<Previous>) -> (String, SigningKey) {
        Self::numbered_opening_of(seed, seed, number, previous)
    }

    /// The note with which gateway `seed` opens a stream with the key of stream `number` of gateway `owner`.
    pub fn numbered_opening_of(
        owner: u8,
        seed: u8,
        number: u64,
        previous: Option<Previous>,
    ) -> (String, SigningKey) {
        let name = Self::enrolled_key(owner).verifying_key().name().clone();
        let secret = vouchlog_merkle::sha256(&[&[owner][..], &number.to_be_bytes()].concat());
        let stream_key = SigningKey::generate(name, SignatureType::CosignatureEd25519, *secret.as_bytes())
            .expect("a test key");
        (sign_opening(&Self::enrolled_key(seed), &stream_key, previous), stream_key)
    }

    /// Opens stream `number` of the enrolled gateway `seed`.
    pub async fn open_numbered(
        log: &impl Appender,
        seed: u8,
        number: u64,
        previous: Option<Previous>,
    ) -> Result<Self> {
        Self::send_opening(log, seed, Self::numbered_opening(seed, number, previous)).await
    }

    /// Enrols gateway `seed` and opens a stream.
    pub async fn open(log: &impl Appender, seed: u8) -> Result<Self> {
        log.enrol(Self::enrolment(seed)).await?;
        Self::open_stream(log, seed, seed.wrapping_add(100), None).await
    }

    /// Opens a stream of an enrolled gateway.
    pub async fn open_stream(
        log: &impl Appender,
        seed: u8,
        stream_seed: u8,
        previous: Option<Previous>,
    ) -> Result<Self> {
        Self::send_opening(log, seed, Self::opening(seed, stream_seed, previous)).await
    }

    async fn send_opening(
        log: &impl Appender,
        seed: u8,
        (note, stream_key): (String, SigningKey),
    ) -> Result<Self> {
        let stream = log.open_stream(note).await?.stream;
        Ok(Self { enrolled: Self::enrolled_key(seed), stream_key, stream, range: CompactRange::new() })
    }

    /// The enrolled key.
    pub fn vkey(&self) -> &VerifyingKey {
        self.enrolled.verifying_key()
    }

    /// The request for more statements; the gateway counts them as sent.
    pub fn request(&mut self, statements: Vec<Statement>, seconds: u64) -> Append {
        let old_size = self.range.end();
        let leaves: Vec<Hash> = statements.iter().map(Statement::stream_leaf_hash).collect();
        self.range.extend(&leaves);
        Append {
            stream: self.stream,
            old_size,
            statements,
            head: self.head(seconds),
            close: false,
            wait_for: AckLevel::Sequenced,
        }
    }

    /// A request without statements: a heartbeat, or the end of the stream if it is to `close`.
    pub fn head_only(&self, seconds: u64, close: bool) -> Append {
        Append {
            stream: self.stream,
            old_size: self.range.end(),
            statements: Vec::new(),
            head: self.head(seconds),
            close,
            wait_for: AckLevel::Sequenced,
        }
    }

    /// The signed head of what it sent so far.
    pub fn head(&self, seconds: u64) -> String {
        let root = self.range.root().expect("it begins at 0");
        self.sign_head(TreeHead { size: self.range.size(), root }, seconds)
    }

    /// A head of the gateway's choosing, signed with its stream's key.
    pub fn sign_head(&self, head: TreeHead, seconds: u64) -> String {
        let origin = Origin::new(&stream_origin(ORIGIN, self.stream)).expect("a test origin");
        let checkpoint = Checkpoint::new(origin, head);
        CosignedCheckpoint::sign(&checkpoint, &self.stream_key, seconds).expect("signs").note().to_owned()
    }

    /// Sends statements and verifies the receipt.
    pub async fn send(
        &mut self,
        log: &impl Appender,
        statements: Vec<Statement>,
        seconds: u64,
    ) -> Result<Appended> {
        let request = self.request(statements.clone(), seconds);
        let appended = log.append(request).await?;
        verify(&appended, &statements);
        Ok(appended)
    }
}

fn sign_opening(enrolled: &SigningKey, stream: &SigningKey, previous: Option<Previous>) -> String {
    let opening = StreamOpening {
        log: Origin::new(ORIGIN).expect("a test origin"),
        gateway: enrolled.verifying_key().clone(),
        stream: stream.verifying_key().clone(),
        previous,
    };
    opening.sign(enrolled).expect("signs")
}

/// Verifies the receipt of statements with nothing but the log's vkey; panics when it does not hold.
pub fn verify(appended: &Appended, statements: &[Statement]) -> SignedCheckpoint {
    let origin = Origin::new(ORIGIN).expect("a test origin");
    let log = key(ORIGIN, SignatureType::Ed25519, 1).verifying_key().clone();
    let receipt = appended.receipt.as_ref().expect("statements have a receipt");
    receipt.verify(statements, &origin, &log).expect("the receipt holds")
}
