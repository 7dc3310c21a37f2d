//! What a witness remembers of a log, in memory and in its store.

use bytes::Bytes;
use vouchlog_merkle::{Hash, TreeHead, sha256};
use vouchlog_note::{Checkpoint, UnverifiedNote};
use vouchlog_storage::Revision;

/// The latest checkpoint cosigned for a log, without its note, which the store has: a hundred bytes for each log, whatever
/// lines the note has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latest {
    pub(crate) head: TreeHead,
    /// Of the cosignature, in POSIX seconds.
    pub(crate) timestamp: u64,
    /// Of the state in the store.
    pub(crate) revision: Revision,
}

// state = 0x01 || <timestamp, u64 big-endian> || <checkpoint note: the log's verified lines, then the witness's>

/// The version of the layout above.
const VERSION: u8 = 1;

/// What goes into the store.
pub(crate) fn to_bytes(timestamp: u64, note: &str) -> Bytes {
    let mut bytes = Vec::with_capacity(9 + note.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&timestamp.to_be_bytes());
    bytes.extend_from_slice(note.as_bytes());
    bytes.into()
}

/// Reads a state of the log whose origin has this SHA-256; `None` if it is not one.
pub(crate) fn from_bytes(origin: &Hash, revision: Revision, bytes: &[u8]) -> Option<Latest> {
    let (timestamp, note) = split(bytes)?;
    let note = UnverifiedNote::parse(note.as_bytes()).ok()?;
    let checkpoint = Checkpoint::parse(note.unverified_text()).ok()?;
    let is_of_log = sha256(checkpoint.origin().as_str().as_bytes()) == *origin;
    is_of_log.then_some(Latest { head: checkpoint.head(), timestamp, revision })
}

/// The note of a state.
pub(crate) fn note(bytes: &[u8]) -> Option<&str> {
    split(bytes).map(|(_, note)| note)
}

fn split(bytes: &[u8]) -> Option<(u64, &str)> {
    let (&version, rest) = bytes.split_first()?;
    let (timestamp, note) = rest.split_first_chunk::<8>()?;
    let note = str::from_utf8(note).ok()?;
    (version == VERSION).then_some((u64::from_be_bytes(*timestamp), note))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vouchlog_merkle::TreeSize;
    use vouchlog_note::Origin;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(size in 1..=i64::MAX as u64, root: [u8; 32], timestamp: u64, number: u64) {
            let head = TreeHead { size: TreeSize::new(size), root: Hash::from_bytes(root) };
            let text = Checkpoint::new(Origin::new("log.example.com/a").unwrap(), head).text();
            let note = format!("{text}\n\u{2014} log.example.com/a AAAAAAAA\n");
            let (origin, revision) = (sha256(b"log.example.com/a"), Revision::new(number));
            let bytes = to_bytes(timestamp, &note);
            prop_assert_eq!(from_bytes(&origin, revision, &bytes), Some(Latest { head, timestamp, revision }));
            prop_assert_eq!(super::note(&bytes), Some(note.as_str()));
            prop_assert_eq!(from_bytes(&sha256(b"another"), revision, &bytes), None);
            for end in 0..bytes.len() {
                prop_assert_eq!(from_bytes(&origin, revision, &bytes[..end]), None);
            }
        }

        #[test]
        fn random_bytes_never_panic(mut bytes: Vec<u8>, version in 0..3u8) {
            let _ = from_bytes(&sha256(b""), Revision::NONE, &bytes);
            bytes.insert(0, version);
            let _ = from_bytes(&sha256(b""), Revision::NONE, &bytes);
        }
    }
}
