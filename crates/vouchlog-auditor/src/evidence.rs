//! Evidence files: what shows a finding, as one JSON file that a stranger checks offline.
//!
//! ```text
//! { "format": "vouchlog/v1 evidence",
//!   "kind":   "split-view",                 what it is said to show
//!   "origin": "log.example.com/x",          for people: the verifier names the log and its keys itself
//!   "words":  "...",                        for people
//!   "place":  { "checkpoint": 300 },
//!   "evidence": { "type": "two-heads", ... } }
//! ```
//!
//! | type | holds | can prove |
//! | --- | --- | --- |
//! | `two-heads` | two checkpoints the log signed | a split view |
//! | `after-retirement` | the proof that the log has ended, and a checkpoint it signed | a head after the retirement |
//! | `prefix` | an older and a newer checkpoint, the newer tree's root at the older size, and its proof | inconsistent heads |
//! | `entries` | a checkpoint, and entries with range proofs that it contains them | a broken rule of the entries |
//! | `bundle` | a checkpoint, leaf hashes it has, proven, and what was served in their place | nothing: it is not signed |
//! | `object` | a checkpoint, and a tile that was served, or nothing | nothing |
//! | `note` | something served as a checkpoint | nothing |
//!
//! Nothing in a file is believed that its signatures and proofs do not show; keys in it least of all.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use vouchlog_merkle::{Hash, sha256};

use crate::encoding;
use crate::kind::FindingKind;
use crate::limits::{MAX_EVIDENCE_BYTES, MAX_EVIDENCE_RUN, MAX_SERVED_BYTES};
use crate::place::Place;

/// First line of every evidence file's `format`.
const FORMAT: &str = "vouchlog/v1 evidence";

/// One finding's evidence, as it is written to a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceFile {
    format: String,
    /// What it is said to show.
    pub kind: FindingKind,
    /// The log, for people: the verifier names the log and its keys.
    pub origin: String,
    /// What happened, for people.
    pub words: String,
    /// Where.
    pub place: Place,
    /// What shows it.
    pub evidence: Evidence,
}

/// What shows a finding; see the table in `evidence.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Evidence {
    /// Nothing but the auditor's word.
    None {},
    /// Something that was served as a checkpoint.
    Note {
        /// The note, as it was served.
        note: String,
    },
    /// Two checkpoints of the log.
    TwoHeads {
        /// The one that was known.
        known: String,
        /// The one that contradicts it.
        served: String,
    },
    /// The end of the log, and a checkpoint beyond it.
    AfterRetirement {
        /// The proof file of the log's last entry, its retirement.
        end: String,
        /// The checkpoint.
        served: String,
    },
    /// An older checkpoint, and the root that the newer one's tree has at that size.
    Prefix {
        /// The older checkpoint.
        old: String,
        /// The newer one.
        new: String,
        /// The root of the newer tree's first entries, as many as the older one has.
        #[serde(with = "encoding::text")]
        prefix_root: Hash,
        /// The consistency proof from that root to the newer one.
        #[serde(with = "encoding::texts")]
        proof: Vec<Hash>,
    },
    /// Entries of the log.
    Entries {
        /// The checkpoint that contains them.
        checkpoint: String,
        /// The entries, in runs.
        runs: Vec<ProvenRun>,
        /// The compact range of a stream whose head is the first entry of the longest run, for going on from there.
        #[serde(with = "encoding::texts", default, skip_serializing_if = "Vec::is_empty")]
        stream_range: Vec<Hash>,
    },
    /// What was served as an entry bundle.
    Bundle {
        /// The checkpoint.
        checkpoint: String,
        /// Index of the first entry.
        first: u64,
        /// The leaf hashes the tree has there.
        #[serde(with = "encoding::texts")]
        leaves: Vec<Hash>,
        /// The range proof of those, left of them.
        #[serde(with = "encoding::texts")]
        left: Vec<Hash>,
        /// The range proof of those, right of them.
        #[serde(with = "encoding::texts")]
        right: Vec<Hash>,
        /// What was served.
        served: ServedBytes,
    },
    /// A tile or bundle, or that there was none.
    Object {
        /// The checkpoint that implies it.
        checkpoint: String,
        /// What was served, if anything was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        served: Option<ServedBytes>,
    },
}

/// Entries side by side, with the proof that the tree has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenRun {
    /// Index of the first.
    pub first: u64,
    /// The entries.
    #[serde(with = "encoding::base64s")]
    pub entries: Vec<Vec<u8>>,
    /// The range proof, left of them.
    #[serde(with = "encoding::texts")]
    pub left: Vec<Hash>,
    /// The range proof, right of them.
    #[serde(with = "encoding::texts")]
    pub right: Vec<Hash>,
}

/// Bytes that were served, or their hash if they are many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedBytes {
    /// SHA-256 of the bytes.
    #[serde(with = "encoding::text")]
    pub sha256: Hash,
    /// How many.
    pub length: u64,
    /// The bytes; empty if they are more than a megabyte, or if nothing ties them to the log: whatever answered instead of it, which may
    /// be a server that only the auditor reaches, must not be handed on.
    #[serde(with = "encoding::base64")]
    pub bytes: Vec<u8>,
}

impl ServedBytes {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let kept = if bytes.len() <= MAX_SERVED_BYTES { bytes.to_vec() } else { Vec::new() };
        Self { sha256: sha256(bytes), length: bytes.len() as u64, bytes: kept }
    }

    /// The hash alone, of bytes that nothing ties to the log.
    pub(crate) fn hash_of(bytes: &[u8]) -> Self {
        Self { sha256: sha256(bytes), length: bytes.len() as u64, bytes: Vec::new() }
    }
}

/// Why a file is no evidence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// It is too long.
    #[error("the evidence has {0} bytes, more than {MAX_EVIDENCE_BYTES}")]
    TooLarge(usize),
    /// It is not the JSON of an evidence file.
    #[error("this is not an evidence file: {0}")]
    Form(String),
}

impl EvidenceFile {
    /// The value of `format` in its JSON.
    pub const FORMAT: &'static str = FORMAT;

    pub(crate) fn new(
        kind: FindingKind,
        origin: &str,
        words: &str,
        place: &Place,
        evidence: Evidence,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            kind,
            origin: origin.to_owned(),
            words: words.to_owned(),
            place: place.clone(),
            evidence,
        }
    }

    /// The JSON of the file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, numbers and lists always encode")
    }

    /// Reads a file. What it says is not verified: that is [`verify_finding`](crate::verify_finding).
    pub fn from_json(json: &[u8]) -> Result<Self, EvidenceError> {
        if json.len() > MAX_EVIDENCE_BYTES {
            return Err(EvidenceError::TooLarge(json.len()));
        }
        let file: Self =
            serde_json::from_slice(json).map_err(|error| EvidenceError::Form(error.to_string()))?;
        if file.format != FORMAT {
            return Err(EvidenceError::Form(format!("its format is not `{FORMAT}`")));
        }
        Ok(file)
    }
}

/// What evidence of a suspicion will need. Noted while the log is read, fetched at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum EvidenceSource {
    /// What was served as a checkpoint.
    Note { note: String },
    /// A checkpoint that was known, and one that was served.
    TwoHeads { known: String, served: String },
    /// The proof that the log has ended, and a checkpoint beyond that.
    AfterRetirement { end: String, served: String },
    /// An older checkpoint that a newer one does not extend, with what shows it.
    Prefix {
        old: String,
        new: String,
        #[serde(with = "encoding::text")]
        prefix_root: Hash,
        #[serde(with = "encoding::texts")]
        proof: Vec<Hash>,
    },
    /// Entries that together break a rule.
    Entries {
        indexes: BTreeSet<u64>,
        /// From and to: what matters is also what is not between them.
        run: Option<(u64, u64)>,
        #[serde(with = "encoding::texts")]
        range: Vec<Hash>,
    },
    /// A bundle that is not the tree's.
    Bundle {
        first: u64,
        #[serde(with = "encoding::texts")]
        leaves: Vec<Hash>,
        served: ServedBytes,
    },
    /// A tile or bundle that does not fit, or is missing.
    Object { served: Option<ServedBytes> },
}

impl EvidenceSource {
    pub(crate) fn note(note: &str) -> Self {
        Self::Note { note: note.to_owned() }
    }

    pub(crate) fn entries(indexes: impl IntoIterator<Item = u64>) -> Self {
        Self::Entries { indexes: indexes.into_iter().collect(), run: None, range: Vec::new() }
    }

    /// Also everything from one entry to another, if that is not too much.
    pub(crate) fn with_run(mut self, from: u64, to: u64) -> Self {
        if let Self::Entries { run, .. } = &mut self {
            *run = Some((from, to)).filter(|(from, to)| from <= to && to - from < MAX_EVIDENCE_RUN);
        }
        self
    }

    /// Also the compact range of the stream at the first entry of the run.
    pub(crate) fn with_range(mut self, hashes: &[Hash]) -> Self {
        if let Self::Entries { range, .. } = &mut self {
            *range = hashes.to_vec();
        }
        self
    }
}
