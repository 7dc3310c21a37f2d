//! The receipt of a batch: everything needed to prove each of its statements offline.

use thiserror::Error;
use vouchlog_merkle::{Hash, LeafIndex, ProofError, RangeProof, leaf_hash};
use vouchlog_note::{
    CheckpointError, Origin, ProofFile, ProofFileError, SignedCheckpoint, UnverifiedNote, VerifyingKey,
};
use vouchlog_stream::{LoggedAt, SequenceNumber, Statement, StatementEntry, StreamId};

/// Proof that statements are contiguous entries of the log: where, when, the hashes left and right of them, and the
/// checkpoint those lead to. It does not repeat the statements; the caller has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeReceipt {
    /// The stream they belong to.
    pub stream: StreamId,
    /// Sequence number of the first.
    pub sequence: SequenceNumber,
    /// Index of the first in the log.
    pub first: LeafIndex,
    /// How many.
    pub count: u32,
    /// When the log took them.
    pub logged_at: LoggedAt,
    /// The hashes that lead from them to the root.
    pub proof: RangeProof,
    /// The log's checkpoint, as a signed note.
    pub checkpoint: String,
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It is for another number of statements.
    #[error("the receipt is for {receipt} statements, not {statements}")]
    Count {
        /// Statements the receipt is for.
        receipt: u32,
        /// Statements there are.
        statements: usize,
    },
    /// Its numbers run past what an entry can hold.
    #[error("the receipt's sequence numbers run past their 48 bits")]
    Sequence,
    /// The checkpoint is not signed by the log.
    #[error("the receipt's checkpoint does not verify: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The proof file cannot be written.
    #[error(transparent)]
    ProofFile(#[from] ProofFileError),
    /// The statements are not where the receipt says.
    #[error("the statements are not in the log at index {first}: {error}")]
    Proof {
        /// Where they should be.
        first: LeafIndex,
        /// What does not fit.
        error: ProofError,
    },
    /// An index outside the receipt was asked for.
    #[error("index {0} is not covered by the receipt")]
    Outside(LeafIndex),
}

impl RangeReceipt {
    /// The entries of the statements as the log must have taken them.
    pub fn entries<'a>(
        &self,
        statements: &'a [Statement],
    ) -> Result<impl Iterator<Item = StatementEntry> + use<'a>, ReceiptError> {
        if statements.len() != self.count as usize {
            return Err(ReceiptError::Count { receipt: self.count, statements: statements.len() });
        }
        let (start, logged_at, stream) = (self.sequence.get(), self.logged_at, self.stream);
        SequenceNumber::new(start + u64::from(self.count)).ok_or(ReceiptError::Sequence)?;
        Ok(statements.iter().zip(start..).map(move |(statement, sequence)| StatementEntry {
            logged_at,
            stream,
            sequence: SequenceNumber::new(sequence).expect("the last of them was checked"),
            statement: *statement,
        }))
    }

    /// Verifies that the log signed a tree with exactly these statements at `first`, and returns that checkpoint.
    pub fn verify(
        &self,
        statements: &[Statement],
        origin: &Origin,
        log: &VerifyingKey,
    ) -> Result<SignedCheckpoint, ReceiptError> {
        let checkpoint = SignedCheckpoint::open(self.checkpoint.as_bytes(), origin, log)?;
        let head = checkpoint.head();
        let leaves = self.leaves(statements)?;
        self.proof
            .verify(self.first, &leaves, head.size, &head.root)
            .map_err(|error| ReceiptError::Proof { first: self.first, error })?;
        Ok(checkpoint)
    }

    /// Cuts the C2SP tlog-proof of the statement at `index` out of a receipt that was verified.
    pub fn proof_file(
        &self,
        statements: &[Statement],
        checkpoint: &SignedCheckpoint,
        index: LeafIndex,
    ) -> Result<ProofFile, ReceiptError> {
        let covered = self.first.get()..self.first.get() + u64::from(self.count);
        if !covered.contains(&index.get()) {
            return Err(ReceiptError::Outside(index));
        }
        let leaves = self.leaves(statements)?;
        let proof = self
            .proof
            .inclusion(self.first, &leaves, checkpoint.head().size, index)
            .map_err(|error| ReceiptError::Proof { first: self.first, error })?;
        let note = UnverifiedNote::parse(self.checkpoint.as_bytes()).map_err(CheckpointError::from)?;
        Ok(ProofFile::new(None, index, proof, note)?)
    }

    fn leaves(&self, statements: &[Statement]) -> Result<Vec<Hash>, ReceiptError> {
        Ok(self.entries(statements)?.map(|entry| leaf_hash(&entry.to_bytes())).collect())
    }
}
