//! Keeping records: sealed by the caller's task, written by the writer in one transaction per group.

use std::collections::HashSet;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use sqlx::Row as _;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::access::Access;
use crate::insert::{KeepJob, KeepOutcome};
use crate::limits::{
    MAX_CALL_BYTES, MAX_CONTENT_IN_ROW, MAX_RECORDS_PER_CALL, OBJECT_WRITES, WRITE_ATTEMPTS,
};
use crate::object_name::{FolderName, ObjectName};
use crate::operation::Operation;
use crate::sealed::SealedRecord;
use crate::sql::over_set;
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
                Box::pin(self.keep_sealed(Arc::new(records), now, Arc::new(share))).await
            })
            .await
    }

    async fn keep_sealed(
        &self,
        records: Arc<Vec<SealedRecord>>,
        now: i64,
        share: Arc<OwnedSemaphorePermit>,
    ) -> Result<()> {
        for _ in 0..WRITE_ATTEMPTS {
            let objects = self.place_content(&records).await?;
            let folders: HashSet<FolderName> = objects.iter().flatten().map(ObjectName::folder).collect();
            let (reply, answer) = oneshot::channel();
            let (records, _share) = (records.clone(), share.clone());
            let job = Job::Keep(KeepJob { records, objects, now, reply, _share });
            self.jobs.send(job).await.map_err(|_| VaultError::Closed)?;
            match answer.await.map_err(|_| VaultError::Closed)?? {
                KeepOutcome::Done => return Ok(()),
                KeepOutcome::FolderClosed => {
                    for folder in folders {
                        self.shared.objects().await?.leave_folder(folder).await;
                    }
                }
            }
        }
        Err(VaultError::Busy)
    }

    /// Writes content that is too long for a row as objects, before any row names them. Returns the object of each record that has one.
    async fn place_content(&self, records: &[SealedRecord]) -> Result<Vec<Option<ObjectName>>> {
        let mut placed = vec![None; records.len()];
        let is_long = |sealed: &SealedRecord| sealed.content.len() > MAX_CONTENT_IN_ROW;
        let mut long: Vec<usize> = (0..records.len()).filter(|at| is_long(&records[*at])).collect();
        if long.is_empty() {
            return Ok(placed);
        }
        let db = &self.shared.db;
        if self.shared.objects.get().is_none() {
            // A vault that never had one keeps everything in its database.
            return match self.shared.noted_objects().await? {
                Some(url) => Err(VaultError::NeedsObjects(url)),
                None => Ok(placed),
            };
        }
        // What is kept already needs no object.
        let ids = long.iter().map(|at| records[*at].record.id.as_str().into()).collect();
        let mut connection = db.readers.acquire().await?;
        let rows = over_set(&mut connection, "SELECT id FROM record WHERE id IN", ids, "").await?;
        drop(connection);
        let kept: HashSet<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        long.retain(|at| !kept.contains(records[*at].record.id.as_str()));
        if long.is_empty() {
            return Ok(placed);
        }
        db.check_room()?;
        let objects = self.shared.objects().await?;
        let names = objects.names(db, long.len()).await?;
        let writes: Vec<_> = long
            .iter()
            .zip(&names)
            .map(|(at, name)| objects.put(*name, records[*at].content.clone()))
            .collect();
        let mut writes = stream::iter(writes).buffer_unordered(OBJECT_WRITES);
        while let Some(written) = writes.next().await {
            written?;
        }
        for (at, name) in long.into_iter().zip(names) {
            placed[at] = Some(name);
        }
        Ok(placed)
    }
}
