//! How one log continues another: the proof that a log has ended, and the note of the log that continues it.
//!
//! The proof is a proof file (C2SP tlog-proof) of the retirement, which is the last entry under the final checkpoint; the `extra` line
//! has the entry's bytes. The note is the body of entry 1 of the new log, and holds the proof:
//!
//! ```text
//! vouchlog/v1 continue
//! log <origin of the new log>
//! predecessor <vkey of the log that ended>
//! size <final size of that log>
//! root <its root, 64 hexadecimal digits>
//!
//! <the proof file>
//! signed by the new log
//! ```

use thiserror::Error;
use vouchlog_merkle::{Hash, InclusionProof, LeafIndex, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{
    CheckpointError, Origin, ProofFile, ProofFileError, SignatureType, SignedCheckpoint, SigningKey,
    UnverifiedNote, VerifyingKey,
};

use crate::control::{Lines, Retirement, TextError, decimal, sign};
use crate::entry::Entry;
use crate::error::EntryError;
use crate::ids::LoggedAt;
use crate::limits::MAX_CONTINUATION_BYTES;

const TITLE: &str = "vouchlog/v1 continue";

/// Why it is not shown that a log ended, or that another one continues it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// The proof file cannot be read, or does not lead to the root.
    #[error(transparent)]
    Proof(#[from] ProofFileError),
    /// The final checkpoint is not signed by the log.
    #[error("the final checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The bytes are not an entry.
    #[error("the entry cannot be read: {0}")]
    Entry(#[from] EntryError),
    /// The note of the retirement, or of the continuation, does not hold.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The proof file has no entry, or one of another kind.
    #[error("the proof is not that of a log's retirement")]
    NotARetirement,
    /// Entries follow the retirement.
    #[error("the retirement is entry {index}, and not the last of {size}: a log ends with its retirement")]
    NotLast {
        /// Index of the retirement.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The retirement is that of another log.
    #[error("the retirement is that of the log `{0}`")]
    OtherLog(String),
    /// The retirement names another successor.
    #[error("the log names `{0}` as its successor")]
    OtherSuccessor(String),
    /// The continuation names another head than its proof.
    #[error("the head that the continuation names is not that of its proof")]
    OtherHead,
    /// The continuation with its proof does not fit an entry.
    #[error(
        "the continuation has {0} bytes, more than {MAX_CONTINUATION_BYTES}: leave out cosignatures of its checkpoint"
    )]
    Length(usize),
}

/// The proof that a log ended, verified: the retirement is its last entry, the log's key and the successor's signed it, and the log's
/// key signed the head.
#[derive(Clone, Debug)]
pub struct RetirementProof {
    file: ProofFile,
    retirement: Retirement,
    logged_at: LoggedAt,
    signed: SignedCheckpoint,
}

impl RetirementProof {
    /// Puts a proof together from the log's last entry, its inclusion proof and the final checkpoint.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn new(entry: &[u8], proof: InclusionProof, checkpoint: &[u8]) -> Result<Self, SuccessionError> {
        let note = UnverifiedNote::parse(checkpoint).map_err(CheckpointError::from)?;
        let size = vouchlog_note::Checkpoint::parse(note.unverified_text())?.head().size;
        let last = size.get().checked_sub(1).ok_or(SuccessionError::NotARetirement)?;
        Self::read(ProofFile::new(Some(entry.to_vec()), LeafIndex::new(last), proof, note)?)
    }

    /// Reads a proof file and verifies all of it, with the keys that the retirement names. Whether the key of the log is the one
    /// that the caller knows is the caller's to compare; [`open_of`](Self::open_of) does.
    ///
    /// # Errors
    /// [`SuccessionError`] for whatever does not hold.
    pub fn open(bytes: &[u8]) -> Result<Self, SuccessionError> {
        Self::read(ProofFile::parse(bytes)?)
    }

    /// Reads the proof of the log whose key is `log`.
    ///
    /// # Errors
    /// Besides those of [`open`](Self::open), [`SuccessionError::OtherLog`].
    pub fn open_of(bytes: &[u8], log: &VerifyingKey) -> Result<Self, SuccessionError> {
        let proof = Self::open(bytes)?;
        if proof.retirement.log == *log {
            Ok(proof)
        } else {
            Err(SuccessionError::OtherLog(proof.retirement.log.to_string()))
        }
    }

    fn read(file: ProofFile) -> Result<Self, SuccessionError> {
        let bytes = file.extra().ok_or(SuccessionError::NotARetirement)?;
        let Entry::LogRetired { logged_at, note } = Entry::decode(bytes)? else {
            return Err(SuccessionError::NotARetirement);
        };
        let retirement = Retirement::open(&note)?;
        let checkpoint = file.note().as_str().as_bytes();
        let signed = SignedCheckpoint::open(checkpoint, &retirement.origin(), &retirement.log)?;
        let head = signed.head();
        // SPEC: nothing follows a retirement.
        let (index, size) = (file.index().get(), head.size.get());
        if index.checked_add(1) != Some(size) {
            return Err(SuccessionError::NotLast { index, size });
        }
        file.verify_inclusion(&leaf_hash(bytes), &head)?;
        Ok(Self { file, retirement, logged_at, signed })
    }

    /// The log that ended, the one that continues it, and why.
    pub fn retirement(&self) -> &Retirement {
        &self.retirement
    }

    /// When the log took its retirement.
    pub fn logged_at(&self) -> LoggedAt {
        self.logged_at
    }

    /// The final head: no entry of the log is outside it.
    pub fn head(&self) -> TreeHead {
        self.signed.head()
    }

    /// The final checkpoint, with whatever lines of witnesses it came with. Only the log's signature was verified.
    pub fn checkpoint(&self) -> &str {
        self.signed.note()
    }

    /// The text of the proof file.
    pub fn to_text(&self) -> String {
        self.file.to_text()
    }
}

/// A log continues another one: the note of entry 1, verified with all it holds.
#[derive(Clone, Debug)]
pub struct Continuation {
    proof: RetirementProof,
}

impl Continuation {
    /// The continuation of the log that `proof` shows to have ended.
    pub fn new(proof: RetirementProof) -> Self {
        Self { proof }
    }

    /// The note, signed by the log that the predecessor names as its successor.
    ///
    /// # Errors
    /// [`SuccessionError::OtherSuccessor`] for another key, [`SuccessionError::Length`] if the note does not fit an entry.
    pub fn sign(&self, log: &SigningKey) -> Result<String, SuccessionError> {
        self.check_successor(log.verifying_key())?;
        let (name, head) = (log.verifying_key().name(), self.head());
        let text = format!(
            "{TITLE}\nlog {name}\npredecessor {}\nsize {}\nroot {}\n\n{}",
            self.predecessor(),
            head.size,
            head.root,
            self.proof.to_text()
        );
        let note = sign(&text, log)?;
        if note.len() > MAX_CONTINUATION_BYTES { Err(SuccessionError::Length(note.len())) } else { Ok(note) }
    }

    /// Verifies the signature of the log whose key is `log`, reads the note, and verifies the proof in it.
    ///
    /// # Errors
    /// [`SuccessionError`] for whatever does not hold.
    pub fn open(note: &str, log: &VerifyingKey) -> Result<Self, SuccessionError> {
        if note.len() > MAX_CONTINUATION_BYTES {
            return Err(SuccessionError::Length(note.len()));
        }
        let unverified = UnverifiedNote::parse(note.as_bytes()).map_err(TextError::from)?;
        let verified = unverified.verify([log]).map_err(TextError::from)?;
        let (head, proof) = verified.text().split_once("\n\n").ok_or(malformed("it has no proof"))?;
        let mut lines = Lines::new(TITLE, head)?;
        if lines.value("log")? != log.name().as_str() {
            return Err(lines.malformed("it is for another log").into());
        }
        let predecessor = lines.vkey("predecessor", SignatureType::Ed25519)?;
        let size = decimal(lines.value("size")?).ok_or(malformed("`size` is not a number"))?;
        let root: Hash =
            lines.value("root")?.parse().map_err(|_| malformed("`root` is not a hash in hexadecimal"))?;
        lines.end()?;
        let named = TreeHead { size: TreeSize::new(size), root };
        let continuation = Self { proof: RetirementProof::open_of(proof.as_bytes(), &predecessor)? };
        continuation.check_successor(log)?;
        if continuation.head() != named || continuation.proof.to_text() != proof {
            return Err(SuccessionError::OtherHead);
        }
        Ok(continuation)
    }

    /// The key of the log that ended; its name is that log's origin.
    pub fn predecessor(&self) -> &VerifyingKey {
        &self.proof.retirement.log
    }

    /// The origin of the log that ended.
    pub fn predecessor_origin(&self) -> Origin {
        self.proof.retirement.origin()
    }

    /// The final head of that log.
    pub fn head(&self) -> TreeHead {
        self.proof.head()
    }

    /// The proof that it ended.
    pub fn proof(&self) -> &RetirementProof {
        &self.proof
    }

    fn check_successor(&self, log: &VerifyingKey) -> Result<(), SuccessionError> {
        let named = &self.proof.retirement.successor;
        if named == log { Ok(()) } else { Err(SuccessionError::OtherSuccessor(named.to_string())) }
    }
}

fn malformed(problem: &'static str) -> TextError {
    TextError::Form { expected: TITLE, problem }
}

#[cfg(test)]
mod tests;
