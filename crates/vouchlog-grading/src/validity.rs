//! Was the credential valid at the very moment? Asked for each use of it, and answered in three ways.
//!
//! A credential is used at the start of the interaction, which is the call of the model, at each policy decision, at the start of
//! each retrieval and each tool call, and at each downstream call. A token can die in the middle of an interaction, so the start alone
//! is not enough. Each use but a decision may name its credential; of one that does not, every credential that the record describes
//! has to be valid. A retrieval without a time was some time between start and end. The
//! recorder's clock may be off by `time.clock.max_error_ms`; where that is not said, by
//! [`ASSUMED_CLOCK_ERROR`](crate::limits::ASSUMED_CLOCK_ERROR). A moment that close to an end of the window is indeterminate.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vouchlog_record::Record;

use crate::case::{Case, refutes_validity};
use crate::context::Context;
use crate::rule::Finding;
use crate::rules::findings_by;
use crate::terms::{AskedOf, Cause};

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Not known.
    Indeterminate,
}

impl Answer {
    /// Yes if both are, no if one is no.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Indeterminate,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Indeterminate => "indeterminate",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the credential was valid, with the reasons where it is not a plain yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// Over all moments: no if one is no.
    pub answer: Answer,
    /// Why not, or why it is not known. Empty for yes.
    pub reasons: Vec<Reason>,
    /// Each use of the credential.
    pub moments: Vec<Moment>,
}

/// Why a credential was not valid, or why that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The code of the rule.
    pub code: &'static str,
    /// In words.
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// One use of the credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Which: `decision 4ca636c1`, `retrieval claims-db`, `tool call_A1`, `downstream payments-api`, `start`, `workload`.
    pub what: String,
    /// When.
    pub at: Timestamp,
    /// Whether the credential was valid then.
    pub answer: Answer,
    /// Why not, or why it is not known.
    pub why: Vec<Reason>,
}

/// The rules that decide whether a credential was valid.
pub const VALIDITY_RULES: [&str; 8] = ["R11", "R12", "R13", "R14", "R14i", "R16", "R17", "R18"];

/// Whether the credential was valid at each moment it was used. Of a record that is no act there is nothing to ask: no moments,
/// and an indeterminate answer.
pub fn validity(record: &Record, context: &Context) -> Validity {
    let case = Case::new(record, context);
    of_findings(&case, &findings_by(&case, |rule| VALIDITY_RULES.contains(&rule.code)))
}

/// The same, from the findings of the whole record.
pub(crate) fn of_findings(case: &Case<'_>, findings: &[Finding]) -> Validity {
    let deciding: Vec<&Finding> =
        findings.iter().filter(|finding| VALIDITY_RULES.contains(&finding.rule.code)).collect();
    let answer = if case.is_asked(AskedOf::Acting) {
        deciding
            .iter()
            .fold(Answer::Yes, |answer, finding| answer.and(weigh(finding.rule.code, finding.cause)))
    } else {
        Answer::Indeterminate
    };
    let reasons =
        deciding.iter().map(|finding| Reason { code: finding.rule.code, text: finding.message.clone() });
    // What is missing from the credential itself is missing at every moment.
    let everywhere: Vec<_> =
        findings.iter().filter(|finding| ["R11", "R12", "R16"].contains(&finding.rule.code)).collect();
    let moments = case.uses.iter().filter_map(|judged| {
        let mut answer = Answer::Yes;
        let mut why = Vec::new();
        for fault in &judged.faults {
            answer = answer.and(weigh(fault.code, fault.cause));
            why.push(Reason { code: fault.code, text: fault.text.clone() });
        }
        for finding in &everywhere {
            answer = answer.and(Answer::Indeterminate);
            why.push(Reason { code: finding.rule.code, text: finding.message.clone() });
        }
        Some(Moment { what: judged.what.clone(), at: judged.at?, answer, why })
    });
    Validity { answer, reasons: reasons.collect(), moments: moments.collect() }
}

fn weigh(code: &str, cause: Cause) -> Answer {
    if refutes_validity(code, cause) { Answer::No } else { Answer::Indeterminate }
}
