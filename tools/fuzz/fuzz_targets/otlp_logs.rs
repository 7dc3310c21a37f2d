//! Bodies of logs, protobuf and JSON: reading is total.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_collector::dialect;
use vouchlog_collector::intake::{Encoding, Item, Signal, decode};

fuzz_target!(|input: &[u8]| {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let Ok(decoded) = decode(Signal::Logs, encoding, input) else { continue };
        for item in &decoded.items {
            assert!(matches!(item, Item::Event(_)));
            assert_eq!(dialect::read(item), dialect::read(item));
        }
    }
});
