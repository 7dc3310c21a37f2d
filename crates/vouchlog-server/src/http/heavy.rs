//! Answers that take long to make, off the threads that serve connections.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use http::Extensions;
use tokio::sync::{MutexGuard, Semaphore};
use tokio::task::spawn_blocking;
use vouchlog_api::Error;

use crate::admission::Connection;
use crate::status::bug;

/// Entries, or proofs of statements, in one answer that are put in words where the request is served: that takes a millisecond. An
/// HTTP/1.1 connection whose client does not wait for answers makes several before it lets others go on.
pub(super) const AT_ONCE: usize = 64;

/// Half of the machine's cores make such answers at a time, so that all else goes on beside them, and few are in memory.
static TURNS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))));

/// The turn of a request with these extensions among those of its connection, for work that is done for one request of a connection at a
/// time: answers that take long to make, and whatever else a server does before it knows the caller. So a hundred requests on one connection
/// do not stand before the single one of another. Take it before anything is read: a request that waits holds nothing.
pub async fn own_turn(extensions: &Extensions) -> Option<MutexGuard<'_, ()>> {
    match extensions.get::<Arc<Connection>>() {
        Some(connection) => Some(connection.heavy_turn().await),
        None => None,
    }
}

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

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use tokio::task::{JoinSet, yield_now};

    use super::*;
    use crate::admission::testing::connection;

    #[tokio::test]
    async fn many_requests_of_one_connection_do_not_stand_before_one_of_another() {
        let of = |address: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(connection(address));
            extensions
        };
        let (greedy, modest) = (of("192.0.2.1:1"), of("192.0.2.2:1"));
        let begun = Arc::new(Mutex::new(Vec::new()));
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let mut answers = JoinSet::new();
        for _ in 0..available_parallelism().unwrap().get() + 2 {
            let (greedy, begun, gate) = (greedy.clone(), Arc::clone(&begun), Arc::clone(&gate));
            answers.spawn(async move {
                let work = move || {
                    begun.lock().unwrap().push("greedy");
                    let _ = gate.lock().unwrap().recv();
                };
                let _own = own_turn(&greedy).await;
                made(work).await.unwrap();
            });
        }
        yield_now().await;
        let work = {
            let begun = Arc::clone(&begun);
            move || begun.lock().unwrap().push("modest")
        };
        answers.spawn(async move {
            let _own = own_turn(&modest).await;
            made(work).await.unwrap();
        });
        yield_now().await;
        drop(release);
        while let Some(answer) = answers.join_next().await {
            answer.unwrap();
        }
        let begun = begun.lock().unwrap();
        let place = begun.iter().position(|who| *who == "modest");
        assert!(place.is_some_and(|place| place <= 1), "{begun:?}");
    }
}
