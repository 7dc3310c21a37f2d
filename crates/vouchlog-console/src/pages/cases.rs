//! Cases: which there are, one with everything that was done, and the forms that do more.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use vouchlog_api::Error;
use vouchlog_desk::{
    AddToCase, Case, CaseEntry, CaseItem, CaseRow, CaseRows, CaseState, CloseCase, ListCases, NoteCase,
    OpenCase, ShowCase,
};
use vouchlog_pages::{Icon, Tone, grouped, icon, status, thousands};
use vouchlog_record::RecordId;
use vouchlog_session::plain;
use vouchlog_vault::Operation;

use crate::form::Form;
use crate::frame::Area;
use crate::limits::{MAX_PAGES, PAGE_ROWS};
use crate::names::{CaseName, CaseSearch, RecordName, SessionName};
use crate::parts::{pager, time};
use crate::respond::redirect;
use crate::visitor::{Failed, PageResult, Posted, Visitor};

/// The states by which the list is narrowed.
const STATES: [(Option<CaseState>, &str); 3] =
    [(Some(CaseState::Open), "Open"), (Some(CaseState::Closed), "Closed"), (None, "All")];

/// What can be added, and what it is called.
const ITEMS: [(&str, &str); 3] =
    [("session", "Session"), ("hold", "Legal hold"), ("disclosure", "Disclosure: its record")];

/// The open cases.
pub(crate) async fn first(visitor: Visitor) -> PageResult {
    list(&visitor, &CaseSearch { state: Some(CaseState::Open), after: Vec::new() }).await
}

/// A page of cases.
pub(crate) async fn page(visitor: Visitor, Path(search): Path<String>) -> PageResult {
    let search: CaseSearch = visitor.open(&search)?;
    list(&visitor, &search).await
}

async fn list(visitor: &Visitor, search: &CaseSearch) -> Result<Response, Failed> {
    let ask = ListCases {
        tenant: None,
        state: search.state,
        session: None,
        after: search.after.last().cloned(),
        limit: Some(PAGE_ROWS),
    };
    let CaseRows { cases, next } = visitor.ask(ask).await?;
    let link = |search: &CaseSearch| format!("/console/cases/{}", visitor.handle(search));
    let turned = |after: Vec<String>| link(&CaseSearch { after, ..search.clone() });
    let main = html! {
        div.head {
            div {
                h1 { "Cases" }
                p.lede { "Sessions, legal holds, notes and disclosures under one name. Each step is a record in the log." }
            }
        }
        nav.tabs aria-label="State" {
            @for (state, word) in STATES {
                a href=(link(&CaseSearch { state, after: Vec::new() })) aria-current=[(state == search.state).then_some("page")] { (word) }
            }
        }
        @if cases.is_empty() { div.panel.pad { p.soft { "No case that you have access to." } } }
        @else {
            div.panel {
                table.tbl.fold role="table" {
                    caption.vh { "Cases" }
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { "Case" }
                            th role="columnheader" scope="col" { "State" }
                            th role="columnheader" scope="col" { "Owner" }
                            th.n role="columnheader" scope="col" { "Records" }
                            th.n role="columnheader" scope="col" { "Opened" }
                            th.n role="columnheader" scope="col" { "Last change" }
                        }
                    }
                    tbody role="rowgroup" { @for row in &cases { (line(visitor, row)) } }
                }
                (pager(&search.after, next.filter(|_| search.after.len() < MAX_PAGES), turned))
            }
        }
        @if may(visitor) { (opening(visitor, "/console/cases", None)) }
        @else { p.s.soft.sec-t { "Opening cases and adding to them takes the role " code { "review" } "." } }
    };
    Ok(visitor.page(Area::Cases, "Cases", &main))
}

/// Whether a visitor may change cases.
pub(super) fn may(visitor: &Visitor) -> bool {
    visitor.access.allow(Operation::Review).is_ok()
}

fn line(visitor: &Visitor, row: &CaseRow) -> Markup {
    html! {
        tr role="row" {
            th.full role="rowheader" scope="row" {
                a href=(link(visitor, row)) { (plain(&row.case)) }
                @if visitor.access.tenant().is_none() { span.sub { "tenant " (plain(&row.tenant)) } }
            }
            td role="cell" data-l="State" { (state(row.state)) }
            td role="cell" data-l="Owner" { (plain(&row.owner)) }
            td.n role="cell" data-l="Records" { (thousands(row.records)) }
            td.n role="cell" data-l="Opened" { (time(row.opened)) }
            td.n role="cell" data-l="Last change" { (time(row.changed)) }
        }
    }
}

/// The state of a case.
pub(super) fn state(state: CaseState) -> Markup {
    match state {
        CaseState::Open => status(Tone::Info, "Open"),
        CaseState::Closed => status(Tone::None, "Closed"),
    }
}

/// The page of a case.
pub(super) fn link(visitor: &Visitor, row: &CaseRow) -> String {
    let name = CaseName { tenant: Some(row.tenant.clone()), case: row.case.clone() };
    format!("/console/case/{}", visitor.handle(&name))
}

/// The form that opens a case. With a tenant that is the one.
pub(super) fn opening(visitor: &Visitor, action: &str, tenant: Option<&str>) -> Markup {
    html! {
        section aria-labelledby="h-open" {
            h2.sec-h #h-open { "Open a case" }
            form.panel.pad.stack method="post" action=(action) {
                (visitor.form_token())
                input type="hidden" name="act" value="open";
                div.row {
                    div { label.l for="case" { "Name" } input #case name="case" required maxlength="200" autocomplete="off" aria-describedby="case-help"; }
                    div { label.l for="owner" { "Owner" } input #owner name="owner" value=(visitor.access.name()) required maxlength="200" autocomplete="off"; }
                }
                div.row {
                    div { label.l for="reason" { "Reason" } input #reason name="reason" required maxlength="400" autocomplete="off"; }
                    @if tenant.is_none() { (visitor.tenant_field("case-tenant", "", true)) }
                }
                p.s.soft #case-help { "The log records the case with its name, owner and reason. Neither name nor reason may name a person whose data is in the vault." }
                div { button.btn.main-act type="submit" { (icon(Icon::Case)) "Open case" } }
            }
        }
    }
}

/// Opens a case.
pub(crate) async fn open(Posted { visitor, form }: Posted) -> PageResult {
    let tenant = visitor.one_tenant(&form)?;
    let name = opened(&visitor, &form, tenant).await?;
    Ok(redirect(&format!("/console/case/{}", visitor.handle(&name))))
}

/// Opens the case that a form names.
pub(super) async fn opened(visitor: &Visitor, form: &Form, tenant: String) -> Result<CaseName, Failed> {
    let ask = OpenCase {
        tenant: Some(tenant.clone()),
        case: form.get("case").to_owned(),
        owner: form.entered("owner"),
        reason: form.get("reason").to_owned(),
    };
    let changed = visitor.ask(ask).await?;
    Ok(CaseName { tenant: Some(tenant), case: changed.case })
}

/// One case.
pub(crate) async fn show(visitor: Visitor, Path(handle): Path<String>) -> PageResult {
    let name: CaseName = visitor.open(&handle)?;
    let Case { row, entries } = visitor.ask(ShowCase { tenant: name.tenant, case: name.case }).await?;
    let is_open = row.state == CaseState::Open;
    let main = html! {
        p.crumb { a href="/console/cases" { "Cases" } span aria-hidden="true" { "/" } span { (plain(&row.case)) } }
        div.head {
            div {
                h1 { "Case " (plain(&row.case)) }
                div.meta {
                    (state(row.state))
                    span { "owner " b { (plain(&row.owner)) } }
                    span { "opened " (time(row.opened)) }
                    span { (counted(&entries)) }
                    @if visitor.access.tenant().is_none() { span { "tenant " (plain(&row.tenant)) } }
                }
            }
        }
        section aria-labelledby="h-done" {
            h2.sec-h #h-done { "What was done" }
            div.panel { ol.ans { @for entry in &entries { (step(&visitor, &row, entry)) } } }
        }
        @if is_open && may(&visitor) { (forms(&visitor, &handle)) }
        @if !is_open { p.s.soft.sec-t { "The case is closed and takes nothing more. Open another one to go on." } }
        @if is_open && !may(&visitor) { p.s.soft.sec-t { "Adding to a case takes the role " code { "review" } "." } }
        section.sec-t.s.soft aria-label="What this shows" {
            p { "A case groups; it proves nothing and protects nothing. Each step is a record of kind finding, which the log has or receives shortly. Only a legal hold keeps records from being erased." }
        }
    };
    Ok(visitor.page(Area::Cases, "Case", &main))
}

/// How much of each is in the case.
fn counted(entries: &[CaseEntry]) -> String {
    let of = |is: fn(&CaseEntry) -> bool| entries.iter().filter(|entry| is(entry)).count() as u64;
    let parts = [
        grouped(of(|entry| matches!(entry.item, Some(CaseItem::Session(_)))), "session", "sessions"),
        grouped(of(|entry| matches!(entry.item, Some(CaseItem::Hold(_)))), "hold", "holds"),
        grouped(of(|entry| matches!(entry.item, Some(CaseItem::Disclosure(_)))), "disclosure", "disclosures"),
        grouped(of(|entry| entry.action == "noted"), "note", "notes"),
    ];
    parts.join(", ")
}

fn step(visitor: &Visitor, row: &CaseRow, entry: &CaseEntry) -> Markup {
    let tenant = Some(row.tenant.clone());
    let words = match entry.action.as_str() {
        "opened" => "Opened",
        "added" => "Added",
        "noted" => "Note",
        _ => "Closed",
    };
    html! {
        li id={ "r-" (entry.record) } {
            span {
                b { (words) }
                @match &entry.item {
                    Some(CaseItem::Session(session)) => {
                        @let name = SessionName { tenant, session: session.clone() };
                        " session " a href={ "/console/session/" (visitor.handle(&name)) } { (plain(session)) }
                    }
                    Some(CaseItem::Hold(hold)) => { " legal hold " a href="/console/holds" { (plain(hold)) } }
                    Some(CaseItem::Disclosure(record)) => {
                        " disclosure "
                        @match RecordId::new(record.as_str()) {
                            Ok(id) => {
                                @let name = RecordName { tenant, record: id, session: None };
                                a href={ "/console/record/" (visitor.handle(&name)) } { code { (record) } }
                            }
                            Err(_) => code { (plain(record)) },
                        }
                    }
                    None => {}
                }
                ": " (plain(&entry.text))
            }
            p {
                (time(entry.at)) " by " (plain(&entry.by)) ", "
                @match entry.entry { Some(index) => { "entry " (thousands(index)) }, None => "waiting to be logged" }
            }
        }
    }
}

fn forms(visitor: &Visitor, handle: &str) -> Markup {
    let action = format!("/console/case/{handle}");
    html! {
        section aria-labelledby="h-add" {
            h2.sec-h #h-add { "Add to the case" }
            form.panel.pad.stack method="post" action=(action) {
                (visitor.form_token())
                div.row {
                    div { label.l for="what" { "Add a" } select #what name="what" { @for (what, words) in ITEMS { option value=(what) { (words) } } } }
                    div { label.l for="value" { "which is" } input #value name="value" required maxlength="1024" autocomplete="off"; }
                    div { label.l for="add-reason" { "Reason" } input #add-reason name="reason" required maxlength="400" autocomplete="off"; }
                    button.btn.main-act type="submit" name="act" value="add" { "Add" }
                }
            }
        }
        section aria-labelledby="h-note" {
            h2.sec-h #h-note { "Write a note" }
            form.panel.pad.stack method="post" action=(action) {
                (visitor.form_token())
                div.row {
                    div { label.l for="note" { "Note, which must not name a person" } input #note name="note" required maxlength="400" autocomplete="off"; }
                    button.btn type="submit" name="act" value="note" { "Save note" }
                }
            }
        }
        section aria-labelledby="h-close" {
            h2.sec-h #h-close { "Close the case" }
            form.panel.pad.stack method="post" action=(action) {
                (visitor.form_token())
                div.row {
                    div { label.l for="outcome" { "Outcome: it takes nothing more afterwards" } input #outcome name="reason" required maxlength="400" autocomplete="off"; }
                    button.btn.danger type="submit" name="act" value="close" { "Close case" }
                }
            }
        }
    }
}

/// Adds to a case, writes a note, or closes it.
pub(crate) async fn change(Path(handle): Path<String>, Posted { visitor, form }: Posted) -> PageResult {
    let CaseName { tenant, case } = visitor.open(&handle)?;
    let reason = form.get("reason").to_owned();
    match form.get("act") {
        "add" => {
            let item = item(&form).map_err(|why| visitor.failed(&Error::invalid(why)))?;
            visitor.ask(AddToCase { tenant, case, item, reason }).await?;
        }
        "note" => {
            visitor.ask(NoteCase { tenant, case, note: form.get("note").to_owned() }).await?;
        }
        "close" => {
            visitor.ask(CloseCase { tenant, case, reason }).await?;
        }
        _ => return Err(visitor.failed(&Error::invalid("choose what to do"))),
    }
    Ok(redirect(&format!("/console/case/{handle}")))
}

fn item(form: &Form) -> Result<CaseItem, &'static str> {
    let value = form.get("value");
    match form.get("what") {
        "session" => Ok(CaseItem::Session(value.to_owned())),
        "hold" => Ok(CaseItem::Hold(value.to_owned())),
        "disclosure" => Ok(CaseItem::Disclosure(value.to_owned())),
        _ => Err("choose what is added"),
    }
}
