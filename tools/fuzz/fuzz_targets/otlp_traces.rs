//! Bodies of traces, protobuf and JSON: reading is total, what is read is within bounds, and every item says what it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_collector::dialect;
use vouchlog_collector::intake::{Encoding, Item, Signal, decode};
use vouchlog_collector::limits::{MAX_ATTRIBUTES, MAX_ITEMS};

fuzz_target!(|input: &[u8]| {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let Ok(decoded) = decode(Signal::Traces, encoding, input) else { continue };
        assert!(decoded.items.len() <= MAX_ITEMS);
        for item in &decoded.items {
            let Item::Span(span) = item else { panic!("traces have spans") };
            assert!(span.attributes.len() <= MAX_ATTRIBUTES);
            assert_eq!((span.trace.len(), span.span.len()), (32, 16));
            assert_eq!(dialect::read(item), dialect::read(item));
        }
    }
});
