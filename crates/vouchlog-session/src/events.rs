//! What the kinds of records say that are no interaction.

use vouchlog_record::{
    Body, CaseAction, CaseEvent, Configuration, CredentialAction, CredentialEvent, DeclaredLoss,
    DisclosureEvent, ErasureEvent, Field, FindingEvent, Heartbeat, HoldAction, HoldEvent, RecordId,
    RegisteredAgent, SessionSeal,
};

use crate::numbers::count;
use crate::phrases::{describe, joined, named, time, word};
use crate::step_list::{StepList, StepText};
use crate::timeline::Step;

/// Adds what a record says that is no interaction.
pub(crate) fn add(steps: &mut StepList, body: &Body) {
    add_event(steps, "/credential_event", body.credential_event.value().map(|it| credential(it, body)));
    add_event(steps, "/configuration", body.configuration.value().map(configuration));
    add_event(steps, "/disclosure", body.disclosure.value().map(disclosure));
    add_event(steps, "/erasure", body.erasure.value().map(erasure));
    add_event(steps, "/hold", body.hold.value().map(hold));
    add_event(steps, "/declared_loss", body.declared_loss.value().map(loss));
    add_event(steps, "/finding", body.finding.value().map(finding));
    add_event(steps, "/heartbeat", body.heartbeat.value().map(heartbeat));
    add_event(steps, "/session_seal", body.session_seal.value().map(seal));
}

fn add_event(steps: &mut StepList, pointer: &str, text: Option<StepText>) {
    if let Some(text) = text {
        steps.group(Step::Event, pointer, 0, &Field::Value(()), |()| text);
    }
}

fn records(ids: &[RecordId]) -> String {
    match ids {
        [one] => format!("record {one}"),
        many => count(many.len() as u64, "record", "records"),
    }
}

fn credential(it: &CredentialEvent, body: &Body) -> StepText {
    let one = body.credential.value().or_else(|| body.credentials.value()?.first());
    let which = one.and_then(|credential| named(&credential.id));
    let which = which.map_or_else(|| "a credential".to_owned(), |id| format!("credential {id}"));
    let action = describe(&it.action, |action| match action {
        CredentialAction::Issued => "was issued".to_owned(),
        CredentialAction::Rotated => "was rotated".to_owned(),
        CredentialAction::Revoked => "was revoked".to_owned(),
    });
    let from = describe(&it.effective, |from| format!("from {}", time(*from)));
    let by = named(&it.by).map(|by| format!("by {by}"));
    let reason = named(&it.reason).map(|reason| format!("reason: {reason}"));
    StepText::shown(joined([Some(joined([Some(which), action, by], " ")), from, reason], ", "))
}

fn configuration(it: &Configuration) -> StepText {
    let what = joined([describe(&it.subject, word), named(&it.id), named(&it.version)], " ");
    let from = describe(&it.in_force_from, |from| format!("in force from {}", time(*from)));
    let until = describe(&it.in_force_until, |until| format!("until {}", time(*until)));
    let classes = describe(&it.classes, |classes| count(classes.len() as u64, "class", "classes"));
    let agent = it.agent.value().map(registered_agent);
    StepText::shown(joined([Some(joined([Some(what), classes, from, until], ", ")), agent], "; "))
}

/// The entry of an agent in the registry of agents.
pub(crate) fn registered_agent(it: &RegisteredAgent) -> String {
    let called = named(&it.name).map(|called| format!("named {called}"));
    let owner = named(&it.owner).map(|owner| format!("owner: {owner}"));
    let sponsor = named(&it.sponsor).map(|sponsor| format!("accountable: {sponsor}"));
    let workload = named(&it.workload).map(|workload| format!("runs as {workload}"));
    let created = describe(&it.created, |at| format!("in service since {}", time(*at)));
    let retired = match it.retired {
        // In service, by the registry's own word.
        Field::NotApplicable => None,
        ref retired => describe(retired, |at| format!("retired since {}", time(*at))),
    };
    joined([called, owner, sponsor, workload, created, retired], ", ")
}

fn disclosure(it: &DisclosureEvent) -> StepText {
    let who = named(&it.by).unwrap_or_else(|| "an unnamed party".to_owned());
    let scope = describe(&it.scope, word);
    let of = describe(&it.records, |ids| records(ids));
    let fields = describe(&it.fields, |fields| count(fields.len() as u64, "field", "fields"));
    let basis = named(&it.basis).map(|basis| format!("on the basis of {basis}"));
    let recipient = named(&it.recipient).map(|recipient| format!("to {recipient}"));
    StepText::shown(joined([Some(who), scope, of, fields, recipient, basis], ", "))
}

fn erasure(it: &ErasureEvent) -> StepText {
    let what = describe(&it.records, |ids| format!("erased: {}", records(ids)));
    let kept = describe(&it.refused, |ids| format!("erasure rejected: {}", records(ids)));
    let why = named(&it.refusal).map(|why| format!("because of {why}"));
    let basis = named(&it.basis).map(|basis| format!("basis: {basis}"));
    StepText::shown(joined([what, basis, kept, why], "; "))
}

fn hold(it: &HoldEvent) -> StepText {
    let what = named(&it.name).map_or_else(|| "a legal hold".to_owned(), |name| format!("legal hold {name}"));
    let action = describe(&it.action, |action| match action {
        HoldAction::Placed => "was placed".to_owned(),
        HoldAction::Lifted => "was lifted".to_owned(),
    });
    let by = named(&it.by).map(|by| format!("by {by}"));
    let many = describe(&it.records, |n| count(*n, "record", "records"));
    let later = it.covers_later.value().filter(|later| **later);
    let later = later.map(|_| "and matching ones that are kept later".to_owned());
    let reason = named(&it.reason).map(|reason| format!("reason: {reason}"));
    StepText::shown(joined([Some(joined([Some(what), action, by], " ")), many, later, reason], ", "))
}

fn of_case(case: &CaseEvent, it: &FindingEvent) -> String {
    let name = named(&case.name).map(|name| format!("case {name}"));
    let action = describe(&case.action, |action| match action {
        CaseAction::Opened => "was opened".to_owned(),
        CaseAction::Added => "was added to".to_owned(),
        CaseAction::Noted => "got a note".to_owned(),
        CaseAction::Closed => "was closed".to_owned(),
    });
    let by = named(&it.by).map(|by| format!("by {by}"));
    let owner = named(&case.owner).map(|owner| format!("owner: {owner}"));
    let session = named(&case.session).map(|session| format!("session {session}"));
    let hold = named(&case.hold).map(|hold| format!("legal hold {hold}"));
    let disclosure = describe(&case.disclosure, |id| format!("disclosure {id}"));
    let reason = named(&it.reason).map(|reason| format!("reason: {reason}"));
    joined([Some(joined([name, action, by], " ")), session, hold, disclosure, owner, reason], ", ")
}

fn loss(it: &DeclaredLoss) -> StepText {
    let many = describe(&it.count, |n| format!("lost {}", count(*n, "record", "records")));
    let many = many.unwrap_or_else(|| "lost an unknown number of records".to_owned());
    let from = describe(&it.from, |from| format!("between {}", time(*from)));
    let to = describe(&it.to, |to| format!("and {}", time(*to)));
    let cause = named(&it.cause).map(|cause| format!("cause: {cause}"));
    StepText::shown(joined([Some(joined([Some(many), from, to], " ")), cause], "; "))
}

fn finding(it: &FindingEvent) -> StepText {
    let about = describe(&it.record, |id| format!("about record {id}"));
    let head = joined([named(&it.code), about], " ");
    if let Some(case) = it.case.value() {
        return StepText::shown(of_case(case, it));
    }
    if it.decision.is_absent() {
        return StepText::shown(joined([Some(head), named(&it.message)], ": "));
    }
    let decision = describe(&it.decision, word).map(|decision| format!("finding {head} is {decision}"));
    let of = describe(&it.records, |ids| format!("in {}", records(ids)));
    let by = named(&it.by).map(|by| format!("by {by}"));
    let until = describe(&it.until, |until| format!("until {}", time(*until)));
    let reason = named(&it.reason).map(|reason| format!("reason: {reason}"));
    StepText::shown(joined([Some(joined([decision, of, by], " ")), until, reason], ", "))
}

fn heartbeat(it: &Heartbeat) -> StepText {
    let number = describe(&it.number, |number| format!("heartbeat {number}"));
    let from = describe(&it.from, |from| format!("between {}", time(*from)));
    let to = describe(&it.to, |to| format!("and {}", time(*to)));
    let stated = describe(&it.counts, |counts| {
        let all = counts.values().fold(0_u64, |all, one| all.saturating_add(*one));
        format!("stated {}", count(all, "record", "records"))
    });
    let taken = describe(&it.received, |n| format!("received {}", count(*n, "item", "items")));
    let refused = describe(&it.refused, |n| format!("rejected {}", count(*n, "item", "items")));
    let lost = describe(&it.lost, |n| format!("lost {}", count(*n, "item", "items")));
    StepText::shown(joined([Some(joined([number, from, to], " ")), taken, stated, refused, lost], "; "))
}

fn seal(it: &SessionSeal) -> StepText {
    let many = describe(&it.records, |n| format!("the session has {}", count(*n, "record", "records")));
    let why = describe(&it.reason, |why| format!("reason: {}", word(why)));
    let ids = describe(&it.ids, |ids| {
        if ids.is_empty() {
            String::new()
        } else {
            format!("it lists {}", count(ids.len() as u64, "record", "records"))
        }
    });
    StepText::shown(joined([many, ids, why], "; "))
}
