//! Decisions of policies.

use std::collections::BTreeMap;

use vouchlog_record::{Body, DeterminingPolicy, Enforced, FailMode, PolicyDecision, Record, Verdict};

use crate::numbers::count;
use crate::phrases::{describe, joined, name, named, names, word};
use crate::step_list::{StepLine, StepList, StepText};
use crate::timeline::Step;

/// Most determining policies named in one place.
const POLICIES: usize = 6;

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

/// The decisions as clauses of a sentence: each one that did not simply allow the action, and how many did. That policy allowed
/// an action is said only where no decision says otherwise.
pub(crate) fn clauses(record: &Record) -> Vec<String> {
    const MOST: usize = 4;
    let all = record.body.policy.value().map_or(&[][..], Vec::as_slice);
    let plain = all.iter().filter(|it| is_plain(it)).count();
    if plain > 0 && plain == all.len() {
        return vec![format!("policy allowed it ({})", count(plain as u64, "decision", "decisions"))];
    }
    let mut said = Vec::new();
    for decision in all.iter().filter(|it| !is_plain(it)).take(MOST) {
        let policy = named(&decision.id).or_else(|| named(&decision.engine));
        let policy = policy.unwrap_or_else(|| "a policy".to_owned());
        let verdict =
            describe(&decision.verdict, word).unwrap_or_else(|| "a verdict that is not recorded".to_owned());
        let reason = named(&decision.reason).map(|reason| format!("({reason})"));
        let went = match (decision.verdict.value(), decision.enforced.value()) {
            (Some(Verdict::Deny), Some(Enforced::Deny)) | (_, None) => None,
            (_, Some(enforced)) => Some(format!("and {} was enforced", word(enforced))),
        };
        said.push(joined([Some(format!("{policy} returned {verdict}")), reason, went], " "));
    }
    if all.len() - plain > MOST {
        said.push(count((all.len() - plain - MOST) as u64, "more decision", "more decisions"));
    }
    if plain > 0 {
        said.push(count(plain as u64, "other decision was allow", "other decisions were allow"));
    }
    said
}

/// Whether a decision allowed the action, and nothing else was enforced.
fn is_plain(it: &PolicyDecision) -> bool {
    it.verdict.value() == Some(&Verdict::Allow) && it.enforced.value().is_none_or(|it| *it == Enforced::Allow)
}

/// The verdicts, counted: `3 decisions: 2 allow, 1 deny`; empty if there is none.
pub(crate) fn tally(decisions: &[PolicyDecision]) -> String {
    if decisions.is_empty() {
        return String::new();
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for decision in decisions {
        let verdict = describe(&decision.verdict, word).unwrap_or_else(|| "without a verdict".to_owned());
        *counts.entry(verdict).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(verdict, number)| format!("{number} {verdict}")).collect();
    let counted =
        format!("{}: {}", count(decisions.len() as u64, "decision", "decisions"), counts.join(", "));
    let by = policies(decisions.iter().filter_map(|it| it.determining.value()).flatten());
    joined([Some(counted), by.map(|by| format!("determined by {by}"))], "; ")
}

/// The policies that determined a decision, each once with its effect: `limit-100 (permit), no-weekends (forbid)`.
fn policies<'a>(all: impl Iterator<Item = &'a DeterminingPolicy>) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    for it in all {
        let which = joined([named(&it.id), named(&it.version)], " ");
        let which = if which.is_empty() { "an unnamed policy".to_owned() } else { which };
        let effect = describe(&it.effect, |effect| format!("({})", word(effect)));
        let one = joined([Some(which), effect], " ");
        if !told.contains(&one) {
            told.push(one);
        }
    }
    let more = told.len().saturating_sub(POLICIES);
    told.truncate(POLICIES);
    if more > 0 {
        told.push(format!("{more} more"));
    }
    (!told.is_empty()).then(|| told.join(", "))
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
    let determined = describe(&it.determining, |all| match policies(all.iter()) {
        Some(by) => format!("determined by {by}"),
        None => "no policy applied".to_owned(),
    });
    let unevaluated = describe(&it.unevaluated, |ids| {
        if ids.is_empty() { String::new() } else { format!("not evaluated: {}", names(ids)) }
    });
    let head = joined([Some(verdict), by, phase], ", ");
    StepText::shown(joined([Some(head), determined, unevaluated, reason, text, failing], "; ")).at(&it.at)
}
