//! The frame of a page: its policy, its style, its first link, its top bar.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use vouchlog_merkle::sha256;

use crate::icon::{Icon, icon, sprite};

/// The style of every page. A page that is one file has it inside and no other; a server adds what its forms need.
pub const STYLE: &str = include_str!("style.css");

/// What a browser may do with a page: apply [`STYLE`]. Nothing can run in it, and nothing is loaded.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(sha256(STYLE.as_bytes()).as_bytes());
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
});

/// How wide a page is at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// A working paper: 58 rem.
    Paper,
    /// A timeline, or tables: 76 rem.
    Wide,
}

/// A page that is one file.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// Its title, for the browser.
    pub title: &'a str,
    /// What kind of page, beside the brand.
    pub kind: &'a str,
    /// How wide.
    pub width: Width,
    /// What is in it. It begins with the only `h1`.
    pub main: Markup,
}

impl Page<'_> {
    /// The page as HTML. Text in [`main`](Self::main) is escaped by `maud`.
    pub fn to_html(&self) -> String {
        let width = match self.width {
            Width::Paper => "wrap paper",
            Width::Wide => "wrap",
        };
        let body = html! {
            a.skip href="#main" { "Skip to content" }
            header.top { div.top-in { span.brand { (icon(Icon::Brand)) "Vouchlog " span { (self.kind) } } } }
            main #main class=(width) { (self.main) }
        };
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(*POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="referrer" content="no-referrer";
                    meta name="robots" content="noindex";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body { (sprite(&body.0)) (body) }
            }
        };
        page.into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tone, status};

    fn page(main: Markup) -> String {
        Page { title: "<t>", kind: "test", width: Width::Paper, main }.to_html()
    }

    #[test]
    fn a_page_runs_and_loads_nothing() {
        let page = page(html! { h1 { "<script>" } (status(Tone::Bad, "Failed")) });
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = STANDARD.encode(sha256(style.as_bytes()).as_bytes());
        assert!(page.contains(&format!("style-src 'sha256-{hash}'")), "{hash}");
        for forbidden in ["<script", "src=", "url(", "style=", "@import", "http://", "https://"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("<title>&lt;t&gt;</title>") && page.contains("&lt;script&gt;"));
    }

    #[test]
    fn a_page_has_the_symbols_it_uses_and_no_other() {
        let page = page(status(Tone::Bad, "Failed"));
        assert!(page.contains("<symbol id=\"i-bad\"") && page.contains("<symbol id=\"i-brand\""));
        assert!(!page.contains("<symbol id=\"i-ok\""));
    }
}
