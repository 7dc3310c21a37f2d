//! Decisions about findings: made first, then put on record with who decided and why. What a crash came between is put on record at the
//! next start.

use jiff::Timestamp;
use vouchlog_grading::RULES_VERSION;
use vouchlog_record::{FindingDecision as Decided, Record, RecordId};
use vouchlog_stream::StatementKind;

use super::Recorder;
use crate::Access;
use crate::decisions::{FindingDecision, PendingDecision};
use crate::findings::FindingState;
use crate::recording_error::RecordingError;

impl Recorder {
    /// Decides about what a rule found in records, and puts that on record. Answers the id of that record.
    pub async fn decide(
        &self,
        access: &Access,
        decision: &FindingDecision<'_>,
    ) -> Result<RecordId, RecordingError> {
        let id = self.vault().decide(access, decision, self.now().as_millisecond()).await?;
        self.record_decisions().await?;
        Ok(id)
    }

    /// Puts on record what was decided about records of this recorder's tenant and is not yet: the record of a decision is of the tenant
    /// that it is about.
    pub(super) async fn record_decisions(&self) -> Result<(), RecordingError> {
        let access = &self.0.access;
        for decision in self.vault().pending_decisions(access, &self.0.config.tenant).await? {
            let id = decision.record.clone();
            self.record(vec![self.decision_event(decision)]).await?;
            self.vault().decision_recorded(access, &id).await?;
        }
        Ok(())
    }

    fn decision_event(&self, decided: PendingDecision) -> Record {
        let PendingDecision { record: id, code, state, by, reason, until, records, at } = decided;
        let time = |millis| Timestamp::from_millisecond(millis);
        let mut record = self.event(StatementKind::Finding);
        record.id = Some(id);
        // The same record, should it be made twice.
        record.body.time.get_or_default().start = time(at).unwrap_or(self.now()).into();
        let it = record.body.finding.get_or_default();
        it.code = code.into();
        it.rules = RULES_VERSION.to_owned().into();
        it.decision = match state {
            FindingState::Open => Decided::Open,
            FindingState::Explained => Decided::Explained,
            FindingState::Accepted => Decided::Accepted,
        }
        .into();
        it.records = records.into();
        it.by = by.into();
        it.reason = reason.into();
        if let Some(until) = until.and_then(|until| time(until).ok()) {
            it.until = until.into();
        }
        record
    }
}
