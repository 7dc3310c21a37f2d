//! R11 to R23: the credential, whether it was valid, and whether it was the right one.

use vouchlog_record::{CredentialBinding, Profile, StatusResult};

use crate::case::Case;
use crate::field_view::{FieldView, view};
use crate::rule::{RULE, Reporter, Rule, whole_seconds};
use crate::terms::{Definition, Severity};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Definition::{Governance, Identity};
    use Severity::{Indeterminate, Warn};
    vec![
        Rule { code: "R11", name: "NO_CREDENTIAL", serves: &[Identity],
            says: "the credential that was used is not recorded",
            remedy: "record `credential.id` (a `jti`, a serial number, a keyed hash; never the secret) and its window",
            record: Some(no_credential), ..RULE },
        Rule { code: "R12", name: "NO_VALIDITY_WINDOW", serves: &[Governance, Identity],
            says: "the credential has no validity window: it is a static key, or its window was not recorded",
            remedy: "use a credential that expires; record `credential.exp` and `iat` or `nbf`",
            record: Some(no_window), ..RULE },
        Rule { code: "R13", name: "NOT_YET_VALID", serves: &[Identity],
            says: "the credential was used before it was valid",
            remedy: "use it after `nbf`; check the gateway's clock",
            record: Some(by_use), ..RULE },
        Rule { code: "R14", name: "EXPIRED", serves: &[Identity],
            says: "the credential was used after it expired, possibly only by a later call of the same interaction",
            remedy: "renew the credential before each tool and downstream call",
            record: Some(by_use), ..RULE },
        Rule { code: "R14i", name: "WINDOW_INDETERMINATE", severity: Indeterminate, serves: &[Identity],
            says: "whether the credential was within its window cannot be determined: the clock is too imprecise, or a time of use is not recorded",
            remedy: "record `policy[].at`, `tools[].start`, `downstream[].at` and `credential`, `time.clock.max_error_ms`; say `tools: []` where there are none",
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
            says: "the credential does not allow what the tool needs",
            remedy: "record `credential.scope` and `tools[].needs_scope`; use a credential that covers the call",
            record: Some(scope), ..RULE },
        Rule { code: "R20", name: "AUDIENCE_MISMATCH", serves: &[Governance, Identity],
            says: "the credential was issued for another audience than the tool",
            remedy: "record `credential.aud` and `tools[].audience`; get a credential for that audience",
            record: Some(audience), ..RULE },
        Rule { code: "R21", name: "REUSED_ACROSS_TASKS", serves: &[Governance],
            says: "one credential serves several tasks or several initiators",
            remedy: "issue one credential for each task; record `authority.task`",
            record: Some(reused), ..RULE },
        Rule { code: "R22", name: "UNBOUND_BEARER", severity: Warn, serves: &[Identity],
            says: "anyone who holds the credential can use it",
            remedy: "bind it to its holder: mutual TLS, DPoP or a workload proof token",
            record: Some(unbound), ..RULE },
        Rule { code: "R23", name: "NO_ISSUANCE_RECORD", severity: Warn, serves: &[Governance],
            says: "the log has no record of this credential's issuance",
            remedy: "send the issuer's events as records of kind `credential-event`",
            record: Some(no_issuance), ..RULE },
    ]
}

/// The rules that look at each use of the credential: [`Case::uses`] has what is wrong with each.
fn by_use(case: &Case<'_>, report: &mut Reporter<'_>) {
    report.credential_uses(case);
}

fn no_credential(case: &Case<'_>, report: &mut Reporter<'_>) {
    let id = view(&case.body.credential).then(|credential| &credential.id).text();
    let at = if case.credential().is_some() { "/credential/id" } else { "/credential" };
    report.require(id, at, "no credential is named");
}

fn no_window(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(credential) = case.credential() else { return };
    report.require(view(&credential.exp), "/credential/exp", "the credential has no expiry");
    let begin = match (view(&credential.nbf), view(&credential.iat)) {
        (FieldView::Value(begin), _) | (_, FieldView::Value(begin)) => FieldView::Value(begin),
        (FieldView::Withheld, _) | (_, FieldView::Withheld) => FieldView::Withheld,
        _ => FieldView::Absent,
    };
    report.require(begin, "/credential/nbf", "the credential has no start of validity");
}

fn persistent(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(credential) = case.credential() else { return };
    let begin = credential.iat.value().into_iter().chain(credential.nbf.value()).min();
    let (Some(begin), Some(exp)) = (begin, credential.exp.value()) else { return };
    let life = exp.duration_since(*begin);
    let most = case.requirements.max_credential_lifetime;
    if life > most {
        let life = whole_seconds(life);
        let message = format!("the credential is valid for {life:#}; the profile allows {most:#}");
        report.wrong(["/credential/exp", "/credential/iat"], message);
    }
}

fn status_unchecked(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(credential) = case.credential() else { return };
    let status = view(&credential.status);
    let at = "/credential/status";
    let result = report.require(status.then(|status| &status.result), at, "no status check is recorded");
    if result == Some(&StatusResult::Unknown) {
        report.missing([at], "the status check returned no result");
    }
    if result.is_some() {
        let when = status.then(|status| &status.checked_at);
        report.require(when, "/credential/status/checked_at", "the time of the status check is not recorded");
    }
}

fn scope(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(credential) = case.credential() else { return };
    for (place, tool) in case.run_tools() {
        let at = format!("/tools/{place}/needs_scope");
        let Some(needed) = report.known(view(&tool.needs_scope).text(), &at) else { continue };
        match view(&credential.scope) {
            FieldView::Value(scope) if scope.contains(needed) => {}
            FieldView::Value(_) | FieldView::NotApplicable => report.wrong(
                [at.as_str(), "/credential/scope"],
                format!("the tool needs {needed}, which the credential does not allow"),
            ),
            other => {
                report.known(other, "/credential/scope");
            }
        }
    }
}

fn audience(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(credential) = case.credential() else { return };
    for (place, tool) in case.run_tools() {
        let at = format!("/tools/{place}/audience");
        let Some(wanted) = report.known(view(&tool.audience).text(), &at) else { continue };
        match view(&credential.aud) {
            FieldView::Value(aud) if aud.contains(wanted) => {}
            FieldView::Value(_) | FieldView::NotApplicable => report.wrong(
                [at.as_str(), "/credential/aud"],
                format!("the tool belongs to {wanted}, which is not an audience of the credential"),
            ),
            other => {
                report.known(other, "/credential/aud");
            }
        }
    }
}

fn reused(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(credential) = case.credential() else { return };
    let task = view(&case.body.authority).then(|authority| &authority.task).text();
    let task = report.known(task, "/authority/task");
    let Some(id) = credential.id.value() else { return };
    if case.context.other_task(id, task) {
        report.wrong(["/credential/id", "/authority/task"], "the credential was also used for another task");
    }
    if case.context.other_initiator(id, case.record.initiator().as_ref()) {
        report
            .wrong(["/credential/id", "/initiator/sub"], "the credential was also used by another initiator");
    }
}

fn unbound(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(credential) = case.credential().filter(|_| case.requirements.proof_of_possession) else {
        return;
    };
    let at = "/credential/binding";
    let binding = report.require(
        view(&credential.binding),
        at,
        "how the credential is bound to its holder is not recorded",
    );
    if matches!(binding, Some(CredentialBinding::None | CredentialBinding::Bearer)) {
        report.wrong([at], "nothing binds the credential to its holder");
    }
}

fn no_issuance(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(id) = case.credential().and_then(|credential| credential.id.value()) else { return };
    if !case.context.is_issued(id) {
        report.missing(["/credential/id"], format!("no record of the issuance of {id}"));
    }
}
