//! A stretch of network on loopback that the test holds, cuts, or leads elsewhere: between a node and its database, and between gateways
//! and the node that leads. It also stops a node at a chosen moment of what it sends to its database.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::process::signal;

/// How often a held stretch looks whether it is let go.
const LOOK: Duration = Duration::from_millis(5);
/// How long a connection of the link takes at most to come about.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// The stretch. What is held is not lost: it arrives when the link is healed, as after a partition.
#[derive(Clone)]
pub(super) struct Link {
    port: u16,
    target: Arc<Mutex<SocketAddr>>,
    requests_held: Arc<AtomicBool>,
    answers_held: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<Weak<Ends>>>>,
    trap: Arc<Mutex<Option<Trap>>>,
}

/// Both ends of a connection, the client's and the server's. They are closed once neither direction is read any more.
struct Ends([TcpStream; 2]);

impl Ends {
    fn shut_down(&self) {
        for end in &self.0 {
            end.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Link {
    /// Leads to a port on loopback.
    pub(super) fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Self::over(listener.local_addr().unwrap().port(), target);
        let shared = link.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let target = *shared.target.lock();
                let Ok(server) = TcpStream::connect_timeout(&target, CONNECT_PATIENCE) else { continue };
                shared.join(Ends([client, server]));
            }
        });
        link
    }

    /// No link at all: holding and cutting it does nothing.
    pub(super) fn none() -> Self {
        Self::over(0, 0)
    }

    fn over(port: u16, target: u16) -> Self {
        Self {
            port,
            target: Arc::new(Mutex::new((Ipv4Addr::LOCALHOST, target).into())),
            requests_held: Arc::default(),
            answers_held: Arc::default(),
            open: Arc::default(),
            trap: Arc::default(),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Holds what goes to the server, what comes back, or both.
    pub(super) fn hold(&self, held: Stall) {
        self.requests_held.store(held != Stall::Answers, Ordering::SeqCst);
        self.answers_held.store(held != Stall::Requests, Ordering::SeqCst);
    }

    pub(super) fn heal(&self) {
        self.requests_held.store(false, Ordering::SeqCst);
        self.answers_held.store(false, Ordering::SeqCst);
    }

    /// Ends every connection; what is held is lost.
    pub(super) fn cut(&self) {
        for ends in self.open.lock().drain(..).filter_map(|ends| ends.upgrade()) {
            ends.shut_down();
        }
    }

    /// Leads to another server from now on.
    pub(super) fn lead_to(&self, target: SocketAddr) {
        let former = std::mem::replace(&mut *self.target.lock(), target);
        if former != target {
            self.cut();
        }
    }

    /// Stops the process `pid` at its next `moment`, and from then on holds what it sends.
    pub(super) fn stop_at(&self, moment: Moment, pid: u32) {
        *self.trap.lock() = Some(Trap { moment, pid });
    }

    fn join(&self, ends: Ends) {
        let ends = Arc::new(ends);
        let mut open = self.open.lock();
        open.retain(|ends| ends.strong_count() > 0);
        open.push(Arc::downgrade(&ends));
        drop(open);
        let traffic = Arc::<Mutex<Traffic>>::default();
        for is_request in [true, false] {
            let (link, traffic, ends) = (self.clone(), traffic.clone(), ends.clone());
            let held = if is_request { self.requests_held.clone() } else { self.answers_held.clone() };
            thread::spawn(move || {
                let [client, server] = &ends.0;
                let (mut from, mut to) = if is_request { (client, server) } else { (server, client) };
                let mut buffer = [0; 65_536];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    let chunk = &buffer[..count];
                    let passes = link.spring(&mut traffic.lock(), chunk, is_request);
                    let (first, rest) = chunk.split_at(passes);
                    let mut sent = to.write_all(first);
                    while held.load(Ordering::SeqCst) {
                        thread::sleep(LOOK);
                    }
                    sent = sent.and_then(|()| to.write_all(rest));
                    if sent.is_err() {
                        break;
                    }
                }
                ends.shut_down();
            });
        }
    }

    /// Stops the process if this is the moment. Returns how many bytes of the chunk pass even if the link is held.
    fn spring(&self, traffic: &mut Traffic, chunk: &[u8], is_request: bool) -> usize {
        traffic.add(chunk, is_request);
        let mut trap = self.trap.lock();
        let Some(Trap { moment, pid }) = trap.take_if(|trap| trap.moment.is_now(traffic, chunk, is_request))
        else {
            return 0;
        };
        // Before the process is stopped: it must not get an answer in between.
        self.requests_held.store(true, Ordering::SeqCst);
        signal(pid, "STOP");
        if moment == Moment::MidSend { chunk.len() / 2 } else { 0 }
    }
}

/// Which direction is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stall {
    Requests,
    Answers,
    Both,
}

/// A moment of what a leader and its database send each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A commit has left the process and has not reached the database.
    BeforeCommit,
    /// Half of what is on the way of a commit of more than [`LARGE`] bytes has reached the database.
    MidSend,
    /// The database has committed, and its answer has not reached the process.
    AfterCommit,
    /// A renewal of the lease is on its way.
    BeforeRenewal,
    /// The lease was renewed, and the answer is on its way.
    AfterRenewal,
    /// Tiles and bundles are on their way to the sealed part.
    Sealing,
}

/// What makes a commit large.
const LARGE: usize = 512 << 10;

/// A process that is to be stopped.
struct Trap {
    moment: Moment,
    pid: u32,
}

impl Moment {
    fn is_now(self, traffic: &Traffic, chunk: &[u8], is_request: bool) -> bool {
        let answers = |tag: &[u8]| !is_request && contains(chunk, tag);
        match self {
            Self::BeforeCommit => is_request && traffic.commits,
            Self::MidSend => is_request && traffic.commits && traffic.sent > LARGE,
            Self::AfterCommit => traffic.commits && answers(b"SELECT 1\0"),
            Self::BeforeRenewal => is_request && traffic.renews,
            Self::AfterRenewal => traffic.renews && answers(b"UPDATE 1\0"),
            Self::Sealing => is_request && contains(chunk, b"INSERT INTO vouchlog_sealed"),
        }
    }
}

/// What a connection is used for.
#[derive(Default)]
struct Traffic {
    commits: bool,
    renews: bool,
    /// Bytes since the last answer.
    sent: usize,
}

impl Traffic {
    fn add(&mut self, chunk: &[u8], is_request: bool) {
        if !is_request {
            self.sent = 0;
            return;
        }
        self.sent += chunk.len();
        // The name is in the first message, the statement where it is prepared.
        self.commits |= contains(chunk, b"vouchlog commit");
        self.renews |= contains(chunk, b"SET renewed = clock_timestamp()");
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}
