//! Witnesses across the network, as if they were in this process: over HTTP (C2SP tlog-witness) and over gRPC.
//!
//! A witness's response is passed on unchanged: only a holder of its keys can verify the signature lines.

mod grpc;
mod http;

use std::time::Duration;

use reqwest::Url;
use vouchlog_api::{AnyWitness, Error, Result};
use vouchlog_outbound::{ConnectionSecurity, parse};

use crate::limits::WITNESS_TIMEOUT;

pub use grpc::GrpcWitness;
pub use http::HttpWitness;

/// How to talk to a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessOptions {
    /// How long a request may take, from connecting to the end of the answer.
    pub timeout: Duration,
    /// Which authorities to trust, what to present, and when plain text is allowed.
    pub security: ConnectionSecurity,
}

impl Default for WitnessOptions {
    fn default() -> Self {
        Self { timeout: WITNESS_TIMEOUT, security: ConnectionSecurity::default() }
    }
}

/// The witness at a URL, as a policy names it: `http://` and `https://` are the prefix of tlog-witness, where checkpoints are
/// submitted and read; `grpc://` and `grpcs://`, with host and port alone, are service `vouchlog.v1.Witness`. Nothing is sent
/// yet. Must be called within a tokio runtime.
///
/// # Errors
/// [`InvalidArgument`](vouchlog_api::ErrorKind::InvalidArgument) for a URL that cannot be used, or not with these options.
pub fn witness(url: &str, options: &WitnessOptions) -> Result<AnyWitness> {
    match url.split_once("://") {
        Some(("grpc" | "grpcs", _)) => Ok(AnyWitness::new(GrpcWitness::connect(url, options)?)),
        _ => Ok(AnyWitness::new(HttpWitness::new(url, options)?)),
    }
}

/// A URL of one of these schemes that may be connected to, with nothing that would be lost or told on the way.
fn parse_url(url: &str, schemes: [&str; 2], security: &ConnectionSecurity) -> Result<Url> {
    let parsed =
        parse(url).map_err(|error| Error::invalid(format!("`{url}` is not a valid witness URL: {error}")))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        // Without the URL, since errors are logged.
        return Err(Error::invalid("a witness URL takes no user and no password"));
    }
    let fault = if !schemes.contains(&parsed.scheme()) {
        format!("it starts with neither {}:// nor {}://", schemes[0], schemes[1])
    } else if !parsed.has_host() {
        "it has no host".to_owned()
    } else if parsed.query().is_some() || parsed.fragment().is_some() {
        "it has a query or a fragment".to_owned()
    } else if let Err(error) = security.check(&parsed) {
        error.to_string()
    } else {
        return Ok(parsed);
    };
    Err(Error::invalid(format!("`{url}` is not a valid witness URL: {fault}")))
}
