//! The task that keeps records: what waits while one transaction is made durable becomes the next, so many callers share a
//! sync to disk.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::VaultError;
use crate::insert::{KeepJob, keep_group};
use crate::limits::{GROUP_RECORDS, WRITE_ATTEMPTS};
use crate::shared::Shared;

/// Work for the writer.
pub(crate) enum Job {
    Keep(KeepJob),
    /// Finish and answer.
    Close(oneshot::Sender<()>),
}

/// Takes jobs until the vault is closed or every handle to it is dropped.
pub(crate) async fn write(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>) {
    let mut closing = None;
    while closing.is_none() {
        let Some(first) = jobs.recv().await else { return };
        let (mut group, mut records, mut next) = (Vec::new(), 0, Some(first));
        while let Some(job) = next {
            match job {
                Job::Close(done) => {
                    closing = Some(done);
                    break;
                }
                Job::Keep(job) => {
                    records += job.records.len();
                    group.push(job);
                }
            }
            next = if records < GROUP_RECORDS { jobs.try_recv().ok() } else { None };
        }
        if !group.is_empty() {
            keep(&shared, group).await;
        }
    }
    // Callers that wait in the queue find it closed.
    drop(jobs);
    if let Some(done) = closing {
        done.send(()).ok();
    }
}

/// Keeps a group in one transaction and answers each job. A job that breaks a rule is refused alone; a race with another process
/// is run again.
async fn keep(shared: &Shared, group: Vec<KeepJob>) {
    shared.partitions.look_after(&shared.db).await;
    let mut attempt = 1;
    let outcomes = loop {
        if let Err(error) = shared.db.check_room() {
            break Err(error);
        }
        match keep_group(shared, &group).await {
            Err(error) if error.is_busy() && attempt < WRITE_ATTEMPTS => attempt += 1,
            outcomes => break outcomes,
        }
    };
    match outcomes {
        Ok(outcomes) => {
            for (job, outcome) in group.into_iter().zip(outcomes) {
                // A caller that went away does not hear it; the same call again is answered the same.
                job.reply.send(outcome).ok();
            }
        }
        Err(error) => {
            if !matches!(error, VaultError::Closed) {
                tracing::warn!(%error, calls = group.len(), "records could not be kept");
            }
            for job in group {
                job.reply.send(Err(error.clone())).ok();
            }
        }
    }
}
