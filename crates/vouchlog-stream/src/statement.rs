//! What a gateway states: a kind, an evidence bitmap and a digest; and the leaf it is in the gateway's own tree.

use std::fmt;

use vouchlog_merkle::{Hash, leaf_hash};

use crate::{EntryError, StreamId};

/// What a statement is about. The byte is the first of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum StatementKind {
    /// Before the upstream call: what is about to happen.
    Intent = 0x01,
    /// An interaction and its outcome.
    Interaction = 0x02,
    /// A session ended with this many records.
    SessionSeal = 0x03,
    /// Policy bundle, tool definitions or model list in force from here on.
    Configuration = 0x04,
    /// A credential was issued, rotated or revoked.
    CredentialEvent = 0x05,
    /// Evidence was read.
    Disclosure = 0x06,
    /// Evidence was erased lawfully.
    Erasure = 0x07,
    /// The gateway says that it lost records, and how many.
    DeclaredLoss = 0x08,
    /// An auditor's finding.
    Finding = 0x09,
    /// The gateway's own account of an interval: what it took, made, refused and lost.
    Heartbeat = 0x0a,
    /// A legal hold was placed or lifted.
    Hold = 0x0b,
    /// A salted commitment whose meaning the log does not know.
    Opaque = 0x0f,
}

impl StatementKind {
    /// Every kind, in the order of its byte.
    pub const ALL: [StatementKind; 12] = [
        StatementKind::Intent,
        StatementKind::Interaction,
        StatementKind::SessionSeal,
        StatementKind::Configuration,
        StatementKind::CredentialEvent,
        StatementKind::Disclosure,
        StatementKind::Erasure,
        StatementKind::DeclaredLoss,
        StatementKind::Finding,
        StatementKind::Heartbeat,
        StatementKind::Hold,
        StatementKind::Opaque,
    ];

    /// The kind of a byte, or `None` when no statement kind has it.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The byte of the kind.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The name used in JSON, on the command line and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Interaction => "interaction",
            Self::SessionSeal => "session-seal",
            Self::Configuration => "configuration",
            Self::CredentialEvent => "credential-event",
            Self::Disclosure => "disclosure",
            Self::Erasure => "erasure",
            Self::DeclaredLoss => "declared-loss",
            Self::Finding => "finding",
            Self::Heartbeat => "heartbeat",
            Self::Hold => "hold",
            Self::Opaque => "opaque",
        }
    }

    /// The kind of a [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which evidence the gateway claims the record holds, 32 bits; 0 is no claim.
///
/// ```text
/// 0 initiator   1 verified session   2 device             3 workload identity   4 credential window
/// 5 credential status checked        6 grant              7 approval/override   8 policy decision
/// 9 policy pinned   10 data class    11 served model      12 input committed    13 output committed
/// 14 tool calls     15 downstream calls                   16 outcome            20 sampled or lossy source
/// 22-23 profile (1 low-risk, 2 regulated, 3 privileged)
/// 24-25 credential valid at the moment (0 unknown, 1 yes, 2 no)
/// 26 attributable   27 complete      all others zero
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Evidence(u32);

impl Evidence {
    /// No claim.
    pub const NONE: Evidence = Evidence(0);
    /// The bits that have a meaning.
    pub const DEFINED: u32 = 0x0fd1_ffff;

    /// The bits that stand for one thing each, with their names. Bits 0 to 16 are groups that a record has.
    pub const NAMES: [(u32, &'static str); 20] = [
        (0, "initiator"),
        (1, "verified session"),
        (2, "device"),
        (3, "workload identity"),
        (4, "credential window"),
        (5, "credential status checked"),
        (6, "grant"),
        (7, "approval or override"),
        (8, "policy decision"),
        (9, "policy pinned"),
        (10, "data class"),
        (11, "served model"),
        (12, "input committed"),
        (13, "output committed"),
        (14, "tool calls"),
        (15, "downstream calls"),
        (16, "outcome"),
        (20, "sampled or lossy source"),
        (26, "attributable"),
        (27, "complete"),
    ];
    /// Values of fields of two bits: shift, value, name.
    const FIELD_NAMES: [(u32, u32, &'static str); 5] = [
        (22, 1, "profile low-risk"),
        (22, 2, "profile regulated"),
        (22, 3, "profile privileged"),
        (24, 1, "credential valid at the moment"),
        (24, 2, "credential not valid at the moment"),
    ];

    /// What it claims, in words, in the order of the bits.
    pub fn names(self) -> Vec<&'static str> {
        let bits = Self::NAMES.into_iter().map(|(bit, name)| (bit, 1, 1, name));
        let fields = Self::FIELD_NAMES.into_iter().map(|(shift, value, name)| (shift, 0b11, value, name));
        let mut named: Vec<_> =
            bits.chain(fields).filter(|(shift, mask, value, _)| self.0 >> shift & mask == *value).collect();
        named.sort_unstable_by_key(|(shift, ..)| *shift);
        named.into_iter().map(|(.., name)| name).collect()
    }

    /// The bitmap, if it uses only defined bits and makes at most one statement about the credential.
    pub const fn new(bits: u32) -> Option<Self> {
        let credential_valid_at_the_moment = (bits >> 24) & 0b11;
        if bits & !Self::DEFINED != 0 || credential_valid_at_the_moment == 3 {
            None
        } else {
            Some(Self(bits))
        }
    }

    /// Whether it claims that the credential was valid at the moment.
    pub const fn claims_valid_credential(self) -> bool {
        (self.0 >> 24) & 0b11 == 1
    }

    /// The plain bits.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// What is logged: SHA-256 of a statement, or any other salted 32-byte commitment. Unlike a
/// [`Hash`](vouchlog_merkle::Hash) it is not a node of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Bytes of a digest.
    pub const LEN: usize = 32;

    /// Wraps 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// SHA-256 of `content`. A digest of guessable content must be salted by the caller: anyone who can guess the content
    /// can otherwise find it in a public log.
    pub fn of(content: &[u8]) -> Self {
        Self(*vouchlog_merkle::sha256(content).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hash::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = EntryError;

    /// Reads 64 lowercase hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, EntryError> {
        let hash: Hash = text.parse().map_err(|_| EntryError::Digest)?;
        Ok(Self(*hash.as_bytes()))
    }
}

/// One statement of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// What it is about.
    pub kind: StatementKind,
    /// Which evidence the gateway claims the record holds.
    pub evidence: Evidence,
    /// What is committed to.
    pub digest: Digest,
}

impl Statement {
    /// Bytes of a statement as leaf data of the gateway's own tree.
    pub const LEAF_BYTES: usize = 37;

    /// The leaf data in the gateway's tree: `kind[1] || evidence[4] || digest[32]`.
    pub fn leaf_data(&self) -> [u8; Self::LEAF_BYTES] {
        let mut out = [0; Self::LEAF_BYTES];
        out[0] = self.kind.byte();
        out[1..5].copy_from_slice(&self.evidence.bits().to_be_bytes());
        out[5..].copy_from_slice(self.digest.as_bytes());
        out
    }

    /// Reads [`leaf_data`](Self::leaf_data) back.
    pub fn from_leaf_data(data: &[u8; Self::LEAF_BYTES]) -> Result<Self, EntryError> {
        let [kind, e0, e1, e2, e3, digest @ ..] = *data;
        let bits = u32::from_be_bytes([e0, e1, e2, e3]);
        Ok(Self {
            kind: StatementKind::from_byte(kind).ok_or(EntryError::Kind(kind))?,
            evidence: Evidence::new(bits).ok_or(EntryError::Evidence(bits))?,
            digest: Digest::from_bytes(digest),
        })
    }

    /// The statement's leaf hash in the gateway's tree (not in the log's).
    pub fn stream_leaf_hash(&self) -> Hash {
        leaf_hash(&self.leaf_data())
    }
}

/// The origin of a stream's checkpoints: `<log origin>/stream/<stream>`.
pub fn stream_origin(log_origin: &str, stream: StreamId) -> String {
    format!("{log_origin}/stream/{stream}")
}
