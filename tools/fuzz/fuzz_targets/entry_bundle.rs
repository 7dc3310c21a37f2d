//! Entry bundles: a bundle is nothing but its entries.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_merkle::EntryBundle;

fuzz_target!(|bytes: &[u8]| {
    for count in [0, 1, 2, 3, 44, 256, 257, usize::MAX] {
        if let Ok(entries) = EntryBundle::entries(bytes, count) {
            let mut again = Vec::new();
            for entry in entries {
                EntryBundle::push_entry(&mut again, entry).expect("it was in a bundle");
            }
            assert_eq!(again, bytes);
        }
    }
});
