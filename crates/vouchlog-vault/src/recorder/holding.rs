//! Holds: placed or lifted first, then put on record with who did it and why. What a crash came between is put on record at the next
//! start.

use jiff::Timestamp;
use vouchlog_record::{HoldAction, Record};
use vouchlog_stream::StatementKind;

use super::Recorder;
use crate::hold_events::PendingHoldEvent;
use crate::recording_error::RecordingError;
use crate::{Access, HoldTarget};

impl Recorder {
    /// Places a hold, or puts more records under it, and puts that on record. Answers how many records came under it.
    pub async fn hold(
        &self,
        access: &Access,
        name: &str,
        reason: &str,
        held: &HoldTarget,
    ) -> Result<u64, RecordingError> {
        let added = self.vault().hold(access, name, reason, held, self.now().as_millisecond()).await?;
        self.record_hold_events().await?;
        Ok(added)
    }

    /// Lifts a hold, and puts that on record.
    pub async fn release(&self, access: &Access, name: &str, reason: &str) -> Result<(), RecordingError> {
        self.vault().release(access, name, reason, self.now().as_millisecond()).await?;
        self.record_hold_events().await
    }

    /// Puts on record what was done and is not yet.
    pub(super) async fn record_hold_events(&self) -> Result<(), RecordingError> {
        let access = &self.0.access;
        for event in self.vault().pending_hold_events(access).await? {
            let id = event.record.clone();
            self.record(vec![self.hold_event(event)]).await?;
            self.vault().hold_event_recorded(access, &id).await?;
        }
        Ok(())
    }

    fn hold_event(&self, event: PendingHoldEvent) -> Record {
        let PendingHoldEvent { record: id, hold, lifted, covers_later, by, reason, records, at } = event;
        let mut record = self.event(StatementKind::Hold);
        record.id = Some(id);
        // The same record, should it be made twice.
        record.body.time.get_or_default().start =
            Timestamp::from_millisecond(at).unwrap_or(self.now()).into();
        let it = record.body.hold.get_or_default();
        it.action = if lifted { HoldAction::Lifted } else { HoldAction::Placed }.into();
        it.name = hold.into();
        it.by = by.into();
        it.reason = reason.into();
        it.records = records.into();
        it.covers_later = covers_later.into();
        record
    }
}
