//! Saved searches: a part of the page of sessions, which lists those of the visitor, and the forms that save one and delete one.

use maud::{Markup, html};
use vouchlog_desk::{DeleteSearch, ListSearches, SaveSearch, SearchRow, SearchRows};
use vouchlog_session::plain;

use crate::names::{SavedSearchName, Search};
use crate::parts::sessions_path;
use crate::respond::redirect;
use crate::visitor::{Failed, PageResult, Posted, Visitor};

/// The searches of the visitor, and a form that saves the one that is shown, if anything is searched for.
pub(super) async fn of_visitor(visitor: &Visitor, shown: &Search) -> Result<Markup, Failed> {
    let SearchRows { searches, is_cut } = visitor.ask(ListSearches::default()).await?;
    let current = |row: &SearchRow| {
        let is_tenant = shown.tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant);
        is_tenant && (&shown.facets, shown.from, shown.to) == (&row.facets, row.from, row.to)
    };
    let is_saved = searches.iter().any(current);
    Ok(html! {
        @if !searches.is_empty() {
            section.saved aria-labelledby="h-saved" {
                h2.s #h-saved { "Saved searches" }
                ul.chips.plain {
                    @for row in &searches { (saved(visitor, row, current(row))) }
                }
                @if is_cut { p.s.soft { "The 200 that were saved last are listed." } }
            }
        }
        @if !shown.is_open() && !is_saved { (form(visitor, shown)) }
    })
}

/// A saved search: its link, and the button that deletes it.
fn saved(visitor: &Visitor, row: &SearchRow, is_shown: bool) -> Markup {
    let search = Search {
        tenant: Some(row.tenant.clone()),
        facets: row.facets.clone(),
        from: row.from,
        to: row.to,
        after: Vec::new(),
    };
    let name = SavedSearchName { tenant: row.tenant.clone(), name: row.name.clone() };
    let words = plain(&row.name);
    html! {
        li.chip.on[is_shown] {
            a href=(sessions_path(visitor, &search)) aria-current=[is_shown.then_some("page")] {
                (words)
                @if visitor.access.tenant().is_none() { " · " (plain(&row.tenant)) }
            }
            form method="post" action="/console/searches/delete" {
                (visitor.form_token())
                input type="hidden" name="saved" value=(visitor.handle(&name));
                button.link type="submit" aria-label={ "Delete the saved search " (words) } title="Delete" { "×" }
            }
        }
    }
}

/// The form that saves what is shown.
fn form(visitor: &Visitor, shown: &Search) -> Markup {
    let search = visitor.handle(&Search { after: Vec::new(), ..shown.clone() });
    html! {
        form.saving method="post" action="/console/searches" {
            (visitor.form_token())
            input type="hidden" name="search" value=(search);
            label.l for="search-name" { "Save this search as" }
            input #search-name name="name" required maxlength="128" autocomplete="off" aria-describedby="search-help";
            (visitor.tenant_field("search-tenant", shown.tenant.as_deref().unwrap_or_default(), false))
            button.btn type="submit" { "Save" }
            span.s.soft #search-help { "For you alone. The name should not name a person." }
        }
    }
}

/// Saves a search, and shows it.
pub(crate) async fn save(Posted { visitor, form }: Posted) -> PageResult {
    let search: Search = visitor.open(form.get("search"))?;
    let tenant = visitor.tenant(&form).or(search.tenant);
    let name = form.get("name").to_owned();
    let ask = SaveSearch { tenant, name, facets: search.facets, from: search.from, to: search.to };
    let SearchRow { tenant, facets, from, to, .. } = visitor.ask(ask).await?;
    let search = Search { tenant: Some(tenant), facets, from, to, after: Vec::new() };
    Ok(redirect(&sessions_path(&visitor, &search)))
}

/// Deletes a saved search.
pub(crate) async fn delete(Posted { visitor, form }: Posted) -> PageResult {
    let SavedSearchName { tenant, name } = visitor.open(form.get("saved"))?;
    visitor.ask(DeleteSearch { tenant: Some(tenant), name }).await?;
    Ok(redirect("/console/sessions"))
}
