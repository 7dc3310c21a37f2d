//! The end of a walk: the root that was grown from the entries against the one the log signed.

use vouchlog_merkle::{Hash, TileId, partial_tiles};

use super::Walk;
use crate::evidence::{EvidenceSource, ServedBytes};
use crate::fetch::Served;
use crate::kind::FindingKind;
use crate::place::Place;
use crate::tiles::mismatch;

impl Walk<'_> {
    /// Compares what was grown with what was signed, and looks for what is missing at the end.
    pub(crate) fn finish(&mut self) {
        if !self.is_tree_lost {
            self.compare_root();
        }
        if let Some(rules) = &self.rules {
            rules.silent_streams(&mut self.found);
        }
    }

    fn compare_root(&mut self) {
        let is_signed = self.grown.head() == self.head;
        if is_signed && self.tiles.is_edge_right() {
            return;
        }
        let was_sound = self.is_tree_sound();
        // The partial tiles have no tile above: what was grown is what they are held against.
        for (id, width) in partial_tiles(self.head.size) {
            let Some(served) = self.tiles.partial(id.level) else { continue };
            if served != self.grown.level(id.level) {
                let served = Served::Bytes(bytes(served).into());
                mismatch(TileId { level: id.level, index: id.index }, width, &served, &mut self.found);
            }
        }
        if !is_signed && was_sound && self.is_tree_sound() {
            let (size, grown, signed) = (self.head.size, self.grown.head().root, self.head.root);
            let lead = EvidenceSource::Object { served: Some(ServedBytes::of(grown.as_bytes())) };
            self.found.add(FindingKind::WrongRoot, Place::checkpoint(size.get()), lead, || {
                format!("the {size} entries lead to root {grown}, the log signed {signed}")
            });
        }
    }
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}
