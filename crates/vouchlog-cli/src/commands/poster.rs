//! Sending something to a URL of others, again after a while if it was not taken.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Client, StatusCode, Url, header, redirect};
use vouchlog_outbound::{Reach, parse};
use vouchlog_runtime::Backoff;
use zeroize::Zeroizing;

use crate::advice::Advice;
use crate::connections;

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts after the first failed; then it is given up.
const RETRIES: u32 = 4;
/// The waits before the first and the last retry.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const MAX_WAIT: Duration = Duration::from_secs(16);

/// Where something is sent. Its URL may hold a secret, so it is never shown.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    client: Client,
    url: Url,
    token: Option<Zeroizing<String>>,
}

impl Poster {
    /// Nothing is sent to an address that is out of reach. `flag` is what gave the URL.
    pub(super) fn new(flag: &str, url: &str, reach: Reach) -> anyhow::Result<Self> {
        let parsed = parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = parsed.ok_or_else(|| {
            Advice::error(
                format!("{flag} is not a URL"),
                "use an http:// or https:// URL, as given by the receiver",
            )
        })?;
        let security = connections::security();
        security.check(&url).with_context(|| flag.to_owned())?;
        // A redirect turns a POST into a GET, which delivers nothing.
        let client = Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none());
        let client = client.user_agent(concat!("vouchlog/", env!("CARGO_PKG_VERSION")));
        let client = reach.limit(security.apply(client)?, &url).map_err(|error| {
            Advice::error(
                format!("{flag}: {error}"),
                "use a public address, or allow others with --allow-private-addresses",
            )
        })?;
        Ok(Self { client: client.build().context("the HTTP client could not be created")?, url, token: None })
    }

    /// The same with a bearer token.
    pub(super) fn with_token(self, token: Option<Zeroizing<String>>) -> Self {
        Self { token, ..self }
    }

    /// Sends a body, again after a while if it was not taken.
    pub(super) async fn post(&self, content_type: &str, body: &str) -> Result<(), String> {
        let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
        loop {
            let Err((error, may_pass)) = self.attempt(content_type, body).await else { return Ok(()) };
            if !may_pass || backoff.failures() == RETRIES {
                return Err(error);
            }
            tracing::warn!(error, "the receiver did not take it; retrying");
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// What went wrong, and whether it may go better later.
    async fn attempt(&self, content_type: &str, body: &str) -> Result<(), (String, bool)> {
        let mut request = self.client.post(self.url.clone()).header(header::CONTENT_TYPE, content_type);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.as_str());
        }
        let answer = request.body(body.to_owned()).send().await;
        let status = answer.map_err(|error| (chain(&error.without_url()), true))?.status();
        if status.is_success() {
            return Ok(());
        }
        let passes = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        Err((format!("it returned {status}"), status.is_server_error() || passes))
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_an_http_url_and_is_not_repeated_in_errors() {
        let webhook = |url| Poster::new("--webhook", url, Reach::Public);
        assert!(webhook("https://alerts.example.com/x?token=secret").is_ok());
        assert!(webhook("http://127.0.0.1:9/x?token=secret").is_ok(), "this machine");
        for wrong in [
            "alerts.example.com/secret",
            "ftp://alerts.example.com/secret",
            "secret",
            "http://alerts.example.com/secret",
            "https://10.0.0.1/secret",
            "https://[::ffff:169.254.169.254]/secret",
        ] {
            let error = format!("{:#}", webhook(wrong).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(Poster::new("--webhook", "https://10.0.0.1/secret", Reach::Anywhere).is_ok());
    }
}
