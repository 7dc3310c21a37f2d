//! R01 to R10: who began it, in whose name, and what executed it.

use vouchlog_record::{AuthorityMode, InitiatorCheck, InitiatorKind, Profile, WorkloadAssertion};
use vouchlog_stream::StatementKind;

use crate::case::Case;
use crate::field_view::{FieldView, view};
use crate::record_set::RecordSet;
use crate::rule::{RULE, Reporter, Rule};
use crate::terms::{Definition, Severity};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Definition::{Governance, Identity, Inference, Interaction, Trail};
    vec![
        Rule { code: "R01", name: "NO_INITIATOR", serves: &[Interaction, Identity],
            says: "the initiator is not recorded",
            remedy: "record `initiator.sub` with `iss`; for a scheduled run, `initiator.kind: schedule`",
            record: Some(no_initiator), ..RULE },
        Rule { code: "R02", name: "UNVERIFIED_INITIATOR", serves: &[Identity],
            says: "the initiator was not verified, and anyone can write a header",
            remedy: "verify a token, a certificate or a key, and record how in `initiator.verified_by`",
            record: Some(unverified_initiator), ..RULE },
        Rule { code: "R03", name: "SHARED_SESSION", serves: &[Identity],
            says: "several people share the session, so it identifies none of them",
            remedy: "give each person a session of their own, and record `session.shared: false`",
            record: Some(shared_session), set: Some(session_of_several), ..RULE },
        Rule { code: "R04", name: "NO_DEVICE", severity: Severity::Warn, in_profile: &[(Profile::Privileged, Severity::Error)],
            serves: &[Identity],
            says: "a person acted, and the device is not recorded",
            remedy: "record `device.id`, as the device management knows it",
            record: Some(no_device), ..RULE },
        Rule { code: "R05", name: "NO_WORKLOAD_ID", serves: &[Interaction, Governance, Identity],
            says: "the program that executed it is not recorded",
            remedy: "record the workload's own identity in `workload.id`, not that of the user who launched it",
            record: Some(no_workload), ..RULE },
        Rule { code: "R06", name: "GENERIC_WORKLOAD", serves: &[Governance, Identity],
            says: "several programs share the workload's identity",
            remedy: "give each workload an identity of its own, and record `workload.shared: false`",
            record: Some(generic_workload), ..RULE },
        Rule { code: "R07", name: "WORKLOAD_UNVERIFIED", serves: &[Governance, Identity],
            says: "the workload's identity is self-asserted",
            remedy: "verify an SVID, a workload token or a certificate; record `workload.method` and `workload.verified: true`",
            record: Some(workload_unverified), ..RULE },
        Rule { code: "R08", name: "DELEGATION_BROKEN", serves: &[Governance, Identity],
            says: "the chain of authority does not lead from the initiator to the workload, or its scope grows along the way",
            remedy: "record `authority.chain` from initiator to workload, and in `authority.scopes` what each hop could do",
            record: Some(delegation_broken), ..RULE },
        Rule { code: "R09", name: "AUTONOMY_UNDECLARED", serves: &[Identity],
            says: "the record does not state in whose name it was done",
            remedy: "record `authority.mode`: `on_behalf_of`, `autonomous` or `connector`",
            record: Some(autonomy_undeclared), ..RULE },
        Rule { code: "R10", name: "AGENT_VERSION_MISSING", severity: Severity::Warn, serves: &[Trail, Inference],
            says: "the agent's version is not recorded",
            remedy: "record `workload.agent.version` or `workload.agent.config_digest`",
            record: Some(agent_version_missing), ..RULE },
    ]
}

/// Whether the initiator is known to be no person.
fn is_no_person(case: &Case<'_>) -> bool {
    use InitiatorKind::{Agent, Schedule, Service};
    matches!(case.initiator_kind().value(), Some(Agent | Service | Schedule))
}

fn is_schedule(case: &Case<'_>) -> bool {
    case.initiator_kind().value() == Some(&InitiatorKind::Schedule)
}

fn no_initiator(case: &Case<'_>, report: &mut Reporter<'_>) {
    let sub = view(&case.body.initiator).then(|initiator| &initiator.sub).text();
    // A schedule needs no name. Where the kind is withheld, it may be one, so the missing name proves nothing yet.
    if sub.value().is_none() && case.initiator_kind().is_withheld() {
        report.unknown(
            ["/initiator/kind"],
            "no initiator is named, and whether a schedule started it is withheld",
        );
    } else if !is_schedule(case) {
        report.require(sub, "/initiator/sub", "no initiator is named");
    }
}

fn unverified_initiator(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/initiator/verified_by";
    let check = view(&case.body.initiator).then(|initiator| &initiator.verified_by);
    // "Not applicable" is true of a schedule alone. From anyone else it falls through to `require`, which does not accept it:
    // a gateway must not excuse itself from verifying people.
    if check.is_not_applicable() && is_schedule(case) {
        return;
    }
    if check.is_not_applicable() && case.initiator_kind().is_withheld() {
        return report
            .unknown([at], "whether a schedule started it, which needs no verification, is withheld");
    }
    match report.require(check, at, "how the initiator was verified is not recorded") {
        Some(InitiatorCheck::Header) => report.wrong([at], "the initiator's name comes from a header"),
        Some(InitiatorCheck::SelfAsserted) => {
            report.wrong([at], "the initiator's name is self-asserted by the caller");
        }
        _ => {}
    }
}

fn shared_session(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/session/shared";
    let session = view(&case.body.session);
    match session.then(|session| &session.shared) {
        FieldView::Value(true) => report.wrong([at], "the session is shared"),
        FieldView::Value(false) => {}
        // Programs have no session to share. Everything that is not known to be a program is treated as a person.
        FieldView::NotApplicable if is_no_person(case) => {}
        FieldView::NotApplicable => {
            report.unknown([at], "a person acted, so whether the session is shared must be recorded");
        }
        other => {
            report.known(other, at);
        }
    }
    let named = view(&case.body.correlation).then(|correlation| &correlation.session).text();
    // The flag is the gateway's word; the earlier records are evidence. Without the session's name they cannot be searched, which
    // counts against a person's record only.
    let named = if is_no_person(case) { named.value() } else { report.known(named, "/correlation/session") };
    if let (Some(session), Some(initiator)) = (named, case.record.initiator())
        && case.context.session_has_another_initiator(session, &initiator)
    {
        report.wrong(["/correlation/session"], format!("session {session} also has another initiator"));
    }
}

fn session_of_several(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for (session, records) in set.by_session(|record| record.kind == StatementKind::Interaction) {
        // Only later records are blamed: the first one could not know who would come after it.
        let mut first = None;
        for (id, record) in records {
            let Some(initiator) = record.initiator() else { continue };
            match &first {
                None => first = Some(initiator),
                Some(first) if *first != initiator => report.of_record(id).wrong(
                    ["/correlation/session"],
                    format!("session {session} has another initiator in an earlier record"),
                ),
                Some(_) => {}
            }
        }
    }
}

fn no_device(case: &Case<'_>, report: &mut Reporter<'_>) {
    if !case.requirements.device {
        return;
    }
    let at = "/device/id";
    let device = view(&case.body.device).then(|device| &device.id).text();
    match case.initiator_kind().value() {
        Some(InitiatorKind::Human) => {
            report.require(device, at, "the person's device is not recorded");
        }
        Some(_) => {}
        // The kind is not known. A device that is named satisfies the rule for a person, too.
        None if device.value().is_some() => {}
        None => report.unknown([at], "no device is recorded, and whether a person acted is not known"),
    }
}

fn no_workload(case: &Case<'_>, report: &mut Reporter<'_>) {
    let id = view(&case.body.workload).then(|workload| &workload.id).text();
    report.require(id, "/workload/id", "no workload is named");
}

fn generic_workload(case: &Case<'_>, report: &mut Reporter<'_>) {
    // R05 reports a workload that is missing. Here and in R07 a second finding about it would say nothing new.
    let Some(workload) = case.body.workload.value() else { return };
    match report.require(
        view(&workload.shared),
        "/workload/shared",
        "whether the workload's identity is shared is not recorded",
    ) {
        Some(true) => report.wrong(["/workload/shared"], "the workload's identity is shared"),
        // The record calls it its own, or says nothing: look at the operator's list, and at which agents used it before.
        _ => {
            let Some(id) = workload.id.value() else { return };
            if case.context.is_shared_workload(id) {
                report.wrong(["/workload/id"], format!("{id} is on the list of shared accounts"));
            }
            let agent = view(&workload.agent).then(|agent| &agent.id).text();
            if case.context.workload_has_many_agents(id, agent.value()) {
                report.wrong(["/workload/id"], format!("several agents act as {id}"));
            } else if case.context.workload_has_agents(id) {
                // An agent is known under this workload. Whether this record's agent is another one needs its id.
                report.known(agent, "/workload/agent/id");
            }
        }
    }
}

fn workload_unverified(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(workload) = case.body.workload.value() else { return };
    let at = "/workload/method";
    match report.require(view(&workload.method), at, "how the workload proved its identity is not recorded") {
        Some(WorkloadAssertion::SelfAsserted) => {
            report.wrong([at], "the workload's identity is self-asserted");
        }
        Some(WorkloadAssertion::None) => report.wrong([at], "the workload's identity is not asserted"),
        _ => {}
    }
    // The method alone is not enough: an SVID that was presented and not checked proves no more than a header.
    let at = "/workload/verified";
    if report.require(
        view(&workload.verified),
        at,
        "whether the workload's assertion was verified is not recorded",
    ) == Some(&false)
    {
        report.wrong([at], "the workload's assertion was not verified");
    }
}

fn delegation_broken(case: &Case<'_>, report: &mut Reporter<'_>) {
    let authority = view(&case.body.authority);
    // R09 asks for the mode. Only delegation has a chain.
    if authority.then(|authority| &authority.mode).value() != Some(&AuthorityMode::OnBehalfOf) {
        return;
    }
    let at = "/authority/chain";
    let chain = authority.then(|authority| &authority.chain).list();
    let Some(chain) = report.require(
        chain,
        at,
        "it was done on behalf of another party, and the chain of authority is missing",
    ) else {
        return;
    };
    let ends = chain.first().zip(chain.last());
    let Some((first, last)) = ends else { return };
    // The chain may name the initiator as `iss|sub`. Without the record's `iss`, the same `sub` may belong to someone else at
    // another issuer, so this case comes before the comparison and is undetermined. A missing initiator is R01's finding.
    match view(&case.body.initiator).then(|initiator| &initiator.sub) {
        FieldView::Value(_) if case.may_be_initiator(first) => {
            report.unknown([at], "the initiator's issuer is not available");
        }
        FieldView::Value(_) if !case.is_initiator(first) => {
            report.wrong([at, "/initiator/sub"], "the chain does not start at the initiator");
        }
        FieldView::Withheld => report.unknown([at], "the initiator is withheld"),
        _ => {}
    }
    match view(&case.body.workload).then(|workload| &workload.id) {
        FieldView::Value(id) if id != last => {
            report.wrong([at, "/workload/id"], "the chain does not end at the workload");
        }
        FieldView::Value(_) => {}
        _ => report.unknown([at], "the workload at which the chain must end is not available"),
    }
    let at = "/authority/scopes";
    let Some(scopes) = report.known(authority.then(|authority| &authority.scopes), at) else { return };
    if scopes.len() != chain.len() {
        report
            .wrong([at], format!("the chain has {} hops but {} lists of scopes", chain.len(), scopes.len()));
    }
    // Rights may only shrink from hop to hop. Lists of the wrong length are compared as far as they go: a scope that grows is worth
    // a finding of its own.
    for (hop, pair) in scopes.windows(2).enumerate() {
        if let [before, after] = pair
            && let Some(wider) = after.iter().find(|scope| !before.contains(scope))
        {
            report
                .wrong([format!("{at}/{}", hop + 1)], format!("{wider} exceeds the scope of the hop before"));
        }
    }
}

fn autonomy_undeclared(case: &Case<'_>, report: &mut Reporter<'_>) {
    let mode = view(&case.body.authority).then(|authority| &authority.mode);
    report.require(mode, "/authority/mode", "the authority mode is not recorded");
}

fn agent_version_missing(case: &Case<'_>, report: &mut Reporter<'_>) {
    let agent = view(&case.body.workload).then(|workload| &workload.agent);
    if agent.is_not_applicable() || agent.then(|agent| &agent.config_digest).value().is_some() {
        return;
    }
    let version = agent.then(|agent| &agent.version).text();
    report.require(
        version,
        "/workload/agent/version",
        "neither version nor configuration of the agent is recorded",
    );
}
