//! What is kept of a record, and what is known without decrypting it.

use std::fmt;

use vouchlog_merkle::LeafIndex;
use vouchlog_record::{Facet, RecordId};
use vouchlog_stream::{
    Digest, Evidence, LogPlace, LoggedAt, SequenceNumber, Statement, StatementKind, StreamId,
};

use crate::limits::{
    MAX_CONTENT_BYTES, MAX_FACETS, MAX_JWT_BYTES, MAX_METADATA_BYTES, MAX_NAME_BYTES, MAX_SUBJECTS,
    MAX_VALUE_BYTES,
};
use crate::{Result, VaultError};

/// A record to keep. Times are milliseconds since 1970-01-01 UTC, here and everywhere in the vault.
#[derive(Clone, PartialEq, Eq)]
pub struct KeepRecord {
    /// Its name, the `jti` of its statement.
    pub id: RecordId,
    /// What it is about.
    pub kind: StatementKind,
    /// Whose it is. Each tenant has keys of its own. In clear.
    pub tenant: String,
    /// The stream its statement was made for.
    pub stream: StreamId,
    /// What the statement claims.
    pub evidence: Evidence,
    /// What is logged: SHA-256 of `jwt`.
    pub digest: Digest,
    /// The signed statement without disclosures. In clear: its claims are public ones and salted digests.
    pub jwt: String,
    /// Disclosures of everything but content. Encrypted.
    pub metadata: Vec<u8>,
    /// Disclosures of prompts, answers, arguments. Encrypted under another key.
    pub content: Vec<u8>,
    /// What it is found by. Kept as keyed pseudonyms.
    pub facets: Vec<(Facet, String)>,
    /// The persons whose data it is. Kept as keyed pseudonyms; the key of each is needed to read the record.
    pub subjects: Vec<String>,
    /// When the interaction began.
    pub started_at: i64,
    /// How long it must be kept.
    pub retention: Retention,
    /// The record it corrects or completes.
    pub amends: Option<RecordId>,
}

/// How long a record must be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Name of a class; one that [`set_retention`](crate::Vault::set_retention) knows extends `until` to its minimum.
    pub class: String,
    /// Until when there is a duty to keep it. It is refused to be erased before, and due to be after.
    pub until: Option<i64>,
}

impl KeepRecord {
    /// What the log gets of it.
    pub fn statement(&self) -> Statement {
        Statement { kind: self.kind, evidence: self.evidence, digest: self.digest }
    }

    /// Bytes that count against the bounds of a call.
    pub(crate) fn bytes(&self) -> usize {
        self.jwt.len() + self.metadata.len() + self.content.len()
    }

    /// Refuses what is too large or cannot be stored alike in every database.
    pub(crate) fn check(&self) -> Result<()> {
        check_name("a tenant", &self.tenant)?;
        if !self.retention.class.is_empty() {
            check_name("a retention class", &self.retention.class)?;
        }
        let sizes = [
            ("signed statement", self.jwt.len(), MAX_JWT_BYTES),
            ("metadata", self.metadata.len(), MAX_METADATA_BYTES),
            ("content", self.content.len(), MAX_CONTENT_BYTES),
            ("list of facets", self.facets.len(), MAX_FACETS),
            ("list of subjects", self.subjects.len(), MAX_SUBJECTS),
        ];
        for (what, has, most) in sizes {
            if has > most {
                return Err(VaultError::invalid(format!(
                    "record {}: the {what} has {has} of at most {most}",
                    self.id
                )));
            }
        }
        let values = self.facets.iter().map(|(_, value)| value).chain(&self.subjects);
        if values.into_iter().any(|value| value.len() > MAX_VALUE_BYTES) {
            let why = format!("record {}: a facet or subject has more than {MAX_VALUE_BYTES} bytes", self.id);
            return Err(VaultError::invalid(why));
        }
        if self.jwt.is_empty() || !self.jwt.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(VaultError::invalid(format!("record {}: its statement is not a JWT", self.id)));
        }
        Ok(())
    }
}

/// Whether something can be a name: those are shown to people and stored in clear, so they are printable, and of some length.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
}

pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    if !is_name(name) {
        return Err(VaultError::invalid(format!(
            "{what} has a name of 1 to {MAX_NAME_BYTES} bytes without control characters"
        )));
    }
    Ok(())
}

impl fmt::Debug for KeepRecord {
    /// Names and sizes; never what the record says, nor whom it is about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepRecord")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("tenant", &self.tenant)
            .field("digest", &self.digest)
            .field("metadata_bytes", &self.metadata.len())
            .field("content_bytes", &self.content.len())
            .field("facets", &self.facets.len())
            .field("subjects", &self.subjects.len())
            .finish_non_exhaustive()
    }
}

/// Where a kept statement is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The statement's digest.
    pub digest: Digest,
    /// The entry's index.
    pub index: LeafIndex,
    /// The stream that has it.
    pub stream: StreamId,
    /// Its place in the stream.
    pub sequence: SequenceNumber,
    /// When the log took it.
    pub logged_at: LoggedAt,
    /// The proof file: C2SP tlog-proof text.
    pub proof: String,
}

/// What ties a stream to its gateway, for presentations that a stranger checks offline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamProofs {
    /// The stream.
    pub stream: StreamId,
    /// The vkey of the gateway that opened it.
    pub gateway: String,
    /// Proof file of the entry that opened it.
    pub opening: String,
    /// Proof file of the gateway's enrolment, where the log asks for one.
    pub enrolment: Option<String>,
    /// Proof file of the log's first entry.
    pub genesis: Option<String>,
}

/// What is known of a record without decrypting it. It stays when the record is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The order in which records were kept.
    pub(crate) n: i64,
    /// Its name.
    pub id: RecordId,
    /// What it is about.
    pub kind: StatementKind,
    /// Whose it is.
    pub tenant: String,
    /// What is logged.
    pub digest: Digest,
    /// What the statement claims.
    pub evidence: Evidence,
    /// The stream its statement was made for.
    pub stream: StreamId,
    /// When the interaction began.
    pub started_at: i64,
    /// When the vault took it.
    pub kept_at: i64,
    /// Where the log has it, once it has.
    pub place: Option<LogPlace>,
    /// That it was erased, or is about to be.
    pub erased: Option<Erasure>,
    /// How long it must be kept.
    pub retention: Retention,
    /// A legal hold it is under; one of them if there are several.
    pub hold: Option<String>,
    /// The record it corrects or completes.
    pub amends: Option<RecordId>,
}

impl Row {
    /// The place after this row, for the next page of the same query.
    pub fn cursor(&self) -> crate::Cursor {
        crate::Cursor { started_at: self.started_at, n: self.n }
    }

    /// What the log gets of it.
    pub fn statement(&self) -> Statement {
        Statement { kind: self.kind, evidence: self.evidence, digest: self.digest }
    }
}

/// Why a record cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The record that says so, of kind `erasure`.
    pub record: RecordId,
    /// When it was begun; from then on the record is not readable.
    pub at: i64,
    /// Whether its keys and ciphertexts are destroyed. If not, [`finish_erasure`](crate::Vault::finish_erasure) was cut short.
    pub finished: bool,
    /// Where the log has the erasure, once it has.
    pub index: Option<LeafIndex>,
    /// Why it was lawful.
    pub basis: String,
    /// What was asked for: `record`, `subject` or `retention`. Never whose data it was.
    pub scope: String,
}
