//! Statements: a record as an SD-JWT (RFC 9901), signed by the key of the gateway's stream.
//!
//! ```text
//! record   { "initiator": { "sub": "alice", … }, "tools": [ { "name": "search", … } ], … }
//!            every field, every element, every group: salted, hashed, replaced by its digest
//! JWT      { iss, iat, jti, kind, stream, evidence, rules,  "_sd": [ 32 digests ], "_sd_alg": "sha-256" }
//! logged   SHA-256(JWT)
//! shown    JWT ~ disclosure of /initiator ~ disclosure of /initiator/sub ~
//! ```
//!
//! The JWT shows the [`ClearClaims`] and a padded list of digests, so a holder of the logged digest cannot test a guess,
//! and a holder of the JWT does not learn how many fields the record has, nor which. One field is shown by its
//! disclosure and those of the groups it stands in. `docs/statements.md` has the format byte for byte.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use vouchlog_note::VerifyingKey;
use vouchlog_record::RecordId;
use vouchlog_stream::{Digest, Evidence, StatementKind, StreamId};

use crate::limits::MAX_SD_JWT_BYTES;

mod again;
mod claims;
mod conceal;
mod concealment;
mod error;
mod holder;
mod issue;
mod process;
mod salts;
mod seed;
mod strict_json;
mod verify;

#[cfg(test)]
pub(crate) mod tests;

pub use conceal::check_members;
pub use concealment::Concealment;
pub use error::StatementError;
pub use issue::{issue, issue_to_keep};
pub use verify::verify;

/// `alg` of the JWT: Ed25519 (RFC 8037).
const ALGORITHM: &str = "EdDSA";
/// `typ` of the JWT.
const TYPE: &str = "interaction+sd-jwt";
/// `_sd_alg` of the JWT.
const HASH_ALGORITHM: &str = "sha-256";

/// Where an object keeps the digests of its concealed members (RFC 9901 section 4.2.4.1).
const DIGESTS: &str = "_sd";
/// What stands for a concealed element of an array (RFC 9901 section 4.2.4.2).
const ELEMENT: &str = "...";
/// Names the hash algorithm, at the top only (RFC 9901 section 4.1.1).
const DIGEST_ALGORITHM: &str = "_sd_alg";
/// A value that cannot stand in an SD-JWT as it is: its JSON as text is the only member of an object, under this name.
const JSON_TEXT: &str = "json_text";

/// What every reader of the statement sees. All else in it is salted digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearClaims {
    /// `iss`: the name of the gateway's enrolled key.
    pub issuer: String,
    /// `iat`: when it was signed, in POSIX seconds by the gateway's clock.
    pub issued_at: u64,
    /// `jti`: the record.
    pub record: RecordId,
    /// `kind`, by name.
    pub kind: StatementKind,
    /// `stream`: the stream whose key signs. Not always the one it is logged in: what was signed for a stream that ended
    /// before it was sent is sent again on the next.
    pub stream: StreamId,
    /// `evidence`, as an integer: what the gateway claims the record holds.
    pub evidence: Evidence,
    /// `rules`: the version of the rule set that computed `evidence`.
    pub rules: String,
}

/// What a disclosure shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisclosureKind {
    /// Facts about an interaction, without a word of what was said in it.
    Facts,
    /// Content: a field of it, or a group with content in it that is disclosed whole.
    Content,
}

impl DisclosureKind {
    pub(crate) const fn content_if(holds_content: bool) -> Self {
        if holds_content { Self::Content } else { Self::Facts }
    }
}

/// What shows one field of a record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    /// Where the field is in the record: a JSON pointer (RFC 6901), like `/tools/0/name`.
    pub path: String,
    /// base64url of salt, name and value (RFC 9901 section 4.2).
    pub encoded: String,
    /// Whether it shows content: it is a field of it, or a group with content in it that is disclosed whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub content: bool,
}

impl Disclosure {
    /// What `encoded` encodes: the JSON of salt, name and value. `None` if it is no base64url of text.
    pub fn text(&self) -> Option<String> {
        String::from_utf8(decode(&self.encoded)?).ok()
    }

    /// Its digest, as the statement or the group that it stands in has it.
    pub fn digest(&self) -> String {
        process::disclosure_digest(&self.encoded)
    }

    /// The disclosure whose [`text`](Self::text) this is.
    pub fn from_text(path: String, text: &str, kind: DisclosureKind) -> Self {
        Self { path, encoded: encode(text.as_bytes()), content: kind == DisclosureKind::Content }
    }
}

/// Shows the path alone: what is formatted for debugging ends in places that must not hold content.
impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disclosure({:?})", self.path)
    }
}

/// A statement, and everything its holder can show of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedStatement {
    /// The issuer-signed JWT.
    pub jwt: String,
    /// One for each field, element and group of the record, by path: a group before what stands in it.
    pub disclosures: Vec<Disclosure>,
}

impl IssuedStatement {
    /// What is logged.
    pub fn digest(&self) -> Digest {
        digest_of(&self.jwt)
    }

    /// The SD-JWT that shows the fields at `paths`, with the groups they stand in. The path of a group shows all of it, `""`
    /// the whole record, no path nothing but the clear claims.
    ///
    /// # Errors
    /// [`StatementError::UnknownPath`] and [`StatementError::InsideWhole`] name a path that has no disclosure.
    /// [`StatementError::TooLarge`] when what is chosen is more than a verifier takes: show less of it.
    pub fn present(&self, paths: &[&str]) -> Result<String, StatementError> {
        let mut chosen = vec![false; self.disclosures.len()];
        for path in paths {
            self.choose(path, &mut chosen)?;
        }
        let disclosures = self.disclosures.iter().zip(chosen).filter(|(_, chosen)| *chosen);
        let mut sd_jwt = format!("{}~", self.jwt);
        for (disclosure, _) in disclosures {
            sd_jwt.push_str(&disclosure.encoded);
            sd_jwt.push('~');
        }
        if sd_jwt.len() > MAX_SD_JWT_BYTES {
            return Err(StatementError::TooLarge { bytes: sd_jwt.len(), limit: MAX_SD_JWT_BYTES });
        }
        Ok(sd_jwt)
    }

    fn choose(&self, path: &str, chosen: &mut [bool]) -> Result<(), StatementError> {
        let mut found = path.is_empty();
        let mut innermost = None;
        for (disclosure, chosen) in self.disclosures.iter().zip(chosen) {
            found |= disclosure.path == path;
            let is_group_of_it = stands_in(path, &disclosure.path);
            if is_group_of_it {
                innermost = Some(disclosure.path.clone());
            }
            *chosen |= disclosure.path == path || is_group_of_it || stands_in(&disclosure.path, path);
        }
        match innermost {
            _ if found => Ok(()),
            Some(whole) if !self.disclosures.iter().any(|other| stands_in(&other.path, &whole)) => {
                Err(StatementError::InsideWhole { path: path.to_owned(), whole })
            }
            _ => Err(StatementError::UnknownPath(path.to_owned())),
        }
    }
}

/// Whether what `path` points to is inside what `group` points to.
fn stands_in(path: &str, group: &str) -> bool {
    path.strip_prefix(group).is_some_and(|rest| rest.starts_with('/'))
}

/// What is logged for a statement: SHA-256 of the issuer-signed JWT, that is of an SD-JWT's ASCII text before its first `~`.
pub fn digest_of(jwt: &str) -> Digest {
    Digest::of(jwt.as_bytes())
}

/// A statement whose signature and disclosures hold.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedStatement {
    /// Its clear claims.
    pub claims: ClearClaims,
    /// The record as far as it is disclosed. Elements that are not leave no gap (RFC 9901 section 7.1): the second tool of a
    /// record, shown alone, is the first here.
    pub disclosed: Map<String, Value>,
    /// Digests, in what is shown, of what is not; decoys included.
    pub undisclosed: usize,
    /// What is logged for it.
    pub digest: Digest,
}

/// An Ed25519 key as other SD-JWT software wants it: a JSON Web Key (RFC 8037); `None` for a key of another algorithm.
pub fn public_jwk(key: &VerifyingKey) -> Option<Value> {
    let bytes = key.ed25519_bytes()?;
    Some(json!({
        "kty": "OKP", "crv": "Ed25519", "x": encode(bytes),
        "kid": key.id().to_string(), "alg": ALGORITHM, "use": "sig",
    }))
}

/// base64url without padding (RFC 7515 section 2).
fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a base64url text, which has one spelling: no padding, trailing bits zero.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
