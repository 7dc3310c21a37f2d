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

/// Declares the kinds: name, stable code, severity, the rule of `vouchlog-grading` that it breaks, and the sentence that explains it.
macro_rules! finding_kinds {
    ($(#[doc = $doc:literal] $name:ident $code:literal $severity:ident $rule:literal,)+) => {
        /// What is wrong. Codes are stable: programs match on them.
        ///
        /// The order is the order of causes: where several findings are one fault, the kind that stands first here explains
        /// those after it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingKind {
            $(#[doc = $doc] $name,)+
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

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $doc.trim_ascii(),)+ }
            }

            /// The code of the rule that it breaks, as docs/evidence.md explains it. Several kinds may break one rule.
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule,)+ }
            }
        }
    };
}

finding_kinds! {
    /// The log serves no checkpoint.
    MissingCheckpoint "missing-checkpoint" Serious "R74",
    /// What is served as the checkpoint is none, or is that of another log.
    MalformedCheckpoint "malformed-checkpoint" Serious "R74",
    /// The checkpoint is not signed by the log's key.
    BadLogSignature "bad-log-signature" Critical "R74",
    /// A line names a witness's key and does not verify with it.
    ForgedCosignature "forged-cosignature" Serious "R75",
    /// Too few witnesses cosigned the checkpoint.
    MissingQuorum "missing-quorum" Serious "R75",
    /// Two checkpoints of one size have different roots.
    SplitView "split-view" Critical "R74",
    /// The newer tree does not contain the older one.
    InconsistentHeads "inconsistent-heads" Critical "R74",
    /// The log serves a smaller checkpoint than it did before.
    ShrunkenLog "shrunken-log" Critical "R74",
    /// The log has ended, and its key signed a larger tree.
    HeadAfterRetirement "head-after-retirement" Critical "R74",
    /// The log signed a tree of more entries than any log can have.
    ImpossibleSize "impossible-size" Critical "R74",
    /// Others have seen a newer checkpoint, or the witnesses have not seen this one for long.
    StaleCheckpoint "stale-checkpoint" Warning "R75",
    /// A tile is not served.
    MissingTile "missing-tile" Serious "R74",
    /// A tile has another length than the checkpoint implies.
    TruncatedTile "truncated-tile" Serious "R74",
    /// A tile does not fit the tile above it, or the signed root.
    TileParentMismatch "tile-parent-mismatch" Critical "R74",
    /// An entry bundle is not served.
    MissingBundle "missing-bundle" Serious "R74",
    /// A bundle ends before its last entry.
    TruncatedBundle "truncated-bundle" Serious "R74",
    /// An entry is missing from its bundle, and those behind it moved up.
    RemovedEntry "removed-entry" Critical "R74",
    /// A bundle has an entry that the tree has not.
    InsertedEntry "inserted-entry" Critical "R74",
    /// A bundle has the right entries in another order.
    ReorderedEntries "reordered-entries" Critical "R74",
    /// An entry is not the one whose hash is in the tree.
    AlteredEntry "altered-entry" Critical "R74",
    /// The entries and tiles fit each other, but not the signed root.
    WrongRoot "wrong-root" Critical "R74",
    /// The first entry is no genesis entry of this log, or another entry is one.
    BadGenesis "bad-genesis" Serious "R74",
    /// An entry has no meaning in this log.
    UndecodableEntry "undecodable-entry" Serious "R74",
    /// An entry follows the retirement of the log.
    EntryAfterRetirement "entry-after-retirement" Critical "R74",
    /// A retirement is not signed by the log and its successor, or a log names its predecessor without proof or not in its second entry.
    BadSuccession "bad-succession" Serious "R74",
    /// An enrolment, revocation or quota is not by the operator, or contradicts an earlier one.
    BadEnrolment "bad-enrolment" Serious "R76",
    /// A second key was enrolled under a gateway's name, and neither the first key's signature nor the operator's reason is there.
    SecondKeyForAName "second-key-for-a-name" Serious "R76",
    /// The operator's key was changed by another than the key in force or the recovery key, or to a key that it had before.
    BadOperatorChange "bad-operator-change" Serious "R76",
    /// An enrolment, revocation or quota is signed by a key of the operator that another had replaced.
    RetiredOperatorKey "retired-operator-key" Serious "R76",
    /// The rotation of a witness's key is not signed by both keys, or another rotation of that key is in the log.
    BadWitnessRotation "bad-witness-rotation" Serious "R75",
    /// A stream was opened by a key that was not enrolled.
    UnknownGateway "unknown-gateway" Serious "R76",
    /// A revoked key opened a stream or went on writing to one, or a replaced key opened one.
    RevokedKeyUsed "revoked-key-used" Serious "R76",
    /// A stream's opening is not signed by its gateway, or its key opened another stream before.
    BadOpening "bad-opening" Serious "R62",
    /// An opening names a predecessor that did not stop where it says.
    BadRestart "bad-restart" Serious "R62",
    /// An entry belongs to a stream that was never opened.
    UnknownStream "unknown-stream" Serious "R62",
    /// An entry belongs to a stream that was closed or succeeded before.
    EntryAfterClose "entry-after-close" Serious "R62",
    /// A stream's statements do not follow one another.
    StreamGap "stream-gap" Critical "R60",
    /// A stream's key signed two different histories of one size.
    StreamFork "stream-fork" Critical "R61",
    /// A stream's head is not signed by the stream's key.
    ForgedHead "forged-head" Critical "R64",
    /// What a gateway signed is not what the log has of its stream.
    HeadWithoutEntries "head-without-entries" Critical "R64",
    /// An entry, or a stream's head, is older than the one before it.
    TimeGoingBack "time-going-back" Serious "R57",
    /// A stream that should be alive has no fresh head.
    SilentStream "silent-stream" Warning "R63",
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
