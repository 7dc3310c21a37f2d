//! Decisions of policies.

use vouchlog_record::{Body, FailMode, Field, PolicyDecision};

use crate::step_list::{StepLine, Steps, Told};
use crate::timeline::Step;
use crate::words::{joined, name, named, told, word};

/// Adds the decisions that are wanted here.
pub(crate) fn add(steps: &mut Steps, body: &Body, wanted: impl Fn(&PolicyDecision) -> bool) {
    let decisions = body.policy.value().into_iter().flatten().enumerate();
    for (place, decision) in decisions.filter(|(_, decision)| wanted(decision)) {
        add_one(steps, place, decision, 0);
    }
    // A list that is withheld is told once, before the model.
    if body.policy.value().is_none() && !steps.0.iter().any(|line| line.step == Step::Decision) {
        steps.group(Step::Decision, "/policy", 0, &body.policy, |_| Told::shown(String::new()));
    }
}

/// Adds the decision at `place` of the record's list.
pub(crate) fn add_one(steps: &mut Steps, place: usize, decision: &PolicyDecision, depth: usize) {
    let Told { words, at, state } = text(decision);
    let pointer = format!("/policy/{place}");
    steps.0.push(StepLine { step: Step::Decision, at, words, pointer, depth, state });
}

fn text(it: &PolicyDecision) -> Told {
    let verdict = joined(
        [told(&it.verdict, word), told(&it.enforced, |enforced| format!("enforced: {}", word(enforced)))],
        ", ",
    );
    let by = joined([named(&it.engine), named(&it.id), named(&it.version), named(&it.rule)], " ");
    let phase = told(&it.phase, |phase| format!("on {}", word(phase)));
    let reason = named(&it.reason).map(|reason| format!("reason: {reason}"));
    let text = told(&it.reason_text, |text| format!("“{}”", name(text)));
    let failing = told(&it.fail_mode, |mode| match mode {
        FailMode::Open => "fails open".to_owned(),
        FailMode::Closed => String::new(),
    });
    let by = if by.is_empty() { None } else { Some(format!("by {by}")) };
    Told::shown(joined([Some(joined([Some(verdict), by, phase], ", ")), reason, text, failing], "; "))
        .at(&it.at)
}
