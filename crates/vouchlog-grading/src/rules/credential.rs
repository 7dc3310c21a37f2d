//! R11 to R23, R83: the credential, whether it was valid, and whether it was the right one.

use vouchlog_record::{Credential, Profile, StatusResult, Tool};

use crate::case::{Case, is_svid};
use crate::described::id_of;
use crate::field_view::{FieldView, view};
use crate::rule::{RULE, Reporter, Rule, whole_seconds};
use crate::rules::possession;
use crate::rules::scopes::{cover, same_audience};
use crate::terms::{Definition, Severity};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Definition::{Governance, Identity};
    use Severity::{Indeterminate, Warn};
    vec![
        Rule { code: "R11", name: "NO_CREDENTIAL", serves: &[Identity],
            says: "the credential that was used is not recorded",
            remedy: "record `credential.id` (a `jti`, a serial number, a keyed hash; never the secret) and its window; where several were used, `credentials`",
            record: Some(no_credential), ..RULE },
        Rule { code: "R12", name: "NO_VALIDITY_WINDOW", serves: &[Governance, Identity],
            says: "the credential has no validity window: it is a static key, or its window was not recorded",
            remedy: "use a credential that expires; record `credential.exp` and `iat` or `nbf`",
            record: Some(no_window), ..RULE },
        Rule { code: "R13", name: "NOT_YET_VALID", serves: &[Identity],
            says: "the credential was used before it was issued, or before it was valid",
            remedy: "use it after `iat` and `nbf`; check the gateway's clock",
            record: Some(by_use), ..RULE },
        Rule { code: "R14", name: "EXPIRED", serves: &[Identity],
            says: "the credential was used after it expired, possibly only by a later call of the same interaction",
            remedy: "renew the credential before each call; record both in `credentials`, and name the one that each call used: `model.credential`, `data.sources[].credential`, `tools[].credential`, `downstream[].credential`",
            record: Some(by_use), ..RULE },
        Rule { code: "R14i", name: "WINDOW_INDETERMINATE", severity: Indeterminate, serves: &[Identity],
            says: "whether the credential was within its window cannot be determined: the clock is too imprecise, or the time of a use or its credential is not recorded",
            remedy: "record `time.start`, `policy[].at`, `data.sources[].start`, `tools[].start`, `downstream[].at` and `credential`, `time.clock.max_error_ms`; of several credentials, name the one that each call used; say `tools: []` where there are none",
            record: Some(by_use), ..RULE },
        Rule { code: "R15", name: "PERSISTENT_CREDENTIAL", in_profile: &[(Profile::LowRisk, Warn)], serves: &[Governance],
            says: "the credential lives longer than the profile allows",
            remedy: "issue credentials for the task, not for the day",
            record: Some(persistent), ..RULE },
        Rule { code: "R16", name: "STATUS_UNCHECKED", severity: Indeterminate, serves: &[Identity],
            says: "the credential's revocation status was not checked",
            remedy: "ask the issuer or a status list, and record `credential.status` with method, time and result",
            record: Some(status_unchecked), ..RULE },
        Rule { code: "R17", name: "STATUS_STALE", severity: Indeterminate, serves: &[Identity],
            says: "the status check of the credential is too old, or came after the use",
            remedy: "look again before each use that comes later than the profile's limit",
            record: Some(by_use), ..RULE },
        Rule { code: "R18", name: "REVOKED_AT_EVENT", serves: &[Identity],
            says: "the credential had been revoked when it was used",
            remedy: "none for this record: find out what was done with it, and see that revocations reach the gateway",
            record: Some(by_use), ..RULE },
        Rule { code: "R19", name: "SCOPE_NOT_COVERING", serves: &[Governance, Identity],
            says: "the credential, or the chain of authority, does not allow what the tool needs",
            remedy: "record `credential.scope`, `authority.scopes` and `tools[].needs_scope`; use a credential that covers the call, and name it in `tools[].credential`",
            record: Some(scope), ..RULE },
        Rule { code: "R20", name: "AUDIENCE_MISMATCH", serves: &[Governance, Identity],
            says: "the credential was issued for another audience than the tool",
            remedy: "record `credential.aud` and `tools[].audience`; get a credential for that audience, and name it in `tools[].credential`",
            record: Some(audience), ..RULE },
        Rule { code: "R21", name: "REUSED_ACROSS_TASKS", serves: &[Governance],
            says: "one credential serves several tasks or several initiators",
            remedy: "issue one credential for each task; record `authority.task`",
            record: Some(reused), ..RULE },
        Rule { code: "R22", name: "UNBOUND_BEARER", severity: Warn, serves: &[Identity],
            says: "anyone who holds the credential can use it",
            remedy: "bind it to its holder: mutual TLS, DPoP or a workload proof token",
            record: Some(possession::unbound), ..RULE },
        Rule { code: "R23", name: "NO_ISSUANCE_RECORD", severity: Warn, serves: &[Governance],
            says: "the log has no record of this credential's issuance",
            remedy: "send the issuer's events as records of kind `credential-event`",
            record: Some(no_issuance), ..RULE },
        Rule { code: "R83", name: "BOUND_WITHOUT_PROOF", in_profile: &[(Profile::LowRisk, Warn), (Profile::Regulated, Warn)], serves: &[Identity],
            says: "the credential is bound to a key, and it was used without proof of possession, or whether there was one is not recorded",
            remedy: "check the DPoP proof, the client's certificate or the workload proof token of each use; record `credential.proof_verified` as it was found",
            record: Some(possession::unproven), ..RULE },
    ]
}

/// The rules that look at each use of the credential: [`Case::uses`] has what is wrong with each.
fn by_use(case: &Case<'_>, report: &mut Reporter<'_>) {
    report.credential_uses(case);
}

fn no_credential(case: &Case<'_>, report: &mut Reporter<'_>) {
    const NONE: &str = "no credential is named";
    for (at, credential) in &case.credentials {
        report.require(id_of(credential), &format!("{at}/id"), NONE);
    }
    if !case.credentials.is_empty() {
        return;
    }
    let (one, several) = (view(&case.body.credential), view(&case.body.credentials).list());
    if several.is_withheld() {
        report.require(several, "/credentials", NONE);
    } else {
        report.require(one, "/credential", NONE);
    }
}

fn no_window(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (at, credential) in &case.credentials {
        report.require(view(&credential.exp), &format!("{at}/exp"), "the credential has no expiry");
        let begin = match (view(&credential.nbf), view(&credential.iat)) {
            (FieldView::Value(begin), _) | (_, FieldView::Value(begin)) => FieldView::Value(begin),
            (FieldView::Withheld, _) | (_, FieldView::Withheld) => FieldView::Withheld,
            _ => FieldView::Absent,
        };
        report.require(begin, &format!("{at}/nbf"), "the credential has no start of validity");
    }
}

fn persistent(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (at, credential) in &case.credentials {
        let begin = credential.iat.value().into_iter().chain(credential.nbf.value()).min();
        let (Some(begin), Some(exp)) = (begin, credential.exp.value()) else { continue };
        let life = exp.duration_since(*begin);
        let most = case.requirements.max_credential_lifetime;
        if life > most {
            let life = whole_seconds(life);
            let message = format!("the credential is valid for {life:#}; the profile allows {most:#}");
            report.wrong([format!("{at}/exp"), format!("{at}/iat")], message);
        }
    }
}

fn status_unchecked(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (at, credential) in &case.credentials {
        let status = view(&credential.status);
        let at = format!("{at}/status");
        let result = report.require(status.then(|status| &status.result), &at, "no status check is recorded");
        if result == Some(&StatusResult::Unknown) {
            report.missing([at.as_str()], "the status check returned no result");
        }
        if result.is_some() {
            let when = status.then(|status| &status.checked_at);
            let message = "the time of the status check is not recorded";
            report.require(when, &format!("{at}/checked_at"), message);
        }
    }
}

/// The credentials that a tool may have been called with.
enum OfTool<'c, 'a> {
    /// One of these.
    Described(Vec<&'c (String, &'a Credential)>),
    /// It takes none.
    None,
    /// One that is withheld.
    Withheld,
    /// One that the record does not describe.
    Undescribed,
}

fn of_tool<'c, 'a>(case: &'c Case<'a>, tool: &Tool) -> OfTool<'c, 'a> {
    let described: Vec<_> = match view(&tool.credential).text() {
        FieldView::Absent => case.credentials.iter().collect(),
        FieldView::NotApplicable => return OfTool::None,
        FieldView::Withheld => return OfTool::Withheld,
        FieldView::Value(named) => {
            let is_its = |credential: &Credential| id_of(credential).value() == Some(named);
            case.credentials.iter().filter(|(_, credential)| is_its(credential)).collect()
        }
    };
    if described.is_empty() { OfTool::Undescribed } else { OfTool::Described(described) }
}

/// What a tool asks of its credential: a scope or an audience.
struct Demand<'d> {
    /// JSON pointer of the tool.
    tool: &'d str,
    /// JSON pointer of what it asks for.
    at: String,
    /// The member of the credential that must have it.
    member: &'static str,
    /// What is wrong if it has not.
    wrong: String,
}

impl Demand<'_> {
    /// Checks the credentials that the tool may have been called with. Of several, all of them have to have it, or none can tell.
    fn check<'a>(
        &self,
        of_tool: &OfTool<'_, 'a>,
        has: impl Fn(FieldView<'a, Vec<String>>) -> bool,
        of: impl Fn(&'a Credential) -> FieldView<'a, Vec<String>>,
        report: &mut Reporter<'_>,
    ) {
        let Self { tool, at, member, wrong } = self;
        let named = format!("{tool}/credential");
        let described = match of_tool {
            OfTool::Described(described) => described,
            OfTool::None => return report.wrong([at.as_str(), &named], wrong.clone()),
            OfTool::Withheld => return report.unknown([named], "the credential of the tool is withheld"),
            OfTool::Undescribed => {
                return report.unknown([named], "the credential of the tool is not described");
            }
        };
        if described.iter().all(|(_, credential)| has(of(credential))) {
            return;
        }
        match described.as_slice() {
            [(place, credential)] => match of(credential) {
                FieldView::Value(_) | FieldView::NotApplicable => {
                    report.wrong([at.clone(), format!("{place}/{member}")], wrong.clone());
                }
                other => {
                    report.known(other, &format!("{place}/{member}"));
                }
            },
            several => {
                let refuses = |view: FieldView<'a, Vec<String>>| {
                    view.value().is_some() && !has(view) || view.is_not_applicable()
                };
                if several.iter().all(|(_, credential)| refuses(of(credential))) {
                    report.wrong([at.as_str()], wrong.clone());
                } else {
                    report.unknown([named], "which credential the tool was called with is not recorded");
                }
            }
        }
    }
}

fn scope(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, tool) in case.run_tools() {
        let (pointer, at) = (format!("/tools/{place}"), format!("/tools/{place}/needs_scope"));
        let delegated = view(&case.body.authority).then(|authority| &authority.scopes);
        if case.credentials.is_empty() && delegated.value().is_none() {
            continue;
        }
        let Some(needed) = report.known(view(&tool.needs_scope).text(), &at) else { continue };
        for (hop, scopes) in delegated.value().into_iter().flatten().enumerate() {
            if !cover(scopes, needed) {
                let message = format!("the tool needs {needed}, which a hop of the chain was not allowed");
                report.wrong([at.clone(), format!("/authority/scopes/{hop}")], message);
                break;
            }
        }
        if case.credentials.is_empty() {
            continue;
        }
        let wrong = format!("the tool needs {needed}, which the credential does not allow");
        let demand = Demand { tool: &pointer, at, member: "scope", wrong };
        let has =
            |scopes: FieldView<'_, Vec<String>>| scopes.value().is_some_and(|scopes| cover(scopes, needed));
        demand.check(&of_tool(case, tool), has, |credential| view(&credential.scope), report);
    }
}

fn audience(case: &Case<'_>, report: &mut Reporter<'_>) {
    if case.credentials.is_empty() {
        return;
    }
    for (place, tool) in case.run_tools() {
        let (pointer, at) = (format!("/tools/{place}"), format!("/tools/{place}/audience"));
        let Some(wanted) = report.known(view(&tool.audience).text(), &at) else { continue };
        let wrong = format!("the tool belongs to {wanted}, which is not an audience of the credential");
        let demand = Demand { tool: &pointer, at, member: "aud", wrong };
        let has = |aud: FieldView<'_, Vec<String>>| {
            aud.value().is_some_and(|aud| aud.iter().any(|aud| same_audience(aud, wanted)))
        };
        demand.check(&of_tool(case, tool), has, |credential| view(&credential.aud), report);
    }
}

fn reused(case: &Case<'_>, report: &mut Reporter<'_>) {
    if case.credentials.is_empty() {
        return;
    }
    let task = view(&case.body.authority).then(|authority| &authority.task).text();
    let task = report.known(task, "/authority/task");
    for (at, credential) in &case.credentials {
        // Beside the credential of the task, the identity document of a workload serves all that the workload does.
        if is_svid(credential) && case.is_workload_document(credential) {
            continue;
        }
        let Some(id) = id_of(credential).value() else { continue };
        let at = format!("{at}/id");
        if case.context.other_task(id, task) {
            report.wrong([at.as_str(), "/authority/task"], "the credential was also used for another task");
        }
        if case.context.other_initiator(id, case.record.initiator().as_ref()) {
            let message = "the credential was also used by another initiator";
            report.wrong([at.as_str(), "/initiator/sub"], message);
        }
    }
}

fn no_issuance(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (at, credential) in &case.credentials {
        let Some(id) = id_of(credential).value() else { continue };
        if !case.context.is_issued(id) {
            report.missing([format!("{at}/id")], format!("no record of the issuance of {id}"));
        }
    }
}
