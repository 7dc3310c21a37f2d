//! A session as HTML: its findings, the six answers, and its timeline in pages. Reports of a command and the console draw the same.

use jiff::Timestamp;
use maud::{Markup, html};
use vouchlog_grading::{Answer, Severity};
use vouchlog_pages::{Tone, grouped, pager, status, thousands};
use vouchlog_session::{ReasonedAnswer, Summary, Timeline};

mod fields;
mod findings;
mod limits;
mod record;
mod timeline;

pub use fields::{FieldLine, fields};
pub use findings::Findings;
pub use limits::{CHECK, NOT_PROVEN, PROVEN};
pub use record::{moment_rows, value, verdict_rows};
pub use timeline::section as timeline_section;

/// Records of one page.
pub const PAGE: usize = 50;
/// Reasons below an answer; the rest folds out.
const REASONS: usize = 3;

/// Which record is on which page.
#[derive(Clone, Debug)]
pub struct Pages {
    links: Vec<String>,
    record_links: Vec<String>,
    records: usize,
}

impl Pages {
    /// Pages of so many records, each with its link; a page more or less than they take is not linked.
    pub fn new(links: Vec<String>, records: usize) -> Self {
        Self { links, record_links: Vec::new(), records }
    }

    /// The same where each record has a page of its own, in the order of the timeline.
    #[must_use]
    pub fn with_records(self, record_links: Vec<String>) -> Self {
        Self { record_links, ..self }
    }

    /// How many pages records take.
    pub fn count(records: usize) -> usize {
        records.div_ceil(PAGE).max(1)
    }

    /// One of them, from 0.
    pub fn on(&self, number: usize) -> OnPage<'_> {
        OnPage { pages: self, number }
    }
}

/// The pages, seen from one of them.
#[derive(Clone, Copy, Debug)]
pub struct OnPage<'p> {
    pages: &'p Pages,
    number: usize,
}

impl OnPage<'_> {
    /// Places of the records on this page.
    pub fn records(&self) -> std::ops::Range<usize> {
        let first = (self.number * PAGE).min(self.pages.records);
        first..(first + PAGE).min(self.pages.records)
    }

    /// A link to the first page.
    pub fn first(&self) -> &str {
        self.pages.links.first().map_or("", String::as_str)
    }

    /// A link to an anchor of a record.
    fn href(&self, record: usize, anchor: &str) -> String {
        let page = record / PAGE;
        if page == self.number {
            return format!("#{anchor}");
        }
        format!("{}#{anchor}", self.pages.links.get(page).map_or("", String::as_str))
    }

    /// The page of a record, if it has one.
    fn record_link(&self, record: usize) -> Option<&str> {
        self.pages.record_links.get(record).map(String::as_str)
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

/// The six questions of a session as cards, what to know, and what happened.
pub fn answers(summary: &Summary) -> Markup {
    html! {
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
    }
}

/// The first and the last entry of the session's records.
pub fn entries(timeline: &Timeline) -> Option<(u64, u64)> {
    let indexes = timeline.records.iter().filter_map(|record| Some(record.place?.index.get()));
    indexes.clone().min().zip(indexes.max())
}

/// How far the records are proven, in words.
pub fn proven(timeline: &Timeline) -> Markup {
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

/// With a capital and a full stop.
pub fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// The time of a line in the timeline, to the millisecond: decisions and calls of one second keep a visible order.
pub fn clock(at: Timestamp) -> String {
    let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
    at.strftime("%H:%M:%S%.f").to_string()
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
pub fn severity(severity: Severity) -> (Tone, &'static str) {
    match severity {
        Severity::Critical => (Tone::Bad, "Critical"),
        Severity::Error => (Tone::Bad, "Error"),
        Severity::Warn => (Tone::Warning, "Warning"),
        Severity::Indeterminate => (Tone::Unknown, "Not determined"),
        Severity::Info => (Tone::Info, "Info"),
    }
}
