//! Async work for callers that wait: the store contract blocks.

use std::fmt;
use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime, RuntimeFlavor};
use tracing::Instrument;
use vouchlog_storage::StoreError;

/// Threads that drive requests. They only move bytes; what is hashed is hashed by the caller.
const THREADS: usize = 2;
/// Threads for files, which block.
const MAX_BLOCKING: usize = 16;
/// How much longer a caller waits than the work may take.
const MARGIN: Duration = Duration::from_secs(5);

/// A runtime of its own: the sealing thread outlives the program's runtime for a moment.
pub(crate) struct Driver(Option<Runtime>);

impl Driver {
    pub(crate) fn new() -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(MAX_BLOCKING)
            .thread_name("vouchlog-objects")
            .enable_all()
            .build();
        Ok(Self(Some(runtime.map_err(|error| StoreError::Io(error.to_string()))?)))
    }

    /// Runs `work` for at most `limit`, on this runtime, and waits for it. The other tasks of an async thread that calls this are moved to
    /// another thread meanwhile.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let late = || StoreError::ObjectStore(format!("it did not finish within {limit:?}"));
        let runtime = self.0.as_ref().ok_or_else(late)?;
        let (done, outcome) = mpsc::sync_channel(1);
        let work = async move {
            // Without a receiver the caller has given up.
            let _ = done.send(tokio::time::timeout(limit, work).await);
        };
        runtime.spawn(work.in_current_span());
        let wait = || outcome.recv_timeout(limit + MARGIN);
        let waited = match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            _ => wait(),
        };
        waited.map_err(|_| late())?.map_err(|_| late())?
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Dropping a runtime waits for its tasks, which an async thread must not.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_bounded_wherever_it_is_called_from() {
        let late = |driver: &Driver| {
            driver.run(Duration::from_millis(20), async {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(())
            })
        };
        let driver = Driver::new().unwrap();
        assert!(late(&driver).is_err());
        for mut builder in
            [tokio::runtime::Builder::new_multi_thread(), tokio::runtime::Builder::new_current_thread()]
        {
            let runtime = builder.enable_all().build().unwrap();
            runtime.block_on(async {
                assert_eq!(driver.run(MARGIN, async { Ok(7) }), Ok(7));
                assert!(late(&driver).is_err());
                // One that is dropped within another runtime must not panic.
                drop(Driver::new().unwrap());
            });
        }
    }

    /// Another task of the same runtime goes on while one waits for an object.
    #[test]
    fn a_caller_that_waits_holds_up_no_other_task() {
        let driver = Driver::new().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let waiting = tokio::spawn(async move {
                // It ends only if the other task runs.
                driver.run(Duration::from_secs(60), async { Ok(receiver.await) })
            });
            tokio::spawn(async move { sender.send(7) }).await.unwrap().unwrap();
            assert_eq!(waiting.await.unwrap().unwrap(), Ok(7));
        });
    }
}
