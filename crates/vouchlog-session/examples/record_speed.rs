//! How long a record takes from JSON to its signed statement, step by step, on one processor.
//!
//! ```text
//! cargo run --release -p vouchlog-session --example record_speed -- FILE.json ...
//! ```
//!
//! A file has one record, or an array of them, or them under `records`.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use vouchlog_grading::{Context, RULES_VERSION, grade};
use vouchlog_note::{KeyName, SignatureType, SigningKey};
use vouchlog_record::{Record, RecordId};
use vouchlog_statement::{ClearClaims, issue};
use vouchlog_stream::{Evidence, StatementKind, StreamId};

/// How often all records are taken.
const ROUNDS: u32 = 200;

fn main() {
    let values: Vec<Value> = std::env::args().skip(1).flat_map(|path| records(&path)).collect();
    assert!(!values.is_empty(), "name files with records");
    let name = KeyName::new("gateway.example").expect("a well-formed name");
    let key =
        SigningKey::generate(name, SignatureType::CosignatureEd25519, [7; 32]).expect("a stream's key type");
    let claims = ClearClaims {
        issuer: "gateway.example".to_owned(),
        issued_at: 1_767_225_600,
        record: RecordId::new("record").expect("well-formed"),
        kind: StatementKind::Interaction,
        stream: StreamId::new(2).expect("small"),
        evidence: Evidence::NONE,
        rules: RULES_VERSION.to_owned(),
    };
    let context = Context::default();
    let parsed: Vec<Record> = values.iter().map(|value| read(value.clone())).collect();
    let objects: Vec<Map<String, Value>> = parsed.iter().map(stated).collect();

    let clone = timed(&values, Value::clone);
    let steps = [
        ("read", timed(&values, |value| read(value.clone())).saturating_sub(clone)),
        ("grade", timed(&parsed, |record| grade(record, &context))),
        ("to_object", timed(&parsed, Record::to_object)),
        ("facets", timed(&parsed, Record::facets)),
        ("issue", timed(&objects, |object| issue(&claims, object, &key).expect("it can be stated"))),
    ];
    let all: Duration = steps.iter().map(|(_, time)| *time).sum();
    println!("{} records, microseconds for each", values.len());
    for (step, time) in steps.iter().chain([&("all", all)]) {
        println!("{step:10} {:8.1}", time.as_secs_f64() * 1e6);
    }
    println!("{:10} {:8.0} records/s", "", 1.0 / all.as_secs_f64());
}

fn records(path: &str) -> Vec<Value> {
    let text = std::fs::read(path).expect("the file can be read");
    match serde_json::from_slice(&text).expect("the file is JSON") {
        Value::Array(list) => list,
        Value::Object(mut object) => match object.remove("records") {
            Some(Value::Array(list)) => list,
            _ => vec![Value::Object(object)],
        },
        _ => Vec::new(),
    }
}

fn read(value: Value) -> Record {
    Record::from_value(value).expect("it is a record").record
}

/// What of a record is stated: its name and kind are claims of their own.
fn stated(record: &Record) -> Map<String, Value> {
    let mut object = record.to_object();
    object.remove("id");
    object.remove("kind");
    object
}

/// The mean time of a step over the inputs, in the best round: other programs only ever make it longer.
fn timed<T, U>(inputs: &[T], step: impl Fn(&T) -> U) -> Duration {
    let round = |_| {
        let start = Instant::now();
        for input in inputs {
            std::hint::black_box(step(std::hint::black_box(input)));
        }
        start.elapsed()
    };
    let best = (0..ROUNDS).map(round).min().unwrap_or_default();
    best / u32::try_from(inputs.len()).expect("so many records fit no memory")
}
