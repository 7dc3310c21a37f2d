//! A client's socket as hyper reads it: the first bytes have to come in time and show the protocol, and frames that ask for nothing come at
//! a bounded pace.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::frames::{Allowance, ControlFrames, PREFACE};
use crate::admission::Connection;

/// Bytes that a client sends first in either protocol: any HTTP/1.1 request with a host has more than the preface of HTTP/2.
const GREETING: usize = PREFACE.len();

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

pub(super) struct Socket<S> {
    stream: S,
    greeting: Greeting,
    connection: Arc<Connection>,
    /// Bytes still to come, and until when; gone once they are there. Until then the protocol is unknown, and no timeout of either
    /// runs: without this a silent peer could hold its connection indefinitely.
    awaited: Option<(usize, Pin<Box<Sleep>>)>,
    frames: ControlFrames,
    allowance: Allowance,
    /// Until when nothing is read: the client has sent frames of control faster than it may.
    resting: Option<Pin<Box<Sleep>>>,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>, patience: Duration) -> Self {
        Self {
            stream,
            greeting: Greeting::default(),
            connection,
            awaited: Some((GREETING, Box::pin(tokio::time::sleep(patience)))),
            frames: ControlFrames::new(),
            allowance: Allowance::new(Instant::now()),
            resting: None,
        }
    }

    fn came(&mut self, bytes: &[u8]) {
        let frames = self.frames.count(bytes);
        if frames > 0
            && let Some(rest) = self.allowance.take(frames, Instant::now())
        {
            self.resting = Some(Box::pin(tokio::time::sleep(rest)));
        }
        if let Some((awaited, _)) = &mut self.awaited {
            *awaited = awaited.saturating_sub(bytes.len());
            if *awaited == 0 {
                self.awaited = None;
            }
        }
    }
}

/// The first bytes that a client sent. They are read to learn the protocol, and then once more as a part of it.
#[derive(Default)]
struct Greeting {
    bytes: [u8; GREETING],
    come: usize,
    /// Of those, how many were handed on.
    given: usize,
}

impl Greeting {
    /// The protocol, if it is known: HTTP/1.1 is what does not begin like HTTP/2, or ends before.
    fn protocol(&self, is_over: bool) -> Option<Protocol> {
        match PREFACE.strip_prefix(&self.bytes[..self.come]) {
            Some([]) => Some(Protocol::Http2),
            Some(_) if !is_over => None,
            _ => Some(Protocol::Http1),
        }
    }

    /// Hands on as much as fits; whether there was anything.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.bytes[self.given..self.come];
        let now = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..now]);
        self.given += now;
        now > 0
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Reads until it is known what the client speaks. To be called once, before anything else is read.
    pub(super) async fn protocol(&mut self) -> io::Result<Protocol> {
        loop {
            let mut bytes = [0; GREETING];
            let (come, missing) = (self.greeting.come, GREETING - self.greeting.come);
            // With all of it handed on, what is read comes from the client.
            self.greeting.given = come;
            let read = self.read(&mut bytes[..missing]).await?;
            self.greeting.bytes[come..come + read].copy_from_slice(&bytes[..read]);
            self.greeting.come += read;
            if let Some(protocol) = self.greeting.protocol(read == 0) {
                self.greeting.given = 0;
                return Ok(protocol);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.greeting.give(buf) {
            return Poll::Ready(Ok(()));
        }
        if let Some(resting) = &mut self.resting {
            ready!(resting.as_mut().poll(cx));
            self.resting = None;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_pending() {
            self.connection.fell_silent();
            if let Some((_, deadline)) = &mut self.awaited {
                ready!(deadline.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        self.came(&buf.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.allowance.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        self.allowance.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::admission::testing::connection;
    use crate::limits::{CONTROL_FRAMES_AT_ONCE, CONTROL_FRAMES_PER_SECOND};

    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// How long it takes, in a time that only waiting moves, until so many pings have been read.
    async fn reading(pings: usize) -> Duration {
        let (mut client, server) = tokio::io::duplex(4_096);
        let mut socket = Socket::new(server, connection("192.0.2.1:1"), Duration::from_secs(1));
        let bytes = [PREFACE, &PING.repeat(pings)].concat();
        let mut read = vec![0; bytes.len()];
        let begin = Instant::now();
        let (_, written) = tokio::join!(socket.read_exact(&mut read), client.write_all(&bytes));
        written.unwrap();
        assert_eq!(read, bytes);
        begin.elapsed()
    }

    /// The protocol of a client that sends this in pieces, and what is read after it is known.
    async fn spoken(bytes: &[u8], piece: usize) -> (Protocol, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(4_096);
        let mut socket = Socket::new(server, connection("192.0.2.1:1"), Duration::from_secs(1));
        let writing = async {
            for piece in bytes.chunks(piece) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        let reading = async {
            let protocol = socket.protocol().await.unwrap();
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).await.unwrap();
            (protocol, rest)
        };
        tokio::join!(writing, reading).1
    }

    #[tokio::test]
    async fn the_first_bytes_show_the_protocol_and_are_read_again() {
        let http2 = [PREFACE, &PING].concat();
        let http1 = b"PRI / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
        for piece in [1, 2, 7, 23, 24, 25, 4_096] {
            assert_eq!(spoken(&http2, piece).await, (Protocol::Http2, http2.clone()), "{piece}");
            assert_eq!(spoken(&http1, piece).await, (Protocol::Http1, http1.clone()), "{piece}");
            // One that ends in the middle of the preface gets the error of HTTP/1.1, and one that sends nothing ends.
            assert_eq!(spoken(&PREFACE[..23], piece).await, (Protocol::Http1, PREFACE[..23].to_vec()));
            assert_eq!(spoken(b"", piece).await, (Protocol::Http1, Vec::new()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_too_little_times_out() {
        for sent in [&b""[..], b"PRI * HT"] {
            let (mut client, server) = tokio::io::duplex(4_096);
            let mut socket = Socket::new(server, connection("192.0.2.1:1"), Duration::from_secs(1));
            client.write_all(sent).await.unwrap();
            let error = socket.protocol().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_pings_is_read_at_a_bounded_pace() {
        let (at_once, a_second) = (CONTROL_FRAMES_AT_ONCE as usize, CONTROL_FRAMES_PER_SECOND as usize);
        assert_eq!(reading(at_once).await, Duration::ZERO);
        let flood = reading(at_once + 10 * a_second).await;
        assert!(flood > Duration::from_secs(9), "{flood:?}");
    }
}
