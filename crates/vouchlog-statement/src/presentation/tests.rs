//! Presentations, over a small log in memory.

use vouchlog_merkle::TreeSize;
use vouchlog_note::{ProofFile, SigningKey};
use vouchlog_stream::{Entry, LoggedAt, Revocation};

use super::{ShownStatus, StreamIdentity};
use crate::statement::tests::{claims, record};
use crate::testing::{at, origin};

mod damage;
mod holds;
mod keys;
mod property;

/// The entry in which an operator revokes a gateway's key from a time on, in milliseconds.
fn revocation_of(gateway: &SigningKey, operator: &SigningKey, effective: u64) -> Entry {
    let revocation = Revocation {
        log: origin(),
        gateway: gateway.verifying_key().clone(),
        effective: LoggedAt::from_millis(effective).unwrap(),
        reason: "it was stolen".to_owned(),
    };
    Entry::GatewayRevoked { logged_at: at(), note: revocation.sign(operator).unwrap() }
}

/// The identity, with what its sender knows of the key's revocation.
fn with_status(identity: StreamIdentity, as_of: TreeSize, revocation: Option<&ProofFile>) -> StreamIdentity {
    let revocation = revocation.map(ProofFile::to_text);
    StreamIdentity { status: Some(ShownStatus { as_of: as_of.get(), revocation }), ..identity }
}
