//! What requests take from: places and bytes, of which each connection and each address has a share.
//!
//! ```text
//! taken if   used + n <= total
//!       and  held by the connection + n <= free / divisor of a connection, or n <= free / 2 where it holds nothing yet
//!       and  held by the address    + n <= free / 2
//!       and  held by the key        + n <= free, once the key is known, where it holds something
//! ```
//!
//! A share is a fraction of what is *free*, not of the total (dynamic thresholds: Choudhury and Hahne, "Dynamic Queue Length
//! Thresholds for Shared-Memory Packet Switches", 1998). One client alone may use much; the more there are, the less each gets; and
//! however many take all they can, something is left for the next. Nothing has to be configured for that, and no lock is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use vouchlog_api::{Error, ErrorKind};

use super::connection::Connection;
use super::holdings::{Holdings, Resource};
use super::keys::Keys;
use crate::config::ServerConfig;
use crate::limits::{
    MAX_OPERATIONS, MIN_SHARE_BYTES, OPERATIONS_BYTES, RETRY_AFTER, SHARE_ALONE, SHARE_OF_ADDRESS,
    SHARE_OF_CONNECTION, SHARE_OF_CONNECTION_QUEUED, SHARE_OF_CONNECTION_STREAMS,
    SHARE_OF_CONNECTION_WAITING, SHARE_OF_KEY, SHORT,
};
use crate::metrics::ServerMetrics;

/// The pools of one server.
pub(crate) struct Pools {
    pools: [Pool; Resource::COUNT],
    keys: Keys,
    metrics: ServerMetrics,
    /// Told when bytes run short.
    shortage: Notify,
}

/// One pool, in a cache line of its own.
#[repr(align(64))]
struct Pool {
    used: AtomicUsize,
    total: usize,
    /// A connection may hold this part of what is free.
    of_connection: usize,
    /// A share is never less than this.
    least: usize,
}

impl Pool {
    /// Whether a key may hold so much, of which it just took the last. What it takes while it holds nothing is bounded by the shares of
    /// its connection and address.
    fn is_fair_to_key(&self, held: usize, last: usize, free: usize) -> bool {
        held == last || held <= (free / SHARE_OF_KEY).max(self.least)
    }
}

impl Pools {
    pub(crate) fn new(config: &ServerConfig, metrics: ServerMetrics) -> Arc<Self> {
        let pool = |resource| {
            let (total, of_connection, least) = match resource {
                Resource::Operations => (MAX_OPERATIONS, SHARE_OF_CONNECTION, 1),
                // Half each: neither reads nor appends can use the other's places.
                Resource::Reads | Resource::Appends => {
                    (config.max_requests.div_ceil(2), SHARE_OF_CONNECTION, 1)
                }
                Resource::House => (config.max_house_requests, SHARE_OF_CONNECTION, 1),
                Resource::Streams => (config.max_streams, SHARE_OF_CONNECTION_STREAMS, 1),
                Resource::Waiting => (config.max_waiting_bodies, SHARE_OF_CONNECTION_WAITING, 1),
                Resource::BodyBytes => (config.body_bytes, SHARE_OF_CONNECTION, MIN_SHARE_BYTES),
                Resource::QueuedBytes => (config.queued_bytes, SHARE_OF_CONNECTION_QUEUED, MIN_SHARE_BYTES),
                Resource::AnswerBytes => (config.answer_bytes, SHARE_OF_CONNECTION, MIN_SHARE_BYTES),
                Resource::OperationsBytes => (OPERATIONS_BYTES, SHARE_OF_CONNECTION, MIN_SHARE_BYTES),
            };
            Pool { used: AtomicUsize::new(0), total: total.max(1), of_connection, least }
        };
        let pools = Resource::ALL.map(pool);
        Arc::new(Self { pools, keys: Keys::default(), metrics, shortage: Notify::new() })
    }

    /// What the requests of each key hold.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether nothing of it is left.
    pub(crate) fn is_used_up(&self, resource: Resource) -> bool {
        let pool = self.pool(resource);
        pool.used.load(Ordering::Relaxed) >= pool.total
    }

    /// Takes so much of a resource, for a connection where there is one.
    pub(crate) fn take(
        self: &Arc<Self>,
        resource: Resource,
        amount: usize,
        connection: Option<&Arc<Connection>>,
    ) -> Result<Allotment, Error> {
        let mut taken = Allotment {
            pools: Arc::clone(self),
            connection: connection.cloned(),
            key: None,
            resource,
            amount: 0,
        };
        taken.grow(amount)?;
        Ok(taken)
    }

    /// Counts a refusal, and says it to the caller.
    pub(crate) fn refuse(&self, resource: Resource) -> Error {
        self.metrics.refused(resource.label());
        let why = match resource {
            Resource::Streams => "too many calls are open: close one, or retry later",
            Resource::Waiting => "too many requests wait for their bodies: retry the same request later",
            Resource::BodyBytes | Resource::QueuedBytes => {
                "too many bytes of requests in flight: retry the same request later"
            }
            Resource::AnswerBytes | Resource::OperationsBytes => {
                "too many bytes of answers are unread: read them, and retry later"
            }
            _ => "too many requests in flight: retry the same request later",
        };
        Error::new(ErrorKind::Overloaded { retry_after: RETRY_AFTER }, why)
    }

    /// The same for a key that has its share.
    fn refuse_key(&self, resource: Resource) -> Error {
        self.metrics.refused(resource.label());
        let why = "this key's other requests hold its share of the server: end some, or retry the same request later";
        Error::new(ErrorKind::Overloaded { retry_after: RETRY_AFTER }, why)
    }

    /// Completes when bytes run short.
    pub(crate) async fn shortage(&self) {
        self.shortage.notified().await;
    }

    /// Whether little is left of it.
    pub(crate) fn is_short(&self, resource: Resource) -> bool {
        let pool = self.pool(resource);
        pool.total.saturating_sub(pool.used.load(Ordering::Relaxed)) < pool.total / SHORT
    }

    fn pool(&self, resource: Resource) -> &Pool {
        &self.pools[resource as usize]
    }
}

/// Why there is no room.
enum Lack {
    /// Others have it, or the connection and its address hold their share.
    Room,
    /// The key holds its share.
    KeyShare,
}

/// What was taken. Given back when it is dropped.
pub(crate) struct Allotment {
    pools: Arc<Pools>,
    connection: Option<Arc<Connection>>,
    /// What the requests of its key hold, once the key is known.
    key: Option<Arc<Holdings>>,
    resource: Resource,
    amount: usize,
}

impl Allotment {
    /// Takes so much for a key, if there is so much; counts no refusal.
    pub(super) fn fitting(
        pools: &Arc<Pools>,
        connection: Option<&Arc<Connection>>,
        key: Option<Arc<Holdings>>,
        resource: Resource,
        amount: usize,
    ) -> Option<Self> {
        let (pools, connection) = (Arc::clone(pools), connection.cloned());
        let mut taken = Self { pools, connection, key, resource, amount: 0 };
        taken.fit(amount).is_ok().then_some(taken)
    }

    /// Takes so much more, or nothing.
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), Error> {
        self.fit(more).map_err(|lack| match lack {
            Lack::Room => self.pools.refuse(self.resource),
            Lack::KeyShare => self.pools.refuse_key(self.resource),
        })
    }

    fn fit(&mut self, more: usize) -> Result<(), Lack> {
        let pool = self.pools.pool(self.resource);
        let fitting = |used: usize| used.checked_add(more).filter(|used| *used <= pool.total);
        let used = pool.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fitting);
        if Resource::BYTES.contains(&self.resource) && self.pools.is_short(self.resource) {
            self.pools.shortage.notify_one();
        }
        let Ok(used) = used else { return Err(Lack::Room) };
        self.amount += more;
        let free = pool.total - used;
        let has_key_room = self.key.as_ref().is_none_or(|key| {
            let held = key.add(self.resource, more);
            pool.is_fair_to_key(held, more, free)
        });
        if has_key_room & self.is_fair_to_others(more, free) {
            return Ok(());
        }
        self.shrink(more);
        Err(if has_key_room { Lack::Room } else { Lack::KeyShare })
    }

    /// Counts so much more for the connection and its address. Whether that is within their shares.
    fn is_fair_to_others(&self, more: usize, free: usize) -> bool {
        let Some(connection) = &self.connection else { return true };
        let pool = self.pools.pool(self.resource);
        let held = connection.holdings().add(self.resource, more);
        if held == more {
            connection.begin_to_hold(self.resource);
        }
        let held_by_address = connection.address().holdings().add(self.resource, more);
        // The largest answer comes in one piece, and has to be possible while there is room.
        let of_connection = if held == more { free / SHARE_ALONE } else { free / pool.of_connection };
        held <= of_connection.max(pool.least)
            && (connection.address().is_shared()
                || held_by_address <= (free / SHARE_OF_ADDRESS).max(pool.least))
    }

    /// Counts for a key what was taken before the key was known, and what is taken from now on; or nothing, if the key has its share.
    pub(super) fn charge(&mut self, key: &Arc<Holdings>) -> Result<(), Error> {
        let pool = self.pools.pool(self.resource);
        let free = pool.total.saturating_sub(pool.used.load(Ordering::Relaxed));
        let held = key.add(self.resource, self.amount);
        if pool.is_fair_to_key(held, self.amount, free) {
            self.key = Some(Arc::clone(key));
            return Ok(());
        }
        key.subtract(self.resource, self.amount);
        Err(self.pools.refuse_key(self.resource))
    }

    /// Gives so much back.
    pub(crate) fn shrink(&mut self, less: usize) {
        let less = less.min(self.amount);
        self.amount -= less;
        self.pools.pool(self.resource).used.fetch_sub(less, Ordering::Relaxed);
        self.forget(less);
    }

    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    fn forget(&self, less: usize) {
        if let Some(key) = &self.key {
            key.subtract(self.resource, less);
        }
        if let Some(connection) = &self.connection {
            connection.holdings().subtract(self.resource, less);
            connection.address().holdings().subtract(self.resource, less);
        }
    }
}

impl Drop for Allotment {
    fn drop(&mut self) {
        self.shrink(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::admission::connection::testing;

    fn pools(bytes: usize) -> Arc<Pools> {
        let config = ServerConfig { body_bytes: bytes, ..ServerConfig::default() };
        Pools::new(&config, ServerMetrics::register(&mut Registry::default()))
    }

    const MIB: usize = 1 << 20;

    #[test]
    fn what_is_taken_is_given_back() {
        let pools = pools(MIB);
        let connection = testing::connection("192.0.2.1:1");
        let mut taken = pools.take(Resource::BodyBytes, 1_000, Some(&connection)).unwrap();
        taken.grow(24).unwrap();
        assert_eq!((taken.amount(), connection.holdings().get(Resource::BodyBytes)), (1_024, 1_024));
        taken.shrink(24);
        assert!(taken.grow(2 * MIB).is_err(), "more than there is");
        assert_eq!(connection.holdings().get(Resource::BodyBytes), 1_000);
        drop(taken);
        assert_eq!(connection.holdings().get(Resource::BodyBytes), 0);
        assert_eq!(connection.address().holdings().get(Resource::BodyBytes), 0);
        assert_eq!(pools.pool(Resource::BodyBytes).used.load(Ordering::Relaxed), 0);
    }

    /// Greedy connections, each of its own address: the next one finds room all the same.
    #[test]
    fn something_is_left_for_the_next() {
        let pools = pools(64 * MIB);
        let mut held = Vec::new();
        for number in 0..33 {
            let connection = testing::connection(&format!("192.0.2.{number}:1"));
            while let Ok(taken) = pools.take(Resource::BodyBytes, 16 * 1024, Some(&connection)) {
                held.push(taken);
            }
            let next = testing::connection("198.51.100.1:1");
            let good = pools.take(Resource::BodyBytes, 256 * 1024, Some(&next));
            assert!(good.is_ok(), "after {number} greedy connections");
        }
    }

    /// Connections of one address share; those of a proxy or of this machine do not.
    #[test]
    fn an_address_has_a_share_of_its_own() {
        let pools = pools(64 * MIB);
        let take_all = |address: &str| {
            let shared = testing::address(address);
            let mut held = Vec::new();
            for _ in 0..100 {
                let connection = testing::connection_of(&shared);
                while let Ok(taken) = pools.take(Resource::BodyBytes, 16 * 1024, Some(&connection)) {
                    held.push(taken);
                }
            }
            held.iter().map(Allotment::amount).sum::<usize>()
        };
        let remote = take_all("192.0.2.1");
        assert!((20 * MIB..23 * MIB).contains(&remote), "a third: {remote}");
        assert!(take_all("127.0.0.1") > 50 * MIB);
    }
}
