//! The timeline as one page of HTML: no script, nothing loaded from anywhere, readable by the person who has to judge it.
//!
//! What is critical first, then the answers, then what happened in sentences, then step by step; the evidence of a step folds out under its record.

use maud::{DOCTYPE, Markup, html};
use vouchlog_grading::{Answer, Severity};
use vouchlog_session::{Line, ReasonedAnswer, ShownFinding, State, Step, Timeline, TimelineRecord};

use super::limits::{CHECK, MAX_CRITICAL, NOT_PROVEN, PROVEN};
use super::text::{clock, critical_heading, finding_words};

mod record;

/// The page's only style.
const STYLE: &str = include_str!("style.css");

/// Base64 of the SHA-256 of [`STYLE`]: nothing else may style the page, and nothing at all may run in it or be loaded.
const STYLE_HASH: &str = "2sBKIjcyK8OjXITHAAvUQHsYx9sPx+8uNht8mTNQze8=";

/// The timeline as a page. All text in it is escaped; its policy forbids a browser to run or load anything.
pub(crate) fn html(timeline: &Timeline) -> String {
    let policy =
        format!("default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { "Session " (timeline.session) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { main { (content(timeline)) } }
        }
    };
    page.into_string()
}

fn content(timeline: &Timeline) -> Markup {
    let summary = &timeline.summary;
    html! {
        header {
            h1 { "Session " span.code { (timeline.session) } }
            p.soft { (proven(timeline)) }
        }
        (critical(timeline))
        @if !summary.log_findings.is_empty() {
            h2 { "Findings about the log" }
            @for noted in &summary.log_findings { (finding(noted, true)) }
        }
        section.answers aria-label="Answers" {
            (answer("Who authorised it?", &summary.authorised, KNOWN))
            (answer("What identity executed it?", &summary.executor, KNOWN))
            (answer("Was the credential valid at that moment?", &summary.credential, YES_NO))
            (answer("Which data was involved?", &summary.data, KNOWN))
            (answer("What did policy decide?", &summary.policy, FOLLOWED))
            (answer("Are all records present?", &summary.complete, YES_NO))
        }
        @if !summary.happened.is_empty() {
            h2 { "What happened" }
            ul { @for sentence in &summary.happened { li { (sentence) } } }
        }
        @if !summary.findings.is_empty() {
            h2 { "Findings about the whole session" }
            @for noted in &summary.findings { (finding(noted, true)) }
        }
        @if !summary.notes.is_empty() {
            h2 { "Notes" }
            ul { @for note in &summary.notes { li { (note) } } }
        }
        @if !timeline.lines.is_empty() {
            h2 { "Timeline" }
            p.soft.small {
                "In order of cause and effect. Times are UTC, by the gateways' clocks. “Entry” is the index in the public log."
            }
            (steps(timeline))
        }
        (limits())
    }
}

/// What no reader may miss, before anything else.
fn critical(timeline: &Timeline) -> Markup {
    let critical = &timeline.summary.critical;
    html! {
        @if !critical.is_empty() {
            section.alarm aria-label="Critical findings" {
                h2 { (critical_heading(critical.len())) }
                ol {
                    @for one in critical.iter().take(MAX_CRITICAL) {
                        li {
                            (timeline.critical_words(one))
                            br;
                            span.small { "Next: " (one.finding.remedy) }
                        }
                    }
                }
                @if critical.len() > MAX_CRITICAL { p { "… and " (critical.len() - MAX_CRITICAL) " more" } }
            }
        }
    }
}

/// How far the records are proven, in a sentence.
fn proven(timeline: &Timeline) -> String {
    let proven = timeline.summary.proven;
    let parts = [
        (proven.witnessed, "in the log, witnessed"),
        (proven.signed, "in the log, signed by the log alone"),
        (proven.waiting, "waiting to be logged"),
        (proven.missing, "without a proof"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, words)| format!("{number} {words}"))
        .collect();
    if parts.is_empty() { "No records.".to_owned() } else { format!("Records: {}.", parts.join("; ")) }
}

type Words = [&'static str; 3];
const KNOWN: Words = ["Known", "Not known", "Cannot be determined"];
const FOLLOWED: Words = ["Followed", "Not followed", "Cannot be determined"];
const YES_NO: Words = ["Yes", "No", "Cannot be determined"];

fn answer_words(answer: Answer, [yes, no, unknown]: Words) -> &'static str {
    match answer {
        Answer::Yes => yes,
        Answer::No => no,
        Answer::Indeterminate => unknown,
    }
}

fn badge(answer: Answer, words: Words) -> Markup {
    html! { span class={ "badge " (answer.name()) } { (answer_words(answer, words)) } }
}

fn answer(question: &str, reply: &ReasonedAnswer, words: Words) -> Markup {
    html! {
        section class={ "answer " (reply.answer.name()) } {
            h2 { (question) " " (badge(reply.answer, words)) }
            p { (reply.words) }
            @if !reply.reasons.is_empty() {
                ul { @for reason in &reply.reasons { li { (reason) } } }
            }
        }
    }
}

/// One part for each record with its steps, and one for each gap between them.
fn steps(timeline: &Timeline) -> Markup {
    let begins = |line: &Line| line.step == Step::Record || line.record.is_none();
    let parts = timeline.lines.chunk_by(|_, next| !begins(next));
    html! {
        @for part in parts {
            @if let Some((first, rest)) = part.split_first() {
                @match timeline.record_of(first) {
                    Some(recorded) => (record(timeline, recorded, first, rest)),
                    None => div class={ "between " (depth_class(first.depth)) } { (first.words) },
                }
            }
        }
    }
}

fn depth_class(depth: usize) -> &'static str {
    ["d0", "d1", "d2", "d3"].get(depth).copied().unwrap_or("d4")
}

fn record(timeline: &Timeline, recorded: &TimelineRecord, head: &Line, rest: &[Line]) -> Markup {
    html! {
        article class={ "record " (depth_class(head.depth)) } {
            header {
                h3 { (head.words) }
                @if let Some(at) = head.at { time.soft.small { (at.strftime("%Y-%m-%d %H:%M:%S")) } }
                span.badge { (record::entry(recorded)) }
            }
            ol.steps {
                @if !head.findings.is_empty() {
                    li.step { time {} span.what { "record" } div { @for noted in timeline.findings_of(head) { (finding(noted, false)) } } }
                }
                @for line in rest { (step(timeline, head, line)) }
            }
            (record::details(recorded))
        }
    }
}

fn step(timeline: &Timeline, head: &Line, line: &Line) -> Markup {
    let inner = if line.depth > head.depth + 1 { " s1" } else { "" };
    let state = match (line.step, line.state) {
        (Step::Missing | Step::Warning, _) => " alarm",
        (_, State::Shown) => "",
        _ => " withheld",
    };
    html! {
        li class={ "step" (inner) (state) } {
            time { @if let Some(at) = line.at { (clock(at)) } }
            span.what { (line.step.name()) }
            div {
                span.words { (line.words) }
                @for noted in timeline.findings_of(line) { (finding(noted, false)) }
            }
        }
    }
}

/// A finding, with what to do about it if that is wanted here.
fn finding(noted: &ShownFinding, remedy: bool) -> Markup {
    let class = if noted.severity >= Severity::Error { "finding bad" } else { "finding" };
    html! {
        div class=(class) {
            (finding_words(noted))
            @if remedy { br; span.small { (noted.remedy) } }
        }
    }
}

fn limits() -> Markup {
    html! {
        footer {
            h2 { "What this proves, if its proofs verify" }
            ul { @for limit in PROVEN { li { (limit) } } }
            h2 { "What it cannot prove" }
            ul { @for limit in NOT_PROVEN { li { (limit) } } }
            h2 { "Check it yourself" }
            p {
                "This page proves nothing by itself: anyone can write one. The session's bundle is the proof. To check it offline, you need the bundle and the log's public key, "
                "which should come from a source other than the sender of the bundle:"
            }
            p { code { (CHECK) } }
            p.soft.small {
                "With " code { "--policy FILE" } " it also requires cosignatures of the witnesses you trust. Each proof in the bundle is a C2SP tlog-proof and each "
                "statement an SD-JWT (RFC 9901), so other software can check them too."
            }
        }
    }
}
