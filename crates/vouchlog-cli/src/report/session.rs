//! A session as a working paper: what is wrong first, then the answers, then what happened, step by step.
//!
//! The first page is useful by itself: it has the findings, the answers and the first records. A session with more records goes on in
//! files beside it, [`PAGE`] records each, and every finding links to the record it is about.

use maud::{Markup, html};
use vouchlog_grading::{Answer, Severity};
use vouchlog_pages::{
    CheckedItem, Page, Tone, Width, coverage, grouped, limits, moment, pager, status, thousands,
};
use vouchlog_session::{ReasonedAnswer, Timeline};

use super::limits::{CHECK, NOT_PROVEN, PROVEN};
use super::made::Made;
use findings::Findings;

mod findings;
mod record;
mod timeline;

/// Records of one page.
const PAGE: usize = 50;
/// Reasons below an answer; the rest folds out.
const REASONS: usize = 3;

/// What a session's page states beside the session.
#[derive(Clone, Debug)]
pub(crate) struct SessionMade<'a> {
    pub(crate) made: Made<'a>,
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
    let pages = Pages::of(timeline, name);
    let all = Findings::of(timeline);
    let mut files = Vec::with_capacity(pages.names.len());
    for (number, file) in pages.names.iter().enumerate() {
        let drawn = pages.on(number);
        let main =
            if number == 0 { first(timeline, made, &drawn, &all) } else { further(timeline, made, &drawn) };
        let title = match number {
            0 => format!("Session {}", timeline.session),
            _ => format!("Session {}, page {}", timeline.session, number + 1),
        };
        let page = Page { title: &title, kind: "session", width: Width::Wide, main };
        files.push(ReportFile { name: file.clone(), html: page.to_html() });
    }
    files
}

/// Which record is on which page.
struct Pages {
    names: Vec<String>,
    links: Vec<String>,
    records: usize,
}

impl Pages {
    fn of(timeline: &Timeline, name: &str) -> Self {
        let records = timeline.records.len();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "html"));
        let further = (2..=records.div_ceil(PAGE)).map(|number| format!("{stem}-{number}.{extension}"));
        let names: Vec<String> = [name.to_owned()].into_iter().chain(further).collect();
        let links = names.iter().map(|name| link(name)).collect();
        Self { names, links, records }
    }

    fn on(&self, number: usize) -> OnPage<'_> {
        OnPage { pages: self, number }
    }
}

/// The pages, seen from one of them.
struct OnPage<'p> {
    pages: &'p Pages,
    number: usize,
}

impl OnPage<'_> {
    /// Places of the records on this page.
    fn records(&self) -> std::ops::Range<usize> {
        let first = self.number * PAGE;
        first..(first + PAGE).min(self.pages.records)
    }

    /// A link to an anchor of a record.
    fn href(&self, record: usize, anchor: &str) -> String {
        let page = record / PAGE;
        if page == self.number {
            return format!("#{anchor}");
        }
        format!("{}#{anchor}", self.pages.links.get(page).map_or("", String::as_str))
    }

    fn pager(&self) -> Markup {
        let records = self.records();
        let words = match self.pages.records {
            0 => "No records".to_owned(),
            all => format!(
                "Records {} to {} of {}",
                records.start + 1,
                thousands(records.end as u64),
                thousands(all as u64)
            ),
        };
        pager(words, &self.pages.links, self.number)
    }
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
    let summary = &timeline.summary;
    html! {
        (head(timeline, made))
        (all.alarm())
        section aria-labelledby="h-q" {
            h2.vh #h-q { "Six questions" }
            div.qs {
                (question("Who authorised it?", &summary.authorised, KNOWN))
                (question("What identity executed it?", &summary.executor, KNOWN))
                (question("Was the credential valid at that moment?", &summary.credential, YES_NO))
                (question("Which data was involved?", &summary.data, KNOWN))
                (question("What did policy decide?", &summary.policy, FOLLOWED))
                (question("Is anything missing?", &summary.complete, COMPLETE))
            }
        }
        @if !summary.notes.is_empty() {
            section aria-labelledby="h-n" {
                h2.sec-h #h-n { "To know" }
                ul.dots { @for note in &summary.notes { li { (note) } } }
            }
        }
        @if !summary.happened.is_empty() {
            section aria-labelledby="h-w" {
                h2.sec-h #h-w { "What happened" }
                ul.dots { @for sentence in &summary.happened { li { (sentence) } } }
            }
        }
        (all.section(timeline, page))
        (timeline::section(timeline, page))
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
fn further(timeline: &Timeline, made: &SessionMade<'_>, page: &OnPage<'_>) -> Markup {
    let records = page.records();
    html! {
        p.crumb {
            a href=(page.pages.links.first().map_or("", String::as_str)) { "Session " (timeline.session) }
            span aria-hidden="true" { "/" }
            span { "page " (page.number + 1) }
        }
        h1 { "Records " (records.start + 1) " to " (records.end) " of session " (timeline.session) }
        (timeline::section(timeline, page))
        (made.made.foot(&format!("Session {}, page {}", timeline.session, page.number + 1)))
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

/// The first and the last entry of the session's records.
fn entries(timeline: &Timeline) -> Option<(u64, u64)> {
    let indexes = timeline.records.iter().filter_map(|record| Some(record.place?.index.get()));
    indexes.clone().min().zip(indexes.max())
}

/// How far the records are proven, in words.
fn proven(timeline: &Timeline) -> Markup {
    let proven = timeline.summary.proven;
    let parts = [
        (proven.witnessed, Tone::Good, "witnessed"),
        (proven.signed, Tone::Warning, "signed by the log only"),
        (proven.waiting, Tone::Waiting, "waiting to be logged"),
        (proven.missing, Tone::Bad, "without a proof"),
    ];
    html! {
        @for (number, tone, words) in parts.into_iter().filter(|(number, ..)| *number > 0) {
            span.part { (status(tone, &format!("{} {words}", thousands(number as u64)))) }
        }
        @if timeline.records.is_empty() { "no records" }
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

/// With a capital and a full stop.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

type Words = [&'static str; 3];
const KNOWN: Words = ["Known", "Not known", "Not determined"];
const FOLLOWED: Words = ["Followed", "Not followed", "Not determined"];
const COMPLETE: Words = ["Nothing missing", "Something is missing", "Not determined"];
const YES_NO: Words = ["Yes", "No", "Not determined"];

fn answer(answer: Answer, [yes, no, unknown]: Words) -> Markup {
    match answer {
        Answer::Yes => status(Tone::Good, yes),
        Answer::No => status(Tone::Bad, no),
        Answer::Indeterminate => status(Tone::Unknown, unknown),
    }
}

fn question(question: &str, reply: &ReasonedAnswer, words: Words) -> Markup {
    let (shown, folded) = reply.reasons.split_at(reply.reasons.len().min(REASONS));
    html! {
        div.q {
            h3 { (question) }
            p.a { (answer(reply.answer, words)) }
            p { (sentence(&reply.words)) }
            @if !shown.is_empty() {
                ul.why { @for reason in shown { li { (reason) } } }
            }
            @if !folded.is_empty() {
                details.why {
                    summary { (grouped(folded.len() as u64, "more reason", "more reasons")) }
                    ul.why { @for reason in folded { li { (reason) } } }
                }
            }
        }
    }
}

/// How a finding is called: its word, and what it looks like.
fn severity(severity: Severity) -> (Tone, &'static str) {
    match severity {
        Severity::Critical => (Tone::Bad, "Critical"),
        Severity::Error => (Tone::Bad, "Error"),
        Severity::Warn => (Tone::Warning, "Warning"),
        Severity::Indeterminate => (Tone::Unknown, "Not determined"),
        Severity::Info => (Tone::Info, "Info"),
    }
}
