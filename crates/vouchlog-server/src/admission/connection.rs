//! A connection that is open: what it holds, when it was last of use, and how it is told to end.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use super::holdings::{Holdings, Resource};
use super::time::{Clock, EPOCHS};

/// A client's address, as far as shares go: an IPv4 address, or the /64 that one IPv6 host can choose addresses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AddressKey(IpAddr);

impl AddressKey {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self(Ipv6Addr::from_bits(network).into())
            }
            address => Self(address),
        }
    }
}

/// All connections of one address.
pub(crate) struct Address {
    holdings: Holdings,
    /// Many clients come from it: this machine, or a proxy. Then only its connections have shares.
    is_shared: bool,
}

impl Address {
    pub(crate) fn new(is_shared: bool) -> Self {
        Self { holdings: Holdings::default(), is_shared }
    }

    pub(crate) fn holdings(&self) -> &Holdings {
        &self.holdings
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }
}

/// A connection that is open.
pub(crate) struct Connection {
    address: Arc<Address>,
    holdings: Holdings,
    clock: Clock,
    /// Requests whose answer is not through.
    under_way: AtomicUsize,
    /// When a request last made progress, in milliseconds of the clock.
    active_at: AtomicU64,
    /// Pieces of answers that the client has not read, by the epoch in which they were made.
    unread: [AtomicUsize; EPOCHS],
    /// Since when it has held bytes without a break, of bodies and of answers.
    holds_since: [AtomicU64; Resource::BYTES.len()],
    /// Held while an answer is made that takes long.
    heavy: Mutex<()>,
    /// Requests that were begun since it was silent.
    together: AtomicUsize,
    /// Held by the one of them that is about to begin.
    next: Mutex<()>,
    /// Operations are answered in full: the port is not for strangers.
    is_private: bool,
    /// Ends it when its requests have ended.
    closing: CancellationToken,
    /// It makes room for others.
    is_leaving: AtomicBool,
    /// Ends it at once.
    cut: CancellationToken,
}

/// How a connection came.
pub(crate) struct Origin {
    pub(crate) address: Arc<Address>,
    pub(crate) is_private: bool,
    /// Cancelled when the server stops.
    pub(crate) stopping: CancellationToken,
}

impl Connection {
    pub(crate) fn new(origin: Origin, clock: Clock) -> Self {
        let Origin { address, is_private, stopping } = origin;
        Self {
            address,
            holdings: Holdings::default(),
            active_at: AtomicU64::new(clock.millis()),
            clock,
            under_way: AtomicUsize::new(0),
            unread: Default::default(),
            holds_since: Default::default(),
            heavy: Mutex::new(()),
            together: AtomicUsize::new(0),
            next: Mutex::new(()),
            is_private,
            closing: stopping.child_token(),
            is_leaving: AtomicBool::new(false),
            cut: CancellationToken::new(),
        }
    }

    pub(crate) fn holdings(&self) -> &Holdings {
        &self.holdings
    }

    pub(crate) fn address(&self) -> &Arc<Address> {
        &self.address
    }

    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }

    /// The turn of the next of this connection's requests whose answer takes long to make.
    pub(crate) async fn heavy_turn(&self) -> MutexGuard<'_, ()> {
        self.heavy.lock().await
    }

    /// The client has sent nothing more for now.
    pub(crate) fn fell_silent(&self) {
        self.together.store(0, Ordering::Relaxed);
    }

    /// Waits until it is this request's turn to begin. Of requests that came together, a pipeline or many streams, one begins at a
    /// time, and between two of them whatever else is ready to run: a connection takes no more of the processors by sending more at
    /// once.
    pub(crate) async fn turn_to_begin(&self) {
        if self.together.fetch_add(1, Ordering::Relaxed) > 0 {
            let _next = self.next.lock().await;
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    pub(crate) fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Has it make room for others.
    pub(crate) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
        self.closing.cancel();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// A request made progress.
    pub(crate) fn touch(&self) {
        self.active_at.store(self.clock.millis(), Ordering::Relaxed);
    }

    /// It holds something of a resource, after it held nothing.
    pub(super) fn begin_to_hold(&self, resource: Resource) {
        if let Some(place) = Resource::BYTES.iter().position(|bytes| *bytes == resource) {
            self.holds_since[place].store(self.clock.millis(), Ordering::Relaxed);
        }
    }

    /// How many bytes of bodies, or of answers, it has held a part of for longer than that, without a break.
    pub(crate) fn clings_to(&self, resource: Resource, longer_than: Duration) -> usize {
        let Some(place) = Resource::BYTES.iter().position(|bytes| *bytes == resource) else { return 0 };
        let held_for = self.clock.millis().saturating_sub(self.holds_since[place].load(Ordering::Relaxed));
        if u128::from(held_for) < longer_than.as_millis() { 0 } else { self.holdings.get(resource) }
    }

    pub(crate) fn active_at(&self) -> u64 {
        self.active_at.load(Ordering::Relaxed)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0
    }

    /// Whether something that was made in the epoch that is over now is still unread.
    pub(crate) fn is_slow_reader(&self) -> bool {
        self.unread[self.clock.oldest_epoch()].load(Ordering::Relaxed) > 0
    }
}

/// A request under way on a connection.
pub(crate) struct Busy(Arc<Connection>);

impl Busy {
    pub(crate) fn new(connection: &Arc<Connection>) -> Self {
        connection.under_way.fetch_add(1, Ordering::Relaxed);
        connection.touch();
        Self(Arc::clone(connection))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

/// A piece of an answer that the client has not read.
pub(crate) struct Unread {
    connection: Arc<Connection>,
    epoch: usize,
}

impl Unread {
    pub(crate) fn new(connection: &Arc<Connection>) -> Self {
        let epoch = connection.clock.epoch();
        connection.unread[epoch].fetch_add(1, Ordering::Relaxed);
        connection.touch();
        Self { connection: Arc::clone(connection), epoch }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.connection.unread[self.epoch].fetch_sub(1, Ordering::Relaxed);
        self.connection.touch();
    }
}

/// Whether many clients come from an address by its nature: this machine's own.
pub(crate) fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub(crate) fn address(ip: &str) -> Arc<Address> {
        let ip: IpAddr = ip.parse().unwrap();
        Arc::new(Address::new(is_local(SocketAddr::new(ip, 1))))
    }

    pub(crate) fn connection_of(address: &Arc<Address>) -> Arc<Connection> {
        let stopping = CancellationToken::new();
        let origin = Origin { address: Arc::clone(address), is_private: false, stopping };
        Arc::new(Connection::new(origin, Clock::new()))
    }

    pub(crate) fn busy(connection: &Arc<Connection>) -> Busy {
        Busy::new(connection)
    }

    pub(crate) fn connection(address: &str) -> Arc<Connection> {
        let of: SocketAddr = address.parse().unwrap();
        connection_of(&self::address(&of.ip().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_key() {
        let key = |text: &str| AddressKey::of(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::3"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::3"), key("2001:db8:1:3::3"));
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
        assert_ne!(key("192.0.2.8"), key("192.0.2.7"));
    }

    #[tokio::test]
    async fn requests_that_came_together_let_those_of_others_in() {
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let (flood, other) = (testing::connection("192.0.2.1:1"), testing::connection("192.0.2.2:1"));
        let request = |connection: &Arc<Connection>, name: &'static str| {
            let (connection, order) = (Arc::clone(connection), Arc::clone(&order));
            tokio::spawn(async move {
                connection.turn_to_begin().await;
                order.lock().push(name);
            })
        };
        let mut all: Vec<_> = (0..100).map(|_| request(&flood, "flood")).collect();
        all.push(request(&other, "other"));
        for one in all {
            one.await.unwrap();
        }
        let place = order.lock().iter().position(|name| *name == "other").unwrap();
        assert!(place < 5, "it was behind {place} requests of the flood");
        // The first one after a silence waits for nothing.
        flood.fell_silent();
        let _held = flood.next.lock().await;
        flood.turn_to_begin().await;
    }

    #[test]
    fn what_is_unread_for_two_epochs_is_noticed() {
        let connection = testing::connection("192.0.2.1:1");
        let unread = Unread::new(&connection);
        connection.clock.next_epoch();
        assert!(!connection.is_slow_reader());
        connection.clock.next_epoch();
        assert!(!connection.is_slow_reader());
        connection.clock.next_epoch();
        assert!(connection.is_slow_reader());
        drop(unread);
        assert!(!connection.is_slow_reader());
    }
}
