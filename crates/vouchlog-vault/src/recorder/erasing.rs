//! Erasing: the vault destroys keys, the log gets an entry that says it was lawful. Neither may happen without the other, so the
//! erasure is begun under the name of its entry first.

use vouchlog_record::{ErasureScope, Record, RecordId};
use vouchlog_stream::StatementKind;

use super::Recorder;
use crate::recording_error::RecordingError;
use crate::{Access, ErasurePlan, PendingErasure, Refusal, Scope, VaultError};

/// What an erasure did.
#[derive(Clone, Debug)]
pub struct Erased {
    /// The record that says so; `None` when there was nothing to erase or to refuse.
    pub entry: Option<RecordId>,
    /// Records that are erased.
    pub records: Vec<RecordId>,
    /// Records that must stay.
    pub refusals: Vec<Refusal>,
    /// Whether there is more of the same scope: erase again.
    pub more: bool,
    /// Objects with content of the records that are not removed from the object store yet. Their keys are destroyed; the removal is tried
    /// again until it succeeds.
    pub objects_left: u64,
}

impl Recorder {
    /// Erases what `scope` names, as far as no legal hold and no duty to keep forbids it, and puts on record what was erased and
    /// what was refused. The entry names records and the basis, never the person.
    pub async fn erase(&self, access: &Access, scope: &Scope, basis: &str) -> Result<Erased, RecordingError> {
        let now = self.now().as_millisecond();
        let plan = self.vault().plan_erasure(access, scope, now).await?;
        let ErasurePlan { records, refusals, more, .. } = plan.clone();
        if records.is_empty() && refusals.is_empty() {
            return Ok(Erased { entry: None, records, refusals, more, objects_left: 0 });
        }
        let id = self.new_id();
        if !records.is_empty() {
            self.vault().begin_erasure(access, &plan, basis, &id, now).await?;
        }
        let refused = refusals.iter().map(|refusal| refusal.record.clone()).collect();
        let entry = self.erasure(&id, plan.scope, basis, records.clone(), refused);
        self.record(vec![entry]).await?;
        if !records.is_empty() {
            self.vault().finish_erasure(access, &id, now).await?;
        }
        let objects_left = self.vault().objects_left(&id).await?;
        Ok(Erased { entry: Some(id), records, refusals, more, objects_left })
    }

    /// Finishes what a crash cut short.
    pub(super) async fn finish_erasures(&self) -> Result<(), RecordingError> {
        let access = &self.0.access;
        for PendingErasure { erasure_record, scope, basis, records, .. } in
            self.vault().pending_erasures(access).await?
        {
            match self.vault().row(access, &erasure_record).await {
                Ok(_) => {}
                Err(VaultError::UnknownRecord(_)) => {
                    let entry = self.erasure(&erasure_record, &scope, &basis, records, Vec::new());
                    self.record(vec![entry]).await?;
                }
                Err(error) => return Err(error.into()),
            }
            self.vault().finish_erasure(access, &erasure_record, self.now().as_millisecond()).await?;
        }
        Ok(())
    }

    fn erasure(
        &self,
        id: &RecordId,
        scope: &str,
        basis: &str,
        records: Vec<RecordId>,
        refused: Vec<RecordId>,
    ) -> Record {
        let mut record = self.event(StatementKind::Erasure);
        record.id = Some(id.clone());
        let event = record.body.erasure.get_or_default();
        event.scope = match scope {
            "subject" => ErasureScope::Subject,
            "retention" => ErasureScope::Retention,
            _ => ErasureScope::Record,
        }
        .into();
        event.basis = basis.into();
        event.records = records.into();
        if !refused.is_empty() {
            event.refused = refused.into();
            event.refusal = "hold_or_duty".into();
        }
        record
    }
}
