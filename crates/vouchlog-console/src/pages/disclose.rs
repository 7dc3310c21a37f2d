//! Disclosing: fields of a record, or of all records of a session, chosen by purpose and then one by one. What the recipient can answer
//! with them is shown before anything is given.

use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_desk::{BundleSession, Present, ProofsFrom, ShowRecord};
use vouchlog_pages::{Icon, Tone, icon, status};
use vouchlog_record::escape_pointer_token;
use vouchlog_session::{clipped, plain};
use vouchlog_statement::{LogTrust, verify_presentation};

use crate::frame::Area;
use crate::names::{RecordName, SessionName};
use crate::respond::file;
use crate::visitor::{Failed, PageResult, Posted, Visitor};

mod purpose;

use purpose::Purpose;

/// Fields of a record that can be chosen; the others go with their group.
const MAX_CHOICES: usize = 400;
/// Characters of a value that are shown beside its field.
const VALUE: usize = 120;

/// The questions that a recipient asks, and the groups that answer each.
const QUESTIONS: [(&str, &[&str]); 5] = [
    ("Who authorised it?", &["initiator", "session", "authority", "approval"]),
    ("Which identity executed it?", &["workload"]),
    ("Was the credential valid?", &["credential", "credentials", "time"]),
    ("Which data was involved?", &["data"]),
    ("What did the policy decide?", &["policy", "override", "tools", "outcome"]),
];

/// The purpose, in a query: it identifies no person.
#[derive(Deserialize)]
pub(crate) struct Chosen {
    #[serde(default)]
    purpose: Option<String>,
}

/// A field that can be disclosed.
#[derive(Debug, PartialEq)]
struct Choice {
    pointer: String,
    group: String,
    value: String,
}

/// The fields of a record, two levels deep: a deeper one goes with the field that it is in.
fn choices(object: &Map<String, Value>) -> Vec<Choice> {
    let mut choices = Vec::new();
    let mut add = |group: &str, pointer: String, value: &Value| {
        if choices.len() < MAX_CHOICES {
            choices.push(Choice { pointer, group: group.to_owned(), value: shown(value) });
        }
    };
    for (group, members) in object {
        let base = format!("/{}", escape_pointer_token(group));
        match members {
            Value::Object(members) if !is_mark(members) && !members.is_empty() => {
                for (name, value) in members {
                    add(group, format!("{base}/{}", escape_pointer_token(name)), value);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (place, value) in items.iter().enumerate() {
                    add(group, format!("{base}/{place}"), value);
                }
            }
            value => add(group, base, value),
        }
    }
    choices
}

fn is_mark(members: &Map<String, Value>) -> bool {
    members.len() == 1 && members.contains_key("$")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(members) if is_mark(members) => match members.get("$").and_then(Value::as_str) {
            Some("redacted") => "withheld here; it is disclosed if you choose it".to_owned(),
            Some("not_applicable") => "not applicable".to_owned(),
            Some(other) => plain(other),
            None => String::new(),
        },
        Value::String(text) => clipped(text, VALUE),
        other => clipped(&other.to_string(), VALUE),
    }
}

/// The form of a record.
pub(crate) async fn record(
    visitor: Visitor,
    Path(handle): Path<String>,
    Query(Chosen { purpose }): Query<Chosen>,
) -> PageResult {
    let name: RecordName = visitor.open(&handle)?;
    let purpose = Purpose::of(purpose.as_deref());
    let choices = record_choices(&visitor, &name).await?;
    let chosen: Vec<&str> =
        choices.iter().map(|one| one.pointer.as_str()).filter(|pointer| purpose.has(pointer)).collect();
    let form = RecordForm {
        handle: &handle,
        name: &name,
        purpose,
        choices: &choices,
        chosen: &chosen,
        to: ["", ""],
    };
    Ok(visitor.page(Area::Disclosures, "Disclose", &form.draw(&visitor)))
}

async fn record_choices(visitor: &Visitor, name: &RecordName) -> Result<Vec<Choice>, Failed> {
    let ask = ShowRecord { tenant: name.tenant.clone(), record: name.record.clone(), content: None };
    let opened = visitor.ask(ask).await?;
    let record = opened.record.ok_or_else(|| {
        visitor.failed(&Error::new(
            ErrorKind::FailedPrecondition,
            "the record was erased, so nothing of it can be disclosed",
        ))
    })?;
    Ok(choices(&record))
}

struct RecordForm<'a> {
    handle: &'a str,
    name: &'a RecordName,
    purpose: Purpose,
    choices: &'a [Choice],
    chosen: &'a [&'a str],
    /// The recipient and the basis, as they were entered.
    to: [&'a str; 2],
}

impl RecordForm<'_> {
    fn draw(&self, visitor: &Visitor) -> Markup {
        let action = format!("/console/record/{}/disclose", self.handle);
        html! {
            p.crumb {
                a href={ "/console/record/" (self.handle) } { "Record " (self.name.record) }
                span aria-hidden="true" { "/" }
                span { "Disclose" }
            }
            div.head {
                div {
                    h1 { "Disclose fields of " (self.name.record) }
                    p.lede { "The recipient gets one file with the fields that you choose and their proof. Everything else stays hidden, even its existence." }
                }
            }
            (purposes(&action, self.purpose))
            form.grid.g21.sec-t method="post" action=(action) {
                (visitor.form_token())
                input type="hidden" name="purpose" value=(self.purpose.name());
                div.stack {
                    div.panel.pad { (recipient(self.to)) }
                    div.panel.fields {
                        header { h2 { "Fields" } p { (self.chosen.len()) " of " (self.choices.len()) " chosen" } }
                        @for group in self.choices.chunk_by(|a, b| a.group == b.group) { (self.group(group)) }
                    }
                }
                div.stack.sticky {
                    (self.answers())
                    (intent())
                    div.acts {
                        button.btn type="submit" name="act" value="preview" { "Preview what it answers" }
                        button.btn.main-act type="submit" name="act" value="give" { (icon(Icon::Send)) "Create disclosure" }
                    }
                }
            }
        }
    }

    fn group(&self, group: &[Choice]) -> Markup {
        let chosen = group.iter().filter(|one| self.chosen.contains(&one.pointer.as_str())).count();
        html! {
            fieldset {
                legend {
                    span { (group.first().map_or_else(String::new, |one| plain(&one.group))) }
                    span.faint { (chosen) " of " (group.len()) }
                }
                @for one in group {
                    label {
                        input type="checkbox" name="field" value=(one.pointer) checked[self.chosen.contains(&one.pointer.as_str())];
                        span { code { (plain(&one.pointer)) } }
                        span.soft { (one.value) }
                    }
                }
            }
        }
    }

    /// What the recipient can answer with what is chosen.
    fn answers(&self) -> Markup {
        html! {
            div.panel {
                header { h2 { "What the recipient can answer" } }
                ul.ans {
                    @for (question, groups) in QUESTIONS {
                        @let of = |chosen: bool| self.choices.iter().filter(|one| groups.contains(&one.group.as_str()) && (!chosen || self.chosen.contains(&one.pointer.as_str()))).count();
                        @let (there, given) = (of(false), of(true));
                        li {
                            span { (question) }
                            @match (there, given) {
                                (0, _) => (status(Tone::None, "Not recorded")),
                                (_, 0) => (status(Tone::None, "Cannot be answered")),
                                (there, given) if there == given => (status(Tone::Good, "As far as the record does")),
                                _ => (status(Tone::Unknown, "In part")),
                            }
                            p { (given) " of " (there) " fields: " (groups.join(", ")) }
                        }
                    }
                    li {
                        span { "Is anything missing?" }
                        (status(Tone::None, "Cannot be answered"))
                        p { "One record shows nothing about its session. Disclose the session to answer this." }
                    }
                }
            }
        }
    }
}

fn purposes(action: &str, chosen: Purpose) -> Markup {
    html! {
        nav.tabs aria-label="Purpose" {
            @for purpose in Purpose::ALL {
                @let (name, words) = purpose.words();
                a href={ (action) "?purpose=" (purpose.name()) } title=(words) aria-current=[(purpose == chosen).then_some("page")] { (name) }
            }
        }
        p.s.soft { (chosen.words().1) "." }
    }
}

fn recipient([to, basis]: [&str; 2]) -> Markup {
    html! {
        div.grid.g2s {
            div {
                label.l for="recipient" { "Recipient" }
                input #recipient name="recipient" value=(to) maxlength="200" autocomplete="off" aria-describedby="basis-help";
            }
            div {
                label.l for="basis" { "Legal basis or case" }
                input #basis name="basis" value=(basis) required maxlength="400" autocomplete="off" aria-describedby="basis-help";
            }
        }
        p.s.soft.sec-t #basis-help { "Both go into the log's record of this disclosure. Name the organisation and the engagement, not a person." }
    }
}

fn intent() -> Markup {
    html! {
        div.note {
            (icon(Icon::Info))
            span { "The log records the intent before the file is made, and the disclosure after it: who, what, when and why." }
        }
    }
}

/// Previews or gives what was chosen.
pub(crate) async fn give_record(Path(handle): Path<String>, Posted { visitor, form }: Posted) -> PageResult {
    let name: RecordName = visitor.open(&handle)?;
    let fields: Vec<String> = form.all("field").map(str::to_owned).collect();
    if form.get("act") != "give" {
        let choices = record_choices(&visitor, &name).await?;
        let chosen: Vec<&str> = fields.iter().map(String::as_str).collect();
        let purpose = Purpose::of(Some(form.get("purpose")));
        let form = RecordForm {
            handle: &handle,
            name: &name,
            purpose,
            choices: &choices,
            chosen: &chosen,
            to: [form.get("recipient"), form.get("basis")],
        };
        return Ok(visitor.page(Area::Disclosures, "Disclose", &form.draw(&visitor)));
    }
    if fields.is_empty() {
        return Err(visitor.failed(&Error::invalid("choose at least one field to disclose")));
    }
    let ask = Present {
        tenant: name.tenant,
        record: name.record,
        fields,
        basis: form.get("basis").to_owned(),
        recipient: form.entered("recipient"),
        proofs: ProofsFrom::Log,
    };
    let presentation = visitor.ask(ask).await?.presentation;
    // A faulty presentation is noticed here, not by its recipient.
    verify_presentation(&presentation, &LogTrust::new(&visitor.console.config.log, None)).map_err(
        |error| {
            visitor.failed(&Error::new(
                ErrorKind::FailedPrecondition,
                format!("the presentation does not verify, so it is not given: {error}"),
            ))
        },
    )?;
    Ok(file("presentation.json", "application/json", presentation.to_json()))
}

/// The form of a session.
pub(crate) async fn session(
    visitor: Visitor,
    Path(handle): Path<String>,
    Query(Chosen { purpose }): Query<Chosen>,
) -> PageResult {
    let name: SessionName = visitor.open(&handle)?;
    let purpose = Purpose::of(purpose.as_deref());
    let action = format!("/console/session/{handle}/disclose");
    let groups = Purpose::Regulator.groups().chain(["input", "output"]);
    let main = html! {
        p.crumb {
            a href={ "/console/session/" (handle) } { "Session " (plain(&name.session)) }
            span aria-hidden="true" { "/" }
            span { "Disclose" }
        }
        div.head {
            div {
                h1 { "Disclose session " (plain(&name.session)) }
                p.lede { "The recipient gets a bundle: of each record the groups that you choose and their proof, the seal, and lawful erasures. It is checked offline with " code { "vouchlog verify" } "." }
            }
        }
        (purposes(&action, purpose))
        form.stack.sec-t method="post" action=(action) {
            (visitor.form_token())
            div.panel.pad { (recipient(["", ""])) }
            div.panel.fields {
                header { h2 { "Groups of fields" } p { "of each record, those that it has" } }
                fieldset {
                    legend { span { "Choose" } }
                    @for group in groups {
                        label {
                            input type="checkbox" name="field" value={ "/" (group) } checked[purpose.groups().any(|chosen| chosen == group)];
                            span { code { (group) } }
                            span.soft { @if ["input", "output", "tools", "approval", "override"].contains(&group) { "with its content" } }
                        }
                    }
                }
            }
            (intent())
            div.acts { button.btn.main-act type="submit" { (icon(Icon::Send)) "Create bundle" } }
        }
    };
    Ok(visitor.page(Area::Disclosures, "Disclose", &main))
}

/// Gives a bundle of a session.
pub(crate) async fn give_session(Path(handle): Path<String>, Posted { visitor, form }: Posted) -> PageResult {
    let name: SessionName = visitor.open(&handle)?;
    let fields: Vec<String> = form.all("field").map(str::to_owned).collect();
    if fields.is_empty() {
        return Err(visitor.failed(&Error::invalid("choose at least one group of fields to disclose")));
    }
    let ask = BundleSession {
        tenant: name.tenant,
        session: name.session,
        fields,
        basis: form.get("basis").to_owned(),
        recipient: form.entered("recipient"),
    };
    let bundle = visitor.ask(ask).await?.bundle;
    Ok(file("session.bundle.json", "application/json", bundle.to_json()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_chosen_two_levels_deep_by_exact_pointers() {
        let object = json!({
            "kind": "interaction", "a/b": { "c~d": 1 }, "policy": [{ "id": "p" }, { "id": "q" }], "tags": ["x"],
            "device": { "$": "not_applicable" }, "input": { "content": { "$": "redacted" } },
        });
        let choices = choices(object.as_object().unwrap());
        let pointers: Vec<&str> = choices.iter().map(|one| one.pointer.as_str()).collect();
        for pointer in ["/kind", "/a~1b/c~0d", "/policy/0", "/policy/1", "/tags", "/device", "/input/content"]
        {
            assert!(pointers.contains(&pointer), "{pointer}: {pointers:?}");
        }
        assert_eq!(pointers.len(), 7);
    }

    #[test]
    fn content_is_chosen_for_the_person_alone() {
        for purpose in Purpose::ALL {
            assert_eq!(purpose.has("/input/content"), purpose == Purpose::Person, "{purpose:?}");
            assert_eq!(Purpose::of(Some(purpose.name())), purpose);
        }
        assert!(Purpose::Accountability.has("/policy/0") && !Purpose::Credential.has("/policy/0"));
        assert!(!Purpose::Custom.has("/time/start"));
    }
}
