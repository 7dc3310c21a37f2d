//! Erasing: what would be erased and what must stay, the confirmation, what was done, and the letter to the person.

use axum::extract::Path;
use axum::response::IntoResponse;
use http::{HeaderValue, header};
use maud::{Markup, html};
use vouchlog_api::Error;
use vouchlog_desk::limits::MAX_NAMED_RECORDS;
use vouchlog_desk::{
    CheckErased, Erase, ErasedRecords, FoundPerson, PlanErasure, PlannedErasure, RefusedRecord, Target,
};
use vouchlog_pages::{Icon, Tone, grouped, icon, status, thousands};
use vouchlog_record::RecordId;
use vouchlog_session::plain;
use vouchlog_vault::Role;

use crate::frame::Area;
use crate::letter::Letter;
use crate::limits::MAX_CONFIRMED;
use crate::names::{Erasing, PersonName};
use crate::respond::{file, redirect};
use crate::visitor::{Failed, PageResult, Posted, Visitor};
use crate::visits::Outcome;

/// Records that are listed of a plan or of what was done; more are counted.
const LISTED: usize = 200;

/// The form.
pub(crate) async fn begin(visitor: Visitor) -> PageResult {
    let main = html! {
        div.head {
            div {
                h1 { "Erasure" }
                p.lede { "Nothing is erased before you have seen what would be, and confirmed it. The keys of erased records are destroyed; that they existed, and why they were erased, stays provable." }
            }
        }
        form.panel.pad.stack method="post" action="/console/erase" {
            (visitor.form_token())
            fieldset {
                legend { "Erase" }
                div.pick {
                    label { input type="radio" name="what" value="subject" checked; span { b { "A person" } "All records of one person" } }
                    label { input type="radio" name="what" value="record"; span { b { "A record" } "One record by its id" } }
                    label { input type="radio" name="what" value="due"; span { b { "What is due" } "All records whose retention period is over" } }
                }
            }
            div.row {
                div {
                    label.l for="value" { "Person or record" }
                    input #value name="value" maxlength="1024" autocomplete="off" aria-describedby="value-help";
                }
                (visitor.tenant_field("erase-tenant", "", false))
            }
            p.s.soft #value-help { "A person as " code { "issuer|subject" } ", or the subject alone to find it at every issuer. Unicode forms and a slash at the issuer's end make no difference; letters keep their case." }
            div { button.btn.main-act type="submit" { "Show what would be erased" } }
        }
    };
    Ok(visitor.page(Area::Erasure, "Erasure", &main))
}

/// What was entered becomes a handle: the person is in no URL.
pub(crate) async fn plan(Posted { visitor, form }: Posted) -> PageResult {
    let value = form.get("value").to_owned();
    if value.is_empty() && form.get("what") != "due" {
        return Err(visitor.failed(&Error::invalid("name the person or the record")));
    }
    let (target, tenant) = match form.get("what") {
        "subject" => (Target::Subject(value), Some(visitor.one_tenant(&form)?)),
        "record" => (Target::Record(value), visitor.tenant(&form)),
        "due" => (Target::Due, visitor.tenant(&form)),
        _ => return Err(visitor.failed(&Error::invalid("choose what to erase"))),
    };
    Ok(redirect(&format!("/console/erase/{}", visitor.handle(&Erasing { tenant, target }))))
}

/// What it would erase.
pub(crate) async fn planned(visitor: Visitor, Path(handle): Path<String>) -> PageResult {
    let Erasing { tenant, target } = visitor.open(&handle)?;
    let ask = PlanErasure { tenant, target: target.clone(), summary: false };
    let plan = visitor.ask(ask).await?;
    let main = html! {
        p.crumb { a href="/console/erase" { "Erasure" } span aria-hidden="true" { "/" } span { "Plan" } }
        div.head { div { h1 { "What would be erased" } p.lede { (about(&target)) } } }
        (found(&plan))
        @if plan.records.is_empty() && plan.refusals.is_empty() {
            div.note.warn { (icon(Icon::Warn)) span { (nothing(&target)) } }
        } @else {
            (refused(&plan.refusals))
            (confirm(&visitor, &handle, &plan, &target))
        }
    };
    Ok(visitor.page(Area::Erasure, "Erasure", &main))
}

fn about(target: &Target) -> Markup {
    html! {
        @match target {
            Target::Subject(subject) => { "All records of " span.b { (plain(subject)) } },
            Target::Record(record) => { "Record " code { (plain(record)) } },
            Target::Due => "All records whose retention period is over",
        }
    }
}

const fn nothing(target: &Target) -> &'static str {
    match target {
        Target::Subject(_) => {
            "No records of this person were found, so nothing would be erased. Check the spelling: letters keep their case. Do not report to the person that it was done."
        }
        Target::Record(_) => "There is no such record.",
        Target::Due => "No record is due.",
    }
}

fn found(plan: &PlannedErasure) -> Markup {
    html! {
        @if let Some(people) = &plan.people {
            @if !people.is_empty() {
                section aria-labelledby="h-found" {
                    h2.sec-h #h-found { "Found" }
                    div.panel { ul.ans.row { @for FoundPerson { name, records } in people { li { span { (plain(name)) } span { (grouped(*records, "record", "records")) } } } } }
                }
            }
        }
    }
}

fn refused(refusals: &[RefusedRecord]) -> Markup {
    html! {
        @if !refusals.is_empty() {
            section aria-labelledby="h-refused" {
                h2.sec-h #h-refused { "Must stay: " (grouped(refusals.len() as u64, "record", "records")) }
                div.panel {
                    ul.ans {
                        @for refusal in refusals.iter().take(LISTED) {
                            li { span { (status(Tone::Warning, "Refused")) " " code { (refusal.record) } } p { (plain(&refusal.words)) } }
                        }
                        @if refusals.len() > LISTED { li { "and " (refusals.len() - LISTED) " more" } }
                    }
                }
            }
        }
    }
}

fn records(records: &[RecordId]) -> Markup {
    html! {
        ul.ans {
            @for id in records.iter().take(LISTED) { li { code { (id) } } }
            @if records.len() > LISTED { li { "and " (thousands((records.len() - LISTED) as u64)) " more" } }
        }
    }
}

fn confirm(visitor: &Visitor, handle: &str, plan: &PlannedErasure, target: &Target) -> Markup {
    let people = plan.people.as_deref().unwrap_or_default();
    let is_person = matches!(target, Target::Subject(_));
    html! {
        section aria-labelledby="h-would" {
            h2.sec-h #h-would { "Would be erased: " (grouped(plan.records.len() as u64, "record", "records")) @if plan.more { ", and more" } }
            @if !plan.records.is_empty() { details.panel { summary.pad { "Record ids" } (records(&plan.records)) } }
        }
        section aria-labelledby="h-confirm" {
            h2.sec-h #h-confirm { "Confirm" }
            @if people.len() > MAX_CONFIRMED {
                div.note.warn { (icon(Icon::Warn)) span { "The name matches more than " (MAX_CONFIRMED) " people. Name one as issuer|subject." } }
            } @else {
                form.panel.pad.stack method="post" action={ "/console/erase/" (handle) } {
                    (visitor.form_token())
                    div {
                        label.l for="basis" { "Legal basis, as a citation" }
                        input #basis name="basis" required maxlength="400" autocomplete="off" placeholder="GDPR Art. 17(1)(a)" aria-describedby="basis-help";
                        p.s.soft #basis-help { "It goes into the log, so it must not name a person." }
                    }
                    div {
                        @for person in people {
                            label.tick {
                                input type="checkbox" name="person" value=(visitor.handle(&PersonName(person.name.clone()))) required;
                                span { "Erase the records of " span.b { (plain(&person.name)) } }
                            }
                        }
                        @if !is_person || people.is_empty() {
                            label.tick {
                                input type="checkbox" name="all" value="yes" required;
                                span {
                                    @if is_person { "Erase all that was found, although your role does not show whose records they are" } @else { "Erase these records" }
                                }
                            }
                        }
                    }
                    div { button.btn.danger type="submit" { "Erase for good" } }
                    @if plan.records.is_empty() { p.s.soft { "All of it must stay now. The attempt and its refusal are recorded in the log." } }
                }
            }
        }
    }
}

/// Erases what was confirmed.
pub(crate) async fn carry_out(Path(handle): Path<String>, Posted { visitor, form }: Posted) -> PageResult {
    let Erasing { tenant, target } = visitor.open(&handle)?;
    let people: Vec<String> = form
        .all("person")
        .map(|person| visitor.open::<PersonName>(person).map(|PersonName(name)| name))
        .collect::<Result<_, _>>()?;
    if people.is_empty() && form.get("all") != "yes" {
        return Err(visitor.failed(&Error::invalid("nothing was confirmed, so nothing was erased")));
    }
    let basis = form.get("basis").to_owned();
    let is_person = matches!(target, Target::Subject(_));
    let summary = visitor.access.roles().has(Role::ReadMetadata);
    if is_person && summary && people.is_empty() {
        return Err(visitor.failed(&Error::invalid("no person was confirmed, so nothing was erased")));
    }
    let mut letter = None;
    if is_person {
        let ask = PlanErasure { tenant: tenant.clone(), target: target.clone(), summary };
        letter = Letter::begin(visitor.ask(ask).await?, vouchlog::unix_millis().signed());
    }
    let confirmed = Some(people).filter(|people| !people.is_empty());
    let ask = Erase { tenant: tenant.clone(), target: target.clone(), basis: basis.clone(), confirmed };
    let erased = visitor.ask(ask).await?;
    let letter = match letter {
        Some(letter) => Some(complete(&visitor, letter, &basis, (tenant, target)).await?),
        None => None,
    };
    let title = if erased.records.is_empty() { "Nothing was erased" } else { "Erased" };
    let html = outcome(&erased).into_string();
    Ok(visitor.done(Outcome { title: title.to_owned(), html, letter }))
}

/// The letter with what became of the request.
async fn complete(
    visitor: &Visitor,
    mut letter: Letter,
    basis: &str,
    (tenant, target): (Option<String>, Target),
) -> Result<(String, String), Failed> {
    for records in letter.records().to_vec().chunks(MAX_NAMED_RECORDS) {
        let ask = CheckErased { tenant: tenant.clone(), records: records.to_vec() };
        letter.erased(visitor.ask(ask).await?);
    }
    letter.done(visitor.ask(PlanErasure { tenant, target, summary: false }).await?, basis);
    Ok((letter.html(), letter.text()))
}

fn outcome(erased: &ErasedRecords) -> Markup {
    html! {
        p {
            @if erased.records.is_empty() { (status(Tone::Warning, "Refused")) " Nothing was erased." }
            @else { (status(Tone::Good, "Erased")) " " (grouped(erased.records.len() as u64, "record", "records")) ". Their keys are destroyed." }
        }
        @if erased.objects_left > 0 {
            p.s.soft {
                "The object store has not removed " (grouped(erased.objects_left, "object", "objects"))
                " with encrypted content yet. Without the destroyed keys nothing in them can be read; the vault tries again until they are gone."
            }
        }
        @for entry in &erased.entries {
            p.s.soft {
                "The log has this on record "
                @match entry.index { Some(index) => { "as entry " (thousands(index)) "." }, None => "and receives it shortly." }
            }
        }
        @if !erased.records.is_empty() { details.panel.sec-t { summary.pad { "Record ids" } (records(&erased.records)) } }
        (refused(&erased.refusals))
        p.sec-t { a href="/console/erase" { "Erasure" } }
    }
}

/// The letter as a page of its own, to be read and printed.
pub(crate) async fn letter_page(visitor: Visitor, Path(number): Path<String>) -> PageResult {
    let (html, _) = letter(&visitor, &number)?;
    let html_type = [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    Ok((html_type, html).into_response())
}

/// The letter as text.
pub(crate) async fn letter_text(visitor: Visitor, Path(number): Path<String>) -> PageResult {
    let (_, text) = letter(&visitor, &number)?;
    Ok(file("letter.txt", "text/plain; charset=utf-8", text))
}

fn letter(visitor: &Visitor, number: &str) -> Result<(String, String), Failed> {
    let outcome = visitor.outcome(number.parse().unwrap_or(u64::MAX))?;
    outcome.letter.clone().ok_or_else(|| visitor.failed(&Error::not_found("there is no letter of this")))
}
