//! Reading over HTTP: bounded bodies, gzip, and another try when the server is busy or away.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::time::{Instant, sleep, timeout};
use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_outbound::{is_local, parse};
use vouchlog_runtime::buffer::append;
use vouchlog_runtime::{Backoff, Gunzip};

use crate::USER_AGENT;
use crate::connection::Connection;
use crate::limits::{
    CONNECT_TIMEOUT, FIRST_BACKOFF, MAX_READ_BACKOFF, MAX_REDIRECTS, MIN_READ_RATE, READ_ATTEMPTS,
    READ_PATIENCE, READ_TIMEOUT,
};

/// Across a network, fewer bytes arrive sooner. On this machine, zipping and unzipping a bundle takes longer than copying it; it is
/// still read zipped if a server has it in no other form.
const OVER_NETWORK: &str = "gzip";
const ON_THIS_MACHINE: &str = "gzip;q=0.5, identity";

/// A log's URL prefix, and the connections to it.
#[derive(Clone, Debug)]
pub(super) struct HttpSource {
    client: Client,
    prefix: Url,
    /// The encodings that the server is asked for.
    encodings: HeaderValue,
    pace: Pace,
}

/// How long reads may take.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// For the beginning of an answer, and for each further part of it.
    stall: Duration,
    /// Bytes a second that an answer must come with at least, counted over the longest that would be accepted.
    rate: usize,
    /// After this, no attempt is begun.
    patience: Duration,
}

impl Pace {
    const USUAL: Self = Self { stall: READ_TIMEOUT, rate: MIN_READ_RATE, patience: READ_PATIENCE };

    /// For one attempt, from the request to the last byte.
    fn deadline(self, limit: usize) -> Duration {
        self.stall + Duration::from_secs(limit.div_ceil(self.rate) as u64)
    }
}

/// A failed try: the error, and how long the server wants us to wait if another one may do better.
struct Failure {
    error: Error,
    again: Option<Duration>,
}

impl HttpSource {
    pub(super) fn new(connection: &Connection) -> Result<Self> {
        Self::with_pace(connection, Pace::USUAL)
    }

    fn with_pace(connection: &Connection, pace: Pace) -> Result<Self> {
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
            .read_timeout(pace.stall)
            .redirect(to_same_origin());
        let builder = connection.security.apply(builder).map_err(|error| refused(error.to_string()))?;
        let client = builder.build().map_err(|error| refused(error.to_string()))?;
        let encodings = if is_local(&prefix) { ON_THIS_MACHINE } else { OVER_NETWORK };
        Ok(Self { client, prefix, encodings: HeaderValue::from_static(encodings), pace })
    }

    /// The body at `path` below the prefix, of at most `limit` bytes once decompressed.
    pub(super) async fn get(&self, path: &str, limit: usize) -> Result<Bytes> {
        let url = self.prefix.join(path).map_err(|error| Error::internal(error.to_string()))?;
        let mut backoff = Backoff::new(FIRST_BACKOFF, MAX_READ_BACKOFF);
        let begun = Instant::now();
        for attempt in 1.. {
            let tried = timeout(self.pace.deadline(limit), self.try_get(&url, path, limit)).await;
            let Failure { error, again } = match tried {
                Ok(Ok(body)) => return Ok(body),
                Ok(Err(failure)) => failure,
                // A server that sends this slowly does so again.
                Err(_) => Failure { error: self.too_slow(path, limit), again: None },
            };
            let Some(wait) = again.filter(|_| attempt < READ_ATTEMPTS) else { return Err(error) };
            let wait = backoff.next_wait_of_at_least(wait);
            if begun.elapsed() + wait > self.pace.patience {
                return Err(error);
            }
            sleep(wait).await;
        }
        unreachable!("the last attempt returns")
    }

    fn too_slow(&self, path: &str, limit: usize) -> Error {
        let seconds = self.pace.deadline(limit).as_secs();
        Error::unavailable(format!("the log did not finish sending {path} within {seconds} s"))
    }

    async fn try_get(&self, url: &Url, path: &str, limit: usize) -> std::result::Result<Bytes, Failure> {
        let request = self.client.get(url.clone()).header(ACCEPT_ENCODING, &self.encodings);
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        if status.is_success() {
            return bounded_body(response, path, limit).await;
        }
        let failed = format!("{url} returned {status}");
        Err(match status {
            // SPEC: 404 and 410 are the natural answers for what is not there, or was pruned (tlog-tiles).
            StatusCode::NOT_FOUND => {
                Failure { error: Error::not_found(format!("the log has no {path}")), again: None }
            }
            StatusCode::GONE => {
                Failure { error: Error::not_found(format!("the log gave up {path}")), again: None }
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

/// The body, of at most `limit` bytes as it is sent and once it is unzipped.
async fn bounded_body(
    mut response: Response,
    path: &str,
    limit: usize,
) -> std::result::Result<Bytes, Failure> {
    let refused = |why: String| Failure { error: Error::internal(format!("{path} {why}")), again: None };
    let too_long = || refused(format!("has more than {limit} bytes"));
    let is_gzip = match response.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None => false,
        Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => false,
        Some(encoding) if encoding.eq_ignore_ascii_case(b"gzip") => true,
        Some(_) => return Err(refused("is compressed by another method than gzip".to_owned())),
    };
    // What does not compress grows by less than this.
    let most = if is_gzip { limit + limit / 64 + 1024 } else { limit };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > most {
            return Err(too_long());
        }
        append(&mut body, &chunk, most);
    }
    if !is_gzip {
        return Ok(Bytes::from(body));
    }
    let (mut unzipping, mut unzipped) = (Gunzip::new(Bytes::from(body)), Vec::new());
    loop {
        let step = unzipping.step().map_err(|error| refused(format!("has broken gzip: {error}")))?;
        if unzipped.len() + step.bytes.len() > limit {
            return Err(too_long());
        }
        append(&mut unzipped, &step.bytes, limit);
        if step.is_last {
            return Ok(Bytes::from(unzipped));
        }
        tokio::task::yield_now().await;
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const QUICK: Pace =
        Pace { stall: Duration::from_millis(300), rate: 1 << 20, patience: Duration::from_millis(400) };

    /// A server that answers every request with this head, and then a byte every few milliseconds if it drips. Also the number of
    /// requests.
    async fn server(head: &'static str, drips: bool) -> (HttpSource, Arc<AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4_096]).await;
                    let _ = stream.write_all(head.as_bytes()).await;
                    while drips && stream.write_all(b"a").await.is_ok() {
                        sleep(Duration::from_millis(20)).await;
                    }
                });
            }
        });
        (HttpSource::with_pace(&Connection::new(url), QUICK).unwrap(), asked)
    }

    #[tokio::test]
    async fn compression_is_asked_for_across_a_network_alone() {
        let asked_of = |url: &str| {
            HttpSource::new(&Connection::new(url)).unwrap().encodings.to_str().unwrap().to_owned()
        };
        assert_eq!(asked_of("https://log.example.com/a"), "gzip");
        assert_eq!(asked_of("https://10.0.0.1"), "gzip");
        for url in ["http://127.0.0.1:6962", "https://localhost", "http://[::1]:6962"] {
            assert_eq!(asked_of(url), "gzip;q=0.5, identity", "{url}");
        }
    }

    /// No single byte is late, and yet the body never ends.
    #[tokio::test]
    async fn a_server_that_drips_is_given_up_and_not_asked_again() {
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\ncontent-encoding: gzip\r\n\r\n",
            // Headers that never end.
            "HTTP/1.1 200 OK\r\nx-header: a",
        ] {
            let (log, asked) = server(head, true).await;
            let error = log.get("checkpoint", 1 << 20).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
            assert!(asked.load(Ordering::Relaxed) <= 2, "{head}");
        }
    }

    #[tokio::test]
    async fn a_server_that_asks_for_an_hour_is_reported_as_busy() {
        let busy = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n";
        let away = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n";
        for (head, kind) in [
            (busy, ErrorKind::Overloaded { retry_after: Duration::from_secs(3600) }),
            (away, ErrorKind::Unavailable),
        ] {
            let (mut log, asked) = server(head, false).await;
            // It answers at once: nothing is late but where others have the processor.
            log.pace.stall = Duration::from_secs(60);
            let error = log.get("checkpoint", 1 << 20).await.unwrap_err();
            assert_eq!((&error.kind, asked.load(Ordering::Relaxed)), (&kind, 1), "{error}");
        }
    }
}
