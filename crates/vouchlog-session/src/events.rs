//! What the kinds of records say that are no interaction.

use vouchlog_record::{
    Body, Configuration, CredentialAction, CredentialEvent, DeclaredLoss, DisclosureEvent, ErasureEvent,
    FindingEvent, Heartbeat, RecordId, SessionSeal,
};

use crate::numbers::count;
use crate::step_list::{Steps, Told};
use crate::timeline::Step;
use crate::words::{joined, named, time, told, word};

/// Adds what a record says that is no interaction.
pub(crate) fn add(steps: &mut Steps, body: &Body) {
    let mut event = |pointer, words: Option<Told>| {
        if let Some(words) = words {
            steps.group(Step::Event, pointer, 0, &vouchlog_record::Field::Value(()), |()| words);
        }
    };
    event("/credential_event", body.credential_event.value().map(|it| credential(it, body)));
    event("/configuration", body.configuration.value().map(configuration));
    event("/disclosure", body.disclosure.value().map(disclosure));
    event("/erasure", body.erasure.value().map(erasure));
    event("/declared_loss", body.declared_loss.value().map(loss));
    event("/finding", body.finding.value().map(finding));
    event("/heartbeat", body.heartbeat.value().map(heartbeat));
    event("/session_seal", body.session_seal.value().map(seal));
}

fn records(ids: &[RecordId]) -> String {
    match ids {
        [one] => format!("record {one}"),
        many => count(many.len() as u64, "record", "records"),
    }
}

fn credential(it: &CredentialEvent, body: &Body) -> Told {
    let which = body.credential.value().and_then(|credential| named(&credential.id));
    let which = which.map_or_else(|| "a credential".to_owned(), |id| format!("credential {id}"));
    let action = told(&it.action, |action| match action {
        CredentialAction::Issued => "was issued".to_owned(),
        CredentialAction::Rotated => "was rotated".to_owned(),
        CredentialAction::Revoked => "was revoked".to_owned(),
    });
    let from = told(&it.effective, |from| format!("from {}", time(*from)));
    let by = named(&it.by).map(|by| format!("by {by}"));
    let reason = named(&it.reason).map(|reason| format!("reason: {reason}"));
    Told::shown(joined([Some(joined([Some(which), action, by], " ")), from, reason], ", "))
}

fn configuration(it: &Configuration) -> Told {
    let what = joined([told(&it.subject, word), named(&it.id), named(&it.version)], " ");
    let from = told(&it.in_force_from, |from| format!("in force from {}", time(*from)));
    let until = told(&it.in_force_until, |until| format!("until {}", time(*until)));
    Told::shown(joined([Some(what), from, until], ", "))
}

fn disclosure(it: &DisclosureEvent) -> Told {
    let who = named(&it.by).unwrap_or_else(|| "an unnamed party".to_owned());
    let scope = told(&it.scope, word);
    let of = told(&it.records, |ids| records(ids));
    let fields = told(&it.fields, |fields| count(fields.len() as u64, "field", "fields"));
    let basis = named(&it.basis).map(|basis| format!("on the basis of {basis}"));
    Told::shown(joined([Some(who), scope, of, fields, basis], ", "))
}

fn erasure(it: &ErasureEvent) -> Told {
    let what = told(&it.records, |ids| format!("erased: {}", records(ids)));
    let kept = told(&it.refused, |ids| format!("erasure rejected: {}", records(ids)));
    let why = named(&it.refusal).map(|why| format!("because of {why}"));
    let basis = named(&it.basis).map(|basis| format!("basis: {basis}"));
    Told::shown(joined([what, basis, kept, why], "; "))
}

fn loss(it: &DeclaredLoss) -> Told {
    let many = told(&it.count, |n| format!("lost {}", count(*n, "record", "records")));
    let many = many.unwrap_or_else(|| "lost an unknown number of records".to_owned());
    let from = told(&it.from, |from| format!("between {}", time(*from)));
    let to = told(&it.to, |to| format!("and {}", time(*to)));
    let cause = named(&it.cause).map(|cause| format!("cause: {cause}"));
    Told::shown(joined([Some(joined([Some(many), from, to], " ")), cause], "; "))
}

fn finding(it: &FindingEvent) -> Told {
    let about = told(&it.record, |id| format!("about record {id}"));
    let head = joined([named(&it.code), about], " ");
    Told::shown(joined([Some(head), named(&it.message)], ": "))
}

fn heartbeat(it: &Heartbeat) -> Told {
    let number = told(&it.number, |number| format!("heartbeat {number}"));
    let from = told(&it.from, |from| format!("between {}", time(*from)));
    let to = told(&it.to, |to| format!("and {}", time(*to)));
    let stated = told(&it.counts, |counts| {
        let all = counts.values().fold(0_u64, |all, one| all.saturating_add(*one));
        format!("stated {}", count(all, "record", "records"))
    });
    let taken = told(&it.received, |n| format!("received {}", count(*n, "item", "items")));
    let refused = told(&it.refused, |n| format!("rejected {}", count(*n, "item", "items")));
    let lost = told(&it.lost, |n| format!("lost {}", count(*n, "item", "items")));
    Told::shown(joined([Some(joined([number, from, to], " ")), taken, stated, refused, lost], "; "))
}

fn seal(it: &SessionSeal) -> Told {
    let many = told(&it.records, |n| format!("the session has {}", count(*n, "record", "records")));
    let why = told(&it.reason, |why| format!("reason: {}", word(why)));
    let ids = told(&it.ids, |ids| {
        if ids.is_empty() {
            String::new()
        } else {
            format!("it lists {}", count(ids.len() as u64, "record", "records"))
        }
    });
    Told::shown(joined([many, ids, why], "; "))
}
