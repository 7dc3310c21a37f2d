//! Sample bodies for tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use crate::assemble::{Assembler, Config, Delivery, Emitter, Naming, Out};
use crate::intake::{Encoding, Item, Signal, decode};

pub(crate) mod values;

/// The folder of sample bodies.
pub(crate) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// Items of all bodies of a folder. The names say what a body is: `001.traces.pb`, `002.logs.json`.
pub(crate) fn items(folder: &str) -> Vec<Item> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(testdata().join("otlp").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name != ACCOUNT))
        .collect();
    paths.sort();
    paths.iter().flat_map(|path| body(path)).collect()
}

/// Beside the bodies of a program: what it did, by its own word.
pub(crate) const ACCOUNT: &str = "account.json";

/// The account of a folder's program, if there is one.
pub(crate) fn account(folder: &str) -> Option<Value> {
    let text = std::fs::read(testdata().join("otlp").join(folder).join(ACCOUNT)).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

/// Items of one body.
pub(crate) fn body(path: &Path) -> Vec<Item> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let signal = if name.contains(".traces.") { Signal::Traces } else { Signal::Logs };
    let encoding = if name.ends_with(".json") { Encoding::Json } else { Encoding::Protobuf };
    let decoded = decode(signal, encoding, &std::fs::read(path).unwrap()).unwrap();
    assert_eq!(decoded.refused, [], "{name}");
    decoded.items
}

/// A keyed function for tests: not secret, but it tells keys apart.
pub(crate) fn naming() -> Naming {
    Box::new(|key| {
        let mut state = [0x6c62_272e_07bb_0142_u64, 0x62b8_2175_6295_c58d];
        for byte in key {
            for (place, word) in state.iter_mut().enumerate() {
                *word = (*word ^ u64::from(*byte))
                    .wrapping_mul(0x0000_0100_0000_01b3 + 2 * place as u64)
                    .rotate_left(17);
            }
        }
        let mut name = [0; 16];
        name[..8].copy_from_slice(&state[0].to_be_bytes());
        name[8..].copy_from_slice(&state[1].to_be_bytes());
        name
    })
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_300_000 + second).unwrap()
}

/// What becomes of items that come at once, when nothing more comes.
pub(crate) fn assembled(items: Vec<Item>) -> Out {
    let mut assembler = Assembler::new(Config::default(), naming());
    let mut out = assembler.feed(items, &Delivery::at(at(0)));
    let rest = assembler.tick(at(61));
    assert_eq!(assembler.waiting(), (0, 0));
    out.records.extend(rest.records);
    out.conflicts.extend(rest.conflicts);
    out.failed.extend(rest.failed);
    out.unclaimed.extend(rest.unclaimed);
    for (name, count) in rest.unknown {
        *out.unknown.entry(name).or_default() += count;
    }
    out
}

/// What came out, as JSON: records and what was not understood.
pub(crate) fn shown(out: &Out) -> Value {
    let records: Vec<Value> = out.records.iter().map(|record| Value::Object(record.to_object())).collect();
    let unknown: BTreeMap<_, _> = out.unknown.iter().collect();
    let emitter =
        |(emitter, spans): (&Emitter, u64)| (format!("{} {}", emitter.service, emitter.scope), spans);
    let unclaimed: BTreeMap<_, _> = out.unclaimed.iter().map(emitter).collect();
    serde_json::json!({
        "records": records, "not_understood": unknown, "ignored": out.ignored, "unclaimed": unclaimed, "failed": out.failed
    })
}

/// Compares with a file of `testdata/golden`, or writes it when `GOLDEN` is set.
pub(crate) fn golden(name: &str, found: &Value) {
    let path = testdata().join("golden").join(format!("{name}.json"));
    if std::env::var_os("GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("{found:#}\n")).unwrap();
    }
    let known: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // Written and read again, as the file was: a number may lose its last digit on the way.
    let found: Value = serde_json::from_str(&found.to_string()).unwrap();
    assert!(found == known, "{name} differs: run with GOLDEN=1 and look at the difference");
}

/// Items of spans given as OTLP/JSON members, each with a service, under one scope. A span is `(trace, span, parent, name, kind,
/// start, end, attributes)` in short: ids are digits that are repeated.
pub(crate) fn span(scope: &str, ids: (u8, u8, u8), name: &str, times: (u64, u64), attributes: Value) -> Item {
    spans(scope, &[(ids, name, 1, times, attributes)]).remove(0)
}

type Short<'a> = ((u8, u8, u8), &'a str, u8, (u64, u64), Value);

/// The same for several, with a kind each.
pub(crate) fn spans(scope: &str, all: &[Short<'_>]) -> Vec<Item> {
    let spans: Vec<Value> = all
        .iter()
        .map(|((trace, span, parent), name, kind, (start, end), attributes)| {
            let mut json = serde_json::json!({
                "traceId": format!("{trace:02x}").repeat(16), "spanId": format!("{span:02x}").repeat(8), "name": name,
                "kind": kind, "startTimeUnixNano": nanoseconds(*start), "endTimeUnixNano": nanoseconds(*end),
                "attributes": pairs(attributes),
            });
            if *parent != 0 {
                json["parentSpanId"] = format!("{parent:02x}").repeat(8).into();
            }
            json
        })
        .collect();
    let body = serde_json::json!({ "resourceSpans": [{
        "resource": { "attributes": pairs(&serde_json::json!({ "service.name": "svc" })) },
        "scopeSpans": [{ "scope": { "name": scope, "version": "1.0" }, "spans": spans }],
    }] });
    let decoded = decode(Signal::Traces, Encoding::Json, body.to_string().as_bytes()).unwrap();
    assert_eq!(decoded.refused, []);
    decoded.items
}

/// Events without a trace.
pub(crate) fn events(all: &[(&str, u64, Value)]) -> Vec<Item> {
    let records: Vec<Value> = all
        .iter()
        .map(|(name, time, attributes)| {
            serde_json::json!({ "eventName": name, "timeUnixNano": nanoseconds(*time), "attributes": pairs(attributes) })
        })
        .collect();
    let body = serde_json::json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] });
    decode(Signal::Logs, Encoding::Json, body.to_string().as_bytes()).unwrap().items
}

/// Milliseconds of the test's day.
fn nanoseconds(time: u64) -> String {
    ((1_795_300_000_000 + time) * 1_000_000).to_string()
}

fn pairs(attributes: &Value) -> Value {
    let any = |value: &Value| match value {
        Value::Bool(it) => serde_json::json!({ "boolValue": it }),
        Value::Number(it) if it.is_f64() => serde_json::json!({ "doubleValue": it }),
        Value::Number(it) => serde_json::json!({ "intValue": it.to_string() }),
        Value::Array(list) => {
            let values: Vec<Value> =
                list.iter().map(|one| serde_json::json!({ "stringValue": one })).collect();
            serde_json::json!({ "arrayValue": { "values": values } })
        }
        other => serde_json::json!({ "stringValue": other }),
    };
    let members = attributes.as_object().unwrap().iter();
    members.map(|(key, value)| serde_json::json!({ "key": key, "value": any(value) })).collect()
}

/// A record as JSON, for looking into it by pointer.
pub(crate) fn json(record: &vouchlog_record::Record) -> Value {
    Value::Object(record.to_object())
}
