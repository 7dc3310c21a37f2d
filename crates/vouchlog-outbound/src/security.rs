//! Which authorities a client trusts, what it presents, and when it may use plain text.

use std::fmt;

use reqwest::{Certificate, ClientBuilder, Url};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::address::is_loopback;

/// Whether a URL without TLS is used beyond this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainText {
    /// Never.
    #[default]
    LoopbackOnly,
    /// Always: anyone on the network path can read and change the traffic.
    Anywhere,
}

/// The rules for a client's connections. The default trusts the public authorities, presents nothing, and keeps plain text on this
/// machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSecurity {
    /// Authorities to trust beside the public ones, in PEM.
    pub authorities: Option<String>,
    /// The certificate that is presented to servers that ask for one.
    pub identity: Option<Identity>,
    /// Whether URLs without TLS are used beyond this machine.
    pub plain_text: PlainText,
}

/// A client's certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate and its chain in PEM, the client's own first.
    pub chain: String,
    /// Its private key in PEM.
    pub key: Zeroizing<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// Why nothing is sent to a URL. Repeats no URL: there may be a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It cannot be read.
    #[error("it is not a URL: {0}")]
    Malformed(String),
    /// It would carry plain text over a network.
    #[error(
        "it has no TLS and its host `{host}` is not this machine: use {scheme}s://, or allow it with --insecure-http"
    )]
    PlainText {
        /// The host.
        host: String,
        /// The scheme, without TLS.
        scheme: String,
    },
}

/// Why authorities or an identity cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// The authorities are no certificates.
    #[error("the certificate authorities cannot be used: {0}")]
    Authorities(String),
    /// The certificate or its key cannot be used. Without details, which may describe the key.
    #[error("the client's certificate and key cannot be used: give both in PEM")]
    Identity,
}

/// Reads a URL. [`ConnectionSecurity::check`] decides whether it may be used.
pub fn parse(url: &str) -> Result<Url, UrlError> {
    Url::parse(url.trim()).map_err(|error| UrlError::Malformed(error.to_string()))
}

/// Whether a URL leads to this machine: what is sent there crosses no network.
pub fn is_local(url: &Url) -> bool {
    is_loopback(url.host_str().unwrap_or_default())
}

impl ConnectionSecurity {
    /// Whether a URL may be connected to: `https` and `grpcs` anywhere, anything else on this machine, unless plain text is allowed.
    pub fn check(&self, url: &Url) -> Result<(), UrlError> {
        let is_secure = matches!(url.scheme(), "https" | "grpcs");
        let host = url.host_str().unwrap_or_default();
        if is_secure || self.plain_text == PlainText::Anywhere || is_loopback(host) {
            return Ok(());
        }
        Err(UrlError::PlainText { host: host.to_owned(), scheme: url.scheme().to_owned() })
    }

    /// Has `builder` make a client with these authorities and this identity. It unzips nothing by itself: a library's decoder reads
    /// members without content for as long as they come.
    pub fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, SecurityError> {
        let mut builder = builder.no_gzip();
        if let Some(pem) = &self.authorities {
            let authorities = Certificate::from_pem_bundle(pem.as_bytes());
            let authorities = authorities.map_err(|error| SecurityError::Authorities(root_cause(&error)))?;
            if authorities.is_empty() {
                return Err(SecurityError::Authorities("there is no certificate in PEM".to_owned()));
            }
            builder = builder.tls_certs_merge(authorities);
        }
        if let Some(identity) = &self.identity {
            let mut pem = Zeroizing::new(Vec::with_capacity(identity.chain.len() + identity.key.len() + 1));
            pem.extend_from_slice(identity.key.as_bytes());
            pem.push(b'\n');
            pem.extend_from_slice(identity.chain.as_bytes());
            let identity = reqwest::Identity::from_pem(&pem).map_err(|_| SecurityError::Identity)?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }
}

/// What an error comes from: the private address that a name leads to, the certificate that was not trusted.
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(plain_text: PlainText, url: &str) -> bool {
        let security = ConnectionSecurity { plain_text, ..ConnectionSecurity::default() };
        security.check(&parse(url).unwrap()).is_ok()
    }

    #[test]
    fn plain_text_stays_on_this_machine_unless_it_is_allowed() {
        for url in [
            "https://log.example.com",
            "grpcs://w.example.com:443",
            "http://127.0.0.1:6962/x",
            "http://127.9.9.9",
            "http://[::1]:6962",
            "http://localhost:6962",
            "grpc://127.0.0.1:6963",
            "grpc://localhost:6963",
            "grpc://[::1]:6963",
            "http://0x7f.1/", // 127.0.0.1 in another spelling, and nothing else
        ] {
            assert!(check(PlainText::LoopbackOnly, url), "{url}");
        }
        for url in [
            "http://log.example.com",
            "HTTP://log.example.com",
            "http://10.0.0.1:6962",
            "http://0.0.0.0:6962",
            "http://[::]:6962",
            "grpc://w.example.com:6963",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@log.example.com/",
            "http://log.example.com/https://127.0.0.1",
            "grpc://0x7f.1",
            "ftp://log.example.com",
            "data:text/plain,x",
        ] {
            assert!(!check(PlainText::LoopbackOnly, url), "{url}");
            assert!(check(PlainText::Anywhere, url), "{url}");
        }
    }

    #[test]
    fn errors_repeat_no_url_and_no_key() {
        let security = ConnectionSecurity::default();
        let error =
            security.check(&parse("http://log.example.com/secret?token=secret").unwrap()).unwrap_err();
        assert!(
            !error.to_string().contains("secret") && error.to_string().contains("log.example.com"),
            "{error}"
        );
        let identity = Identity { chain: "c".into(), key: Zeroizing::new("secret".into()) };
        assert!(!format!("{identity:?}").contains("secret"));
        let security = ConnectionSecurity { identity: Some(identity), ..ConnectionSecurity::default() };
        let error = security.apply(reqwest::Client::builder()).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        let security =
            ConnectionSecurity { authorities: Some("none".into()), ..ConnectionSecurity::default() };
        assert!(matches!(security.apply(reqwest::Client::builder()), Err(SecurityError::Authorities(_))));
    }
}
