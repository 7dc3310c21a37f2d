//! Turns: how many calls are carried out at a time, in all and of one principal. Who asks for much waits behind itself, and
//! leaves most of the turns to others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::{CALLS_AT_ONCE, CALLS_OF_ONE, REQUESTS_OF_ONE, TURN_PATIENCE};

/// All turns.
#[derive(Debug)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    /// Of each principal that has a request under way. There are no more than requests.
    own: Mutex<HashMap<String, Arc<Share>>>,
}

/// What is left of one principal's.
#[derive(Debug)]
struct Share {
    turns: Arc<Semaphore>,
    requests: Arc<Semaphore>,
}

/// One request of a principal, from when it is known whose it is, until it is dropped.
#[derive(Debug)]
pub(super) struct Request {
    _own: Arc<Share>,
    _permit: OwnedSemaphorePermit,
}

/// One turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _own: Arc<Share>,
    _of_all: OwnedSemaphorePermit,
    _of_one: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(CALLS_AT_ONCE)), own: Mutex::default() }
    }

    /// Takes up a request of this principal, whose body may still be on its way; none if it has so many already.
    pub(super) fn enter(&self, principal: &str) -> Option<Request> {
        let own = self.own(principal);
        let permit = Arc::clone(&own.requests).try_acquire_owned().ok()?;
        Some(Request { _own: own, _permit: permit })
    }

    /// Waits for a turn of this principal; none if it takes too long.
    pub(super) async fn take(&self, principal: &str) -> Option<Turn> {
        let own = self.own(principal);
        let taken = async {
            // First its own, so that those who wait for the turns of all are few of each.
            let of_one = Arc::clone(&own.turns).acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Turn { _own: own, _of_all: of_all, _of_one: of_one })
        };
        timeout(TURN_PATIENCE, taken).await.ok().flatten()
    }

    fn own(&self, principal: &str) -> Arc<Share> {
        let mut all = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        // Each request of a principal holds a reference: without one, it has none under way.
        all.retain(|_, own| Arc::strong_count(own) > 1);
        let new = || {
            let (turns, requests) = (Semaphore::new(CALLS_OF_ONE), Semaphore::new(REQUESTS_OF_ONE));
            Arc::new(Share { turns: Arc::new(turns), requests: Arc::new(requests) })
        };
        Arc::clone(all.entry(principal.to_owned()).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_principal_leaves_turns_to_another_and_is_forgotten_afterwards() {
        let turns = Turns::new();
        let mut held = Vec::new();
        for _ in 0..CALLS_OF_ONE {
            held.push(turns.take("busy").await.unwrap());
        }
        assert!(turns.take("busy").await.is_none());
        held.push(turns.take("calm").await.unwrap());
        assert_eq!(turns.own.lock().unwrap().len(), 2);
        // A turn that ends is free for the same principal.
        held.remove(0);
        held.push(turns.take("busy").await.unwrap());
        drop(held);
        drop(turns.take("calm").await.unwrap());
        assert_eq!(turns.own.lock().unwrap().keys().collect::<Vec<_>>(), ["calm"]);
    }

    #[tokio::test]
    async fn a_principal_has_so_many_requests_and_no_more() {
        let turns = Turns::new();
        let held: Vec<_> = (0..REQUESTS_OF_ONE).map(|_| turns.enter("busy").unwrap()).collect();
        assert!(turns.enter("busy").is_none());
        assert!(turns.enter("calm").is_some());
        drop(held);
        assert!(turns.enter("busy").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_no_more_turns_than_there_are() {
        let turns = Turns::new();
        let mut held = Vec::new();
        for nth in 0..CALLS_AT_ONCE {
            held.push(turns.take(&format!("principal {}", nth / CALLS_OF_ONE)).await.unwrap());
        }
        assert!(turns.take("one more").await.is_none());
    }
}
