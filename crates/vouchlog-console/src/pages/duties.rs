//! Duties to keep records, law by law: what the vault's figures show for each, and what they do not.

use maud::html;
use vouchlog_desk::{CountRecords, CountedRecords};
use vouchlog_grading::{Figures, duties};
use vouchlog_pages::{Icon, Tone, icon, status};

use crate::frame::Area;
use crate::limits::MAX_COUNT_PAGES;
use crate::visitor::{PageResult, Visitor};

/// The page.
pub(crate) async fn show(visitor: Visitor) -> PageResult {
    let mut counted = CountedRecords::default();
    let mut is_whole = false;
    for _ in 0..MAX_COUNT_PAGES {
        let after = counted.next.take();
        counted.extend(visitor.ask(CountRecords { tenant: None, after }).await?);
        if counted.next.is_none() {
            is_whole = true;
            break;
        }
    }
    let mut figures = Figures::default();
    counted.figures(&mut figures);
    let reports = duties(&figures);
    let main = html! {
        div.head {
            div {
                h1 { "Duties" }
                p.lede { "What the vault's figures show for each duty to keep records, and what they do not. An engineer's reading, not legal advice." }
            }
        }
        div.note {
            (icon(Icon::Info))
            span { "Only the vault was counted. What the log shows (streams, heartbeats, losses, witnesses) is added by " code { "vouchlog duties" } ", which audits the log first." }
        }
        @if !is_whole { div.note.warn.sec-t { (icon(Icon::Warn)) span { "Not all records were counted: the vault has too many for this page. `vouchlog duties` counts them all." } } }
        div.stack.sec-t {
            @for report in &reports {
                article.panel.duty {
                    header {
                        h2 { (report.instrument) ", " (report.article) }
                        @if report.shown.is_empty() { (status(Tone::None, "Not shown")) } @else { (status(Tone::Info, "Partly shown")) }
                    }
                    div.pad.stack {
                        p { (report.duty) }
                        div.grid.g2 {
                            div { h3 { "Shown" } ul.dots.s { @for shown in &report.shown { li { (shown) } } @if report.shown.is_empty() { li { "nothing" } } } }
                            div { h3 { "Not shown" } ul.dots.s { @for not in &report.not_shown { li { (not) } } } }
                        }
                        p.s.soft { "Source: " (report.source) }
                    }
                }
            }
        }
    };
    Ok(visitor.page(Area::Duties, "Duties", &main))
}
