//! The settings of a server.

use std::time::Duration;

use crate::limits;

/// What a deployment may want otherwise. The defaults are the constants of [`limits`], where their reasons are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Connections at a time; more are closed at once.
    pub max_connections: usize,
    /// How many file descriptors the process may open. With it, a connection that would leave fewer than
    /// [`limits::RESERVED_DESCRIPTORS`] of them free is closed at once, so that stores, indexes and journals always find some.
    pub max_descriptors: Option<usize>,
    /// Requests at a time on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// Requests at a time over all connections; more are answered with RESOURCE_EXHAUSTED or 503.
    pub max_requests: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a client may take to send the headers of a request, and how long an HTTP/1.1 connection may lie idle.
    pub header_timeout: Duration,
    /// How long a request may take until its answer begins.
    pub request_timeout: Duration,
    /// How often a silent HTTP/2 peer is asked whether it is still there.
    pub keepalive_interval: Duration,
    /// How long it may take to say so.
    pub keepalive_timeout: Duration,
    /// How long requests in flight may take to finish after the shutdown signal. Those that have not are cut off.
    pub drain_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: limits::MAX_CONNECTIONS,
            max_descriptors: None,
            max_streams_per_connection: limits::MAX_STREAMS_PER_CONNECTION,
            max_requests: limits::MAX_REQUESTS,
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            header_timeout: limits::HEADER_TIMEOUT,
            request_timeout: limits::REQUEST_TIMEOUT,
            keepalive_interval: limits::KEEPALIVE_INTERVAL,
            keepalive_timeout: limits::KEEPALIVE_TIMEOUT,
            drain_timeout: limits::DRAIN_TIMEOUT,
        }
    }
}
