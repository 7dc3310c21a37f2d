//! Paths of tiles and entry bundles: a tile has one path.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_merkle::TilePath;

fuzz_target!(|text: &str| {
    if let Ok(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text);
        assert!((1..=256).contains(&path.width()));
    }
});
