//! What a session comes to: what is critical, sentences, the questions, whether anything is missing.

use std::cmp::Reverse;

use vouchlog_grading::Finding;
use vouchlog_record::{Approval, ApprovalState, Field, OneOrMany, OutcomeState, Record};

use crate::completeness::{RecordCounts, complete};
use crate::decisions;
use crate::findings::{critical, shown_log_finding};
use crate::input::{ProofState, SessionContext};
use crate::numbers::count;
use crate::phrases::{capital, describe, joined, listed, name, named, time, word};
use crate::plain::clipped;
use crate::questions::{action_answers, overall};
use crate::timeline::{ActionAnswers, Gap, ProofCounts, ShownFinding, Summary, TimelineRecord};

/// Most sentences about what happened.
const SENTENCES: usize = 12;
/// Most approvals and overrides named in one of them.
const SHOWN: usize = 4;

/// Sums the session up.
pub(crate) fn summary(
    records: &[TimelineRecord],
    gaps: &[Gap],
    counted: &RecordCounts,
    findings: Vec<ShownFinding>,
    context: &SessionContext,
) -> Summary {
    let actions: Vec<ActionAnswers> = records
        .iter()
        .enumerate()
        .filter(|(_, record)| record.is_act())
        .map(|(place, record)| action_answers(place, record))
        .collect();
    let proven = proven(records);
    Summary {
        critical: critical(records, &findings),
        happened: happened(records, &actions),
        authorised: overall(&actions, records, |action| &action.authorised),
        executor: overall(&actions, records, |action| &action.executor),
        credential: overall(&actions, records, |action| &action.credential),
        data: overall(&actions, records, |action| &action.data),
        policy: overall(&actions, records, |action| &action.policy),
        complete: complete(gaps, counted, proven, &context.log_findings),
        actions,
        proven,
        findings,
        log_findings: worst_first(&context.log_findings),
        notes: context.notes.iter().map(|note| clipped(note, 1_000)).collect(),
    }
}

fn worst_first(findings: &[Finding]) -> Vec<ShownFinding> {
    let mut shown: Vec<ShownFinding> = findings.iter().map(shown_log_finding).collect();
    shown.sort_by_key(|finding| Reverse(finding.severity));
    shown
}

fn proven(records: &[TimelineRecord]) -> ProofCounts {
    let mut proven = ProofCounts::default();
    for record in records {
        *match record.proof {
            ProofState::Witnessed { .. } => &mut proven.witnessed,
            ProofState::Signed => &mut proven.signed,
            ProofState::Waiting => &mut proven.waiting,
            ProofState::Missing => &mut proven.missing,
        } += 1;
    }
    proven
}

/// What happened: one sentence for each action.
fn happened(records: &[TimelineRecord], actions: &[ActionAnswers]) -> Vec<String> {
    let done = actions.iter().filter_map(|action| records.get(action.record));
    let mut sentences: Vec<String> = done.take(SENTENCES).map(sentence).collect();
    if actions.len() > SENTENCES {
        sentences.push(format!(
            "And {}; see the timeline.",
            count((actions.len() - SENTENCES) as u64, "more action", "more actions")
        ));
    }
    sentences
}

fn sentence(recorded: &TimelineRecord) -> String {
    let record = &recorded.record;
    let body = &record.body;
    let start = body.time.value().and_then(|at| at.start.value()).map(|at| format!("{}:", time(*at)));
    let agent = body.workload.value().and_then(|it| {
        let agent = it.agent.value().and_then(|agent| named(&agent.name).or_else(|| named(&agent.id)));
        agent.or_else(|| named(&it.id))
    });
    let model = body.model.value().and_then(|it| named(&it.served).or_else(|| named(&it.requested)));
    let who = initiator(recorded);
    let used = match (agent, model) {
        (Some(agent), _) if recorded.orphan => format!("{who} was about to act through {agent}"),
        (None, _) if recorded.orphan => format!("{who} was about to act"),
        (Some(agent), Some(model)) => format!("{who} used model {model} through {agent}"),
        (Some(agent), None) => format!("{who} acted through {agent}"),
        (None, Some(model)) => format!("{who} used model {model}"),
        (None, None) => format!("{who} acted"),
    };
    let mut clauses = vec![used];
    clauses.extend(decisions::clauses(record));
    let approvals = body.approval.value().map_or(&[][..], OneOrMany::as_slice);
    clauses.extend(approvals.iter().take(SHOWN).filter_map(approval));
    let overrides = body.r#override.value().map_or(&[][..], OneOrMany::as_slice);
    clauses.extend(overrides.iter().take(SHOWN).map(|it| {
        let by = named(&it.by).unwrap_or_else(|| "an unnamed party".to_owned());
        format!("{by} overrode a decision")
    }));
    clauses.extend(tools(record));
    clauses.push(if recorded.orphan {
        "whether it was executed is not recorded".to_owned()
    } else {
        end(record)
    });
    let label = recorded.label();
    let text = joined([start, Some(clauses.join("; "))], " ");
    format!("{}. {text}.", capital(&label))
}

/// The initiator's name, or why it is not shown.
fn initiator(recorded: &TimelineRecord) -> String {
    let sub = match &recorded.record.body.initiator {
        Field::Value(it) => it.sub.clone(),
        Field::Redacted => Field::Redacted,
        Field::Erased => Field::Erased,
        Field::Absent | Field::NotApplicable => Field::Absent,
    };
    match sub {
        Field::Value(sub) => return name(&sub),
        Field::Redacted => "an initiator whose name is withheld",
        Field::Erased => "an initiator whose name was erased",
        _ if recorded.partial => "an initiator whose name was not disclosed",
        _ => "an initiator whom the record does not name",
    }
    .to_owned()
}

fn approval(it: &Approval) -> Option<String> {
    let by = named(&it.approver).map(|by| format!("by {by}"));
    let state = match it.state.value()? {
        ApprovalState::NotRequired => return None,
        ApprovalState::Approved => "it was approved",
        ApprovalState::Rejected => "approval was rejected",
        ApprovalState::Pending => "approval was requested",
        ApprovalState::Expired => "the request for approval expired",
    };
    Some(joined([Some(state.to_owned()), by], " "))
}

fn tools(record: &Record) -> Vec<String> {
    let all = record.body.tools.value().map_or(&[][..], Vec::as_slice);
    let mut said: Vec<String> = Vec::new();
    for tool in all.iter().take(4) {
        let what = named(&tool.name).unwrap_or_else(|| "(unnamed)".to_owned());
        let status = describe(&tool.status, |status| format!("was {}", word(status)));
        let status = status.unwrap_or_else(|| "has no recorded status".to_owned());
        let called: Vec<_> = tool
            .downstream
            .value()
            .into_iter()
            .flatten()
            .take(4)
            .filter_map(|call| call.target.value())
            .map(|to| name(to))
            .collect();
        let called = (!called.is_empty()).then(|| format!("(which called {})", listed(&called)));
        said.push(joined([Some(format!("tool {what} {status}")), called], " "));
    }
    if all.len() > 4 {
        said.push(format!("{} in total", count(all.len() as u64, "tool call", "tool calls")));
    }
    said
}

fn end(record: &Record) -> String {
    match &record.body.outcome {
        Field::Value(outcome) => match outcome.state.value() {
            Some(OutcomeState::Executed) => "it was executed".to_owned(),
            Some(OutcomeState::Blocked) => "a guardrail blocked it".to_owned(),
            Some(OutcomeState::Denied) => "it was denied".to_owned(),
            Some(OutcomeState::Error) => "it failed".to_owned(),
            Some(OutcomeState::Timeout) => "it timed out".to_owned(),
            Some(OutcomeState::Deferred) => "it was deferred".to_owned(),
            Some(OutcomeState::Cancelled) => "it was cancelled".to_owned(),
            None => "the outcome is not recorded".to_owned(),
        },
        field if field.is_withheld() => "the outcome is withheld".to_owned(),
        _ => "the outcome is not recorded".to_owned(),
    }
}
