//! Entries: decoding and encoding are inverse.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_stream::{Entry, Statement};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::decode(bytes) {
        assert_eq!(entry.encode(), bytes);
        let _ = (entry.kind_name(), entry.logged_at());
    }
    if let Ok(leaf) = bytes.try_into()
        && let Ok(statement) = Statement::from_leaf_data(leaf)
    {
        assert_eq!(&statement.leaf_data(), leaf);
    }
});
