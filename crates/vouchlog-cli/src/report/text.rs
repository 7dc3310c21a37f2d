//! The timeline for a terminal.
//!
//! ```text
//!    entry     time
//!       41 W   09:06:40.1    interaction 1: u-20931 → concierge
//!       41 W                 ├ initiator   u-20931 at https://idp.example, …
//!       41 W   09:06:42.1    ├ tool        get_weather on mcp.travel.example: executed
//!       41 W   09:06:42      │ ├ decision    allow, by opa …
//!       41 W   09:06:42.3    │ └ downstream  api.weather.example GET /v1/now → 200
//!       41 W   09:06:44      └ outcome     executed
//! ```

use std::fmt::Write;

use vouchlog_console::drawn::{CHECK, NOT_PROVEN, PROVEN, clock};
use vouchlog_grading::{Answer, Severity};
use vouchlog_session::{
    Line, ProofState, ReasonedAnswer, ShownFinding, State, Step, Timeline, TimelineRecord,
};

use super::limits::MAX_CRITICAL;
use super::wrap::wrap;
use crate::terminal;

/// Narrower than this nothing can be drawn.
const NARROWEST: usize = 60;
/// Columns of a step's name.
const NAME: usize = 11;
/// Columns of index, proof and time.
const GUTTER: usize = 27;
/// The same where there is little room: times stand in the text.
const NARROW_GUTTER: usize = 11;
/// Columns that are left for the text at least.
const ROOM: usize = 20;

/// The timeline as text of at most `width` columns (60 at least; a character counts as one column), with colours if wanted.
pub(crate) fn text(timeline: &Timeline, width: usize, colour: bool) -> String {
    let mut page = Page { out: String::new(), width: width.max(NARROWEST), colour };
    page.heading(&format!("Session {}", timeline.session));
    page.critical(timeline);
    page.findings("Findings about the log", &timeline.summary.log_findings);
    page.answers(timeline);
    page.list("What happened", &timeline.summary.happened, "");
    page.findings("Findings about the whole session", &timeline.summary.findings);
    page.list("Notes", &timeline.summary.notes, "- ");
    if !timeline.lines.is_empty() {
        page.timeline(timeline);
    }
    page.list("What this proves, if its proofs verify", &PROVEN.map(str::to_owned), "- ");
    page.list("What it cannot prove", &NOT_PROVEN.map(str::to_owned), "- ");
    page.blank();
    page.paragraph("", &format!("Check it yourself, from the session's bundle: {CHECK}"));
    page.out
}

/// A colour or a weight.
#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

struct Page {
    out: String,
    width: usize,
    colour: bool,
}

impl Page {
    fn ink(&self, text: &str, ink: Ink) -> String {
        let begin = match ink {
            Ink::Bold => terminal::BOLD,
            Ink::Dim => terminal::DIM,
            Ink::Red => terminal::RED,
            Ink::Green => terminal::GREEN,
            Ink::Yellow => terminal::YELLOW,
        };
        if self.colour && !text.is_empty() {
            format!("{begin}{text}{}", terminal::PLAIN)
        } else {
            text.to_owned()
        }
    }

    fn is_narrow(&self) -> bool {
        self.width < 90
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn blank(&mut self) {
        self.out.push('\n');
    }

    /// Text behind a prefix; further lines are as far in as the first.
    fn paragraph(&mut self, prefix: &str, text: &str) {
        let indent = prefix.chars().count();
        for (place, line) in wrap(text, self.width.saturating_sub(indent)).iter().enumerate() {
            let prefix = if place == 0 { prefix.to_owned() } else { " ".repeat(indent) };
            self.line(&format!("{prefix}{line}"));
        }
    }

    fn heading(&mut self, text: &str) {
        for line in wrap(text, self.width) {
            let line = self.ink(&line, Ink::Bold);
            self.line(&line);
        }
    }

    fn list(&mut self, heading: &str, items: &[String], mark: &str) {
        if items.is_empty() {
            return;
        }
        self.blank();
        self.heading(heading);
        for item in items {
            self.paragraph(&format!("  {mark}"), item);
        }
    }

    /// What no reader may miss, before anything else.
    fn critical(&mut self, timeline: &Timeline) {
        let critical = &timeline.summary.critical;
        if critical.is_empty() {
            return;
        }
        self.blank();
        self.heading(&critical_heading(critical.len()));
        for one in critical.iter().take(MAX_CRITICAL) {
            self.finding("  ", one.finding.severity, &timeline.critical_words(one));
            self.paragraph("      ", &format!("Next: {}", one.finding.remedy));
        }
        if critical.len() > MAX_CRITICAL {
            self.paragraph("  ", &format!("… and {} more", critical.len() - MAX_CRITICAL));
        }
    }

    fn answers(&mut self, timeline: &Timeline) {
        let summary = &timeline.summary;
        self.blank();
        for (question, reply, yes_no) in [
            ("Who authorised it?", &summary.authorised, ["known", "not known", "cannot be determined"]),
            ("What identity executed it?", &summary.executor, ["known", "not known", "cannot be determined"]),
            ("Was the credential valid then?", &summary.credential, ["yes", "no", "cannot be determined"]),
            ("Which data was involved?", &summary.data, ["known", "not known", "cannot be determined"]),
            (
                "What did policy decide?",
                &summary.policy,
                ["followed", "not followed", "cannot be determined"],
            ),
            ("Are all records present?", &summary.complete, ["yes", "no", "cannot be determined"]),
        ] {
            self.answer(question, reply, yes_no);
        }
        let proven = summary.proven;
        let mut states = Vec::new();
        for (number, words) in [
            (proven.witnessed, "witnessed"),
            (proven.signed, "signed by the log alone"),
            (proven.waiting, "waiting to be logged"),
            (proven.missing, "without a proof"),
        ] {
            if number > 0 {
                states.push(format!("{number} {words}"));
            }
        }
        if !states.is_empty() {
            self.paragraph(&format!("{:32}", "Records:"), &states.join(", "));
        }
    }

    fn answer(&mut self, question: &str, reply: &ReasonedAnswer, [yes, no, unknown]: [&str; 3]) {
        let (word, ink) = match reply.answer {
            Answer::Yes => (yes, Ink::Green),
            Answer::No => (no, Ink::Red),
            Answer::Indeterminate => (unknown, Ink::Yellow),
        };
        let word = word.to_uppercase();
        let start = self.out.len();
        self.paragraph(&format!("{question:32}"), &format!("{word}: {}", reply.words));
        // Coloured afterwards: colours have no width. A word broken over two lines stays plain.
        let coloured = self.out[start..].replacen(&word, &self.ink(&word, ink), 1);
        self.out.truncate(start);
        self.out.push_str(&coloured);
        for reason in &reply.reasons {
            self.paragraph(&format!("{:32}- ", ""), reason);
        }
    }

    fn findings(&mut self, heading: &str, findings: &[ShownFinding]) {
        if findings.is_empty() {
            return;
        }
        self.blank();
        self.heading(heading);
        for noted in findings {
            self.finding("  ", noted.severity, &finding_words(noted));
        }
    }

    fn finding(&mut self, prefix: &str, severity: Severity, said: &str) {
        let ink = if severity >= Severity::Error { Ink::Red } else { Ink::Yellow };
        let indent = prefix.chars().count() + 2;
        for (place, line) in wrap(said, self.width.saturating_sub(indent)).iter().enumerate() {
            let mark = if place == 0 { "! " } else { "  " };
            let line = self.ink(&format!("{mark}{line}"), ink);
            self.line(&format!("{prefix}{line}"));
        }
    }

    fn timeline(&mut self, timeline: &Timeline) {
        self.blank();
        self.heading("Timeline");
        self.paragraph("  ", "Left column: log entry and its proof. W: witnessed, S: signed by the log alone, …: waiting to be logged, ?: no proof. Times are UTC.");
        self.blank();
        let gutter = if self.is_narrow() { NARROW_GUTTER } else { GUTTER };
        // What hangs deeper than there is room for is drawn as deep as there is.
        let levels = self.width.saturating_sub(gutter + NAME + 1 + ROOM) / 2;
        let trees = trees(&timeline.lines, levels);
        let mut day = String::new();
        for (line, (tree, below)) in timeline.lines.iter().zip(trees) {
            let date = line.at.map(|at| at.strftime("%Y-%m-%d").to_string());
            if let Some(date) = date.filter(|date| *date != day) {
                let shown = self.ink(&date, Ink::Bold);
                self.line(&format!("           {shown}"));
                day = date;
            }
            self.step(timeline, line, &tree, &below);
        }
    }

    /// One line of the timeline, wrapped, with its findings under it.
    fn step(&mut self, timeline: &Timeline, line: &Line, tree: &str, below: &str) {
        let (gutter, words) = self.gutter(timeline.record_of(line), line);
        let name = match line.step {
            Step::Record => String::new(),
            step => format!("{:NAME$} ", step.name()),
        };
        let tree_width = tree.chars().count().max(below.chars().count());
        let indent = gutter.chars().count() + tree_width + name.chars().count();
        let (empty, hanging) = (" ".repeat(gutter.chars().count()), " ".repeat(name.chars().count()));
        for (place, words) in wrap(&words, self.width.saturating_sub(indent)).iter().enumerate() {
            let words = match line.step {
                Step::Record => self.ink(words, Ink::Bold),
                Step::Gap | Step::Missing | Step::Warning => self.ink(words, Ink::Red),
                _ if line.state != State::Shown => self.ink(words, Ink::Dim),
                _ => words.clone(),
            };
            let (gutter, tree, name) =
                if place == 0 { (&gutter, tree, &name) } else { (&empty, below, &hanging) };
            let (gutter, tree, name) =
                (self.ink(gutter, Ink::Dim), self.ink(tree, Ink::Dim), self.ink(name, Ink::Dim));
            self.line(&format!("{gutter}{tree}{name}{words}"));
        }
        for noted in timeline.findings_of(line) {
            self.finding(&format!("{empty}{below}{hanging}"), noted.severity, &finding_words(noted));
        }
    }

    /// Index, proof and time of a line, and its words; with little room the time stands before the words.
    fn gutter(&self, record: Option<&TimelineRecord>, line: &Line) -> (String, String) {
        let index = match record.map(|record| record.place) {
            None => String::new(),
            Some(None) => "–".to_owned(),
            Some(Some(place)) => place.index.to_string(),
        };
        let proof = record.map_or(" ", |record| mark(&record.proof));
        let at = line.at.map(clock).unwrap_or_default();
        match (self.is_narrow(), at.as_str()) {
            (false, at) => (format!("{index:>8} {proof} {at:<15} "), line.words.clone()),
            (true, "") => (format!("{index:>8} {proof} "), line.words.clone()),
            (true, at) => (format!("{index:>8} {proof} "), format!("{at} {}", line.words)),
        }
    }
}

/// The heading of what is critical.
pub(super) fn critical_heading(number: usize) -> String {
    if number == 1 { "1 critical finding".to_owned() } else { format!("{number} critical findings") }
}

/// A finding in one line.
pub(super) fn finding_words(noted: &ShownFinding) -> String {
    let contradiction = if noted.is_contradiction() { "CONTRADICTION " } else { "" };
    let mut said = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        said,
        "{contradiction}{} {} ({}): {}",
        noted.code,
        noted.name,
        noted.severity.name(),
        noted.message
    );
    said
}

/// The letter of a proof state.
fn mark(proof: &ProofState) -> &'static str {
    match proof {
        ProofState::Witnessed { .. } => "W",
        ProofState::Signed => "S",
        ProofState::Waiting => "…",
        ProofState::Missing => "?",
    }
}

/// For each line what is drawn before it, and before its further lines; at most as many levels as said.
fn trees(lines: &[Line], levels: usize) -> Vec<(String, String)> {
    let depths: Vec<usize> = lines.iter().map(|line| line.depth.min(levels)).collect();
    let deepest = depths.iter().copied().max().unwrap_or_default();
    // Whether a line further down hangs at this depth under the same line.
    let mut goes_on = vec![false; deepest + 2];
    let mut trees = Vec::with_capacity(lines.len());
    for depth in depths.into_iter().rev() {
        let above: String = (1..depth).map(|depth| if goes_on[depth] { "│ " } else { "  " }).collect();
        let (own, below) = match (depth, goes_on[depth]) {
            (0, _) if goes_on[1] => ("", "│ "),
            (0, _) => ("", ""),
            (_, true) => ("├ ", "│ "),
            (_, false) => ("└ ", "  "),
        };
        trees.push((format!("{above}{own}"), format!("{above}{below}")));
        goes_on[depth] = true;
        goes_on[depth + 1..].fill(false);
    }
    trees.reverse();
    trees
}
