//! What a cosigner signs, and how its timestamp travels (tlog-cosignature).

use vouchlog_merkle::{Hash, Subtree};

use crate::checkpoint::Origin;
use crate::key::KeyName;
use crate::limits::MAX_TIMESTAMP;

/// Bytes of the timestamp in a cosignature's payload.
const TIMESTAMP_BYTES: usize = 8;

// cosigned message      = "cosignature/v1" LF "time " <decimal timestamp> LF <whole checkpoint text, with its LF>
// timestamped signature = <timestamp, u64 big-endian> <signature: Ed25519[64], ML-DSA-44[2420]>

/// The message an Ed25519 cosigner signs (type 0x04), at `timestamp` in POSIX seconds. It does not name the
/// cosigner, so a cosigner's key serves one name and one role.
pub fn cosigned_message(timestamp: u64, checkpoint_text: &str) -> String {
    format!("cosignature/v1\ntime {timestamp}\n{checkpoint_text}")
}

// cosigned message of ML-DSA-44, integers big-endian:
//
//  0  label           12  "subtree/v1" LF NUL
// 12  cosigner    1+1..255  length, key name
//     timestamp        8  POSIX seconds
//     origin      1+1..255  length, origin without LF
//     start            8  first leaf; 0 for a checkpoint
//     end              8  one past the last leaf; the tree size for a checkpoint
//     hash            32  of those leaves; the root for a checkpoint

/// The message an ML-DSA-44 cosigner signs (type 0x06) for a subtree of a log's tree, of which a checkpoint's
/// whole tree is one.
///
/// SPEC: `timestamp` is 0 unless the subtree starts at 0. The two callers keep to that: one signs checkpoints,
/// the other subtrees, always at 0.
pub(crate) fn subtree_message(
    cosigner: &KeyName,
    timestamp: u64,
    origin: &Origin,
    subtree: Subtree,
    hash: &Hash,
) -> Vec<u8> {
    let (cosigner, origin) = (cosigner.as_str().as_bytes(), origin.as_str().as_bytes());
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("names and origins have at most 255 bytes");
    let mut message = Vec::with_capacity(12 + 1 + cosigner.len() + 8 + 1 + origin.len() + 8 + 8 + 32);
    message.extend_from_slice(b"subtree/v1\n\0");
    message.push(length(cosigner));
    message.extend_from_slice(cosigner);
    message.extend_from_slice(&timestamp.to_be_bytes());
    message.push(length(origin));
    message.extend_from_slice(origin);
    message.extend_from_slice(&subtree.begin().to_be_bytes());
    message.extend_from_slice(&subtree.end().to_be_bytes());
    message.extend_from_slice(hash.as_bytes());
    message
}

/// The payload of a cosignature line: `timestamp` in POSIX seconds, and the signature after it.
pub fn timestamped_signature(timestamp: u64, signature: &[u8]) -> Vec<u8> {
    [&timestamp.to_be_bytes()[..], signature].concat()
}

/// Takes a payload apart; `None` if it is too short or the timestamp is out of range.
///
/// SPEC: the timestamp is at most 2^63 - 1.
pub(crate) fn split_timestamped_signature(payload: &[u8]) -> Option<(u64, &[u8])> {
    let (&timestamp, signature) = payload.split_first_chunk::<TIMESTAMP_BYTES>()?;
    let timestamp = u64::from_be_bytes(timestamp);
    (timestamp <= MAX_TIMESTAMP).then_some((timestamp, signature))
}

#[cfg(test)]
mod tests;
