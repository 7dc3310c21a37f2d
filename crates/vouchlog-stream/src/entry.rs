//! The bytes of a log entry. Integers are big-endian; the entry's leaf hash is SHA-256(0x00 || entry).
//!
//! A statement entry has 54 bytes; with the 0x00 prefix of its leaf hash 55, the most that fits one block of SHA-256:
//!
//! ```text
//!  0     1            7         12           18           22                                54
//!  +-----+------------+---------+------------+------------+---------------------------------+
//!  | kind| logged_at  | stream  | sequence   | evidence   | digest                          |
//!  |  1  |     6      |    5    |     6      |     4      |   32                            |
//!  +-----+------------+---------+------------+------------+---------------------------------+
//! ```
//!
//! A control entry has the high bit of its kind set and a body that ends with the entry:
//!
//! ```text
//!  +-----+------------+--------------------------------------------------------------------+
//!  | kind| logged_at  | body                                                               |
//!  |  1  |     6      | 0x80 genesis            signed note                                |
//!  +-----+------------+ 0x81 stream opened      signed note                                |
//!                     | 0x82 stream head        stream (5), the stream's signed checkpoint |
//!                     | 0x83 stream closed      stream (5), the stream's signed checkpoint |
//!                     | 0x84 gateway enrolled   signed note                                |
//!                     | 0x85 gateway revoked    signed note                                |
//!                     | 0x88 quota set          signed note                                |
//!                     | 0x89 operator changed   signed note                                |
//!                     | 0x8a witness rotated    cosigned note                              |
//!                     | 0x8b log retired        signed note                                |
//!                     | 0x8c log continued      signed note, which holds a proof file      |
//!                     | 0x8d log pruned         signed note                                |
//!                     +--------------------------------------------------------------------+
//! ```
//!
//! The decoder checks the frame; a note's content and signer are checked by its reader ([`crate::Genesis`] and the
//! others), because that takes keys.

use crate::limits::{MAX_CONTINUATION_BYTES, MAX_ENTRY_BYTES, MAX_NOTE_BYTES};
use crate::{EntryError, LoggedAt, SequenceNumber, Statement, StreamId};

const GENESIS: u8 = 0x80;
const STREAM_OPENED: u8 = 0x81;
const STREAM_HEAD: u8 = 0x82;
const STREAM_CLOSED: u8 = 0x83;
const GATEWAY_ENROLLED: u8 = 0x84;
const GATEWAY_REVOKED: u8 = 0x85;
const QUOTA_SET: u8 = 0x88;
const OPERATOR_CHANGED: u8 = 0x89;
const WITNESS_ROTATED: u8 = 0x8a;
const LOG_RETIRED: u8 = 0x8b;
const LOG_CONTINUED: u8 = 0x8c;
const LOG_PRUNED: u8 = 0x8d;

/// Bytes before the body of a control entry: kind and time.
const CONTROL_HEADER: usize = 1 + LoggedAt::BYTES;

/// A statement as the log took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatementEntry {
    /// When the log took it.
    pub logged_at: LoggedAt,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place in the stream.
    pub sequence: SequenceNumber,
    /// What was stated.
    pub statement: Statement,
}

impl StatementEntry {
    /// Bytes of every statement entry.
    pub const BYTES: usize = 54;

    /// The bytes of the entry.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let leaf = self.statement.leaf_data();
        let mut out = [0; Self::BYTES];
        out[0] = leaf[0];
        out[1..7].copy_from_slice(&self.logged_at.field());
        out[7..12].copy_from_slice(&self.stream.field());
        out[12..18].copy_from_slice(&self.sequence.field());
        out[18..].copy_from_slice(&leaf[1..]);
        out
    }

    fn from_bytes(bytes: &[u8; Self::BYTES]) -> Result<Self, EntryError> {
        let mut leaf = [0; Statement::LEAF_BYTES];
        leaf[0] = bytes[0];
        leaf[1..].copy_from_slice(&bytes[18..]);
        Ok(Self {
            logged_at: LoggedAt::from_field(&part(bytes, 1)),
            stream: StreamId::from_field(&part(bytes, 7)),
            sequence: SequenceNumber::from_field(&part(bytes, 12)),
            statement: Statement::from_leaf_data(&leaf)?,
        })
    }
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A gateway's statement.
    Statement(StatementEntry),
    /// 0x80: the first entry of every log, signed by the log.
    Genesis {
        /// When the log was created.
        logged_at: LoggedAt,
        /// A [`Genesis`](crate::Genesis) note.
        note: String,
    },
    /// 0x81: a gateway opened a stream; the entry's index is the stream's name.
    StreamOpened {
        /// When the log took it.
        logged_at: LoggedAt,
        /// A [`StreamOpening`](crate::StreamOpening) note.
        note: String,
    },
    /// 0x82: what a gateway signed as the head of its stream.
    StreamHead {
        /// When the log took it.
        logged_at: LoggedAt,
        /// The stream.
        stream: StreamId,
        /// The stream's checkpoint, cosigned by the stream key.
        note: String,
    },
    /// 0x83: the last head of a stream; nothing of it follows.
    StreamClosed {
        /// When the log took it.
        logged_at: LoggedAt,
        /// The stream.
        stream: StreamId,
        /// The stream's checkpoint, cosigned by the stream key.
        note: String,
    },
    /// 0x84: the operator lets a gateway's key open streams.
    GatewayEnrolled {
        /// When the log took it.
        logged_at: LoggedAt,
        /// An [`Enrolment`](crate::Enrolment) note.
        note: String,
    },
    /// 0x85: the operator withdraws a gateway's key.
    GatewayRevoked {
        /// When the log took it.
        logged_at: LoggedAt,
        /// A [`Revocation`](crate::Revocation) note.
        note: String,
    },
    /// 0x88: the operator bounds what gateways may log in a day.
    QuotaSet {
        /// When the log took it.
        logged_at: LoggedAt,
        /// A [`Quota`](crate::Quota) note.
        note: String,
    },
    /// 0x89: the operator has another key, or names the key that recovers it.
    OperatorChanged {
        /// When the log took it.
        logged_at: LoggedAt,
        /// An [`OperatorNote`](crate::OperatorNote).
        note: String,
    },
    /// 0x8a: a witness has another key.
    WitnessRotated {
        /// When the log took it.
        logged_at: LoggedAt,
        /// A [`WitnessRotation`](crate::WitnessRotation) note.
        note: String,
    },
    /// 0x8b: the log ends; nothing follows.
    LogRetired {
        /// When the log took it.
        logged_at: LoggedAt,
        /// A [`Retirement`](crate::Retirement) note.
        note: String,
    },
    /// 0x8c: the log continues one that ended. Entry 1, or there is none.
    LogContinued {
        /// When the log took it.
        logged_at: LoggedAt,
        /// A [`Continuation`](crate::Continuation) note.
        note: String,
    },
    /// 0x8d: the log gives up entries below an index.
    LogPruned {
        /// When the log took it.
        logged_at: LoggedAt,
        /// A [`Pruning`](crate::Pruning) note.
        note: String,
    },
}

impl Entry {
    /// When the log took the entry.
    pub fn logged_at(&self) -> LoggedAt {
        match self {
            Self::Statement(statement) => statement.logged_at,
            Self::Genesis { logged_at, .. }
            | Self::StreamOpened { logged_at, .. }
            | Self::StreamHead { logged_at, .. }
            | Self::StreamClosed { logged_at, .. }
            | Self::GatewayEnrolled { logged_at, .. }
            | Self::GatewayRevoked { logged_at, .. }
            | Self::QuotaSet { logged_at, .. }
            | Self::OperatorChanged { logged_at, .. }
            | Self::WitnessRotated { logged_at, .. }
            | Self::LogRetired { logged_at, .. }
            | Self::LogContinued { logged_at, .. }
            | Self::LogPruned { logged_at, .. } => *logged_at,
        }
    }

    /// The name of the entry's kind, for people.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Statement(statement) => statement.statement.kind.name(),
            Self::Genesis { .. } => "genesis",
            Self::StreamOpened { .. } => "stream-opened",
            Self::StreamHead { .. } => "stream-head",
            Self::StreamClosed { .. } => "stream-closed",
            Self::GatewayEnrolled { .. } => "gateway-enrolled",
            Self::GatewayRevoked { .. } => "gateway-revoked",
            Self::QuotaSet { .. } => "quota-set",
            Self::OperatorChanged { .. } => "operator-changed",
            Self::WitnessRotated { .. } => "witness-rotated",
            Self::LogRetired { .. } => "log-retired",
            Self::LogContinued { .. } => "log-continued",
            Self::LogPruned { .. } => "log-pruned",
        }
    }

    /// The bytes of the entry.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, stream, note) = match self {
            Self::Statement(statement) => return statement.to_bytes().to_vec(),
            Self::Genesis { note, .. } => (GENESIS, None, note),
            Self::StreamOpened { note, .. } => (STREAM_OPENED, None, note),
            Self::StreamHead { stream, note, .. } => (STREAM_HEAD, Some(stream), note),
            Self::StreamClosed { stream, note, .. } => (STREAM_CLOSED, Some(stream), note),
            Self::GatewayEnrolled { note, .. } => (GATEWAY_ENROLLED, None, note),
            Self::GatewayRevoked { note, .. } => (GATEWAY_REVOKED, None, note),
            Self::QuotaSet { note, .. } => (QUOTA_SET, None, note),
            Self::OperatorChanged { note, .. } => (OPERATOR_CHANGED, None, note),
            Self::WitnessRotated { note, .. } => (WITNESS_ROTATED, None, note),
            Self::LogRetired { note, .. } => (LOG_RETIRED, None, note),
            Self::LogContinued { note, .. } => (LOG_CONTINUED, None, note),
            Self::LogPruned { note, .. } => (LOG_PRUNED, None, note),
        };
        let mut out = Vec::with_capacity(CONTROL_HEADER + StreamId::BYTES + note.len());
        out.push(kind);
        out.extend_from_slice(&self.logged_at().field());
        if let Some(stream) = stream {
            out.extend_from_slice(&stream.field());
        }
        out.extend_from_slice(note.as_bytes());
        out
    }

    /// Reads an entry; the inverse of [`encode`](Self::encode).
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::Length { kind: bytes[0], length: bytes.len() });
        }
        let Some(&kind) = bytes.first() else { return Err(EntryError::Empty) };
        if kind & 0x80 == 0 {
            let fixed = bytes.try_into().map_err(|_| EntryError::Length { kind, length: bytes.len() })?;
            return StatementEntry::from_bytes(fixed).map(Self::Statement);
        }
        let truncated = EntryError::Length { kind, length: bytes.len() };
        let (header, body) = bytes.split_at_checked(CONTROL_HEADER).ok_or(truncated.clone())?;
        let logged_at = LoggedAt::from_field(&part(header, 1));
        match kind {
            GENESIS => Ok(Self::Genesis { logged_at, note: note(body)? }),
            STREAM_OPENED => Ok(Self::StreamOpened { logged_at, note: note(body)? }),
            GATEWAY_ENROLLED => Ok(Self::GatewayEnrolled { logged_at, note: note(body)? }),
            GATEWAY_REVOKED => Ok(Self::GatewayRevoked { logged_at, note: note(body)? }),
            QUOTA_SET => Ok(Self::QuotaSet { logged_at, note: note(body)? }),
            OPERATOR_CHANGED => Ok(Self::OperatorChanged { logged_at, note: note(body)? }),
            WITNESS_ROTATED => Ok(Self::WitnessRotated { logged_at, note: note(body)? }),
            LOG_RETIRED => Ok(Self::LogRetired { logged_at, note: note(body)? }),
            LOG_PRUNED => Ok(Self::LogPruned { logged_at, note: note(body)? }),
            LOG_CONTINUED => {
                Ok(Self::LogContinued { logged_at, note: note_within(MAX_CONTINUATION_BYTES, body)? })
            }
            STREAM_HEAD | STREAM_CLOSED => {
                let (stream, rest) = body.split_at_checked(StreamId::BYTES).ok_or(truncated)?;
                let stream = StreamId::from_field(&part(stream, 0));
                let note = note(rest)?;
                Ok(if kind == STREAM_HEAD {
                    Self::StreamHead { logged_at, stream, note }
                } else {
                    Self::StreamClosed { logged_at, stream, note }
                })
            }
            _ => Err(EntryError::Kind(kind)),
        }
    }
}

/// The `N` bytes at `at`. Callers pass an offset inside a length they have checked.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// The body as text that looks like a signed note. An empty or unterminated body is rejected here, so that a control entry
/// cannot be empty of meaning; the note's own reader checks the rest.
fn note(body: &[u8]) -> Result<String, EntryError> {
    note_within(MAX_NOTE_BYTES, body)
}

fn note_within(limit: usize, body: &[u8]) -> Result<String, EntryError> {
    if body.len() > limit {
        return Err(EntryError::NoteLength(body.len()));
    }
    let text = std::str::from_utf8(body).map_err(|_| EntryError::NoteText)?;
    if !text.ends_with('\n') || !text.contains("\n\n") {
        return Err(EntryError::NoteText);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
