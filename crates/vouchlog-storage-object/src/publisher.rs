//! The task that publishes a log's checkpoints in a bucket, at intervals, behind the log.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::Instrument;
use vouchlog_api::{LogReader, Watch};
use vouchlog_runtime::Backoff;
use vouchlog_storage::StoreError;

use crate::publication::{Publication, Report};

/// How often it is looked whether sealing has reached a checkpoint.
const SEALING_POLL: Duration = Duration::from_millis(50);
/// The waits after failures.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How publishing in a bucket goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublisherStatus {
    /// Entries under the last checkpoint that was published since the start.
    pub size: u64,
    /// Why the last attempt failed, if it did.
    pub trouble: Option<String>,
    /// Whether nothing more is published until the process is started again: the bucket has another history.
    pub stopped: bool,
}

/// Publishes in a bucket until it is dropped or finished.
#[derive(Debug)]
pub struct Publisher {
    status: Arc<Mutex<PublisherStatus>>,
    ending: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Publisher {
    /// Starts the task on the current runtime. Each checkpoint is published once `sealed` has reached its full bundles, at most one in
    /// `interval`.
    pub fn start<L: LogReader + Watch>(
        log: L,
        publication: Publication,
        interval: Duration,
        sealed: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let status = Arc::new(Mutex::new(PublisherStatus::default()));
        let (ending, ended) = watch::channel(false);
        let worker = Worker { log, publication, interval, sealed, status: status.clone(), ending: ended };
        let task = Mutex::new(Some(tokio::spawn(worker.run().in_current_span())));
        Self { status, ending, task }
    }

    /// How it goes.
    pub fn status(&self) -> PublisherStatus {
        self.status.lock().clone()
    }

    /// Publishes the last checkpoint of a log that has stopped, and ends. Gives up after `patience`.
    pub async fn finish(&self, patience: Duration) {
        self.ending.send_replace(true);
        let task = self.task.lock().take();
        let Some(mut task) = task else { return };
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            tracing::warn!(
                "the last checkpoint was not published in the object store in time; the next start does it"
            );
            task.abort();
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}

struct Worker<L, F> {
    log: L,
    publication: Publication,
    interval: Duration,
    sealed: F,
    status: Arc<Mutex<PublisherStatus>>,
    ending: watch::Receiver<bool>,
}

impl<L: LogReader + Watch, F: Fn() -> u64 + Send + Sync> Worker<L, F> {
    async fn run(mut self) {
        let mut published = String::new();
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let ending = self.is_ending();
            let Some(note) = self.next(&published, ending).await else { return };
            let outcome = self.publish(&note).await;
            let wait = match &outcome {
                Ok(_) => {
                    backoff.reset();
                    published = note;
                    self.interval
                }
                Err(_) => backoff.next_wait(),
            };
            if self.report(outcome) || ending {
                return;
            }
            self.pause(wait).await;
        }
    }

    fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }

    /// The newest checkpoint that is not published yet; `None` when there is nothing more to do.
    async fn next(&mut self, published: &str, ending: bool) -> Option<String> {
        if !ending {
            let mut ended = self.ending.clone();
            tokio::select! {
                next = self.log.checkpoint_other_than(published.to_owned()) => return next.ok(),
                _ = ended.wait_for(|ended| *ended) => {}
            }
        }
        self.log.checkpoint().await.ok().filter(|last| last != published)
    }

    async fn publish(&mut self, note: &str) -> Result<Report, StoreError> {
        let needed = Publication::needs_sealed(note)?;
        while (self.sealed)() < needed {
            // The log has stopped, and nothing more is sealed.
            if self.is_ending() {
                let reason = "the full bundles under the last checkpoint are not sealed";
                return Err(StoreError::ObjectStore(reason.into()));
            }
            tokio::time::sleep(SEALING_POLL).await;
        }
        self.publication.publish(&self.log, note).await
    }

    /// Notes an outcome. Whether it is final.
    fn report(&self, outcome: Result<Report, StoreError>) -> bool {
        let mut status = self.status.lock();
        match outcome {
            Ok(report) => {
                status.size = report.size.get();
                status.trouble = None;
                false
            }
            Err(error) => {
                self.publication.failed();
                let is_final = matches!(error, StoreError::Conflict(_));
                if is_final && self.is_ending() {
                    // After a handover the next leader may have published already.
                    tracing::info!(%error, "the last checkpoint was not published in the object store");
                } else if is_final {
                    tracing::error!(%error, "nothing more is published in the object store");
                } else {
                    tracing::warn!(%error, "a checkpoint was not published in the object store; retrying");
                }
                status.trouble = Some(error.to_string());
                status.stopped |= is_final;
                is_final
            }
        }
    }

    /// Waits, unless it is to end.
    async fn pause(&self, time: Duration) {
        let mut ending = self.ending.clone();
        // An error means that the publisher was dropped, which aborts this task.
        let _ = tokio::time::timeout(time, ending.wait_for(|ending| *ending)).await;
    }
}
