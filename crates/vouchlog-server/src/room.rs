//! Who gets a connection: bounded by a number, by the file descriptors that the rest of the process needs, and by a share of each
//! address. When there is no room, connections that have been idle for longest make some.
//!
//! A commit, a segment or a journal that finds no descriptor fails in the middle of its work; a connection that finds none is
//! closed before it begins. So connections leave some free: they count every descriptor of the process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::admission::{Address, AddressKey, Clock, Connection, Origin, Pools, Resource, is_local};
use crate::config::ServerConfig;
use crate::descriptors::Descriptors;
use crate::limits::{
    CONNECTION_WINDOW, LEAVING_AT_ONCE, MAX_LEAVING, MIN_CONNECTION_WINDOW, MIN_CONNECTIONS_OF_ADDRESS,
    PATIENCE_WHEN_SHORT, QUIET_AFTER, RELIEF, SHARE_OF_ADDRESS, SHARE_OF_WINDOWS,
};
use crate::metrics::ServerMetrics;
use crate::tls::Tls;

/// Room for connections. Shared by all listeners of a server.
pub(crate) struct Room {
    total: usize,
    descriptors: Option<Descriptors>,
    proxies: Vec<AddressKey>,
    answer_timeout: Duration,
    /// Bytes of all windows together.
    windows: usize,
    clock: Clock,
    metrics: ServerMetrics,
    open: Mutex<Open>,
}

/// The connections that are open.
#[derive(Default)]
struct Open {
    connections: HashMap<u64, Arc<Connection>>,
    addresses: HashMap<AddressKey, (Arc<Address>, usize)>,
    next: u64,
    /// Those that were told to make room and have not yet.
    leaving: usize,
    /// Bytes of their windows.
    windows: usize,
}

/// What connections come to.
#[derive(Clone)]
pub(crate) struct Port {
    /// It is for operators, not for strangers.
    pub(crate) is_private: bool,
    /// Their bytes are in TLS.
    pub(crate) tls: Option<Tls>,
    /// Cancelled when the server stops.
    pub(crate) stopping: CancellationToken,
}

/// A connection's place. Free again when dropped.
pub(crate) struct Seat {
    room: Arc<Room>,
    number: u64,
    key: AddressKey,
    connection: Arc<Connection>,
    window: u32,
}

impl Seat {
    /// Bytes that the client may send before they are read, if it speaks HTTP/2.
    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Counts a TLS handshake that did not come to its end.
    pub(crate) fn handshake_failed(&self) {
        self.room.metrics.failed_handshakes.inc();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.metrics.connections.dec();
        self.room.open.lock().leave(self);
    }
}

impl Room {
    pub(crate) fn new(config: &ServerConfig, metrics: ServerMetrics) -> Arc<Self> {
        Arc::new(Self {
            total: config.max_connections,
            descriptors: config.max_descriptors.and_then(Descriptors::new),
            proxies: config.proxies.iter().copied().map(AddressKey::of).collect(),
            answer_timeout: config.answer_timeout,
            windows: config.window_bytes,
            clock: Clock::new(),
            metrics,
            open: Mutex::default(),
        })
    }

    /// A place for a connection whose socket is open already, or none.
    pub(crate) fn enter(self: &Arc<Self>, from: SocketAddr, port: &Port) -> Option<Seat> {
        let key = AddressKey::of(from.ip());
        let is_shared = is_local(from) || self.proxies.contains(&key);
        let mut open = self.open.lock();
        let free = self.total.saturating_sub(open.connections.len());
        let of_address = open.addresses.get(&key).map_or(0, |(_, connections)| *connections);
        let share = (free / SHARE_OF_ADDRESS).max(MIN_CONNECTIONS_OF_ADDRESS);
        if (!is_shared && of_address >= share) || !self.has_room(&mut open) {
            self.metrics.refused_connections.inc();
            return None;
        }
        let (address, connections) =
            open.addresses.entry(key).or_insert_with(|| (Arc::new(Address::new(is_shared)), 0));
        *connections += 1;
        let Port { is_private, stopping, .. } = port.clone();
        let origin = Origin { address: Arc::clone(address), is_private, stopping };
        let connection = Arc::new(Connection::new(origin, self.clock.clone()));
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, Arc::clone(&connection));
        let window = open.window(self.windows);
        self.metrics.connections.inc();
        Some(Seat { room: Arc::clone(self), number, key, connection, window })
    }

    /// Whether one more may be opened, after others were told to leave if need be.
    fn has_room(&self, open: &mut Open) -> bool {
        let connections = open.connections.len();
        let staying = connections - open.leaving;
        let fits = staying < self.total
            && self.descriptors.as_ref().is_none_or(|descriptors| descriptors.admit(connections + 1));
        if fits {
            return true;
        }
        if connections >= self.total.saturating_add(MAX_LEAVING) || open.leaving >= MAX_LEAVING {
            return false;
        }
        let wanted = (connections / LEAVING_AT_ONCE).clamp(1, MAX_LEAVING);
        self.ask_to_leave(open, wanted) > 0
    }

    /// Has the connections leave that have been idle for longest; after them, those with calls on which nothing happens. How many.
    fn ask_to_leave(&self, open: &mut Open, wanted: usize) -> usize {
        let quiet_since = self.clock.millis().saturating_sub(millis(QUIET_AFTER));
        // Of connections that were last active in the same millisecond, the one that came first leaves first.
        let mut candidates: Vec<_> = open
            .connections
            .iter()
            .filter(|(_, connection)| !connection.is_leaving())
            .map(|(number, it)| ((!it.is_idle(), it.active_at(), *number), it))
            .filter(|((is_busy, active_at, _), _)| !is_busy || *active_at < quiet_since)
            .collect();
        candidates.sort_unstable_by_key(|(order, _)| *order);
        candidates.truncate(wanted);
        for (_, connection) in &candidates {
            connection.leave();
            self.metrics.ended_connection("idle");
        }
        let leaving = candidates.len();
        open.leaving += leaving;
        leaving
    }

    /// Cuts off clients that do not read their answers, for as long as the server runs.
    pub(crate) async fn cut_slow_readers(&self) {
        loop {
            // Two epochs after the one in which a piece was made are the time it has.
            tokio::time::sleep((self.answer_timeout / 2).max(Duration::from_millis(1))).await;
            self.clock.next_epoch();
            for connection in self.open.lock().connections.values() {
                if connection.is_slow_reader() && !connection.cut().is_cancelled() {
                    connection.cut().cancel();
                    self.metrics.ended_connection("slow_reader");
                }
            }
        }
    }
}

/// When bytes run short, cuts off the connection that has clung to most of them, for as long as the server runs: each waits for
/// bytes that do not come, or does not read. So those who do nothing give way before those who do.
pub(crate) async fn relieve(room: &Room, pools: &Pools) {
    loop {
        pools.shortage().await;
        while Resource::BYTES.iter().any(|resource| pools.is_short(*resource)) {
            for resource in Resource::BYTES {
                while pools.is_short(resource) && room.cut_longest(resource) {
                    // What it held is free again once its tasks have ended.
                    tokio::time::sleep(RELIEF).await;
                }
            }
            tokio::time::sleep(RELIEF * 10).await;
        }
    }
}

impl Room {
    /// Cuts off the connection that has clung to most bytes. Whether there was one.
    fn cut_longest(&self, resource: Resource) -> bool {
        let open = self.open.lock();
        let longest = open
            .connections
            .values()
            .filter(|connection| !connection.cut().is_cancelled())
            .map(|connection| (connection.clings_to(resource, PATIENCE_WHEN_SHORT), connection))
            .max_by_key(|(bytes, _)| *bytes);
        let Some((bytes, connection)) = longest.filter(|(bytes, _)| *bytes > 0) else { return false };
        tracing::debug!(bytes, "a connection is cut off because bytes run short");
        connection.cut().cancel();
        self.metrics.ended_connection("shortage");
        true
    }
}

impl Open {
    /// The window of one more connection, of so many bytes for all. It cannot be taken back, so the next one gets less.
    fn window(&mut self, total: usize) -> u32 {
        let share = total.saturating_sub(self.windows) / SHARE_OF_WINDOWS;
        let window = u32::try_from(share).unwrap_or(u32::MAX).clamp(MIN_CONNECTION_WINDOW, CONNECTION_WINDOW);
        self.windows += window as usize;
        window
    }

    fn leave(&mut self, place: &Seat) {
        self.connections.remove(&place.number);
        self.windows -= place.window as usize;
        if place.connection.is_leaving() {
            self.leaving -= 1;
        }
        if let Some((_, connections)) = self.addresses.get_mut(&place.key) {
            *connections -= 1;
            if *connections == 0 {
                self.addresses.remove(&place.key);
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    fn room(total: usize) -> Arc<Room> {
        let config = ServerConfig { max_connections: total, ..ServerConfig::default() };
        Room::new(&config, ServerMetrics::register(&mut Registry::default()))
    }

    fn enter(room: &Arc<Room>, address: &str) -> Option<Seat> {
        let port = Port { is_private: false, tls: None, stopping: CancellationToken::new() };
        room.enter(address.parse().unwrap(), &port)
    }

    #[test]
    fn one_address_cannot_have_all() {
        let room = room(300);
        let held: Vec<Seat> = (0..300).map_while(|_| enter(&room, "192.0.2.1:1")).collect();
        assert_eq!(held.len(), 100, "a third");
        assert!(enter(&room, "192.0.2.1:1").is_none());
        assert!(enter(&room, "192.0.2.2:1").is_some());
        drop(held);
        assert!(enter(&room, "192.0.2.1:1").is_some());
        let local: Vec<Seat> = (0..300).map_while(|_| enter(&room, "127.0.0.1:1")).collect();
        assert_eq!(local.len(), 300, "this machine stands for many");
    }

    #[test]
    fn proxies_have_no_share() {
        let proxies = vec!["192.0.2.1".parse().unwrap()];
        let config = ServerConfig { max_connections: 300, proxies, ..ServerConfig::default() };
        let room = Room::new(&config, ServerMetrics::register(&mut Registry::default()));
        assert_eq!((0..300).map_while(|_| enter(&room, "192.0.2.1:1")).collect::<Vec<_>>().len(), 300);
    }

    /// The newcomer comes in, the one that has been idle for longest goes, and one that is busy stays.
    #[test]
    fn the_longest_idle_make_room() {
        let room = room(3);
        let held: Vec<Seat> = (0..3).map_while(|_| enter(&room, "127.0.0.1:1")).collect();
        let busy = crate::admission::testing::busy(held[0].connection());
        std::thread::sleep(Duration::from_millis(3));
        held[1].connection().touch();
        let newcomer = enter(&room, "127.0.0.1:1");
        assert!(newcomer.is_some());
        let leaving: Vec<bool> = held.iter().map(|place| place.connection().is_leaving()).collect();
        assert_eq!(leaving, [false, false, true]);
        drop((held, newcomer, busy));
        let open = room.open.lock();
        assert!(open.connections.is_empty() && open.addresses.is_empty());
        assert_eq!((open.leaving, open.windows), (0, 0));
    }

    /// Connections that came within one millisecond once made room in no particular order.
    #[test]
    fn of_those_that_came_together_the_first_goes() {
        let room = room(16);
        let held: Vec<Seat> = (0..16).map_while(|_| enter(&room, "127.0.0.1:1")).collect();
        let newcomers: Vec<Seat> = (0..8).map_while(|_| enter(&room, "127.0.0.1:1")).collect();
        let leaving: Vec<bool> = held.iter().map(|place| place.connection().is_leaving()).collect();
        assert_eq!(newcomers.len(), 8);
        assert_eq!(leaving.iter().position(|is_leaving| !is_leaving), Some(8), "{leaving:?}");
    }

    /// 8,192 connections could once have a server hold 8 GiB that it had not read.
    #[test]
    fn windows_share_one_budget_and_give_it_back() {
        let room = room(1_000);
        let held: Vec<Seat> = (0..1_000).map_while(|_| enter(&room, "127.0.0.1:1")).collect();
        let windows: Vec<u32> = held.iter().map(Seat::window).collect();
        assert_eq!((windows.len(), windows[0]), (1_000, CONNECTION_WINDOW));
        assert!(windows.is_sorted_by(|earlier, later| earlier >= later));
        let beyond_least: u32 = windows.iter().map(|window| window - MIN_CONNECTION_WINDOW).sum();
        assert!(beyond_least as usize <= crate::limits::WINDOW_BYTES, "{beyond_least}");
        assert_eq!(windows[999], MIN_CONNECTION_WINDOW);
        drop(held);
        assert_eq!(enter(&room, "127.0.0.1:1").unwrap().window(), CONNECTION_WINDOW);
    }

    #[test]
    fn busy_connections_are_not_sent_away() {
        let room = room(2);
        let held: Vec<Seat> = (0..2).map_while(|_| enter(&room, "127.0.0.1:1")).collect();
        let busy: Vec<_> =
            held.iter().map(|place| crate::admission::testing::busy(place.connection())).collect();
        assert!(enter(&room, "127.0.0.1:1").is_none());
        drop(busy);
        assert!(enter(&room, "127.0.0.1:1").is_some());
    }
}
