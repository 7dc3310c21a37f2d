//! What an Ed25519 cosignature signs, and how its timestamp travels (tlog-cosignature, type 0x04).

use ed25519_dalek::Signature;

use crate::limits::MAX_TIMESTAMP;

/// Bytes of the timestamp in a cosignature's payload.
const TIMESTAMP_BYTES: usize = 8;

// cosigned message      = "cosignature/v1" LF "time " <decimal timestamp> LF <whole checkpoint text, with its LF>
// timestamped signature = <timestamp, u64 big-endian> <Ed25519 signature[64]>

/// The message an Ed25519 cosigner signs, at `timestamp` in POSIX seconds. It does not name the cosigner, so a
/// cosigner's key serves one name and one role.
pub fn cosigned_message(timestamp: u64, checkpoint_text: &str) -> String {
    format!("cosignature/v1\ntime {timestamp}\n{checkpoint_text}")
}

/// The payload of a cosignature line: 72 bytes, `timestamp` in POSIX seconds first.
pub fn timestamped_signature(timestamp: u64, signature: &[u8; Signature::BYTE_SIZE]) -> Vec<u8> {
    [&timestamp.to_be_bytes()[..], signature].concat()
}

/// Takes a payload apart; `None` if it has not 72 bytes or the timestamp is out of range.
///
/// SPEC: the timestamp is at most 2^63 - 1.
pub(crate) fn split_timestamped_signature(payload: &[u8]) -> Option<(u64, Signature)> {
    let (&timestamp, signature) = payload.split_first_chunk::<TIMESTAMP_BYTES>()?;
    let timestamp = u64::from_be_bytes(timestamp);
    let signature = Signature::from_slice(signature).ok()?;
    (timestamp <= MAX_TIMESTAMP).then_some((timestamp, signature))
}
