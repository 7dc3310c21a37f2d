//! What an audit leaves behind so that the next one goes on: the last checkpoint that held, the right edge of the tree, and
//! what the streams were last seen to say. Its size depends on the number of streams, not on that of entries.
//!
//! The file is the auditor's memory. Its checkpoint is verified again whenever it is read, and its edge must lead to that
//! checkpoint's root; the rest is unsigned. A digest over the whole refuses damage and careless edits; who can
//! write the file with care can make the auditor forget. Keep it where only the auditor writes.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use vouchlog_merkle::{Hash, TreeSize, sha256};
use vouchlog_note::{Origin, SignedCheckpoint};

use crate::checkpoint::open;
use crate::config::LogIdentity;
use crate::edge::RightEdge;
use crate::encoding::{self, is_zero};
use crate::finding::Suspicions;
use crate::limits::MAX_STATE_BYTES;
use crate::rules::stored::StoredRules;

/// What the file is.
const FORMAT: &str = "vouchlog/v1 audit-state";

/// The memory of an auditor about one log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditState {
    pub(crate) body: Body,
}

/// Everything but the digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    pub(crate) format: String,
    #[serde(with = "encoding::text")]
    pub(crate) origin: Origin,
    /// The last checkpoint whose whole log was verified.
    pub(crate) verified: Option<String>,
    /// The checkpoint that was being verified when an audit was broken off.
    pub(crate) target: Option<String>,
    pub(crate) size: u64,
    /// How many of these entries the log had given up; left out if none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) unchecked: u64,
    /// The right edge, level 0 first.
    pub(crate) edge: Vec<Level>,
    /// None for a log of opaque entries.
    pub(crate) rules: Option<StoredRules>,
    /// What an audit found before it was broken off.
    pub(crate) found: Suspicions,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Level(#[serde(with = "encoding::texts")] pub(crate) Vec<Hash>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    state: Body,
    #[serde(with = "encoding::text")]
    digest: Hash,
}

/// Why a state is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is too long.
    #[error("the state has {0} bytes, more than {MAX_STATE_BYTES}")]
    TooLarge(usize),
    /// It is not the JSON of a state.
    #[error("this is not a saved audit state: {0}")]
    Form(String),
    /// Its digest is not that of its content.
    #[error("the saved state was changed or damaged: its digest does not match")]
    Digest,
    /// It is of another log.
    #[error("the saved state belongs to the log `{0}`, not to this one")]
    OtherLog(Origin),
    /// Its checkpoint does not verify with the log's keys.
    #[error("the saved state's checkpoint does not verify: {0}")]
    Checkpoint(String),
    /// Its parts contradict each other.
    #[error("the saved state contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl AuditState {
    pub(crate) fn new(origin: &Origin, edge: &RightEdge) -> Self {
        let body = Body {
            format: FORMAT.to_owned(),
            origin: origin.clone(),
            verified: None,
            target: None,
            size: edge.size(),
            unchecked: 0,
            edge: edge.levels().iter().cloned().map(Level).collect(),
            rules: None,
            found: Suspicions::default(),
        };
        Self { body }
    }

    /// The number of entries that were read.
    pub fn size(&self) -> TreeSize {
        TreeSize::new(self.body.size)
    }

    /// The JSON to save.
    pub fn to_json(&self) -> String {
        let file = File { digest: digest(&self.body), state: self.body.clone() };
        serde_json::to_string(&file).expect("strings, numbers and lists always encode")
    }

    /// Reads what was saved, and checks all that can be checked without the log.
    pub fn from_json(json: &[u8], log: &LogIdentity) -> Result<Self, StateError> {
        if json.len() > MAX_STATE_BYTES {
            return Err(StateError::TooLarge(json.len()));
        }
        let file: File = serde_json::from_slice(json).map_err(|error| StateError::Form(error.to_string()))?;
        if file.state.format != FORMAT {
            return Err(StateError::Form(format!("its format is not `{FORMAT}`")));
        }
        if digest(&file.state) != file.digest {
            return Err(StateError::Digest);
        }
        let state = Self { body: file.state };
        state.open(log)?;
        Ok(state)
    }

    /// Verifies the checkpoints, and that the edge leads to the one whose log was verified.
    pub(crate) fn open(&self, log: &LogIdentity) -> Result<Opened, StateError> {
        let body = &self.body;
        if body.origin != log.origin {
            return Err(StateError::OtherLog(body.origin.clone()));
        }
        let levels = body.edge.iter().map(|level| level.0.clone()).collect();
        let edge = RightEdge::from_levels(TreeSize::new(body.size), levels)
            .ok_or(StateError::Contradiction("its edge does not match its size"))?;
        let signed = |note: &Option<String>| {
            let opened = note.as_ref().map(|note| open(note, log)).transpose();
            opened.map_err(|error| StateError::Checkpoint(error.to_string()))
        };
        let (verified, target) = (signed(&body.verified)?, signed(&body.target)?);
        let size = |signed: &Option<SignedCheckpoint>| signed.as_ref().map(|signed| signed.head().size.get());
        if size(&verified).is_some_and(|verified| body.size < verified)
            || size(&target).is_some_and(|target| body.size > target)
            || target.is_none() && size(&verified).unwrap_or(0) != body.size
        {
            return Err(StateError::Contradiction("its size does not match its checkpoints"));
        }
        if let Some(verified) = verified.as_ref().filter(|signed| signed.head().size.get() == body.size)
            && edge.head() != verified.head()
        {
            return Err(StateError::Contradiction("its edge does not lead to the root of its checkpoint"));
        }
        let findings = body.found.list.len();
        if !body.found.is_sound() || body.rules.as_ref().is_some_and(|rules| !rules.refers_to(findings)) {
            return Err(StateError::Contradiction("its findings refer to missing findings"));
        }
        Ok(Opened { edge, verified, target })
    }
}

impl Serialize for AuditState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        File { digest: digest(&self.body), state: self.body.clone() }.serialize(serializer)
    }
}

/// A state whose signatures were verified.
pub(crate) struct Opened {
    pub(crate) edge: RightEdge,
    pub(crate) verified: Option<SignedCheckpoint>,
    pub(crate) target: Option<SignedCheckpoint>,
}

/// SHA-256 over the format and the compact JSON of the body, whose fields have one order.
fn digest(body: &Body) -> Hash {
    let mut bytes = format!("{FORMAT}\n").into_bytes();
    serde_json::to_writer(&mut bytes, body).expect("strings, numbers and lists always encode");
    sha256(&bytes)
}
