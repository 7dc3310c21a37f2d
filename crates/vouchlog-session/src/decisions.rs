//! Decisions of policies.

use vouchlog_record::{Body, FailMode, PolicyDecision};

use crate::phrases::{describe, joined, name, named, word};
use crate::step_list::{StepLine, StepList, StepText};
use crate::timeline::Step;

/// Adds the decisions that are wanted here.
pub(crate) fn add(steps: &mut StepList, body: &Body, wanted: impl Fn(&PolicyDecision) -> bool) {
    let decisions = body.policy.value().into_iter().flatten().enumerate();
    for (place, decision) in decisions.filter(|(_, decision)| wanted(decision)) {
        add_one(steps, place, decision, 0);
    }
    // A list that is withheld is told once, before the model.
    if body.policy.value().is_none() && !steps.0.iter().any(|line| line.step == Step::Decision) {
        steps.group(Step::Decision, "/policy", 0, &body.policy, |_| StepText::shown(String::new()));
    }
}

/// Adds the decision at `place` of the record's list.
pub(crate) fn add_one(steps: &mut StepList, place: usize, decision: &PolicyDecision, depth: usize) {
    let StepText { words, at, state } = text(decision);
    let pointer = format!("/policy/{place}");
    steps.0.push(StepLine { step: Step::Decision, at, words, pointer, depth, state });
}

fn text(it: &PolicyDecision) -> StepText {
    let verdict = joined(
        [
            describe(&it.verdict, word),
            describe(&it.enforced, |enforced| format!("enforced: {}", word(enforced))),
        ],
        ", ",
    );
    let by = joined([named(&it.engine), named(&it.id), named(&it.version), named(&it.rule)], " ");
    let phase = describe(&it.phase, |phase| format!("on {}", word(phase)));
    let reason = named(&it.reason).map(|reason| format!("reason: {reason}"));
    let text = describe(&it.reason_text, |text| format!("“{}”", name(text)));
    let failing = describe(&it.fail_mode, |mode| match mode {
        FailMode::Open => "fails open".to_owned(),
        FailMode::Closed => String::new(),
    });
    let by = if by.is_empty() { None } else { Some(format!("by {by}")) };
    StepText::shown(joined([Some(joined([Some(verdict), by, phase], ", ")), reason, text, failing], "; "))
        .at(&it.at)
}
