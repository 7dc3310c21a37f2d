//! What one request holds, and the key that it is charged to.
//!
//! A key is a gateway's, known once a statement with its signature was verified, or a principal's, known once it was authenticated.
//! Until then a request counts for its connection and its address alone.

use std::sync::Arc;

use parking_lot::Mutex;
use vouchlog_api::Error;
use vouchlog_runtime::charge;

use super::connection::Connection;
use super::holdings::{Holdings, Resource};
use super::pools::{Allotment, Pools};

/// What one request holds. Given back when it is dropped.
pub(crate) struct Account {
    pools: Arc<Pools>,
    connection: Option<Arc<Connection>>,
    has: Mutex<Has>,
}

#[derive(Default)]
struct Has {
    waiting: Option<Allotment>,
    bytes: Option<Allotment>,
    place: Option<Allotment>,
    key: Option<Arc<Holdings>>,
    refusal: Option<Error>,
}

impl Account {
    /// An empty account of a request that came over a connection.
    pub(crate) fn new(pools: &Arc<Pools>, connection: Option<&Arc<Connection>>) -> Arc<Self> {
        let (pools, connection) = (Arc::clone(pools), connection.cloned());
        Arc::new(Self { pools, connection, has: Mutex::default() })
    }

    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        self.connection.as_ref()
    }

    /// Why the request ended, if that was the server's doing.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.has.lock().refusal.clone()
    }

    /// Takes the request's place.
    pub(crate) fn take_place(&self, resource: Resource) -> Result<(), Error> {
        let mut has = self.has.lock();
        if has.place.is_none() {
            let taken = self.take(&has, resource, 1)?;
            has.place = Some(taken);
        }
        Ok(())
    }

    /// Its body is still to come.
    pub(crate) fn wait(&self) -> Result<(), Error> {
        let mut has = self.has.lock();
        if has.waiting.is_none() {
            let taken = self.take(&has, Resource::Waiting, 1)?;
            has.waiting = Some(taken);
        }
        Ok(())
    }

    /// Its body is whole.
    pub(crate) fn wait_no_more(&self) {
        self.has.lock().waiting = None;
    }

    /// Holds so many bytes of its body.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), Error> {
        let mut has = self.has.lock();
        match &mut has.bytes {
            Some(held) if held.amount() >= bytes => held.shrink(held.amount() - bytes),
            Some(held) => held.grow(bytes - held.amount())?,
            None if bytes == 0 => {}
            None => {
                let taken = self.take(&has, Resource::BodyBytes, bytes)?;
                has.bytes = Some(taken);
            }
        }
        Ok(())
    }

    /// Takes room for so many bytes of its answer.
    pub(crate) fn take_answer(&self, room: Resource, bytes: usize) -> Result<Allotment, Error> {
        self.take(&self.has.lock(), room, bytes)
    }

    /// Takes room for so many bytes of a request that is read and not answered, if there is room.
    fn take_queued(&self, bytes: usize) -> Option<Allotment> {
        let key = self.has.lock().key.clone();
        Allotment::fitting(&self.pools, self.connection.as_ref(), key, Resource::QueuedBytes, bytes)
    }

    /// The answer begins: what the request took is free again.
    pub(crate) fn settle(&self) {
        let mut has = self.has.lock();
        let taken = (has.waiting.take(), has.bytes.take(), has.place.take());
        drop(has);
        drop(taken);
    }

    /// It ends, for this reason.
    pub(crate) fn refuse(&self, why: Error) {
        let mut has = self.has.lock();
        has.waiting = None;
        has.bytes = None;
        has.refusal = Some(why);
    }

    fn take(&self, has: &Has, resource: Resource, amount: usize) -> Result<Allotment, Error> {
        let mut taken = self.pools.take(resource, amount, self.connection.as_ref())?;
        if let Some(key) = &has.key {
            taken.charge(key)?;
        }
        Ok(taken)
    }
}

/// Where a stream takes room for its requests that are read and not answered.
#[derive(Clone)]
pub(crate) struct QueueRoom(Arc<Account>);

impl QueueRoom {
    pub(super) fn of(account: &Arc<Account>) -> Self {
        Self(Arc::clone(account))
    }

    /// Takes so many bytes, if there are as many.
    pub(crate) fn take(&self, bytes: usize) -> Option<Allotment> {
        self.0.take_queued(bytes)
    }

    /// Counts a call that ends for lack of room, and says it to the caller.
    pub(crate) fn refuse(&self) -> Error {
        self.0.pools.refuse(Resource::QueuedBytes)
    }
}

impl charge::Account for Account {
    fn charge(&self, key: String) -> bool {
        let mut has = self.has.lock();
        if has.key.is_some() {
            return has.refusal.is_none();
        }
        let key = self.pools.keys().of(key);
        has.key = Some(Arc::clone(&key));
        let Has { waiting, bytes, place, refusal, .. } = &mut *has;
        for taken in [waiting, bytes, place].into_iter().flatten() {
            if let Err(why) = taken.charge(&key) {
                *refusal = Some(why);
                return false;
            }
        }
        true
    }

    fn is_refused(&self) -> bool {
        self.has.lock().refusal.is_some()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use vouchlog_runtime::charge::Account as _;

    use super::*;
    use crate::admission::connection::testing;
    use crate::config::ServerConfig;
    use crate::metrics::ServerMetrics;

    const MIB: usize = 1 << 20;

    /// Requests of one key share, from however many connections and addresses they come.
    #[test]
    fn a_key_has_a_share_of_its_own() {
        let config = ServerConfig { body_bytes: 64 * MIB, ..ServerConfig::default() };
        let pools = Pools::new(&config, ServerMetrics::register(&mut Registry::default()));
        let take_all = |key: &str| {
            let mut held = Vec::new();
            for number in 0..1_000_u16 {
                let [a, b] = number.to_be_bytes();
                let connection = testing::connection(&format!("192.0.{a}.{b}:1"));
                let account = Account::new(&pools, Some(&connection));
                if account.hold(256 * 1024).is_ok() && account.charge(key.to_owned()) {
                    held.push(account);
                }
            }
            held
        };
        let (greedy, other) = (take_all("a"), take_all("b"));
        assert_eq!(greedy.len(), 128, "half of all, of 256 KiB");
        assert!((60..=64).contains(&other.len()), "half of what is left: {}", other.len());
        drop((greedy, other));
        assert_eq!(pools.keys().of("a".to_owned()).get(Resource::BodyBytes), 0);
        let alone = Account::new(&pools, None);
        alone.hold(63 * MIB).unwrap();
        assert!(alone.charge("a".to_owned()), "it holds nothing else");
        assert!(alone.charge("b".to_owned()), "the first key counts");
        assert_eq!(pools.keys().of("a".to_owned()).get(Resource::BodyBytes), 63 * MIB);
        assert_eq!(pools.keys().of("b".to_owned()).get(Resource::BodyBytes), 0);
    }
}
