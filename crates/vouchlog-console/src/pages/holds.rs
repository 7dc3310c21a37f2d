//! Legal holds: which are in force, placing one, lifting one.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use vouchlog_api::Error;
use vouchlog_desk::{FacetValue, HoldRow, LiftHold, ListHolds, PlaceHold};
use vouchlog_pages::{Icon, Tone, grouped, icon, status, thousands};
use vouchlog_session::plain;
use vouchlog_vault::Operation;

use crate::frame::Area;
use crate::names::SessionName;
use crate::parts::time;
use crate::visitor::{Failed, PageResult, Posted, Visitor};
use crate::visits::Outcome;

/// What a hold covers: the facet, and what it is called.
const COVERS: [(&str, &str); 5] = [
    ("initiator", "Person"),
    ("session", "Session"),
    ("credential", "Credential"),
    ("agent", "Agent"),
    ("workload", "Workload"),
];

/// The list, and the form for a new one.
pub(crate) async fn list(visitor: Visitor) -> PageResult {
    show(&visitor, None).await
}

/// The same with a session filled in.
pub(crate) async fn of_session(visitor: Visitor, Path(handle): Path<String>) -> PageResult {
    let name: SessionName = visitor.open(&handle)?;
    show(&visitor, Some(&name)).await
}

async fn show(visitor: &Visitor, session: Option<&SessionName>) -> Result<Response, Failed> {
    let holds = visitor.ask(ListHolds { tenant: None }).await?.holds;
    let may = visitor.access.allow(Operation::Hold).is_ok();
    let main = html! {
        div.head {
            div {
                h1 { "Legal holds" }
                p.lede { "A record under a hold cannot be erased, by any caller and after any retention period. A hold also covers matching records that are kept later." }
            }
        }
        @if let Some(name) = session { @if may { (form(visitor, Some(name))) } }
        section aria-labelledby="h-in-force" {
            h2.sec-h #h-in-force { "In force" }
            @if holds.is_empty() { div.panel.pad { p.soft { "No hold is in force." } } }
            @else { div.panel { ul.queue { @for (number, hold) in holds.iter().enumerate() { li { (in_force(visitor, number, hold, may)) } } } } }
        }
        @if may && session.is_none() { (form(visitor, None)) }
        @if !may { p.s.soft.sec-t { "Placing and lifting holds takes the role " code { "erase" } "." } }
    };
    Ok(visitor.page(Area::Holds, "Legal holds", &main))
}

fn in_force(visitor: &Visitor, number: usize, hold: &HoldRow, may: bool) -> Markup {
    html! {
        details {
            summary.hold {
                span.b { (icon(Icon::Lock)) " " (plain(&hold.name)) }
                span.sub {
                    (grouped(hold.records, "record", "records")) ", placed " (time(hold.placed_at)) " by " (plain(&hold.placed_by))
                }
            }
            div.pad {
                @if may {
                    form.row method="post" action="/console/holds/lift" {
                        (visitor.form_token())
                        input type="hidden" name="name" value=(hold.name);
                        div {
                            label.l for={ "lift-" (number) } { "Reason to lift it" }
                            input id={ "lift-" (number) } name="reason" required maxlength="400" autocomplete="off";
                        }
                        (visitor.tenant_field(&format!("lift-tenant-{number}"), "", false))
                        button.btn.danger type="submit" { "Lift hold" }
                    }
                } @else { p.soft { "You may not lift it." } }
            }
        }
    }
}

fn form(visitor: &Visitor, session: Option<&SessionName>) -> Markup {
    let (value, tenant) =
        session.map_or(("", ""), |name| (name.session.as_str(), name.tenant.as_deref().unwrap_or_default()));
    html! {
        section aria-labelledby="h-place" {
            h2.sec-h #h-place { "Place a hold" }
            form.panel.pad.stack method="post" action="/console/holds" {
                (visitor.form_token())
                div.row {
                    div { label.l for="name" { "Name: the case" } input #name name="name" required maxlength="200" autocomplete="off"; }
                    div { label.l for="reason" { "Reason" } input #reason name="reason" required maxlength="400" autocomplete="off"; }
                }
                div.row {
                    div {
                        label.l for="facet" { "Covers all records of a" }
                        select #facet name="facet" {
                            @for (facet, words) in COVERS {
                                option value=(facet) selected[session.is_some() && facet == "session"] { (words) }
                            }
                        }
                    }
                    div {
                        label.l for="value" { "which is" }
                        input #value name="value" value=(value) required maxlength="1024" autocomplete="off" aria-describedby="value-help";
                    }
                    (visitor.tenant_field("hold-tenant", tenant, true))
                }
                p.s.soft #value-help { "A person as " code { "issuer|subject" } ", or the subject alone; everything else whole. The log records the hold with its name and reason, so neither may name a person." }
                div { button.btn.main-act type="submit" { (icon(Icon::Lock)) "Place hold" } }
            }
        }
    }
}

/// Places a hold.
pub(crate) async fn place(Posted { visitor, form }: Posted) -> PageResult {
    let facet = form.get("facet").to_owned();
    if !COVERS.iter().any(|(known, _)| *known == facet) {
        return Err(visitor.failed(&Error::invalid("choose what the hold covers")));
    }
    let (name, value) = (form.get("name").to_owned(), form.get("value").to_owned());
    let ask = PlaceHold {
        tenant: Some(visitor.one_tenant(&form)?),
        name: name.clone(),
        reason: form.get("reason").to_owned(),
        records: Vec::new(),
        facets: vec![FacetValue { facet, value }],
    };
    let held = visitor.ask(ask).await?;
    let html = html! {
        p { (status(Tone::Good, "Placed")) " The hold " span.b { (plain(&name)) } " covers " (thousands(held.records)) " more " @if held.records == 1 { "record" } @else { "records" } ", and matching ones that are kept later. The log has it on record." }
        p.sec-t { a href="/console/holds" { "All holds" } }
    };
    Ok(visitor.done(Outcome { title: "Hold placed".to_owned(), html: html.into_string(), letter: None }))
}

/// Lifts a hold.
pub(crate) async fn lift(Posted { visitor, form }: Posted) -> PageResult {
    let name = form.get("name").to_owned();
    let ask =
        LiftHold { tenant: visitor.tenant(&form), name: name.clone(), reason: form.get("reason").to_owned() };
    visitor.ask(ask).await?;
    let html = html! {
        p { (status(Tone::Good, "Lifted")) " The hold " span.b { (plain(&name)) } " no longer keeps records. Other holds and retention duties still do. The log has it on record." }
        p.sec-t { a href="/console/holds" { "All holds" } }
    };
    Ok(visitor.done(Outcome { title: "Hold lifted".to_owned(), html: html.into_string(), letter: None }))
}
