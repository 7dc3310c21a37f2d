//! Bodies of logs, and of the doors that are no OTLP: reading is total.

#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use vouchlog_collector::assemble::Naming;
use vouchlog_collector::intake::{Encoding, Item, Signal, decode};
use vouchlog_collector::{dialect, doors};

fuzz_target!(|input: &[u8]| {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let Ok(decoded) = decode(Signal::Logs, encoding, input) else { continue };
        for item in &decoded.items {
            assert!(matches!(item, Item::Event(_)));
            assert_eq!(dialect::read(item), dialect::read(item));
        }
    }
    let naming: Naming = Box::new(|key| [key.len() as u8; 16]);
    let _ = doors::litellm(input, &naming, Timestamp::UNIX_EPOCH);
    let _ = doors::opa(input);
});
