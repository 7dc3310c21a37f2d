//! Keys in AWS KMS: `Sign`, `GetPublicKey`, `Encrypt` and `Decrypt`, each one POST of JSON signed with Signature Version 4.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use vouchlog_note::SignerError;
use vouchlog_runtime::Clock;
use zeroize::Zeroizing;

use crate::bounded::ThreadSigner;
use crate::http::{self, Http};
use crate::spki;
use crate::wrapper::{CONTEXT_NAME, KeyWrapper};

mod credentials;
mod sigv4;

use credentials::{Credentials, Source};

/// How long credentials that were fetched are used: they live for hours, and are renewed well before they end.
const CREDENTIALS_AGE: Duration = Duration::from_secs(300);

/// A key of AWS KMS.
pub(crate) struct Kms {
    key: String,
    endpoint: Url,
    region: String,
    source: Source,
    cached: Option<(Instant, Credentials)>,
    clock: Clock,
    http: Http,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Signed {
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    plaintext: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Public {
    public_key: String,
}

impl Kms {
    /// The key, with what AWS's own tools take from the environment: region, endpoint and credentials.
    pub(crate) fn from_environment(key: &str) -> Result<Self, SignerError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // arn:aws:kms:REGION:ACCOUNT:key/ID
        let of_arn = key.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).map(str::to_owned);
        let region = of_arn.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.filter(|region| region.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-'));
        let region = region
            .ok_or_else(|| SignerError::new("no region: set AWS_REGION, or name the key by its ARN"))?;
        let endpoint = variable("AWS_ENDPOINT_URL_KMS").or_else(|| variable("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://kms.{region}.amazonaws.com"));
        Self::new(key, http::endpoint(&endpoint)?, region, Source::from_environment()?)
    }

    fn new(key: &str, endpoint: Url, region: String, source: Source) -> Result<Self, SignerError> {
        let (key, clock) = (key.to_owned(), Clock::system());
        Ok(Self { key, endpoint, region, source, cached: None, clock, http: Http::new()? })
    }

    /// The 32 bytes of the public key.
    pub(crate) fn public_key(&mut self) -> Result<[u8; 32], SignerError> {
        let answer: Public = self.call("GetPublicKey", &json!({ "KeyId": self.key }))?;
        let der = STANDARD.decode(answer.public_key);
        spki::from_der(&der.map_err(|_| SignerError::new("its public key is not base64"))?)
    }

    fn call<T: serde::de::DeserializeOwned>(&mut self, action: &str, body: &Value) -> Result<T, SignerError> {
        let credentials = self.credentials()?;
        let body = body.to_string();
        let target = format!("TrentService.{action}");
        let now = self.clock.now();
        let host = self.endpoint.host_str().unwrap_or_default();
        let host = self.endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let request =
            sigv4::Request { host: &host, target: &target, body: body.as_bytes(), region: &self.region };
        let headers = request.sign(&credentials, now)?;
        let mut post = self.http.client().post(self.endpoint.clone()).body(body.clone());
        for (name, value) in headers {
            let mut value = reqwest::header::HeaderValue::from_str(&value)
                .map_err(|_| SignerError::new("the credentials hold characters that no header may have"))?;
            value.set_sensitive(true);
            post = post.header(name, value);
        }
        let answer = self.http.json(post);
        if answer.is_err() {
            // They may have ended, or been replaced.
            self.cached = None;
        }
        answer
    }

    fn credentials(&mut self) -> Result<Credentials, SignerError> {
        if let Some((since, credentials)) = &self.cached
            && since.elapsed() < CREDENTIALS_AGE
        {
            return Ok(credentials.clone());
        }
        let fresh = self.source.fetch(&self.http)?;
        self.cached = Some((Instant::now(), fresh.clone()));
        Ok(fresh)
    }
}

impl ThreadSigner for Kms {
    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let answer: Signed = self.call("Sign", &json!({
            "KeyId": self.key, "Message": STANDARD.encode(message), "MessageType": "RAW", "SigningAlgorithm": "ED25519_SHA_512",
        }))?;
        spki::bytes("signature", &answer.signature)
    }
}

impl KeyWrapper for Kms {
    fn wrap(&mut self, key: &[u8; 32], context: &str) -> Result<Vec<u8>, SignerError> {
        let answer: Encrypted = self.call("Encrypt", &json!({
            "KeyId": self.key, "Plaintext": STANDARD.encode(key), "EncryptionContext": { CONTEXT_NAME: context },
        }))?;
        spki::decoded("ciphertext", &answer.ciphertext_blob)
    }

    fn unwrap(&mut self, wrapped: &[u8], context: &str) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        // The key is named, or KMS would take any key that the caller may use.
        let answer: Decrypted = self.call("Decrypt", &json!({
            "KeyId": self.key, "CiphertextBlob": STANDARD.encode(wrapped), "EncryptionContext": { CONTEXT_NAME: context },
        }))?;
        let plaintext = Zeroizing::new(answer.plaintext);
        Ok(Zeroizing::new(spki::decoded("plaintext", &plaintext)?))
    }
}

#[cfg(test)]
mod tests;
