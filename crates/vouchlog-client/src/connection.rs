//! How to reach a log: its URL, whom to trust, how long to wait.

use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use vouchlog_api::{Error, Result};

use crate::USER_AGENT;
use crate::limits::{CALL_TIMEOUT, CONNECT_TIMEOUT, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};

/// How to reach a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// A certificate authority to trust instead of the public ones, in PEM; for https only.
    pub ca_pem: Option<String>,
    /// How long a call may take until its answer begins.
    pub timeout: Duration,
}

impl Connection {
    /// A connection to `url` with everything else as it should be.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ca_pem: None, timeout: CALL_TIMEOUT }
    }
}

/// The endpoint of gRPC calls over a connection; nothing is sent yet.
pub(crate) fn endpoint(connection: &Connection) -> Result<Endpoint> {
    let refused = |error: tonic::transport::Error| {
        Error::invalid(format!("cannot connect to `{}`: {}", connection.url, root_cause(&error)))
    };
    let secure = match connection.url.split_once("://") {
        Some(("http", _)) => false,
        Some(("https", _)) => true,
        _ => return Err(Error::invalid(format!("`{}` is not an http:// or https:// URL", connection.url))),
    };
    let endpoint = Endpoint::from_shared(connection.url.clone())
        .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
        .map_err(refused)?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(connection.timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    if !secure {
        return Ok(endpoint);
    }
    let tls = match &connection.ca_pem {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_webpki_roots(),
    };
    endpoint.tls_config(tls).map_err(refused)
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}
