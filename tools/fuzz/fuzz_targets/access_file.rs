//! Access files: reading one never panics, and what is read is JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_access::AccessFile;

fuzz_target!(|bytes: &[u8]| {
    if AccessFile::parse(bytes).is_ok() {
        // What is read is JSON, so another reader takes it too.
        serde_json::from_slice::<serde_json::Value>(bytes).expect("an access file is JSON");
    }
});
