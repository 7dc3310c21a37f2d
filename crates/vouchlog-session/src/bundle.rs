//! Session bundles: everything disclosed about a session, in one file that verifies offline.
//!
//! ```text
//! { "format": "vouchlog/v1 session", "origin": "...",
//!   "session":   "...",                 its name, as given by the sender
//!   "disclosed": [ "/tools", ... ],     which fields the sender chose, for people
//!   "known":     6,                     number of records, as given by the sender, without the seal
//!   "parts":     [ "...", ... ],        proof files that several presentations need: genesis, enrolments, openings
//!   "records":   [ presentation, ... ],
//!   "seal":      presentation,          of the record that counts them, if there is one
//!   "erasures":  [ presentation, ... ] } of the records that say that content was erased lawfully
//!
//! presentation: { "sd_jwt", "proof", "genesis": 0, "stream": { "enrolment": 1, "opening": 2, "status": { "as_of": 9 } }, "signed_by": ... }
//! ```
//!
//! A presentation is one of [`presentation.rs`](vouchlog_statement::Presentation) with numbers of parts in place of proofs that others need,
//! too. Each verifies by itself, and nothing else in the file is believed: see [`verify_bundle`].

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use vouchlog_statement::{Presentation, ShownStatus, StreamIdentity};

use crate::limits::{MAX_BUNDLE_BYTES, MAX_BUNDLE_RECORDS};

mod error;
mod verified_session;
mod verify;
mod withheld;

pub use error::{BundleError, BundlePart};
pub use verified_session::{DisclosedRecord, VerifiedSession};
pub use verify::verify_bundle;

const FORMAT: &str = "vouchlog/v1 session";

/// What a bundle is made of.
#[derive(Clone, Debug, Default)]
pub struct BundleContents {
    /// The session's name.
    pub session: String,
    /// Which fields were chosen, as JSON pointers.
    pub disclosed: Vec<String>,
    /// How many records of the session the sender knows of, the seal not counted.
    pub known: u64,
    /// A presentation of each record.
    pub records: Vec<Presentation>,
    /// One of the session's seal.
    pub seal: Option<Presentation>,
    /// One of each erasure that concerns them.
    pub erasures: Vec<Presentation>,
}

/// A session bundle, as it is written to a file. What is in it is verified by [`verify_bundle`] alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionBundle {
    format: String,
    origin: String,
    session: String,
    disclosed: Vec<String>,
    known: u64,
    parts: Vec<String>,
    records: Vec<PackedPresentation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<PackedPresentation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    erasures: Vec<PackedPresentation>,
}

/// A presentation with numbers of parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackedPresentation {
    sd_jwt: String,
    proof: String,
    genesis: usize,
    stream: PackedIdentity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_by: Option<PackedIdentity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackedIdentity {
    enrolment: usize,
    opening: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<PackedStatus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackedStatus {
    as_of: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revocation: Option<usize>,
}

impl SessionBundle {
    /// The value of `format` in its JSON.
    pub const FORMAT: &'static str = FORMAT;

    /// Puts a bundle together. Nothing is verified.
    ///
    /// # Errors
    /// [`BundleError::Empty`], [`BundleError::TooMany`], [`BundleError::TooLarge`]; [`BundleError::SeveralLogs`] if the presentations
    /// are of several logs.
    pub fn new(contents: &BundleContents) -> Result<Self, BundleError> {
        let BundleContents { session, disclosed, known, records, seal, erasures } = contents;
        let all = || records.iter().chain(seal).chain(erasures);
        let origin = all().next().ok_or(BundleError::Empty)?.origin.clone();
        if all().any(|one| one.origin != origin) {
            return Err(BundleError::SeveralLogs);
        }
        check_count(all().count())?;
        let mut shared = SharedParts::default();
        let bundle = Self {
            format: FORMAT.to_owned(),
            origin,
            session: session.clone(),
            disclosed: disclosed.clone(),
            known: *known,
            records: records.iter().map(|one| shared.pack(one)).collect(),
            seal: seal.as_ref().map(|one| shared.pack(one)),
            erasures: erasures.iter().map(|one| shared.pack(one)).collect(),
            parts: shared.parts,
        };
        let bytes = bundle.to_json().len();
        if bytes > MAX_BUNDLE_BYTES { Err(BundleError::TooLarge(bytes)) } else { Ok(bundle) }
    }

    /// The JSON of the file.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always encode")
    }

    /// Reads a file without verifying it.
    ///
    /// # Errors
    /// [`BundleError::TooLarge`], [`BundleError::TooMany`], [`BundleError::Form`].
    pub fn from_json(json: &[u8]) -> Result<Self, BundleError> {
        if json.len() > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLarge(json.len()));
        }
        let bundle: Self =
            serde_json::from_slice(json).map_err(|error| BundleError::Form(error.to_string()))?;
        if bundle.format != FORMAT {
            return Err(BundleError::Form(format!("its format is not `{FORMAT}`")));
        }
        check_count(bundle.presentations())?;
        Ok(bundle)
    }

    /// The session, as the sender names it.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// What the bundle claims, in a sentence.
    pub fn claims(&self) -> String {
        let here = match self.records.len() {
            1 => "1 record".to_owned(),
            many => format!("{many} records"),
        };
        match &self.seal {
            Some(_) => format!("{here} and the session's seal; the sender holds {}", self.known),
            None => format!("{here} and no seal; the sender holds {}", self.known),
        }
    }

    fn presentations(&self) -> usize {
        self.records.len() + self.erasures.len() + usize::from(self.seal.is_some())
    }

    /// The presentation in full; `None` if it names a part that is not there.
    fn unpack(&self, one: &PackedPresentation) -> Option<Presentation> {
        let part = |number: usize| self.parts.get(number).cloned();
        let identity = |of: &PackedIdentity| {
            let status = match of.status {
                None => None,
                Some(PackedStatus { as_of, revocation: None }) => {
                    Some(ShownStatus { as_of, revocation: None })
                }
                Some(PackedStatus { as_of, revocation: Some(number) }) => {
                    Some(ShownStatus { as_of, revocation: Some(part(number)?) })
                }
            };
            Some(StreamIdentity { enrolment: part(of.enrolment)?, opening: part(of.opening)?, status })
        };
        let signed_by = match &one.signed_by {
            Some(of) => Some(identity(of)?),
            None => None,
        };
        Some(Presentation::from_texts(
            self.origin.clone(),
            one.sd_jwt.clone(),
            one.proof.clone(),
            part(one.genesis)?,
            identity(&one.stream)?,
            signed_by,
        ))
    }
}

fn check_count(presentations: usize) -> Result<(), BundleError> {
    if presentations > MAX_BUNDLE_RECORDS { Err(BundleError::TooMany(presentations)) } else { Ok(()) }
}

/// Parts that are stored once.
#[derive(Default)]
struct SharedParts {
    parts: Vec<String>,
    places: HashMap<String, usize>,
}

impl SharedParts {
    fn place(&mut self, part: &str) -> usize {
        *self.places.entry(part.to_owned()).or_insert_with(|| {
            self.parts.push(part.to_owned());
            self.parts.len() - 1
        })
    }

    fn identity(&mut self, of: &StreamIdentity) -> PackedIdentity {
        let status = of.status.as_ref().map(|ShownStatus { as_of, revocation }| PackedStatus {
            as_of: *as_of,
            revocation: revocation.as_ref().map(|proof| self.place(proof)),
        });
        PackedIdentity { enrolment: self.place(&of.enrolment), opening: self.place(&of.opening), status }
    }

    fn pack(&mut self, one: &Presentation) -> PackedPresentation {
        PackedPresentation {
            sd_jwt: one.sd_jwt.clone(),
            proof: one.proof.clone(),
            genesis: self.place(&one.genesis),
            stream: self.identity(&one.stream),
            signed_by: one.signed_by.as_ref().map(|of| self.identity(of)),
        }
    }
}

#[cfg(test)]
mod tests;
