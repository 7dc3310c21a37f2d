//! HTML for what a server reports to readers without JavaScript. Pages with JavaScript hide it.

use jiff::Timestamp;
use vouchlog_api::Error;

/// Facts that this server reports, by name. The values are HTML.
pub(super) fn panel(facts: &[(&str, String)]) -> String {
    let facts: String =
        facts.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    format!(
        "<div class=\"nojs near\"><div class=\"panel pad\"><h2>What the server reports</h2><dl class=\"kv\">{facts}</dl></div></div>"
    )
}

/// A table under a heading, which folds on a narrow screen. The heading and the cells are HTML.
pub(super) fn table(heading: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    let heads: String = columns
        .iter()
        .map(|column| format!("<th role=\"columnheader\" scope=\"col\">{column}</th>"))
        .collect();
    let row = |cells: &Vec<String>| {
        let cells = cells.iter().zip(columns).enumerate();
        let cells: String = cells
            .map(|(place, (cell, column))| {
                if place == 0 {
                    format!("<th role=\"rowheader\" scope=\"row\" class=\"full\">{cell}</th>")
                } else {
                    format!("<td role=\"cell\" class=\"full\" data-l=\"{column}\">{cell}</td>")
                }
            })
            .collect();
        format!("<tr role=\"row\">{cells}</tr>")
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"panel\"><header>{heading}</header><table class=\"tbl fold\" role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\">{heads}\
         </tr></thead><tbody role=\"rowgroup\">{rows}</tbody></table></div>"
    )
}

/// What this server reports, one below the other.
pub(super) fn stack(parts: &[String]) -> String {
    format!("<div class=\"nojs near\"><div class=\"stack\">{}</div></div>", parts.concat())
}

pub(super) fn refusal(what: &str, error: &Error) -> String {
    format!("<div class=\"note nojs\"><span>{what}: {}.</span></div>", escaped(&error.message))
}

/// A time for people; none for one that no calendar has.
pub(super) fn time(millis: u64) -> Option<String> {
    let at = Timestamp::from_millisecond(millis.try_into().ok()?).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Text in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
