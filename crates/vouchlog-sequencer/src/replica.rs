//! A log as a standby serves it: it follows what the leader commits and signs, and integrates every new entry itself.
//!
//! ```text
//! checkpoint ─► signed by the log? ─► entries up to its size ─► integrated ─► its root? ─► served
//! ```
//!
//! Nothing is served beyond a checkpoint that the log signed, nor under a root that the entries do not lead to, and what is served never goes
//! back. It begins at the sealed size: what lies below is taken as it is sealed, and the roots at the edge tell whether it is right. Whoever
//! reads it verifies it, as with every log.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use vouchlog_api::{Error, LogReader, PrunedNotice, Result, Watch, proof};
use vouchlog_merkle::{CompactRange, Hash, LeafIndex, Tile, TileId, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{Origin, SignedCheckpoint, VerifyingKey};
use vouchlog_storage::{Checkpoints, Growth, Part, StoreError, View, framing};
use vouchlog_stream::LoggedAt;

use crate::edge::{Edge, frame};
use crate::publish::{Published, Publisher, Sequenced};
use crate::read::{WIDTH, bundle_at, stopped, tile_at, unread};
use crate::recover::tiles_at_edge;
use crate::sequence::integrate;
use crate::signer::SignedHead;
use crate::state::Tree;

/// Bundles that are read one by one to catch up. Behind by more, it begins again at the sealed size.
const MAX_BUNDLES_BEHIND: u64 = 64;

/// Why a replica did not follow. It serves what it has.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is shown as the log's checkpoint is not signed by the log.
    #[error("a checkpoint of the leader is refused: {0}")]
    Checkpoint(String),
    /// The log signed a head that its entries in the store do not lead to.
    #[error("the checkpoint of {size} entries has another root than the entries in the store")]
    Contradiction {
        /// Its size.
        size: TreeSize,
    },
}

/// A log that another process writes, for reading. Clones are the same.
pub struct Replica<V>(Arc<Inner<V>>);

struct Inner<V> {
    view: V,
    origin: Origin,
    key: VerifyingKey,
    publisher: Publisher,
    /// The verified tree.
    tree: Mutex<Tree>,
    full: RwLock<FullObjects>,
}

/// Full tiles and bundles that are not sealed yet.
#[derive(Default)]
struct FullObjects {
    tiles: BTreeMap<TileId, Bytes>,
    bundles: BTreeMap<u64, Bytes>,
}

impl<V> Clone for Replica<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V: View> Replica<V> {
    /// A replica of the log `origin`, which `key` signs. It serves nothing before the first [`update`](Self::update).
    pub fn new(view: V, origin: Origin, key: VerifyingKey) -> Self {
        let nothing = SignedHead { tree: TreeHead::EMPTY, checkpoint: String::new() };
        let first = Sequenced { head: nothing, edge: Edge::default() };
        let tree = Tree {
            head: None,
            range: CompactRange::default(),
            edge: Edge::default(),
            logged_at: LoggedAt::default(),
        };
        Self(Arc::new(Inner {
            view,
            origin,
            key,
            publisher: Publisher::new(first, false, None),
            tree: Mutex::new(tree),
            full: RwLock::default(),
        }))
    }

    /// Size of the newest head that was verified.
    pub fn size(&self) -> TreeSize {
        self.0.publisher.newest().size()
    }

    /// Follows the log to its newest checkpoint: that of the store, or `offered`, which is verified like any. Returns how many entries are
    /// committed. One update at a time.
    ///
    /// # Errors
    /// [`ReplicaError`]. The same may be tried again.
    pub async fn update(&self, offered: Option<String>) -> std::result::Result<u64, ReplicaError> {
        let this = self.clone();
        let following = tokio::task::spawn_blocking(move || this.follow(offered.as_deref()));
        let interrupted = |_| StoreError::Io("following the log was interrupted".into());
        let shown = following.await.map_err(interrupted)??;
        // A log without a quorum of witnesses publishes what it signs.
        let is_at_once = shown.published.is_some() && shown.published == shown.signed;
        let published = if is_at_once { self.sequenced_checkpoint().await.ok() } else { shown.published };
        if let Some(note) = published {
            self.publish(note).await?;
        }
        Ok(shown.committed)
    }

    /// Follows the newest head that the log signed. Blocks.
    fn follow(&self, offered: Option<&str>) -> std::result::Result<Checkpoints, ReplicaError> {
        let inner = &self.0;
        let shown = inner.view.checkpoints()?;
        let mut tree = inner.tree.lock();
        let mut newest: Option<SignedCheckpoint> = None;
        for note in shown.signed.as_deref().into_iter().chain(offered) {
            let signed = inner.verified(note)?;
            if newest.as_ref().is_none_or(|newest| signed.head().size > newest.head().size) {
                newest = Some(signed);
            }
        }
        let Some(newest) = newest else { return Ok(shown) };
        let (head, size) = (newest.head(), tree.range.end());
        if head.size.get() < size {
            return Ok(shown);
        }
        if head.size.get() == size {
            let is_same = tree.head.as_ref().is_none_or(|known| known.tree == head);
            return if is_same { Ok(shown) } else { Err(ReplicaError::Contradiction { size: head.size }) };
        }
        inner.grow(&mut tree, SignedHead { tree: head, checkpoint: newest.note().to_owned() })?;
        Ok(shown)
    }

    /// Shows a checkpoint that the leader has published, if the log signed it, the verified tree covers it, and it is not older than what is
    /// shown.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn publish(&self, note: String) -> std::result::Result<(), ReplicaError> {
        let known = self.0.publisher.published();
        if known.as_ref().is_some_and(|known| known.checkpoint() == note) {
            return Ok(());
        }
        let head = self.0.verified(&note)?.head();
        let newest = self.0.publisher.newest();
        if head.size > newest.size() || known.is_some_and(|known| head.size < known.size()) {
            return Ok(());
        }
        let verified = match head.size == newest.size() {
            true => Some(newest.head.tree),
            false => proof::head(self, head.size).await.ok(),
        };
        match verified {
            Some(verified) if verified == head => {
                self.0.publisher.publish(Published { size: head.size, checkpoint: note });
                Ok(())
            }
            Some(_) => Err(ReplicaError::Contradiction { size: head.size }),
            None => {
                Err(StoreError::Io("the tree of the published checkpoint could not be read".into()).into())
            }
        }
    }
}

impl<V: View> Inner<V> {
    fn verified(&self, note: &str) -> std::result::Result<SignedCheckpoint, ReplicaError> {
        SignedCheckpoint::open(note.as_bytes(), &self.origin, &self.key)
            .map_err(|error| ReplicaError::Checkpoint(error.to_string()))
    }

    /// Grows the tree to a signed head, if the entries lead there.
    fn grow(&self, tree: &mut Tree, head: SignedHead) -> std::result::Result<(), ReplicaError> {
        let (size, wanted) = (tree.range.end(), head.tree.size.get());
        let unsealed = self.view.unsealed(size)?;
        let sealed = unsealed.sealed.min(wanted);
        let sealed_bundles = match unsealed.sealed.saturating_sub(size) / WIDTH > MAX_BUNDLES_BEHIND {
            true => None,
            false => self.sealed_bundles(size, sealed)?,
        };
        let (base, mut pieces) = match sealed_bundles {
            Some(pieces) => (tree.clone(), pieces),
            None => {
                let base = self.sealed_tree(sealed / WIDTH * WIDTH)?;
                let pieces = self.sealed_bundles(base.range.end(), sealed)?;
                // The next update knows a later checkpoint: none that was pruned this far is the newest.
                let gone = || StoreError::Io("entries were given up while the log was followed".into());
                (base, pieces.ok_or_else(gone)?)
            }
        };
        pieces.extend(unsealed.tail);
        let entries: Bytes = pieces.concat().into();
        let entries = framing::take(&entries, wanted - base.range.end()).ok_or_else(|| {
            StoreError::Damaged(format!("the store has fewer than the {wanted} entries that were signed"))
        })?;
        let entries = frame(&[entries]).ok_or_else(malformed)?;
        let leaves: Vec<Hash> = entries.entries().map(leaf_hash).collect();
        let grown = integrate(&base, &entries, &leaves);
        if grown.head != head.tree {
            return Err(ReplicaError::Contradiction { size: head.tree.size });
        }
        self.full.write().change(grown.growth, unsealed.sealed);
        tree.range = grown.range;
        tree.edge = grown.edge;
        tree.head = Some(head.clone());
        self.publisher.sequenced(head, tree.edge.clone());
        Ok(())
    }

    /// The entries from index `first` to the end of the sealed bundle that has the one before `end`; nothing if one of these bundles was given up.
    fn sealed_bundles(&self, first: u64, end: u64) -> std::result::Result<Option<Vec<Bytes>>, StoreError> {
        let (mut next, mut pieces) = (first, Vec::new());
        while next < end {
            let bundle = match self.view.bundle(next / WIDTH) {
                // The leader pruned what this node has not read yet.
                Err(StoreError::Pruned(_)) => return Ok(None),
                read => read?,
            };
            pieces.push(framing::skip(&bundle, next % WIDTH).ok_or_else(malformed)?);
            next = (next / WIDTH + 1) * WIDTH;
        }
        Ok(Some(pieces))
    }

    /// The tree of the sealed part, as far as `size`, a multiple of 256. Whether it is right shows once a signed root is reached from it.
    fn sealed_tree(&self, size: u64) -> std::result::Result<Tree, StoreError> {
        let damaged = |what: String| StoreError::Damaged(what);
        let mut tiles = vec![Bytes::new()];
        for (level, indexes) in tiles_at_edge(size) {
            let mut hashes = Vec::new();
            for index in indexes {
                let tile = TileId { level, index };
                let root = Tile::parse(&self.view.tile(tile)?).ok().and_then(|tile| tile.root());
                let root = root.ok_or_else(|| damaged(format!("{} is malformed", Part::Tile(tile))))?;
                hashes.extend_from_slice(root.as_bytes());
            }
            tiles.push(hashes.into());
        }
        let edge = Edge::at_bundle_boundary(size, tiles);
        let range = edge.compact_range().ok_or_else(|| damaged("the sealed tiles do not join".into()))?;
        Ok(Tree { head: None, range, edge, logged_at: LoggedAt::default() })
    }
}

fn malformed() -> StoreError {
    StoreError::Damaged("the entries in the store are malformed".into())
}

impl FullObjects {
    /// Takes what became full, and lets go of what was sealed.
    fn change(&mut self, growth: Growth, sealed: u64) {
        self.tiles.extend(growth.tiles);
        self.bundles.extend(growth.bundles);
        let end =
            |tile: &TileId| (tile.index + 1).saturating_mul(WIDTH.saturating_pow(u32::from(tile.level) + 1));
        self.tiles.retain(|tile, _| end(tile) > sealed);
        self.bundles.retain(|bundle, _| (bundle + 1) * WIDTH > sealed);
    }
}

impl<V: View> LogReader for Replica<V> {
    async fn checkpoint(&self) -> Result<String> {
        let published = self.0.publisher.published();
        published.map(|published| published.checkpoint().to_owned()).ok_or_else(nothing)
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        let mut published = self.0.publisher.watch_published();
        let larger = published.wait_for(|newest| newest.as_ref().is_some_and(|newest| newest.size() > size));
        match larger.await.as_deref() {
            Ok(Some(newest)) => Ok(newest.checkpoint().to_owned()),
            _ => Err(stopped()),
        }
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        let full = || match self.0.full.read().tiles.get(&tile).cloned() {
            Some(bytes) => Ok(Some(bytes)),
            None => self.0.view.tile(tile).map(Some),
        };
        tile_at(&self.0.publisher.newest(), tile, width, full)
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        let full = || match self.0.full.read().bundles.get(&bundle).cloned() {
            Some(bytes) => Ok(Some(bytes)),
            None => self.0.view.bundle(bundle).map(Some),
        };
        bundle_at(&self.0.publisher.newest(), bundle, width, full)
    }

    /// As the store records it, once the published checkpoint covers the announcement.
    async fn pruned(&self) -> Result<Option<PrunedNotice>> {
        let gone = self.0.view.pruned().map_err(|error| unread(&error))?;
        let notice = gone.map(|gone| PrunedNotice {
            minimum: gone.minimum(),
            announced: LeafIndex::new(gone.announced()),
        });
        let published = self.0.publisher.published();
        Ok(notice.filter(|it| published.is_some_and(|newest| newest.size().contains(it.announced))))
    }
}

impl<V: View> Watch for Replica<V> {
    async fn checkpoint_other_than(&self, seen: String) -> Result<String> {
        let mut published = self.0.publisher.watch_published();
        let other =
            published.wait_for(|newest| newest.as_ref().is_some_and(|newest| newest.checkpoint() != seen));
        match other.await.as_deref() {
            Ok(Some(newest)) => Ok(newest.checkpoint().to_owned()),
            _ => Err(stopped()),
        }
    }

    async fn sequenced_checkpoint(&self) -> Result<String> {
        let newest = self.0.publisher.newest();
        if newest.size() == TreeSize::new(0) { Err(nothing()) } else { Ok(newest.checkpoint().to_owned()) }
    }
}

fn nothing() -> Error {
    Error::unavailable("this node has not read the log yet: retry later")
}
