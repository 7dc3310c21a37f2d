//! Accepts connections and drives them: TLS if there is to be TLS, then HTTP/1.1 and HTTP/2 told apart by their first bytes, each with its
//! limits.
//!
//! A connection ends when its client wants; when the server stops or needs the room, after the requests under way on it; and at once
//! when its client does not read. While many work at once, each gets a turn: what came together on one connection is begun one after
//! another, with those of others between.

mod frames;
mod socket;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tower::util::Oneshot;
use tracing::Instrument;
use vouchlog_access::CertificateNames;

use crate::admission::Connection;
use crate::config::ServerConfig;
use crate::limits::{ACCEPT_PAUSE, FAREWELL, MAX_HEADER_BYTES, STREAM_WINDOW};
use crate::peer::Peer;
use crate::room::{Port, Room, Seat};
use crate::tls::{Secured, Tls};
use socket::{Protocol, Socket};

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
    let protocols = Arc::new(Protocols::new(config));
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
        let accepted = Accepted { router: serving.router.clone(), protocols: Arc::clone(&protocols), place };
        // A task of its own type for either: an idle connection without TLS does not take the room of one with it.
        match serving.port.tls.clone() {
            None => {
                let peer = Peer { address, certificate: None };
                connections.spawn(accepted.serve(stream, peer).in_current_span())
            }
            Some(tls) => connections.spawn(accepted.secure(tls, stream, address).in_current_span()),
        };
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

/// The two protocols with their limits, and the timeouts of what comes before them.
struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    handshake_timeout: Duration,
    header_timeout: Duration,
}

impl Protocols {
    fn new(config: &ServerConfig) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout)
            .max_buf_size(MAX_HEADER_BYTES as usize);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.max_streams_per_connection)
            .max_header_list_size(MAX_HEADER_BYTES)
            .keep_alive_interval(config.keepalive_interval)
            .keep_alive_timeout(config.keepalive_timeout);
        let (handshake_timeout, header_timeout) = (config.handshake_timeout, config.header_timeout);
        Self { http1, http2, handshake_timeout, header_timeout }
    }

    /// HTTP/2 with the window that a connection was given.
    fn http2(&self, window: u32) -> http2::Builder<TokioExecutor> {
        let mut http2 = self.http2.clone();
        http2.initial_stream_window_size(STREAM_WINDOW.min(window)).initial_connection_window_size(window);
        http2
    }
}

/// A connection that was accepted. All of its work is done in a task of its own, the handshake too.
///
/// Thousands of connections do nothing for minutes, so what a task holds while it waits is small: neither the settings nor the state of
/// a protocol are in it. The state of the one that the client speaks is allocated once that is known.
struct Accepted {
    router: Router,
    protocols: Arc<Protocols>,
    place: Seat,
}

impl Accepted {
    async fn secure(self, tls: Tls, stream: TcpStream, address: SocketAddr) {
        // Allocated by itself: it is large, and over within seconds.
        match Box::pin(self.handshake(&tls, stream)).await {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(secured))) => {
                let peer = Peer { address, certificate: secured.certificate };
                Box::pin(self.serve(secured.stream, peer)).await;
            }
            Some(Err(error)) => {
                self.place.handshake_failed();
                tracing::debug!(%error, "a TLS handshake failed");
            }
        }
    }

    /// The handshake. None if there is no time for it: a client that has not asked for anything yet delays neither the end nor others.
    async fn handshake(&self, tls: &Tls, stream: TcpStream) -> Option<io::Result<Option<Secured>>> {
        let state = self.place.connection();
        let handshake = tokio::time::timeout(self.protocols.handshake_timeout, tls.handshake(stream));
        tokio::select! {
            () = state.cut().cancelled() => None,
            () = state.closing().cancelled() => None,
            secured = handshake => Some(secured.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))),
        }
    }

    /// Serves the client. Not an `async fn`, which would keep its arguments beside what is made of them.
    fn serve<S>(self, stream: S, peer: Peer) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, protocols, place } = self;
        let connection = Arc::clone(place.connection());
        let mut socket = Box::new(Socket::new(stream, Arc::clone(&connection), protocols.header_timeout));
        let names = peer.certificate.as_ref().map(|certificate| CertificateNames {
            spiffe: certificate.spiffe_id.clone(),
            dns: certificate.dns_names.clone(),
        });
        let service = service_fn(introduced(router, From { peer, names, connection }));
        async move {
            let state = place.connection();
            // A client that has not asked for anything delays nobody.
            let protocol = tokio::select! {
                biased;
                () = state.cut().cancelled() => return,
                () = state.closing().cancelled() => return,
                protocol = socket.protocol() => protocol,
            };
            match protocol {
                Ok(Protocol::Http1) => {
                    let connection = protocols.http1.serve_connection(TokioIo::new(*socket), service);
                    drive(Box::pin(connection), http1::Connection::graceful_shutdown, state).await;
                }
                Ok(Protocol::Http2) => {
                    let http2 = protocols.http2(place.window());
                    let connection = http2.serve_connection(TokioIo::new(*socket), service);
                    drive(Box::pin(connection), http2::Connection::graceful_shutdown, state).await;
                }
                Err(error) => tracing::debug!(%error, "a connection ended early"),
            }
        }
    }
}

/// Drives a connection to its end; `shut_down` has it end after the requests under way. A client that stops reading is cut off; one
/// that makes room for others has nothing under way.
async fn drive<C>(mut connection: Pin<Box<C>>, shut_down: fn(Pin<&mut C>), state: &Connection)
where
    C: Future<Output = hyper::Result<()>>,
{
    let ended = tokio::select! {
        biased;
        () = state.cut().cancelled() => return,
        () = state.closing().cancelled() => None,
        ended = &mut connection => Some(ended),
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            shut_down(connection.as_mut());
            tokio::select! {
                () = state.cut().cancelled() => return,
                // A client that is idle has nothing to lose but the farewell.
                () = tokio::time::sleep(FAREWELL), if state.is_leaving() => return,
                ended = &mut connection => ended,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Where requests come from.
#[derive(Clone)]
struct From {
    peer: Peer,
    /// The names of its certificate, for the access check.
    names: Option<CertificateNames>,
    connection: Arc<Connection>,
}

/// Hands requests to `router` with where they come from among their extensions.
fn introduced(
    router: Router,
    from: From,
) -> impl Fn(Request<Incoming>) -> Oneshot<Router, Request<Incoming>> + Clone {
    move |mut request| {
        let From { peer, names, connection } = from.clone();
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(connection);
        if let Some(names) = names {
            request.extensions_mut().insert(names);
        }
        router.clone().oneshot(request)
    }
}
