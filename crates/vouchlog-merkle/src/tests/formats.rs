//! Goal: every text and byte format has one spelling and a total reader. Method: lists of wrong spellings, round trips,
//! random input.

use proptest::prelude::*;

use crate::{
    EMPTY_ROOT, EntryBundle, FormatError, Hash, MAX_BUNDLE_LEN, MAX_ENTRY_LEN, TileId, TilePath, leaf_hash,
    node_hash, sha256,
};

#[test]
fn hashes_of_known_input() {
    assert_eq!(sha256(b""), EMPTY_ROOT);
    // FIPS 180-2, appendix B.1.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256(b"abc").to_string(), abc);
    // Appendix B.3, which is long enough to be hashed in parts.
    let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!(sha256(&vec![b'a'; 1_000_000]).to_string(), million);
}

#[test]
fn prefixes_are_hashed_before_the_rest_at_every_length() {
    // Across the length from which input is no longer gathered on the stack.
    for length in [0, 1, 54, 55, 63, 64, 126, 127, 128, 129, 300] {
        let entry = vec![7; length];
        assert_eq!(leaf_hash(&entry), sha256(&[&[0], entry.as_slice()].concat()), "{length} bytes");
    }
    let (left, right) = (sha256(b"l"), sha256(b"r"));
    assert_eq!(node_hash(&left, &right), sha256(&[&[1], left.as_ref(), right.as_ref()].concat()));
}

#[test]
fn a_hash_has_one_spelling() {
    let text = EMPTY_ROOT.to_string();
    assert_eq!(text.parse(), Ok(EMPTY_ROOT));
    assert_eq!(format!("{EMPTY_ROOT:?}"), text);
    for wrong in [
        "",
        "e3",
        &text[1..],
        &format!("{text}0"),
        &text.to_uppercase(),
        &text.replace("e3", "+3"),
        &text.replace("e3", "é"),
    ] {
        assert_eq!(wrong.parse::<Hash>(), Err(FormatError::HashText), "{wrong}");
    }
    assert_eq!(Hash::try_from([0; 31].as_slice()), Err(FormatError::HashLength { got: 31 }));
    assert_eq!(Hash::try_from([0; 33].as_slice()), Err(FormatError::HashLength { got: 33 }));
}

#[test]
fn tile_paths() {
    let check = |text: &str, path: TilePath| {
        assert_eq!(TilePath::parse(text), Ok(path), "{text}");
        assert_eq!(path.to_string(), text);
    };
    let hashes = |level, index, width| TilePath::Hashes { tile: TileId { level, index }, width };
    check("tile/0/000", hashes(0, 0, 256));
    check("tile/0/001.p/44", hashes(0, 1, 44));
    check("tile/1/x001/000", hashes(1, 1000, 256));
    check("tile/63/x001/x234/067.p/255", hashes(63, 1_234_067, 255));
    check("tile/entries/x001/x000/000.p/1", TilePath::Entries { index: 1_000_000, width: 1 });
    check(
        "tile/entries/x018/x446/x744/x073/x709/x551/615",
        TilePath::Entries { index: u64::MAX, width: 256 },
    );
    assert_eq!(TileId { level: 0, index: 1_234_067 }.path(256), "tile/0/x001/x234/067");
    assert_eq!(TileId { level: 2, index: 0 }.path(17), "tile/2/000.p/17");
}

#[test]
#[should_panic(expected = "1 to 256 hashes, not 257")]
fn a_tile_too_wide_has_no_path() {
    let _ = TileId { level: 0, index: 0 }.path(257);
}

#[test]
fn other_spellings_of_tile_paths_are_refused() {
    for wrong in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile//000",
        "/tile/0/000",
        "tile/0/000/",
        "tiles/0/000",
        "Tile/0/000",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/+1/000",
        "tile/-1/000",
        "tile/256/000",
        "tile/a/000",
        "tile/Entries/000",
        "tile/data/000",
        "tile/8/0/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/x000",
        "tile/0/x000/001",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/X001/000",
        "tile/0/x001/x000",
        "tile/0/xx01/000",
        "tile/0/x1/000",
        "tile/0/x001//000",
        "tile/0/+01",
        "tile/0/ 01",
        "tile/0/٠٠٠",
        "tile/0/000 ",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/+1",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/000.P/1",
        "tile/0/000p/1",
        "tile/0/.p/1",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
        "tile/0/000\n",
        "tile/0/../000",
        "tile/0/000.p/1\0",
    ] {
        assert!(matches!(TilePath::parse(wrong), Err(FormatError::TilePath { .. })), "{wrong:?}");
    }
}

fn tile_path() -> impl Strategy<Value = TilePath> {
    // Indexes of every number of digits, not only of twenty.
    let index = (any::<u64>(), 0_u32..64).prop_map(|(index, by)| index >> by);
    (prop::option::of(0_u8..=63), index, 1_u16..=256).prop_map(|(level, index, width)| match level {
        Some(level) => TilePath::Hashes { tile: TileId { level, index }, width },
        None => TilePath::Entries { index, width },
    })
}

#[test]
fn a_bundle_of_two() {
    let mut bundle = Vec::new();
    for entry in [b"one", b"two"] {
        EntryBundle::push_entry(&mut bundle, entry).unwrap();
    }
    // As in the published test log of transparency-dev/tessera.
    assert_eq!(hex::encode(&bundle), "00036f6e65000374776f");
    assert_eq!(EntryBundle::entries(&bundle, 2), Ok(vec![b"one".as_slice(), b"two"]));
    assert_eq!(EntryBundle::entries(&bundle, 1), Err(FormatError::BundleTrailing { got: 5 }));
    assert_eq!(
        EntryBundle::entries(&bundle, 3),
        Err(FormatError::BundleTruncated { entry: 2, want: 2, got: 0 })
    );
    assert_eq!(
        EntryBundle::entries(&bundle[..9], 2),
        Err(FormatError::BundleTruncated { entry: 1, want: 3, got: 2 })
    );
    assert_eq!(
        EntryBundle::entries(&bundle[..1], 1),
        Err(FormatError::BundleTruncated { entry: 0, want: 2, got: 1 })
    );
    assert!(matches!(EntryBundle::entries(&[], 0), Err(FormatError::Width { .. })));
    assert!(matches!(EntryBundle::entries(&[0; 514], 257), Err(FormatError::Width { .. })));
}

#[test]
fn the_largest_bundle() {
    let largest = vec![9; MAX_ENTRY_LEN];
    let mut bundle = Vec::new();
    assert_eq!(
        EntryBundle::push_entry(&mut bundle, &[9; MAX_ENTRY_LEN + 1]),
        Err(FormatError::EntryTooLong { got: 65_536 })
    );
    assert!(bundle.is_empty());
    for _ in 0..256 {
        EntryBundle::push_entry(&mut bundle, &largest).unwrap();
    }
    assert_eq!(bundle.len(), MAX_BUNDLE_LEN);
    assert_eq!(MAX_BUNDLE_LEN, 16_777_472);
    assert!(EntryBundle::entries(&bundle, 256).unwrap().iter().all(|entry| *entry == largest));
}

proptest! {
    #[test]
    fn hash_text_round_trips(bytes: [u8; 32]) {
        let hash = Hash::from_bytes(bytes);
        prop_assert_eq!(hash.to_string(), hex::encode(bytes));
        prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        prop_assert_eq!(Hash::try_from(bytes.as_slice()), Ok(hash));
    }

    #[test]
    fn any_text_is_a_hash_or_not(text in "\\PC{0,70}") {
        prop_assert!(text.parse::<Hash>().is_err());
    }

    #[test]
    fn tile_paths_round_trip(path in tile_path()) {
        prop_assert_eq!(TilePath::parse(&path.to_string()), Ok(path));
    }

    #[test]
    fn what_parses_is_how_it_is_written(text in "tile/(entries|[0-9]{1,2})/(x?[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(path) = TilePath::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn any_text_is_a_tile_path_or_not(text in "\\PC*", tail in "[tile/xentrs.p0-9]*") {
        for text in [text, tail.clone(), format!("tile/{tail}")] {
            if let Ok(path) = TilePath::parse(&text) {
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }

    #[test]
    fn bundles_round_trip(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..=256)) {
        let mut bundle = Vec::new();
        for entry in &entries {
            EntryBundle::push_entry(&mut bundle, entry).unwrap();
        }
        prop_assert_eq!(EntryBundle::entries(&bundle, entries.len()).unwrap(), entries);
    }

    #[test]
    fn any_bytes_are_a_bundle_or_not(bytes in prop::collection::vec(0_u8..4, 0..2000), count in 0_usize..300) {
        if let Ok(entries) = EntryBundle::entries(&bytes, count) {
            let mut bundle = Vec::new();
            for entry in entries {
                EntryBundle::push_entry(&mut bundle, entry).unwrap();
            }
            prop_assert_eq!(bundle, bytes);
        }
    }
}
