//! A session's timeline for people and for programs: text for a terminal, JSON, and one page of HTML.
//!
//! Each takes a [`Timeline`](vouchlog_session::Timeline) and nothing else, so the owner of the records and the recipient of a bundle
//! see the same.
//! Everything a timeline holds may come from a stranger: what its lines say is safe to show, and what is taken from its records
//! here passes [`plain`](vouchlog_session::plain) first.

use std::io::IsTerminal;

mod fields;
mod html;
mod json;
mod limits;
mod text;
mod wrap;

pub(crate) use html::html;
pub(crate) use json::json;
pub(crate) use text::text;

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
