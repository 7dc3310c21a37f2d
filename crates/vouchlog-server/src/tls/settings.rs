//! From the files to what rustls runs by: TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, client certificates, and tickets.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ConfigBuilder, Error, RootCertStore, ServerConfig, WantsVerifier};

use super::files::Material;
use super::{ClientCertificates, Demand, TlsError};

/// Settings for connections that begin from now on.
pub(super) fn server_config(
    material: &Material,
    clients: Option<&ClientCertificates>,
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = certified_key(material, &provider)?;
    let builder = builder(Arc::clone(&provider))?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            for authority in material.authorities()? {
                let added = roots.add(authority);
                added.map_err(|error| {
                    material.wrong_authority(format!("not a certificate authority: {error}"))
                })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match clients.demand {
                Demand::Optional => verifier.allow_unauthenticated(),
                Demand::Required => verifier,
            };
            let verifier = verifier.build().map_err(|error| material.wrong_authority(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if clients.is_some() {
        // A resumed session is not verified again: it would outlive the client's certificate, and the authority's.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer =
            aws_lc_rs::Ticketer::new().map_err(|error| TlsError::Settings(error.to_string()))?;
    }
    Ok(config)
}

/// The beginning of all settings: the two versions of TLS that are safe.
pub(super) fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, TlsError> {
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Settings(error.to_string()))
}

fn certified_key(material: &Material, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    // Errors of a key are not passed on: they may describe what is in it.
    let key = provider.key_provider.load_private_key(material.key()?);
    let key = key.map_err(|_| material.wrong_key("the private key is of a kind that is not supported"))?;
    let certified = CertifiedKey::new(material.chain()?, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => Err(material.mismatch()),
        Err(error) => Err(material.wrong_chain(format!("the first certificate cannot be used: {error}"))),
    }
}
