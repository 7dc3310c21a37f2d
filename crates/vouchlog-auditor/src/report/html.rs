//! The report as one page: no script, no font, nothing fetched from anywhere. Everything that came from a log is escaped.

use std::fmt::{self, Write};

use super::{AuditReport, QuotaReport, StreamReport, counted};
use crate::finding::Finding;
use crate::kind::{Proves, Severity};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3rem .5rem;text-align:left;\
vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}\
code,pre{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}\
.clean{color:#0a6b2d}.critical{color:#a4001d}.serious{color:#8a4b00}.warning{color:#6b6000}";

/// Text from anywhere, made harmless in HTML text and attributes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

impl AuditReport {
    /// The report as one self-contained HTML page.
    pub fn to_html(&self) -> String {
        let mut page = String::new();
        self.write_html(&mut page).expect("writing to a string does not fail");
        page
    }

    fn write_html(&self, page: &mut String) -> fmt::Result {
        let origin = Escaped(&self.origin);
        writeln!(
            page,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>Audit of {origin}</title>\n<style>{STYLE}</style></head><body>\n<h1>Audit of {origin}</h1>"
        )?;
        self.write_verdict(page)?;
        for (place, finding) in self.findings.iter().enumerate() {
            write_finding(page, place, finding)?;
        }
        self.write_checked(page)?;
        self.write_streams(page)?;
        self.write_quotas(page)?;
        self.write_keys(page)?;
        writeln!(page, "</body></html>")
    }

    fn write_verdict(&self, page: &mut String) -> fmt::Result {
        if self.is_clean() {
            return writeln!(page, "<p class=\"clean\"><strong>No findings.</strong></p>");
        }
        let total: u64 = self.counts.values().sum();
        let class = self.worst().map_or("", class);
        writeln!(page, "<p class=\"{class}\"><strong>Findings: {total}</strong></p><ul>")?;
        for (kind, count) in &self.counts {
            writeln!(page, "<li><code>{kind}</code>: {count}</li>")?;
        }
        writeln!(page, "</ul>")
    }

    fn write_checked(&self, page: &mut String) -> fmt::Result {
        let checked = &self.checked;
        writeln!(page, "<h2>What was checked</h2><table>")?;
        let mut row = |name: &str, value: String| {
            writeln!(page, "<tr><th>{name}</th><td>{}</td></tr>", Escaped(&value))
        };
        if let Some(checkpoint) = &self.checkpoint {
            row("Entries in the tree", checkpoint.size.to_string())?;
            row("Root", checkpoint.root.clone())?;
            row("Cosigned by", checkpoint.cosigned_by.join(", "))?;
            row("Quorum of witnesses", if checkpoint.quorum { "yes" } else { "no" }.to_owned())?;
            row("Checkpoints of other parties compared", checkpoint.compared.to_string())?;
        }
        row("Entries checked", checked.entries.to_string())?;
        row(
            "Vouchlog rules",
            if checked.rules { "checked" } else { "not checked: opaque bytes" }.to_owned(),
        )?;
        row("Entries checked by earlier audits", checked.before.to_string())?;
        row("Bytes read", checked.bytes.to_string())?;
        row("Tiles read", checked.tiles.to_string())?;
        row("Statements", checked.statements.to_string())?;
        row("Entries per second", checked.entries_per_second.to_string())?;
        writeln!(page, "</table>")?;
        if let Some(checkpoint) = &self.checkpoint {
            writeln!(page, "<pre>{}</pre>", Escaped(&checkpoint.note))?;
        }
        Ok(())
    }

    fn write_streams(&self, page: &mut String) -> fmt::Result {
        if self.streams.is_empty() {
            return Ok(());
        }
        writeln!(
            page,
            "<h2>Streams</h2><table><tr><th>Stream</th><th>Gateway</th><th>State</th><th>Statements</th>\
             <th>Signed</th><th>Complete</th><th>Declared losses</th><th>Evidence claimed</th></tr>"
        )?;
        for stream in &self.streams {
            write_stream(page, stream)?;
        }
        writeln!(page, "</table>")
    }
}

impl AuditReport {
    fn write_quotas(&self, page: &mut String) -> fmt::Result {
        if self.quotas.is_empty() {
            return Ok(());
        }
        writeln!(
            page,
            "<h2>Quotas a day</h2><table><tr><th>Gateway</th><th>Statements</th><th>Bytes</th><th>Streams</th><th>Entry</th></tr>"
        )?;
        for quota in &self.quotas {
            let QuotaReport { statements, bytes, streams, index, .. } = quota;
            writeln!(
                page,
                "<tr><td>{}</td><td>{statements}</td><td>{bytes}</td><td>{streams}</td><td>{index}</td></tr>",
                Escaped(quota.whose())
            )?;
        }
        writeln!(page, "</table>")
    }

    /// Changes of the operator's key and rotations of witnesses' keys: facts.
    fn write_keys(&self, page: &mut String) -> fmt::Result {
        let operators = self.operators.iter().skip(1).map(ToString::to_string);
        let facts: Vec<String> =
            operators.chain(self.witness_rotations.iter().map(ToString::to_string)).collect();
        if facts.is_empty() {
            return Ok(());
        }
        writeln!(page, "<h2>Keys that changed</h2><ul>")?;
        for fact in &facts {
            writeln!(page, "<li>{}</li>", Escaped(fact))?;
        }
        writeln!(page, "</ul>")
    }
}

fn write_finding(page: &mut String, place: usize, finding: &Finding) -> fmt::Result {
    let proves = match finding.proves {
        Proves::Misconduct => "The evidence proves misconduct to anyone who has the log's keys.",
        Proves::Observation => "Observed: the evidence rests on the auditor's word.",
    };
    writeln!(
        page,
        "<h2 id=\"f{number}\" class=\"{class}\">{number}. <code>{}</code> ({})</h2>\n<p>{}</p>\n<p>Where: {}. {proves}</p>",
        finding.kind,
        finding.rule,
        Escaped(&finding.words),
        Escaped(&finding.place.to_string()),
        number = place + 1,
        class = class(finding.severity),
    )?;
    if let Some(cause) = finding.follows_from {
        writeln!(page, "<p>Follows from <a href=\"#f{0}\">finding {0}</a>.</p>", cause + 1)?;
    }
    if finding.consequences > 0 {
        let more = counted(finding.consequences, "further irregularity", "further irregularities");
        writeln!(page, "<p>Explains {more}.</p>")?;
    }
    Ok(())
}

fn write_stream(page: &mut String, stream: &StreamReport) -> fmt::Result {
    let complete = if stream.complete { "yes" } else { "<strong class=\"critical\">no</strong>" };
    write!(
        page,
        "<tr><td class=\"n\">{}</td><td>{} {}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td>{complete}</td><td class=\"n\">{}</td><td>",
        stream.stream,
        Escaped(&stream.gateway),
        stream.gateway_key_id.as_deref().unwrap_or_default(),
        stream.status,
        stream.statements,
        stream.signed,
        stream.declared_losses
    )?;
    for (name, count) in &stream.evidence {
        let percent = count * 100 / stream.statements.max(1);
        write!(page, "{name} {percent} %<br>")?;
    }
    writeln!(page, "</td></tr>")
}

fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Serious => "serious",
        Severity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_log_becomes_markup() {
        let text = Escaped("<script>alert('&\"')</script>").to_string();
        assert_eq!(text, "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;");
    }
}
