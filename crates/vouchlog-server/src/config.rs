//! The settings of a server.

use std::net::IpAddr;
use std::time::Duration;

use crate::limits;

/// What a deployment may want otherwise. The defaults are the constants of [`limits`], where their reasons are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Connections at a time. When more come, those that have been idle for longest are closed; if none is, the new one.
    pub max_connections: usize,
    /// How many file descriptors the process may open. With it, connections leave [`limits::RESERVED_DESCRIPTORS`] of them free, so
    /// that stores, indexes and journals always find some.
    pub max_descriptors: Option<usize>,
    /// Requests at a time on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// Requests at a time over all connections, half of them reads and half of them writes; more are answered with
    /// RESOURCE_EXHAUSTED or 503. A request counts from when its body is there until its answer begins.
    pub max_requests: usize,
    /// Appends to the house stream at a time.
    pub max_house_requests: usize,
    /// Calls without an end at a time: streams of appends, watches.
    pub max_streams: usize,
    /// Requests at a time whose body is still to come.
    pub max_waiting_bodies: usize,
    /// Bytes of bodies at a time that are not whole, or not answered.
    pub body_bytes: usize,
    /// Bytes at a time of the requests of streams that are read and not answered. A stream that finds no room for one is not read until
    /// another of its requests is answered.
    pub queued_bytes: usize,
    /// Bytes of answers at a time that clients have not read.
    pub answer_bytes: usize,
    /// Bytes that clients may send before they are read, over HTTP/2 connections: each new one gets a part of what is left as its
    /// flow-control window, and 64 KiB, the protocol's least, when nothing is.
    pub window_bytes: usize,
    /// The longest pause of a body, or of a message of a stream once it has begun.
    pub body_idle_timeout: Duration,
    /// Bytes a second that a body, or such a message, has to come with on average.
    pub min_body_rate: usize,
    /// How long a client may take to read a piece of an answer. Its connection is closed then, or up to half as long later.
    pub answer_timeout: Duration,
    /// Addresses of proxies: each stands for many clients, so only its connections have shares, not the address. This machine's
    /// own addresses are among them.
    pub proxies: Vec<IpAddr>,
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
            max_house_requests: limits::MAX_HOUSE_REQUESTS,
            max_streams: limits::MAX_STREAMS,
            max_waiting_bodies: limits::MAX_WAITING_BODIES,
            body_bytes: limits::BODY_BYTES,
            queued_bytes: limits::QUEUED_BYTES,
            answer_bytes: limits::ANSWER_BYTES,
            window_bytes: limits::WINDOW_BYTES,
            body_idle_timeout: limits::BODY_IDLE_TIMEOUT,
            min_body_rate: limits::MIN_BODY_RATE,
            answer_timeout: limits::ANSWER_TIMEOUT,
            proxies: Vec::new(),
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            header_timeout: limits::HEADER_TIMEOUT,
            request_timeout: limits::REQUEST_TIMEOUT,
            keepalive_interval: limits::KEEPALIVE_INTERVAL,
            keepalive_timeout: limits::KEEPALIVE_TIMEOUT,
            drain_timeout: limits::DRAIN_TIMEOUT,
        }
    }
}
