//! `VerifiedLog`: a log read without trust in the server, only in the log's key.
//!
//! It keeps the habits of a C2SP client: remember the last checkpoint that verified; take a newer one only with a proof
//! that it extends that; keep the notes where it does not.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use thiserror::Error;
use vouchlog_api::{LogReader, proof};
use vouchlog_merkle::{LeafIndex, ProofError, TreeSize, leaf_hash};
use vouchlog_note::{
    CheckpointError, Origin, ProofFile, ProofFileError, SignedCheckpoint, UnverifiedNote, VerifyingKey,
};
use vouchlog_runtime::durable::{self, Mode};

use crate::evidence::{Evidence, Misbehaviour};
use crate::limits::MAX_CHECKPOINT_BYTES;

/// Why a log, or what was read of it, is not believed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The log could not be read; nothing is known to be wrong.
    #[error("the log could not be read: {0}")]
    Read(#[from] vouchlog_api::Error),
    /// A checkpoint does not verify with the log's key.
    #[error("the checkpoint does not verify: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The log contradicts what it signed before; the evidence holds both checkpoints.
    #[error("{0}")]
    Misbehaviour(Box<Evidence>),
    /// An entry, or a tile on its path, is not what the log signed.
    #[error("entry {index} is not proven by the checkpoint of size {size}: {error}")]
    Entry {
        /// The entry.
        index: LeafIndex,
        /// Size of the tree.
        size: TreeSize,
        /// Where the proof fails.
        error: ProofError,
    },
    /// There is no such entry yet.
    #[error("the log has no entry {index} yet: its size is {size}")]
    NotYet {
        /// The entry.
        index: LeafIndex,
        /// Size of the newest tree.
        size: TreeSize,
    },
    /// A proof file cannot be written.
    #[error(transparent)]
    ProofFile(#[from] ProofFileError),
    /// The last verified checkpoint cannot be remembered, or the file it is remembered in is damaged.
    #[error("the remembered checkpoint {path}: {error}", path = .path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
}

impl VerifyError {
    /// Whether the log, or what serves it, was caught at a contradiction, as opposed to not being readable.
    pub fn is_finding(&self) -> bool {
        matches!(self, Self::Checkpoint(_) | Self::Misbehaviour(_) | Self::Entry { .. })
    }
}

/// A log whose every answer is verified. Clones share what they remember.
#[derive(Clone, Debug)]
pub struct VerifiedLog<R> {
    reader: R,
    trust: Arc<Trust>,
}

#[derive(Debug)]
struct Trust {
    origin: Origin,
    key: VerifyingKey,
    memory: Option<PathBuf>,
    head: Mutex<Option<SignedCheckpoint>>,
    /// Held while a newer checkpoint is verified, so that there is one after the other.
    updating: tokio::sync::Mutex<()>,
}

impl<R: LogReader> VerifiedLog<R> {
    /// A log of this origin and key. `memory` is a file in which the last verified checkpoint is remembered from one run to
    /// the next; without it, the first checkpoint of each run is believed by its signature alone.
    pub fn open(
        reader: R,
        origin: Origin,
        key: VerifyingKey,
        memory: Option<PathBuf>,
    ) -> Result<Self, VerifyError> {
        let head = memory.as_ref().map(|path| remembered(path, &origin, &key)).transpose()?.flatten();
        let (head, updating) = (Mutex::new(head), tokio::sync::Mutex::new(()));
        Ok(Self { reader, trust: Arc::new(Trust { origin, key, memory, head, updating }) })
    }

    /// The log it reads, for what needs no verification.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// The last checkpoint that verified.
    pub fn head(&self) -> Option<SignedCheckpoint> {
        self.trust.head.lock().clone()
    }

    /// Fetches the newest checkpoint, and takes it if it extends the last one.
    pub async fn update(&self) -> Result<SignedCheckpoint, VerifyError> {
        let note = self.reader.checkpoint().await?;
        self.accept(&note).await
    }

    /// Waits for a checkpoint of more than `size` entries, and takes it if it extends the last one.
    pub async fn update_after(&self, size: TreeSize) -> Result<SignedCheckpoint, VerifyError> {
        let note = self.reader.checkpoint_after(size).await?;
        self.accept(&note).await
    }

    /// Takes a checkpoint that came from anywhere, if it is signed by the log and extends the last one.
    pub async fn accept(&self, note: &str) -> Result<SignedCheckpoint, VerifyError> {
        let trust = &self.trust;
        let newer = SignedCheckpoint::open(note.as_bytes(), &trust.origin, &trust.key)?;
        let _one_at_a_time = trust.updating.lock().await;
        if let Some(known) = self.head() {
            self.check_extends(&known, &newer).await?;
            // The same tree may have come with more cosignatures, so its note is taken; but there is nothing to remember.
            if known.note() == newer.note() {
                return Ok(newer);
            }
        }
        if let Some(path) = &trust.memory {
            let written = durable::write(path, newer.note().as_bytes(), Mode::Private);
            written.map_err(|failed| VerifyError::Memory { path: path.clone(), error: failed.error })?;
        }
        *trust.head.lock() = Some(newer.clone());
        Ok(newer)
    }

    /// An entry with its proof file, against the last checkpoint, or a newer one if the entry is behind that.
    pub async fn entry(&self, index: LeafIndex) -> Result<(Bytes, ProofFile), VerifyError> {
        let head = match self.head() {
            Some(head) if head.head().size.contains(index) => head,
            _ => self.update().await?,
        };
        let size = head.head().size;
        if !size.contains(index) {
            return Err(VerifyError::NotYet { index, size });
        }
        let entry = proof::entry(&self.reader, index, size).await?;
        let inclusion = proof::inclusion(&self.reader, index, size).await?;
        let verified = inclusion.verify(index, size, &leaf_hash(&entry), &head.head().root);
        verified.map_err(|error| VerifyError::Entry { index, size, error })?;
        let note = UnverifiedNote::parse(head.note().as_bytes()).map_err(CheckpointError::from)?;
        Ok((entry, ProofFile::new(None, index, inclusion, note)?))
    }

    /// The proof file of an entry.
    pub async fn proof_file(&self, index: LeafIndex) -> Result<ProofFile, VerifyError> {
        Ok(self.entry(index).await?.1)
    }

    /// SPEC: a smaller size than remembered is a rollback; the same size with another root is a fork; a larger one needs a
    /// consistency proof, and one that fails is kept with both notes.
    async fn check_extends(
        &self,
        known: &SignedCheckpoint,
        newer: &SignedCheckpoint,
    ) -> Result<(), VerifyError> {
        let (old, new) = (known.head(), newer.head());
        let caught = |what| VerifyError::Misbehaviour(Box::new(Evidence::of(what, known, newer)));
        if new.size < old.size {
            return Err(caught(Misbehaviour::Rollback));
        }
        if new.size == old.size {
            return if new.root == old.root { Ok(()) } else { Err(caught(Misbehaviour::Fork)) };
        }
        // The empty tree is a prefix of every other.
        if old.size.get() == 0 {
            return Ok(());
        }
        let proof = proof::consistency(&self.reader, old.size, new.size).await?;
        proof.verify(&old, &new).map_err(|_| caught(Misbehaviour::Inconsistent))
    }
}

/// The checkpoint in the caller's file. It is verified again: an exchanged file must not become trusted.
fn remembered(
    path: &Path,
    origin: &Origin,
    key: &VerifyingKey,
) -> Result<Option<SignedCheckpoint>, VerifyError> {
    let damaged = |error| VerifyError::Memory { path: path.to_owned(), error };
    let read = durable::read_bounded(path, MAX_CHECKPOINT_BYTES).map_err(|failed| damaged(failed.error))?;
    let Some(note) = read else { return Ok(None) };
    match SignedCheckpoint::open(&note, origin, key) {
        Ok(head) => Ok(Some(head)),
        Err(error) => Err(damaged(io::Error::new(io::ErrorKind::InvalidData, error))),
    }
}
