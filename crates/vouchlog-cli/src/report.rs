//! Reports for people and for programs: a session's timeline as text for a terminal, JSON and pages of HTML, an audit as a page, and the pages of a
//! witness and a monitor.
//!
//! Each takes what was found and nothing else, so the owner of the records and the recipient of a bundle see the same.
//! Everything in a report may come from a stranger: what a timeline's lines say is safe to show, and what is taken from records or from
//! a log here passes [`plain`](vouchlog_session::plain) first.

use std::io::IsTerminal;

mod audit;
mod json;
mod limits;
mod made;
mod monitor;
mod session;
mod text;
mod witness;
mod wrap;

pub(crate) use audit::{AuditMade, EvidenceName, WitnessSeen, audit};
pub(crate) use json::json;
pub(crate) use made::Provenance;
pub(crate) use monitor::{AuditRun, MonitorMade, RunOutcome, monitor};
pub(crate) use session::{ReportFile, SessionMade, session};
pub(crate) use text::text;
pub(crate) use witness::{LatestHead, WitnessMade, WitnessedLog, witness};

/// Whether to colour what goes to standard output: it is a terminal, and `NO_COLOR` is unset or empty (no-color.org).
pub(crate) fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stdout().is_terminal()
}

/// Columns of the terminal as `COLUMNS` says, or 100.
pub(crate) fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100)
}

#[cfg(test)]
mod tests;
