//! What a gateway gets for its statements: verified receipts, and where they go.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vouchlog_api::{RangeReceipt, ReceiptError};
use vouchlog_merkle::{LeafIndex, ProofError, leaf_hash};
use vouchlog_note::{
    Checkpoint, CheckpointError, Origin, ProofFile, SignedCheckpoint, UnverifiedNote, VerifyingKey,
};
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_stream::Statement;

/// Statements the log took in one request, with the receipt that proves it. The receipt was verified: there is no other way
/// to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedStatements {
    statements: Vec<Statement>,
    receipt: RangeReceipt,
    checkpoint: SignedCheckpoint,
}

impl LoggedStatements {
    /// Verifies a receipt for these statements.
    pub fn verify(
        statements: Vec<Statement>,
        receipt: RangeReceipt,
        origin: &Origin,
        log: &VerifyingKey,
    ) -> Result<Self, ReceiptError> {
        let checkpoint = receipt.verify(&statements, origin, log)?;
        Ok(Self { statements, receipt, checkpoint })
    }

    /// The statements, in the order they are in the log.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The receipt.
    pub fn receipt(&self) -> &RangeReceipt {
        &self.receipt
    }

    /// The checkpoint it leads to.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Cuts proof files (C2SP tlog-proof) of some of the statements, by their places, out of the receipt.
    pub fn proof_files(&self, places: Range<usize>) -> Result<Vec<ProofFile>, ReceiptError> {
        let first = self.receipt.first;
        let unproven = |error: ProofError| ReceiptError::Proof { first, error };
        let entries = self.receipt.entries(&self.statements)?;
        let leaves: Vec<_> = entries.map(|entry| leaf_hash(&entry.to_bytes())).collect();
        let size = self.checkpoint.head().size;
        let placed = self.receipt.proof.place(first, &leaves, size).map_err(unproven)?;
        let note =
            UnverifiedNote::parse(self.receipt.checkpoint.as_bytes()).map_err(CheckpointError::from)?;
        let mut files = Vec::with_capacity(places.len());
        for place in places {
            let index = LeafIndex::new(first.get() + place as u64);
            let proof = placed.inclusion(index).map_err(unproven)?;
            files.push(ProofFile::new(None, index, proof, note.clone())?);
        }
        Ok(files)
    }
}

/// What a submission gets: where the log has each of its statements, and the proof.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    runs: Vec<(Arc<LoggedStatements>, Range<usize>)>,
}

impl Acknowledged {
    pub(crate) fn push(&mut self, taken: &Arc<LoggedStatements>, places: Range<usize>) {
        self.runs.push((taken.clone(), places));
    }

    /// The requests the statements went with, in order, and which of each request's statements are the submission's. A
    /// submission may go with several requests, and several with one.
    pub fn runs(&self) -> impl Iterator<Item = (&LoggedStatements, Range<usize>)> {
        self.runs.iter().map(|(taken, places)| (taken.as_ref(), places.clone()))
    }

    /// The statements in the order they were submitted, with their indexes in the log.
    pub fn statements(&self) -> impl Iterator<Item = (LeafIndex, Statement)> {
        self.runs.iter().flat_map(|(taken, places)| {
            let first = taken.receipt.first.get();
            places.clone().map(move |place| (LeafIndex::new(first + place as u64), taken.statements[place]))
        })
    }

    /// The proof file of each statement, in the order they were submitted.
    pub fn proof_files(&self) -> Result<Vec<ProofFile>, ReceiptError> {
        let mut files = Vec::new();
        for (taken, places) in &self.runs {
            files.extend(taken.proof_files(places.clone())?);
        }
        Ok(files)
    }
}

/// Gets every verified receipt before the spool forgets its statements. After a crash it may get one again.
pub trait ReceiptSink: Send + 'static {
    /// Keeps a receipt; it must be durable when this returns. After an error nothing is forgotten, the gateway reports the error in
    /// its status, gets the receipt again, and tries again.
    fn keep(&mut self, taken: &LoggedStatements) -> io::Result<()>;
}

/// A folder of proof files named by their index, `<index>.tlog-proof`. Each carries its entry, so that it can be verified by itself.
#[derive(Clone, Debug)]
pub struct ProofFolder {
    dir: PathBuf,
}

impl ProofFolder {
    /// Proof files go to `dir`, which exists.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Where the proof file of the entry at `index` is.
    pub fn path(&self, index: LeafIndex) -> PathBuf {
        self.dir.join(format!("{index}.tlog-proof"))
    }

    /// Writes the proof file of each statement of a receipt, durably.
    ///
    /// That the receipt leads to its own checkpoint is checked here. Whether the log signed that checkpoint is for the caller to
    /// check, who knows the log's key.
    ///
    /// # Errors
    /// The receipt does not hold together, or a file cannot be written.
    pub fn keep(&self, receipt: &RangeReceipt, statements: &[Statement]) -> io::Result<()> {
        for file in proof_files(receipt, statements).map_err(io::Error::other)? {
            let path = self.path(file.index());
            durable::place(&path, file.to_text().as_bytes(), Mode::Shared).map_err(|failed| {
                io::Error::new(failed.kind(), format!("{}: {}", path.display(), failed.error))
            })?;
        }
        durable::sync_dir(&self.dir).map_err(|failed| {
            io::Error::new(failed.kind(), format!("{}: {}", self.dir.display(), failed.error))
        })
    }
}

impl ReceiptSink for ProofFolder {
    fn keep(&mut self, taken: &LoggedStatements) -> io::Result<()> {
        Self::keep(self, &taken.receipt, &taken.statements)
    }
}

/// Cuts the proof file of each statement out of a receipt, with its entry.
fn proof_files(receipt: &RangeReceipt, statements: &[Statement]) -> Result<Vec<ProofFile>, ReceiptError> {
    let first = receipt.first;
    let unproven = |error: ProofError| ReceiptError::Proof { first, error };
    let note = UnverifiedNote::parse(receipt.checkpoint.as_bytes()).map_err(CheckpointError::from)?;
    let head = Checkpoint::parse(note.unverified_text())?.head();
    let entries: Vec<_> = receipt.entries(statements)?.map(|entry| entry.to_bytes()).collect();
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    receipt.proof.verify(first, &leaves, head.size, &head.root).map_err(unproven)?;
    let placed = receipt.proof.place(first, &leaves, head.size).map_err(unproven)?;
    let mut files = Vec::with_capacity(entries.len());
    for (index, entry) in (first.get()..).map(LeafIndex::new).zip(&entries) {
        let proof = placed.inclusion(index).map_err(unproven)?;
        files.push(ProofFile::new(Some(entry.to_vec()), index, proof, note.clone())?);
    }
    Ok(files)
}

/// Writes one proof file for each statement, `<digest>-<index>.tlog-proof`, into a directory.
#[derive(Debug)]
pub struct ProofFiles {
    dir: PathBuf,
}

impl ProofFiles {
    /// Proof files go to `dir`, which is made if it is not there.
    pub fn new(dir: impl AsRef<Path>) -> io::Result<Self> {
        durable::make_dir(dir.as_ref())?;
        Ok(Self { dir: dir.as_ref().to_owned() })
    }

    /// Where the proof file of a statement is.
    pub fn path(&self, statement: &Statement, index: LeafIndex) -> PathBuf {
        self.dir.join(format!("{}-{index}.tlog-proof", statement.digest))
    }
}

impl ReceiptSink for ProofFiles {
    fn keep(&mut self, taken: &LoggedStatements) -> io::Result<()> {
        let files = taken.proof_files(0..taken.statements.len()).map_err(io::Error::other)?;
        for (statement, file) in taken.statements.iter().zip(files) {
            let path = self.path(statement, file.index());
            durable::place(&path, file.to_text().as_bytes(), Mode::Private)?;
        }
        Ok(durable::sync_dir(&self.dir)?)
    }
}
