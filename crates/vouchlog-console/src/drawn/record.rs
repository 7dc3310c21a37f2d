//! What folds out under a record: verdicts, every use of its credential, where it is in the log, its fields.

use maud::{Markup, html};
use vouchlog_grading::{Answer, Validity, Verdicts};
use vouchlog_pages::{Icon, grouped, icon};
use vouchlog_session::{ProofState, State, TimelineRecord, plain};

use super::fields::{FieldLine, fields};
use super::{YES_NO, answer};

/// Bytes of fields on one page. With them a page stays below 3 MB; `--json` has the rest.
const MAX_FIELD_BYTES: usize = 1 << 20;

/// What is left of that.
pub(super) struct Room {
    left: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { left: MAX_FIELD_BYTES }
    }

    /// As many of the lines as there is room for.
    fn take(&mut self, lines: &[FieldLine]) -> usize {
        for (number, line) in lines.iter().enumerate() {
            let bytes = line.pointer.len() + line.text.len();
            if bytes > self.left {
                return number;
            }
            self.left -= bytes;
        }
        lines.len()
    }
}

/// The part that folds out. Where a record has a page of its own, `link`, its fields stand there.
pub(super) fn details(recorded: &TimelineRecord, link: Option<&str>, room: &mut Room) -> Markup {
    if let Some(link) = link {
        return html! {
            details.more {
                summary { "Verdicts and proof" }
                div.pad.stack {
                    @if let Some(verdicts) = &recorded.verdicts { (verdict_list(verdicts)) }
                    @if let Some(validity) = &recorded.validity { (moments(validity)) }
                    (place(recorded))
                }
            }
            p.s.pad { a href=(link) { "Open record " code { (recorded.id) } } ": its fields, its proof, and who read it" }
        };
    }
    let (lines, beyond) = fields(&recorded.record.to_object());
    let shown = room.take(&lines);
    let left_out = beyond + lines.len() - shown;
    html! {
        details.more {
            summary { "Verdicts, proof and " (grouped((lines.len() + beyond) as u64, "field", "fields")) }
            div.pad.stack {
                @if let Some(verdicts) = &recorded.verdicts { (verdict_list(verdicts)) }
                @if let Some(validity) = &recorded.validity { (moments(validity)) }
                (place(recorded))
                div {
                    h4 { "Fields" }
                    @if recorded.partial {
                        p.soft.s { "Some fields may not have been disclosed: a field that is not listed was withheld or never recorded." }
                    }
                    dl.kv.ftab {
                        @for line in lines.iter().take(shown) {
                            dt { code { (line.pointer) } }
                            dd { (value(line)) }
                        }
                    }
                    @if left_out > 0 {
                        p.soft.s { (left_out) " more are not shown here, to keep the page small. The JSON output has them." }
                    }
                }
            }
        }
    }
}

fn verdict_list(verdicts: &Verdicts) -> Markup {
    html! { div { h4 { "Verdicts" } (verdict_rows(verdicts)) } }
}

/// The verdicts on a record.
pub fn verdict_rows(verdicts: &Verdicts) -> Markup {
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
        dl.kv.verdicts { @for (what, reply) in rows { dt { (what) } dd { (answer(reply, YES_NO)) } } }
        @if verdicts.transcript_only { p.soft.s { "Transcript only: text without identity, policy or data context." } }
        @if verdicts.operational_log_only { p.soft.s { "Operational log only: an outcome that is not linked to a policy or tool." } }
    }
}

fn moments(validity: &Validity) -> Markup {
    html! {
        @if !validity.moments.is_empty() { div { h4 { "Each use of the credential" } (moment_rows(validity)) } }
    }
}

/// Each use of a record's credential.
pub fn moment_rows(validity: &Validity) -> Markup {
    html! {
        dl.kv {
            @for moment in &validity.moments {
                dt { (plain(&moment.what)) br; span.s { (moment.at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
                dd {
                    (answer(moment.answer, ["Valid", "Not valid", "Not determined"]))
                    @for reason in &moment.why { br; span.s { (plain(&reason.to_string())) } }
                }
            }
        }
    }
}

fn place(recorded: &TimelineRecord) -> Markup {
    html! {
        div {
            h4 { "In the log" }
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
                ProofState::Signed => p { "Signed by the log. No quorum of witnesses was shown to have seen the same log." },
                ProofState::Waiting => p { "Until it is logged, its gateway can still change it." },
                ProofState::Missing => p { "It should be in the log, but its proof is missing." },
            }
        }
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

/// The value of a field, or what became of it.
pub fn value(line: &FieldLine) -> Markup {
    html! {
        @match line.state {
            State::Shown | State::Absent => (line.text),
            State::Redacted => span.gone.held { (icon(Icon::Held)) span { "withheld" } },
            State::Erased => span.gone { (icon(Icon::Gone)) span { "erased" } },
            State::NotApplicable => span.faint { "not applicable" },
        }
    }
}
