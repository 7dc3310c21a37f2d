//! Completeness proofs: one file that shows, offline, that a stream has every statement its gateway signed, in order.
//!
//! ```text
//! { "format": "vouchlog/v1 completeness", "origin": "...", "from": 0, "to": 5000,
//!   "checkpoint": "...",                      signed by the log, cosigned
//!   "genesis":  { run },                      names the operator
//!   "operators": [ { run } ],                 changes of its key; absent if there is none
//!   "streams": [ { "enrolment": { run },      the operator let the gateway's key open streams
//!                  "opening":   { run },      the gateway named the stream's key
//!                  "base":      { "head": { run }, "range": [...] },    if the proof does not begin with the stream
//!                  "entries":   [ { run }, ... ] } ] }                  its statements and signed heads, all of them
//! run: { "first": index, "entries": [base64...], "left": [hash...], "right": [hash...] }
//! ```
//!
//! What it shows needs no word about what the log does *not* have: a head is the gateway's signature over the number and the
//! root of its statements, so statements that lead to that root are all there are. What it shows, it says: up to which head,
//! and when that was signed. That no later head follows, and that the file has every stream, only an audit shows.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use vouchlog_merkle::{Hash, ProofError, TreeHead};
use vouchlog_note::{CheckpointError, VerifyingKey};

use crate::encoding;
use crate::evidence::ProvenRun;
use crate::limits::{MAX_COMPLETENESS_BYTES, MAX_COMPLETENESS_RUNS, MAX_COMPLETENESS_STATEMENTS};

mod build;
mod verify;

pub use build::{Streams, prove_complete};
pub use verify::verify_completeness;

const FORMAT: &str = "vouchlog/v1 completeness";

/// A completeness proof, as it is written to a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompletenessProof {
    format: String,
    /// The log, for people: the verifier names it and its keys.
    pub origin: String,
    /// Size of the log from which on entries are proven; a stream's proof begins at its last signed head before that.
    pub from: u64,
    /// Size of the log up to which they are.
    pub to: u64,
    /// The log's checkpoint.
    pub checkpoint: String,
    /// The first entry.
    pub genesis: ProvenRun,
    /// The entries that changed the operator's key, in the order of the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<ProvenRun>,
    /// The streams.
    pub streams: Vec<StreamProof>,
}

/// The proof of one stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamProof {
    /// The entry that enrols its gateway.
    pub enrolment: ProvenRun,
    /// The entry that opens it.
    pub opening: ProvenRun,
    /// The signed head it begins with; none if it begins with the first statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseHead>,
    /// Its statements and heads, in runs of entries side by side.
    pub entries: Vec<ProvenRun>,
}

/// A signed head in the log, and the compact range whose root it signs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseHead {
    /// The entry.
    pub head: ProvenRun,
    /// The hashes of the compact range.
    #[serde(with = "encoding::texts")]
    pub range: Vec<Hash>,
}

/// What a completeness proof shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Completeness {
    /// Size of the log whose checkpoint it is under.
    pub size: u64,
    /// The root of it, in hexadecimal.
    #[serde(with = "encoding::text")]
    pub root: Hash,
    /// Witnesses of the policy that cosigned it.
    pub cosigned_by: Vec<String>,
    /// Stream by stream.
    pub streams: Vec<CompleteStream>,
}

/// What is shown of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompleteStream {
    /// Index of its opening, which is its name.
    pub stream: u64,
    /// Name of its gateway's key.
    pub gateway: String,
    /// The key, as the operator enrolled it.
    #[serde(with = "encoding::text")]
    pub gateway_vkey: VerifyingKey,
    /// The key whose own signature handed the name over to this one, if one did.
    #[serde(with = "encoding::maybe_text", skip_serializing_if = "Option::is_none")]
    pub rotated_from: Option<VerifyingKey>,
    /// Whether it is the log's house stream: its sender is unknown, and the log holds the key.
    pub is_house: bool,
    /// The stream it continues, and the size that had.
    pub continues: Option<(u64, u64)>,
    /// Sequence number the proof begins with.
    pub first: u64,
    /// Statements the gateway has signed, from the first of the stream on. All from `first` on are in the file.
    pub signed: u64,
    /// Statements behind those that no head in the file covers yet.
    pub pending: u64,
    /// Signed heads in the file.
    pub heads: u64,
    /// When the newest of them was signed, seconds since 1970 by the gateway's clock.
    pub newest_head: Option<u64>,
    /// Whether the stream was closed.
    pub closed: bool,
    /// Where the gateway itself declares that records were lost.
    pub declared_losses: Vec<DeclaredLoss>,
}

/// A statement in which a gateway declares a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DeclaredLoss {
    /// Its place in the stream.
    pub sequence: u64,
    /// Its place in the log.
    pub index: u64,
}

/// Why there is no completeness proof, or why one shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompletenessError {
    /// The log could not be read.
    #[error("the log could not be read: {0}")]
    Read(#[from] vouchlog_api::Error),
    /// The file is too long.
    #[error("the proof has {0} bytes, more than {MAX_COMPLETENESS_BYTES}")]
    TooLarge(usize),
    /// It is not the JSON of a completeness proof.
    #[error("this is not a completeness proof: {0}")]
    Form(String),
    /// The sizes are not those of a part of the log.
    #[error("entries {from} to {to} are not all in a log of {size}")]
    Sizes {
        /// Size to begin at.
        from: u64,
        /// Size to end at.
        to: u64,
        /// Size of the log.
        size: u64,
    },
    /// There is no such stream in that part of the log.
    #[error("the log has no stream {0} in that part")]
    UnknownStream(u64),
    /// One file cannot hold it.
    #[error("{0}: prove a smaller part of the log")]
    TooMany(&'static str),
    /// The checkpoint does not verify.
    #[error("the checkpoint does not verify: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint has too few cosignatures for the policy.
    #[error("the checkpoint has no quorum of witnesses")]
    NoQuorum,
    /// Entries are not in the log.
    #[error("the entries from {first} on are not in the log: {error}")]
    NotInLog {
        /// Index of the first.
        first: u64,
        /// Where the proof fails.
        error: ProofError,
    },
    /// The entries do not make a complete stream.
    #[error("stream {stream}: {problem}")]
    NotComplete {
        /// The stream.
        stream: u64,
        /// What is wrong.
        problem: String,
    },
}

impl CompletenessProof {
    /// The value of `format` in its JSON.
    pub const FORMAT: &'static str = FORMAT;

    /// The JSON of the file.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and lists always encode")
    }

    /// Reads a file without verifying it: that is [`verify_completeness`].
    pub fn from_json(json: &[u8]) -> Result<Self, CompletenessError> {
        if json.len() > MAX_COMPLETENESS_BYTES {
            return Err(CompletenessError::TooLarge(json.len()));
        }
        let proof: Self =
            serde_json::from_slice(json).map_err(|error| CompletenessError::Form(error.to_string()))?;
        if proof.format != FORMAT {
            return Err(CompletenessError::Form(format!("its format is not `{FORMAT}`")));
        }
        proof.check_bounds()?;
        Ok(proof)
    }

    fn check_bounds(&self) -> Result<(), CompletenessError> {
        let runs: usize = self.streams.iter().map(|stream| stream.entries.len()).sum();
        if runs > MAX_COMPLETENESS_RUNS {
            return Err(CompletenessError::TooMany("the streams are in too many pieces"));
        }
        let entries = self.streams.iter().flat_map(|stream| &stream.entries);
        let count: usize = entries.map(|run| run.entries.len()).sum();
        if count as u64 > MAX_COMPLETENESS_STATEMENTS {
            return Err(CompletenessError::TooMany("there are too many statements"));
        }
        Ok(())
    }
}

fn not_complete(stream: u64, problem: impl Into<String>) -> CompletenessError {
    CompletenessError::NotComplete { stream, problem: problem.into() }
}

/// Checks that a run is in the tree under `head`.
fn check_run(run: &ProvenRun, head: &TreeHead) -> Result<(), CompletenessError> {
    crate::proving::verify_run(run, head)
        .map_err(|error| CompletenessError::NotInLog { first: run.first, error })
}
