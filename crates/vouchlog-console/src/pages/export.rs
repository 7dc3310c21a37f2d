//! Exports: what a list shows, as a file.

use maud::{Markup, html};
use vouchlog_api::Error;
use vouchlog_desk::{Export, ExportFormat, ExportPage, ExportedThing};
use vouchlog_pages::{Icon, icon};

use crate::limits::MAX_EXPORT_BYTES;
use crate::names::{FindingSearch, Search};
use crate::respond::file;
use crate::visitor::{Failed, PageResult, Posted, Visitor};

/// The form of an export: what, the handle of the search that it is of, and the forms that there are.
pub(super) fn form(visitor: &Visitor, what: &str, search: &str, formats: &[(&str, &str)]) -> Markup {
    html! {
        form method="post" action="/console/export" {
            (visitor.form_token())
            input type="hidden" name="what" value=(what);
            input type="hidden" name="search" value=(search);
            div.acts {
                @for (format, words) in formats {
                    button.btn type="submit" name="format" value=(format) { (icon(Icon::File)) "Export " (words) }
                }
            }
        }
    }
}

/// CSV, and JSON on lines.
pub(super) const TABLES: [(&str, &str); 2] = [("csv", "CSV"), ("jsonl", "JSON")];
/// The same, and events for a SIEM.
pub(super) const EVENTS: [(&str, &str); 3] = [("csv", "CSV"), ("jsonl", "JSON"), ("ocsf", "OCSF")];

/// Exports.
pub(crate) async fn export(Posted { visitor, form }: Posted) -> PageResult {
    let wrong = |why: &str| visitor.failed(&Error::invalid(why));
    let (format, name, content_type) = match form.get("format") {
        "csv" => (ExportFormat::Csv, "export.csv", "text/csv; charset=utf-8"),
        "jsonl" => (ExportFormat::JsonLines, "export.jsonl", "application/jsonl"),
        "ocsf" => (ExportFormat::Ocsf, "export.ocsf.jsonl", "application/jsonl"),
        _ => return Err(wrong("choose the form of the export")),
    };
    let ask = match form.get("what") {
        "sessions" => {
            let Search { tenant, facets, from, to, .. } = visitor.open(form.get("search"))?;
            Export { what: ExportedThing::Sessions, tenant, facets, from, to, format, ..Export::default() }
        }
        "findings" => {
            let FindingSearch { tenant, facets, state, .. } = visitor.open(form.get("search"))?;
            Export { what: ExportedThing::Findings, tenant, facets, state, format, ..Export::default() }
        }
        "disclosures" => Export { what: ExportedThing::Disclosures, format, ..Export::default() },
        _ => return Err(wrong("choose what to export")),
    };
    Ok(file(name, content_type, whole(&visitor, ask).await?))
}

/// All pages of an export as one text.
async fn whole(visitor: &Visitor, mut ask: Export) -> Result<String, Failed> {
    let mut text = String::new();
    loop {
        let ExportPage { text: page, next, .. } = visitor.ask(ask.clone()).await?;
        text.push_str(&page);
        if text.len() > MAX_EXPORT_BYTES {
            let mebibytes = MAX_EXPORT_BYTES >> 20;
            return Err(visitor.failed(&Error::invalid(format!(
                "the export has more than {mebibytes} MiB: narrow the search, or use `vouchlog vault export`"
            ))));
        }
        let Some(after) = next else { return Ok(text) };
        ask.after = Some(after);
    }
}
