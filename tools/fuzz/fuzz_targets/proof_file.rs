//! Proof files: a file has one spelling, and checking it is total.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_merkle::{EMPTY_ROOT, TreeHead, TreeSize};
use vouchlog_note::ProofFile;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = ProofFile::parse(bytes) {
        assert_eq!(file.to_text().as_bytes(), bytes);
        for size in [0, 1, 300, file.index().get().saturating_add(1), u64::MAX] {
            let head = TreeHead { size: TreeSize::new(size), root: EMPTY_ROOT };
            let _ = file.verify_inclusion(&EMPTY_ROOT, &head);
        }
    }
});
