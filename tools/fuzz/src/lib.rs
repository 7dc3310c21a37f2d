//! What the fuzz targets share: fixed keys, and a way to damage bytes that are otherwise right.

pub mod log;
pub mod stated;

use vouchlog_note::{KeyName, Origin, SignatureType, SigningKey};

/// The origin of the log in the vectors of `tests/vectors/computed/e2e`.
pub const ORIGIN: &str = "log.example.com/ai-digests";

/// [`ORIGIN`], checked.
pub fn origin() -> Origin {
    Origin::new(ORIGIN).expect("a well-formed origin")
}

/// A key that is the same in every run, so that a crash can be replayed from its input alone.
pub fn key(name: &str, kind: SignatureType, seed: u8) -> SigningKey {
    let name = KeyName::new(name).expect("a well-formed name");
    SigningKey::generate(name, kind, [seed; 32]).expect("a key of a type that signs")
}

/// Right bytes with a part replaced: the first two bytes of `input` say where, the third how much goes, the rest what
/// comes instead. Random bytes alone never get past a key or a signature; these do.
pub fn damage(right: &[u8], input: &[u8]) -> Vec<u8> {
    let Some((&[high, low, length], new)) = input.split_first_chunk::<3>() else { return right.to_vec() };
    let start = usize::from(u16::from_be_bytes([high, low])) % (right.len() + 1);
    let end = (start + usize::from(length)).min(right.len());
    [&right[..start], new, &right[end..]].concat()
}
