//! The announcements of a log that gives up entries, and what it means for streams that some of their entries cannot be read.

use vouchlog_stream::StreamId;

use super::{Rules, Stream};
use crate::evidence::EvidenceSource;
use crate::finding::{Cause, Suspicions};
use crate::kind::FindingKind;
use crate::place::Place;
use crate::pruning::open_pruning;

impl Rules {
    /// An entry that announces a minimum index.
    pub(super) fn log_pruned(&self, index: u64, note: &str, found: &mut Suspicions) {
        if open_pruning(note, index, &self.terms.origin, &self.terms.log_keys).is_some() {
            return;
        }
        let lead = EvidenceSource::entries([index]);
        found.add(FindingKind::UndecodableEntry, Place::entry(index), lead, || {
            "the entry announces a minimum index, but is not signed by the log's key, or the index lies behind it".to_owned()
        });
    }

    /// Entries before `end` were given up. What a stream seems to lack may have been among them.
    pub(crate) fn pass_pruned(&mut self, end: u64) {
        self.pruned_until = end;
    }
}

impl Stream {
    /// Something does not follow from the entries of the stream that were read. If others may have been given up since the last of these, that
    /// is why, and nothing is known of it.
    pub(super) fn note_pruned(&mut self, id: StreamId, pruned_until: u64) {
        let head = self.head.as_ref().map(|head| head.index);
        let last = id.get().max(self.last_statement.unwrap_or(0)).max(head.unwrap_or(0));
        if last < pruned_until && self.broken.is_none() {
            self.pruned = true;
            self.broken = Some(Cause::NOT_LISTED);
        }
    }
}
