//! Sample bodies for tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use crate::assemble::{Assembler, Config, Naming, Out};
use crate::intake::{Encoding, Item, Signal, decode};

/// The folder of sample bodies.
pub(crate) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// Items of all bodies of a folder. The names say what a body is: `001.traces.pb`, `002.logs.json`.
pub(crate) fn items(folder: &str) -> Vec<Item> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(testdata().join("otlp").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().flat_map(|path| body(path)).collect()
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
                *word = (*word ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3 + 2 * place as u64).rotate_left(17);
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
    let mut out = assembler.feed(items, at(0));
    let rest = assembler.tick(at(61));
    assert_eq!(assembler.waiting(), (0, 0));
    out.records.extend(rest.records);
    out.conflicts.extend(rest.conflicts);
    out.failed.extend(rest.failed);
    for (name, count) in rest.unknown {
        *out.unknown.entry(name).or_default() += count;
    }
    out
}

/// What came out, as JSON: records and what was not understood.
pub(crate) fn shown(out: &Out) -> Value {
    let records: Vec<Value> = out.records.iter().map(|record| Value::Object(record.to_object())).collect();
    let unknown: BTreeMap<_, _> = out.unknown.iter().collect();
    serde_json::json!({ "records": records, "not_understood": unknown, "ignored": out.ignored, "failed": out.failed })
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
