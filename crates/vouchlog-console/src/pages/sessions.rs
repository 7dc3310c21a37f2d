//! The sessions: a list with filters.

use axum::extract::Path;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use vouchlog_api::Error;
use vouchlog_desk::{FacetValue, ListSessions, SessionRow, SessionRows};
use vouchlog_grading::rules;
use vouchlog_pages::{Icon, Tone, icon, status, thousands};
use vouchlog_session::plain;

use super::export::{self, TABLES};
use super::searches;
use crate::frame::Area;
use crate::limits::{MAX_PAGES, PAGE_ROWS};
use crate::names::{Search, SessionName};
use crate::parts::{date, day, day_end, pager, pill, sessions_path, status_icon};
use crate::respond::redirect;
use crate::visitor::{Failed, PageResult, Posted, Visitor};

/// Facets that a session is found by: the name of the field, and what it is called.
const FIELDS: [(&str, &str); 5] = [
    ("initiator", "Person"),
    ("agent", "Agent"),
    ("tool", "Tool"),
    ("data-class", "Data class"),
    ("credential", "Credential"),
];

/// Verdicts that one looks for.
const VERDICTS: [(&str, &str); 9] = [
    ("authorized_known:no", "Who authorised it: not known"),
    ("executor_known:no", "Executing identity: not known"),
    ("credential_valid_at_moment:no", "Credential: not valid"),
    ("credential_valid_at_moment:indeterminate", "Credential: not determined"),
    ("attributable:no", "Not attributable"),
    ("complete:no", "Not complete"),
    ("deny", "A policy denied"),
    ("escalate", "A policy escalated"),
    ("allow", "A policy allowed"),
];

/// Values of a list that are shown of one session.
const SHOWN: usize = 3;

/// The list without filters.
pub(crate) async fn first(visitor: Visitor) -> PageResult {
    list(&visitor, &Search::default()).await
}

/// A page of a search.
pub(crate) async fn page(visitor: Visitor, Path(search): Path<String>) -> PageResult {
    let search: Search = visitor.open(&search)?;
    list(&visitor, &search).await
}

/// Searches: what was entered becomes a handle.
pub(crate) async fn search(Posted { visitor, form }: Posted) -> PageResult {
    let wrong = |why: &str| visitor.failed(&Error::invalid(why));
    let mut facets: Vec<FacetValue> = Vec::new();
    let names = FIELDS.iter().map(|(name, _)| *name).chain(["verdict", "finding", "session"]);
    for name in names {
        if let Some(value) = form.entered(name) {
            facets.push(FacetValue { facet: name.to_owned(), value });
        }
    }
    let search = Search {
        tenant: visitor.tenant(&form),
        facets,
        from: day(form.get("from")).map_err(wrong)?,
        to: day_end(form.get("to")).map_err(wrong)?,
        after: Vec::new(),
    };
    Ok(redirect(&sessions_path(&visitor, &search)))
}

async fn list(visitor: &Visitor, search: &Search) -> Result<Response, Failed> {
    let ask = ListSessions {
        tenant: search.tenant.clone(),
        facets: search.facets.clone(),
        from: search.from,
        to: search.to,
        after: search.after.last().cloned(),
        limit: Some(PAGE_ROWS),
    };
    let SessionRows { sessions, next } = visitor.ask(ask).await?;
    let saved = searches::of_visitor(visitor, search).await?;
    let turned = |after: Vec<String>| sessions_path(visitor, &Search { after, ..search.clone() });
    let main = html! {
        div.head {
            div {
                h1 { "Sessions" }
                p.lede { "Those with the newest records first. Verdicts are of the time when each record was kept; an opened session is judged by what is known today." }
            }
            (export::form(visitor, "sessions", &visitor.handle(&Search { after: Vec::new(), ..search.clone() }), &TABLES))
        }
        (filters(visitor, search))
        (saved)
        @if sessions.is_empty() {
            div.panel.pad.sec-t {
                p.b { @if search.is_open() { "The vault has no sessions that you have access to." } @else { "No session matches." } }
                p.s.soft {
                    "A person is found as " code { "issuer|subject" } ", or by the subject alone; other names are found whole. Letters keep their case."
                }
            }
        } @else {
            div.panel.sec-t {
                (table(visitor, &sessions))
                (pager(&search.after, next.filter(|_| search.after.len() < MAX_PAGES), turned))
            }
            (legend())
        }
    };
    Ok(visitor.page(Area::Sessions, "Sessions", &main))
}

fn filters(visitor: &Visitor, search: &Search) -> Markup {
    html! {
        form.filters method="post" action="/console/sessions" role="search" aria-label="Filter sessions" {
            (visitor.form_token())
            @for (name, label) in FIELDS {
                div {
                    label.l for={ "f-" (name) } { (label) }
                    input id={ "f-" (name) } name=(name) value=(search.value(name)) autocomplete="off" maxlength="1024"
                        placeholder=[(name == "initiator").then_some("issuer|subject or subject")];
                }
            }
            (choice("verdict", "Verdict", search, VERDICTS.iter().map(|(value, words)| ((*value).to_owned(), (*words).to_owned()))))
            (choice("finding", "Finding", search, rules().iter().map(|rule| (rule.code.to_owned(), format!("{} {}", rule.code, rule.name)))))
            div {
                label.l for="f-session" { "Session" }
                input #f-session name="session" value=(search.value("session")) autocomplete="off" maxlength="1024";
            }
            (visitor.tenant_field("f-tenant", search.tenant.as_deref().unwrap_or_default(), false))
            div { label.l for="f-from" { "From" } input #f-from type="date" name="from" value=(date(search.from)); }
            div {
                label.l for="f-to" { "To, inclusive" }
                input #f-to type="date" name="to" value=(date(search.to.map(|end| end - 1)));
            }
            div.go {
                button.btn.main-act type="submit" { (icon(Icon::Search)) "Search" }
                @if !search.is_open() { " " a.btn href="/console/sessions" { "Clear" } }
            }
        }
    }
}

fn choice(
    name: &str,
    label: &str,
    search: &Search,
    options: impl Iterator<Item = (String, String)>,
) -> Markup {
    let chosen = search.value(name);
    html! {
        div {
            label.l for={ "f-" (name) } { (label) }
            select id={ "f-" (name) } name=(name) {
                option value="" { "Any" }
                @for (value, words) in options {
                    option value=(value) selected[value == chosen] { (words) }
                }
            }
        }
    }
}

fn table(visitor: &Visitor, sessions: &[SessionRow]) -> Markup {
    html! {
        table.tbl.fold.list role="table" {
            caption.vh { "Sessions" }
            thead role="rowgroup" {
                tr role="row" {
                    th role="columnheader" scope="col" { "Session, data class" }
                    th role="columnheader" scope="col" { "Person, agent" }
                    th.c role="columnheader" scope="col" { "Who" br; "authorised" }
                    th.c role="columnheader" scope="col" { "Identity" }
                    th.c role="columnheader" scope="col" { "Credential" }
                    th role="columnheader" scope="col" { "Policy" }
                    th role="columnheader" scope="col" { "Findings" }
                    th.n role="columnheader" scope="col" { "Records" }
                    th.n role="columnheader" scope="col" { "Last record," br; "UTC" }
                }
            }
            tbody role="rowgroup" { @for session in sessions { (row(visitor, session)) } }
        }
    }
}

fn row(visitor: &Visitor, row: &SessionRow) -> Markup {
    let name = row.session.as_ref().map(|session| SessionName {
        tenant: Some(row.tenant.clone()).filter(|tenant| !tenant.is_empty()),
        session: session.clone(),
    });
    html! {
        tr role="row" {
            th.full role="rowheader" scope="row" {
                @match &name {
                    Some(name) => a href={ "/console/session/" (visitor.handle(name)) } { code { (plain(&name.session)) } },
                    None => span.gone { (icon(Icon::Gone)) span { "erased" } },
                }
                span.sub {
                    @for class in row.data_classes.iter().take(SHOWN) { span.tag { (plain(class)) } " " }
                    @if visitor.access.tenant().is_none() { " tenant " (plain(&row.tenant)) }
                }
            }
            td.full role="cell" { (listed(&row.initiators)) span.sub { (listed(&row.agents)) } }
            (answer(row, "authorized_known", "Who", ["Known", "Not known"]))
            (answer(row, "executor_known", "Identity", ["Known", "Not known"]))
            (answer(row, "credential_valid_at_moment", "Credential", ["Valid", "Not valid"]))
            td role="cell" data-l="Policy" {
                @if row.policy.is_empty() { span.faint.s { "not recorded" } }
                @for verdict in row.policy.iter().take(SHOWN) { (policy(verdict)) br; }
            }
            td.full role="cell" { (findings(row)) }
            td.n role="cell" data-l="Records" {
                (thousands(row.records))
                @if row.erased > 0 { span.sub { (thousands(row.erased)) " erased" } }
            }
            td.n role="cell" data-l="Last record, UTC" { (day_and_minute(row.last)) }
        }
    }
}

/// The first values of a list, and how many more there are.
fn listed(values: &[String]) -> Markup {
    html! {
        @for (at, value) in values.iter().take(SHOWN).enumerate() { @if at > 0 { ", " } (plain(value)) }
        @if values.len() > SHOWN { " and " (values.len() - SHOWN) " more" }
    }
}

/// The worst answer to a question.
fn answer(row: &SessionRow, question: &str, label: &str, [yes, no]: [&str; 2]) -> Markup {
    let answers = row.answers.iter().find(|one| one.question == question);
    let worst = answers.and_then(|one| one.answers.first()).map(String::as_str);
    html! {
        td.c role="cell" data-l=(label) {
            @match worst {
                Some("yes") => (status_icon(Tone::Good, yes)),
                Some("no") => (status_icon(Tone::Bad, no)),
                Some(_) => (status_icon(Tone::Unknown, "Not determined")),
                None => span.faint { span aria-hidden="true" { "–" } span.vh { "No answer" } },
            }
        }
    }
}

/// What a policy decided. A denial is not wrong by itself: it may have been enforced.
fn policy(verdict: &str) -> Markup {
    match verdict {
        "allow" => status(Tone::Good, "Allowed"),
        "deny" => status(Tone::None, "Denied"),
        other => status(Tone::Info, &plain(other)),
    }
}

fn findings(row: &SessionRow) -> Markup {
    let count = |severity: &str| row.findings.iter().filter(|one| one.severity == severity).count();
    let kinds = [
        ("critical", Tone::Bad, ["critical", "critical"]),
        ("error", Tone::Bad, ["error", "errors"]),
        ("warn", Tone::Warning, ["warning", "warnings"]),
        ("indeterminate", Tone::Unknown, ["not determined", "not determined"]),
    ];
    let counts = kinds.map(|(severity, tone, [one, many])| {
        let number = count(severity);
        (number, tone, if number == 1 { one } else { many })
    });
    html! {
        @if counts.iter().all(|(number, ..)| *number == 0) { span.faint.s { "none" } }
        span.pills {
            @for (number, tone, word) in counts.into_iter().filter(|(number, ..)| *number > 0) {
                (pill(tone, &format!("{number} {word}")))
            }
        }
    }
}

/// A time in two short lines: the day, and the minute of it.
fn day_and_minute(millis: i64) -> Markup {
    let Ok(at) = Timestamp::from_millisecond(millis) else { return html! { (millis) " ms" } };
    html! {
        time datetime=(at.to_string()) {
            (at.strftime("%Y-%m-%d")) span.sub { (at.strftime("%H:%M")) }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend.sec-t aria-label="Legend" {
            li { (status(Tone::Good, "Known or valid")) }
            li { (status(Tone::Bad, "Not known or not valid")) }
            li { (status(Tone::Unknown, "Not determined")) }
        }
    }
}
