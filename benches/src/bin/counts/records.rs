//! Records on their way: from an export to a record, its grade, its statement, and into the vault.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde_json::Value;
use vouchlog_api::{AnySubmitter, Error, Result, StreamOwner, StreamSigner, Submitter};
use vouchlog_collector::assemble::{Assembler, Config, Delivery};
use vouchlog_collector::intake::{Encoding, Signal, decode};
use vouchlog_grading::{Context, RULES_VERSION, grade};
use vouchlog_note::{SignatureType, SigningKey};
use vouchlog_record::Record;
use vouchlog_sequencer::testing::key;
use vouchlog_statement::ClearClaims;
use vouchlog_stream::{Digest, Statement, StreamId};
use vouchlog_vault::{KeyEncryptionKey, Recorder, RecorderConfig, Vault};

use crate::cases::{MILLIS, Round, SECONDS};
use crate::log::runtime;

const COMPLETE: &[u8] = include_bytes!("../../../../crates/vouchlog-record/testdata/record-complete.json");
const EARLIER: &[u8] = include_bytes!("../../../../crates/vouchlog-record/testdata/earlier.json");
const TURN: &[u8] =
    include_bytes!("../../../../crates/vouchlog-collector/testdata/otlp/langgraph-openllmetry/001.traces.pb");
const IN_JSON: &[u8] =
    include_bytes!("../../../../crates/vouchlog-collector/testdata/otlp/openai-v2-json/001.traces.json");

/// Records of one call to the recorder.
const RECORDS: usize = 64;

fn now() -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(MILLIS).expect("this century")).expect("this century")
}

/// An export, and what becomes of it when nothing more comes.
fn folded(encoding: Encoding, body: &[u8]) -> Vec<Record> {
    let naming = Box::new(|name: &[u8]| {
        *vouchlog_merkle::sha256(name).as_bytes().first_chunk().expect("a hash has 32 bytes")
    });
    let mut assembler = Assembler::new(Config::default(), naming);
    let decoded = decode(Signal::Traces, encoding, body).expect("a sample is well-formed");
    let mut records = assembler.feed(decoded.items, &Delivery::at(now())).records;
    records.extend(assembler.flush().records);
    records
}

pub(crate) fn json() -> Round {
    Box::new(|| assert!(!folded(Encoding::Json, black_box(IN_JSON)).is_empty()))
}

pub(crate) fn protobuf() -> Round {
    Box::new(|| assert!(!folded(Encoding::Protobuf, black_box(TURN)).is_empty()))
}

fn complete() -> Record {
    Record::from_json(COMPLETE).expect("a sample is well-formed").record
}

/// What was known when the record was made.
fn context() -> Context {
    let mut context = Context::default().class_order(["public", "internal", "customer-pii", "health"]);
    let earlier: Vec<Value> = serde_json::from_slice(EARLIER).expect("a sample is well-formed");
    for value in earlier {
        let record = Record::from_value(value).expect("a sample is well-formed").record;
        context.learn(record.id.as_ref().expect("it has one"), &record);
    }
    context
}

pub(crate) fn grade_complete() -> Round {
    let (record, context) = (complete(), context());
    Box::new(move || drop(black_box(grade(black_box(&record), &context))))
}

fn stream_key() -> SigningKey {
    key("gateway.example.com", SignatureType::CosignatureEd25519, 3)
}

/// A record as it is stated, and the claims beside it.
fn to_state() -> (ClearClaims, serde_json::Map<String, Value>) {
    let record = complete();
    let claims = ClearClaims {
        issuer: "gateway.example.com".to_owned(),
        issued_at: SECONDS,
        record: record.id.clone().expect("it has one"),
        kind: record.kind,
        stream: StreamId::new(2).expect("small"),
        evidence: grade(&record, &context()).evidence,
        rules: RULES_VERSION.to_owned(),
    };
    let mut object = record.to_object();
    object.retain(|name, _| name != "id" && name != "kind");
    (claims, object)
}

pub(crate) fn issue() -> Round {
    let ((claims, object), key) = (to_state(), stream_key());
    Box::new(move || {
        drop(black_box(vouchlog_statement::issue(&claims, &object, &key).expect("it can be stated")));
    })
}

pub(crate) fn verify() -> Round {
    let ((claims, object), key) = (to_state(), stream_key());
    let issued = vouchlog_statement::issue(&claims, &object, &key).expect("it can be stated");
    let whole = issued.present(&[""]).expect("all of it");
    Box::new(move || assert!(vouchlog_statement::verify(black_box(&whole), key.verifying_key()).is_ok()))
}

/// Takes every statement, and sends none.
struct Nowhere(Arc<SigningKey>);

impl Submitter for Nowhere {
    async fn signer(&self) -> Result<StreamSigner> {
        let stream = StreamId::new(2).ok_or_else(|| Error::internal("a small number is a stream"))?;
        Ok(StreamSigner { stream, key: Arc::clone(&self.0) })
    }

    async fn submit(&self, _: Vec<Statement>) -> Result<()> {
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        Ok(())
    }

    async fn pending(&self, digests: Vec<Digest>) -> Result<HashSet<Digest>> {
        Ok(digests.into_iter().collect())
    }

    async fn owner(&self, _: StreamId) -> Result<StreamOwner> {
        Ok(StreamOwner::Own)
    }

    async fn look_up(&self, statements: Vec<Statement>) -> Result<Vec<Statement>> {
        Ok(statements)
    }
}

/// Names of records: each another, and the same in each run.
fn next_name() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    *vouchlog_merkle::sha256(&number.to_be_bytes()).as_bytes().first_chunk().expect("a hash has 32 bytes")
}

pub(crate) fn record() -> Round {
    let mut records: Vec<Record> =
        folded(Encoding::Protobuf, TURN).into_iter().cycle().take(RECORDS).collect();
    records.iter_mut().for_each(|record| record.id = None);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = runtime();
    let recorder = runtime.block_on(async {
        let kek = KeyEncryptionKey::generate().expect("random bytes");
        let vault = Vault::create(&folder.path().to_string_lossy(), kek).await.expect("a new vault");
        let owner = vault.owner().await.expect("it has one");
        let config = RecorderConfig {
            tenant: "acme".to_owned(),
            issuer: "gateway.example.com".to_owned(),
            clock: now,
            randomness: next_name,
        };
        let submitter = AnySubmitter::new(Nowhere(Arc::new(stream_key())));
        Recorder::open(vault, owner, submitter, config).await.expect("it opens")
    });
    Box::new(move || {
        let recorded = runtime.block_on(recorder.record(records.clone())).expect("there is room");
        assert!(recorded.len() == RECORDS && folder.path().exists());
    })
}
