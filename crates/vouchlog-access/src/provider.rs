//! The keys of an identity provider: found by discovery, kept, and fetched again when a token names one that is not known.
//!
//! ```text
//! token ─► key known, set fresh ────────────────────────────────► verify
//!          key unknown, or set older than 5 min ─► fetch ─► swap ─► verify
//! fetch: {issuer}/.well-known/openid-configuration ─► jwks_uri; one at a time, at most every 30 s, 256 KiB and 5 s each
//! ```
//!
//! Where people sign in, and where their codes are redeemed, is in the same discovery document.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderValue, StatusCode, header};
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;
use vouchlog_outbound::{ConnectionSecurity, PlainText, root_cause};

use crate::config::{Issuer, is_safe};
use crate::denied::Denied;
use crate::jwks::KeySet;
use crate::limits::{FETCH_INTERVAL, FETCH_TIMEOUT, MAX_DOCUMENT_BYTES, REFRESH_AFTER, STALE_AFTER};
use crate::metrics::AccessMetrics;

/// A provider, and what is known of its keys.
pub(crate) struct Provider {
    pub(crate) issuer: Issuer,
    keys: ArcSwap<Snapshot>,
    /// When keys were last asked for. Held while they are.
    asked: Mutex<Option<Instant>>,
    pace: Pace,
    /// Where the discovery document is.
    place: Url,
    client: Client,
    metrics: AccessMetrics,
}

/// No client for an identity provider can be made.
#[derive(Debug, Error)]
#[error("an identity provider cannot be connected to: {0}")]
pub struct AccessError(String);

/// How often keys are fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) interval: Duration,
    pub(crate) refresh_after: Duration,
    pub(crate) stale_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: FETCH_INTERVAL, refresh_after: REFRESH_AFTER, stale_after: STALE_AFTER }
    }
}

/// Keys as they were at a time; none before the first fetch.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) keys: KeySet,
    /// Where people sign in, if the provider has it.
    pub(crate) endpoints: Option<Endpoints>,
    fetched: Option<Instant>,
}

/// Where people sign in.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    /// Where a browser is sent to.
    pub(crate) authorization: Url,
    /// Where a code is redeemed.
    pub(crate) token: Url,
    /// Where a browser is sent to that signs out, if people are to sign out at the provider and it has such a place.
    pub(crate) end_session: Option<Url>,
    /// Whether the provider names itself when it sends a browser back (RFC 9207).
    pub(crate) names_issuer: bool,
}

/// An answer of a provider, within the bounds.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Provider {
    /// A provider, connected to by the rules of every connection of ours. It follows no redirect: the keys come from where the
    /// provider said, or not at all.
    pub(crate) fn new(
        issuer: Issuer,
        pace: Pace,
        security: &ConnectionSecurity,
        metrics: AccessMetrics,
    ) -> Result<Self, AccessError> {
        let failed = |error: &dyn std::fmt::Display| AccessError(error.to_string());
        let place = format!("{}/.well-known/openid-configuration", issuer.issuer.trim_end_matches('/'));
        let place: Url = place.parse().map_err(|error| failed(&error))?;
        let security = ConnectionSecurity { plain_text: PlainText::LoopbackOnly, ..security.clone() };
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(FETCH_TIMEOUT);
        let client = security.apply(client).map_err(|error| failed(&error))?;
        let client = issuer.reach.limit(client, &place).map_err(|error| failed(&error))?;
        let client = client.build().map_err(|error| failed(&error))?;
        Ok(Self { issuer, keys: ArcSwap::default(), asked: Mutex::new(None), pace, place, client, metrics })
    }

    /// The keys to check a token with: those that are known if they have the wanted one and are fresh, else those that the provider
    /// has now, if it may be asked.
    pub(crate) async fn keys(&self, has_wanted: impl Fn(&KeySet) -> bool) -> Result<Arc<Snapshot>, Denied> {
        let known = self.keys.load_full();
        let is_known = has_wanted(&known.keys);
        if self.is_fresh(&known) && is_known {
            return Ok(known);
        }
        let mut asked = match self.asked.try_lock() {
            Ok(asked) => asked,
            // Another request asks already, and this one can do without the answer.
            Err(_) if is_known && self.is_usable(&known) => return Ok(known),
            Err(_) => self.asked.lock().await,
        };
        let known = self.keys.load_full();
        if self.is_fresh(&known) && has_wanted(&known.keys) {
            return Ok(known);
        }
        if asked.is_none_or(|asked| asked.elapsed() >= self.pace.interval) {
            *asked = Some(Instant::now());
            let fetched = self.fetch().await;
            self.metrics.fetched(fetched.is_ok());
            match fetched {
                Ok((keys, endpoints)) => {
                    let fetched = Some(Instant::now());
                    self.keys.store(Arc::new(Snapshot { keys, endpoints, fetched }));
                }
                Err(why) => {
                    tracing::warn!(
                        issuer = self.issuer.issuer,
                        why,
                        "keys could not be fetched; keeping the old ones"
                    );
                }
            }
        }
        let known = self.keys.load_full();
        if self.is_usable(&known) { Ok(known) } else { Err(Denied::Unavailable) }
    }

    fn is_usable(&self, known: &Snapshot) -> bool {
        known.fetched.is_some_and(|fetched| fetched.elapsed() < self.pace.stale_after)
    }

    fn is_fresh(&self, known: &Snapshot) -> bool {
        known.fetched.is_some_and(|fetched| fetched.elapsed() < self.pace.refresh_after)
    }

    async fn fetch(&self) -> Result<(KeySet, Option<Endpoints>), String> {
        let discovery: Discovery = serde_json::from_slice(&self.get(self.place.clone()).await?)
            .map_err(|_| "the discovery document cannot be read".to_owned())?;
        // SPEC: OpenID Connect Discovery 1.0 section 4.3: it must be exactly the issuer.
        if discovery.issuer != self.issuer.issuer {
            return Err("the discovery document is of another issuer".to_owned());
        }
        let keys = self.linked("jwks_uri", &discovery.jwks_uri)?;
        let endpoints = match self.issuer.sign_in {
            None => None,
            // Tokens are still checked.
            Some(_) => self.endpoints(&discovery).unwrap_or_else(|why| {
                tracing::error!(issuer = self.issuer.issuer, why, "people cannot sign in at this provider");
                None
            }),
        };
        let keys =
            KeySet::parse(&self.get(keys).await?).ok_or_else(|| "the key set cannot be read".to_owned())?;
        Ok((keys, endpoints))
    }

    /// A URL that the discovery document names, if it may lead there.
    fn linked(&self, member: &str, url: &str) -> Result<Url, String> {
        let url: Url = url.parse().map_err(|_| format!("{member} is not a URL"))?;
        if !is_safe(&url) {
            return Err(format!("{member} is not an https URL"));
        }
        let within = self.issuer.reach.check_link(&self.place, &url);
        within.map_err(|error| format!("{member}: {error}"))?;
        Ok(url)
    }

    fn endpoints(&self, discovery: &Discovery) -> Result<Option<Endpoints>, String> {
        let Discovery { authorization_endpoint, token_endpoint, .. } = discovery;
        let missing = |member: &str| format!("its discovery document has no {member}");
        let authorization =
            authorization_endpoint.as_ref().ok_or_else(|| missing("authorization_endpoint"))?;
        let token = token_endpoint.as_ref().ok_or_else(|| missing("token_endpoint"))?;
        Ok(Some(Endpoints {
            authorization: self.linked("authorization_endpoint", authorization)?,
            token: self.linked("token_endpoint", token)?,
            end_session: self.end_session(discovery),
            names_issuer: discovery.authorization_response_iss_parameter_supported,
        }))
    }

    /// Where people sign out, if they are to sign out at the provider. Without it they still sign in.
    fn end_session(&self, discovery: &Discovery) -> Option<Url> {
        self.issuer.sign_in.as_ref()?.post_logout_redirect_uri.as_ref()?;
        let missing = || "its discovery document has no end_session_endpoint".to_owned();
        let named = discovery.end_session_endpoint.as_ref().ok_or_else(missing);
        let found = named.and_then(|url| self.linked("end_session_endpoint", url));
        found
            .inspect_err(|why| {
                tracing::warn!(issuer = self.issuer.issuer, why, "people cannot sign out at this provider");
            })
            .ok()
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, String> {
        let answer = self.answer(self.client.get(url)).await?;
        if !answer.status.is_success() {
            return Err(format!("the provider returned {}", answer.status));
        }
        Ok(answer.body)
    }

    /// Sends a form to an endpoint. Neither it nor the answer is in any error.
    pub(crate) async fn post(
        &self,
        endpoint: &Url,
        form: String,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, String> {
        let form_type = "application/x-www-form-urlencoded";
        let request = self.client.post(endpoint.clone()).header(header::CONTENT_TYPE, form_type);
        let request = request.header(header::ACCEPT, "application/json").body(form);
        let request = match authorization {
            Some(authorization) => request.header(header::AUTHORIZATION, authorization),
            None => request,
        };
        self.answer(request).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, String> {
        let failed = |error: reqwest::Error| root_cause(&error.without_url());
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_DOCUMENT_BYTES {
                return Err(format!("the document has more than {MAX_DOCUMENT_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body })
    }
}
