//! Answers that take long to make, off the threads that serve connections.

use std::sync::LazyLock;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use vouchlog_api::Error;

use crate::status::bug;

/// Half of the machine's cores make such answers at a time, so that all else goes on beside them, and few are in memory.
static TURNS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))));

/// Does work that would hold a thread for long.
pub(super) async fn made<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let turn = TURNS.acquire().await.map_err(|_| bug())?;
    // The turn goes along: work goes on when the caller is gone.
    match spawn_blocking(move || (work(), turn)).await {
        Ok((done, _turn)) => Ok(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::unavailable("the server is stopping: use another connection")),
    }
}
