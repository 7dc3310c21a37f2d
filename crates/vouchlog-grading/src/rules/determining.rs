//! R28, R84: the policies that determined a decision.

use jiff::Timestamp;
use vouchlog_record::{
    ArtifactDigest, ConfigurationSubject, Enforced, PolicyDecision, PolicyEffect, Verdict,
};

use crate::case::Case;
use crate::context::InForce;
use crate::described::determining;
use crate::field_view::view;
use crate::rule::Reporter;

/// R28: of the policy that decided, and of those of its policies that the log has configurations of.
pub(super) fn not_in_force(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, decision) in case.decisions() {
        let at = format!("/policy/{place}");
        let id = view(&decision.id).text();
        let listed = determining(decision);
        // Where the engine names no set, each policy that it lists has to be in force.
        let is_set = id.value().is_some() || listed.is_empty() || id.is_withheld();
        let set = if is_set { report.known(id, &format!("{at}/id")) } else { None };
        if is_set && set.is_none() {
            continue;
        }
        let Some(when) = report.known(view(&decision.at), &format!("{at}/at")) else { continue };
        if let Some(id) = set {
            let (digest, version) = (decision.digest.value(), decision.version.value());
            judge(case, &Named { at: at.clone(), id, digest, version }, *when, report);
        }
        for (member, policy) in listed.iter().enumerate() {
            let at = format!("{at}/determining/{member}");
            let known = |id: &&String| set.is_none() || case.context.knows_policy(id);
            if let Some(id) = policy.id.value().filter(known) {
                let (digest, version) = (policy.digest.value(), policy.version.value());
                judge(case, &Named { at, id, digest, version }, *when, report);
            } else if set.is_none() {
                report.known(view(&policy.id).text(), &format!("{at}/id"));
            }
        }
    }
}

/// A policy, as a decision names it.
struct Named<'a> {
    at: String,
    id: &'a String,
    digest: Option<&'a ArtifactDigest>,
    version: Option<&'a String>,
}

fn judge(case: &Case<'_>, policy: &Named<'_>, when: Timestamp, report: &mut Reporter<'_>) {
    let Named { at, id, digest, version } = policy;
    let version = version.map(String::as_str);
    match case.context.in_force(ConfigurationSubject::Policy, id, *digest, version, when) {
        InForce::Yes => {}
        InForce::No => report.wrong([at], format!("this bundle of {id} was not in force at {when:.0}")),
        InForce::Unknown => {
            report.unknown([at], format!("which version of {id} was in force at {when:.0} is not known"));
        }
    }
}

/// R84. A policy that forbids outweighs all that permit, and only policies that forbid can be why the action was denied.
pub(super) fn contradicted(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, decision) in case.decisions() {
        let at = format!("/policy/{place}/determining");
        if decision.determining.is_withheld() {
            report.unknown([at.as_str()], format!("{at} is withheld"));
        }
        for (member, policy) in determining(decision).iter().enumerate() {
            if policy.effect.is_withheld() {
                report.unknown([format!("{at}/{member}/effect")], "the effect of a policy is withheld");
            }
        }
        match decision.verdict.value() {
            Some(Verdict::Allow | Verdict::Modify) => allowed(decision, &at, report),
            Some(Verdict::Deny) => denied(decision, &at, report),
            _ => {}
        }
        unevaluated(decision, place, report);
    }
}

fn allowed(decision: &PolicyDecision, at: &str, report: &mut Reporter<'_>) {
    for (member, policy) in determining(decision).iter().enumerate() {
        if policy.effect.value() == Some(&PolicyEffect::Forbid) {
            let name = policy.id.value().map_or("a policy", String::as_str);
            let message = format!("{name} forbids the action, and the verdict allows it");
            report.wrong([format!("{at}/{member}/effect")], message);
        }
    }
}

/// Where no policy applied, an engine denies by default.
fn denied(decision: &PolicyDecision, at: &str, report: &mut Reporter<'_>) {
    let all = determining(decision);
    if !all.is_empty() && all.iter().all(|policy| policy.effect.value() == Some(&PolicyEffect::Permit)) {
        report.wrong([at], "all policies that determined the verdict permit the action, and it was denied");
    }
}

fn unevaluated(decision: &PolicyDecision, place: usize, report: &mut Reporter<'_>) {
    let at = format!("/policy/{place}/unevaluated");
    let may_continue = matches!(decision.verdict.value(), Some(Verdict::Allow | Verdict::Modify))
        && decision.enforced.value() != Some(&Enforced::Deny);
    if !may_continue {
        return;
    }
    match decision.unevaluated.value().and_then(|policies| policies.first()) {
        Some(first) => {
            report.unknown(
                [at],
                format!("{first} could not be evaluated, and whether it forbids the action is not known"),
            );
        }
        None if decision.unevaluated.is_withheld() => {
            report.unknown([at.as_str()], format!("{at} is withheld"));
        }
        None => {}
    }
}
