//! What folds out under a record: verdicts, findings with remedies, every use of its credential, its fields, where it is in the
//! log.

use maud::{Markup, html};
use vouchlog_grading::{Answer, Validity, Verdicts};
use vouchlog_session::{ProofState, State, TimelineRecord, plain};

use super::{YES_NO, badge, finding};
use crate::report::fields::{FieldLine, fields};
use crate::report::limits::CHECK;

/// Where a record is in the log and how far that is proven, in a few words.
pub(super) fn entry(recorded: &TimelineRecord) -> String {
    let index = recorded.place.map_or_else(String::new, |place| format!("entry {} · ", place.index));
    let proof = match &recorded.proof {
        ProofState::Witnessed { .. } => "witnessed",
        ProofState::Signed => "signed by the log alone",
        ProofState::Waiting => "waiting to be logged",
        ProofState::Missing => "no proof",
    };
    format!("{index}{proof}")
}

/// The part that folds out.
pub(super) fn details(recorded: &TimelineRecord) -> Markup {
    let (lines, left_out) = fields(&recorded.record.to_object());
    html! {
        details {
            summary { "Record " code { (recorded.id) } ": verdicts, findings, fields, proof" }
            @if let Some(verdicts) = &recorded.verdicts { (verdict_table(verdicts)) }
            @if let Some(validity) = &recorded.validity { (moments(validity)) }
            @if !recorded.findings.is_empty() {
                h3 { "Findings and remedies" }
                @for noted in &recorded.findings { (finding(noted, true)) }
            }
            (place(recorded))
            h3 { "Fields" }
            @if recorded.partial {
                p.soft.small { "Some fields may not have been disclosed: a field that is not listed was withheld or never recorded." }
            }
            div.scroll { table { @for line in &lines { (field(line)) } } }
            @if left_out > 0 { p.soft.small { (left_out) " more are not shown here." } }
        }
    }
}

fn verdict_table(verdicts: &Verdicts) -> Markup {
    let rows: [(&str, Answer); 9] = [
        ("Who authorised it is known", verdicts.authorized_known),
        ("What identity executed it is known", verdicts.executor_known),
        ("The credential was valid at every moment it was used", verdicts.credential_valid_at_moment),
        ("Attributable: all three above", verdicts.attributable),
        (
            "Auditable: traced to a user or agent, with class of data, policy and outcome",
            verdicts.auditable_interaction,
        ),
        (
            "Interaction level: prompt, answer, identity, tools, policy and overrides in one record",
            verdicts.interaction_level,
        ),
        ("Fit for identity governance", verdicts.governed),
        ("Inference level: the model that answered and every call that followed", verdicts.inference_level),
        ("Complete: all of the above, and no error", verdicts.complete),
    ];
    html! {
        h3 { "Verdicts" }
        div.scroll { table {
            @for (what, answer) in rows { tr { td { (what) } td { (badge(answer, YES_NO)) } } }
        } }
        @if verdicts.transcript_only { p.soft { "Transcript only: text without identity, policy or data context." } }
        @if verdicts.operational_log_only { p.soft { "Operational log only: an outcome that is not linked to a policy or tool." } }
    }
}

fn moments(validity: &Validity) -> Markup {
    html! {
        @if !validity.moments.is_empty() {
            h3 { "Each use of the credential" }
            div.scroll { table {
                @for moment in &validity.moments {
                    tr {
                        td { (plain(&moment.what)) br; span.soft { (moment.at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
                        td {
                            (badge(moment.answer, ["Valid", "Not valid", "Cannot be determined"]))
                            @for reason in &moment.why { br; span.small { (plain(&reason.to_string())) } }
                        }
                    }
                }
            } }
        }
    }
}

fn place(recorded: &TimelineRecord) -> Markup {
    html! {
        h3 { "In the log" }
        @match recorded.place {
            Some(place) => p {
                "Entry " (place.index) " of the log; statement " (place.sequence) " of stream " (place.stream)
                ". The entry holds a fingerprint (SHA-256) of the record's signed statement and nothing of its content."
            },
            None => p { "It is not in the log yet." },
        }
        @match &recorded.proof {
            ProofState::Witnessed { by, until } => p {
                "Witnessed by " (names(by))
                @if let Some(at) = until.and_then(time) { ", all of them by " (at) }
                "."
            },
            ProofState::Signed => p { "Signed by the log. No quorum of witnesses has confirmed that every reader sees the same log." },
            ProofState::Waiting => p { "Until it is logged, its gateway can still change it." },
            ProofState::Missing => p { "It should be in the log, but its proof is missing." },
        }
        p.soft.small { "Check it yourself, with the session's bundle: " code { (CHECK) } }
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        "a quorum".to_owned()
    } else {
        names.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ")
    }
}

/// POSIX seconds for people; none past the year 9999.
fn time(seconds: u64) -> Option<String> {
    let at = jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn field(line: &FieldLine) -> Markup {
    let state = match line.state {
        State::Shown | State::Absent => None,
        State::Redacted => Some("withheld"),
        State::Erased => Some("erased"),
        State::NotApplicable => Some("not applicable"),
    };
    html! {
        tr {
            td { code { (line.pointer) } }
            td { @match state { Some(state) => span.badge { (state) }, None => span.words { (line.text) } } }
        }
    }
}
