//! Work on cases: done first, then put on record with who did it and why. What a crash came between is put on record at the next start.

use jiff::Timestamp;
use vouchlog_record::{CaseAction, Record, RecordId};
use vouchlog_stream::StatementKind;

use super::Recorder;
use crate::Access;
use crate::cases::{CaseChange, CaseEntry, CaseItem, CaseStep};
use crate::recording_error::RecordingError;

impl Recorder {
    /// Opens a case, adds to it, writes a note or closes it, and puts that on record. Answers the id of that record.
    pub async fn change_case(
        &self,
        access: &Access,
        change: &CaseChange<'_>,
    ) -> Result<RecordId, RecordingError> {
        let id = self.vault().change_case(access, change, self.now().as_millisecond()).await?;
        self.record_cases().await?;
        Ok(id)
    }

    /// Puts on record what was done to cases of this recorder's tenant and is not yet.
    pub(super) async fn record_cases(&self) -> Result<(), RecordingError> {
        let access = &self.0.access;
        for (id, entry) in self.vault().pending_case_entries(access, &self.0.config.tenant).await? {
            self.record(vec![self.case_event(&id, entry)]).await?;
            self.vault().case_recorded(access, &id).await?;
        }
        Ok(())
    }

    fn case_event(&self, id: &RecordId, entry: CaseEntry) -> Record {
        let mut record = self.event(StatementKind::Finding);
        record.id = Some(id.clone());
        // The same record, should it be made twice.
        let at = Timestamp::from_millisecond(entry.at).unwrap_or(self.now());
        record.body.time.get_or_default().start = at.into();
        let finding = record.body.finding.get_or_default();
        finding.by = entry.by.into();
        finding.reason = entry.text.into();
        let case = finding.case.get_or_default();
        case.name = entry.case.into();
        case.action = match entry.done {
            CaseStep::Opened(owner) => {
                case.owner = owner.into();
                CaseAction::Opened
            }
            CaseStep::Added(CaseItem::Session(session)) => {
                case.session = session.into();
                CaseAction::Added
            }
            CaseStep::Added(CaseItem::Hold(hold)) => {
                case.hold = hold.into();
                CaseAction::Added
            }
            CaseStep::Added(CaseItem::Disclosure(disclosure)) => {
                case.disclosure = disclosure.into();
                CaseAction::Added
            }
            CaseStep::Noted => CaseAction::Noted,
            CaseStep::Closed => CaseAction::Closed,
        }
        .into();
        record
    }
}
