//! A stretch of network on loopback that the test holds, cuts, or leads elsewhere: between a node and its database, and between gateways
//! and the node that leads.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

/// How often a held stretch looks whether it is let go.
const LOOK: Duration = Duration::from_millis(5);

/// The stretch. What is held is not lost: it arrives when the link is healed, as after a partition.
#[derive(Clone, Default)]
pub(super) struct Link {
    port: u16,
    target: Arc<AtomicU16>,
    requests_held: Arc<AtomicBool>,
    answers_held: Arc<AtomicBool>,
    /// Both ends of each open connection.
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Link {
    pub(super) fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Self { port: listener.local_addr().unwrap().port(), ..Self::default() };
        link.target.store(target, Ordering::SeqCst);
        let shared = link.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", shared.target.load(Ordering::SeqCst)))
                else {
                    continue;
                };
                shared.join(&client, &server);
            }
        });
        link
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
        for end in self.open.lock().drain(..) {
            end.shutdown(Shutdown::Both).ok();
        }
    }

    /// Leads to another server from now on.
    pub(super) fn lead_to(&self, target: u16) {
        if self.target.swap(target, Ordering::SeqCst) != target {
            self.cut();
        }
    }

    fn join(&self, client: &TcpStream, server: &TcpStream) {
        self.open.lock().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        for (from, to, held) in [(client, server, &self.requests_held), (server, client, &self.answers_held)]
        {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let held = held.clone();
            thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    while held.load(Ordering::SeqCst) {
                        thread::sleep(LOOK);
                    }
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                to.shutdown(Shutdown::Both).ok();
                from.shutdown(Shutdown::Both).ok();
            });
        }
    }
}

/// Which direction is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stall {
    Requests,
    Answers,
    Both,
}
