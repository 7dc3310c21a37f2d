//! Reading over HTTP: bounded bodies, gzip, and another try when the server is busy or away.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, Url, redirect};
use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_outbound::parse;
use vouchlog_runtime::Backoff;

use crate::USER_AGENT;
use crate::connection::Connection;
use crate::limits::{
    CONNECT_TIMEOUT, FIRST_BACKOFF, MAX_READ_BACKOFF, MAX_REDIRECTS, READ_ATTEMPTS, READ_TIMEOUT,
};

/// A log's URL prefix, and the connections to it.
#[derive(Clone, Debug)]
pub(super) struct HttpSource {
    client: Client,
    prefix: Url,
}

/// A failed try: the error, and how long the server wants us to wait if another one may do better.
struct Failure {
    error: Error,
    again: Option<Duration>,
}

impl HttpSource {
    pub(super) fn new(connection: &Connection) -> Result<Self> {
        let refused =
            |error: String| Error::invalid(format!("cannot read from `{}`: {error}", connection.url));
        let mut prefix = parse(&connection.url).map_err(|error| refused(error.to_string()))?;
        if !matches!(prefix.scheme(), "http" | "https") {
            return Err(refused("it is not an http:// or https:// URL".to_owned()));
        }
        connection.security.check(&prefix).map_err(|error| refused(error.to_string()))?;
        if !prefix.path().ends_with('/') {
            prefix.set_path(&format!("{}/", prefix.path()));
        }
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(to_same_origin());
        let builder = connection.security.apply(builder).map_err(|error| refused(error.to_string()))?;
        let client = builder.build().map_err(|error| refused(error.to_string()))?;
        Ok(Self { client, prefix })
    }

    /// The body at `path` below the prefix, of at most `limit` bytes once decompressed.
    pub(super) async fn get(&self, path: &str, limit: usize) -> Result<Bytes> {
        let url = self.prefix.join(path).map_err(|error| Error::internal(error.to_string()))?;
        let mut backoff = Backoff::new(FIRST_BACKOFF, MAX_READ_BACKOFF);
        for attempt in 1.. {
            match self.try_get(&url, path, limit).await {
                Ok(body) => return Ok(body),
                Err(Failure { again: Some(wait), .. }) if attempt < READ_ATTEMPTS => {
                    tokio::time::sleep(backoff.next_wait_of_at_least(wait)).await;
                }
                Err(Failure { error, .. }) => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn try_get(&self, url: &Url, path: &str, limit: usize) -> std::result::Result<Bytes, Failure> {
        let response = self.client.get(url.clone()).send().await.map_err(lost)?;
        let status = response.status();
        if status.is_success() {
            return bounded_body(response, path, limit).await;
        }
        let failed = format!("{url} returned {status}");
        Err(match status {
            // SPEC: 404 and 410 are the natural answers for what is not there, or was pruned (tlog-tiles).
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Failure { error: Error::not_found(format!("the log has no {path}")), again: None }
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let retry_after = wait(&response);
                Failure {
                    error: Error::new(ErrorKind::Overloaded { retry_after }, failed),
                    again: Some(retry_after),
                }
            }
            _ if status.is_server_error() => {
                Failure { error: Error::unavailable(failed), again: Some(wait(&response)) }
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Failure { error: Error::new(ErrorKind::PermissionDenied, failed), again: None }
            }
            _ if status.is_redirection() => {
                let failed = format!("{url} redirects elsewhere, which is not followed");
                Failure { error: Error::internal(failed), again: None }
            }
            _ => Failure { error: Error::internal(failed), again: None },
        })
    }
}

/// A log may move its files about, and name no other server: what that one says would pass for the log's word, and it may be one
/// that only we can reach.
fn to_same_origin() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let is_same =
            attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
        if is_same && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
    })
}

/// How long the server asks us to wait, in the form that is a number of seconds.
fn wait(response: &Response) -> Duration {
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    header.and_then(|value| value.parse().ok()).map_or(Duration::ZERO, Duration::from_secs)
}

async fn bounded_body(
    mut response: Response,
    path: &str,
    limit: usize,
) -> std::result::Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > limit {
            let error = Error::internal(format!("{path} has more than {limit} bytes"));
            return Err(Failure { error, again: None });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The connection could not be made, or was lost.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn lost(error: reqwest::Error) -> Failure {
    let mut cause: &(dyn std::error::Error + 'static) = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let message = format!("the log cannot be reached: {cause}");
    Failure { error: Error::unavailable(message), again: Some(Duration::ZERO) }
}
