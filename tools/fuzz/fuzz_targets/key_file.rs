//! Private key files: what is read is written back, but for line ends behind it. As with vkeys, right ones are damaged too.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_fuzz::{ORIGIN, damage, key};
use vouchlog_note::{SignatureType, SigningKey};

static RIGHT: LazyLock<[String; 3]> = LazyLock::new(|| {
    [SignatureType::Ed25519, SignatureType::CosignatureEd25519, SignatureType::MlDsa44]
        .map(|kind| key(ORIGIN, kind, 1).to_key_file().unwrap().as_str().to_owned())
});

fn read(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    if let Ok(key) = SigningKey::from_key_file(text) {
        assert_eq!(key.to_key_file().unwrap().trim_end_matches('\n'), text.trim_end_matches('\n'));
    }
}

fuzz_target!(|input: &[u8]| {
    read(input);
    let Some((&which, change)) = input.split_first() else { return };
    read(&damage(RIGHT[usize::from(which % 3)].as_bytes(), change));
});
