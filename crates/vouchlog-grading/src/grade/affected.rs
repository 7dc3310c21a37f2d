//! After a revocation: every use of the credential since.

use jiff::Timestamp;
use serde::Serialize;
use vouchlog_record::{Record, RecordId};

use crate::case::{Case, UsedCredential, uses};
use crate::context::Context;
use crate::described::id_of;
use crate::terms::AskedOf;

/// A use of a credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AffectedUse {
    /// When, by the gateway's clock.
    pub at: Timestamp,
    /// The record.
    pub record: RecordId,
    /// Which use: `decision 4ca636c1`, `retrieval claims-db`, `tool call_A1`, `downstream payments-api`, `start`.
    pub what: String,
}

/// Every use of a credential at or after `since`, in the order of time: the start, each policy decision, retrieval, tool call and
/// downstream call. A use that does not name its credential counts for each that the record describes. The clock's possible error counts against the credential: what may have been after is listed. A use without a time
/// stands at the record's last known time, or at `since` where it has none.
pub fn affected_by_revocation<'a>(
    records: impl Iterator<Item = (&'a RecordId, &'a Record)>,
    credential: &str,
    since: Timestamp,
) -> Vec<AffectedUse> {
    let nothing = Context::default();
    let mut affected = Vec::new();
    for (id, record) in records {
        let case = Case::new(record, &nothing);
        if !case.is_asked(AskedOf::Acting) {
            continue;
        }
        let is_own =
            case.credentials.iter().any(|(_, own)| id_of(own).value().is_some_and(|own| own == credential));
        let (uses, _) = uses(&case);
        let error = case.clock_error();
        let last = case.time(|time| &time.end).value().or(case.time(|time| &time.start).value());
        for one in uses {
            let its = match one.with {
                UsedCredential::Named(named) => named == credential,
                UsedCredential::Unnamed
                | UsedCredential::Unknown
                | UsedCredential::AnyValid
                | UsedCredential::Document => is_own,
            };
            let at = one.at.known().or(last.copied()).unwrap_or(since);
            let latest = at.checked_add(error).unwrap_or(Timestamp::MAX);
            if its && latest >= since {
                affected.push(AffectedUse { at, record: id.clone(), what: one.what });
            }
        }
    }
    affected.sort();
    affected
}
