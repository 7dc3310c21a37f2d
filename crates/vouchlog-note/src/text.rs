//! The encodings all C2SP text formats share: decimals, base64, hashes in base64, forbidden characters.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use vouchlog_merkle::Hash;

/// RFC 4648 section 4 with padding required and trailing bits zero. A lenient decoder would let two different
/// texts carry the same signature; no honest encoder emits what this one refuses.
const STRICT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(false),
);

/// Length in base64 characters of a 32-byte hash.
pub(crate) const HASH_BASE64_BYTES: usize = 44;

pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    STRICT.encode(bytes)
}

/// Appends the base64 text of `bytes`, so that a secret is written once, into the buffer that will be wiped.
pub(crate) fn append_base64(bytes: &[u8], out: &mut String) {
    STRICT.encode_string(bytes, out);
}

/// The bytes of a canonical base64 text, or `None`. The caller bounds `text`.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STRICT.decode(text).ok()
}

/// The hash that 44 base64 characters spell, or `None`.
pub(crate) fn decode_hash(text: &str) -> Option<Hash> {
    if text.len() != HASH_BASE64_BYTES {
        return None;
    }
    // 44 characters spell 32 or 33 bytes, by their padding.
    let mut bytes = [0; 33];
    let decoded = STRICT.decode_slice(text, &mut bytes).ok()?;
    Hash::try_from(bytes.get(..decoded)?).ok()
}

/// The number a decimal text spells, or `None`.
///
/// SPEC: decimals are ASCII digits without sign, and without leading zero unless the number is `0`.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let digits = text.as_bytes();
    let leading_zero = digits.len() > 1 && digits[0] == b'0';
    if leading_zero || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.parse().ok()
}

/// Where the first character stands that no note may hold, and what it is.
///
/// SPEC: no code point below U+0020 other than LF (signed-note).
pub(crate) fn find_control_character(text: &str) -> Option<(usize, u8)> {
    text.bytes().enumerate().find(|&(_, byte)| byte < 0x20 && byte != b'\n')
}
