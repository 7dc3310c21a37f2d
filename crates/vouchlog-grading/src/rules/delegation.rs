//! R08: the chain of authority, from the initiator to the workload.

use std::collections::BTreeMap;

use vouchlog_record::{AuthorityMode, Delegation, Hop, InitiatorKind};

use crate::case::{Case, UncertainTime, UseTime, UsedCredential, recorded, tool_name, uses};
use crate::field_view::{FieldView, view};
use crate::rule::Reporter;
use crate::rules::scopes::cover;

/// R08.
pub(super) fn broken(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/authority/chain";
    let Some(chain) = chain(case, report) else { return };
    let Some((first, last)) = chain.first().zip(chain.last()) else { return };
    ends(case, first, last, report);
    between(chain, report);
    returning(chain, report);
    for (place, hop) in chain.iter().enumerate() {
        if let Some(delegation) = hop.delegation() {
            let here = format!("{at}/{place}");
            actor(delegation, chain.get(place + 1), &here, report);
            in_force(case, delegation, &here, report);
        }
    }
    scopes(case, chain.len(), report);
}

/// The chain of authority, where one is required: for an action on behalf of another party, and, in every mode, for one that a person began.
fn chain<'a>(case: &Case<'a>, report: &mut Reporter<'_>) -> Option<&'a Vec<Hop>> {
    const AT: &str = "/authority/chain";
    let authority = view(&case.body.authority);
    let chain = authority.then(|authority| &authority.chain).list();
    // R09 asks for the mode.
    if authority.then(|authority| &authority.mode).value()? == &AuthorityMode::OnBehalfOf {
        let message = "it was done on behalf of another party, and the chain of authority is missing";
        return report.require(chain, AT, message);
    }
    match case.initiator_kind().value() {
        Some(InitiatorKind::Human | InitiatorKind::External) => {
            let message = "a person began it, and the chain of authority is missing";
            report.require(chain, AT, message)
        }
        Some(InitiatorKind::Agent | InitiatorKind::Service | InitiatorKind::Schedule) => None,
        None => {
            if chain.value().is_none() {
                let message = "no chain of authority is recorded, and whether a person began it is not known";
                report.unknown([AT, "/initiator/kind"], message);
            }
            chain.value()
        }
    }
}

/// Whether the chain begins at the initiator and ends at the workload.
fn ends(case: &Case<'_>, first: &Hop, last: &Hop, report: &mut Reporter<'_>) {
    let at = "/authority/chain";
    // The chain may name the initiator as `iss|sub`. Without the record's `iss`, the same `sub` may belong to someone else at
    // another issuer, so this case comes before the comparison and is undetermined. A missing initiator is R01's finding.
    let name = FirstHop::of(case, first);
    match view(&case.body.initiator).then(|initiator| &initiator.sub) {
        FieldView::Value(_) => match name {
            FirstHop::Initiator => {}
            FirstHop::Another => {
                report.wrong([at, "/initiator/sub"], "the chain does not start at the initiator");
            }
            FirstHop::AtUnknownIssuer => report.unknown([at], "the initiator's issuer is not available"),
            FirstHop::Withheld => report.unknown([at], "the first hop of the chain is withheld"),
        },
        FieldView::Withheld => report.unknown([at], "the initiator is withheld"),
        _ => {}
    }
    match view(&case.body.workload).then(|workload| &workload.id) {
        FieldView::Value(_) if last.is_withheld() => {
            report.unknown([at], "the last hop of the chain is withheld");
        }
        FieldView::Value(id) if last.principal() != Some(id) => {
            report.wrong([at, "/workload/id"], "the chain does not end at the workload");
        }
        FieldView::Value(_) => {}
        _ => report.unknown([at], "the workload at which the chain must end is not available"),
    }
}

/// Whether the hops between the ends have names. A hop without one could be anybody.
fn between(chain: &[Hop], report: &mut Reporter<'_>) {
    let last = chain.len().saturating_sub(1);
    for (place, hop) in chain.iter().enumerate().take(last).skip(1) {
        let at = [format!("/authority/chain/{place}")];
        if hop.is_withheld() {
            report.unknown(at, "a hop of the chain is withheld");
        } else if hop.principal().is_none_or(|name| name.trim().is_empty()) {
            report.missing(at, "a hop of the chain has no name");
        }
    }
}

/// Whether authority comes back to a principal that it had left. An agent may call back the one that called it; it may also be a chain
/// that was pieced together.
fn returning(chain: &[Hop], report: &mut Reporter<'_>) {
    let mut passed: BTreeMap<&str, Option<&String>> = BTreeMap::new();
    let mut before = None;
    for (place, hop) in chain.iter().enumerate() {
        let name = hop.principal();
        let issuer = hop.delegation().and_then(|delegation| delegation.issuer.value());
        if let Some(name) = name.filter(|_| name != before) {
            let is_same = |other: &Option<&String>| other.zip(issuer).is_none_or(|(one, other)| one == other);
            if passed.get(name).is_some_and(is_same) {
                let message = "the chain returns to a principal that it had left";
                return report.unknown([format!("/authority/chain/{place}")], message);
            }
            passed.insert(name, issuer);
        }
        before = name;
    }
}

/// Whom the chain begins with.
enum FirstHop {
    Initiator,
    Another,
    /// The initiator's name, at an issuer that cannot be compared.
    AtUnknownIssuer,
    Withheld,
}

impl FirstHop {
    fn of(case: &Case<'_>, hop: &Hop) -> Self {
        let Some(name) = hop.principal() else {
            return if hop.is_withheld() { Self::Withheld } else { Self::Another };
        };
        let (ours, theirs) = (
            view(&case.body.initiator).then(|initiator| &initiator.iss),
            hop.delegation().map_or(FieldView::Absent, |delegation| view(&delegation.issuer)),
        );
        if case.may_be_initiator(name) {
            return Self::AtUnknownIssuer;
        }
        match (case.is_initiator(name), ours, theirs) {
            (false, ..) => Self::Another,
            (true, FieldView::Value(ours), FieldView::Value(theirs)) if ours != theirs => Self::Another,
            (true, FieldView::Absent | FieldView::Withheld, FieldView::Value(_))
            | (true, FieldView::Value(_), FieldView::Withheld) => Self::AtUnknownIssuer,
            (true, ..) => Self::Initiator,
        }
    }
}

/// The actor of a hop is the principal of the next one.
fn actor(delegation: &Delegation, next: Option<&Hop>, at: &str, report: &mut Reporter<'_>) {
    let Some(actor) = delegation.actor.value() else { return };
    match next {
        Some(next) if next.is_withheld() => {
            report.unknown([at], "whether the actor is the next hop of the chain is withheld");
        }
        Some(next) if next.principal() == Some(actor) => {}
        // The last hop acts itself.
        None if delegation.principal.value() == Some(actor) => {}
        Some(_) | None => {
            report.wrong(
                [format!("{at}/actor")],
                "the actor of the delegation is not the next hop of the chain",
            );
        }
    }
}

/// Whether a delegation was in force at each moment that something was done under it: the call of the model, retrievals, tool calls
/// and what they called.
fn in_force(case: &Case<'_>, delegation: &Delegation, at: &str, report: &mut Reporter<'_>) {
    let begin = delegation.nbf.value().into_iter().chain(delegation.iat.value()).max();
    let exp = delegation.exp.value();
    for field in [&delegation.nbf, &delegation.iat, &delegation.exp] {
        if field.is_withheld() {
            return report.unknown([at], "the window of the delegation is withheld");
        }
    }
    match (begin, exp) {
        (None, None) => return,
        (Some(_), Some(_)) => {}
        _ => report.unknown([at], "only one end of the delegation's window is recorded"),
    }
    let (acts, hidden) = acts(case);
    let mut unsure = hidden
        .contains(&"/tools")
        .then(|| "/tools is missing; it would show what was done under the delegation".to_owned());
    for (what, at_time) in &acts {
        let moments = match *at_time {
            UseTime::At(at) => [at, at],
            UseTime::Within(start, end) => [start, end],
            UseTime::Unknown => {
                unsure = Some(format!("the time of {what} is not recorded"));
                continue;
            }
        };
        for when in moments {
            let moment = UncertainTime { what, at: when, error: case.clock_error() };
            let is_before = begin.is_some_and(|begin| moment.latest() < *begin);
            let is_after = exp.is_some_and(|exp| moment.earliest() >= *exp);
            if (is_before || is_after) && at_time.known().is_some() {
                let message = format!("the delegation was not in force for {what} at {when:.0}");
                return report.wrong([at], message);
            }
            if begin.is_some_and(|begin| moment.earliest() < *begin)
                || exp.is_some_and(|exp| moment.latest() >= *exp)
            {
                unsure = Some(format!("whether the delegation was in force for {what} is not certain"));
            }
        }
    }
    if let Some(message) = unsure {
        report.unknown([at], message);
    }
}

/// What was done under a delegation, and when, with or without a credential; and pointers to what would tell of more and is missing.
fn acts(case: &Case<'_>) -> (Vec<(String, UseTime)>, Vec<&'static str>) {
    let (uses, hidden) = uses(case);
    let mut acts: Vec<_> = uses
        .into_iter()
        .filter(|one| !matches!(one.with, UsedCredential::AnyValid) && one.pointer != "/time/start")
        .map(|one| (one.what, one.at))
        .collect();
    let start = case.time(|time| &time.start).value();
    acts.push(("start".to_owned(), start.map_or(UseTime::Unknown, |start| UseTime::At(*start))));
    if !case.is_intent() {
        let without = case.run_tools().filter(|(_, tool)| view(&tool.credential).is_not_applicable());
        acts.extend(
            without.map(|(place, tool)| (format!("tool {}", tool_name(place, tool)), recorded(&tool.start))),
        );
    }
    (acts, hidden)
}

fn scopes(case: &Case<'_>, hops: usize, report: &mut Reporter<'_>) {
    let at = "/authority/scopes";
    let scopes = view(&case.body.authority).then(|authority| &authority.scopes);
    let Some(scopes) = report.known(scopes, at) else { return };
    if scopes.len() != hops {
        report.wrong([at], format!("the chain has {hops} hops but {} lists of scopes", scopes.len()));
    }
    // Rights may only shrink from hop to hop. Lists of the wrong length are compared as far as they go: a scope that grows is worth
    // a finding of its own.
    for (hop, pair) in scopes.windows(2).enumerate() {
        if let [before, after] = pair
            && let Some(wider) = after.iter().find(|scope| !scope.trim().is_empty() && !cover(before, scope))
        {
            report
                .wrong([format!("{at}/{}", hop + 1)], format!("{wider} exceeds the scope of the hop before"));
        }
    }
}
