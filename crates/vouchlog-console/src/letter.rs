//! The letter for a person who asked to be erased: what was held, what was erased, what remains, why and until when.
//!
//! It is gathered before anything is erased, as nothing can be read afterwards. The names of holds are left out: they may reveal a legal case.

use std::collections::BTreeSet;

use jiff::Timestamp;
use vouchlog_desk::{CheckedErased, PersonSummary, PlannedErasure, RefusedRecord};
use vouchlog_pages::grouped;
use vouchlog_record::RecordId;
use vouchlog_session::plain;

mod page;

/// Records that are listed one by one; more are counted.
const LISTED: usize = 1_000;

/// A letter to a person who asked to be erased: what was held, what was erased, and what remains.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What was held.
    summary: PersonSummary,
    /// All of it, those erased and those that must stay.
    records: Vec<RecordId>,
    basis: String,
    written_at: i64,
    /// Those erased.
    erased: BTreeSet<RecordId>,
    /// Indexes of the entries in the log that state it.
    entries: BTreeSet<u64>,
    /// Those that must stay.
    refusals: Vec<RefusedRecord>,
    /// Whether records that could be erased were not: the erasure stopped early, or records came in meanwhile.
    is_unfinished: bool,
}

/// A heading, what stands under it, and a list.
struct Section {
    heading: &'static str,
    text: Vec<String>,
    list: Vec<String>,
}

impl Letter {
    /// What the letter needs of the records that are about to be erased; none if the plan was made without a summary. The time is in
    /// milliseconds since 1970-01-01 UTC.
    pub fn begin(plan: PlannedErasure, written_at: i64) -> Option<Self> {
        let refused = plan.refusals.into_iter().map(|refusal| refusal.record);
        Some(Self {
            summary: plan.summary?,
            records: plan.records.into_iter().chain(refused).collect(),
            basis: String::new(),
            written_at,
            erased: BTreeSet::new(),
            entries: BTreeSet::new(),
            refusals: Vec::new(),
            is_unfinished: false,
        })
    }

    /// The records whose fate the letter reports.
    pub fn records(&self) -> &[RecordId] {
        &self.records
    }

    /// Takes note of those that are erased.
    pub fn erased(&mut self, checked: CheckedErased) {
        self.erased.extend(checked.erased);
        self.entries.extend(checked.entries);
    }

    /// Takes note of what a plan that was made after the erasure finds, and of the basis.
    pub fn done(&mut self, left: PlannedErasure, basis: &str) {
        self.is_unfinished = left.more || !left.records.is_empty();
        (self.refusals, self.basis) = (left.refusals, basis.to_owned());
    }

    /// As a page of HTML.
    pub fn html(&self) -> String {
        page::html(self)
    }

    /// As text. Nothing in it steers a terminal.
    pub fn text(&self) -> String {
        let mut lines = vec!["What was held about you, and what was erased".to_owned(), String::new()];
        lines.extend(self.head().into_iter().map(|(name, value)| format!("{name}: {}", plain(&value))));
        for Section { heading, text, list } in self.sections() {
            lines.extend([String::new(), heading.to_owned(), "-".repeat(heading.len())]);
            lines.extend(text.iter().map(|sentence| plain(sentence)));
            lines.extend(list.iter().map(|item| format!("  * {}", plain(item))));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn head(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Date", moment(self.written_at)),
            ("About", Vec::from_iter(self.summary.people.iter().map(String::as_str)).join(", ")),
            ("Basis", self.basis.clone()),
        ]
    }

    fn sections(&self) -> Vec<Section> {
        vec![self.held(), self.gone(), self.remains(), self.elsewhere()]
    }

    fn held(&self) -> Section {
        let many = grouped(self.records.len() as u64, "record", "records");
        let mut text =
            vec![format!("{many} of your interactions with AI systems {} held.", were(self.records.len()))];
        if let (Some(first), Some(last)) = (self.summary.first, self.summary.last) {
            text.push(format!("They are of the time from {} to {}.", moment(first), moment(last)));
        }
        let groups: Vec<&str> = self.summary.groups.iter().map(String::as_str).collect();
        text.push(format!("They had data of these kinds: {}.", groups.join(", ")));
        let rows = self.summary.records.iter();
        let rows = rows.map(|row| format!("{}: {} of {}", row.id, row.kind, moment(row.started_at)));
        let list = listed(rows, self.records.len());
        Section { heading: "What was held", text, list }
    }

    fn gone(&self) -> Section {
        let mut text = Vec::new();
        if self.erased.is_empty() {
            text.push("Nothing was erased.".to_owned());
        } else {
            let many = grouped(self.erased.len() as u64, "record", "records");
            text.push(format!(
                "{many} {} erased: what was asked and answered, and everything that names you. The keys that are \
                 needed to read it were destroyed, so it cannot be brought back.",
                were(self.erased.len())
            ));
        }
        let entries: Vec<String> = self.entries.iter().map(u64::to_string).collect();
        if !entries.is_empty() {
            let which = if entries.len() == 1 { "entry" } else { "entries" };
            text.push(format!(
                "The public log states this in {which} {}. It does not name you.",
                entries.join(", ")
            ));
        }
        let list = listed(self.erased.iter().map(ToString::to_string), self.erased.len());
        Section { heading: "What was erased", text, list }
    }

    fn remains(&self) -> Section {
        let mut text = Vec::new();
        if self.is_unfinished {
            text.push(
                "The erasure is not finished: more records of you were found and are not erased yet."
                    .to_owned(),
            );
        } else if self.refusals.is_empty() {
            text.push("No record of you that was found remains readable.".to_owned());
        }
        if !self.refusals.is_empty() {
            text.push("These records must be kept for now. Ask again when the reason is over.".to_owned());
        }
        if !self.erased.is_empty() {
            text.push(
                "Of each erased record these remain: its number, its kind, its time, and a digest in a public log that proves that \
                 there was a record. Without the destroyed keys they do not lead to a person."
                    .to_owned(),
            );
        }
        let list = listed(self.refusals.iter().map(reason), self.refusals.len());
        Section { heading: "What remains, why, and until when", text, list }
    }

    fn elsewhere(&self) -> Section {
        let mut list = vec![
            "Backups of this store, until they are replaced. What was erased is not brought back from them.".to_owned(),
            "The systems that you talked to, and those that passed your requests on: they keep data of their own.".to_owned(),
        ];
        if !self.summary.given.is_empty() {
            let dates: Vec<String> = self.summary.given.iter().map(|at| moment(*at)).collect();
            list.push(format!(
                "Parts of these records that were read, or given to others: {}.",
                dates.join(", ")
            ));
        }
        let text = vec!["This erasure does not reach:".to_owned()];
        Section { heading: "What this does not reach", text, list }
    }
}

fn moment(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| format!("{millis} ms"), |time| format!("{time:.0}"))
}

fn were(records: usize) -> &'static str {
    if records == 1 { "was" } else { "were" }
}

/// The first [`LISTED`] lines, and how many more of all there are.
fn listed(lines: impl Iterator<Item = String>, of: usize) -> Vec<String> {
    let more = of.saturating_sub(LISTED);
    let mut list: Vec<String> = lines.take(LISTED).collect();
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    list
}

/// Why a record stays, for the person it is about.
fn reason(refusal: &RefusedRecord) -> String {
    let RefusedRecord { record, hold, until, class, .. } = refusal;
    match (hold, until, class) {
        (Some(_), ..) => {
            format!("{record}: it is needed for legal claims, and kept until that is settled")
        }
        (None, Some(until), _) => {
            format!("{record}: the law requires that it is kept until {}", moment(*until))
        }
        (None, None, Some(class)) => {
            format!(
                "{record}: it is of the class `{class}`, which must be kept; for how long is not settled yet"
            )
        }
        (None, None, None) => format!("{record}: it must be kept"),
    }
}

#[cfg(test)]
mod tests;
