//! Keeping records: sealed by the caller's task, written by the writer in one transaction per group.

use tokio::sync::oneshot;

use crate::access::Access;
use crate::insert::KeepJob;
use crate::limits::{MAX_CALL_BYTES, MAX_RECORDS_PER_CALL};
use crate::operation::Operation;
use crate::sealed::SealedRecord;
use crate::writer::Job;
use crate::{KeepRecord, Result, Vault, VaultError};

impl Vault {
    /// Keeps records, all or none, at most [`MAX_RECORDS_PER_CALL`]. They survive a power cut when this returns. A record that is
    /// kept already, with the same digest, is left as it is: so a call whose answer was lost is simply made again.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "keep", records = records.len()))]
    pub async fn keep(&self, access: &Access, records: Vec<KeepRecord>, now: i64) -> Result<()> {
        self.shared
            .named(async {
                access.allow(Operation::Submit)?;
                records.iter().try_for_each(|record| access.require_tenant(&record.tenant))?;
                if records.len() > MAX_RECORDS_PER_CALL {
                    return Err(VaultError::invalid(format!(
                        "a call keeps at most {MAX_RECORDS_PER_CALL} records"
                    )));
                }
                records.iter().try_for_each(KeepRecord::check)?;
                let bytes: usize = records.iter().map(KeepRecord::bytes).sum();
                if bytes > MAX_CALL_BYTES {
                    return Err(VaultError::invalid(format!("a call keeps at most {MAX_CALL_BYTES} bytes")));
                }
                if records.is_empty() {
                    return Ok(());
                }
                let kib = u32::try_from(records.len() + bytes / 1024).expect("a call is smaller");
                let share =
                    self.queue.clone().acquire_many_owned(kib).await.map_err(|_| VaultError::Closed)?;
                let records = records.into_iter().map(SealedRecord::new).collect::<Result<_>>()?;
                let (reply, answer) = oneshot::channel();
                let job = Job::Keep(KeepJob { records, now, reply, _share: share });
                self.jobs.send(job).await.map_err(|_| VaultError::Closed)?;
                answer.await.map_err(|_| VaultError::Closed)?
            })
            .await
    }
}
