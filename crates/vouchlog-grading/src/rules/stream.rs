//! R60 to R64, R74, R75, R79: what an audit of the log finds, and a check of canaries. Their judge is the auditor, which reads the whole
//! log; here they have their names, severities and remedies.

use crate::rule::{RULE, Rule};
use crate::terms::{AskedOf, Definition, Severity};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Severity::{Critical, Warn};
    const SET: Rule = Rule { asked_of: AskedOf::Set, serves: &[Definition::Completeness], ..RULE };
    vec![
        Rule { code: "R60", name: "STREAM_GAP", severity: Critical,
            says: "a stream's statements do not follow one another: one is missing or repeated",
            remedy: "keep the evidence of the audit: a log must reject such statements; compare it with mirrors and receipts",
            ..SET },
        Rule { code: "R61", name: "STREAM_FORK", severity: Critical,
            says: "a stream's key signed two different histories of one size",
            remedy: "none: revoke the gateway's key and find out who else has it",
            ..SET },
        Rule { code: "R62", name: "STREAM_UNCLOSED",
            says: "a stream's beginning or end breaks the rules: a bad opening, a predecessor that stopped elsewhere, entries without an opening or after the end",
            remedy: "stop gateways cleanly; keep their state, so that the next stream names the last one and its size",
            ..SET },
        Rule { code: "R63", name: "HEARTBEAT_MISSED", severity: Warn,
            says: "an open stream was silent for longer than allowed",
            remedy: "find out whether the gateway was down, and what went past it meanwhile",
            ..SET },
        Rule { code: "R64", name: "HEARTBEAT_COUNT_MISMATCH", severity: Critical,
            says: "what a gateway signed or counted is not what the log has of its stream, or its head is forged",
            remedy: "none: the signed head is evidence; find out which statements are missing",
            ..SET },
        Rule { code: "R74", name: "NOT_INTEGRATED", severity: Critical,
            says: "the log does not serve the one history that it signed: a part is missing or was changed, or there are two histories",
            remedy: "keep the evidence of the audit, and compare checkpoints with witnesses and other readers; restore missing parts from a mirror",
            ..SET },
        Rule { code: "R75", name: "NO_WITNESS_QUORUM",
            says: "too few witnesses cosigned the log's checkpoint, a cosignature is forged, or the checkpoint is stale",
            remedy: "wait for the witnesses; find out which of them do not respond",
            ..SET },
        Rule { code: "R79", name: "CANARY_MISSING", severity: Critical,
            says: "a canary that the log acknowledged is not where its receipt places it",
            remedy: "none: the canary's receipt is evidence against the log",
            ..SET },
    ]
}
