//! The frame of every page: the way around, who is signed in, and what a printed page needs.

use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, html};
use vouchlog_merkle::sha256;
use vouchlog_pages::{Icon, icon, moment, sprite};
use vouchlog_session::plain;
use vouchlog_vault::{Access, Operation, Role};

use crate::console::now;

/// The console's style: that of every page, and what its forms and lists need beside.
pub(crate) static STYLE: LazyLock<String> =
    LazyLock::new(|| format!("{}{}", vouchlog_pages::STYLE, include_str!("console.css")));

/// Where the style is. The path changes with it, so that browsers keep it.
pub(crate) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| {
    let digest = sha256(STYLE.as_bytes()).to_string();
    format!("/console/style-{}.css", digest.get(..16).unwrap_or("0"))
});

/// A part of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Sessions,
    Findings,
    Cases,
    Identities,
    Sources,
    Holds,
    Disclosures,
    Erasure,
    Duties,
}

impl Area {
    const ALL: [Self; 9] = [
        Self::Sessions,
        Self::Findings,
        Self::Cases,
        Self::Identities,
        Self::Sources,
        Self::Holds,
        Self::Disclosures,
        Self::Erasure,
        Self::Duties,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "Sessions",
            Self::Findings => "Findings",
            Self::Cases => "Cases",
            Self::Identities => "Identities",
            Self::Sources => "Sources",
            Self::Holds => "Legal holds",
            Self::Disclosures => "Disclosures",
            Self::Erasure => "Erasure",
            Self::Duties => "Duties",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Sessions => "/console/sessions",
            Self::Findings => "/console/findings",
            Self::Cases => "/console/cases",
            Self::Identities => "/console/identities",
            Self::Sources => "/console/sources",
            Self::Holds => "/console/holds",
            Self::Disclosures => "/console/disclosures",
            Self::Erasure => "/console/erase",
            Self::Duties => "/console/duties",
        }
    }

    const fn icon(self) -> Icon {
        match self {
            Self::Sessions => Icon::Sessions,
            Self::Findings => Icon::Flag,
            Self::Cases => Icon::Case,
            Self::Identities => Icon::Person,
            Self::Sources => Icon::Source,
            Self::Holds => Icon::Lock,
            Self::Disclosures => Icon::Send,
            Self::Erasure => Icon::Gone,
            Self::Duties => Icon::Duty,
        }
    }

    /// What it takes.
    const fn operation(self) -> Operation {
        match self {
            Self::Erasure => Operation::Erase,
            _ => Operation::Read,
        }
    }
}

/// What the frame shows of a visitor.
pub(crate) struct Signed<'a> {
    pub(crate) access: &'a Access,
    /// What every form has.
    pub(crate) form_token: Markup,
    /// The name of the log.
    pub(crate) log: String,
}

/// A page of a visitor.
pub(crate) fn framed(signed: &Signed<'_>, here: Option<Area>, title: &str, main: &Markup) -> Markup {
    let access = signed.access;
    let areas = Area::ALL.into_iter().filter(|area| access.allow(area.operation()).is_ok());
    let body = html! {
        a.skip href="#main" { "Skip to content" }
        div.shell {
            header.side {
                a.brand href="/console/sessions" { (icon(Icon::Brand)) "Vouchlog" }
                nav aria-label="Console" {
                    @for area in areas {
                        a href=(area.path()) aria-current=[(here == Some(area)).then_some("page")] {
                            (icon(area.icon())) (area.name())
                        }
                    }
                }
                div.who {
                    b { (plain(access.name())) }
                    span { (roles(access)) br; }
                    form method="post" action="/console/sign-out" {
                        (signed.form_token)
                        button.link type="submit" { "Sign out" }
                    }
                }
            }
            main.main #main {
                p.print-only.s.ph {
                    "Printed from the vault's console on " (moment(now())) " by " (plain(access.name()))
                    "; log " (signed.log)
                    "; rules " (vouchlog_grading::RULES_VERSION) "."
                }
                (main)
            }
        }
    };
    document(title, &html! {}, &body)
}

/// Tenant and roles in words.
fn roles(access: &Access) -> String {
    let roles: Vec<&str> = access.roles().iter().map(Role::name).collect();
    let tenant = access.tenant().map_or_else(|| "all tenants".to_owned(), plain);
    format!("{tenant}: {}", roles.join(", "))
}

/// A page without a visitor.
pub(crate) fn bare(title: &str, main: &Markup) -> Markup {
    document(title, &html! {}, &unsigned(main))
}

/// The same, after which a browser opens another page of the console by itself.
pub(crate) fn onward(title: &str, main: &Markup, to: &str) -> Markup {
    document(title, &html! { meta http-equiv="refresh" content={ "0;url=" (to) }; }, &unsigned(main))
}

fn unsigned(main: &Markup) -> Markup {
    html! {
        a.skip href="#main" { "Skip to content" }
        header.top { div.top-in { span.brand { (icon(Icon::Brand)) "Vouchlog " span { "vault" } } } }
        main #main.sign-in { (main) }
    }
}

fn document(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                title { (title) " · Vouchlog" }
                (head)
                link rel="stylesheet" href=(*STYLE_PATH);
            }
            body { (sprite(&body.0)) (hatches(&body.0)) (body) }
        }
    }
}

/// The patterns that fill invalid periods in charts, if the page has such a chart.
fn hatches(body: &str) -> Markup {
    html! {
        @if body.contains("class=\"v-bad\"") {
            svg.sprite aria-hidden="true" {
                defs {
                    pattern id="hatch-bad" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                        rect.f-bad width="6" height="6" {}
                        path.h-bad d="M0 0v6" {}
                    }
                }
            }
        }
    }
}
