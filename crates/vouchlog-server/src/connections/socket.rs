//! A client's socket as hyper reads it: the first bytes have to come in time, and frames that ask for nothing come at a bounded pace.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::frames::{Allowance, ControlFrames, PREFACE};
use crate::admission::Connection;

/// Bytes that a client sends first in either protocol: any HTTP/1.1 request with a host has more than the preface of HTTP/2.
const GREETING: usize = PREFACE.len();

pub(super) struct Socket<S> {
    stream: S,
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

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
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

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_pings_is_read_at_a_bounded_pace() {
        let (at_once, a_second) = (CONTROL_FRAMES_AT_ONCE as usize, CONTROL_FRAMES_PER_SECOND as usize);
        assert_eq!(reading(at_once).await, Duration::ZERO);
        let flood = reading(at_once + 10 * a_second).await;
        assert!(flood > Duration::from_secs(9), "{flood:?}");
    }
}
