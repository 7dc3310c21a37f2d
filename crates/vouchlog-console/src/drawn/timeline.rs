//! The timeline of a page: its records in causal order, what is missing between them, and what folds out under each.

use maud::{Markup, html};
use vouchlog_grading::Severity;
use vouchlog_pages::{Icon, Tone, icon, status, thousands};
use vouchlog_session::{Line, ProofState, ShownFinding, State, Step, Timeline, TimelineRecord};

use super::record::{self, Room};
use super::{OnPage, clock, sentence, severity};

/// Steps of a record that are drawn. A record of a long agent run may have thousands.
const MAX_STEPS: usize = 200;
/// Parts between records that are drawn on a page: gaps, and what the seal names and is missing.
const MAX_BETWEEN: usize = 200;

/// The part of the timeline that is on a page.
pub fn section(timeline: &Timeline, page: &OnPage<'_>) -> Markup {
    let records = page.records();
    let mut room = Room::new();
    let (mut between, mut left_out) = (0, 0_usize);
    let mut drawn = Vec::new();
    let mut day = String::new();
    for part in parts(&timeline.lines) {
        let Some((head, rest)) = part.lines.split_first() else { continue };
        if !records.contains(&part.page_of(page.pages.records)) {
            continue;
        }
        let date = head.at.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
        let is_new_day = !date.is_empty() && date != day;
        if is_new_day {
            day.clone_from(&date);
        }
        let date = is_new_day.then_some(date);
        match head.record.and_then(|place| Some((place, timeline.records.get(place)?))) {
            Some((place, recorded)) => {
                let part = Part { timeline, page, place, recorded, head, rest };
                drawn.push(part.draw(date.as_deref(), &mut room));
            }
            None if between < MAX_BETWEEN => {
                between += 1;
                drawn.push(missing(head, date.as_deref()));
            }
            None => left_out += 1,
        }
    }
    html! {
        @if !drawn.is_empty() {
            section aria-labelledby="h-t" {
                div.sec-h {
                    h2 #h-t { "Timeline" }
                    p { "In the order of cause and effect. Times are UTC, by the gateways' clocks. Records with errors are open." }
                }
                ol.tl { @for one in drawn { (one) } }
                @if left_out > 0 { p.s.soft { (left_out) " more gaps are not drawn here." } }
                (page.pager())
            }
        }
    }
}

/// Lines that are drawn together: a record with its steps, or one line between records.
struct Lines<'t> {
    lines: &'t [Line],
    /// Records that began before it.
    before: usize,
}

impl Lines<'_> {
    /// The place of the record whose page it is on: its own, or that of the record before.
    fn page_of(&self, records: usize) -> usize {
        match self.lines.first().and_then(|line| line.record) {
            Some(place) => place,
            None => self.before.saturating_sub(1).min(records.saturating_sub(1)),
        }
    }
}

fn parts(lines: &[Line]) -> impl Iterator<Item = Lines<'_>> {
    let begins = |line: &Line| line.step == Step::Record || line.record.is_none();
    let mut before = 0;
    lines.chunk_by(move |_, next| !begins(next)).map(move |lines| {
        let part = Lines { lines, before };
        before += usize::from(lines.first().is_some_and(|line| line.record.is_some()));
        part
    })
}

/// What is missing between records, drawn where it is missing.
fn missing(line: &Line, date: Option<&str>) -> Markup {
    html! {
        li {
            (time(line, date))
            span.node.bad { (icon(Icon::Bad)) }
            div class={ "rec hot " (depth(line.depth)) } { header { h3 { (line.words) } } }
        }
    }
}

fn time(line: &Line, date: Option<&str>) -> Markup {
    html! {
        @if let Some(at) = line.at {
            time datetime=(at) { (clock(at)) @if let Some(date) = date { small { (date) } } }
        } @else { time { "" } }
    }
}

fn depth(depth: usize) -> &'static str {
    ["d0", "d1", "d2", "d3"].get(depth).copied().unwrap_or("d4")
}

/// How far a record is proven, in a status.
fn proof(proof: &ProofState) -> Markup {
    match proof {
        ProofState::Witnessed { .. } => status(Tone::Good, "Witnessed"),
        ProofState::Signed => status(Tone::Warning, "Signed by the log only"),
        ProofState::Waiting => status(Tone::Waiting, "Waiting to be logged"),
        ProofState::Missing => status(Tone::Bad, "No proof"),
    }
}

/// A record with its steps.
struct Part<'t> {
    timeline: &'t Timeline,
    page: &'t OnPage<'t>,
    place: usize,
    recorded: &'t TimelineRecord,
    head: &'t Line,
    rest: &'t [Line],
}

impl Part<'_> {
    fn draw(&self, date: Option<&str>, room: &mut Room) -> Markup {
        let worst = self.recorded.findings.iter().map(|finding| finding.severity).max();
        let is_grave = worst >= Some(Severity::Error);
        let (shape, tone) = match worst {
            _ if self.recorded.erased.is_some() => (Icon::Gone, "mute"),
            Some(Severity::Critical | Severity::Error) => (Icon::Bad, "bad"),
            Some(Severity::Indeterminate) => (Icon::Unknown, "warn"),
            Some(Severity::Warn) => (Icon::Warn, "warn"),
            _ => (Icon::Ok, "ok"),
        };
        let is_open = is_grave || self.recorded.erased.is_some() || self.timeline.records.len() == 1;
        let hot = if is_grave { " hot" } else { "" };
        let steps = &self.rest[..self.rest.len().min(MAX_STEPS)];
        html! {
            li id={ "r" (self.place + 1) } {
                (time(self.head, date))
                span class={ "node " (tone) } { (icon(shape)) }
                details class={ "rec " (depth(self.head.depth)) (hot) } open[is_open] {
                    summary {
                        h3 { (self.head.words) }
                        span.id {
                            (proof(&self.recorded.proof)) " " code { (self.recorded.id) }
                            @if let Some(place) = self.recorded.place { " · entry " (thousands(place.index.get())) }
                        }
                    }
                    ol.steps {
                        @if !self.head.findings.is_empty() {
                            li { span {} span.what { "record" } div { (self.findings(self.head)) } }
                        }
                        @for line in steps { (self.step(line)) }
                    }
                    @if self.rest.len() > steps.len() {
                        p.s.soft.pad { (self.rest.len() - steps.len()) " more steps are not drawn here." }
                    }
                    (record::details(self.recorded, self.page.record_link(self.place), room))
                }
            }
        }
    }

    fn step(&self, line: &Line) -> Markup {
        let class = if line.depth > self.head.depth + 1 { "in" } else { "" };
        let is_alarm = matches!(line.step, Step::Missing | Step::Warning);
        html! {
            li class=(class) {
                @if let Some(at) = line.at { time datetime=(at) { (clock(at)) } } @else { span {} }
                span.what { (line.step.name()) }
                div {
                    @match line.state {
                        _ if is_alarm => span.bad { (line.words) },
                        State::Redacted => span.gone.held { (icon(Icon::Held)) span { (line.words) } },
                        State::Erased => span.gone { (icon(Icon::Gone)) span { (line.words) } },
                        State::NotApplicable | State::Absent => span.faint { (line.words) },
                        State::Shown => (line.words),
                    }
                    (self.findings(line))
                }
            }
        }
    }

    /// The findings of a line, each with an anchor.
    fn findings(&self, line: &Line) -> Markup {
        let found = line.findings.iter().filter_map(|at| Some((*at, self.recorded.findings.get(*at)?)));
        html! { @for (number, finding) in found { (finding_line(self.place, number, finding)) } }
    }
}

fn finding_line(place: usize, number: usize, finding: &ShownFinding) -> Markup {
    let (tone, word) = severity(finding.severity);
    html! {
        div class={ "fnd " (tone.class()) } id={ "r" (place + 1) "-f" (number + 1) } {
            (status(tone, word))
            span { (sentence(&finding.message)) }
            span.code { (finding.code) }
        }
    }
}
