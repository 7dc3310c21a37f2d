//! People, agents, credentials and what else records are found by: which there are, and one of them with what it was used with.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use vouchlog_api::Error;
use vouchlog_desk::{
    FacetValue, Identity, IdentityRow, IdentityRows, ListIdentities, RegisteredAgentRow, ShowIdentity,
    UsedWith,
};
use vouchlog_pages::{grouped, thousands};
use vouchlog_session::plain;

use crate::frame::Area;
use crate::limits::{MAX_PAGES, PAGE_ROWS};
use crate::names::{IdentityName, IdentitySearch, Search};
use crate::parts::{pager, time};
use crate::respond::redirect;
use crate::visitor::{Failed, PageResult, Posted, Visitor};

/// The facets, and what one and several values of each are called.
const FACETS: [(&str, &str, &str); 11] = [
    ("initiator", "Person", "People"),
    ("agent", "Agent", "Agents"),
    ("workload", "Workload", "Workloads"),
    ("credential", "Credential", "Credentials"),
    ("tool", "Tool", "Tools"),
    ("model", "Model", "Models"),
    ("data-class", "Data class", "Data classes"),
    ("scope", "Scope", "Scopes"),
    ("issuer", "Issuer", "Issuers"),
    ("gateway", "Gateway", "Gateways"),
    ("service", "Service", "Services"),
];

fn called(facet: &str) -> (&'static str, &'static str) {
    FACETS
        .into_iter()
        .find(|(name, ..)| *name == facet)
        .map_or(("Value", "Values"), |(_, one, many)| (one, many))
}

/// The people.
pub(crate) async fn first(visitor: Visitor) -> PageResult {
    let search = IdentitySearch { tenant: None, facet: "initiator".to_owned(), after: Vec::new() };
    list(&visitor, &search).await
}

/// A page of a facet.
pub(crate) async fn page(visitor: Visitor, Path(search): Path<String>) -> PageResult {
    let search: IdentitySearch = visitor.open(&search)?;
    list(&visitor, &search).await
}

/// Opens the identity that was entered.
pub(crate) async fn find(Posted { visitor, form }: Posted) -> PageResult {
    let facet = form.get("facet").to_owned();
    if !FACETS.iter().any(|(known, ..)| *known == facet) {
        return Err(visitor.failed(&Error::invalid("choose what to look for")));
    }
    let value = form.entered("value").ok_or_else(|| visitor.failed(&Error::invalid("enter a name")))?;
    let name = IdentityName { tenant: visitor.tenant(&form), facet, value };
    Ok(redirect(&format!("/console/identity/{}", visitor.handle(&name))))
}

async fn list(visitor: &Visitor, search: &IdentitySearch) -> Result<Response, Failed> {
    let ask = ListIdentities {
        tenant: search.tenant.clone(),
        facet: search.facet.clone(),
        after: search.after.last().cloned(),
        limit: Some(PAGE_ROWS),
    };
    let IdentityRows { identities, next } = visitor.ask(ask).await?;
    let link = |search: &IdentitySearch| format!("/console/identities/{}", visitor.handle(search));
    let turned = |after: Vec<String>| link(&IdentitySearch { after, ..search.clone() });
    let (one, many) = called(&search.facet);
    let main = html! {
        div.head { div { h1 { "Identities" } p.lede { "Who and what acted, those that were used last first." } } }
        form.filters method="post" action="/console/identities" role="search" aria-label="Find an identity" {
            (visitor.form_token())
            div {
                label.l for="facet" { "Find a" }
                select #facet name="facet" {
                    @for (facet, words, _) in FACETS { option value=(facet) selected[facet == search.facet] { (words) } }
                }
            }
            div { label.l for="value" { "whose name is" } input #value name="value" required maxlength="1024" autocomplete="off"; }
            (visitor.tenant_field("f-tenant", search.tenant.as_deref().unwrap_or_default(), false))
            div.go { button.btn.main-act type="submit" { "Open" } }
        }
        nav.tabs.sec-t aria-label="Kind" {
            @for (facet, _, words) in FACETS {
                @let other = IdentitySearch { facet: facet.to_owned(), after: Vec::new(), ..search.clone() };
                a href=(link(&other)) aria-current=[(facet == search.facet).then_some("page")] { (words) }
            }
        }
        @if identities.is_empty() { div.panel.pad { p.soft { "None that you have access to." } } }
        @else {
            div.panel {
                table.tbl.fold role="table" {
                    caption.vh { (many) }
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { (one) }
                            th.n role="columnheader" scope="col" { "Sessions" }
                            th.n role="columnheader" scope="col" { "Records" }
                            th.n role="columnheader" scope="col" { "First used" }
                            th.n role="columnheader" scope="col" { "Last used" }
                        }
                    }
                    tbody role="rowgroup" { @for row in &identities { (line(visitor, &search.facet, row)) } }
                }
                (pager(&search.after, next.filter(|_| search.after.len() < MAX_PAGES), turned))
            }
        }
    };
    Ok(visitor.page(Area::Identities, "Identities", &main))
}

fn line(visitor: &Visitor, facet: &str, row: &IdentityRow) -> Markup {
    let name =
        IdentityName { tenant: Some(row.tenant.clone()), facet: facet.to_owned(), value: row.value.clone() };
    html! {
        tr role="row" {
            th.full role="rowheader" scope="row" {
                a href={ "/console/identity/" (visitor.handle(&name)) } { (plain(&row.value)) }
                @if visitor.access.tenant().is_none() { span.sub { "tenant " (plain(&row.tenant)) } }
            }
            td.n role="cell" data-l="Sessions" { (thousands(row.sessions)) }
            td.n role="cell" data-l="Records" { (thousands(row.records)) }
            td.n role="cell" data-l="First" { (time(row.first)) }
            td.n role="cell" data-l="Last" { (time(row.last)) }
        }
    }
}

/// One identity.
pub(crate) async fn show(visitor: Visitor, Path(handle): Path<String>) -> PageResult {
    let IdentityName { tenant, facet, value } = visitor.open(&handle)?;
    let found = visitor.ask(ShowIdentity { tenant, facet, value }).await?;
    let (one, _) = called(&found.facet);
    let row = &found.identity;
    let main = html! {
        p.crumb { a href="/console/identities" { "Identities" } span aria-hidden="true" { "/" } span { (one) } }
        div.head {
            div {
                h1 { (one) " " (plain(&row.value)) }
                div.meta {
                    span { (grouped(row.sessions, "session", "sessions")) }
                    span { (grouped(row.records, "record", "records")) }
                    span { "first used " (time(row.first)) }
                    span { "last used " (time(row.last)) }
                }
            }
            div.acts { a.btn href=(sessions(&visitor, &found, None)) { "All its sessions" } }
        }
        @if !found.registry.is_empty() { (registry(&found.registry)) }
        @if found.counted < row.records {
            p.note { "What follows is counted from its newest " (thousands(found.counted)) " records, so first uses may be earlier." }
        }
        section.grid.g2 aria-label="Used with" { @for used in &found.with { (used_with(&visitor, &found, used)) } }
    };
    Ok(visitor.page(Area::Identities, "Identity", &main))
}

/// The sessions of an identity, from a time on.
fn sessions(visitor: &Visitor, found: &Identity, from: Option<i64>) -> String {
    let facets = vec![FacetValue { facet: found.facet.clone(), value: found.identity.value.clone() }];
    let search = Search { tenant: Some(found.identity.tenant.clone()), facets, from, ..Search::default() };
    format!("/console/sessions/{}", visitor.handle(&search))
}

fn used_with(visitor: &Visitor, found: &Identity, used: &UsedWith) -> Markup {
    let (_, many) = called(&used.facet);
    let heading = if used.facet == "verdict" { "Verdicts" } else { many };
    let is_page = FACETS.iter().any(|(facet, ..)| *facet == used.facet);
    html! {
        div.panel {
            header { h2 { (heading) } p { (thousands(used.total)) } }
            ul.ans {
                @for value in &used.values {
                    li {
                        span {
                            @if is_page {
                                @let name = IdentityName { tenant: Some(found.identity.tenant.clone()), facet: used.facet.clone(), value: value.value.clone() };
                                a href={ "/console/identity/" (visitor.handle(&name)) } { (plain(&value.value)) }
                            } @else { (plain(&value.value)) }
                        }
                        p {
                            (grouped(value.records, "record", "records")) ", " (time(value.first)) " to " (time(value.last)) " · "
                            a href=(sessions(visitor, found, Some(value.first))) { "sessions since its first use" }
                        }
                    }
                }
                @if used.total > used.values.len() as u64 { li { "and " (thousands(used.total - used.values.len() as u64)) " more" } }
            }
        }
    }
}

fn registry(entries: &[RegisteredAgentRow]) -> Markup {
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "not recorded".to_owned(), plain);
    html! {
        section aria-labelledby="h-registry" {
            h2.sec-h #h-registry { "In the registry of agents" }
            div.panel.scroll tabindex="0" role="region" aria-label="Entries of the registry" {
                table.tbl {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Owner" } th scope="col" { "Sponsor" } th scope="col" { "In service" } th scope="col" { "Retired" } th.n scope="col" { "Entry" } } }
                    tbody {
                        @for entry in entries {
                            tr {
                                td { (text(&entry.name)) span.sub { (text(&entry.version)) } }
                                td { (text(&entry.owner)) }
                                td { (text(&entry.sponsor)) }
                                td { @match entry.created { Some(at) => (time(at)), None => "not recorded" } }
                                td { @match entry.retired { Some(at) => (time(at)), None => "no" } }
                                td.n { @match entry.entry { Some(entry) => (thousands(entry)), None => "waiting" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
