//! Records that say that something is lost.

use jiff::Timestamp;
use vouchlog_record::{Record, RecordId};
use vouchlog_stream::StatementKind;

use crate::journal::Losses;
use crate::secret::Secret;
use crate::settings::Mode;

/// Says what was turned away because the journal was full.
pub(crate) fn over_budget(id: RecordId, now: Timestamp, losses: Losses, mode: Mode) -> Record {
    declared(id, now, losses, "disk_budget", mode)
}

/// Says that a record is lost that the recorder cannot take.
pub(crate) fn left_out(record: &Record, secret: &Secret, mode: Mode) -> Record {
    let id = record.id.as_ref().map(RecordId::as_str).unwrap_or_default();
    let time = record.body.time.value();
    let when = time.and_then(|time| time.received.value().or(time.start.value())).copied();
    let when = when.unwrap_or(Timestamp::UNIX_EPOCH);
    let losses = Losses { from: when, to: when, items: 1, attempts: 1 };
    declared(secret.record_id(&format!("left out {id}")), when, losses, "cannot_be_stated", mode)
}

/// Says that an interaction could not be recorded.
pub(crate) fn not_made(id: RecordId, now: Timestamp, mode: Mode) -> Record {
    let losses = Losses { from: now, to: now, items: 1, attempts: 1 };
    declared(id, now, losses, "no_record", mode)
}

fn declared(id: RecordId, now: Timestamp, losses: Losses, cause: &str, mode: Mode) -> Record {
    let mut record = Record::new(StatementKind::DeclaredLoss);
    record.id = Some(id);
    record.body.time.get_or_default().start = now.into();
    let loss = record.body.declared_loss.get_or_default();
    loss.from = losses.from.into();
    loss.to = losses.to.into();
    loss.count = losses.items.into();
    loss.cause = cause.to_owned().into();
    loss.mode = mode.name().to_owned().into();
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testsupport::{at, json};

    #[test]
    fn a_record_that_cannot_be_stated_is_declared_lost_under_a_name_of_its_own() {
        let secret = Secret::new(&[7; 32]);
        let mut record = Record::new(StatementKind::Interaction);
        record.id = Some(RecordId::new("too-much").unwrap());
        record.body.time.get_or_default().received = at(3).into();
        let left_out = || left_out(&record, &secret, Mode::FailOpen);
        let loss = json(&left_out());
        assert_eq!(loss["kind"], "declared-loss");
        assert_eq!(loss["declared_loss"]["count"], 1);
        assert_eq!(loss["declared_loss"]["cause"], "cannot_be_stated");
        assert_eq!(loss["declared_loss"]["from"].as_str(), Some(at(3).to_string().as_str()));
        assert_ne!(loss["id"], "too-much");
        assert_eq!(left_out().id, left_out().id, "made again, it is the same");
    }
}
