//! The cases of a session: a part of its page, and the forms that add it to one.

use axum::extract::Path;
use maud::{Markup, html};
use vouchlog_desk::{AddToCase, CaseItem, CaseRow, CaseRows, CaseState, ListCases};
use vouchlog_pages::{Icon, icon};
use vouchlog_session::plain;

use super::cases::{link, may, opened, opening, state};
use crate::frame::Area;
use crate::limits::PAGE_ROWS;
use crate::names::{CaseName, SessionName};
use crate::parts::time;
use crate::respond::redirect;
use crate::visitor::{Failed, PageResult, Posted, Visitor};

/// Cases that the head of a session's page names.
const NAMED: usize = 4;

/// The cases of a session, and those to which it can be added.
pub(super) struct SessionCases {
    rows: Vec<CaseRow>,
    is_cut: bool,
    open: CaseRows,
}

impl SessionCases {
    /// Asks the vault.
    pub(super) async fn of(visitor: &Visitor, name: &SessionName) -> Result<Self, Failed> {
        let ask = ListCases {
            tenant: name.tenant.clone(),
            session: Some(name.session.clone()),
            limit: Some(PAGE_ROWS),
            ..ListCases::default()
        };
        let CaseRows { cases: rows, next } = visitor.ask(ask).await?;
        let mut open = if may(visitor) { open_cases(visitor, name).await? } else { CaseRows::default() };
        let is_in =
            |case: &CaseRow| rows.iter().any(|row| (&row.case, &row.tenant) == (&case.case, &case.tenant));
        open.cases.retain(|case| !is_in(case));
        Ok(Self { rows, is_cut: next.is_some(), open })
    }

    /// Those that changed last, for the head of the page.
    pub(super) fn links(&self, visitor: &Visitor) -> Markup {
        html! {
            @for row in self.rows.iter().take(NAMED) {
                span { (icon(Icon::Case)) a href=(link(visitor, row)) { "Case " (plain(&row.case)) } }
            }
            @if self.rows.len() > NAMED { span { a href="#h-cases" { "and " (self.rows.len() - NAMED) " more" } } }
        }
    }

    /// All of them, and the form that adds the session to another. `handle` is that of the session.
    pub(super) fn section(&self, visitor: &Visitor, handle: &str) -> Markup {
        html! {
            section aria-labelledby="h-cases" {
                h2.sec-h #h-cases { "Cases" }
                div.panel {
                    @if self.rows.is_empty() { p.soft.pad { "This session is in no case." } }
                    @else { ul.ans.row { @for row in &self.rows { (line(visitor, row)) } } }
                }
                @if self.is_cut { p.s.soft { "Only the 50 cases that changed last are listed." } }
                @if !self.open.cases.is_empty() { (adding(visitor, handle, &self.open)) }
            }
        }
    }
}

fn line(visitor: &Visitor, row: &CaseRow) -> Markup {
    html! {
        li {
            span { a href=(link(visitor, row)) { (plain(&row.case)) } }
            (state(row.state))
            p { "Owner " (plain(&row.owner)) ", last change " (time(row.changed)) }
        }
    }
}

async fn open_cases(visitor: &Visitor, name: &SessionName) -> Result<CaseRows, Failed> {
    let ask = ListCases {
        tenant: name.tenant.clone(),
        state: Some(CaseState::Open),
        limit: Some(PAGE_ROWS),
        ..ListCases::default()
    };
    visitor.ask(ask).await
}

/// The form that adds a session to one of the cases.
fn adding(visitor: &Visitor, handle: &str, open: &CaseRows) -> Markup {
    html! {
        form.panel.pad.stack.sec-t method="post" action={ "/console/session/" (handle) "/case" } {
            (visitor.form_token())
            div.row {
                div {
                    label.l for="in-case" { "Open case" }
                    select #in-case name="in" {
                        @for row in &open.cases {
                            @let case = CaseName { tenant: Some(row.tenant.clone()), case: row.case.clone() };
                            option value=(visitor.handle(&case)) { (plain(&row.case)) ", owner " (plain(&row.owner)) }
                        }
                    }
                }
                div { label.l for="why" { "Reason, as the log records it" } input #why name="reason" required maxlength="400" autocomplete="off"; }
                button.btn.main-act type="submit" name="act" value="add" { "Add to the case" }
            }
            @if open.next.is_some() { p.s.soft { "Only the 50 cases that changed last are listed. Others: open the case, and enter the session there." } }
        }
    }
}

/// The open cases to which a session can be added, and the form that opens one for it.
pub(crate) async fn show(visitor: Visitor, Path(handle): Path<String>) -> PageResult {
    let name: SessionName = visitor.open(&handle)?;
    let cases = open_cases(&visitor, &name).await?;
    let action = format!("/console/session/{handle}/case");
    let main = html! {
        p.crumb {
            a href="/console/sessions" { "Sessions" } span aria-hidden="true" { "/" }
            a href={ "/console/session/" (handle) } { (plain(&name.session)) } span aria-hidden="true" { "/" } span { "Case" }
        }
        div.head { div { h1 { "Add session " (plain(&name.session)) " to a case" } } }
        @if cases.cases.is_empty() { div.panel.pad.sec-t { p.soft { "No case is open." } } }
        @else { (adding(&visitor, &handle, &cases)) }
        @if may(&visitor) { (opening(&visitor, &action, name.tenant.as_deref())) }
    };
    Ok(visitor.page(Area::Cases, "Add to a case", &main))
}

/// Adds a session to an open case, or to one that is opened for it.
pub(crate) async fn add(Path(handle): Path<String>, Posted { visitor, form }: Posted) -> PageResult {
    let name: SessionName = visitor.open(&handle)?;
    let reason = form.get("reason").to_owned();
    let case = if form.get("act") == "open" {
        let tenant = match &name.tenant {
            Some(tenant) => tenant.clone(),
            None => visitor.one_tenant(&form)?,
        };
        opened(&visitor, &form, tenant).await?
    } else {
        visitor.open(form.get("in"))?
    };
    let item = CaseItem::Session(name.session);
    visitor.ask(AddToCase { tenant: case.tenant.clone(), case: case.case.clone(), item, reason }).await?;
    Ok(redirect(&format!("/console/case/{}", visitor.handle(&case))))
}
