//! The connections to the leader, wherever it is: each request takes a place on one of them, and learns when another node leads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use vouchlog::postgres::Postgres;
use vouchlog::{ConnectionSecurity, Error};
use vouchlog_api::ErrorKind;
use vouchlog_client::{Connection, GrpcLog};

use super::view::{LeaseView, look};

/// Calls at a time on one connection. A server takes 128.
const CALLS_PER_CONNECTION: usize = 96;
/// Connections to the leader: 1,152 calls at a time.
const MAX_CONNECTIONS: usize = 12;
/// What callers are told to wait when all of them are taken.
const BUSY: Duration = Duration::from_millis(100);

/// Connections to the node that leads the log. Clones share them.
#[derive(Clone)]
pub(super) struct Leaders(Arc<Inner>);

struct Inner {
    place: Postgres,
    view: watch::Receiver<LeaseView>,
    /// Where this node serves: nothing is forwarded there.
    own: String,
    security: ConnectionSecurity,
    last: Mutex<Option<Arc<Connections>>>,
}

/// A leader, and the connections to it.
pub(super) struct Connections {
    connection: Connection,
    slots: [Slot; MAX_CONNECTIONS],
}

#[derive(Default)]
struct Slot {
    calls: AtomicUsize,
    /// Made when it is first needed.
    log: OnceLock<GrpcLog>,
}

/// A place for one call to the leader.
pub(super) struct Place {
    leader: Arc<Connections>,
    slot: usize,
    /// How often the log was claimed when the place was taken.
    epoch: u64,
    pub(super) log: GrpcLog,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leader.slots[self.slot].calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Leaders {
    pub(super) fn new(
        place: Postgres,
        view: watch::Receiver<LeaseView>,
        own: impl Into<String>,
        security: ConnectionSecurity,
    ) -> Self {
        Self(Arc::new(Inner { place, view, own: own.into(), security, last: Mutex::default() }))
    }

    /// What is known of the lease.
    pub(super) fn view(&self) -> LeaseView {
        self.0.view.borrow().clone()
    }

    /// Whether this node presents a certificate of its own to the leader.
    pub(super) fn has_identity(&self) -> bool {
        self.0.security.identity.is_some()
    }

    /// A place for a call to the leader, with the token of the caller if that is to go along.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) when no node leads or it cannot be reached; [`Overloaded`](ErrorKind::Overloaded) when all
    /// places are taken.
    pub(super) fn place(&self, token: Option<&str>) -> Result<Place, Error> {
        let epoch = self.0.view.borrow().leader.epoch;
        let leader = self.leader()?;
        let free = leader.slots.iter().position(Slot::take);
        let Some(slot) = free else {
            let kind = ErrorKind::Overloaded { retry_after: BUSY };
            return Err(Error::new(kind, "this node forwards as many requests as it may: retry later"));
        };
        // From here on the place gives the slot back.
        let connected = leader.slots[slot].log(&leader.connection);
        let forwarding = connected.and_then(|log| log.forwarding(token));
        match forwarding {
            Ok(log) => Ok(Place { leader, slot, epoch, log }),
            Err(error) => {
                leader.slots[slot].calls.fetch_sub(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn leader(&self) -> Result<Arc<Connections>, Error> {
        let view = self.0.view.borrow();
        let leader = &view.leader;
        let mut last = self.0.last.lock();
        if let Some(known) = last.as_ref()
            && known.connection.url == leader.address
        {
            return Ok(Arc::clone(known));
        }
        if !leader.is_held {
            return Err(Error::unavailable(view.words()));
        }
        if leader.address.is_empty() {
            return Err(Error::unavailable(
                "the node that leads the log names no address for other nodes: it is started with --advertise",
            ));
        }
        if leader.address == self.0.own {
            return Err(Error::unavailable("this node is taking the log over: send the request again"));
        }
        let security = self.0.security.clone();
        let connection = Connection { security, ..Connection::new(&leader.address) };
        let connections =
            Arc::new(Connections { connection, slots: std::array::from_fn(|_| Slot::default()) });
        *last = Some(Arc::clone(&connections));
        Ok(connections)
    }

    /// Whether the node that a place is at led the log all the while since the place was taken. One that was deposed and does not know it may
    /// refuse what its successor would take.
    pub(super) async fn still_leads(&self, place: &Place) -> bool {
        let origin = self.0.view.borrow().leader.origin.clone();
        match look(&self.0.place, Some(&origin)).await {
            Ok(Some(leader)) => leader.epoch == place.epoch && leader.address == place.leader.connection.url,
            Ok(None) | Err(_) => false,
        }
    }

    /// Completes when another node leads the log than the one that this place is at. One that claims its log again stays the same.
    pub(super) async fn another_than(&self, place: &Place) {
        let url = &place.leader.connection.url;
        let mut view = self.0.view.clone();
        let is_other = |view: &LeaseView| view.leader.is_held && view.leader.address != *url;
        if view.wait_for(is_other).await.is_err() {
            // The standby has ended, and so does the call.
            std::future::pending::<()>().await;
        }
    }
}

impl Slot {
    /// Takes a place, if there is one.
    fn take(&self) -> bool {
        let taken = self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |calls| {
            (calls < CALLS_PER_CONNECTION).then_some(calls + 1)
        });
        taken.is_ok()
    }

    fn log(&self, connection: &Connection) -> Result<GrpcLog, Error> {
        if let Some(log) = self.log.get() {
            return Ok(log.clone());
        }
        let log = GrpcLog::connect(connection)
            .map_err(|error| Error::unavailable(format!("the leader cannot be reached: {error}")))?;
        Ok(self.log.get_or_init(|| log).clone())
    }
}
