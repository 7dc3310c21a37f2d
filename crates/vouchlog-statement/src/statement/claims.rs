//! The JOSE header and the payload of a statement's JWT: exactly these members.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use vouchlog_note::KeyName;
use vouchlog_record::RecordId;
use vouchlog_stream::{Evidence, StatementKind, StreamId};

use super::{ClearClaims, DIGEST_ALGORITHM, DIGESTS, ELEMENT, JSON_TEXT, StatementError};
use crate::limits::{MAX_CLAIM_BYTES, MAX_ISSUED_AT};

/// The names of the clear claims.
pub(super) const CLEAR: [&str; 7] = ["iss", "iat", "jti", "kind", "stream", "evidence", "rules"];

/// Names that mean something to readers of JWTs: a record that had one at its top would be taken for rules of validity.
const REGISTERED: [&str; 5] = ["exp", "nbf", "aud", "sub", "cnf"];

/// Names that mean something anywhere in an SD-JWT, or here.
pub(super) const RESERVED: [&str; 4] = [DIGESTS, DIGEST_ALGORITHM, ELEMENT, JSON_TEXT];

/// Whether no member at the top of a record may have this name.
pub(super) fn is_taken(name: &str) -> bool {
    CLEAR.contains(&name) || REGISTERED.contains(&name) || RESERVED.contains(&name)
}

/// The JOSE header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: String,
    pub(super) typ: String,
}

/// The payload.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    iss: String,
    iat: u64,
    jti: String,
    kind: String,
    stream: u64,
    evidence: u32,
    rules: String,
    #[serde(rename = "_sd")]
    _digests: Vec<String>,
    #[serde(rename = "_sd_alg")]
    _hash_algorithm: String,
}

impl Payload {
    /// The clear claims, each checked.
    pub(super) fn claims(self) -> Result<ClearClaims, StatementError> {
        let wrong = |claim, problem| StatementError::Claim { claim, problem };
        let claims = ClearClaims {
            issuer: self.iss,
            issued_at: self.iat,
            record: RecordId::new(&self.jti).map_err(|_| wrong("jti", "it cannot name a record"))?,
            kind: StatementKind::from_name(&self.kind).ok_or(wrong("kind", "there is no such kind"))?,
            stream: StreamId::new(self.stream).ok_or(wrong("stream", "it is past 2^40"))?,
            evidence: Evidence::new(self.evidence).ok_or(wrong("evidence", "a bit has no meaning"))?,
            rules: self.rules,
        };
        claims.check()?;
        Ok(claims)
    }
}

impl ClearClaims {
    /// Checks what the types leave open.
    pub(super) fn check(&self) -> Result<(), StatementError> {
        let wrong = |claim, problem| Err(StatementError::Claim { claim, problem });
        if KeyName::new(&self.issuer).is_err() {
            return wrong("iss", "it is not the name of a key");
        }
        if self.issued_at > MAX_ISSUED_AT {
            return wrong("iat", "it is past 2^53");
        }
        let rules = &self.rules;
        if rules.is_empty() || rules.len() > MAX_CLAIM_BYTES || rules.chars().any(char::is_control) {
            return wrong("rules", "it is not one short line");
        }
        Ok(())
    }

    /// The claims as they stand in the payload.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        let values: [Value; CLEAR.len()] = [
            json!(self.issuer),
            json!(self.issued_at),
            json!(self.record.as_str()),
            json!(self.kind.name()),
            json!(self.stream.get()),
            json!(self.evidence.bits()),
            json!(self.rules),
        ];
        CLEAR.into_iter().map(str::to_owned).zip(values).collect()
    }
}
