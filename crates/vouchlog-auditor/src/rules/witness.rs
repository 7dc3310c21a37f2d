//! Rotations of witnesses' keys. A log records them for clients whose policy has the old key.

use vouchlog_merkle::LeafIndex;
use vouchlog_stream::WitnessKeyError;

use super::Rules;
use crate::evidence::EvidenceSource;
use crate::finding::Suspicions;
use crate::kind::FindingKind;
use crate::place::Place;

impl Rules {
    /// SPEC: both keys sign a rotation; each key is rotated once, and none comes back.
    pub(super) fn witness_rotated(&mut self, index: u64, note: &str, found: &mut Suspicions) {
        let Err(error) = self.witness_keys.take(LeafIndex::new(index), note) else { return };
        let with: Vec<u64> = match &error {
            WitnessKeyError::Text(_) => Vec::new(),
            _ => self.witness_keys.rotations().iter().map(|logged| logged.index.get()).collect(),
        };
        let lead = EvidenceSource::entries(with.into_iter().chain([index]));
        found.add(FindingKind::BadWitnessRotation, Place::entry(index), lead, || {
            format!("the rotation of a witness's key is rejected: {error}")
        });
    }
}
