//! Keys in Google Cloud KMS: `asymmetricSign` and `publicKey` of a key version, `encrypt` and `decrypt` of a key, with a bearer token.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use serde_json::json;
use vouchlog_note::SignerError;
use vouchlog_runtime::durable;
use zeroize::Zeroizing;

use crate::bounded::ThreadSigner;
use crate::http::{self, Http};
use crate::spki;
use crate::wrapper::KeyWrapper;

/// A file with a bearer token, renewed by another program; without it the machine's own is fetched.
const TOKEN_FILE_VARIABLE: &str = "VOUCHLOG_GCP_TOKEN_FILE";
const MAX_TOKEN_BYTES: usize = 16 * 1024;
const METADATA: &str = "metadata.google.internal";
/// A machine that is not in Google's cloud has no such name.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);
/// A token is not used in the last minute of its life.
const TOKEN_RESERVE: Duration = Duration::from_secs(60);

/// Where the bearer token comes from.
enum TokenSource {
    /// Read again for each request.
    File(PathBuf),
    /// The metadata server of the machine.
    Machine(Url),
}

/// What a name is of.
#[derive(Clone, Copy)]
pub(crate) enum Resource {
    /// A version of a key, which signs. It is named, or the key could change without notice.
    Version,
    /// A key, which encrypts with its primary version and decrypts with the one that encrypted.
    Key,
}

impl Resource {
    /// The parts of a name that are fixed; each is followed by one that is not.
    fn kinds(self) -> &'static [&'static str] {
        const KINDS: [&str; 5] = ["projects", "locations", "keyRings", "cryptoKeys", "cryptoKeyVersions"];
        match self {
            Self::Version => &KINDS,
            Self::Key => &KINDS[..4],
        }
    }

    fn check(self, name: &str) -> Result<(), SignerError> {
        let (kinds, parts) = (self.kinds(), name.split('/').collect::<Vec<_>>());
        let is_named = parts.len() == 2 * kinds.len()
            && kinds
                .iter()
                .zip(parts.chunks(2))
                .all(|(kind, part)| part[0] == *kind && !part[1].trim_matches('.').is_empty());
        match (is_named, self) {
            (true, _) => Ok(()),
            (false, Self::Version) => Err(SignerError::new(
                "name a key version: projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/V",
            )),
            (false, Self::Key) => Err(SignerError::new(
                "name a key without its version: projects/P/locations/L/keyRings/R/cryptoKeys/K",
            )),
        }
    }
}

/// A key of Google Cloud KMS, or one version of it.
pub(crate) struct Kms {
    /// `<endpoint>/v1/projects/…`.
    url: Url,
    source: TokenSource,
    cached: Option<(Instant, Zeroizing<String>)>,
    http: Http,
}

#[derive(Deserialize)]
struct Signed {
    signature: String,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: String,
}

#[derive(Deserialize)]
struct Public {
    pem: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

impl Kms {
    /// The key or key version, with what Google's own tools take from the environment.
    pub(crate) fn from_environment(name: &str, resource: Resource) -> Result<Self, SignerError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = variable("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS");
        let endpoint = endpoint.unwrap_or_else(|| "https://cloudkms.googleapis.com".into());
        let source = match variable(TOKEN_FILE_VARIABLE) {
            Some(path) => TokenSource::File(path.into()),
            None => {
                let host = variable("GCE_METADATA_HOST").unwrap_or_else(|| METADATA.into());
                let url = Url::parse(&format!(
                    "http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
                ));
                TokenSource::Machine(url.map_err(|_| SignerError::new("GCE_METADATA_HOST is no host"))?)
            }
        };
        resource.check(name)?;
        Self::new(name, &http::endpoint(&endpoint)?, source)
    }

    fn new(name: &str, endpoint: &Url, source: TokenSource) -> Result<Self, SignerError> {
        let url = endpoint.join(&format!("/v1/{name}")).map_err(SignerError::new)?;
        Ok(Self { url, source, cached: None, http: Http::new()? })
    }

    /// The 32 bytes of the public key.
    pub(crate) fn public_key(&mut self) -> Result<[u8; 32], SignerError> {
        let get = self.http.client().get(self.method("/publicKey")?);
        let answer: Public = self.call(get)?;
        spki::from_pem(&answer.pem)
    }

    fn method(&self, suffix: &str) -> Result<Url, SignerError> {
        Url::parse(&format!("{}{suffix}", self.url)).map_err(SignerError::new)
    }

    fn call<T: serde::de::DeserializeOwned>(&mut self, request: RequestBuilder) -> Result<T, SignerError> {
        let token = self.token()?;
        let answer = self.http.json(request.bearer_auth(token.as_str()));
        if answer.is_err() {
            // It may have been withdrawn.
            self.cached = None;
        }
        answer
    }

    fn token(&mut self) -> Result<Zeroizing<String>, SignerError> {
        match &self.source {
            TokenSource::File(path) => {
                let read = durable::read_bounded(path, MAX_TOKEN_BYTES);
                let read = read.map_err(|error| SignerError::new(format!("{}: {error}", path.display())))?;
                let text = read.and_then(|bytes| String::from_utf8(bytes).ok()).map(Zeroizing::new);
                let text =
                    text.ok_or_else(|| SignerError::new(format!("{} holds no token", path.display())))?;
                Ok(Zeroizing::new(text.trim().to_owned()))
            }
            TokenSource::Machine(url) => {
                if let Some((until, token)) = &self.cached
                    && Instant::now() < *until
                {
                    return Ok(token.clone());
                }
                let get = self.http.client().get(url.clone()).header("Metadata-Flavor", "Google");
                let fresh: Token = self.http.json(get.timeout(METADATA_TIMEOUT)).map_err(|error| {
                    SignerError::new(format!(
                        "no token: {TOKEN_FILE_VARIABLE} is not set, and the metadata server gave none: {}",
                        error.reason()
                    ))
                })?;
                let life = Duration::from_secs(fresh.expires_in.min(86_400)).saturating_sub(TOKEN_RESERVE);
                let token = Zeroizing::new(fresh.access_token);
                self.cached = Some((Instant::now() + life, token.clone()));
                Ok(token)
            }
        }
    }
}

impl ThreadSigner for Kms {
    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let post = self.http.client().post(self.method(":asymmetricSign")?);
        let answer: Signed = self.call(post.json(&json!({ "data": STANDARD.encode(message) })))?;
        spki::bytes("signature", &answer.signature)
    }
}

impl KeyWrapper for Kms {
    fn wrap(&mut self, key: &[u8; 32], context: &str) -> Result<Vec<u8>, SignerError> {
        let post = self.http.client().post(self.method(":encrypt")?);
        let answer: Encrypted = self.call(post.json(&json!({
            "plaintext": STANDARD.encode(key), "additionalAuthenticatedData": STANDARD.encode(context),
        })))?;
        spki::decoded("ciphertext", &answer.ciphertext)
    }

    fn unwrap(&mut self, wrapped: &[u8], context: &str) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        let post = self.http.client().post(self.method(":decrypt")?);
        let answer: Decrypted = self.call(post.json(&json!({
            "ciphertext": STANDARD.encode(wrapped), "additionalAuthenticatedData": STANDARD.encode(context),
        })))?;
        let plaintext = Zeroizing::new(answer.plaintext);
        Ok(Zeroizing::new(spki::decoded("plaintext", &plaintext)?))
    }
}

#[cfg(test)]
mod tests;
