//! The findings of a session, the worst first, each with the records that have it.

use std::cmp::Reverse;
use std::collections::HashMap;

use maud::{Markup, html};
use vouchlog_grading::{Severity, rule};
use vouchlog_pages::{Tone, grouped, icon, status};
use vouchlog_session::{ShownFinding, Timeline};

use super::{OnPage, sentence, severity};

/// Findings at the top of the page.
const MAX_ALARM: usize = 5;
/// Findings that are told in full. Of a session with more, the timeline has the rest.
const MAX_LISTED: usize = 40;
/// Records that are linked from one finding.
const MAX_LINKS: usize = 12;

/// A finding, and where it is.
struct PlacedFinding<'t> {
    finding: &'t ShownFinding,
    /// Places of the records, each with the number of the finding in it.
    records: Vec<(usize, usize)>,
    /// What has it, if no record does.
    of: &'static str,
}

/// Every finding of a session, the worst first.
pub struct Findings<'t>(Vec<PlacedFinding<'t>>);

impl<'t> Findings<'t> {
    /// Those of a timeline.
    pub fn of(timeline: &'t Timeline) -> Self {
        let mut found: Vec<PlacedFinding<'t>> = Vec::new();
        for (of, findings) in
            [("the log", &timeline.summary.log_findings), ("the session", &timeline.summary.findings)]
        {
            found.extend(findings.iter().map(|finding| PlacedFinding { finding, records: Vec::new(), of }));
        }
        let mut known = HashMap::new();
        for (place, record) in timeline.records.iter().enumerate() {
            for (number, finding) in record.findings.iter().enumerate() {
                let at =
                    *known.entry((finding.code, finding.severity, &finding.message)).or_insert(found.len());
                match found.get_mut(at) {
                    Some(found) => found.records.push((place, number)),
                    None => found.push(PlacedFinding { finding, records: vec![(place, number)], of: "" }),
                }
            }
        }
        found.sort_by_key(|one| Reverse(one.finding.severity));
        Self(found)
    }

    /// Those that something must be done about.
    fn grave(&self) -> impl Iterator<Item = &PlacedFinding<'t>> {
        self.0.iter().filter(|one| one.finding.severity >= Severity::Error)
    }

    /// The worst, at the top of the page: none is only somewhere below.
    pub fn alarm(&self) -> Markup {
        let grave = self.grave().count();
        html! {
            @if grave > 0 {
                div.alarm.near role="region" aria-labelledby="h-al" {
                    h2 #h-al { (icon(Tone::Bad.icon())) (self.heading()) }
                    ol {
                        @for (number, one) in self.grave().enumerate().take(MAX_ALARM) {
                            li {
                                (status(Tone::Bad, severity(one.finding.severity).1))
                                div {
                                    p { (sentence(&one.finding.message)) }
                                    p.then { "Next: " (one.finding.remedy) }
                                }
                                a.s href={ "#f" (number + 1) } { (one.place()) (one.finding.code) }
                            }
                        }
                    }
                    @if grave > MAX_ALARM {
                        p.s.sec-t { a href="#findings" { "All " (grave) " findings of this kind" } }
                    }
                }
            }
        }
    }

    /// `2 critical findings, 1 error`.
    fn heading(&self) -> String {
        let with = |severity| self.0.iter().filter(|one| one.finding.severity == severity).count() as u64;
        let (critical, errors) = (with(Severity::Critical), with(Severity::Error));
        let parts = [
            (critical, grouped(critical, "critical finding", "critical findings")),
            (errors, grouped(errors, "error", "errors")),
        ];
        let parts: Vec<String> =
            parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, words)| words).collect();
        parts.join(", ")
    }

    /// All of them: the grave ones in full, the rest folded.
    pub fn section(&self, timeline: &Timeline, page: &OnPage<'_>) -> Markup {
        if self.0.is_empty() {
            return html! {};
        }
        let grave = self.grave().count();
        let listed = self.0.len().min(MAX_LISTED);
        let minor = (listed.saturating_sub(grave)) as u64;
        html! {
            section #findings aria-labelledby="h-f" {
                div.sec-h {
                    h2 #h-f { "Findings" }
                    p { (self.counts()) }
                }
                @if grave > 0 {
                    div.panel {
                        @for (number, one) in self.0.iter().enumerate().take(grave.min(MAX_LISTED)) {
                            (one.item(number, timeline, page))
                        }
                    }
                }
                @if minor > 0 {
                    details.panel.rec.sec-t open[grave == 0 && minor <= 5] {
                        summary { h3 { (grouped(minor, "finding", "findings")) " of less weight" } }
                        @for (number, one) in self.0.iter().enumerate().take(listed).skip(grave) {
                            (one.item(number, timeline, page))
                        }
                    }
                }
                @if self.0.len() > listed {
                    p.s.soft.sec-t {
                        (self.0.len() - listed) " more are not told here; each stands under its record in the timeline."
                    }
                }
            }
        }
    }

    fn counts(&self) -> String {
        let all =
            [Severity::Critical, Severity::Error, Severity::Indeterminate, Severity::Warn, Severity::Info];
        let with = |severity| self.0.iter().filter(|one| one.finding.severity == severity).count();
        let counts = all.map(|one| (with(one), severity(one).1.to_lowercase(), one));
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(number, ..)| *number > 0)
            .map(|(number, word, one)| {
                let has_plural = matches!(one, Severity::Error | Severity::Warn);
                let plural = if has_plural && number > 1 { "s" } else { "" };
                format!("{number} {word}{plural}")
            })
            .collect();
        counts.join(", ")
    }
}

impl PlacedFinding<'_> {
    /// Where it is, in short, in front of its code.
    fn place(&self) -> String {
        match self.records.as_slice() {
            [] => format!("{} · ", sentence(self.of).trim_end_matches('.')),
            [(record, _)] => format!("No. {} · ", record + 1),
            records => format!("{} records · ", records.len()),
        }
    }

    fn item(&self, number: usize, timeline: &Timeline, page: &OnPage<'_>) -> Markup {
        let finding = self.finding;
        let (tone, word) = severity(finding.severity);
        let says = rule(finding.code).map_or("", |rule| rule.says);
        html! {
            article.f-item id={ "f" (number + 1) } {
                h3 {
                    span.num { (number + 1) "." }
                    (status(tone, word))
                    span { (sentence(&finding.message)) }
                    span.code { (finding.code) " " (finding.name) }
                }
                dl.kv {
                    dt { "Where" }
                    dd { (self.links(timeline, page)) }
                    @if !says.is_empty() && says != finding.message {
                        dt { "Rule" }
                        dd { (sentence(says)) }
                    }
                    dt { "Next step" }
                    dd { (sentence(finding.remedy)) }
                }
            }
        }
    }

    fn links(&self, timeline: &Timeline, page: &OnPage<'_>) -> Markup {
        html! {
            @if self.records.is_empty() { (sentence(self.of)) }
            @for (at, (place, number)) in self.records.iter().take(MAX_LINKS).enumerate() {
                @if let Some(record) = timeline.records.get(*place) {
                    @if at > 0 { ", " }
                    a href=(page.href(*place, &format!("r{}-f{}", place + 1, number + 1))) { (record.label()) }
                    @if let Some(place) = record.place { " (entry " (place.index) ")" }
                }
            }
            @if self.records.len() > MAX_LINKS { " and " (self.records.len() - MAX_LINKS) " more records" }
        }
    }
}
