//! Session bundles: reading is total, writing gives back what was read, and verifying a stranger's file is total.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_fuzz::log::log_vkey;
use vouchlog_session::{SessionBundle, verify_bundle};
use vouchlog_statement::LogTrust;

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = SessionBundle::from_json(bytes) else { return };
    let again = SessionBundle::from_json(bundle.to_json().as_bytes()).expect("what is written is read");
    assert_eq!(again, bundle);
    if let Ok(verified) = verify_bundle(&bundle, &LogTrust::new(&log_vkey(), None)) {
        let _ = verified.timeline();
    }
});
