//! Whether a gateway's key was revoked, as a presentation states it: in words and for programs.

use serde_json::{Value, json};
use vouchlog_session::plain;
use vouchlog_statement::KeyStatus;

use crate::output;

/// What is shown of a key's revocation.
pub(super) fn words(status: &KeyStatus) -> String {
    match status {
        KeyStatus::Unknown => {
            "REVOCATION STATUS NOT INCLUDED: the sender did not ask the log, so the key may have been revoked; an audit of the log shows it"
                .to_owned()
        }
        KeyStatus::NotKnownRevoked { as_of } => format!(
            "not known to be revoked as of the checkpoint of {}, by the word of its sender; an audit of the log shows it",
            output::count(as_of.get(), "entry", "entries")
        ),
        KeyStatus::RevokedLater(revoked) => format!(
            "YES: the gateway's key was revoked at index {} from {} ({}); this statement was logged before and stays attributable",
            revoked.index,
            output::time(revoked.effective),
            plain(&revoked.reason)
        ),
    }
}

/// The same for programs.
pub(super) fn as_json(status: &KeyStatus) -> Value {
    match status {
        KeyStatus::Unknown => json!({ "state": "unknown" }),
        KeyStatus::NotKnownRevoked { as_of } => {
            json!({ "state": "not-known-revoked", "as_of": as_of.get(), "by": "sender" })
        }
        KeyStatus::RevokedLater(revoked) => json!({
            "state": "revoked-later", "index": revoked.index.get(), "effective": revoked.effective.millis(),
            "reason": revoked.reason,
        }),
    }
}
