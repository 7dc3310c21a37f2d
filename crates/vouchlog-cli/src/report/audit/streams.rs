//! The streams of a log and the quotas of its gateways, as tables.

use maud::{Markup, html};
use vouchlog_auditor::{AuditReport, QuotaReport, StreamReport};
use vouchlog_pages::{Tone, grouped, status, thousands};
use vouchlog_session::plain;

/// Streams that are listed, those with a gap first; and quotas.
const MAX_STREAMS: usize = 500;

pub(super) fn streams(streams: &[StreamReport]) -> Markup {
    if streams.is_empty() {
        return html! {};
    }
    let mut sorted: Vec<&StreamReport> = streams.iter().collect();
    sorted.sort_by_key(|stream| (stream.complete, stream.status != "open", stream.stream));
    html! {
        section aria-labelledby="h-s" {
            div.sec-h {
                h2 #h-s { "Streams" }
                p { (grouped(streams.len() as u64, "stream", "streams")) }
            }
            div.panel {
                table.tbl.fold role="table" aria-labelledby="h-s" {
                    thead role="rowgroup" { tr role="row" {
                        (head("", "Stream")) (head("", "Gateway")) (head("", "State"))
                        (head("n", "Statements")) (head("n", "Signed")) (head("", "Complete"))
                    } }
                    tbody role="rowgroup" { @for stream in sorted.iter().take(MAX_STREAMS) { (stream_row(stream)) } }
                }
            }
            @if sorted.len() > MAX_STREAMS {
                p.s.soft.sec-t { (sorted.len() - MAX_STREAMS) " more are not listed here. The JSON output has them." }
            }
        }
    }
}

/// The head of a column.
fn head(class: &str, words: &str) -> Markup {
    html! { th role="columnheader" scope="col" class=(class) { (words) } }
}

fn stream_row(stream: &StreamReport) -> Markup {
    let status = match stream {
        StreamReport { pruned: true, .. } => status(Tone::Unknown, "Pruned, not checked"),
        StreamReport { complete: false, .. } => status(Tone::Bad, "Gap"),
        StreamReport { declared_losses: 1.., .. } => {
            status(Tone::Warning, &grouped(stream.declared_losses, "declared loss", "declared losses"))
        }
        StreamReport { statements, signed, .. } if signed < statements => status(
            Tone::Waiting,
            &format!("No gap, {} not signed yet", thousands(statements.saturating_sub(*signed))),
        ),
        _ => status(Tone::Good, "Complete"),
    };
    html! {
        tr role="row" id={ "s" (stream.stream) } {
            th role="rowheader" scope="row" { (thousands(stream.stream)) }
            td role="cell" {
                (plain(&stream.gateway))
                @if let Some(id) = &stream.gateway_key_id { span.sub { "key " code { (id) } } }
            }
            td role="cell" class="full" {
                (stream.status)
                @if let Some((before, size)) = stream.continues { span.sub { "continues " (thousands(before)) " at " (thousands(size)) } }
            }
            td.n role="cell" data-l="Statements" { (thousands(stream.statements)) }
            td.n role="cell" data-l="Signed" { (thousands(stream.signed)) }
            td role="cell" class="full" { (status) }
        }
    }
}

/// Changes of the operator's key, and rotations of witnesses' keys.
pub(super) fn keys(report: &AuditReport) -> Markup {
    lines("h-k", "Keys that changed", &report.key_changes().collect::<Vec<_>>())
}

/// Which log this one continues, and how it ended.
pub(super) fn succession(report: &AuditReport) -> Markup {
    lines("h-b", "Before and after", &report.succession().collect::<Vec<_>>())
}

/// Lines under a heading with the anchor `id`; nothing if there are none.
fn lines(id: &str, heading: &str, lines: &[String]) -> Markup {
    if lines.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby=(id) {
            h2.sec-h id=(id) { (heading) }
            div.panel { @for line in lines { p { (plain(line)) } } }
        }
    }
}

pub(super) fn quotas(quotas: &[QuotaReport]) -> Markup {
    if quotas.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="h-u" {
            h2.sec-h #h-u { "Quotas a day" }
            div.panel {
                table.tbl.fold role="table" aria-labelledby="h-u" {
                    thead role="rowgroup" { tr role="row" {
                        (head("", "Gateway")) (head("n", "Statements")) (head("n", "Bytes")) (head("n", "Streams")) (head("n", "Entry"))
                    } }
                    tbody role="rowgroup" {
                        @for quota in quotas.iter().take(MAX_STREAMS) {
                            tr role="row" {
                                th.full role="rowheader" scope="row" { (plain(quota.whose())) }
                                td.n role="cell" data-l="Statements" { (quota.statements) }
                                td.n role="cell" data-l="Bytes" { (quota.bytes) }
                                td.n role="cell" data-l="Streams" { (quota.streams) }
                                td.n role="cell" data-l="Entry" { (thousands(quota.index)) }
                            }
                        }
                    }
                }
            }
            @if quotas.len() > MAX_STREAMS { p.s.soft.sec-t { (quotas.len() - MAX_STREAMS) " more are not listed here." } }
        }
    }
}
