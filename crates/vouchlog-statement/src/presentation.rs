//! Presentations: chosen fields of a record, with everything a stranger needs to check them offline against the log.
//!
//! ```text
//! { "format": "vouchlog/v1 presentation", "origin": "...",
//!   "sd_jwt":    "...",                                    the statement, with the disclosures chosen
//!   "proof":     "...",                                    the entry that logs its digest
//!   "genesis":   "...",                                    names the operator; behind it, proofs of each change of its key
//!   "stream":    { "enrolment": "...", "opening": "...",   whose stream the entry is in
//!                  "status": { "as_of": 7, "revocation": "..." } }, whether the gateway's key was revoked, as the sender knows it
//!   "signed_by": { as "stream" } }                         whose stream's key signed, if it is another
//!
//! disclosed field ─ SD-JWT ─ stream's key ─ opening ─ gateway's key ─ enrolment ─ operator's key ─ genesis ─ log's key
//!                      └ digest, kind, evidence ─ entry ─ inclusion proof ─ checkpoint ─ log's key, witnesses
//! ```
//!
//! Each proof is a C2SP tlog-proof with the entry in its `extra` line, so any C2SP tool verifies it, and any SD-JWT software
//! the statement. Each may be under a checkpoint of its own.

use serde::{Deserialize, Serialize};
use vouchlog_merkle::{LeafIndex, TreeSize};
use vouchlog_note::{Origin, Policy, PolicyCosignature, ProofFile, VerifyingKey};
use vouchlog_stream::{Revoked, StatementEntry};

use crate::limits::MAX_PRESENTATION_BYTES;
use crate::statement::VerifiedStatement;

mod error;
mod verify;

#[cfg(test)]
mod tests;

pub use error::{PresentationError, PresentationPart};
pub use verify::verify_presentation;

const FORMAT: &str = "vouchlog/v1 presentation";

/// A presentation, as it is written to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presentation {
    format: String,
    /// The log, for people: the verifier identifies it by its key.
    pub origin: String,
    /// The statement with the disclosures chosen ([`IssuedStatement::present`](crate::IssuedStatement::present)).
    pub sd_jwt: String,
    /// Proof of the entry that logs the statement.
    pub proof: String,
    /// Proof of the log's first entry, and behind it, in the same text, a proof of each entry that changed the operator's key before it
    /// enrolled the gateways shown.
    pub genesis: String,
    /// The stream the entry is in.
    pub stream: StreamIdentity,
    /// The stream whose key signed the statement, if it is another: one that ended before the statement was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<StreamIdentity>,
}

/// Whose a stream is: two proofs. An enrolment is always in the log; one with open enrolment writes it for any gateway that opens a
/// stream, and then it shows only that the key was first used there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamIdentity {
    /// Proof of the entry in which the operator enrols the gateway's key.
    pub enrolment: String,
    /// Proof of the entry in which the gateway's key names the stream's.
    pub opening: String,
    /// What the sender knows of the revocation of the gateway's key; `None` if it did not ask the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ShownStatus>,
}

/// What the sender of a presentation knows of the revocation of a gateway's key. A proof can show that a key was revoked. That it was not
/// rests on the sender's word, and that of the log it asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownStatus {
    /// Size of the log up to which it is known.
    pub as_of: u64,
    /// Proof of the entry that revokes the key, or by which the operator replaces it; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<String>,
}

impl StreamIdentity {
    /// From the two proof files, each with its entry.
    pub fn new(enrolment: &ProofFile, opening: &ProofFile) -> Self {
        Self { enrolment: enrolment.to_text(), opening: opening.to_text(), status: None }
    }
}

impl Presentation {
    /// The value of `format` in its JSON.
    pub const FORMAT: &'static str = FORMAT;

    /// Puts a presentation together from an SD-JWT and proof files, each with its entry. Nothing is verified.
    pub fn new(
        origin: &Origin,
        sd_jwt: String,
        proof: &ProofFile,
        genesis: &ProofFile,
        stream: StreamIdentity,
        signed_by: Option<StreamIdentity>,
    ) -> Self {
        Self::from_texts(origin.to_string(), sd_jwt, proof.to_text(), genesis.to_text(), stream, signed_by)
    }

    /// The same from proof files as text.
    pub fn from_texts(
        origin: String,
        sd_jwt: String,
        proof: String,
        genesis: String,
        stream: StreamIdentity,
        signed_by: Option<StreamIdentity>,
    ) -> Self {
        Self { format: FORMAT.to_owned(), origin, sd_jwt, proof, genesis, stream, signed_by }
    }

    /// The JSON of the file.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings always encode")
    }

    /// Reads a file without verifying it: that is [`verify_presentation`].
    ///
    /// # Errors
    /// [`PresentationError::TooLarge`] past [`MAX_PRESENTATION_BYTES`], [`PresentationError::Form`].
    pub fn from_json(json: &[u8]) -> Result<Self, PresentationError> {
        if json.len() > MAX_PRESENTATION_BYTES {
            return Err(PresentationError::TooLarge(json.len()));
        }
        let presentation: Self =
            serde_json::from_slice(json).map_err(|error| PresentationError::Form(error.to_string()))?;
        if presentation.format != FORMAT {
            return Err(PresentationError::Form(format!("its format is not `{FORMAT}`")));
        }
        Ok(presentation)
    }
}

/// What the verifier of a presentation knows about the log beforehand.
#[derive(Clone, Copy, Debug)]
pub struct LogTrust<'a> {
    /// The log's Ed25519 key (type 0x01), which is named like the log.
    pub log: &'a VerifyingKey,
    /// What every checkpoint in the presentation has to satisfy. Without one, a log that shows different trees to different
    /// readers could show the presentation's parts out of several.
    pub policy: Option<&'a Policy>,
    /// The gateways' keys that are trusted: one of them must have opened the stream, or have handed its name over to the key that did, by a
    /// rotation. Without any, whose key a name belongs to rests on the word of the log's operator.
    pub gateways: &'a [VerifyingKey],
}

impl<'a> LogTrust<'a> {
    /// Trusts a log's key, and whom its operator enrols.
    pub fn new(log: &'a VerifyingKey, policy: Option<&'a Policy>) -> Self {
        Self { log, policy, gateways: &[] }
    }

    /// Trusts these gateways' keys only.
    #[must_use]
    pub fn pinned_to(self, gateways: &'a [VerifyingKey]) -> Self {
        Self { gateways, ..self }
    }
}

/// Why a gateway's key is taken for the gateway's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyTrust {
    /// The operator of the log enrolled it.
    Operator,
    /// It is a key that the verifier trusts.
    Pinned,
    /// A key that the verifier trusts signed that this one takes its place.
    RotatedFrom(Box<VerifyingKey>),
}

/// What is shown of the revocation of a gateway's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// The presentation does not say.
    Unknown,
    /// Not known to be revoked, up to this size of the log: the sender's word.
    NotKnownRevoked {
        /// At most the size of the tree that the statement was proven in.
        as_of: TreeSize,
    },
    /// Revoked after the statement was logged; the entry is proven.
    RevokedLater(Revoked),
}

/// What a presentation shows. It does not show that the gateway's key was not withdrawn later, nor that the record is the only
/// one about the interaction: an audit shows the first, a completeness proof the second.
#[derive(Clone, Debug)]
pub struct VerifiedPresentation {
    /// The statement, with the record as far as it is disclosed.
    pub statement: VerifiedStatement,
    /// Where the statement is in the log.
    pub index: LeafIndex,
    /// The entry there.
    pub entry: StatementEntry,
    /// The key of the gateway whose stream the entry is in, as the operator enrolled it.
    pub gateway: VerifyingKey,
    /// The entry that enrolled it.
    pub enrolled: LeafIndex,
    /// Why it is taken for the gateway's.
    pub trust: KeyTrust,
    /// Whether it was revoked.
    pub status: KeyStatus,
    /// The log.
    pub origin: Origin,
    /// Size of the tree the statement's entry was proven in.
    pub size: TreeSize,
    /// The witnesses of the policy that cosigned that tree; none without a policy.
    pub witnesses: Vec<PolicyCosignature>,
    /// The latest time, in POSIX seconds, at which one of them did: by then all of them had seen the entry.
    pub witnessed_until: Option<u64>,
}
