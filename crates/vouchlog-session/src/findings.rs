//! Findings, ready to be told, and the steps they belong to.

use std::collections::{BTreeMap, HashMap};

use vouchlog_grading::{Finding, Severity};

use crate::phrases::name;
use crate::plain::clipped;
use crate::step_list::StepLine;
use crate::timeline::{CriticalFinding, ShownFinding, TimelineRecord};

/// Most characters of a finding's message.
const MESSAGE: usize = 600;

/// A finding, safe to show.
pub(crate) fn shown_finding(finding: &Finding) -> ShownFinding {
    ShownFinding {
        code: finding.rule.code,
        name: finding.rule.name,
        severity: finding.severity,
        cause: finding.cause,
        message: clipped(&finding.message, MESSAGE),
        remedy: finding.remedy(),
        at: finding.at.iter().map(|at| name(at)).collect(),
    }
}

/// Every critical finding, those of records first; one that several records share is listed once.
pub(crate) fn critical(records: &[TimelineRecord], of_session: &[ShownFinding]) -> Vec<CriticalFinding> {
    let mut found: Vec<CriticalFinding> = Vec::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    let is_critical = |finding: &&ShownFinding| finding.severity == Severity::Critical;
    for (place, record) in records.iter().enumerate() {
        for finding in record.findings.iter().filter(is_critical) {
            let at = *known.entry((finding.code, &finding.message)).or_insert(found.len());
            match found.get_mut(at) {
                Some(known) => known.records.push(place),
                None => found.push(CriticalFinding { finding: finding.clone(), records: vec![place] }),
            }
        }
    }
    let session = of_session.iter().filter(is_critical);
    found.extend(session.map(|finding| CriticalFinding { finding: finding.clone(), records: Vec::new() }));
    found
}

/// A finding about the log, the same way; its message begins with the place, as no step of the timeline shows it.
pub(crate) fn shown_log_finding(finding: &Finding) -> ShownFinding {
    let shown = shown_finding(finding);
    let message = clipped(&format!("{}: {}", shown.at.join(", "), shown.message), MESSAGE);
    ShownFinding { message, ..shown }
}

/// Groups of a record that are told in the step of another.
const TOLD_WITH: [(&str, &str); 7] = [
    ("/session", "/initiator"),
    ("/device", "/initiator"),
    ("/authority", "/workload"),
    ("/grant", "/credential"),
    ("/credentials", "/credential"),
    ("/usage", "/model"),
    ("/escalation", "/policy"),
];

/// The step each finding belongs to, by the first of its pointers that has one; `None` is the record itself.
pub(crate) fn attach(findings: &[ShownFinding], steps: &[StepLine]) -> BTreeMap<Option<usize>, Vec<usize>> {
    let mut attached: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (number, finding) in findings.iter().enumerate() {
        let step = finding.at.iter().find_map(|at| {
            let with = TOLD_WITH.iter().find_map(|(part, whole)| stands_in(at, part).then_some(*whole));
            step_at(at, steps).or_else(|| step_at(with?, steps))
        });
        attached.entry(step).or_default().push(number);
    }
    attached
}

/// The step that tells the smallest part of the record with `at` in it.
fn step_at(at: &str, steps: &[StepLine]) -> Option<usize> {
    let holding =
        steps.iter().enumerate().filter(|(_, step)| !step.pointer.is_empty() && stands_in(at, &step.pointer));
    // Of two steps about the same part the first: `max_by_key` would take the last.
    holding.rev().max_by_key(|(_, step)| step.pointer.len()).map(|(place, _)| place)
}

fn stands_in(at: &str, part: &str) -> bool {
    at.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl ShownFinding {
    /// Whether it is a contradiction in what was recorded or claimed, rather than something missing.
    pub fn is_contradiction(&self) -> bool {
        self.code == "R80" || self.severity == Severity::Critical
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{State, Step};
    use vouchlog_grading::{Cause, Severity};

    fn step(pointer: &str) -> StepLine {
        let (words, state) = (String::new(), State::Shown);
        StepLine { step: Step::Event, at: None, words, pointer: pointer.to_owned(), depth: 0, state }
    }

    #[test]
    fn a_finding_goes_to_the_smallest_part_that_has_it() {
        let steps = ["/initiator", "/tools/1", "/tools/1/arguments", "/policy/0"].map(step);
        for (at, expected) in [
            (vec!["/tools/1/arguments/x"], Some(2)),
            (vec!["/tools/1/arguments_digest"], Some(1)),
            (vec!["/tools/10"], None),
            (vec!["/session/shared"], Some(0)),
            (vec!["/time/start", "/policy/0/at"], Some(3)),
            (vec![""], None),
            (vec![], None),
        ] {
            let at = at.into_iter().map(str::to_owned).collect();
            let (code, name, message, remedy) = ("R00", "X", String::new(), "");
            let (severity, cause) = (Severity::Error, Cause::Wrong);
            let finding = ShownFinding { code, name, severity, cause, message, remedy, at };
            assert_eq!(attach(&[finding], &steps).into_keys().next(), Some(expected));
        }
    }
}
