//! R01 to R10, R81, R82, R85: who began it, in whose name, and what executed it.

use jiff::Timestamp;
use vouchlog_record::{InitiatorCheck, InitiatorKind, Profile, Tool, WorkloadAssertion};
use vouchlog_stream::StatementKind;

use crate::case::{Case, UncertainTime};
use crate::field_view::{FieldView, view};
use crate::record_set::RecordSet;
use crate::rule::{RULE, Reporter, Rule};
use crate::rules::{agents, delegation};
use crate::spiffe::{claims_to_be_spiffe, is_workload_id};
use crate::subjects;
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
            says: "the workload's identity is self-asserted, or is one that no issuer signs",
            remedy: "verify an SVID, a workload token or a certificate; record `workload.method`, `workload.verified: true`, in `workload.id` the identity as it was verified, and of an OIDC token its `workload.issuer`",
            record: Some(workload_unverified), ..RULE },
        Rule { code: "R08", name: "DELEGATION_BROKEN", serves: &[Governance, Identity],
            says: "the chain of authority does not lead from the initiator to the workload, a delegation in it was not in force, or its scope grows along the way",
            remedy: "record `authority.chain` from initiator to workload, and in `authority.scopes` what each hop could do; where a person began it, also for an autonomous agent",
            record: Some(delegation::broken), ..RULE },
        Rule { code: "R09", name: "AUTONOMY_UNDECLARED", serves: &[Identity],
            says: "the record does not state in whose name it was done",
            remedy: "record `authority.mode`: `on_behalf_of`, `autonomous` or `connector`",
            record: Some(autonomy_undeclared), ..RULE },
        Rule { code: "R10", name: "AGENT_VERSION_MISSING", severity: Severity::Warn, serves: &[Trail, Inference],
            says: "the agent's version is not recorded",
            remedy: "record `workload.agent.version` or `workload.agent.config_digest`",
            record: Some(agent_version_missing), ..RULE },
        Rule { code: "R81", name: "SESSION_UNVERIFIED", serves: &[Identity],
            says: "the session was not verified as active and as the initiator's, or it is not recorded whether it was",
            remedy: "check the session at the identity provider before the action; record `session.verified` as it was found",
            record: Some(session_unverified), ..RULE },
        Rule { code: "R82", name: "AUTHENTICATED_AFTER_ACTION", serves: &[Identity],
            says: "the initiator authenticated only after the action, or it is not recorded when",
            remedy: "authenticate before the action; record `session.auth_time` as the identity provider gives it",
            record: Some(authenticated_late), ..RULE },
        Rule { code: "R85", name: "AGENT_NOT_IN_SERVICE", serves: &[Governance],
            says: "the agent acted after it was retired, or before it was put into service, or the registry of agents does not have it",
            remedy: "record the agent's id in `workload.agent.id`; register each agent with a record of kind `configuration`: its id, `configuration.agent.created` and `retired`",
            record: Some(agents::not_in_service), ..RULE },
    ]
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
    let sub = view(&case.body.initiator).then(|initiator| &initiator.sub).value();
    if sub.is_some_and(|sub| claims_to_be_spiffe(sub) && !is_workload_id(sub)) {
        report.wrong(["/initiator/sub"], "the initiator's name is not a valid SPIFFE ID");
    }
    let iss = view(&case.body.initiator).then(|initiator| &initiator.iss).value();
    if let Some((sub, iss)) = sub.zip(iss)
        && !subjects::can_be_issued_by(iss, sub)
    {
        report.wrong(["/initiator/sub", "/initiator/iss"], "the issuer does not issue such a subject");
    }
}

fn shared_session(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/session/shared";
    let session = view(&case.body.session);
    match session.then(|session| &session.shared) {
        FieldView::Value(true) => report.wrong([at], "the session is shared"),
        FieldView::Value(false) => {}
        // Programs have no session to share. Everything that is not known to be a program is treated as a person.
        FieldView::NotApplicable if case.is_no_person() => {}
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
    let named = if case.is_no_person() { named.value() } else { report.known(named, "/correlation/session") };
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

fn session_unverified(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/session/verified";
    // R03 reports a session that is missing.
    let Some(session) = case.body.session.value() else { return };
    match view(&session.verified) {
        FieldView::Value(true) => {}
        FieldView::Value(false) => report.wrong([at], "the session was not verified"),
        verified if !case.is_no_person() => {
            report.known(verified, at);
        }
        _ => {}
    }
}

/// The action that an authentication has to come before: the first tool call with a side effect, or the call of the model. Stronger
/// authentication may be asked for in between.
fn first_action(case: &Case<'_>) -> Option<Timestamp> {
    let changes = |tool: &Tool| tool.side_effect.value() != Some(&false);
    let tools = case.run_tools().filter(|(_, tool)| changes(tool));
    let first = tools.filter_map(|(_, tool)| tool.start.value()).min();
    first.or(case.time(|time| &time.start).value()).copied()
}

fn authenticated_late(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/session/auth_time";
    let Some(session) = case.body.session.value() else { return };
    let authenticated = match view(&session.auth_time) {
        FieldView::Value(at) => *at,
        missing => {
            if !case.is_no_person() {
                report.known(missing, at);
            }
            return;
        }
    };
    let Some(action) = first_action(case) else {
        return report.unknown(["/time/start"], "the time of the action is not recorded");
    };
    // The identity provider's clock is not the recorder's, and counts whole seconds.
    let moment = UncertainTime { what: "", at: action, error: case.clock_error() };
    if authenticated.as_second() > moment.latest().as_second() {
        let message =
            format!("the initiator authenticated at {authenticated:.0}, after the action at {action:.0}");
        report.wrong([at], message);
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
    let method = workload.method.value().copied();
    if let Some(id) = workload.id.value()
        && let Some(problem) = subjects::problem(method, id)
    {
        report.wrong(["/workload/id"], problem);
    }
    if let Some(method) = method.filter(|method| subjects::needs_issuer(*method)) {
        let at = "/workload/issuer";
        let issuer = view(&workload.issuer).text();
        let message = "the issuer of the workload's token is not recorded, and its subject is another one at each issuer";
        if report.require(issuer, at, message).is_some_and(|issuer| !subjects::is_issuer_of(method, issuer)) {
            report.wrong([at], "the issuer does not issue tokens of this kind");
        }
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
