//! Signed notes, alone and as a checkpoint under a key: whatever is read writes back as the very bytes it was read from.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_fuzz::{ORIGIN, key, origin};
use vouchlog_note::{CosignedCheckpoint, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote};

static LOG: LazyLock<SigningKey> = LazyLock::new(|| key(ORIGIN, SignatureType::Ed25519, 1));
static WITNESS: LazyLock<SigningKey> =
    LazyLock::new(|| key("witness.example", SignatureType::CosignatureEd25519, 2));
static ML_DSA_LOG: LazyLock<SigningKey> = LazyLock::new(|| key(ORIGIN, SignatureType::MlDsa44, 3));

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = UnverifiedNote::parse(bytes) {
        assert_eq!(note.as_str().as_bytes(), bytes);
        let parts = UnverifiedNote::from_parts(note.unverified_text(), note.lines().to_vec());
        assert_eq!(parts.as_ref(), Ok(&note));
        let _ = note.verify([&LOG, &WITNESS, &ML_DSA_LOG].map(|key| key.verifying_key()));
    }
    for key in [&LOG, &ML_DSA_LOG] {
        let _ = SignedCheckpoint::open(bytes, &origin(), key.verifying_key());
    }
    let _ = CosignedCheckpoint::open(bytes, &origin(), WITNESS.verifying_key());
});
