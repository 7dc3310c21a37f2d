//! Requests that a vault's server is sent as RPCs: reading one is total, and as JSON it is the same as what was read.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vouchlog_proto::vault::{read_strictly, v1};

/// Reads a request, writes it as JSON, and reads that.
macro_rules! check {
    ($message:ty, $bytes:expr) => {{
        let Ok(message) = read_strictly::<$message>(Bytes::copy_from_slice($bytes)) else { return };
        // A number that is no value of its enumeration has no name.
        let Ok(json) = serde_json::to_value(&message) else { return };
        let again: $message = serde_json::from_value(json.clone()).expect("it was written");
        assert_eq!(serde_json::to_value(&again).expect("it was written before"), json);
    }};
}

fuzz_target!(|input: &[u8]| {
    let Some((&which, bytes)) = input.split_first() else { return };
    match which % 6 {
        0 => check!(v1::EraseRequest, bytes),
        1 => check!(v1::FindRecordsRequest, bytes),
        2 => check!(v1::AddToCaseRequest, bytes),
        3 => check!(v1::ExportRequest, bytes),
        4 => check!(v1::DecideFindingsRequest, bytes),
        _ => check!(v1::PresentRequest, bytes),
    }
});
