//! The evidence bitmap: what a statement claims in public of what its record holds.

use vouchlog_record::{ApprovalState, Credential, InitiatorKind, OneOrMany, Profile, StatusResult};
use vouchlog_stream::{Evidence, StatementKind};

use super::Verdicts;
use crate::case::Case;
use crate::described::is_pinned;
use crate::field_view::{committed, view};
use crate::terms::AskedOf;
use crate::validity::{Answer, Validity};

pub(super) const SAMPLED: u32 = 1 << 20;
pub(super) const PROFILE: u32 = 0b11 << 22;
const VALID: u32 = 1 << 24;
const INVALID: u32 = 2 << 24;
pub(super) const ATTRIBUTABLE: u32 = 1 << 26;
pub(super) const COMPLETE: u32 = 1 << 27;

/// Bits 0 to 16: groups that a record has.
pub(super) const GROUPS: usize = 17;

pub(super) const fn profile_bits(profile: Profile) -> u32 {
    (match profile {
        Profile::LowRisk => 1,
        Profile::Regulated => 2,
        Profile::Privileged => 3,
    }) << 22
}

/// Which groups the record has.
fn groups(case: &Case<'_>) -> [bool; GROUPS] {
    let body = case.body;
    let initiator = view(&body.initiator).then(|initiator| &initiator.sub).text().value().is_some()
        || case.initiator_kind().value() == Some(&InitiatorKind::Schedule);
    // Of several credentials, all have to have it.
    let each = |has: fn(&Credential) -> bool| {
        !case.credentials.is_empty() && case.credentials.iter().all(|(_, credential)| has(credential))
    };
    let window = each(|credential| {
        credential.exp.value().is_some()
            && (credential.nbf.value().is_some() || credential.iat.value().is_some())
    });
    let checked = each(|credential| {
        let status = view(&credential.status);
        let result = status.then(|status| &status.result).value();
        status.then(|status| &status.checked_at).value().is_some()
            && result.is_some_and(|result| *result != StatusResult::Unknown)
    });
    let grant =
        body.grant.value().is_some_and(|grant| grant.id.value().is_some() || grant.kind.value().is_some());
    let mut approvals = body.approval.value().map(OneOrMany::as_slice).unwrap_or_default().iter();
    let is_approval = approvals
        .any(|approval| approval.state.value().is_some_and(|state| *state != ApprovalState::NotRequired));
    let is_override = body.r#override.value().is_some_and(|overrides| !overrides.as_slice().is_empty());
    let data = view(&body.data);
    let tools = body.tools.value().map(Vec::as_slice).unwrap_or_default();
    [
        initiator,
        view(&body.session).then(|session| &session.verified).value() == Some(&true),
        view(&body.device).then(|device| &device.id).text().value().is_some(),
        view(&body.workload).then(|workload| &workload.id).text().value().is_some(),
        window,
        checked,
        grant,
        is_approval || is_override,
        case.decisions().any(|(_, decision)| decision.verdict.value().is_some()),
        case.decisions().next().is_some() && case.decisions().all(|(_, decision)| is_pinned(decision)),
        data.then(|data| &data.input_class).names().value().is_some(),
        view(&body.model).then(|model| &model.served).text().value().is_some(),
        committed(&body.input).value().is_some(),
        committed(&body.output).value().is_some(),
        !tools.is_empty(),
        tools.iter().any(|tool| tool.downstream.value().is_some_and(|calls| !calls.is_empty())),
        case.outcome().value().is_some(),
    ]
}

/// The bitmap of a graded record. One that is neither interaction nor intent, or only completes another, claims the groups it has,
/// and no verdict.
pub(super) fn of(case: &Case<'_>, verdicts: &Verdicts, validity: &Validity) -> Evidence {
    let mut bits = groups(case).iter().enumerate().fold(0, |bits, (bit, has)| bits | u32::from(*has) << bit);
    let custody = view(&case.body.custody);
    let dropped = custody.then(|custody| &custody.dropped_attributes).value();
    if custody.then(|custody| &custody.sampled).value() == Some(&true)
        || dropped.is_some_and(|count| *count > 0)
    {
        bits |= SAMPLED;
    }
    if case.is_asked(AskedOf::Acting) && !case.record.is_amendment() {
        bits |= profile_bits(case.record.profile());
        bits |= match validity.answer {
            Answer::Yes => VALID,
            Answer::No => INVALID,
            Answer::Indeterminate => 0,
        };
        bits |= if verdicts.attributable == Answer::Yes { ATTRIBUTABLE } else { 0 };
        bits |= if verdicts.complete == Answer::Yes && case.record.kind == StatementKind::Interaction {
            COMPLETE
        } else {
            0
        };
    }
    Evidence::new(bits).unwrap_or(Evidence::NONE)
}
