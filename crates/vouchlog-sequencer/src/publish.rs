//! What others see: the newest sequenced head with the right edge that belongs to it, swapped as one; and the checkpoint that is
//! published, which with a witness policy is the newest that satisfies it and may lag behind.
//!
//! Publishing never holds up the next batch.

use std::sync::Arc;

use tokio::sync::watch;
use vouchlog_merkle::TreeSize;

use crate::edge::Edge;
use crate::signer::SignedHead;

/// A sequenced head: durable and signed by the log. Every entry under it can be read.
#[derive(Debug)]
pub struct Sequenced {
    pub(crate) head: SignedHead,
    pub(crate) edge: Edge,
}

impl Sequenced {
    /// Size of the tree.
    pub fn size(&self) -> TreeSize {
        self.head.tree.size
    }

    /// The checkpoint, a note signed by the log alone.
    pub fn checkpoint(&self) -> &str {
        &self.head.checkpoint
    }
}

/// A published checkpoint: what the log shows to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub(crate) size: TreeSize,
    pub(crate) checkpoint: String,
}

impl Published {
    /// Size of the tree.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The checkpoint, a note signed by the log and by the witnesses that have cosigned it so far.
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }
}

/// Hands new heads to all readers.
#[derive(Debug)]
pub(crate) struct Publisher {
    sequenced: watch::Sender<Arc<Sequenced>>,
    published: watch::Sender<Option<Arc<Published>>>,
    /// Whether a head is published as soon as it is sequenced: there is no quorum to wait for.
    at_once: bool,
}

impl Publisher {
    /// Begins with the head a log has when it is opened. Without `at_once`, what is published at first is `known`, a checkpoint
    /// that satisfied the policy before.
    pub(crate) fn new(first: Sequenced, at_once: bool, known: Option<Published>) -> Self {
        let publisher = Self {
            sequenced: watch::Sender::new(Arc::new(first)),
            published: watch::Sender::new(known.map(Arc::new)),
            at_once,
        };
        publisher.publish_at_once();
        publisher
    }

    /// Shows a head that was just committed.
    pub(crate) fn sequenced(&self, head: SignedHead, edge: Edge) {
        self.sequenced.send_replace(Arc::new(Sequenced { head, edge }));
        self.publish_at_once();
    }

    fn publish_at_once(&self) {
        if !self.at_once {
            return;
        }
        let newest = self.newest();
        // The head may be the one that is published, which has cosignatures by now: only a larger one is news.
        if self.published().is_none_or(|published| newest.size() > published.size) {
            self.publish(Published { size: newest.size(), checkpoint: newest.checkpoint().to_owned() });
        }
    }

    /// Publishes a checkpoint, unless a larger one is published already. One of the same size has more cosignatures, or newer.
    pub(crate) fn publish(&self, checkpoint: Published) {
        let _span = tracing::debug_span!("publish", size = checkpoint.size.get()).entered();
        self.published.send_if_modified(|published| {
            let known = published.as_deref();
            let is_news = known.is_none_or(|known| checkpoint.size >= known.size && checkpoint != *known);
            if is_news {
                *published = Some(Arc::new(checkpoint));
            }
            is_news
        });
    }

    pub(crate) fn newest(&self) -> Arc<Sequenced> {
        self.sequenced.borrow().clone()
    }

    pub(crate) fn published(&self) -> Option<Arc<Published>> {
        self.published.borrow().clone()
    }

    pub(crate) fn watch_sequenced(&self) -> watch::Receiver<Arc<Sequenced>> {
        self.sequenced.subscribe()
    }

    pub(crate) fn watch_published(&self) -> watch::Receiver<Option<Arc<Published>>> {
        self.published.subscribe()
    }
}
