//! Items in any order become records, all of them; fed again they become nothing, or conflicts.

#![no_main]

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use vouchlog_collector::assemble::{Assembler, Config, Lot, Naming};
use vouchlog_collector::intake::{Encoding, Signal, decode};

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

fuzz_target!(|input: &[u8]| {
    let mut items = Vec::new();
    for signal in [Signal::Traces, Signal::Logs] {
        items.extend(decode(signal, Encoding::Json, input).map(|decoded| decoded.items).unwrap_or_default());
        items.extend(
            decode(signal, Encoding::Protobuf, input).map(|decoded| decoded.items).unwrap_or_default(),
        );
    }
    let (start, end) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(3_600).expect("in range"));
    let mut one = Assembler::new(Config::default(), naming());
    one.feed(items.clone(), &Lot::at(start));
    let out = one.tick(end);
    assert_eq!((one.waiting(), out.failed.as_slice()), ((0, 0), &[][..]));
    assert_eq!(one.feed(items.clone(), &Lot::at(end)).records, []);
    assert_eq!(one.waiting(), (0, 0), "what was seen is known");

    items.reverse();
    let mut other = Assembler::new(Config::default(), naming());
    other.feed(items, &Lot::at(start));
    assert_eq!(other.tick(end).records, out.records);
});
