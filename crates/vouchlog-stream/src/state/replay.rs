//! A stream rebuilt from the entries of a log.

use vouchlog_merkle::Hash;
use vouchlog_note::CosignedCheckpoint;

use super::tree::Tree;
use super::{NewestHead, StreamState};

impl StreamState {
    /// Takes up a statement that is an entry of the log. What the gateway signed of it is not an entry, so the newest head and
    /// the runs are unknown until [`replay_head`](Self::replay_head).
    pub fn replay_statement(&mut self, leaf: Hash) {
        if let Tree::Growing(range) = &mut self.tree {
            range.append(leaf);
        }
        self.head = None;
        self.runs.clear();
    }

    /// Takes up a head that is an entry of the log, verified with [`key`](Self::key). Returns whether it is the head of the
    /// statements replayed so far; if not, nothing changes.
    pub fn replay_head(&mut self, head: &CosignedCheckpoint) -> bool {
        if head.head() != self.tree_head() {
            return false;
        }
        self.head = Some(NewestHead::of(head));
        self.logged_size = self.size();
        true
    }
}
