//! Requests to sign a subtree, and the answers: a request has one spelling, checking an answer is total.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_fuzz::{damage, key, origin};
use vouchlog_merkle::{Hash, Subtree};
use vouchlog_note::{SignSubtree, SignatureType, SignedSubtree, SigningKey};

static WITNESS: LazyLock<SigningKey> = LazyLock::new(|| key("witness.example", SignatureType::MlDsa44, 2));
static RIGHT: LazyLock<String> = LazyLock::new(|| {
    let line = WITNESS.cosign_subtree(&origin(), subtree(), &hash()).expect("a key that signs subtrees");
    format!("{line}\n")
});

fn subtree() -> Subtree {
    Subtree::new(256, 300).expect("a subtree")
}

fn hash() -> Hash {
    Hash::from_bytes([7; 32])
}

fn read_answer(answer: &[u8]) {
    let Ok(answer) = str::from_utf8(answer) else { return };
    if let Ok(signed) = SignedSubtree::open(answer, &origin(), subtree(), &hash(), [WITNESS.verifying_key()])
    {
        // The key signs deterministically, and nobody else knows a signature by it.
        assert!(RIGHT.contains(&signed.signatures()[0].line().to_string()));
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = SignSubtree::parse(bytes) {
        assert_eq!(request.to_text().as_bytes(), bytes);
    }
    read_answer(bytes);
    read_answer(&damage(RIGHT.as_bytes(), bytes));
});
