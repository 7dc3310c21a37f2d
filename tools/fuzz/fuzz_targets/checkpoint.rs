//! Checkpoint texts: a checkpoint has one spelling.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_note::Checkpoint;

fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.text(), text);
    }
});
