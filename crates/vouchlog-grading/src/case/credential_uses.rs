//! Each use of a credential that a record tells of, and what is wrong with it.

use jiff::Timestamp;
use vouchlog_record::{Credential, DataSource, Field, Tool};

use super::uncertain_time::UncertainTime;
use super::{Case, is_svid};
use crate::context::Window;
use crate::described::{begin_of, id_of};
use crate::field_view::{FieldView, view};
use crate::terms::{AskedOf, Cause};

/// A use of a credential, and what is wrong with it.
pub(crate) struct JudgedUse {
    pub(crate) what: String,
    pub(crate) at: Option<Timestamp>,
    pub(crate) faults: Vec<Fault>,
}

/// What is wrong with one use.
#[derive(Clone)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) cause: Cause,
    /// JSON pointer of the moment.
    pub(crate) at: String,
    pub(crate) text: String,
}

impl Fault {
    /// Whether the credential was not valid, as opposed to not known to be.
    fn is_refutation(&self) -> bool {
        refutes_validity(self.code, self.cause)
    }
}

/// Whether a finding of this rule means that the credential was not valid, as opposed to not known to be.
pub(crate) fn refutes_validity(code: &str, cause: Cause) -> bool {
    ["R13", "R14", "R18"].contains(&code) && cause != Cause::Unknown
}

/// When a use was.
#[derive(Clone, Copy)]
pub(crate) enum UseTime {
    At(Timestamp),
    /// Some time in the interaction, which began and ended then.
    Within(Timestamp, Timestamp),
    Unknown,
}

impl UseTime {
    pub(crate) const fn known(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Within(..) | Self::Unknown => None,
        }
    }
}

/// Which credential a use took.
pub(crate) enum UsedCredential<'a> {
    /// The one of this id.
    Named(&'a str),
    /// One of those the record describes; it does not say which.
    Unnamed,
    /// One that is neither named nor known to be among those.
    Unknown,
    /// None in particular: it is enough that one of the described credentials was valid.
    AnyValid,
    /// One of the workload's identity documents.
    Document,
}

/// A moment that a credential was used at, as the record tells it.
pub(crate) struct CredentialUse<'a> {
    pub(crate) what: String,
    /// JSON pointer of the time.
    pub(crate) pointer: String,
    pub(crate) at: UseTime,
    pub(crate) with: UsedCredential<'a>,
}

/// Every use that the record tells of, and pointers to what would tell of more and is missing.
pub(crate) fn uses<'a>(case: &Case<'a>) -> (Vec<CredentialUse<'a>>, Vec<&'static str>) {
    let mut uses = Vec::new();
    let mut hidden = Vec::new();
    if view(&case.body.policy).value().is_none() {
        hidden.push("/policy");
    }
    for (place, decision) in case.decisions() {
        let name = decision.decision_id.value().cloned().unwrap_or_else(|| place.to_string());
        // A decision presents no credential of its own, and may come before the one that is then issued for the call.
        let (at, with) = (recorded(&decision.at), UsedCredential::AnyValid);
        uses.push(CredentialUse {
            what: format!("decision {name}"),
            pointer: format!("/policy/{place}/at"),
            at,
            with,
        });
    }
    if !case.is_intent() {
        retrieval_uses(case, &mut uses);
        if matches!(view(&case.body.tools), FieldView::Absent | FieldView::Withheld) {
            hidden.push("/tools");
        }
        for (place, tool) in case.run_tools() {
            tool_uses(place, tool, &mut uses);
        }
    }
    start_uses(case, &mut uses);
    (uses, hidden)
}

pub(crate) fn recorded(at: &Field<Timestamp>) -> UseTime {
    at.value().map_or(UseTime::Unknown, |at| UseTime::At(*at))
}

/// The credential that a use names; `None` for a use that takes none, such as a call of a local function.
fn named(field: FieldView<'_, String>) -> Option<UsedCredential<'_>> {
    match field.text() {
        FieldView::Value(id) => Some(UsedCredential::Named(id)),
        FieldView::Absent => Some(UsedCredential::Unnamed),
        FieldView::Withheld => Some(UsedCredential::Unknown),
        FieldView::NotApplicable => None,
    }
}

/// The call of the model, and the proof of the workload's identity: both at the start of the interaction.
fn start_uses<'a>(case: &Case<'a>, uses: &mut Vec<CredentialUse<'a>>) {
    let at = case.time(|time| &time.start).value().map_or(UseTime::Unknown, |at| UseTime::At(*at));
    let mut add = |what: &str, with| {
        uses.push(CredentialUse { what: what.to_owned(), pointer: "/time/start".to_owned(), at, with });
    };
    let workload = view(&case.body.workload).then(|workload| &workload.credential).text();
    match workload {
        FieldView::Value(id) => add("workload", UsedCredential::Named(id)),
        FieldView::Withheld => add("workload", UsedCredential::Unknown),
        FieldView::Absent if case.credentials.iter().any(|(_, one)| case.is_workload_document(one)) => {
            add("workload", UsedCredential::Document);
        }
        FieldView::Absent | FieldView::NotApplicable => {}
    }
    match named(view(&case.body.model).then(|model| &model.credential)) {
        Some(with) => add("start", with),
        // Nothing else tells when it was used.
        None if uses.is_empty() => {
            let (what, pointer) = ("start".to_owned(), "/time/start".to_owned());
            uses.push(CredentialUse { what, pointer, at, with: UsedCredential::AnyValid });
        }
        None => {}
    }
}

fn retrieval_uses<'a>(case: &Case<'a>, uses: &mut Vec<CredentialUse<'a>>) {
    let within = {
        let (start, end) = (case.time(|time| &time.start).value(), case.time(|time| &time.end).value());
        start.zip(end).map_or(UseTime::Unknown, |(start, end)| UseTime::Within(*start, *end))
    };
    let data = view(&case.body.data);
    let sources = data.then(|data| &data.sources).list();
    if let FieldView::Value(sources) = sources {
        for (place, source) in sources.iter().enumerate() {
            let Some(with) = named(view(&source.credential)) else { continue };
            let at = source.start.value().map_or(within, |at| UseTime::At(*at));
            let pointer = format!("/data/sources/{place}/start");
            uses.push(CredentialUse {
                what: format!("retrieval {}", source_name(place, source)),
                pointer,
                at,
                with,
            });
        }
        return;
    }
    let none =
        matches!(data.then(|data| &data.retrieved), FieldView::Value(false) | FieldView::NotApplicable);
    if sources.is_withheld() || !(none || sources.is_not_applicable()) {
        let (what, pointer) = ("retrieval".to_owned(), "/data/sources".to_owned());
        // Whatever was retrieved, it was in the course of the interaction.
        let with = if sources.is_withheld() { UsedCredential::Unknown } else { UsedCredential::Unnamed };
        uses.push(CredentialUse { what, pointer, at: within, with });
    }
}

fn source_name(place: usize, source: &DataSource) -> String {
    source.id.value().or(source.document.value()).cloned().unwrap_or_else(|| place.to_string())
}

/// What a tool call is called in findings.
pub(crate) fn tool_name(place: usize, tool: &Tool) -> String {
    tool.call_id.value().or(tool.name.value()).cloned().unwrap_or_else(|| place.to_string())
}

fn tool_uses<'a>(place: usize, tool: &'a Tool, uses: &mut Vec<CredentialUse<'a>>) {
    let name = tool_name(place, tool);
    if let Some(with) = named(view(&tool.credential)) {
        let (at, pointer) = (recorded(&tool.start), format!("/tools/{place}/start"));
        uses.push(CredentialUse { what: format!("tool {name}"), pointer, at, with });
    }
    let calls = match view(&tool.downstream) {
        FieldView::Value(calls) => calls.as_slice(),
        FieldView::NotApplicable => &[],
        FieldView::Absent | FieldView::Withheld => {
            // Whatever the tool called, it was some time, with some credential.
            let (at, with) = (UseTime::Unknown, UsedCredential::Unknown);
            let pointer = format!("/tools/{place}/downstream");
            uses.push(CredentialUse { what: format!("downstream of {name}"), pointer, at, with });
            &[]
        }
    };
    for (call, downstream) in calls.iter().enumerate() {
        let with = match view(&downstream.credential).text() {
            FieldView::Value(id) => UsedCredential::Named(id),
            // A public service takes no credential.
            FieldView::NotApplicable => continue,
            FieldView::Absent | FieldView::Withheld => UsedCredential::Unknown,
        };
        let name = downstream.target.value().cloned().unwrap_or_else(|| call.to_string());
        let (at, pointer) = (recorded(&downstream.at), format!("/tools/{place}/downstream/{call}/at"));
        uses.push(CredentialUse { what: format!("downstream {name}"), pointer, at, with });
    }
}

/// Judges each use. What is hidden is a use too, at an unknown moment.
pub(crate) fn judge(case: &Case<'_>) -> Vec<JudgedUse> {
    // Of no credential at all, or of a record that is no act, nothing can be said here.
    if !case.is_asked(AskedOf::Acting) || case.credentials.is_empty() {
        return Vec::new();
    }
    let (uses, hidden) = uses(case);
    let mut judged: Vec<_> = uses
        .into_iter()
        .map(|one| {
            let (at, faults) = (one.at.known(), faults(case, &one));
            JudgedUse { what: one.what, at, faults }
        })
        .collect();
    judged.extend(hidden.into_iter().map(|pointer| {
        let text = format!("{pointer} is missing; it would show when the credential was used");
        let fault = Fault { code: "R14i", cause: Cause::Unknown, at: pointer.to_owned(), text };
        JudgedUse { what: pointer.to_owned(), at: None, faults: vec![fault] }
    }));
    judged
}

fn faults(case: &Case<'_>, one: &CredentialUse<'_>) -> Vec<Fault> {
    let unknown = |text| vec![Fault { code: "R14i", cause: Cause::Unknown, at: one.pointer.clone(), text }];
    match one.at {
        UseTime::Unknown => unknown(format!("the time of {} is not recorded", one.what)),
        UseTime::At(at) => faults_at(case, one, at),
        UseTime::Within(start, end) => {
            if faults_at(case, one, start).is_empty() && faults_at(case, one, end).is_empty() {
                return Vec::new();
            }
            unknown(format!(
                "the time of {} is not recorded, and the credential is not known to be valid throughout",
                one.what
            ))
        }
    }
}

fn faults_at(case: &Case<'_>, one: &CredentialUse<'_>, at: Timestamp) -> Vec<Fault> {
    let unknown = |text| vec![Fault { code: "R14i", cause: Cause::Unknown, at: one.pointer.clone(), text }];
    let by_each: Vec<Vec<Fault>> =
        candidates(case, &one.with).map(|credential| faults_of(case, credential, one, at)).collect();
    match (&one.with, by_each.as_slice()) {
        (UsedCredential::Unknown, _) => {
            unknown(format!("which credential {} used is not recorded", one.what))
        }
        (UsedCredential::Named(id), []) => faults_of_other(case, id, one, at),
        (_, []) => Vec::new(),
        (UsedCredential::AnyValid, all) => least(all),
        (UsedCredential::Document, all) => {
            let faults = least(all);
            let is_known = candidates(case, &one.with).any(is_svid);
            if faults.is_empty() || is_known {
                return faults;
            }
            unknown("a credential of unknown type, which no use names, was not valid at the start".to_owned())
        }
        (_, [only]) => only.clone(),
        (_, all) if all.iter().all(Vec::is_empty) => Vec::new(),
        // Whichever it was, it was not valid.
        (_, all) if all.iter().all(|faults| faults.iter().any(Fault::is_refutation)) => all[0].clone(),
        _ => unknown(format!(
            "which credential {} used is not recorded, and not each of those described is known to be valid then",
            one.what
        )),
    }
}

/// The fewest faults.
fn least(all: &[Vec<Fault>]) -> Vec<Fault> {
    let weight = |faults: &&Vec<Fault>| (faults.iter().any(Fault::is_refutation), faults.len());
    all.iter().min_by_key(weight).cloned().unwrap_or_default()
}

/// The described credentials that a use may have taken.
fn candidates<'c, 'a>(
    case: &'c Case<'a>,
    with: &'c UsedCredential<'_>,
) -> impl Iterator<Item = &'a Credential> + 'c {
    case.credentials.iter().map(|(_, credential)| *credential).filter(move |credential| match with {
        UsedCredential::Named(named) => id_of(credential).value().is_some_and(|id| id == named),
        UsedCredential::Unnamed | UsedCredential::AnyValid => true,
        UsedCredential::Unknown => false,
        UsedCredential::Document => case.is_workload_document(credential),
    })
}

fn faults_of(case: &Case<'_>, credential: &Credential, one: &CredentialUse<'_>, at: Timestamp) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |code, cause, text| faults.push(Fault { code, cause, at: one.pointer.clone(), text });
    let moment = UncertainTime { what: &one.what, at, error: case.clock_error() };
    moment.within(begin_of(credential), credential.exp.value().copied(), &mut fault);
    if let Some(status) = credential.status.value() {
        let issued = credential.iat.value().copied();
        moment.status(status, issued, case.requirements.max_status_age, &mut fault);
    }
    if let Some(id) = id_of(credential).value() {
        moment.revoked(case.context.revocation(id), &mut fault);
    }
    if !faults.iter().any(|fault| ["R13", "R14", "R14i"].contains(&fault.code)) {
        faults.extend(contradicted_window(case, credential, one, &moment));
    }
    faults
}

/// A window in the record is the gateway's word, and the one that the credential was issued with the issuer's. Which of them is right
/// is not known where a use is only in the first.
fn contradicted_window(
    case: &Case<'_>,
    credential: &Credential,
    one: &CredentialUse<'_>,
    moment: &UncertainTime<'_>,
) -> Option<Fault> {
    let windows = case.context.windows(id_of(credential).value()?);
    if windows.is_empty() || by_issuance(windows, one, moment).is_empty() {
        return None;
    }
    let text = format!(
        "{} at {:.0} is not in the validity window that the credential was issued with; the record states another window",
        one.what, moment.at
    );
    Some(Fault { code: "R14i", cause: Cause::Unknown, at: one.pointer.clone(), text })
}

/// What is wrong with a use under the windows that a credential was issued with, of which one is enough.
fn by_issuance(windows: &[Window], one: &CredentialUse<'_>, moment: &UncertainTime<'_>) -> Vec<Fault> {
    let under = |(begin, exp): &Window| {
        let mut faults = Vec::new();
        let mut fault = |code, cause, text| faults.push(Fault { code, cause, at: one.pointer.clone(), text });
        moment.within(*begin, *exp, &mut fault);
        faults
    };
    least(&windows.iter().map(under).collect::<Vec<_>>())
}

/// A credential that the record does not describe; the log may have its issuance.
fn faults_of_other(case: &Case<'_>, id: &str, one: &CredentialUse<'_>, at: Timestamp) -> Vec<Fault> {
    let moment = UncertainTime { what: &one.what, at, error: case.clock_error() };
    let windows = case.context.windows(id).iter().copied();
    let whole: Vec<Window> = windows.filter(|(begin, exp)| begin.is_some() && exp.is_some()).collect();
    let mut faults = if whole.is_empty() {
        let text = format!("{} used another credential, whose validity window is not known", one.what);
        vec![Fault { code: "R14i", cause: Cause::Unknown, at: one.pointer.clone(), text }]
    } else {
        by_issuance(&whole, one, &moment)
    };
    let mut fault = |code, cause, text| faults.push(Fault { code, cause, at: one.pointer.clone(), text });
    moment.revoked(case.context.revocation(id), &mut fault);
    faults
}
