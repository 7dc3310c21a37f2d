//! Proof files: index, inclusion proof and checkpoint in one offline text (tlog-proof).

use std::fmt;

use vouchlog_merkle::{Hash, InclusionProof, LeafIndex, ProofError, TreeHead};

use crate::limits::{MAX_EXTRA_BYTES, MAX_PROOF_FILE_BYTES, MAX_PROOF_HASHES};
use crate::note::UnverifiedNote;
use crate::note_error::NoteError;
use crate::text::{decode_base64, decode_hash, encode_base64, parse_decimal};

// proof file = "c2sp.org/tlog-proof@v1" LF
//              [ "extra " base64(<bytes>) LF ]
//              "index " <decimal index> LF
//              *( base64(<hash[32]>) LF )          inclusion proof, sibling of the leaf first
//              LF
//              <checkpoint note>

/// What is needed to check offline that an entry is in a log, besides the entry and a policy. Read or put
/// together, not verified: verify the checkpoint ([`crate::Policy::verify_checkpoint`] or
/// [`crate::SignedCheckpoint::open`]), then call [`ProofFile::verify_inclusion`] with its head.
#[derive(Clone, Debug)]
pub struct ProofFile {
    extra: Option<Vec<u8>>,
    index: LeafIndex,
    proof: InclusionProof,
    note: UnverifiedNote,
}

impl ProofFile {
    /// The first line of every proof file.
    pub const HEADER: &str = "c2sp.org/tlog-proof@v1";

    /// Puts a proof file together. `extra` is data for the application that no signature covers; empty data is
    /// no data.
    pub fn new(
        extra: Option<Vec<u8>>,
        index: LeafIndex,
        proof: InclusionProof,
        note: UnverifiedNote,
    ) -> Result<Self, ProofFileError> {
        let extra = extra.filter(|bytes| !bytes.is_empty());
        let bytes = extra.as_ref().map_or(0, Vec::len);
        if bytes > MAX_EXTRA_BYTES {
            return Err(ProofFileError::ExtraTooLarge { bytes, limit: MAX_EXTRA_BYTES });
        }
        if proof.hashes().len() > MAX_PROOF_HASHES {
            return Err(ProofFileError::ProofTooLong { limit: MAX_PROOF_HASHES });
        }
        Ok(Self { extra, index, proof, note })
    }

    /// Reads a proof file of at most [`MAX_PROOF_FILE_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofFileError> {
        if bytes.len() > MAX_PROOF_FILE_BYTES {
            return Err(ProofFileError::TooLarge { bytes: bytes.len(), limit: MAX_PROOF_FILE_BYTES });
        }
        let text = str::from_utf8(bytes).map_err(|e| ProofFileError::NotUtf8 { at: e.valid_up_to() })?;
        // No line of the head is empty, so the first blank line parts it from the note.
        let (head, note) = text.split_once("\n\n").ok_or(ProofFileError::NoBlankLine)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(Self::HEADER) {
            return Err(ProofFileError::Header);
        }
        let extra = lines.next_if(|line| line.starts_with("extra ")).map(parse_extra).transpose()?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(parse_decimal).ok_or(ProofFileError::Index)?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == MAX_PROOF_HASHES {
                return Err(ProofFileError::ProofTooLong { limit: MAX_PROOF_HASHES });
            }
            hashes.push(decode_hash(line).ok_or(ProofFileError::ProofHash { place: hashes.len() })?);
        }
        let limit = MAX_PROOF_HASHES;
        let proof =
            InclusionProof::from_hashes(hashes).map_err(|_| ProofFileError::ProofTooLong { limit })?;
        let note = UnverifiedNote::parse(note.as_bytes())?;
        Ok(Self { extra, index: LeafIndex::new(index), proof, note })
    }

    /// Data for the application, such as a salt; authenticated only by what the application makes of it.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The entry's index.
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// The inclusion proof.
    pub fn proof(&self) -> &InclusionProof {
        &self.proof
    }

    /// The checkpoint, with whatever signatures it came with.
    pub fn note(&self) -> &UnverifiedNote {
        &self.note
    }

    /// Verifies that the tree under `head`, which the caller verified, has `leaf_hash` at this file's index.
    pub fn verify_inclusion(&self, leaf_hash: &Hash, head: &TreeHead) -> Result<(), ProofFileError> {
        let verified = self.proof.verify(self.index, head.size, leaf_hash, &head.root);
        let (index, size) = (self.index.get(), head.size.get());
        verified.map_err(|source| ProofFileError::NotIncluded { index, size, source })
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        self.to_string()
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, ProofFileError> {
    let text = line.strip_prefix("extra ").unwrap_or(line);
    let limit = MAX_EXTRA_BYTES;
    if text.len() > limit.div_ceil(3) * 4 {
        return Err(ProofFileError::ExtraTooLarge { bytes: text.len() / 4 * 3, limit });
    }
    // SPEC: without extra data the line is left out, so no writer produces an empty one.
    decode_base64(text).filter(|bytes| !bytes.is_empty()).ok_or(ProofFileError::Extra)
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", Self::HEADER)?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", encode_base64(extra))?;
        }
        writeln!(f, "index {}", self.index.get())?;
        for hash in self.proof.hashes() {
            writeln!(f, "{}", encode_base64(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// Why a proof file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFileError {
    /// The file was longer than the reader takes.
    #[error("the proof file has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
        /// Bytes the reader takes.
        limit: usize,
    },
    /// The file was not UTF-8.
    #[error("the proof file is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Offset of the first byte that is not.
        at: usize,
    },
    /// No blank line parted the proof from the checkpoint.
    #[error("the proof file has no blank line before its checkpoint")]
    NoBlankLine,
    /// The first line was not that of a proof file.
    #[error("the first line is not {}", ProofFile::HEADER)]
    Header,
    /// The extra line was not canonical base64 of at least one byte.
    #[error("the extra line is not canonical base64 of one byte or more")]
    Extra,
    /// The extra data was more than the reader takes.
    #[error("the extra data has {bytes} bytes, the limit is {limit}")]
    ExtraTooLarge {
        /// Bytes of the data.
        bytes: usize,
        /// Bytes the reader takes.
        limit: usize,
    },
    /// The index line was missing or held no decimal.
    #[error("the line 'index <decimal>' is missing")]
    Index,
    /// A line of the proof was no hash.
    #[error("hash {place} of the proof is not canonical base64 of 32 bytes")]
    ProofHash {
        /// Place of the hash, counted from 0.
        place: usize,
    },
    /// The proof was longer than any tree's.
    #[error("the proof has more than {limit} hashes")]
    ProofTooLong {
        /// Hashes a proof may have.
        limit: usize,
    },
    /// The checkpoint was not a note.
    #[error("the checkpoint of the proof file is rejected: {0}")]
    Note(#[from] NoteError),
    /// The proof does not lead from the leaf to the root.
    #[error("the proof does not show the leaf at index {index} of the tree of size {size}: {source}")]
    NotIncluded {
        /// The file's index.
        index: u64,
        /// Size of the tree it was checked against.
        size: u64,
        /// Where it failed.
        source: ProofError,
    },
}
