//! Whether all records of the session are present, and why.

use std::ops::RangeInclusive;

use vouchlog_grading::{Answer, Finding, Severity};
use vouchlog_record::{Field, RecordId};
use vouchlog_stream::StatementKind;

use crate::findings::shown_log_finding;
use crate::gaps::{Orphans, SealCheck};
use crate::input::{SessionContext, SessionRecord};
use crate::numbers::count;
use crate::phrases::joined;
use crate::timeline::{Gap, ProofCounts, ReasonedAnswer};

/// Most gaps listed one by one; the rest are counted.
const GAPS: usize = 12;
/// Most findings about the log given as reasons.
const LOG_FINDINGS: usize = 6;

/// What was counted while the records were still as they came.
pub(crate) struct RecordCounts {
    /// Records of the session that its seal counts, what came after it aside: at least and at most.
    here: RangeInclusive<u64>,
    /// Interactions, what completes them, and intents.
    acts: u64,
    /// Everything but seals.
    given: u64,
    /// Whether there is a seal.
    sealed: bool,
    /// What it counts.
    seal_counts: Option<u64>,
    /// Records it names that are not here.
    seal_misses: u64,
    after_seal: u64,
    orphans: u64,
    /// Intents of which it is not shown whether they have an outcome.
    unknown_outcomes: u64,
    /// Outcomes without the intent they should have.
    without_intent: u64,
    /// Records without a number in the session.
    unnumbered: u64,
    erased: u64,
    /// The number of records that their source holds.
    held: Option<u64>,
}

impl RecordCounts {
    pub(crate) fn of(
        records: &[SessionRecord],
        seal: &SealCheck,
        orphans: &Orphans,
        context: &SessionContext,
    ) -> Self {
        Self {
            here: seal.counted(records),
            acts: number_of(records, SessionRecord::is_of_session),
            given: number_of(records, |record| record.record.kind != StatementKind::SessionSeal),
            sealed: seal.record.is_some(),
            seal_counts: seal.counts,
            seal_misses: seal.missing.len() as u64,
            after_seal: seal.after.len() as u64,
            orphans: orphans.records.len() as u64,
            unknown_outcomes: orphans.unknown,
            without_intent: number_of(records, SessionRecord::lacks_intent),
            unnumbered: number_of(records, |record| {
                record.is_counted() != Some(false) && record.sequence().is_none()
            }),
            erased: number_of(records, |record| record.erased.is_some()),
            held: context.held,
        }
    }
}

fn number_of(records: &[SessionRecord], wanted: impl Fn(&SessionRecord) -> bool) -> u64 {
    records.iter().filter(|record| wanted(record)).count() as u64
}

impl SessionRecord {
    /// Whether it is an outcome whose gateway writes intents ahead, and there is none. Not known for a partial record, so not counted.
    pub(crate) fn lacks_intent(&self) -> bool {
        let it = self.record.body.correlation.value();
        self.record.kind == StatementKind::Interaction
            && !self.partial
            && it.is_some_and(|it| {
                let names_none = |id: &Field<RecordId>| matches!(id, Field::Absent | Field::NotApplicable);
                it.write_ahead.value() == Some(&true) && names_none(&it.intent) && names_none(&it.amends)
            })
    }
}

/// Whether all records are here: no, if something shows that one is not; yes, if something shows that none can be missing. A log whose
/// history was changed, or whose streams have gaps, shows nothing of the kind.
pub(crate) fn complete(
    gaps: &[Gap],
    counted: &RecordCounts,
    proven: ProofCounts,
    of_log: &[Finding],
) -> ReasonedAnswer {
    let of_log = of_log.iter().filter(|finding| finding.concerns_completeness());
    let (broken, doubtful): (Vec<_>, Vec<_>) = of_log
        .filter(|finding| finding.severity >= Severity::Indeterminate)
        .partition(|finding| finding.severity == Severity::Critical);
    let mut missing = log_reasons(&broken);
    missing.extend(self::missing(gaps, counted, proven));
    if !missing.is_empty() {
        return ReasonedAnswer {
            answer: Answer::No,
            words: "something is missing".to_owned(),
            reasons: missing,
        };
    }
    if counted.acts == 0 {
        let words = "no record of this session is present".to_owned();
        return ReasonedAnswer { answer: Answer::Indeterminate, words, reasons: Vec::new() };
    }
    let mut doubts = doubts(counted, proven);
    doubts.extend(log_reasons(&doubtful));
    let here = count(counted.acts, "record", "records");
    let words = match counted.seal_counts {
        Some(sealed) => {
            format!("the session was sealed with {}, and all are present", count(sealed, "record", "records"))
        }
        None if counted.acts == 1 => format!("{here} is present, and no gap is visible"),
        None => format!("{here} are present, and no gap is visible"),
    };
    let erased = (counted.erased > 0)
        .then(|| format!("the content of {} was erased", count(counted.erased, "record", "records")));
    let answer = if doubts.is_empty() { Answer::Yes } else { Answer::Indeterminate };
    ReasonedAnswer { answer, words: joined([Some(words), erased], "; "), reasons: doubts }
}

/// What others found about the log, as reasons; the first ones, and how many more there are.
fn log_reasons(findings: &[&Finding]) -> Vec<String> {
    let mut reasons: Vec<String> = findings
        .iter()
        .take(LOG_FINDINGS)
        .map(|finding| shown_log_finding(finding))
        .map(|shown| format!("the log, {} ({})", shown.message, shown.code))
        .collect();
    let more = findings.len().saturating_sub(LOG_FINDINGS) as u64;
    if more > 0 {
        reasons.push(count(more, "more finding about the log", "more findings about the log"));
    }
    reasons
}

fn missing(gaps: &[Gap], counted: &RecordCounts, proven: ProofCounts) -> Vec<String> {
    let mut missing: Vec<String> = gaps.iter().take(GAPS).map(Gap::words).collect();
    let here = |number| count(number, "of them is present", "of them are present");
    if let Some(sealed) = counted.seal_counts.filter(|sealed| !counted.here.contains(sealed)) {
        let here = here(sealed.clamp(*counted.here.start(), *counted.here.end()));
        missing.push(format!("the seal counts {}; {here}", count(sealed, "record", "records")));
    }
    if let Some(held) = counted.held.filter(|held| *held != counted.given) {
        missing.push(format!(
            "the source of these records holds {} of the session; {}",
            count(held, "record", "records"),
            here(counted.given)
        ));
    }
    for (number, one, many) in [
        (gaps.len().saturating_sub(GAPS) as u64, "more gap", "more gaps"),
        (counted.seal_misses, "record named by the seal is missing", "records named by the seal are missing"),
        (
            counted.after_seal,
            "record arrived after the session was sealed",
            "records arrived after the session was sealed",
        ),
        (counted.orphans, "intent has no outcome", "intents have no outcome"),
        (
            counted.without_intent,
            "outcome has no intent, although its gateway records intents",
            "outcomes have no intent, although their gateways record intents",
        ),
        (
            proven.missing as u64,
            "record should be in the log, but its proof is missing",
            "records should be in the log, but their proofs are missing",
        ),
    ] {
        if number > 0 {
            missing.push(count(number, one, many));
        }
    }
    missing
}

/// Nothing is known to be missing: is there anything that would show it?
fn doubts(counted: &RecordCounts, proven: ProofCounts) -> Vec<String> {
    let mut doubts = Vec::new();
    match (counted.sealed, counted.seal_counts) {
        (false, _) => {
            doubts.push("the session has no seal, so its number of records is not known".to_owned());
        }
        (true, None) => doubts.push("the number of records in the seal is not disclosed".to_owned()),
        (true, Some(_)) => {}
    }
    if counted.unnumbered > 0 {
        let many = count(counted.unnumbered, "record has", "records have");
        doubts.push(format!("{many} no readable number in the session, so a gap would not be visible"));
    }
    if counted.unknown_outcomes > 0 {
        let many = count(counted.unknown_outcomes, "intent has", "intents have");
        doubts.push(format!("whether {many} an outcome is not disclosed"));
    }
    if proven.waiting > 0 {
        doubts.push(count(
            proven.waiting as u64,
            "record is waiting to be logged",
            "records are waiting to be logged",
        ));
    }
    doubts
}
