//! The part of a report on keys that changed: the operator's and witnesses'. These are facts, not findings.

use std::fmt;

use serde::Serialize;
use vouchlog_stream::{LoggedRotation, OperatorCause, OperatorTerm, Operators, WitnessRotation};

use super::AuditReport;

/// The rotation of a witness's key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WitnessRotationReport {
    /// The new key.
    pub vkey: String,
    /// The old key.
    pub replaces: String,
    /// The entry.
    pub index: u64,
}

impl WitnessRotationReport {
    pub(super) fn of(logged: &LoggedRotation) -> Self {
        let WitnessRotation { witness, replaces } = &logged.rotation;
        Self { vkey: witness.to_string(), replaces: replaces.to_string(), index: logged.index.get() }
    }
}

impl fmt::Display for WitnessRotationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vkey, replaces, index } = self;
        write!(f, "witness's key {replaces} rotated to {vkey} (entry {index})")
    }
}

/// A key of the log's operator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperatorReport {
    /// The key.
    pub vkey: String,
    /// Its id.
    pub key_id: String,
    /// The entry that put it in force: 0 is genesis.
    pub since: u64,
    /// Why it took the place of the key before: `rotation` if that key signed; `lost` or `compromised` if the recovery key did. None for the
    /// first.
    pub cause: Option<&'static str>,
    /// The same in the operator's words; empty for the first.
    pub words: String,
}

impl OperatorReport {
    pub(super) fn of(operators: &Operators) -> Vec<Self> {
        let report = |term: &OperatorTerm| Self {
            vkey: term.key.to_string(),
            key_id: term.key.id().to_string(),
            since: term.since.get(),
            cause: term.cause.map(OperatorCause::word),
            words: term.words.clone(),
        };
        operators.terms().map(report).collect()
    }
}

impl fmt::Display for OperatorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, since, words, .. } = self;
        match self.cause {
            None => write!(f, "operator's key {key_id} (entry {since})"),
            Some("rotation") => write!(f, "operator's key rotated to {key_id} (entry {since}): {words:?}"),
            Some(cause) => {
                write!(
                    f,
                    "operator's key replaced by {key_id} with the recovery key, {cause} (entry {since}): {words:?}"
                )
            }
        }
    }
}

impl AuditReport {
    /// The changes of the operator's key and the rotations of witnesses' keys, a line each. The operator's first key changed nothing, so it
    /// has no line.
    pub fn key_changes(&self) -> impl Iterator<Item = String> {
        let operators = self.operators.iter().skip(1).map(ToString::to_string);
        operators.chain(self.witness_rotations.iter().map(ToString::to_string))
    }
}
