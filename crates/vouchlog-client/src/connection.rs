//! How to reach a log: its URL, whom to trust, how long to wait.

use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use vouchlog_api::{Error, Result};
use vouchlog_outbound::{ConnectionSecurity, parse, root_cause};

use crate::USER_AGENT;
use crate::limits::{CALL_TIMEOUT, CONNECT_TIMEOUT, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};

/// How to reach a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `http://host:port` or `https://host:port`. Beyond this machine, `http://` needs a [`ConnectionSecurity`] that allows it.
    pub url: String,
    /// Which authorities to trust, what to present, and when plain text is allowed.
    pub security: ConnectionSecurity,
    /// How long a call may take until its answer begins.
    pub timeout: Duration,
}

impl Connection {
    /// A connection to `url` with everything else as it should be.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), security: ConnectionSecurity::default(), timeout: CALL_TIMEOUT }
    }
}

/// The endpoint of gRPC calls over a connection; nothing is sent yet.
pub(crate) fn endpoint(connection: &Connection) -> Result<Endpoint> {
    let refused = |error: tonic::transport::Error| {
        Error::invalid(format!("cannot connect to `{}`: {}", connection.url, root_cause(&error)))
    };
    let url = parse(&connection.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = url else {
        return Err(Error::invalid(format!("`{}` is not an http:// or https:// URL", connection.url)));
    };
    connection
        .security
        .check(&url)
        .map_err(|error| Error::invalid(format!("cannot connect to `{}`: {error}", connection.url)))?;
    let endpoint = Endpoint::from_shared(connection.url.clone())
        .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
        .map_err(refused)?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(connection.timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    if url.scheme() == "http" {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new().with_webpki_roots();
    if let Some(pem) = &connection.security.authorities {
        tls = tls.ca_certificate(Certificate::from_pem(pem));
    }
    if let Some(identity) = &connection.security.identity {
        tls = tls.identity(Identity::from_pem(&identity.chain, identity.key.as_bytes()));
    }
    endpoint.tls_config(tls).map_err(refused)
}
