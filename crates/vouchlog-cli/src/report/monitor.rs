//! The page of a monitor: what it found, how old its last audit is, and how the audits before ended.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};
use vouchlog_auditor::monitor::KnownFinding;
use vouchlog_auditor::{FindingKind, Severity};
use vouchlog_grading::rule;
use vouchlog_pages::{Icon, Page, Tone, Width, grouped, icon, moment, status, thousands};
use vouchlog_session::plain;

use super::made::TOOL;

/// Findings that are listed; the rest is counted.
const MAX_FINDINGS: usize = 200;

/// A monitor at a moment.
#[derive(Clone, Debug)]
pub(crate) struct MonitorMade {
    /// The moment.
    pub(crate) at: Timestamp,
    pub(crate) origin: String,
    /// Where the log is read.
    pub(crate) source: String,
    pub(crate) vkeys: Vec<String>,
    pub(crate) has_policy: bool,
    pub(crate) interval: Duration,
    /// The audits since the monitor started, the newest first.
    pub(crate) runs: Vec<AuditRun>,
    /// What is remembered, the newest first.
    pub(crate) findings: Vec<KnownFinding>,
    /// Whether the monitor is on time.
    pub(crate) is_ready: bool,
}

/// An audit that ended.
#[derive(Clone, Debug)]
pub(crate) struct AuditRun {
    /// When, in POSIX seconds.
    pub(crate) at: u64,
    pub(crate) took: Duration,
    pub(crate) outcome: RunOutcome,
}

/// How an audit ended.
#[derive(Clone, Debug)]
pub(crate) enum RunOutcome {
    /// It was completed.
    Audited {
        /// Size of the log's checkpoint.
        size: u64,
        /// Entries that were read.
        entries: u64,
        /// What is wrong, in words; empty if nothing is.
        verdict: String,
    },
    /// The log could not be audited, and why.
    Failed(String),
}

/// The page.
pub(crate) fn monitor(made: &MonitorMade) -> String {
    let origin = plain(&made.origin);
    let main = html! {
        (head(made, &origin))
        (alarm(made))
        (findings(made))
        (runs(made))
        (limits())
        footer.foot { span { "Made " (moment(made.at)) " by " (TOOL) } }
    };
    Page { title: &format!("Monitor of {origin}"), kind: "monitor", width: Width::Wide, main }.to_html()
}

fn head(made: &MonitorMade, origin: &str) -> Markup {
    let last = made.runs.iter().find(|run| matches!(run.outcome, RunOutcome::Audited { .. }));
    html! {
        div.head {
            div {
                h1 { (origin) }
                p.soft { "This monitor audits the log every " (seconds(made.interval)) " and reports each finding once." }
                div.panel.pad.sec-t {
                    dl.kv {
                        dt { "Last completed audit" }
                        dd {
                            @match last {
                                Some(run) => { (age(made.at, run.at)) },
                                None => { (status(Tone::Warning, "None since the monitor started")) },
                            }
                        }
                        dt { "State" }
                        dd { @if made.is_ready { (status(Tone::Good, "On time")) } @else { (status(Tone::Bad, "Late: no audit succeeds")) } }
                        dt { "Log read at" }
                        dd { (plain(&made.source)) }
                        dt { "Log key" }
                        dd { @for vkey in &made.vkeys { code.hex { (plain(vkey)) } " " } }
                        dt { "Policy" }
                        dd { @if made.has_policy { "a witness policy was given" } @else { "none given: no cosignature was verified" } }
                    }
                }
            }
        }
    }
}

/// A moment with its age.
fn age(now: Timestamp, at: u64) -> Markup {
    let Some(then) = time(at) else { return html! { "at an unknown time" } };
    let old = now.as_second().saturating_sub(then.as_second());
    html! {
        (moment(then)) " ("
        @if old < 0 { "ahead of this clock" } @else { (seconds(Duration::from_secs(old.unsigned_abs()))) " ago" }
        ")"
    }
}

fn alarm(made: &MonitorMade) -> Markup {
    let grave: Vec<&KnownFinding> =
        made.findings.iter().filter(|finding| finding.kind.severity() != Severity::Warning).collect();
    html! {
        @if !grave.is_empty() {
            div.alarm {
                h2 { (icon(Icon::Bad)) (grouped(grave.len() as u64, "finding that is", "findings that are")) " more than a warning" }
                p.sec-t { "Do not rely on this log before each is explained. The evidence below can be checked by anyone who has the log’s key." }
            }
        }
        @if let Some(AuditRun { outcome: RunOutcome::Failed(error), .. }) = made.runs.first() {
            div.note.warn {
                (icon(Icon::Warn))
                span { "The newest audit failed: " (plain(error)) ". What happened to the log since the last completed audit is not known." }
            }
        }
    }
}

fn findings(made: &MonitorMade) -> Markup {
    html! {
        section aria-labelledby="h-f" {
            div.sec-h { h2 #h-f { "Findings" } p { (grouped(made.findings.len() as u64, "finding", "findings")) " remembered" } }
            @if made.findings.is_empty() {
                p.soft { "None, as far as the audits went." }
            } @else {
                div.panel { @for (place, finding) in made.findings.iter().take(MAX_FINDINGS).enumerate() { (item(place, finding)) } }
            }
            @if made.findings.len() > MAX_FINDINGS {
                p.s.soft.sec-t { (grouped((made.findings.len() - MAX_FINDINGS) as u64, "older finding is", "older findings are")) " remembered and not listed." }
            }
        }
    }
}

fn item(place: usize, finding: &KnownFinding) -> Markup {
    let kind: FindingKind = finding.kind;
    let (tone, word) = match kind.severity() {
        Severity::Critical => (Tone::Bad, "Critical"),
        Severity::Serious => (Tone::Bad, "Serious"),
        Severity::Warning => (Tone::Warning, "Warning"),
    };
    // The folder is the operator's affair; the name is what a colleague asks for.
    let file =
        finding.evidence.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    html! {
        article.f-item id={ "f" (place + 1) } {
            h3 { (status(tone, word)) span { (kind.meaning()) } span.code { (kind.code()) " " (kind.rule()) } }
            dl.kv {
                dt { "Found" }
                dd { @match time(finding.found_at) { Some(at) => (moment(at)), None => "at an unknown time" } }
                dt { "Evidence" }
                dd { code { (plain(&file)) } "; check it with " code { "vouchlog verify" } " or on the page that checks files" }
                dt { "Reported" }
                dd { @if finding.is_reported { "yes, or given up" } @else { (status(Tone::Waiting, "Not yet")) } }
                @if let Some(rule) = rule(kind.rule()) { dt { "Next step" } dd { (rule.remedy) } }
            }
        }
    }
}

fn runs(made: &MonitorMade) -> Markup {
    html! {
        section aria-labelledby="h-a" {
            div.sec-h { h2 #h-a { "Audits" } p { "The newest " (thousands(made.runs.len() as u64)) " since the monitor started" } }
            @if made.runs.is_empty() { p.soft { "None yet." } }
            @else {
                div.panel {
                    table.tbl.fold role="table" {
                        thead role="rowgroup" {
                            tr role="row" {
                                @for (column, class) in [("Ended", ""), ("Result", ""), ("Entries in the log", "n"), ("Read", "n"), ("Took", "n")] {
                                    th role="columnheader" scope="col" class=[(!class.is_empty()).then_some(class)] { (column) }
                                }
                            }
                        }
                        tbody role="rowgroup" { @for run in &made.runs { (run_row(run)) } }
                    }
                }
            }
        }
    }
}

fn run_row(run: &AuditRun) -> Markup {
    let (result, size, entries) = match &run.outcome {
        RunOutcome::Audited { size, entries, verdict } if verdict.is_empty() => {
            (status(Tone::Good, "No findings"), thousands(*size), thousands(*entries))
        }
        RunOutcome::Audited { size, entries, verdict } => (
            html! { (status(Tone::Bad, "Findings")) " " (plain(verdict)) },
            thousands(*size),
            thousands(*entries),
        ),
        RunOutcome::Failed(error) => (
            html! { (status(Tone::Warning, "Not determined")) " " (plain(error)) },
            "–".to_owned(),
            "–".to_owned(),
        ),
    };
    html! {
        tr role="row" {
            th.full role="rowheader" scope="row" { @match time(run.at) { Some(at) => (moment(at)), None => "–" } }
            td.full role="cell" { (result) }
            td.n role="cell" data-l="Entries in the log" { (size) }
            td.n role="cell" data-l="Read" { (entries) }
            td.n role="cell" data-l="Took" { (seconds(run.took)) }
        }
    }
}

fn limits() -> Markup {
    html! {
        section aria-label="What an audit shows" {
            div.panel.pad.limits {
                div {
                    h3.ok { (icon(Icon::Ok)) "What an audit without findings shows" }
                    ul {
                        li { "The log signed what it serves, and it extends what the monitor saw before." }
                        li { "Every entry that the log has served since the first audit was read once, and keeps the rules of the log." }
                    }
                }
                div {
                    h3.mute { (icon(Icon::None)) "What it does not show" }
                    ul {
                        li { "That the log serves other readers the same. Compare heads with the witnesses." }
                        li { "That the records behind the digests are true, complete or lawful." }
                        li { "What happened since the last completed audit." }
                    }
                }
            }
        }
    }
}

/// A duration for people.
fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        short if short < 120 => format!("{short} s"),
        medium if medium < 7_200 => format!("{} min", medium / 60),
        long => format!("{} h", long / 3_600),
    }
}

fn time(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> MonitorMade {
        MonitorMade {
            at: Timestamp::from_second(1_767_225_600).unwrap(),
            origin: "log.example.com/<ai>".into(),
            source: "http://127.0.0.1:6962".into(),
            vkeys: vec!["log.example.com/ai+00000000+AQ".into()],
            has_policy: false,
            interval: Duration::from_mins(1),
            runs: vec![AuditRun {
                at: 1_767_225_580,
                took: Duration::from_millis(38),
                outcome: RunOutcome::Audited { size: 12_345, entries: 40, verdict: String::new() },
            }],
            findings: Vec::new(),
            is_ready: true,
        }
    }

    #[test]
    fn a_clean_monitor_shows_the_age_of_its_last_audit() {
        let page = monitor(&made());
        for shown in ["log.example.com/&lt;ai&gt;", "(20 s ago)", "12,345", "No findings", "On time"] {
            assert!(page.contains(shown), "{shown}\n{page}");
        }
        assert!(!page.contains("class=\"alarm\"") && !page.contains("<script"));
    }

    #[test]
    fn findings_come_first_with_their_evidence() {
        let finding = KnownFinding {
            kind: FindingKind::SplitView,
            evidence: "/var/lib/monitor/evidence/split-view-0123.finding.json".into(),
            found_at: 1_767_225_000,
            is_reported: false,
        };
        let page = monitor(&MonitorMade { findings: vec![finding], ..made() });
        assert!(page.find("class=\"alarm\"").unwrap() < page.find("<table").unwrap());
        assert!(page.contains("split-view-0123.finding.json") && !page.contains("/var/lib"), "{page}");
        assert!(page.contains("Not yet"));
    }

    #[test]
    fn an_audit_that_failed_is_no_clean_one() {
        let mut made = made();
        let failed = AuditRun {
            at: 1_767_225_599,
            took: Duration::ZERO,
            outcome: RunOutcome::Failed("no route".into()),
        };
        made.runs.insert(0, failed);
        made.is_ready = false;
        let page = monitor(&made);
        assert!(
            page.contains("is not known") && page.contains("Not determined") && page.contains("Late"),
            "{page}"
        );
        // The age is that of the last one that was completed.
        assert!(page.contains("(20 s ago)"));
    }
}
