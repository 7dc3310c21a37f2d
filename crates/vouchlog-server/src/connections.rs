//! Accepts connections and drives them: TLS if there is to be TLS, then HTTP/1.1 and HTTP/2 told apart by their first bytes, each with its limits.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower::util::Oneshot;
use vouchlog_access::CertificateNames;

use crate::config::ServerConfig;
use crate::limits::{ACCEPT_PAUSE, CONNECTION_WINDOW, MAX_HEADER_BYTES, STREAM_WINDOW};
use crate::metrics::ServerMetrics;
use crate::peer::Peer;
use crate::room::Room;
use crate::tls::Tls;

/// What a connection leads to.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) router: Router,
    pub(crate) tls: Option<Tls>,
}

/// Accepts until `stopping` is cancelled, then drains for at most [`ServerConfig::drain_timeout`], however far a request has got: one
/// whose client never sends the rest of it is cut off then. Each connection takes a place of `room`.
pub(crate) async fn accept(
    listener: TcpListener,
    entrance: Entrance,
    config: &ServerConfig,
    metrics: &ServerMetrics,
    room: &Room,
    stopping: CancellationToken,
) {
    let builder = builder(config);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let (stream, address) = tokio::select! {
            biased;
            () = stopping.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        // A refused client tries elsewhere or later; one that waits would hold a descriptor meanwhile.
        let Some(place) = room.enter() else {
            metrics.refused_connections.inc();
            continue;
        };
        // Answers are whole messages; holding back a short one gains nothing. A socket that is gone says so when read.
        let _ = stream.set_nodelay(true);
        let connection = Connection {
            entrance: entrance.clone(),
            builder: builder.clone(),
            watcher: graceful.watcher(),
            config: config.clone(),
            open: Open::new(metrics),
        };
        let stopping = stopping.clone();
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = connection.drive(stream, address, stopping).await {
                tracing::debug!(error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(config.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests were cut off because they did not finish in time"
        );
    }
    connections.shutdown().await;
}

/// A connection that was accepted. All of its work is done in a task of its own, the handshake too.
struct Connection {
    entrance: Entrance,
    builder: Builder<TokioExecutor>,
    watcher: Watcher,
    config: ServerConfig,
    open: Open,
}

/// Why a connection ended early.
type Ended = Result<(), Box<dyn Error + Send + Sync>>;

impl Connection {
    async fn drive(self, stream: TcpStream, address: SocketAddr, stopping: CancellationToken) -> Ended {
        let Some(tls) = &self.entrance.tls else {
            return self.serve(stream, Peer { address, certificate: None }).await;
        };
        let handshake = tokio::time::timeout(self.config.handshake_timeout, tls.handshake(stream));
        let secured = tokio::select! {
            // A client that has not asked for anything yet does not delay the end.
            () = stopping.cancelled() => return Ok(()),
            secured = handshake => secured.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        };
        match secured {
            Ok(None) => Ok(()),
            Ok(Some(secured)) => {
                let peer = Peer { address, certificate: secured.certificate };
                self.serve(secured.stream, peer).await
            }
            Err(error) => {
                self.open.0.failed_handshakes.inc();
                Err(error.into())
            }
        }
    }

    async fn serve<S>(self, stream: S, peer: Peer) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(Greeted::new(stream, self.config.header_timeout));
        let service = service_fn(introduced(self.entrance.router, peer));
        self.watcher.watch(self.builder.serve_connection(io, service).into_owned()).await
    }
}

/// Hands requests to `router` with their peer among their extensions, and the names of its certificate for the access check.
fn introduced(
    router: Router,
    peer: Peer,
) -> impl Fn(Request<Incoming>) -> Oneshot<Router, Request<Incoming>> + Clone {
    let names = peer.certificate.as_ref().map(|certificate| CertificateNames {
        spiffe: certificate.spiffe_id.clone(),
        dns: certificate.dns_names.clone(),
    });
    move |mut request| {
        request.extensions_mut().insert(peer.clone());
        if let Some(names) = &names {
            request.extensions_mut().insert(names.clone());
        }
        router.clone().oneshot(request)
    }
}

fn builder(config: &ServerConfig) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(MAX_HEADER_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_streams_per_connection)
        .max_header_list_size(MAX_HEADER_BYTES)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout);
    builder
}

/// Counts a connection while it is open.
struct Open(ServerMetrics);

impl Open {
    fn new(metrics: &ServerMetrics) -> Self {
        metrics.connections.inc();
        Self(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// Bytes of the HTTP/2 connection preface (RFC 9113 section 3.4), and fewer than any HTTP/1.1 request with a host has.
const GREETING: usize = 24;

/// A socket whose peer has to say its first bytes in time. Until they are there the protocol is unknown, and no timeout of
/// either protocol runs: without this a silent peer could hold its connection indefinitely.
struct Greeted<S> {
    stream: S,
    /// Bytes still to come, and until when; gone once they are there.
    awaited: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<S> Greeted<S> {
    fn new(stream: S, patience: Duration) -> Self {
        Self { stream, awaited: Some((GREETING, Box::pin(tokio::time::sleep(patience)))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some((awaited, deadline)) = &mut self.awaited else { return read };
        *awaited = awaited.saturating_sub(buf.filled().len() - before);
        if *awaited == 0 {
            self.awaited = None;
        } else if read.is_pending() && deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
