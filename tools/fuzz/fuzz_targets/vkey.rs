//! vkeys: a key has one spelling. A vkey holds a hash of itself, which chance does not find, so right ones are damaged too.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_fuzz::{ORIGIN, damage, key};
use vouchlog_note::{SignatureType, VerifyingKey};

static RIGHT: LazyLock<[String; 3]> = LazyLock::new(|| {
    [SignatureType::Ed25519, SignatureType::CosignatureEd25519, SignatureType::MlDsa44]
        .map(|kind| key(ORIGIN, kind, 1).verifying_key().to_string())
});

fn read(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    if let Ok(key) = text.parse::<VerifyingKey>() {
        assert_eq!(key.to_string(), text);
    }
}

fuzz_target!(|input: &[u8]| {
    read(input);
    let Some((&which, change)) = input.split_first() else { return };
    read(&damage(RIGHT[usize::from(which % 3)].as_bytes(), change));
});
