//! The questions about what was done: who authorised it, which identity executed it, was the credential valid at that very
//! moment, which data was involved, what policies decided.

use std::collections::BTreeSet;

use vouchlog_grading::{
    Answer, Cause, DATA_RULES, EXECUTOR_RULES, POLICY_RULES, Severity, VALIDITY_RULES, bears_on_authorization,
};
use vouchlog_record::{ApprovalState, Credential, Field, OneOrMany};

use crate::decisions::tally;
use crate::numbers::count;
use crate::phrases::{describe, joined, named, names, word};
use crate::steps::{credential_words, data_words, initiator_words, workload_words};
use crate::timeline::{ActionAnswers, ReasonedAnswer, ShownFinding, TimelineRecord};

/// Most reasons given for one answer.
const REASONS: usize = 12;
/// Most credentials, approvals and overrides named in one answer.
const SHOWN: usize = 4;

/// The answers about one record.
pub(crate) fn action_answers(place: usize, recorded: &TimelineRecord) -> ActionAnswers {
    let verdicts = recorded.verdicts.as_ref();
    let authorised = reasoned(
        verdicts.map(|it| it.authorized_known),
        authoriser(recorded),
        reasons_by(&recorded.findings, |finding| bears_on_authorization(finding.code, &finding.at)),
    );
    let executor = reasoned(
        verdicts.map(|it| it.executor_known),
        group(recorded, &recorded.record.body.workload, workload_words, "the record names no workload"),
        reasons(&recorded.findings, EXECUTOR_RULES),
    );
    let credential = reasoned(
        verdicts.map(|it| it.credential_valid_at_moment),
        credentials(recorded),
        reasons(&recorded.findings, &VALIDITY_RULES),
    );
    let body = &recorded.record.body;
    let data = reasoned(
        verdicts.map(|_| absent_is_no(&recorded.findings, DATA_RULES)),
        group(recorded, &body.data, data_words, "the record names no data"),
        reasons(&recorded.findings, DATA_RULES),
    );
    let policy = reasoned(
        verdicts.map(|_| absent_is_open(&recorded.findings, POLICY_RULES)),
        group(recorded, &body.policy, |decisions| tally(decisions), "the record has no policy decision"),
        reasons(&recorded.findings, POLICY_RULES),
    );
    ActionAnswers { record: place, authorised, executor, credential, data, policy }
}

/// Whether something is known: no if one of the rules found it missing or wrong.
fn absent_is_no(findings: &[ShownFinding], rules: &[&str]) -> Answer {
    let is_no = |finding: &ShownFinding| finding.cause != Cause::Unknown;
    answer(findings, rules, is_no)
}

/// Whether something was followed: no if one of the rules found it wrong, or found what it asks for missing and that is critical, as an
/// override of what was denied. What else is not recorded may have been followed or not.
fn absent_is_open(findings: &[ShownFinding], rules: &[&str]) -> Answer {
    let is_no =
        |finding: &ShownFinding| finding.cause == Cause::Wrong || finding.severity == Severity::Critical;
    answer(findings, rules, is_no)
}

fn answer(findings: &[ShownFinding], rules: &[&str], is_no: impl Fn(&ShownFinding) -> bool) -> Answer {
    let deciding = findings.iter().filter(|finding| rules.contains(&finding.code));
    let answers = deciding.map(|finding| if is_no(finding) { Answer::No } else { Answer::Indeterminate });
    answers.fold(Answer::Yes, Answer::and)
}

/// An answer with its reasons; there is none for a record that was not graded.
fn reasoned(answer: Option<Answer>, words: String, mut reasons: Vec<String>) -> ReasonedAnswer {
    if answer.is_none() {
        reasons.push("this record was not graded".to_owned());
    }
    ReasonedAnswer { answer: answer.unwrap_or(Answer::Indeterminate), words, reasons }
}

fn reasons(findings: &[ShownFinding], rules: &[&str]) -> Vec<String> {
    reasons_by(findings, |finding| rules.contains(&finding.code))
}

fn reasons_by(findings: &[ShownFinding], decides: impl Fn(&ShownFinding) -> bool) -> Vec<String> {
    let deciding = findings.iter().filter(|finding| decides(finding));
    deciding.take(REASONS).map(|finding| format!("{} ({})", finding.message, finding.code)).collect()
}

/// A group of a record in words, or that it says nothing.
fn group<T>(
    recorded: &TimelineRecord,
    field: &Field<T>,
    words: impl FnOnce(&T) -> String,
    nothing: &str,
) -> String {
    match field {
        Field::Value(value) => Some(words(value)).filter(|words| !words.is_empty()),
        Field::Redacted => Some("this part of the record is withheld".to_owned()),
        Field::Erased => Some("this part of the record was erased".to_owned()),
        Field::NotApplicable => Some("the gateway recorded that this does not apply".to_owned()),
        Field::Absent if recorded.partial => Some("this part of the record was not disclosed".to_owned()),
        Field::Absent => None,
    }
    .unwrap_or_else(|| nothing.to_owned())
}

/// The credential, or several of them.
fn credentials(recorded: &TimelineRecord) -> String {
    const NOTHING: &str = "the record names no credential";
    let body = &recorded.record.body;
    if body.credentials.is_absent() {
        return group(recorded, &body.credential, credential_words, NOTHING);
    }
    let words = |all: &Vec<Credential>| {
        let each: Vec<_> = all.iter().take(SHOWN).map(credential_words).collect();
        let more = (all.len() > SHOWN).then(|| format!("{} more", all.len() - SHOWN));
        joined(each.into_iter().map(Some).chain([more]), " · ")
    };
    group(recorded, &body.credentials, words, NOTHING)
}

fn authoriser(recorded: &TimelineRecord) -> String {
    let body = &recorded.record.body;
    let initiator = group(recorded, &body.initiator, initiator_words, "the record names no initiator");
    let approvals = body.approval.value().map_or(&[][..], OneOrMany::as_slice);
    let approvals = approvals.iter().take(SHOWN).map(|it| match it.state.value() {
        Some(ApprovalState::Approved) => {
            let kind = describe(&it.approver_kind, |kind| format!("({})", word(kind)));
            Some(joined([Some("approved by".to_owned()), named(&it.approver), kind], " "))
        }
        Some(ApprovalState::NotRequired) | None => None,
        Some(state) => Some(format!("approval {}", word(state))),
    });
    let overrides = body.r#override.value().map_or(&[][..], OneOrMany::as_slice);
    let overrides =
        overrides.iter().take(SHOWN).map(|it| named(&it.by).map(|by| format!("overridden by {by}")));
    joined([Some(initiator)].into_iter().chain(approvals).chain(overrides), "; ")
}

/// The answer over all that was done: yes only if it is yes every time.
pub(crate) fn overall(
    actions: &[ActionAnswers],
    records: &[TimelineRecord],
    of: impl Fn(&ActionAnswers) -> &ReasonedAnswer,
) -> ReasonedAnswer {
    let with = |answer| actions.iter().filter(|action| of(action).answer == answer).count();
    let (no, unknown) = (with(Answer::No), with(Answer::Indeterminate));
    let answer = match (actions.len(), no, unknown) {
        (0, ..) => Answer::Indeterminate,
        (_, 0, 0) => Answer::Yes,
        (_, 0, _) => Answer::Indeterminate,
        _ => Answer::No,
    };
    let mut distinct: Vec<&str> = Vec::new();
    for action in actions {
        let words = of(action).words.as_str();
        if distinct.len() <= 3 && !distinct.contains(&words) {
            distinct.push(words);
        }
    }
    let told = if distinct.len() > 3 { "see each record".to_owned() } else { distinct.join(" · ") };
    let many = count(actions.len() as u64, "action", "actions");
    let yes = actions.len() - no - unknown;
    let counted = [("no", no), ("undetermined", unknown), ("yes", yes)];
    let counted: Vec<_> = counted.into_iter().filter(|(_, number)| *number > 0).collect();
    let words = match counted.as_slice() {
        [] => "no action is recorded".to_owned(),
        _ if actions.len() == 1 => told,
        [(word, _)] => format!("{word} for all {many}: {told}"),
        counted => {
            let counted: Vec<_> =
                counted.iter().map(|(word, number)| format!("{word} for {number}")).collect();
            format!("of {many}, {}: {told}", counted.join(", "))
        }
    };
    ReasonedAnswer { answer, words, reasons: grouped(actions, records, &of) }
}

/// The reasons, those of a plain no first, each with all the records it holds for.
fn grouped(
    actions: &[ActionAnswers],
    records: &[TimelineRecord],
    of: &impl Fn(&ActionAnswers) -> &ReasonedAnswer,
) -> Vec<String> {
    let no_first = [Answer::No, Answer::Indeterminate].into_iter();
    let ordered =
        no_first.flat_map(|answer| actions.iter().filter(move |action| of(action).answer == answer));
    let mut groups: Vec<(&str, BTreeSet<usize>)> = Vec::new();
    for action in ordered {
        for reason in &of(action).reasons {
            match groups.iter().position(|(known, _)| known == reason) {
                Some(known) => _ = groups[known].1.insert(action.record),
                None if groups.len() < REASONS => groups.push((reason, BTreeSet::from([action.record]))),
                None => {}
            }
        }
    }
    let told = groups.into_iter().map(|(reason, of)| {
        if of.len() == actions.len() && actions.len() > 1 {
            return format!("every action: {reason}");
        }
        let labels = of.iter().filter_map(|record| records.get(*record)).map(TimelineRecord::label);
        format!("{}: {reason}", names(&labels.collect::<Vec<_>>()))
    });
    told.collect()
}
