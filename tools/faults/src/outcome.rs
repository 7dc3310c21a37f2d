//! What became of a trial, and the table of all of them.

use std::collections::BTreeMap;
use std::fmt;

/// What the program made of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything acknowledged is there, and the root of each size is the one signed before.
    Whole,
    /// The same, and the program reported what it had found or repaired.
    Repaired,
    /// The program did not start, or did not serve what is damaged, and named the file. With the file put back, all is whole.
    Refused,
    /// It refused without naming the file.
    Unnamed,
    /// It refused, and with the file put back something is missing all the same: refusing destroyed it.
    Destroyed,
    /// It opened as an older log, spool or journal and took writes.
    Rollback,
    /// Two roots of one size were signed.
    Fork,
    /// Something acknowledged is gone, or is served with other bytes, while everything reports to be well.
    Lost,
    /// Something is in the log twice.
    Double,
    /// The program panicked, or was ended by an unexpected signal.
    Crash,
    /// The program neither served nor ended in time.
    Hang,
}

impl Outcome {
    /// Every outcome, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::Whole,
        Self::Repaired,
        Self::Refused,
        Self::Unnamed,
        Self::Destroyed,
        Self::Rollback,
        Self::Fork,
        Self::Lost,
        Self::Double,
        Self::Crash,
        Self::Hang,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Repaired => "repaired",
            Self::Refused => "refused",
            Self::Unnamed => "unnamed",
            Self::Destroyed => "destroyed",
            Self::Rollback => "rollback",
            Self::Fork => "fork",
            Self::Lost => "lost",
            Self::Double => "double",
            Self::Crash => "crash",
            Self::Hang => "hang",
        }
    }

    /// Whether a promise was broken.
    pub fn is_violation(self) -> bool {
        !matches!(self, Self::Whole | Self::Repaired | Self::Refused)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An outcome, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The outcome.
    pub outcome: Outcome,
    /// What was seen; one line.
    pub evidence: String,
}

impl Verdict {
    /// A verdict with its evidence.
    pub fn new(outcome: Outcome, evidence: impl Into<String>) -> Self {
        Self { outcome, evidence: one_line(&evidence.into()) }
    }
}

/// At most this much of what a program wrote goes into a verdict.
const SHOWN_BYTES: usize = 400;

fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > SHOWN_BYTES {
        let begin = (line.len() - SHOWN_BYTES..).find(|at| line.is_char_boundary(*at)).unwrap_or_default();
        line = format!("… {}", &line[begin..]);
    }
    line
}

/// Outcomes counted by row.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: BTreeMap<String, BTreeMap<Outcome, usize>>,
}

impl Table {
    /// Counts an outcome.
    pub fn count(&mut self, row: &str, outcome: Outcome) {
        *self.rows.entry(row.to_owned()).or_default().entry(outcome).or_default() += 1;
    }

    /// How many trials ended so.
    pub fn total(&self, outcome: Outcome) -> usize {
        self.rows.values().filter_map(|row| row.get(&outcome)).sum()
    }

    /// How many trials broke a promise.
    pub fn violations(&self) -> usize {
        Outcome::ALL
            .into_iter()
            .filter(|outcome| outcome.is_violation())
            .map(|outcome| self.total(outcome))
            .sum()
    }

    /// The table in Markdown. Outcomes that did not occur have no column, unless they are permitted.
    pub fn markdown(&self, rows_are: &str) -> String {
        let shown: Vec<Outcome> =
            Outcome::ALL.into_iter().filter(|one| !one.is_violation() || self.total(*one) > 0).collect();
        let heading: String = shown.iter().map(|outcome| format!(" {outcome} |")).collect();
        let mut text =
            format!("| {rows_are} | trials |{heading}\n| --- | ---: |{}", " ---: |".repeat(shown.len()));
        let line = |name: &str, count: &dyn Fn(Outcome) -> usize| {
            let trials: usize = Outcome::ALL.into_iter().map(count).sum();
            let counts: String = shown.iter().map(|outcome| format!(" {} |", count(*outcome))).collect();
            format!("\n| {name} | {trials} |{counts}")
        };
        for (name, row) in &self.rows {
            text += &line(name, &|outcome| row.get(&outcome).copied().unwrap_or_default());
        }
        text += &line("**all**", &|outcome| self.total(outcome));
        text
    }
}
