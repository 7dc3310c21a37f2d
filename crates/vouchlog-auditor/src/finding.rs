//! Findings, and those in the making: what is wrong, where, what explains it, and what shows it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evidence::{EvidenceFile, EvidenceSource};
use crate::kind::{FindingKind, Proves, Severity};
use crate::limits::MAX_FINDINGS_PER_KIND;
use crate::place::Place;

/// Something wrong with a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The code of the rule that it breaks.
    pub rule: &'static str,
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
        write!(f, "{} ({}) at {}: {}", self.kind, self.rule, self.place, self.words)
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
    pub(crate) lead: EvidenceSource,
}

/// Names a suspicion among those found so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cause(pub(crate) usize);

impl Cause {
    /// What is no suspicion of this audit: it was found by an earlier one, or entries were given up.
    pub(crate) const NOT_LISTED: Self = Self(usize::MAX);
}

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
        lead: EvidenceSource,
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

    /// Whether the references within were made here, and not by the author of a file.
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
