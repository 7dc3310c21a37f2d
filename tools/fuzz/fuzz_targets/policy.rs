//! Policies: reading and applying one is total.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_note::Policy;

static CHECKPOINT: &[u8] = include_bytes!("../../../tests/vectors/computed/e2e/checkpoint.300.cosigned");

fuzz_target!(|bytes: &[u8]| {
    if let Ok(policy) = Policy::parse(bytes) {
        let _ = policy.verify_checkpoint(CHECKPOINT);
    }
});
