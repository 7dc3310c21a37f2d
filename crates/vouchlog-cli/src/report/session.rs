//! A session as a working paper: what is wrong first, then the answers, then what happened, step by step.
//!
//! The first page is useful by itself: it has the findings, the answers and the first records. A session with more records goes on in
//! files beside it, 50 records each, and every finding links to the record it is about.

use maud::{Markup, html};
use vouchlog_console::drawn::{
    CHECK, Findings, NOT_PROVEN, OnPage, PROVEN, Pages, answers, entries, proven, sentence, timeline_section,
};
use vouchlog_grading::Answer;
use vouchlog_pages::{CheckedItem, Page, Tone, Width, coverage, grouped, limits, moment, thousands};
use vouchlog_session::Timeline;

use super::made::Provenance;

/// What a session's page states beside the session.
#[derive(Clone, Debug)]
pub(crate) struct SessionMade<'a> {
    pub(crate) made: Provenance<'a>,
    /// The basis on which content was read; none if it was not.
    pub(crate) content: Option<&'a str>,
    /// Reports about the log that were given.
    pub(crate) audits: usize,
}

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportFile {
    pub(crate) name: String,
    pub(crate) html: String,
}

/// The pages of a session. The first has the name `name`, the others are named after it.
pub(crate) fn session(timeline: &Timeline, made: &SessionMade<'_>, name: &str) -> Vec<ReportFile> {
    let names = names(timeline.records.len(), name);
    let pages = Pages::new(names.iter().map(|name| link(name)).collect(), timeline.records.len());
    let all = Findings::of(timeline);
    let mut files = Vec::with_capacity(names.len());
    for (number, file) in names.iter().enumerate() {
        let drawn = pages.on(number);
        let main = if number == 0 {
            first(timeline, made, &drawn, &all)
        } else {
            further(timeline, made, &drawn, number)
        };
        let title = match number {
            0 => format!("Session {}", timeline.session),
            _ => format!("Session {}, page {}", timeline.session, number + 1),
        };
        let page = Page { title: &title, kind: "session", width: Width::Wide, main };
        files.push(ReportFile { name: file.clone(), html: page.to_html() });
    }
    files
}

/// Names of the files of so many records, the first as it was given.
fn names(records: usize, name: &str) -> Vec<String> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "html"));
    let further = (2..=Pages::count(records)).map(|number| format!("{stem}-{number}.{extension}"));
    [name.to_owned()].into_iter().chain(further).collect()
}

/// A file's name as a relative link. What could be read as another place, or as markup, is encoded.
fn link(name: &str) -> String {
    let mut link = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                link.push(char::from(byte));
            }
            other => link.push_str(&format!("%{other:02X}")),
        }
    }
    link
}

fn first(timeline: &Timeline, made: &SessionMade<'_>, page: &OnPage<'_>, all: &Findings<'_>) -> Markup {
    html! {
        (head(timeline, made))
        (all.alarm())
        (answers(&timeline.summary))
        (all.section(timeline, page))
        (timeline_section(timeline, page))
        (covered(timeline, made))
        section aria-labelledby="h-l" {
            h2.sec-h #h-l { "What this report shows" }
            (limits(&PROVEN, &NOT_PROVEN))
            p.s.soft.sec-t {
                "This page proves nothing by itself: anyone can write one. The session's bundle is the proof. It is checked offline with the log's public key, which should "
                "come from another source than the bundle: " code { (CHECK) }
                ". With " code { "--policy FILE" } " it also requires the cosignatures of the witnesses you trust."
            }
        }
        (made.made.foot(&format!("Session {}", timeline.session)))
    }
}

/// A page after the first: its records, and the way back.
fn further(timeline: &Timeline, made: &SessionMade<'_>, page: &OnPage<'_>, number: usize) -> Markup {
    let records = page.records();
    html! {
        p.crumb {
            a href=(page.first()) { "Session " (timeline.session) }
            span aria-hidden="true" { "/" }
            span { "page " (number + 1) }
        }
        h1 { "Records " (records.start + 1) " to " (records.end) " of session " (timeline.session) }
        (timeline_section(timeline, page))
        (made.made.foot(&format!("Session {}, page {}", timeline.session, number + 1)))
    }
}

fn head(timeline: &Timeline, made: &SessionMade<'_>) -> Markup {
    let times = timeline.lines.iter().filter_map(|line| line.at);
    let (begin, end) = (times.clone().min(), times.max());
    html! {
        header.paper-head {
            div.kick { span { "Session report" } }
            h1 { "Session " (timeline.session) }
            dl.kv.sec-t {
                dt { "Scope" }
                dd {
                    (grouped(timeline.records.len() as u64, "record", "records"))
                    @if let (Some(begin), Some(end)) = (begin, end) { ", " (moment(begin)) " to " (moment(end)) }
                    @if let Some((first, last)) = entries(timeline) {
                        ", entries " (thousands(first)) " to " (thousands(last)) " of the log"
                    }
                }
                dt { "Proof" }
                dd { (proven(timeline)) }
                (made.made.facts())
                dt { "Content" }
                dd {
                    @match made.content {
                        Some(basis) => { "shown; basis: " (vouchlog_session::plain(basis)) },
                        None => "not read",
                    }
                }
            }
        }
    }
}

/// What was looked at for the report, and what was not.
fn covered(timeline: &Timeline, made: &SessionMade<'_>) -> Markup {
    let (proven, records) = (timeline.summary.proven, timeline.records.len());
    let mut items = Vec::new();
    let mut add = |tone: Tone, what: &'static str, result: String| {
        items.push(CheckedItem { tone, what, result });
    };
    let in_log = proven.witnessed + proven.signed;
    let all = |number: usize| if number == records { Tone::Good } else { Tone::Warning };
    if made.made.keys.is_empty() {
        let why = "The log's public key was not given, so receipts are taken for what they say (--log-vkey).";
        add(Tone::None, "Receipts", why.to_owned());
    } else {
        let result = format!(
            "{in_log} of {records} records have a proof that leads to a checkpoint with the log's signature"
        );
        add(all(in_log), "Receipts", result);
    }
    if made.made.policy.is_some() {
        let result = format!(
            "{} of {records} records are under a checkpoint that satisfies the policy",
            proven.witnessed
        );
        add(all(proven.witnessed), "Witnesses", result);
    } else {
        let why = "No policy was given. A log that shows different histories to different readers would not be noticed (--policy).";
        add(Tone::None, "Witnesses", why.to_owned());
    }
    let graded = timeline.records.iter().filter(|record| record.verdicts.is_some()).count();
    let found: usize = timeline.records.iter().map(|record| record.findings.len()).sum();
    let result = format!(
        "{graded} of {records} records judged by {} rules: {}",
        vouchlog_grading::rules().len(),
        grouped((found + timeline.summary.findings.len()) as u64, "finding", "findings")
    );
    add(Tone::Info, "Rules", result);
    let tone = match timeline.summary.complete.answer {
        Answer::Yes => Tone::Good,
        Answer::No => Tone::Bad,
        Answer::Indeterminate => Tone::Unknown,
    };
    add(tone, "Numbers and seal of the session", sentence(&timeline.summary.complete.words));
    if made.audits > 0 {
        let reports = grouped(made.audits as u64, "report", "reports");
        let found = grouped(timeline.summary.log_findings.len() as u64, "finding", "findings");
        add(Tone::Info, "Reports about the log", format!("{reports} given, with {found}"));
    } else {
        let why = "No report of an audit was given. The vault cannot show that the log is sound (--audit).";
        add(Tone::None, "The log as a whole", why.to_owned());
    }
    if made.content.is_none() {
        add(Tone::None, "Content", "Prompts, answers, arguments and results were not read.".to_owned());
    }
    for (what, why) in [
        ("Traffic that bypassed the gateways", "Compare with the provider's usage and the tools' own logs."),
        ("Truth of what was recorded", "A gateway signs what it records; a lie would be signed too."),
    ] {
        add(Tone::None, what, why.to_owned());
    }
    coverage(&items)
}
