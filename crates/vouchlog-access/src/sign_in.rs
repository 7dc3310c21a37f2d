//! People sign in to the console of a vault at their identity provider: OpenID Connect's authorization code flow, with PKCE.
//!
//! ```text
//! begin   state, nonce, verifier: random ─► URL of the authorization endpoint ─► browser ─► provider
//! finish  browser ─► code, state, iss ─► state and iss are those of the beginning ─► token endpoint (code, verifier)
//!         ─► ID token ─► signature, issuer, audience, times (`jwt.rs`), nonce, authorized party ─► Account
//! ```
//!
//! The caller keeps the [`PendingSignIn`] where only the browser that began has it, and takes each `state` once. Browsers are sent to
//! endpoints of the discovery document of a configured issuer, and nowhere else.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::access::Access;
use crate::claims::Claims;
use crate::client::SignInClient;
use crate::denied::Denied;
use crate::jwt::Unverified;
use crate::limits::{MAX_CODE_BYTES, MAX_TOKEN_BYTES};
use crate::principal::Principal;
use crate::provider::{Answer, Endpoints, Provider};
use crate::secret::SecretPlace;

/// A provider at which people can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInPlace {
    /// Its issuer.
    pub issuer: String,
    /// What people call it.
    pub name: String,
}

/// A sign-in that was begun. Together with the provider's answer it completes the sign-in, so only the browser that began may hold it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSignIn {
    issuer: String,
    /// Comes back with the browser.
    state: String,
    /// Comes back in the ID token.
    nonce: String,
    /// Its hash goes to the authorization endpoint, itself to the token endpoint.
    verifier: String,
}

impl fmt::Debug for PendingSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingSignIn").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl PendingSignIn {
    /// What its return is known by; it may be taken once.
    pub fn state(&self) -> &str {
        &self.state
    }
}

/// What a provider sends a browser back with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SignInReturn {
    code: Option<String>,
    state: Option<String>,
    issuer: Option<String>,
    error: Option<String>,
}

impl fmt::Debug for SignInReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInReturn").field("error", &self.error).finish_non_exhaustive()
    }
}

impl SignInReturn {
    /// Reads the query of a return; none if a parameter occurs twice or is too long.
    ///
    /// SPEC: RFC 6749 section 3.1: parameters must not occur more than once; others are ignored.
    pub fn parse(query: &str) -> Option<Self> {
        let mut returned = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match name.as_ref() {
                "code" => &mut returned.code,
                "state" => &mut returned.state,
                "iss" => &mut returned.issuer,
                "error" => &mut returned.error,
                _ => continue,
            };
            if value.len() > MAX_CODE_BYTES || place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(returned)
    }
}

/// What a provider stated of a person who signed in. What the person may do is looked up for each request.
#[derive(Clone)]
pub struct Account {
    claims: Arc<Claims>,
    /// The client as which the person signed in.
    client_id: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("issuer", &self.claims.iss).finish_non_exhaustive()
    }
}

impl Account {
    /// The provider that stated it.
    pub(crate) fn issuer(&self) -> &str {
        &self.claims.iss
    }
}

impl Access {
    /// The providers at which people can sign in, in the order of the file.
    pub fn sign_in_places(&self) -> Vec<SignInPlace> {
        let place = |provider: &Arc<Provider>| {
            let client = provider.issuer.sign_in.as_ref()?;
            let issuer = provider.issuer.issuer.clone();
            Some(SignInPlace { issuer, name: name_of(provider, client) })
        };
        self.providers().iter().filter_map(place).collect()
    }

    /// Begins a sign-in. Answers the URL that the browser is to open, and what finishes it.
    ///
    /// # Errors
    /// There is no such place, or the provider is away.
    pub async fn begin_sign_in(&self, issuer: &str) -> Result<(String, PendingSignIn), Denied> {
        let (provider, client) = self.place(issuer)?;
        let endpoints = endpoints(&provider).await?;
        let pending = PendingSignIn {
            issuer: issuer.to_owned(),
            state: random()?,
            nonce: random()?,
            verifier: random()?,
        };
        // SPEC: RFC 7636 section 4.2.
        let challenge = digest::digest(&digest::SHA256, pending.verifier.as_bytes());
        let mut url = endpoints.authorization;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.client_id)
            .append_pair("redirect_uri", &client.redirect_uri)
            .append_pair("scope", &client.scope())
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge))
            .append_pair("code_challenge_method", "S256");
        Ok((url.into(), pending))
    }

    /// Finishes a sign-in with what the browser came back with: redeems the code, and checks the ID token.
    ///
    /// # Errors
    /// Anything is not as it was begun, or the provider refuses the code or is away.
    pub async fn finish_sign_in(
        &self,
        pending: &PendingSignIn,
        returned: &SignInReturn,
    ) -> Result<Account, Denied> {
        let finished = self.redeem(pending, returned).await;
        if let Err(denied) = &finished {
            tracing::debug!(%denied, issuer = pending.issuer, "a sign-in was refused");
            self.count(*denied);
        }
        finished
    }

    /// Who an account is now. Its provider must still be a place to sign in, by the same client.
    ///
    /// # Errors
    /// The account is no principal any more.
    pub fn account(&self, account: &Account) -> Result<Principal, Denied> {
        let (_, client) = self.place(&account.claims.iss)?;
        if client.client_id != account.client_id {
            return Err(Denied::Invalid("the console is another client of the provider by now"));
        }
        self.principal_of_person(&account.claims)
    }

    pub(crate) fn place(&self, issuer: &str) -> Result<(Arc<Provider>, SignInClient), Denied> {
        let provider = self.providers().into_iter().find(|provider| provider.issuer.issuer == issuer);
        let place = provider.and_then(|provider| {
            let client = provider.issuer.sign_in.clone()?;
            Some((provider, client))
        });
        place.ok_or(Denied::Invalid("people do not sign in at this provider"))
    }

    async fn redeem(&self, pending: &PendingSignIn, returned: &SignInReturn) -> Result<Account, Denied> {
        let (provider, client) = self.place(&pending.issuer)?;
        let endpoints = endpoints(&provider).await?;
        let is_same = |a: &str, b: &str| verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok();
        if !returned.state.as_ref().is_some_and(|state| is_same(state, &pending.state)) {
            return Err(Denied::Invalid("the answer is not of the sign-in that this browser began"));
        }
        // SPEC: RFC 9207 section 2.4: an answer of another provider must not be redeemed at this one.
        match &returned.issuer {
            Some(issuer) if *issuer != pending.issuer => {
                return Err(Denied::Invalid("the answer is of another provider"));
            }
            None if endpoints.names_issuer => {
                return Err(Denied::Invalid("the answer does not name its provider"));
            }
            _ => {}
        }
        if let Some(error) = &returned.error {
            tracing::info!(
                issuer = pending.issuer,
                error = code_of(error),
                "a provider did not sign a person in"
            );
            return Err(Denied::Invalid("the provider did not sign the person in"));
        }
        let code = returned.code.as_ref().filter(|code| !code.is_empty());
        let code = code.ok_or(Denied::Invalid("the answer has no code"))?;
        let token = id_token(&provider, &client, &endpoints, (code, &pending.verifier)).await?;
        let claims = self.verified(&provider, &client, &token, &pending.nonce).await?;
        Ok(Account { claims: Arc::new(claims), client_id: client.client_id })
    }

    /// What an ID token states, once it is checked.
    ///
    /// SPEC: OpenID Connect Core 1.0 section 3.1.3.7.
    async fn verified(
        &self,
        provider: &Provider,
        client: &SignInClient,
        token: &str,
        nonce: &str,
    ) -> Result<Claims, Denied> {
        let token = Unverified::parse(token)?;
        if token.is_access_token {
            return Err(Denied::Invalid("it is an access token"));
        }
        if token.issuer != provider.issuer.issuer {
            return Err(Denied::Invalid("it is of another issuer"));
        }
        let known = provider.keys(|keys| token.key(keys).is_some()).await?;
        let key = token.key(&known.keys).ok_or(Denied::Invalid("the issuer has no such key"))?;
        let claims = token.verify(key, &provider.issuer, &client.client_id, self.now())?;
        let is_own_party =
            claims.azp.as_ref().map_or(claims.aud.count() == 1, |azp| *azp == client.client_id);
        if !is_own_party {
            return Err(Denied::Invalid("it was issued to another client"));
        }
        let is_own_nonce = claims
            .nonce
            .as_ref()
            .is_some_and(|stated| verify_slices_are_equal(stated.as_bytes(), nonce.as_bytes()).is_ok());
        if !is_own_nonce {
            return Err(Denied::Invalid("it is not of the sign-in that this browser began"));
        }
        if claims.sub.as_ref().is_none_or(String::is_empty) {
            return Err(Denied::Invalid("it names no subject"));
        }
        Ok(claims)
    }
}

/// Redeems a code for an ID token.
///
/// SPEC: RFC 6749 sections 2.3.1 and 4.1.3, RFC 7636 section 4.5.
async fn id_token(
    provider: &Provider,
    client: &SignInClient,
    endpoints: &Endpoints,
    (code, verifier): (&str, &str),
) -> Result<Zeroizing<String>, Denied> {
    let authorization = match client.secret() {
        Some(secret) => Some(basic(&client.client_id, secret).await?),
        None => None,
    };
    let form = redeeming(client, code, verifier);
    let issuer = provider.issuer.issuer.as_str();
    let answer = provider.post(&endpoints.token, form, authorization).await;
    let Answer { status, body } = answer.map_err(|why| {
        tracing::warn!(issuer, why, "a provider did not answer a code");
        Denied::Unavailable
    })?;
    if !status.is_success() {
        let error: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        tracing::warn!(issuer, %status, error = code_of(&error.error), "a provider refused a code");
        let is_passing = status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS;
        return Err(if is_passing {
            Denied::Unavailable
        } else {
            Denied::Invalid("the provider refused the code")
        });
    }
    let tokens: Tokens = serde_json::from_slice(&body)
        .map_err(|_| Denied::Invalid("the provider's answer has no ID token"))?;
    let token = Zeroizing::new(tokens.id_token);
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Denied::Invalid("the ID token is too long"));
    }
    Ok(token)
}

/// The form that redeems a code. A client without a secret names itself in it.
fn redeeming(client: &SignInClient, code: &str, verifier: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", &client.redirect_uri)
        .append_pair("code_verifier", verifier);
    if client.secret().is_none() {
        form.append_pair("client_id", &client.client_id);
    }
    form.finish()
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
}

/// Where people sign in and out at a provider.
pub(crate) async fn endpoints(provider: &Provider) -> Result<Endpoints, Denied> {
    provider.keys(|_| true).await?.endpoints.clone().ok_or(Denied::Unavailable)
}

/// 256 random bits, as text.
pub(crate) fn random() -> Result<String, Denied> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Denied::Unavailable)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What people call a provider.
pub(crate) fn name_of(provider: &Provider, client: &SignInClient) -> String {
    client.name.clone().unwrap_or_else(|| host(&provider.issuer.issuer))
}

/// The host of a URL.
fn host(issuer: &str) -> String {
    let url: Option<url::Url> = issuer.parse().ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| issuer.to_owned())
}

/// A code of an error as logs have it: what a stranger sent is not repeated but where it is one.
///
/// SPEC: RFC 6749 section 4.1.2.1.
fn code_of(error: &str) -> &str {
    let is_code =
        !error.is_empty() && error.len() <= 64 && error.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
    if is_code { error } else { "(no code)" }
}

/// How the client authenticates itself.
async fn basic(client_id: &str, secret: SecretPlace) -> Result<HeaderValue, Denied> {
    let secret = secret.read().await?;
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encode(client_id), encode(&secret)));
    let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&value).map_err(|_| Denied::Unavailable)?;
    value.set_sensitive(true);
    Ok(value)
}
