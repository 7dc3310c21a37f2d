//! A mirror: a verified copy of a log in an object store or a folder, in the layout of C2SP tlog-tiles, so that anyone reads and audits the
//! log from it, and the log can be repaired from it.
//!
//! Nothing is written that was not proven first: each checkpoint must be signed by the log and extend the last one, and each run of
//! entries must be proven under it. The mirror's tiles are computed from the entries. Its checkpoint comes last, and only moves forward.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::{self, StreamExt as _};
use thiserror::Error;
use vouchlog_api::{CachingReader, ErrorKind, LogReader, PrunedNotice, proof};
use vouchlog_auditor::limits::MAX_ENTRIES;
use vouchlog_auditor::{AnnouncedPruning, LogIdentity, announced_pruning, contradiction};
use vouchlog_client::TileReader;
use vouchlog_merkle::{
    EntryBundle, Hash, LeafIndex, TILE_WIDTH, Tile, TileId, TilePath, TreeHead, TreeSize, leaf_hash,
};
use vouchlog_note::limits::MAX_NOTE_BYTES;
use vouchlog_note::{Origin, SignedCheckpoint};
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_storage::StoreError;
use vouchlog_storage_object::{Bucket, Content, Publication, Swapped};

use crate::objects::Objects;

mod edge;

use edge::{Edge, MirroredBundle, PublishedEdge};

const WIDTH: u64 = TILE_WIDTH as u64;
/// Bundles that are proven together: one range proof and a few tiles for them all.
const BUNDLES_AT_ONCE: u64 = 16;
/// Requests in flight at once, to the log and to the mirror.
const IN_FLIGHT: usize = 8;

/// Why a mirror did not go on. It serves what it has.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The log could not be read; nothing is known to be wrong.
    #[error("the log could not be read: {0}")]
    Read(vouchlog_api::Error),
    /// What the log serves as its checkpoint is not signed as it must be.
    #[error("the checkpoint is refused: {0}")]
    Checkpoint(String),
    /// The log contradicts a checkpoint that it signed and this mirror holds.
    #[error("{words}; the evidence is in {}", .file.display())]
    Contradiction {
        /// What shows it, in words.
        words: String,
        /// The evidence file.
        file: PathBuf,
    },
    /// What the log serves is not what it signed. Nothing of it was written.
    #[error("the entries from index {first} are not proven by the checkpoint of {size} entries: {reason}")]
    Unproven {
        /// Index of the first.
        first: u64,
        /// Size of the tree.
        size: TreeSize,
        /// What is wrong.
        reason: String,
    },
    /// The mirror's own store cannot be read or written, or does not hold what its checkpoint states.
    #[error("the mirror's store: {0}")]
    Store(#[from] StoreError),
    /// Evidence could not be kept.
    #[error("the evidence could not be written to {}: {error}", .path.display())]
    Evidence {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        error: io::Error,
    },
}

impl MirrorError {
    /// Whether the log, or the server it is read from, was caught at a contradiction, as opposed to not being readable.
    pub fn is_finding(&self) -> bool {
        matches!(self, Self::Checkpoint(_) | Self::Contradiction { .. } | Self::Unproven { .. })
    }
}

/// A verified copy of a log.
#[derive(Debug)]
pub struct LogMirror {
    source: TileReader,
    log: LogIdentity,
    evidence: PathBuf,
    bucket: Bucket,
    publication: Publication,
    edge: Edge,
    /// The checkpoint that the copy has reached.
    known: Option<SignedCheckpoint>,
}

impl LogMirror {
    /// The mirror of `log`, read from `source`, in `place`: a new one, or one that goes on. Evidence goes to the folder `evidence`.
    ///
    /// # Errors
    /// [`MirrorError::Store`] when `place` holds another log, or not what its checkpoint states.
    pub async fn open(
        source: TileReader,
        log: LogIdentity,
        place: &Objects,
        evidence: impl Into<PathBuf>,
    ) -> Result<Self, MirrorError> {
        let bucket = place.bucket().clone();
        vouchlog_storage_object::check_conditions(&bucket).await?;
        let (mut known, mut edge) = (None, Edge::default());
        if let Some(found) = bucket.get("checkpoint", MAX_NOTE_BYTES).await? {
            let signed = log.open_checkpoint(&found.bytes).map_err(|reason| {
                foreign(&format!("{} has a checkpoint of something else: {reason}", bucket.url()))
            })?;
            edge = Edge::read(&place.reader(), signed.head()).await?;
            known = Some(signed);
        }
        let publication = Publication::new(bucket.clone());
        Ok(Self { source, log, evidence: evidence.into(), bucket, publication, edge, known })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.log.origin
    }

    /// The checkpoint that the copy has reached.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.known.as_ref()
    }

    /// Entries in the copy.
    pub fn size(&self) -> TreeSize {
        self.known.as_ref().map_or(TreeSize::new(0), |known| known.head().size)
    }

    /// Reads the log's checkpoint and copies what is new, all of it or, after an error, nothing that counts. `progress` receives the number
    /// of entries copied and their total. Returns whether the checkpoint is another than before.
    ///
    /// # Errors
    /// [`MirrorError`]; the same may be tried again.
    pub async fn update(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<bool, MirrorError> {
        let note = self.source.checkpoint().await.map_err(MirrorError::Read)?;
        let served = self.log.open_checkpoint(note.as_bytes()).map_err(MirrorError::Checkpoint)?;
        if self.known.as_ref().is_some_and(|known| known.note() == served.note()) {
            return Ok(false);
        }
        let size = served.head().size;
        if size.get() > MAX_ENTRIES {
            let reason = format!("it states {size} entries, more than any log has");
            return Err(MirrorError::Checkpoint(reason));
        }
        let source = CachingReader::new(self.source.clone());
        if let Some(known) = &self.known {
            let found = contradiction(&source, known, &served).await.map_err(MirrorError::Read)?;
            if let Some(file) = found {
                let name = format!("{}-{}.finding.json", file.kind.code(), served.head().root);
                let path = keep(&self.evidence, &name.replace(['/', '+', '='], "_"), &file.to_json())?;
                return Err(MirrorError::Contradiction { words: file.words, file: path });
            }
        }
        // What fails on the way is read and written again by the next update, from the last checkpoint on.
        let mut edge = self.edge.clone();
        let pruning =
            announced_pruning(&source, &self.log, &served.head()).await.map_err(MirrorError::Read)?;
        if let Some(pruning) = &pruning {
            self.note_pruned(pruning).await?;
        }
        let minimum = pruning.map_or(0, |pruning| pruning.minimum);
        while edge.size() < size.get() {
            let (bundles, end) = self.proven(&source, edge.size(), served.head(), minimum).await?;
            self.write(bundles.iter().flat_map(|bundle| edge.extend(bundle)).collect()).await?;
            progress(end, size.get());
        }
        if edge.head() != Some(served.head()) && size.get() > 0 {
            let reason = "they do not lead to its root".to_owned();
            return Err(MirrorError::Unproven { first: self.edge.size(), size, reason });
        }
        let shown = PublishedEdge::new(edge.clone(), served.note());
        self.publication.publish(&shown, served.note()).await?;
        (self.edge, self.known) = (edge, Some(served));
        Ok(true)
    }

    /// The next entries, proven under `head`, bundle by bundle, and the index after them. Of a bundle that the log gave up, as it announced for those
    /// below `minimum`, the hashes are left.
    async fn proven(
        &self,
        source: &CachingReader<TileReader>,
        first: u64,
        head: TreeHead,
        minimum: u64,
    ) -> Result<(Vec<MirroredBundle>, u64), MirrorError> {
        let size = head.size;
        let unproven = |reason: String| MirrorError::Unproven { first, size, reason };
        let end = ((first / WIDTH + BUNDLES_AT_ONCE) * WIDTH).min(size.get());
        let reads = stream::iter(first / WIDTH..end.div_ceil(WIDTH)).map(|bundle| async move {
            let id = TileId { level: 0, index: bundle };
            let width = id.width_at(size);
            match self.source.entry_bundle(bundle, width).await {
                Ok(bytes) => Ok(Served::Entries(bytes, width)),
                Err(error) if error.kind == ErrorKind::NotFound && (bundle + 1) * WIDTH <= minimum => {
                    Ok(Served::Hashes(source.tile(id, width).await.map_err(MirrorError::Read)?))
                }
                Err(error) => Err(MirrorError::Read(error)),
            }
        });
        let served: Vec<Served> = reads.buffered(IN_FLIGHT).try_collect().await?;
        let mut passed = usize::try_from(first % WIDTH).expect("less than 256");
        let mut bundles = Vec::new();
        for bundle in served {
            bundles.push(bundle.read(std::mem::take(&mut passed)).map_err(unproven)?);
        }
        let leaves: Vec<Hash> = bundles.iter().flat_map(|bundle| &bundle.leaves).copied().collect();
        let index = LeafIndex::new(first);
        let range =
            proof::range(source, index, leaves.len() as u64, size).await.map_err(MirrorError::Read)?;
        range.verify(index, &leaves, size, &head.root).map_err(|error| unproven(error.to_string()))?;
        Ok((bundles, end))
    }

    /// Shows readers of the copy where the log announces what it gave up, before any of that could be missing here.
    async fn note_pruned(&self, pruning: &AnnouncedPruning) -> Result<(), MirrorError> {
        let notice = PrunedNotice { minimum: pruning.minimum, announced: LeafIndex::new(pruning.entry) };
        let text = Bytes::from(notice.to_text());
        let found = self.bucket.get("pruned", PrunedNotice::MAX_BYTES).await?;
        if found.as_ref().is_some_and(|found| found.bytes == text) {
            return Ok(());
        }
        match self.bucket.swap("pruned", &text, found.as_ref(), Content::Checkpoint).await? {
            Swapped::Done(_) => Ok(()),
            Swapped::Moved(_) => {
                let reason = "another process wrote to the mirror at the same time".into();
                Err(MirrorError::Store(StoreError::ObjectStore(reason)))
            }
        }
    }

    async fn write(&self, objects: Vec<(TilePath, Bytes)>) -> Result<(), MirrorError> {
        let writes = stream::iter(objects).map(|(path, bytes)| {
            let bucket = self.bucket.clone();
            async move { bucket.create(&path.to_string(), &bytes, Content::Tile).await }
        });
        writes.buffer_unordered(IN_FLIGHT).try_collect::<()>().await?;
        Ok(())
    }
}

/// A bundle as the log serves it, not verified.
enum Served {
    Entries(Bytes, u16),
    /// Of one that it gave up, the tile.
    Hashes(Bytes),
}

impl Served {
    /// What it holds, but for the first entries, which the copy has; why it cannot be read, if so.
    fn read(self, passed: usize) -> Result<MirroredBundle, String> {
        match self {
            Self::Entries(bytes, width) => {
                let entries =
                    EntryBundle::entries(&bytes, usize::from(width)).map_err(|error| error.to_string())?;
                let new = entries.into_iter().skip(passed).map(|entry| bytes.slice_ref(entry));
                let entries: Vec<Bytes> = new.collect();
                let leaves = entries.iter().map(|entry| leaf_hash(entry)).collect();
                Ok(MirroredBundle { entries: Some(entries), leaves })
            }
            Self::Hashes(bytes) => {
                let tile = Tile::parse(&bytes).map_err(|error| error.to_string())?;
                let leaves = tile.hashes().iter().skip(passed).copied().collect();
                Ok(MirroredBundle { entries: None, leaves })
            }
        }
    }
}

fn foreign(reason: &str) -> StoreError {
    StoreError::ForeignObjects(format!("{reason}. Give each mirror its own prefix or folder"))
}

/// Keeps evidence, once: the name follows from it.
fn keep(folder: &Path, name: &str, json: &str) -> Result<PathBuf, MirrorError> {
    let path = folder.join(name);
    let failed = |failed: durable::Error| MirrorError::Evidence { path: path.clone(), error: failed.error };
    durable::make_dir(folder).map_err(failed)?;
    if !path.exists() {
        durable::write(&path, json.as_bytes(), Mode::Shared).map_err(failed)?;
    }
    Ok(path)
}
