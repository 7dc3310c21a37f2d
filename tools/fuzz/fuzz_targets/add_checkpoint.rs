//! Requests to a witness: a request has one spelling.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_note::AddCheckpoint;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_text().as_bytes(), bytes);
    }
});
