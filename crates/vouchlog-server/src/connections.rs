//! Accepts connections and drives them: TLS if there is to be TLS, then HTTP/1.1 and HTTP/2 told apart by their first bytes, each with its
//! limits.
//!
//! A connection ends when its client wants; when the server stops or needs the room, after the requests under way on it; and at once
//! when its client does not read. While many work at once, each gets a turn: what came together on one connection is begun one after
//! another, with those of others between.

mod frames;
mod socket;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::{self, Builder};
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
use socket::Socket;

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
        let (handshake_timeout, header_timeout) = (config.handshake_timeout, config.header_timeout);
        let (serving, mut builder) = (serving.clone(), builder.clone());
        builder
            .http2()
            .initial_stream_window_size(STREAM_WINDOW.min(place.window()))
            .initial_connection_window_size(place.window());
        let accepted = Accepted { serving, builder, handshake_timeout, header_timeout, place };
        connections.spawn(accepted.run(stream, address).in_current_span());
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

/// A connection that was accepted. All of its work is done in a task of its own, the handshake too.
struct Accepted {
    serving: Serving,
    builder: Builder<TokioExecutor>,
    handshake_timeout: Duration,
    header_timeout: Duration,
    place: Seat,
}

impl Accepted {
    async fn run(self, stream: TcpStream, address: SocketAddr) {
        let Some(tls) = &self.serving.port.tls else {
            return self.serve(stream, Peer { address, certificate: None }).await;
        };
        match self.secure(tls, stream).await {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(secured))) => {
                let peer = Peer { address, certificate: secured.certificate };
                self.serve(secured.stream, peer).await;
            }
            Some(Err(error)) => {
                self.serving.room.handshake_failed();
                tracing::debug!(%error, "a TLS handshake failed");
            }
        }
    }

    /// The handshake. None if there is no time for it: a client that has not asked for anything yet delays neither the end nor others.
    async fn secure(&self, tls: &Tls, stream: TcpStream) -> Option<io::Result<Option<Secured>>> {
        let state = self.place.connection();
        let handshake = tokio::time::timeout(self.handshake_timeout, tls.handshake(stream));
        tokio::select! {
            () = state.cut().cancelled() => None,
            () = state.closing().cancelled() => None,
            secured = handshake => Some(secured.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))),
        }
    }

    async fn serve<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(Socket::new(stream, Arc::clone(self.place.connection()), self.header_timeout));
        let names = peer.certificate.as_ref().map(|certificate| CertificateNames {
            spiffe: certificate.spiffe_id.clone(),
            dns: certificate.dns_names.clone(),
        });
        let from = From { peer, names, connection: Arc::clone(self.place.connection()) };
        let service = service_fn(introduced(self.serving.router, from));
        drive(self.builder.serve_connection(io, service).into_owned(), self.place.connection()).await;
    }
}

/// Drives a connection to its end. A client that stops reading is cut off; one that makes room for others has nothing under way.
async fn drive<T, S, F>(connection: Driven<T, S>, state: &Connection)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
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
type Driven<T, S> = auto::Connection<'static, TokioIo<Socket<T>>, S, TokioExecutor>;

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
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout);
    builder
}
