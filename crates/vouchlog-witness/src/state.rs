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
    /// Whether the log has ended: nothing beyond this head is cosigned.
    pub(crate) retired: bool,
}

// state = 0x01 | 0x02 || <timestamp, u64 big-endian> || <checkpoint note: the log's verified lines, then the witness's>

/// The first byte of the state of a log that goes on.
const OPEN: u8 = 1;
/// The first byte of the state of a log that has ended. Versions of a witness that would cosign beyond the end do not start with it.
const RETIRED: u8 = 2;

/// What goes into the store.
pub(crate) fn to_bytes(latest: &Latest, note: &str) -> Bytes {
    let timestamp = latest.timestamp;
    let mut bytes = Vec::with_capacity(9 + note.len());
    bytes.push(if latest.retired { RETIRED } else { OPEN });
    bytes.extend_from_slice(&timestamp.to_be_bytes());
    bytes.extend_from_slice(note.as_bytes());
    bytes.into()
}

/// Reads a state of the log whose origin has this SHA-256; `None` if it is not one.
pub(crate) fn from_bytes(origin: &Hash, revision: Revision, bytes: &[u8]) -> Option<Latest> {
    let (retired, timestamp, note) = split(bytes)?;
    let note = UnverifiedNote::parse(note.as_bytes()).ok()?;
    let checkpoint = Checkpoint::parse(note.unverified_text()).ok()?;
    let is_of_log = sha256(checkpoint.origin().as_str().as_bytes()) == *origin;
    is_of_log.then_some(Latest { head: checkpoint.head(), timestamp, revision, retired })
}

/// The note of a state.
pub(crate) fn note(bytes: &[u8]) -> Option<&str> {
    split(bytes).map(|(_, _, note)| note)
}

fn split(bytes: &[u8]) -> Option<(bool, u64, &str)> {
    let (&first, rest) = bytes.split_first()?;
    let retired = match first {
        OPEN => false,
        RETIRED => true,
        _ => return None,
    };
    let (timestamp, note) = rest.split_first_chunk::<8>()?;
    let note = str::from_utf8(note).ok()?;
    Some((retired, u64::from_be_bytes(*timestamp), note))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vouchlog_merkle::TreeSize;
    use vouchlog_note::Origin;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(size in 1..=i64::MAX as u64, root: [u8; 32], timestamp: u64, number: u64, retired: bool) {
            let head = TreeHead { size: TreeSize::new(size), root: Hash::from_bytes(root) };
            let text = Checkpoint::new(Origin::new("log.example.com/a").unwrap(), head).text();
            let note = format!("{text}\n\u{2014} log.example.com/a AAAAAAAA\n");
            let (origin, revision) = (sha256(b"log.example.com/a"), Revision::new(number));
            let latest = Latest { head, timestamp, revision, retired };
            let bytes = to_bytes(&latest, &note);
            prop_assert_eq!(from_bytes(&origin, revision, &bytes), Some(latest));
            prop_assert_eq!(super::note(&bytes), Some(note.as_str()));
            prop_assert_eq!(from_bytes(&sha256(b"another"), revision, &bytes), None);
            for end in 0..bytes.len() {
                prop_assert_eq!(from_bytes(&origin, revision, &bytes[..end]), None);
            }
        }

        #[test]
        fn random_bytes_never_panic(mut bytes: Vec<u8>, version in 0..4u8) {
            let _ = from_bytes(&sha256(b""), Revision::NONE, &bytes);
            bytes.insert(0, version);
            let _ = from_bytes(&sha256(b""), Revision::NONE, &bytes);
        }
    }
}
