//! What given entries show about rotations of witnesses' keys.

use vouchlog_merkle::LeafIndex;
use vouchlog_stream::{Entry, WitnessKeyError, WitnessKeys};

use super::BrokenRule;

impl BrokenRule<'_> {
    /// Whether the log cannot have let the rotation in. A rotation that is left out can only make another one look better.
    pub(super) fn bad_witness_rotation(&self, index: u64, entry: &Entry) -> bool {
        let Entry::WitnessRotated { note, .. } = entry else { return false };
        let mut keys = WitnessKeys::default();
        for (at, entry) in self.decoded(..index) {
            if let Entry::WitnessRotated { note, .. } = entry {
                // One that breaks the rules is a fault of its own.
                let _ = keys.take(LeafIndex::new(at), &note);
            }
        }
        matches!(keys.open(note), Err(error) if !matches!(error, WitnessKeyError::TooMany) || self.has_all(0, index))
    }
}
