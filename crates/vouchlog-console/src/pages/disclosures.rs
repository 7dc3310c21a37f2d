//! Disclosures: who read content, and what was given to whom.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use vouchlog_desk::{DisclosureRow, DisclosureRows, ListDisclosures};
use vouchlog_pages::{grouped, thousands};
use vouchlog_session::plain;

use super::export::{self, TABLES};
use crate::frame::Area;
use crate::limits::{MAX_PAGES, PAGE_ROWS};
use crate::names::{DisclosureSearch, RecordName};
use crate::parts::{pager, time};
use crate::visitor::{Failed, PageResult, Visitor};

/// Records of one disclosure that are linked.
const LINKED: usize = 3;

/// The newest.
pub(crate) async fn first(visitor: Visitor) -> PageResult {
    list(&visitor, &DisclosureSearch::default()).await
}

/// A page.
pub(crate) async fn page(visitor: Visitor, Path(search): Path<String>) -> PageResult {
    let search: DisclosureSearch = visitor.open(&search)?;
    list(&visitor, &search).await
}

async fn list(visitor: &Visitor, search: &DisclosureSearch) -> Result<Response, Failed> {
    let ask = ListDisclosures {
        after: search.after.last().cloned(),
        limit: Some(PAGE_ROWS),
        ..ListDisclosures::default()
    };
    let DisclosureRows { disclosures, next } = visitor.ask(ask).await?;
    let turned =
        |after: Vec<String>| format!("/console/disclosures/{}", visitor.handle(&DisclosureSearch { after }));
    let main = html! {
        div.head {
            div {
                h1 { "Disclosures" }
                p.lede { "Who read content, and what was given to others, the newest first. Open a session or a record to disclose it." }
            }
            (export::form(visitor, "disclosures", "", &TABLES))
        }
        @if disclosures.is_empty() { div.panel.pad { p.soft { "Nothing was read or disclosed." } } }
        @else {
            div.panel {
                table.tbl.fold role="table" {
                    caption.vh { "Disclosures" }
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { "By" }
                            th role="columnheader" scope="col" { "What" }
                            th role="columnheader" scope="col" { "Recipient and basis" }
                            th role="columnheader" scope="col" { "When" }
                            th.n role="columnheader" scope="col" { "Entry" }
                        }
                    }
                    tbody role="rowgroup" { @for row in &disclosures { (line(visitor, row)) } }
                }
                (pager(&search.after, next.filter(|_| search.after.len() < MAX_PAGES), turned))
            }
        }
    };
    Ok(visitor.page(Area::Disclosures, "Disclosures", &main))
}

/// What was done, in words.
pub(super) fn what(scope: Option<&str>) -> &'static str {
    match scope {
        Some("read") => "read content",
        Some("presented") => "disclosed fields",
        Some("bundle") => "disclosed a session",
        _ => "read or disclosed",
    }
}

fn line(visitor: &Visitor, row: &DisclosureRow) -> Markup {
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "not recorded".to_owned(), plain);
    html! {
        tr role="row" {
            th.full role="rowheader" scope="row" { (text(&row.by)) }
            td.full role="cell" {
                (what(row.scope.as_deref())) " of "
                @for (at, record) in row.records.iter().take(LINKED).enumerate() {
                    @if at > 0 { ", " }
                    @let name = RecordName { tenant: Some(row.tenant.clone()), record: record.clone(), session: None };
                    a href={ "/console/record/" (visitor.handle(&name)) } { code { (record) } }
                }
                @if row.records.len() > LINKED { " and " (row.records.len() - LINKED) " more records" }
                @if !row.fields.is_empty() {
                    span.sub { details { summary { (grouped(row.fields.len() as u64, "field", "fields")) } ul.dots { @for field in &row.fields { li { code { (plain(field)) } } } } } }
                }
            }
            td.full role="cell" {
                @if let Some(recipient) = &row.recipient { (plain(recipient)) ": " }
                (text(&row.basis))
            }
            td role="cell" data-l="When" { (time(row.at)) }
            td.n role="cell" data-l="Entry" { @match row.entry { Some(entry) => (thousands(entry)), None => "waiting" } }
        }
    }
}
