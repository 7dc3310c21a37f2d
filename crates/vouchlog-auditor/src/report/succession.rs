//! The part of a report on the end of a log, the log that it continues, and the keys of gateways that a successor may enrol.

use std::fmt;

use serde::Serialize;
use vouchlog_stream::Continuation;

use super::{AuditReport, counted};
use crate::rules::{Retired, Rules};

/// An enrolled key of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GatewayReport {
    /// The key; its name is the gateway's.
    pub vkey: String,
    /// The entry that enrolled it.
    pub enrolled: u64,
    /// Whether it may open streams at the end of what was audited: neither was it revoked, nor did another key take its place.
    pub in_force: bool,
}

impl GatewayReport {
    pub(super) fn all(rules: &Rules) -> Vec<Self> {
        let report = |(key, gateway): (&vouchlog_note::VerifyingKey, &crate::rules::Gateway)| Self {
            vkey: key.to_string(),
            enrolled: gateway.enrolled,
            in_force: gateway.withdrawn.is_none() && gateway.replaced.is_none(),
        };
        let mut all: Vec<Self> = rules.gateways.iter().map(report).collect();
        all.sort_unstable_by_key(|gateway| gateway.enrolled);
        all
    }
}

/// The end of a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetirementReport {
    /// The entry that ended it.
    pub index: u64,
    /// Why: `planned`, `compromised` or `other`.
    pub cause: &'static str,
    /// The same in the operator's words.
    pub words: String,
    /// The vkey of the log that continues it; its name is that log's origin.
    pub successor: String,
}

/// The log that another one continues, as that one's second entry proves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredecessorReport {
    /// Its vkey; its name is its origin.
    pub vkey: String,
    /// Entries it ended with.
    pub size: u64,
    /// Its final root, in hexadecimal.
    pub root: String,
    /// The proof file of its last entry.
    pub end: String,
}

impl RetirementReport {
    pub(super) fn of(retired: &Retired) -> Self {
        let Retired { index, retirement, .. } = retired;
        Self {
            index: *index,
            cause: retirement.cause.word(),
            words: retirement.words.clone(),
            successor: retirement.successor.to_string(),
        }
    }
}

impl PredecessorReport {
    pub(super) fn of(continuation: &Continuation) -> Self {
        let head = continuation.head();
        Self {
            vkey: continuation.predecessor().to_string(),
            size: head.size.get(),
            root: head.root.to_string(),
            end: continuation.proof().to_text(),
        }
    }
}

impl AuditReport {
    /// Which log this one continues, and how it ended, a line each.
    pub fn succession(&self) -> impl Iterator<Item = String> {
        let before = self.continues.iter().map(ToString::to_string);
        before.chain(self.retired.iter().map(ToString::to_string))
    }
}

impl fmt::Display for RetirementReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, cause, words, successor } = self;
        write!(f, "retired by entry {index} ({cause}: {words}), continued by {successor}")
    }
}

impl fmt::Display for PredecessorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = counted(self.size, "entry", "entries");
        write!(f, "continues {}, which ended with {entries}, root {}", self.vkey, self.root)
    }
}
