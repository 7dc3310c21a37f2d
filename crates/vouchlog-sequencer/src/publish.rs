//! What readers see: the newest committed head and the unfinished right edge that belongs to it, swapped as one.
//!
//! With witnesses, the published checkpoint is the newest that satisfies the policy and may lag behind the committed head;
//! without them it is the committed head. Publishing never holds up the next batch.

use std::sync::Arc;

use tokio::sync::watch;
use vouchlog_merkle::TreeSize;
use vouchlog_storage::Head;

use crate::edge::Edge;

/// A published head.
#[derive(Debug)]
pub struct Published {
    pub(crate) head: Head,
    pub(crate) edge: Edge,
}

impl Published {
    /// Size of the tree.
    pub fn size(&self) -> TreeSize {
        self.head.tree.size
    }

    /// The signed checkpoint, a note.
    pub fn checkpoint(&self) -> &str {
        &self.head.checkpoint
    }
}

/// Hands new heads to all readers.
#[derive(Debug)]
pub(crate) struct Publisher(watch::Sender<Arc<Published>>);

impl Publisher {
    pub(crate) fn new(first: Published) -> Self {
        Self(watch::Sender::new(Arc::new(first)))
    }

    pub(crate) fn publish(&self, head: Head, edge: Edge) {
        self.0.send_replace(Arc::new(Published { head, edge }));
    }

    pub(crate) fn newest(&self) -> Arc<Published> {
        self.0.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Published>> {
        self.0.subscribe()
    }
}
