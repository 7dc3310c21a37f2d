//! Signature lines: a line has one spelling.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_note::SignatureLine;

fuzz_target!(|text: &str| {
    if let Ok(line) = text.parse::<SignatureLine>() {
        assert_eq!(line.to_string(), text);
    }
});
