//! Requests to a key service: one at a time, bounded in time and size, from a thread that is not asynchronous.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url, redirect};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use vouchlog_note::SignerError;
use vouchlog_outbound::ConnectionSecurity;
use zeroize::Zeroizing;

/// Longest answer. Signatures, wrapped keys and keys are below 1 kB, and tokens of a cloud's identity service below 16.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How long one request may take; a signature may take two, when a token has to be fetched.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// A client with a runtime of its own.
pub(crate) struct Http {
    client: Client,
    runtime: Runtime,
}

impl Http {
    pub(crate) fn new() -> Result<Self, SignerError> {
        let client = Client::builder().timeout(REQUEST_TIMEOUT).redirect(redirect::Policy::none()).build();
        let client = client.map_err(|error| SignerError::new(chain(&error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { client, runtime: runtime.map_err(SignerError::new)? })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request and reads its answer as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, SignerError> {
        // It may hold a token, or a key.
        let body = Zeroizing::new(self.text(request)?);
        // The reason would show a part of the answer, which may hold a token.
        serde_json::from_slice(&body).map_err(|_| SignerError::new("its answer is not the expected JSON"))
    }

    /// Sends a request and reads its answer, which must be a success.
    pub(crate) fn text(&self, request: RequestBuilder) -> Result<Vec<u8>, SignerError> {
        self.runtime.block_on(async {
            let failed = |error: reqwest::Error| SignerError::new(chain(&error.without_url()));
            let mut response = request.send().await.map_err(failed)?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                    return Err(SignerError::new(format!(
                        "its answer has more than {MAX_ANSWER_BYTES} bytes"
                    )));
                }
                body.extend_from_slice(&chunk);
            }
            let status = response.status();
            if status.is_success() {
                return Ok(body);
            }
            // Errors of both services name the key and the permission, no secret.
            let shown = String::from_utf8_lossy(&body);
            Err(SignerError::new(format!("it answered {status}: {shown}")))
        })
    }
}

/// An endpoint: https, or http on this machine.
pub(crate) fn endpoint(url: &str) -> Result<Url, SignerError> {
    let wrong = |why: &str| SignerError::new(format!("the endpoint {url} {why}"));
    let parsed = Url::parse(url).map_err(|_| wrong("is no URL"))?;
    let is_safe = ConnectionSecurity::default().check(&parsed).is_ok();
    if is_safe && matches!(parsed.scheme(), "http" | "https") {
        Ok(parsed)
    } else {
        Err(wrong("is not https"))
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
pub(crate) mod testing {
    use reqwest::Url;
    use vouchlog_merkle::sha256;

    /// What a service makes of a key: it opens for the same name of its key and the same context alone.
    pub(crate) fn seal(name: &str, context: &str, plain: &[u8]) -> Vec<u8> {
        let mut sealed = tag(name, context, plain);
        sealed.extend(plain.iter().map(|byte| byte ^ 0x5a));
        sealed
    }

    /// Opens what [`seal`] made.
    pub(crate) fn open(name: &str, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (stated, hidden) = sealed.split_at_checked(32)?;
        let plain: Vec<u8> = hidden.iter().map(|byte| byte ^ 0x5a).collect();
        (stated == tag(name, context, &plain)).then_some(plain)
    }

    fn tag(name: &str, context: &str, plain: &[u8]) -> Vec<u8> {
        let parts = [name.as_bytes(), b"\n", context.as_bytes(), b"\n", plain].concat();
        sha256(&parts).as_bytes().to_vec()
    }

    /// Serves an application on this machine, on a thread of its own, until the process ends.
    pub(crate) fn serve(app: axum::Router) -> Url {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, app).await.unwrap();
            });
        });
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_to_https_or_to_this_machine() {
        for good in
            ["https://kms.example.com", "http://127.0.0.1:9402", "http://[::1]:1/", "http://localhost:4566"]
        {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for wrong in [
            "http://kms.example.com",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "kms",
            "http://10.0.0.1",
        ] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
