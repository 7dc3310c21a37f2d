//! Where the evidence comes from: each source with its last arrival, how far its records reach, what they lack, and what to do next; and the
//! collectors that bring them.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use vouchlog_desk::{ExaminedSource, ListSources, SourceRow, SourceRows, SourceStep};
use vouchlog_pages::{Icon, Tone, grouped, icon, status, thousands};
use vouchlog_session::plain;

use crate::frame::Area;
use crate::names::SourceSearch;
use crate::parts::{begun, coded, time};
use crate::respond::redirect;
use crate::visitor::{Failed, PageResult, Posted, Visitor};

/// The sources of the visitor's tenant.
pub(crate) async fn first(visitor: Visitor) -> PageResult {
    list(&visitor, None).await
}

/// Those of the tenant that was entered.
pub(crate) async fn choose(Posted { visitor, form }: Posted) -> PageResult {
    let search = SourceSearch { tenant: visitor.tenant(&form) };
    Ok(redirect(&format!("/console/sources/{}", visitor.handle(&search))))
}

/// Those of one tenant.
pub(crate) async fn page(visitor: Visitor, Path(search): Path<String>) -> PageResult {
    let SourceSearch { tenant } = visitor.open(&search)?;
    list(&visitor, tenant).await
}

async fn list(visitor: &Visitor, tenant: Option<String>) -> Result<Response, Failed> {
    let rows = visitor.ask(ListSources { tenant, from: None }).await?;
    let main = html! {
        div.head {
            div {
                h1 { "Sources" }
                p.lede { "Where the records come from, how far the evidence of each source reaches, and what to do next." }
                div.meta {
                    @if let Some(tenant) = &rows.tenant { @if visitor.access.tenant().is_none() { span { "tenant " (plain(tenant)) } } }
                    span { (grouped(rows.read, "record", "records")) " examined" }
                    @if rows.tenant.is_some() { span { (time(rows.from)) " to " (time(rows.to)) } }
                }
            }
        }
        @if visitor.access.tenant().is_none() { (tenant_form(visitor, &rows)) }
        (critical(&rows.critical))
        @if rows.truncated {
            div.note.warn.sec-t { (icon(Icon::Warn)) span { "Only the newest " (thousands(rows.read)) " records of this time were examined. " code { "vouchlog doctor" } " examines more." } }
        }
        @if rows.sources.is_empty() {
            div.panel.pad.sec-t { p.soft { "No record names a source. Point a gateway at a collector; docs/gateways has a page for each kind." } }
        }
        @for (number, row) in rows.sources.iter().enumerate() { (source(number, row)) }
        @if rows.more { p.s.soft.sec-t { "There are more: only the 200 services that came last are listed." } }
        (collectors(&rows))
        (limits())
    };
    Ok(visitor.page(Area::Sources, "Sources", &main))
}

fn tenant_form(visitor: &Visitor, rows: &SourceRows) -> Markup {
    html! {
        form.filters method="post" action="/console/sources" role="search" aria-label="Choose a tenant" {
            (visitor.form_token())
            (visitor.tenant_field("f-tenant", rows.tenant.as_deref().unwrap_or_default(), true))
            div.go { button.btn type="submit" { "Show" } }
        }
    }
}

fn critical(critical: &[String]) -> Markup {
    html! {
        @if !critical.is_empty() {
            div.alarm.sec-t role="region" aria-labelledby="h-al" {
                h2 #h-al { (icon(Icon::Bad)) (grouped(critical.len() as u64, "critical finding", "critical findings")) }
                ol { @for one in critical.iter().take(20) { li { span { (status(Tone::Bad, "Critical")) } div { p { (plain(one)) } } } } }
            }
        }
    }
}

fn source(number: usize, row: &SourceRow) -> Markup {
    let heading = format!("h-source-{number}");
    let arrived = row.examined.iter().map(|examined| examined.arrived).max();
    html! {
        article.panel.sec-t aria-labelledby=(heading) {
            header {
                h2 id=(heading) { @match &row.service { Some(service) => (plain(service)), None => "No service named" } }
                @if row.examined.is_empty() { (status(Tone::Unknown, "Silent")) }
            }
            div.pad.stack {
                dl.kv {
                    dt { "Last arrival" }
                    dd {
                        @match (arrived, row.last) {
                            (Some(at), _) => (time(at)),
                            (None, Some(at)) => { "none among the records examined; its last record began " (time(at)) },
                            (None, None) => "not known",
                        }
                    }
                    dt { "Records" }
                    dd {
                        @match row.records { Some(records) => { (thousands(records)) " in all" }, None => "not counted: the vault has no service of this name" }
                        @if let Some(first) = row.first { ", the first began " (time(first)) }
                    }
                }
                @for examined in &row.examined { (reach(examined)) }
                @if row.examined.is_empty() {
                    p { "How far its evidence reaches is not known: none of its records was examined. Check that it still sends to the collector." }
                }
            }
        }
    }
}

/// How far the evidence of a source reaches, and what takes it further.
fn reach(examined: &ExaminedSource) -> Markup {
    let of = examined.records;
    html! {
        div.stack {
            h3 { (begun(&examined.gateway)) ": " (grouped(of, "record", "records")) " examined" }
            ul.ans.row aria-label={ "How far the evidence of " (examined.gateway) " reaches" } {
                @for step in &examined.questions { (rung(&begun(&step.question), step.yes, of)) }
                (rung("Is each record complete?", examined.complete, of))
            }
            @if let Some(next) = &examined.next { (next_step(next, &examined.page)) }
            @else if examined.complete == of { p { "Nothing is left to do for the records examined." } }
            @else { p { "No next step is known. The rules below name what is missing." } }
            @if !examined.missing.is_empty() {
                details.more {
                    summary { "What is missing: " (grouped(examined.rules, "rule", "rules")) }
                    ul.ans.row {
                        @for one in &examined.missing {
                            li { span { code { (one.code) } " " (coded(&plain(&one.found))) } span.s { (one.severity) ", " (thousands(one.records)) " of " (thousands(of)) } }
                        }
                    }
                }
            }
            @if examined.conflicts > 0 { p { (status(Tone::Bad, "Contradiction")) " The accounts of one call contradict each other in " (grouped(examined.conflicts, "record", "records")) "." } }
            @if examined.sampled > 0 { p { (status(Tone::Warning, "Sampled")) " The source leaves interactions out: " (grouped(examined.sampled, "record", "records")) " came from such a source." } }
            p.s.soft {
                @if examined.emitters.is_empty() { "No authenticated sender is recorded." }
                @else { "Sent by " (plain(&examined.emitters.join(", "))) "." }
            }
        }
    }
}

/// One step of the ladder.
fn rung(question: &str, yes: u64, of: u64) -> Markup {
    let (tone, word) = match yes {
        yes if yes == of => (Tone::Good, "Shown"),
        0 => (Tone::Bad, "Not shown"),
        _ => (Tone::Warning, "Partly shown"),
    };
    html! { li { span { (question) } span { (status(tone, word)) ", " (thousands(yes)) " of " (thousands(of)) } } }
}

fn next_step(step: &SourceStep, page: &str) -> Markup {
    html! {
        div.note {
            (icon(Icon::Info))
            div.stack {
                @match step {
                    SourceStep::Add { to, lines, note, rules, tried_on, before, after } => {
                        p { b { "Next: " } "add to " (to) " (fixes " (rules.join(", ")) ")" }
                        pre { (lines.join("\n")) }
                        @if !note.is_empty() { p.s { (coded(begun(note).trim_end_matches('.'))) "." } }
                        p.s {
                            "Tried on " (grouped(*tried_on, "record", "records")) " of this source: "
                            (grouped(*before, "finding", "findings")) " in the way become " (thousands(*after)) ". The lines are those of docs/gateways/" (page) "."
                        }
                    }
                    SourceStep::Beyond { rules, why, who } => {
                        p { b { "Next: " } "no setting of this gateway does it (" (rules.join(", ")) "). " (coded(begun(why).trim_end_matches('.'))) "." }
                        p.s { "Who can fix it: " (coded(who)) }
                    }
                }
            }
        }
    }
}

fn collectors(rows: &SourceRows) -> Markup {
    html! {
        section aria-labelledby="h-collectors" {
            h2.sec-h #h-collectors { "Collectors" }
            @if rows.collectors.is_empty() {
                div.panel.pad { p { (status(Tone::Unknown, "Not known")) " No heartbeat is among the records examined, so nothing shows that a collector ran the whole time." } }
            } @else {
                div.panel {
                    table.tbl.fold role="table" {
                        caption.vh { "Collectors" }
                        thead role="rowgroup" { tr role="row" { th role="columnheader" scope="col" { "Collector" } th.n role="columnheader" scope="col" { "Heartbeats" } th.n role="columnheader" scope="col" { "Last heartbeat" } } }
                        tbody role="rowgroup" {
                            @for one in &rows.collectors {
                                tr role="row" {
                                    th.full role="rowheader" scope="row" { @if one.collector.is_empty() { "no name" } @else { (plain(&one.collector)) } }
                                    td.n role="cell" data-l="Heartbeats" { (thousands(one.heartbeats)) }
                                    td.n role="cell" data-l="Last" { (time(one.last)) }
                                }
                            }
                        }
                    }
                    div.pad.stack {
                        p { (agreement(rows)) }
                        @if !rows.doors.is_empty() {
                            dl.kv { @for door in &rows.doors { dt { "Door " code { (plain(&door.door)) } } dd { "last received " (time(door.last)) } } }
                        }
                    }
                }
            }
            @if rows.losses > 0 { p.sec-t { (status(Tone::Bad, "Declared loss")) " A collector declared " (grouped(rows.losses, "loss", "losses")) "." } }
            @if !rows.unclaimed.is_empty() {
                div.panel.sec-t {
                    header { h3 { "Spans that nothing understands" } p { "Only this count of them is on record." } }
                    ul.ans.row {
                        @for one in &rows.unclaimed {
                            li { span { (named(&one.service, "no service named")) ", " (named(&one.scope, "no scope named")) } span { (grouped(one.spans, "span", "spans")) } }
                        }
                    }
                }
            }
        }
    }
}

fn agreement(rows: &SourceRows) -> Markup {
    let checked = rows.agreeing + rows.disagreeing;
    html! {
        @if rows.disagreeing > 0 { (status(Tone::Bad, "Disagree")) } @else if checked > 0 { (status(Tone::Good, "Agree")) } @else { (status(Tone::Unknown, "Not known")) }
        " Heartbeats count the records that the vault has in " (grouped(rows.agreeing, "interval", "intervals"))
        ", and others in " (thousands(rows.disagreeing)) "; " (thousands(rows.unchecked)) " could not be compared."
    }
}

fn named(name: &str, nothing: &str) -> String {
    if name.is_empty() { nothing.to_owned() } else { plain(name) }
}

fn limits() -> Markup {
    html! {
        section.sec-t.s.soft aria-label="What this does not show" {
            p { "Traffic that was never recorded is not visible here. Content was not read. The newest heartbeat of a collector that stopped stays the last one: compare its time with now." }
        }
    }
}
