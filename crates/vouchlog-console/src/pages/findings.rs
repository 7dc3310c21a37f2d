//! The queue of findings: what is open, what was explained, what was accepted, and deciding about one.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use vouchlog_api::Error;
use vouchlog_desk::{
    CountFindings, DecideFindings, FacetValue, FindingCounts, FindingRow, FindingRows, FindingState,
    ListFindings,
};
use vouchlog_pages::{Icon, Tone, icon, status, thousands};
use vouchlog_session::plain;
use vouchlog_vault::Operation;

use super::export::{self, EVENTS};
use crate::drawn::sentence;
use crate::frame::Area;
use crate::limits::{MAX_PAGES, PAGE_ROWS};
use crate::names::{FindingName, FindingSearch, RecordName, SessionName};
use crate::parts::{day_end, pager, time};
use crate::respond::redirect;
use crate::visitor::{Failed, PageResult, Posted, Visitor};
use crate::visits::Outcome;

const STATES: [(FindingState, &str); 3] = [
    (FindingState::Open, "Open"),
    (FindingState::Explained, "Explained"),
    (FindingState::Accepted, "Accepted"),
];

/// Those that are open.
pub(crate) async fn first(visitor: Visitor) -> PageResult {
    list(&visitor, &FindingSearch::default()).await
}

/// A page of a search.
pub(crate) async fn page(visitor: Visitor, Path(search): Path<String>) -> PageResult {
    let search: FindingSearch = visitor.open(&search)?;
    list(&visitor, &search).await
}

/// Searches: what was entered becomes a handle.
pub(crate) async fn search(Posted { visitor, form }: Posted) -> PageResult {
    let facet = |name: &str| Some(FacetValue { facet: name.to_owned(), value: form.entered(name)? });
    let state = STATES
        .into_iter()
        .find(|(_, word)| *word == form.get("state"))
        .map_or(FindingState::Open, |(state, _)| state);
    let search = FindingSearch {
        tenant: visitor.tenant(&form),
        state,
        code: form.entered("code"),
        facets: ["session", "agent", "initiator"].into_iter().filter_map(facet).collect(),
        after: Vec::new(),
    };
    Ok(redirect(&link(&visitor, &search)))
}

fn link(visitor: &Visitor, search: &FindingSearch) -> String {
    format!("/console/findings/{}", visitor.handle(search))
}

async fn list(visitor: &Visitor, search: &FindingSearch) -> Result<Response, Failed> {
    let counts = visitor.ask(CountFindings { tenant: search.tenant.clone() }).await?;
    let ask = ListFindings {
        tenant: search.tenant.clone(),
        state: search.state,
        codes: search.code.iter().cloned().collect(),
        facets: search.facets.clone(),
        from: None,
        to: None,
        after: search.after.last().cloned(),
        limit: Some(PAGE_ROWS),
    };
    let FindingRows { findings, next } = visitor.ask(ask).await?;
    let turned = |after: Vec<String>| link(visitor, &FindingSearch { after, ..search.clone() });
    let may = visitor.access.allow(Operation::Review).is_ok();
    let main = html! {
        div.head {
            div {
                h1 { "Findings" }
                p.lede { "What rules found in records, the newest records first. A decision is a record in the log: who decided, when and why." }
            }
            @if search.code.is_none() {
                (export::form(visitor, "findings", &visitor.handle(&FindingSearch { after: Vec::new(), ..search.clone() }), &EVENTS))
            }
        }
        (tabs(visitor, search, &counts))
        (filters(visitor, search, &counts))
        @if findings.is_empty() { div.panel.pad.sec-t { p.soft { "No finding matches." } } }
        @else {
            div.panel.sec-t {
                ul.queue { @for (number, finding) in findings.iter().enumerate() { li { (item(visitor, number, finding, may)) } } }
                (pager(&search.after, next.filter(|_| search.after.len() < MAX_PAGES), turned))
            }
        }
    };
    Ok(visitor.page(Area::Findings, "Findings", &main))
}

fn tabs(visitor: &Visitor, search: &FindingSearch, counts: &FindingCounts) -> Markup {
    let of = |state: FindingState| -> u64 {
        let one = |rule: &vouchlog_desk::RuleCount| match state {
            FindingState::Open => rule.open,
            FindingState::Explained => rule.explained,
            FindingState::Accepted => rule.accepted,
        };
        counts.rules.iter().map(one).sum()
    };
    html! {
        nav.tabs aria-label="State" {
            @for (state, word) in STATES {
                @let other = FindingSearch { state, after: Vec::new(), ..search.clone() };
                a href=(link(visitor, &other)) aria-current=[(state == search.state).then_some("page")] {
                    (word) span.n { (thousands(of(state))) }
                }
            }
        }
    }
}

fn filters(visitor: &Visitor, search: &FindingSearch, counts: &FindingCounts) -> Markup {
    let state = STATES.into_iter().find(|(state, _)| *state == search.state).map_or("Open", |(_, word)| word);
    let value = |facet: &str| {
        let found = search.facets.iter().find(|one| one.facet == facet);
        found.map_or(String::new(), |one| one.value.clone())
    };
    html! {
        form.filters method="post" action="/console/findings" role="search" aria-label="Filter findings" {
            (visitor.form_token())
            input type="hidden" name="state" value=(state);
            div {
                label.l for="code" { "Rule" }
                select #code name="code" {
                    option value="" { "Any" }
                    @for rule in &counts.rules {
                        option value=(rule.code) selected[search.code.as_deref() == Some(rule.code.as_str())] { (rule.code) " " (rule.name) }
                    }
                }
            }
            @for (name, label) in [("session", "Session"), ("agent", "Agent"), ("initiator", "Person")] {
                div {
                    label.l for={ "f-" (name) } { (label) }
                    input id={ "f-" (name) } name=(name) value=(value(name)) autocomplete="off" maxlength="1024";
                }
            }
            (visitor.tenant_field("f-tenant", search.tenant.as_deref().unwrap_or_default(), false))
            div.go { button.btn.main-act type="submit" { (icon(Icon::Search)) "Filter" } }
        }
    }
}

fn severity(name: &str) -> Markup {
    match name {
        "critical" => status(Tone::Bad, "Critical"),
        "error" => status(Tone::Bad, "Error"),
        "warn" => status(Tone::Warning, "Warning"),
        "info" => status(Tone::Info, "Info"),
        _ => status(Tone::Unknown, "Not determined"),
    }
}

fn item(visitor: &Visitor, number: usize, finding: &FindingRow, may: bool) -> Markup {
    let tenant = Some(finding.tenant.clone());
    let record = RecordName {
        tenant: tenant.clone(),
        record: finding.record.clone(),
        session: finding.session.clone(),
    };
    let session = finding
        .session
        .as_ref()
        .map(|session| SessionName { tenant: tenant.clone(), session: session.clone() });
    let message = finding.found.as_ref().map_or(&finding.meaning, |found| &found.message);
    html! {
        details id={ "f" (number + 1) } {
            summary {
                span.f-sev { (severity(&finding.severity)) }
                span.f-t {
                    span.b { (sentence(&plain(message))) }
                    span.sub {
                        @if let Some(session) = &finding.session { (plain(session)) ", " }
                        "record " (finding.record)
                        @if let Some(agent) = &finding.agent { " · " (plain(agent)) }
                    }
                }
                span.code { (finding.code) }
                span.s.soft.nw.f-age { (time(finding.started_at)) }
            }
            div.pad.stack {
                dl.kv {
                    dt { "Where" }
                    dd {
                        a href={ "/console/record/" (visitor.handle(&record)) } { code { (finding.record) } }
                        @if let Some(session) = &session { ", session " a href={ "/console/session/" (visitor.handle(session)) } { (plain(&session.session)) } }
                        @if let Some(entry) = finding.entry { ", entry " (thousands(entry)) }
                    }
                    dt { "Means" } dd { (sentence(&plain(&finding.meaning))) }
                    dt { "Next step" }
                    dd {
                        @match &finding.found {
                            Some(found) => (sentence(&plain(&found.remedy))),
                            None if finding.erased => "The record was erased: what was found is no longer known in detail.",
                            None => "The rule finds nothing any more: later records explain it.",
                        }
                    }
                    @if let Some(decision) = &finding.decision {
                        dt { "Decided" }
                        dd {
                            (plain(&decision.reason)) " — " (plain(&decision.by)) ", " (time(decision.at))
                            @if let Some(until) = decision.until { ", until " (time(until)) }
                            @match decision.entry { Some(entry) => { ", entry " (thousands(entry)) }, None => ", waiting to be logged" }
                        }
                    }
                }
                @if may { (decide(visitor, number, finding)) }
            }
        }
    }
}

fn decide(visitor: &Visitor, number: usize, finding: &FindingRow) -> Markup {
    let name = FindingName {
        tenant: Some(finding.tenant.clone()),
        code: finding.code.clone(),
        record: finding.record.clone(),
    };
    html! {
        form.stack method="post" action="/console/decisions" {
            (visitor.form_token())
            input type="hidden" name="finding" value=(visitor.handle(&name));
            fieldset {
                legend { "Decide" }
                div.pick {
                    label { input type="radio" name="state" value="Explained" required; span { b { "Explain" } "State why it happened" } }
                    label { input type="radio" name="state" value="Accepted"; span { b { "Accept" } "Accept the risk, with an end date" } }
                    @if finding.state != FindingState::Open { label { input type="radio" name="state" value="Open"; span { b { "Open again" } "The reason no longer holds" } } }
                }
            }
            div.row {
                div { label.l for={ "why-" (number) } { "Reason: a ticket or a document" } input id={ "why-" (number) } name="reason" required maxlength="400" autocomplete="off"; }
                div { label.l for={ "until-" (number) } { "Accepted until" } input id={ "until-" (number) } type="date" name="until"; }
                button.btn type="submit" { "Save decision" }
            }
        }
    }
}

/// Records a decision.
pub(crate) async fn decided(Posted { visitor, form }: Posted) -> PageResult {
    let name: FindingName = visitor.open(form.get("finding"))?;
    let wrong = |why: &str| visitor.failed(&Error::invalid(why));
    let state = STATES.into_iter().find(|(_, word)| *word == form.get("state"));
    let (state, word) = state.ok_or_else(|| wrong("choose whether to explain or to accept it"))?;
    let until = day_end(form.get("until")).map_err(wrong)?.filter(|_| state == FindingState::Accepted);
    let ask = DecideFindings {
        tenant: name.tenant,
        code: name.code.clone(),
        records: vec![name.record.clone()],
        state,
        reason: form.get("reason").to_owned(),
        until,
    };
    let done = visitor.ask(ask).await?;
    let html = html! {
        p {
            (status(Tone::Good, word)) " " (name.code) " in record " code { (name.record) } ". The decision is record " code { (done.record) }
            ", which the log has or receives shortly."
        }
        p.sec-t { a href="/console/findings" { "Open findings" } }
    };
    Ok(visitor.done(Outcome {
        title: "Decision recorded".to_owned(),
        html: html.into_string(),
        letter: None,
    }))
}
