//! TLS of a server: certificates from files or from an ACME authority, renewed while it runs; client certificates, if wanted.
//!
//! ```text
//! accepted socket ─► (its own task) ClientHello ─► newest settings ─► handshake, in time ─► HTTP/2 or HTTP/1.1
//! files changed, SIGHUP, renewed by ACME ─► read and checked as a whole ─► new settings; open connections keep theirs
//! ```

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::Acceptor;
#[cfg(feature = "acme")]
use tokio_rustls::rustls::server::ClientHello;
use tokio_rustls::server::TlsStream;
use vouchlog_runtime::metrics::{Gauge, register_as};

use crate::limits::TLS_RELOAD_INTERVAL;
use crate::peer::PeerCertificate;

#[cfg(feature = "acme")]
pub mod acme;
mod files;
mod identity;
mod settings;

use files::{Digest, Material};

/// Where a server's certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// From files that another program renews.
    Files {
        /// The certificate and its chain in PEM, the server's own first.
        chain: PathBuf,
        /// Its private key in PEM. Other users must not be able to read it. It may be the same file.
        key: PathBuf,
    },
    /// From an ACME authority, which is asked for it and for each renewal.
    #[cfg(feature = "acme")]
    Acme(acme::AcmeConfig),
}

/// Which clients may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities whose certificates are accepted, in PEM.
    pub authorities: PathBuf,
    /// Whether a client without a certificate is rejected. One with a certificate of another authority always is.
    pub demand: Demand,
}

/// Whether clients must have certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// They may.
    Optional,
    /// They must.
    Required,
}

/// How a server does TLS.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Where its certificate comes from.
    pub source: CertificateSource,
    /// Which clients it accepts; all of them if `None`.
    pub clients: Option<ClientCertificates>,
}

/// Why TLS cannot be set up or reloaded. Names the file, never what is in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The operating system refused to read or write a file.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system reported.
        error: io::Error,
    },
    /// Other users can read the private key.
    #[error("{0}: other users can read this private key: set its mode to 0600, or 0640 for a group")]
    Exposed(PathBuf),
    /// A file does not hold what it should.
    #[error("{path}: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        problem: String,
    },
    /// The private key does not belong to the certificate, as while only one of them has been replaced.
    #[error("the private key {key} does not belong to the certificate {chain}")]
    Mismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// rustls refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Settings(String),
    /// An ACME authority issued no certificate.
    #[error("no certificate from {directory}: {problem}")]
    Acme {
        /// The authority's directory.
        directory: String,
        /// What went wrong.
        problem: String,
    },
}

/// What a reload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The files are those in force.
    Unchanged,
    /// They are others, and new connections use them.
    Changed,
}

/// TLS of a server. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: TlsConfig,
    /// What new connections use; nothing before the first certificate of an ACME authority.
    settings: ArcSwapOption<ServerConfig>,
    /// Of the files that are in force. Locked while files are read, so that reloads come one after the other.
    loaded: Mutex<Option<Digest>>,
    not_after: Gauge,
    #[cfg(feature = "acme")]
    challenges: acme::Challenges,
}

impl Tls {
    /// Reads the files. With an ACME authority whose certificate is not in the cache yet, the server starts without one: handshakes
    /// fail until [`Tls::maintain`] has obtained it.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub fn open(config: TlsConfig) -> Result<Self, TlsError> {
        #[cfg(feature = "acme")]
        if let CertificateSource::Acme(acme) = &config.source {
            acme.prepare()?;
        }
        let tls = Self(Arc::new(Inner {
            config,
            settings: ArcSwapOption::empty(),
            loaded: Mutex::default(),
            not_after: Gauge::default(),
            #[cfg(feature = "acme")]
            challenges: acme::Challenges::default(),
        }));
        match tls.reload() {
            Err(TlsError::Io { error, .. })
                if error.kind() == io::ErrorKind::NotFound && tls.0.config.source.is_obtained() => {}
            reloaded => drop(reloaded?),
        }
        Ok(tls)
    }

    /// Reads the files again and, if they have changed and can be used, puts them in force for new connections.
    ///
    /// # Errors
    /// A file cannot be read or used. What was in force stays in force.
    pub fn reload(&self) -> Result<Reloaded, TlsError> {
        let mut loaded = self.0.loaded.lock();
        let material = Material::read(&self.0.config)?;
        let digest = material.digest();
        if *loaded == Some(digest) {
            return Ok(Reloaded::Unchanged);
        }
        let settings = settings::server_config(&material, self.0.config.clients.as_ref())?;
        let [_, not_after] = material.validity()?;
        self.0.settings.store(Some(Arc::new(settings)));
        self.0.not_after.set(u64::try_from(not_after).unwrap_or(0));
        *loaded = Some(digest);
        Ok(Reloaded::Changed)
    }

    /// Reloads the files whenever they change, and renews the certificate of an ACME authority. Runs until it is dropped.
    pub async fn maintain(&self) {
        #[cfg(feature = "acme")]
        if let CertificateSource::Acme(acme) = &self.0.config.source {
            tokio::join!(self.follow_files(), acme::renew(self, acme));
            return;
        }
        self.follow_files().await;
    }

    /// Looks at the files every few seconds. A fault is logged once, not each time.
    async fn follow_files(&self) {
        let mut last_fault = None;
        loop {
            tokio::time::sleep(TLS_RELOAD_INTERVAL).await;
            let tls = self.clone();
            // A file system that hangs must not hold a thread that carries connections.
            let Ok(reloaded) = tokio::task::spawn_blocking(move || tls.reload()).await else { continue };
            let fault = match reloaded {
                Ok(Reloaded::Unchanged) => None,
                Ok(Reloaded::Changed) => {
                    tracing::info!("the TLS files changed and were reloaded");
                    None
                }
                // Before the first certificate of an authority there is no file.
                Err(_) if self.0.settings.load().is_none() => None,
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = fault.as_ref().filter(|fault| last_fault.as_ref() != Some(*fault)) {
                tracing::error!(error, "the TLS files were not reloaded: the old ones stay in force");
            }
            last_fault = fault;
        }
    }

    /// Shows when the certificate expires.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let ours = registry.sub_registry_with_prefix("vouchlog");
        let help = "When the server's certificate expires, in seconds since 1970";
        register_as(ours, "tls_certificate_not_after_seconds", help, self.0.not_after.clone());
    }

    /// The handshake of a connection. `None` if an ACME authority connected to validate a challenge.
    ///
    /// # Errors
    /// The peer does not speak TLS, has no acceptable certificate, or has disconnected. rustls has sent the alert.
    pub(crate) async fn handshake(&self, stream: TcpStream) -> io::Result<Option<Secured>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        #[cfg(feature = "acme")]
        if acme::is_challenge(&start.client_hello()) {
            let settings = self.challenge(&start.client_hello());
            acme::answer(start, settings.ok_or_else(not_yet)?).await?;
            return Ok(None);
        }
        let settings = self.0.settings.load_full().ok_or_else(not_yet)?;
        let stream = start.into_stream(settings).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let certificate = chain.map(identity::peer_certificate).transpose().map_err(io::Error::other)?;
        Ok(Some(Secured { stream, certificate: certificate.map(Arc::new) }))
    }

    #[cfg(feature = "acme")]
    fn challenge(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        self.0.challenges.settings(hello.server_name()?)
    }
}

/// A connection after its handshake.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) certificate: Option<Arc<PeerCertificate>>,
}

impl CertificateSource {
    /// Whether the server obtains the certificate itself, so that there may be none yet.
    fn is_obtained(&self) -> bool {
        !matches!(self, Self::Files { .. })
    }
}

fn not_yet() -> io::Error {
    io::Error::other("there is no certificate yet")
}
