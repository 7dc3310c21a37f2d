//! A TCP proxy between a client and the server, which cuts connections at chosen moments.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use crate::synthetic::MARKER;

/// What happens to the next bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// They pass.
    None,
    /// The next request is dropped, and its connection cut.
    Request,
    /// The next request passes; its answer is dropped, and its connection cut.
    Answer,
    /// As [`Answer`](Self::Answer), and no new connection is taken from then on.
    AnswerAndAll,
    /// No new connection is taken.
    All,
}

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    next: Arc<AtomicU8>,
}

const CUTS: [Cut; 5] = [Cut::None, Cut::Request, Cut::Answer, Cut::AnswerAndAll, Cut::All];

impl Proxy {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), next: Arc::default() };
        let shared = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.next() == Cut::All {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                shared.join(client, server);
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn next(&self) -> Cut {
        CUTS[usize::from(self.next.load(Ordering::SeqCst))]
    }

    /// What is to happen next.
    pub(crate) fn armed(&self) -> Cut {
        self.next()
    }

    /// Takes effect on the next commit.
    pub(crate) fn arm(&self, cut: Cut) {
        let at = CUTS.iter().position(|known| *known == cut).unwrap();
        self.next.store(u8::try_from(at).unwrap(), Ordering::SeqCst);
    }

    fn join(&self, client: TcpStream, server: TcpStream) {
        let (mut from_client, mut to_client) = (client.try_clone().unwrap(), client);
        let (mut from_server, mut to_server) = (server.try_clone().unwrap(), server);
        // Shared by the two directions of this connection.
        let dropping = Arc::new(AtomicU8::new(0));
        let (proxy, seen) = (self.clone(), dropping.clone());
        thread::spawn(move || {
            let mut buffer = [0; 65536];
            // A marker may arrive in two parts.
            let mut read = Vec::new();
            while let Ok(count @ 1..) = from_client.read(&mut buffer) {
                read.extend_from_slice(&buffer[..count]);
                let is_commit = read.windows(MARKER.len()).any(|bytes| bytes == MARKER);
                read.drain(..if is_commit { read.len() } else { read.len().saturating_sub(MARKER.len()) });
                match proxy.next() {
                    Cut::Request if is_commit => {
                        proxy.arm(Cut::None);
                        break;
                    }
                    cut @ (Cut::Answer | Cut::AnswerAndAll) if is_commit => {
                        seen.store(1, Ordering::SeqCst);
                        proxy.arm(if cut == Cut::Answer { Cut::None } else { Cut::All });
                    }
                    _ => {}
                }
                if to_server.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            to_server.shutdown(Shutdown::Both).ok();
            from_client.shutdown(Shutdown::Both).ok();
        });
        thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(count @ 1..) = from_server.read(&mut buffer) {
                if dropping.load(Ordering::SeqCst) == 1 || to_client.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            to_client.shutdown(Shutdown::Both).ok();
            from_server.shutdown(Shutdown::Both).ok();
        });
    }
}
