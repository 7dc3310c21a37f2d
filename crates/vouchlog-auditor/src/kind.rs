//! What can be wrong with a log: the kinds of findings, with their stable codes.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How serious a finding is. A log with any finding is not clean; the severity tells how urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something needs an eye: it may be a fault, or only a delay.
    Warning,
    /// A rule of the log or of its formats was broken, or something that must be served is not.
    Serious,
    /// History was changed, or two histories were told.
    Critical,
}

impl Severity {
    /// For people: "it is …".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Warning => "a warning",
            Self::Serious => "serious",
            Self::Critical => "critical",
        }
    }
}

/// What a finding's evidence proves to a third party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proves {
    /// Signatures and proofs in the evidence show the fault by themselves: anyone with the log's keys can check it.
    Misconduct,
    /// The auditor saw it. That it was served so rests on the auditor's word.
    Observation,
}

/// Declares the kinds: name, stable code, severity, and the sentence that explains it.
macro_rules! finding_kinds {
    ($($(#[doc = $doc:literal])+ $name:ident $code:literal $severity:ident,)+) => {
        /// What is wrong. Codes are stable: programs match on them.
        ///
        /// The order is the order of causes: where several findings are one fault, the kind that stands first here explains
        /// those after it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl FindingKind {
            /// Every kind.
            pub const ALL: &'static [FindingKind] = &[$(FindingKind::$name,)+];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }
        }
    };
}

finding_kinds! {
    /// The log serves no checkpoint.
    MissingCheckpoint "missing-checkpoint" Serious,
    /// What is served as the checkpoint is none, or is that of another log.
    MalformedCheckpoint "malformed-checkpoint" Serious,
    /// The checkpoint is not signed by the log's key.
    BadLogSignature "bad-log-signature" Critical,
    /// A line names a witness's key and does not verify with it.
    ForgedCosignature "forged-cosignature" Serious,
    /// Too few witnesses cosigned the checkpoint.
    MissingQuorum "missing-quorum" Serious,
    /// Two checkpoints of one size have different roots.
    SplitView "split-view" Critical,
    /// The newer tree does not contain the older one.
    InconsistentHeads "inconsistent-heads" Critical,
    /// The log serves a smaller checkpoint than it did before.
    ShrunkenLog "shrunken-log" Critical,
    /// Others have seen a newer checkpoint, or the witnesses have not seen this one for long.
    StaleCheckpoint "stale-checkpoint" Warning,
    /// A tile is not served.
    MissingTile "missing-tile" Serious,
    /// A tile has another length than the checkpoint implies.
    TruncatedTile "truncated-tile" Serious,
    /// A tile does not fit the tile above it, or the signed root.
    TileParentMismatch "tile-parent-mismatch" Critical,
    /// An entry bundle is not served.
    MissingBundle "missing-bundle" Serious,
    /// A bundle ends before its last entry.
    TruncatedBundle "truncated-bundle" Serious,
    /// An entry is missing from its bundle, and those behind it moved up.
    RemovedEntry "removed-entry" Critical,
    /// A bundle has an entry that the tree has not.
    InsertedEntry "inserted-entry" Critical,
    /// A bundle has the right entries in another order.
    ReorderedEntries "reordered-entries" Critical,
    /// An entry is not the one whose hash is in the tree.
    AlteredEntry "altered-entry" Critical,
    /// The entries and tiles fit each other, but not the signed root.
    WrongRoot "wrong-root" Critical,
    /// The first entry is no genesis entry of this log, or another entry is one.
    BadGenesis "bad-genesis" Serious,
    /// An entry has no meaning in this log.
    UndecodableEntry "undecodable-entry" Serious,
    /// An enrolment or revocation is not by the operator, or contradicts an earlier one.
    BadEnrolment "bad-enrolment" Serious,
    /// A stream was opened by a key that was not enrolled.
    UnknownGateway "unknown-gateway" Serious,
    /// A withdrawn key opened a stream, or went on writing to one.
    RevokedKeyUsed "revoked-key-used" Serious,
    /// A stream's opening is not signed by its gateway, or its key opened another stream before.
    BadOpening "bad-opening" Serious,
    /// An opening names a predecessor that did not stop where it says.
    BadRestart "bad-restart" Serious,
    /// An entry belongs to a stream that was never opened.
    UnknownStream "unknown-stream" Serious,
    /// An entry belongs to a stream that was closed or succeeded before.
    EntryAfterClose "entry-after-close" Serious,
    /// A stream's statements do not follow one another.
    StreamGap "stream-gap" Critical,
    /// A stream's key signed two different histories of one size.
    StreamFork "stream-fork" Critical,
    /// A stream's head is not signed by the stream's key.
    ForgedHead "forged-head" Critical,
    /// What a gateway signed is not what the log has of its stream.
    HeadWithoutEntries "head-without-entries" Critical,
    /// An entry, or a stream's head, is older than the one before it.
    TimeGoingBack "time-going-back" Serious,
    /// A stream that should be alive has no fresh head.
    SilentStream "silent-stream" Warning,
}

impl FindingKind {
    /// The kind of a [`code`](Self::code).
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for FindingKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_code(&code).ok_or_else(|| D::Error::custom("no finding has this code"))
    }
}
