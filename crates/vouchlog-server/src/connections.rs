//! Accepts connections and drives them: HTTP/1.1 and HTTP/2 told apart by their first bytes, each with its limits.
//!
//! A connection ends when its client wants; when the server stops or needs the room, after the requests under way on it; and at once
//! when its client does not read.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::{self, Builder};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tower::ServiceExt;
use tower::util::Oneshot;

use crate::admission::Connection;
use crate::config::ServerConfig;
use crate::limits::{ACCEPT_PAUSE, CONNECTION_WINDOW, FAREWELL, MAX_HEADER_BYTES, STREAM_WINDOW};
use crate::peer::Peer;
use crate::room::{Port, Room};

/// What is accepted for.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) router: Router,
    pub(crate) room: Arc<Room>,
    pub(crate) port: Port,
}

/// Accepts until the server stops, then drains for at most [`ServerConfig::drain_timeout`], however far a request has got: one
/// whose client never sends the rest of it is cut off then.
pub(crate) async fn accept(listener: TcpListener, serving: Serving, config: &ServerConfig) {
    let builder = builder(config);
    let mut connections = JoinSet::new();
    loop {
        let (stream, address) = tokio::select! {
            biased;
            () = serving.port.stopping.cancelled() => break,
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
        let Some(place) = serving.room.enter(address, &serving.port) else { continue };
        // Answers are whole messages; holding back a short one gains nothing. A socket that is gone says so when read.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Greeted::new(stream, config.header_timeout));
        let from =
            From { peer: Peer { address, certificate: None }, connection: Arc::clone(place.connection()) };
        let service = service_fn(introduced(serving.router.clone(), from));
        let connection = builder.serve_connection(io, service).into_owned();
        connections.spawn(async move {
            let place = place;
            drive(connection, place.connection()).await;
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(config.drain_timeout, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests were cut off because they did not finish in time"
        );
    }
    connections.shutdown().await;
}

/// Drives a connection to its end. A client that stops reading is cut off; one that makes room for others has nothing under way.
async fn drive<S, F>(connection: Driven<S>, state: &Connection)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future = F> + Send + 'static,
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        () = state.cut().cancelled() => return,
        () = state.closing().cancelled() => None,
        ended = &mut connection => Some(ended),
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                () = state.cut().cancelled() => return,
                // A client that is idle has nothing to lose but the farewell.
                () = tokio::time::sleep(FAREWELL), if state.is_leaving() => return,
                ended = &mut connection => ended,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

/// A connection with its service.
type Driven<S> = auto::Connection<'static, TokioIo<Greeted>, S, TokioExecutor>;

/// Where requests come from.
#[derive(Clone)]
struct From {
    peer: Peer,
    connection: Arc<Connection>,
}

/// Hands requests to `router` with where they come from among their extensions.
fn introduced(
    router: Router,
    from: From,
) -> impl Fn(Request<Incoming>) -> Oneshot<Router, Request<Incoming>> + Clone {
    move |mut request| {
        let From { peer, connection } = from.clone();
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(connection);
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

/// Bytes of the HTTP/2 connection preface (RFC 9113 section 3.4), and fewer than any HTTP/1.1 request with a host has.
const GREETING: usize = 24;

/// A socket whose peer has to say its first bytes in time. Until they are there the protocol is unknown, and no timeout of
/// either protocol runs: without this a silent peer could hold its connection indefinitely.
struct Greeted {
    stream: TcpStream,
    /// Bytes still to come, and until when; gone once they are there.
    awaited: Option<(usize, Pin<Box<Sleep>>)>,
}

impl Greeted {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, awaited: Some((GREETING, Box::pin(tokio::time::sleep(patience)))) }
    }
}

impl AsyncRead for Greeted {
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

impl AsyncWrite for Greeted {
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
