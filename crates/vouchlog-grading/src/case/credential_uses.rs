//! Each use of a credential that a record tells of, and what is wrong with it.

use jiff::{SignedDuration, Timestamp};
use vouchlog_record::{Credential, CredentialStatus, Field, RecordId, StatusResult, Tool};

use super::Case;
use crate::field_view::{FieldView, view};
use crate::terms::{AskedOf, Cause};

/// A use of a credential, and what is wrong with it.
pub(crate) struct JudgedUse {
    pub(crate) what: String,
    pub(crate) at: Option<Timestamp>,
    pub(crate) faults: Vec<Fault>,
}

/// What is wrong with one use.
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) cause: Cause,
    /// JSON pointer of the moment.
    pub(crate) at: String,
    pub(crate) text: String,
}

/// A moment that a credential was used at, as the record tells it.
pub(crate) struct CredentialUse {
    pub(crate) what: String,
    /// JSON pointer of the time.
    pub(crate) pointer: String,
    pub(crate) at: Option<Timestamp>,
    /// Another credential than the record's; `Err` where which one is not known.
    pub(crate) other: Result<Option<String>, ()>,
}

/// Every use that the record tells of, and pointers to what would tell of more and is missing.
pub(crate) fn uses(case: &Case<'_>) -> (Vec<CredentialUse>, Vec<&'static str>) {
    let mut uses = Vec::new();
    let mut hidden = Vec::new();
    let own = |what, pointer, at: &Field<Timestamp>| CredentialUse {
        what,
        pointer,
        at: at.value().copied(),
        other: Ok(None),
    };
    match view(&case.body.policy) {
        FieldView::Value(_) => {}
        _ => hidden.push("/policy"),
    }
    for (place, decision) in case.decisions() {
        let name = decision.decision_id.value().cloned().unwrap_or_else(|| place.to_string());
        uses.push(own(format!("decision {name}"), format!("/policy/{place}/at"), &decision.at));
    }
    if !case.is_intent() {
        if matches!(view(&case.body.tools), FieldView::Absent | FieldView::Withheld) {
            hidden.push("/tools");
        }
        for (place, tool) in case.run_tools() {
            let name = tool_name(place, tool);
            uses.push(own(format!("tool {name}"), format!("/tools/{place}/start"), &tool.start));
            downstream_uses(place, tool, &mut uses);
        }
    }
    if uses.is_empty() {
        let at = case.time(|time| &time.start).value().copied();
        uses.push(CredentialUse { what: "start".into(), pointer: "/time/start".into(), at, other: Ok(None) });
    }
    (uses, hidden)
}

fn tool_name(place: usize, tool: &Tool) -> String {
    tool.call_id.value().or(tool.name.value()).cloned().unwrap_or_else(|| place.to_string())
}

fn downstream_uses(place: usize, tool: &Tool, uses: &mut Vec<CredentialUse>) {
    let calls = match view(&tool.downstream) {
        FieldView::Value(calls) => calls.as_slice(),
        FieldView::NotApplicable => &[],
        FieldView::Absent | FieldView::Withheld => {
            // Whatever the tool called, it was some time, with some credential.
            let what = format!("downstream of {}", tool_name(place, tool));
            uses.push(CredentialUse {
                what,
                pointer: format!("/tools/{place}/downstream"),
                at: None,
                other: Err(()),
            });
            &[]
        }
    };
    for (call, downstream) in calls.iter().enumerate() {
        let other = match view(&downstream.credential).text() {
            FieldView::Value(id) => Ok(Some(id.clone())),
            // A public service takes no credential.
            FieldView::NotApplicable => continue,
            FieldView::Absent | FieldView::Withheld => Err(()),
        };
        let name = downstream.target.value().cloned().unwrap_or_else(|| call.to_string());
        let pointer = format!("/tools/{place}/downstream/{call}/at");
        uses.push(CredentialUse {
            what: format!("downstream {name}"),
            pointer,
            at: downstream.at.value().copied(),
            other,
        });
    }
}

/// Judges each use. What is hidden is a use too, at an unknown moment.
pub(crate) fn judge(case: &Case<'_>) -> Vec<JudgedUse> {
    // Of no credential at all, or of a record that is no act, nothing can be said here.
    let (true, Some(credential)) = (case.is_asked(AskedOf::Acting), case.credential()) else {
        return Vec::new();
    };
    let (uses, hidden) = uses(case);
    let mut judged: Vec<_> = uses
        .into_iter()
        .map(|one| {
            let faults = faults(case, credential, &one);
            JudgedUse { what: one.what, at: one.at, faults }
        })
        .collect();
    judged.extend(hidden.into_iter().map(|pointer| {
        let text = format!("{pointer} is missing; it would show when the credential was used");
        let fault = Fault { code: "R14i", cause: Cause::Unknown, at: pointer.to_owned(), text };
        JudgedUse { what: pointer.to_owned(), at: None, faults: vec![fault] }
    }));
    judged
}

fn faults(case: &Case<'_>, credential: &Credential, one: &CredentialUse) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |code, cause, text| faults.push(Fault { code, cause, at: one.pointer.clone(), text });
    let Some(at) = one.at else {
        fault("R14i", Cause::Unknown, format!("the time of {} is not recorded", one.what));
        return faults;
    };
    let Ok(other) = &one.other else {
        fault("R14i", Cause::Unknown, format!("which credential {} used is not recorded", one.what));
        return faults;
    };
    let own_id = credential.id.value();
    let error = case.clock_error();
    let moment = UncertainTime { what: &one.what, at, error };
    match other.as_ref().filter(|id| Some(*id) != own_id) {
        None => {
            let begin = credential.nbf.value().or(credential.iat.value());
            moment.within(begin.copied(), credential.exp.value().copied(), &mut fault);
            if let Some(status) = credential.status.value() {
                moment.status(status, case.requirements.max_status_age, &mut fault);
            }
            if let Some(id) = own_id {
                moment.revoked(case.context.revocation(id), &mut fault);
            }
        }
        Some(id) => {
            match case.context.window(id) {
                Some((begin, exp)) if begin.is_some() && exp.is_some() => {
                    moment.within(begin, exp, &mut fault);
                }
                _ => {
                    let text =
                        format!("{} used another credential, whose validity window is not known", one.what);
                    fault("R14i", Cause::Unknown, text);
                }
            }
            moment.revoked(case.context.revocation(id), &mut fault);
        }
    }
    faults
}

/// A moment by a clock that may be off.
struct UncertainTime<'a> {
    what: &'a str,
    at: Timestamp,
    error: SignedDuration,
}

impl UncertainTime<'_> {
    fn earliest(&self) -> Timestamp {
        self.at.checked_sub(self.error).unwrap_or(Timestamp::MIN)
    }

    fn latest(&self) -> Timestamp {
        self.at.checked_add(self.error).unwrap_or(Timestamp::MAX)
    }

    /// The use and the time it is compared with, to the second; to the millisecond where both fall into one second.
    fn beside(&self, other: Timestamp) -> (String, String) {
        let digits = if self.at.as_second() == other.as_second() && self.at != other { 3 } else { 0 };
        (format!("{} at {:.digits$}", self.what, self.at), format!("{other:.digits$}"))
    }

    fn within(
        &self,
        begin: Option<Timestamp>,
        exp: Option<Timestamp>,
        fault: &mut impl FnMut(&'static str, Cause, String),
    ) {
        let error = self.error;
        if let Some(begin) = begin {
            let (used, start) = self.beside(begin);
            if self.latest() < begin {
                let text = format!("{used} was before the credential became valid at {start}");
                fault("R13", Cause::Wrong, text);
            } else if self.earliest() < begin {
                let text = format!(
                    "{used} is too close to the start of validity, {start}, for a clock error of up to {error:#}"
                );
                fault("R14i", Cause::Wrong, text);
            }
        }
        if let Some(exp) = exp {
            let (used, end) = self.beside(exp);
            if self.earliest() >= exp {
                let text = format!("{used} was at or after the credential's expiry, {end}");
                fault("R14", Cause::Wrong, text);
            } else if self.latest() >= exp {
                let text =
                    format!("{used} is too close to the expiry, {end}, for a clock error of up to {error:#}");
                fault("R14i", Cause::Wrong, text);
            }
        }
    }

    fn status(
        &self,
        status: &CredentialStatus,
        max_age: SignedDuration,
        fault: &mut impl FnMut(&'static str, Cause, String),
    ) {
        let (what, at) = (self.what, self.at);
        let checked = status.checked_at.value().copied();
        if matches!(status.result.value(), Some(StatusResult::Revoked | StatusResult::Suspended)) {
            // A look-up after the use says nothing of the use.
            let cause = if checked.is_none_or(|checked| checked > self.latest()) {
                Cause::Unknown
            } else {
                Cause::Wrong
            };
            fault(
                "R18",
                cause,
                format!(
                    "the status check returned that the credential is not in force, for {what} at {at:.0}"
                ),
            );
        }
        let Some(checked) = checked else { return };
        if checked > self.latest() {
            let (used, checked) = self.beside(checked);
            fault("R17", Cause::Wrong, format!("{used} was before the status check at {checked}"));
        } else if at.duration_since(checked) > max_age {
            let (used, checked) = self.beside(checked);
            let text = format!("{used} was more than {max_age:#} after the status check at {checked}");
            fault("R17", Cause::Wrong, text);
        }
    }

    fn revoked(
        &self,
        revocation: Option<&(Timestamp, Option<RecordId>)>,
        fault: &mut impl FnMut(&'static str, Cause, String),
    ) {
        let Some((from, by)) = revocation else { return };
        let (used, since) = self.beside(*from);
        let by = by.as_ref().map(|by| format!(" (record {by})")).unwrap_or_default();
        if self.earliest() >= *from {
            let text = format!("{used} was at or after the credential's revocation at {since}{by}");
            fault("R18", Cause::Wrong, text);
        } else if self.latest() >= *from {
            let error = self.error;
            let text = format!(
                "{used} is too close to the revocation at {since}{by} for a clock error of up to {error:#}"
            );
            fault("R18", Cause::Unknown, text);
        }
    }
}
