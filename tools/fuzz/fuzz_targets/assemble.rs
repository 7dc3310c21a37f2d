//! Telemetry as a receiver feeds it: bodies, ticks and flushes in any order. What comes out are records, each of them once, and no
//! item is lost on the way.

#![no_main]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use vouchlog_collector::assemble::{Assembler, Config, Delivery, Naming, Out};
use vouchlog_collector::intake::{Encoding, Item, Signal, decode};
use vouchlog_record::{Record, RecordId};

/// Small, so that a body can fill it.
const TIGHT: Config = Config {
    settle: SignedDuration::from_secs(10),
    idle: SignedDuration::from_secs(60),
    max_age: SignedDuration::from_mins(15),
    max_open: 4,
    max_items: 16,
    max_bytes: 64 * 1024,
    max_remembered: 32,
};

fn naming() -> Naming {
    Box::new(|key| {
        let mut name = [0; 16];
        for (place, half) in name.chunks_mut(8).enumerate() {
            let mut hasher = DefaultHasher::new();
            (place, key).hash(&mut hasher);
            half.copy_from_slice(&hasher.finish().to_be_bytes());
        }
        name
    })
}

fn items(body: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    for signal in [Signal::Traces, Signal::Logs] {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            items.extend(decode(signal, encoding, body).map(|decoded| decoded.items).unwrap_or_default());
        }
    }
    items
}

/// Records read back, and two of one name are the same, as long as nothing is forgotten.
fn check(out: &Out, seen: &mut BTreeMap<RecordId, Record>) {
    assert_eq!(out.failed, [""; 0]);
    for record in &out.records {
        let id = record.id.clone().expect("an assembled record has a name");
        let again = Record::from_value(record.to_object().into()).expect("what is written is read");
        assert_eq!((&again.record, again.removed.len()), (record, 0), "{id}");
        let first = seen.entry(id).or_insert_with(|| record.clone());
        assert_eq!(first, record, "two records of one name");
    }
}

/// The records of a collector that does at each body what its first byte says.
fn run(bodies: &[&[u8]], config: Config) -> Vec<Record> {
    let mut assembler = Assembler::new(config, naming());
    let (mut now, mut seen, mut records) = (Timestamp::UNIX_EPOCH, BTreeMap::new(), Vec::new());
    for body in bodies {
        let (step, body) = body.split_first().unwrap_or((&0, &[]));
        now += SignedDuration::from_secs(i64::from(step >> 2));
        let fed = items(body);
        let count = fed.len();
        if config == TIGHT {
            seen.clear();
        }
        let out = match step & 3 {
            0 | 1 => assembler.feed(fed, &Delivery::at(now)),
            2 => assembler.tick(now),
            _ => assembler.flush(),
        };
        let (traces, waiting) = assembler.waiting();
        assert!(traces <= config.max_open && waiting <= config.max_items && traces <= waiting);
        assert!(out.refused.len() + out.ignored.len() <= count);
        check(&out, &mut seen);
        records.extend(out.records);
    }
    if config == TIGHT {
        seen.clear();
    }
    let out = assembler.flush();
    assert_eq!(assembler.waiting(), (0, 0));
    check(&out, &mut seen);
    records.extend(out.records);
    records
}

/// Items of one body in two orders, with all the time and room there is: the same records, and nothing when they come again.
fn in_two_orders(body: &[u8]) {
    let mut items = items(body);
    let (start, end) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(3_600).expect("in range"));
    let mut one = Assembler::new(Config::default(), naming());
    one.feed(items.clone(), &Delivery::at(start));
    let out = one.tick(end);
    assert_eq!((one.waiting(), out.failed.as_slice()), ((0, 0), &[][..]));
    assert_eq!(one.feed(items.clone(), &Delivery::at(end)).records, []);
    assert_eq!(one.waiting(), (0, 0), "what was seen is known");
    items.reverse();
    let mut other = Assembler::new(Config::default(), naming());
    other.feed(items, &Delivery::at(start));
    assert_eq!(other.tick(end).records, out.records);
}

fuzz_target!(|input: &[u8]| {
    in_two_orders(input);
    let bodies: Vec<&[u8]> = input.split(|byte| *byte == 0xff).collect();
    for config in [Config::default(), TIGHT] {
        assert_eq!(run(&bodies, config), run(&bodies, config), "the same steps give the same records");
    }
});
