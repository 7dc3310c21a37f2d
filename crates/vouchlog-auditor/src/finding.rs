//! What can be wrong with a log: kinds of findings with their stable codes, where each is, and what it proves.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchlog_merkle::{TileId, TilePath};
use vouchlog_stream::StreamId;

use crate::evidence::{EvidenceFile, Lead};
use crate::limits::MAX_FINDINGS_PER_KIND;

/// How bad it is. A log with any finding is not clean; the rest is for whoever is woken at night.
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

/// What a finding's evidence is worth to somebody who was not there.
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
    /// A stream was opened by a key that nobody enrolled.
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

/// Where something is wrong. What does not apply is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Size of the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// Index of the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// Path of the tile or bundle, as C2SP tlog-tiles spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<String>,
    /// The stream, by the index of its opening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u64>,
}

impl Place {
    /// A checkpoint.
    pub(crate) fn checkpoint(size: u64) -> Self {
        Self { checkpoint: Some(size), ..Self::default() }
    }

    /// An entry.
    pub(crate) fn entry(index: u64) -> Self {
        Self { entry: Some(index), ..Self::default() }
    }

    /// A tile.
    pub(crate) fn tile(id: TileId, width: u16) -> Self {
        Self { tile: Some(TilePath::Hashes { tile: id, width }.to_string()), ..Self::default() }
    }

    /// An entry bundle.
    pub(crate) fn bundle(index: u64, width: u16) -> Self {
        Self { tile: Some(TilePath::Entries { index, width }.to_string()), ..Self::default() }
    }

    /// A stream.
    pub(crate) fn stream(id: StreamId) -> Self {
        Self { stream: Some(id.get()), ..Self::default() }
    }

    /// The same place, at an entry.
    pub(crate) fn at(self, index: u64) -> Self {
        Self { entry: Some(index), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.checkpoint.map(|size| format!("checkpoint of size {size}")));
        parts.extend(self.entry.map(|index| format!("entry {index}")));
        parts.extend(self.stream.map(|stream| format!("stream {stream}")));
        parts.extend(self.tile.clone());
        if parts.is_empty() { f.write_str("the log") } else { f.write_str(&parts.join(", ")) }
    }
}

/// Something wrong with a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// How bad.
    pub severity: Severity,
    /// What its evidence is worth to a stranger.
    pub proves: Proves,
    /// What is wrong, for people.
    pub words: String,
    /// Where.
    pub place: Place,
    /// The place, in the list of findings, of the one that explains this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows_from: Option<usize>,
    /// Further irregularities that this one explains, and that are not listed.
    pub consequences: u64,
    /// What shows it.
    pub evidence: EvidenceFile,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.kind, self.place, self.words)
    }
}

/// A finding in the making: what evidence of it would need is noted, but not fetched yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suspicion {
    pub(crate) kind: FindingKind,
    pub(crate) place: Place,
    pub(crate) words: String,
    pub(crate) cause: Option<usize>,
    pub(crate) consequences: u64,
    pub(crate) lead: Lead,
}

/// Names a suspicion among those found so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cause(pub(crate) usize);

/// What was found so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suspicions {
    pub(crate) list: Vec<Suspicion>,
    pub(crate) counts: BTreeMap<FindingKind, u64>,
}

impl Suspicions {
    /// Adds one. Beyond [`MAX_FINDINGS_PER_KIND`] it is only counted, and its words are not made.
    pub(crate) fn add(
        &mut self,
        kind: FindingKind,
        place: Place,
        lead: Lead,
        words: impl FnOnce() -> String,
    ) -> Cause {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count > MAX_FINDINGS_PER_KIND as u64 {
            let same = self.list.iter().rposition(|suspicion| suspicion.kind == kind);
            return Cause(same.expect("the first ones of a kind are listed"));
        }
        self.list.push(Suspicion { kind, place, words: words(), cause: None, consequences: 0, lead });
        Cause(self.list.len() - 1)
    }

    /// Says that a finding follows from another.
    pub(crate) fn explain(&mut self, finding: Cause, by: Cause) {
        if let Some(suspicion) = self.list.get_mut(finding.0).filter(|_| by.0 < finding.0) {
            suspicion.cause = Some(by.0);
        }
    }

    /// Counts an irregularity that a finding explains.
    pub(crate) fn follows(&mut self, cause: Cause) {
        if let Some(suspicion) = self.list.get_mut(cause.0) {
            suspicion.consequences += 1;
        }
    }

    /// Whether the references within were made here, and not by whoever wrote a file.
    pub(crate) fn is_sound(&self) -> bool {
        self.list.len() <= FindingKind::ALL.len() * MAX_FINDINGS_PER_KIND
            && self.list.iter().enumerate().all(|(at, one)| one.cause.is_none_or(|cause| cause < at))
            && self.list.iter().all(|one| self.counts.contains_key(&one.kind))
    }

    /// The findings in the order of causes: first by kind of cause, then as found. What follows from another stands last.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|&at| {
            let suspicion = &self.list[at];
            (suspicion.cause.is_some(), rank(suspicion.kind), at)
        });
        order
    }
}

/// Heads before the tree, the tree before what its entries say, and what is merely absent last; within each as found.
fn rank(kind: FindingKind) -> u8 {
    match kind {
        FindingKind::StaleCheckpoint => 2,
        FindingKind::SilentStream => 4,
        _ if kind < FindingKind::StaleCheckpoint => 0,
        _ if kind < FindingKind::BadGenesis => 1,
        _ => 3,
    }
}
