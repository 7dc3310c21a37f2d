//! The verdicts: one answer for each thing that is asked of a record.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::field_view::{FieldView, committed, view};
use crate::rule::Finding;
use crate::terms::{AskedOf, Cause, Severity};
use crate::validity::{Answer, Validity};

/// Answers. *Indeterminate* stands where something was withheld or is not known; *no* where something is wrong or missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdicts {
    /// Who authorised the action is known.
    pub authorized_known: Answer,
    /// Which identity executed it is known.
    pub executor_known: Answer,
    /// The credential was valid at every moment it was used.
    pub credential_valid_at_moment: Answer,
    /// All three: identity-linked evidence.
    pub attributable: Answer,
    /// An auditable AI interaction.
    pub auditable_interaction: Answer,
    /// An interaction-level audit trail.
    pub interaction_level: Answer,
    /// An identity-governance audit trail.
    pub governed: Answer,
    /// An inference-level audit trail.
    pub inference_level: Answer,
    /// All of these, and no finding that is an error.
    pub complete: Answer,
    /// There is text, and no identity, policy or data context: a transcript taken for an audit trail.
    pub transcript_only: bool,
    /// There is an outcome, and no policy or tool that it is linked to: an operational log taken for an audit trail.
    pub operational_log_only: bool,
}

/// The rules that make [`Verdicts::authorized_known`] a no.
pub(crate) const AUTHORIZED_RULES: &[&str] = &["R01", "R02", "R03", "R08", "R09", "R32", "R34"];
/// The rules that make it a no where they find fault with an approval: one that came too late, or was no person's, authorised nothing.
const APPROVAL_RULES: &[&str] = &["R36", "R37"];
/// The rules about what policies decided, and whether that was followed. No verdict is theirs alone.
pub const POLICY_RULES: &[&str] = &["R24", "R25", "R26", "R29", "R32", "R33", "R84"];
/// The rules about which data was involved. No verdict is theirs alone.
pub const DATA_RULES: &[&str] = &["R39", "R41"];
/// The rules that make [`Verdicts::executor_known`] a no.
pub const EXECUTOR_RULES: &[&str] = &["R05", "R06", "R07"];
pub(super) const AUDITABLE: &[&str] = &["R01", "R05", "R24", "R27", "R30", "R39", "R46"];
pub(super) const INTERACTION_LEVEL: &[&str] = &["R26", "R38", "R47", "R51"];
pub(super) const GOVERNED: &[&str] = &["R15", "R21", "R25", "R39", "R54", "R85"];
pub(super) const INFERENCE_LEVEL: &[&str] = &["R43", "R54", "R55"];

impl Verdicts {
    /// What a record is told of that nothing was asked of.
    const NOT_ASKED: Verdicts = Verdicts {
        authorized_known: Answer::Indeterminate,
        executor_known: Answer::Indeterminate,
        credential_valid_at_moment: Answer::Indeterminate,
        attributable: Answer::Indeterminate,
        auditable_interaction: Answer::Indeterminate,
        interaction_level: Answer::Indeterminate,
        governed: Answer::Indeterminate,
        inference_level: Answer::Indeterminate,
        complete: Answer::Indeterminate,
        transcript_only: false,
        operational_log_only: false,
    };

    /// The questions by name, in the order of [`answers`](Self::answers).
    pub const QUESTIONS: [&'static str; 9] = [
        "authorized_known",
        "executor_known",
        "credential_valid_at_moment",
        "attributable",
        "auditable_interaction",
        "interaction_level",
        "governed",
        "inference_level",
        "complete",
    ];

    /// The answers by name, in order.
    pub const fn answers(&self) -> [(&'static str, Answer); 9] {
        [
            (Self::QUESTIONS[0], self.authorized_known),
            (Self::QUESTIONS[1], self.executor_known),
            (Self::QUESTIONS[2], self.credential_valid_at_moment),
            (Self::QUESTIONS[3], self.attributable),
            (Self::QUESTIONS[4], self.auditable_interaction),
            (Self::QUESTIONS[5], self.interaction_level),
            (Self::QUESTIONS[6], self.governed),
            (Self::QUESTIONS[7], self.inference_level),
            (Self::QUESTIONS[8], self.complete),
        ]
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, answer) in self.answers() {
            writeln!(f, "{:28} {answer}", name.replace('_', " "))?;
        }
        if self.transcript_only {
            writeln!(f, "transcript only: text without identity, policy or data context")?;
        }
        if self.operational_log_only {
            writeln!(f, "operational log only: an outcome that is not linked to a policy or tool")?;
        }
        Ok(())
    }
}

/// No if one of the rules fired, indeterminate if one could not be told.
fn without(findings: &[Finding], codes: &[&str]) -> Answer {
    without_any(findings.iter().filter(|finding| codes.contains(&finding.rule.code)))
}

fn without_any<'a>(findings: impl Iterator<Item = &'a Finding>) -> Answer {
    findings.fold(Answer::Yes, |answer, finding| {
        answer.and(if finding.cause == Cause::Unknown { Answer::Indeterminate } else { Answer::No })
    })
}

/// Whether a finding of this rule, at these places, bears on who authorised the action.
pub fn bears_on_authorization(code: &str, at: &[String]) -> bool {
    AUTHORIZED_RULES.contains(&code)
        || APPROVAL_RULES.contains(&code) && at.iter().any(|at| at.starts_with("/approval"))
}

/// Whether something is there.
fn there<T>(field: FieldView<'_, T>) -> Answer {
    match field {
        FieldView::Value(_) => Answer::Yes,
        FieldView::Withheld => Answer::Indeterminate,
        FieldView::Absent | FieldView::NotApplicable => Answer::No,
    }
}

pub(super) fn judge(case: &Case<'_>, findings: &[Finding], validity: &Validity) -> Verdicts {
    if !case.is_asked(AskedOf::Acting) || case.record.is_amendment() {
        return Verdicts::NOT_ASKED;
    }
    let bearing = findings.iter().filter(|finding| bears_on_authorization(finding.rule.code, &finding.at));
    let authorized_known = without_any(bearing);
    let executor_known = without(findings, EXECUTOR_RULES);
    let credential_valid_at_moment = validity.answer;
    let attributable = authorized_known.and(executor_known).and(credential_valid_at_moment);
    // An intent has no outcome yet: what asks for one is open.
    let open = if case.is_intent() { Answer::Indeterminate } else { Answer::Yes };
    let outcome = if case.is_intent() { open } else { there(case.outcome()) };
    let auditable_interaction = without(findings, AUDITABLE).and(outcome);
    let interaction_level =
        auditable_interaction.and(contents(case)).and(without(findings, INTERACTION_LEVEL));
    let governed = attributable.and(without(findings, GOVERNED)).and(open);
    let inference_level = interaction_level.and(without(findings, INFERENCE_LEVEL));
    let complete = findings
        .iter()
        .map(|finding| match finding.severity {
            Severity::Error | Severity::Critical => Answer::No,
            // What could be no more than a warning cannot make a record incomplete.
            Severity::Indeterminate if finding.rule.severity_in(case.record.profile()) > Severity::Warn => {
                Answer::Indeterminate
            }
            _ => Answer::Yes,
        })
        .fold(attributable.and(governed).and(inference_level), Answer::and);
    Verdicts {
        authorized_known,
        executor_known,
        credential_valid_at_moment,
        attributable,
        auditable_interaction,
        interaction_level,
        governed,
        inference_level,
        complete,
        transcript_only: is_transcript(case, findings),
        operational_log_only: is_operational_log(case),
    }
}

/// Whether input and output are committed to. Where it ended early there need be no output.
fn contents(case: &Case<'_>) -> Answer {
    if case.is_intent() {
        return there(committed(&case.body.input)).and(Answer::Indeterminate);
    }
    let output = committed(&case.body.output);
    let output = if output.is_not_applicable() && case.ended_early() { Answer::Yes } else { there(output) };
    there(committed(&case.body.input)).and(output)
}

fn is_transcript(case: &Case<'_>, findings: &[Finding]) -> bool {
    let fired =
        |code| findings.iter().any(|finding| finding.rule.code == code && finding.cause != Cause::Unknown);
    let text =
        [&case.body.input, &case.body.output].into_iter().any(|content| committed(content).value().is_some());
    text && ["R01", "R05", "R24"].into_iter().all(fired)
}

fn is_operational_log(case: &Case<'_>) -> bool {
    let no_policy = !view(&case.body.policy).is_withheld() && case.decisions().next().is_none();
    let no_tools = match view(&case.body.tools) {
        FieldView::Absent => true,
        // That there are none is a word about tools.
        FieldView::NotApplicable | FieldView::Withheld => false,
        FieldView::Value(tools) => {
            !tools.is_empty() && tools.iter().all(|tool| matches!(view(&tool.call_id), FieldView::Absent))
        }
    };
    case.outcome().value().is_some() && no_policy && no_tools
}
