//! The letter as a page: no script, nothing loaded, and nothing in it that is not escaped.

use maud::{DOCTYPE, html};
use vouchlog_session::plain;

use super::{Letter, Section};

/// Nothing may run in it or be loaded; it has no style of its own, so that it prints as a letter.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'";

/// The letter as a page.
pub(super) fn html(letter: &Letter) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { "What was held about you, and what was erased" }
            }
            body {
                main {
                    h1 { "What was held about you, and what was erased" }
                    dl { @for (name, value) in letter.head() { dt { (name) } dd { (plain(&value)) } } }
                    @for Section { heading, text, list } in letter.sections() {
                        h2 { (heading) }
                        @for sentence in &text { p { (plain(sentence)) } }
                        @if !list.is_empty() { ul { @for item in &list { li { (plain(item)) } } } }
                    }
                }
            }
        }
    };
    page.into_string()
}
