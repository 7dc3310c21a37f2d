//! How a server is reached: with TLS, or in plain text on this machine alone.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::Context;
use tokio::net::TcpListener;
#[cfg(feature = "acme")]
use vouchlog::tls::acme::AcmeConfig;
use vouchlog::tls::{CertificateSource, ClientCertificates, Demand, Tls, TlsConfig};

use crate::advice::Advice;
use crate::output;

/// Where `--help` lists these flags. Each names it: a heading of the struct would be taken for the flags after it too.
const HEADING: &str = "TLS";

/// TLS of a server.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct TlsArgs {
    /// Serve with TLS: the certificate and its chain (PEM). Reloaded when it changes, and on SIGHUP
    #[arg(help_heading = HEADING, long = "tls-cert", value_name = "FILE", requires = "tls_key", env = "VOUCHLOG_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM), which other users must not be able to read
    #[arg(help_heading = HEADING, long = "tls-key", value_name = "FILE", requires = "tls_cert", env = "VOUCHLOG_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Accept client certificates of these authorities (PEM), and of no others
    #[arg(help_heading = HEADING, long = "tls-client-ca", value_name = "FILE", env = "VOUCHLOG_TLS_CLIENT_CA")]
    tls_client_ca: Option<PathBuf>,
    /// Whether clients must have a certificate
    #[arg(
        help_heading = HEADING,
        long = "tls-client-auth",
        value_enum,
        default_value = "optional",
        requires = "tls_client_ca",
        env = "VOUCHLOG_TLS_CLIENT_AUTH"
    )]
    tls_client_auth: ClientAuth,
    #[cfg(feature = "acme")]
    #[command(flatten)]
    acme: AcmeArgs,
    #[command(flatten)]
    pub(super) clear: ClearArgs,
}

/// A certificate from an authority that issues them over ACME.
#[cfg(feature = "acme")]
#[derive(Clone, Debug, Default, clap::Args)]
struct AcmeArgs {
    /// Serve with TLS: obtain and renew a certificate for this name over ACME (tls-alpn-01, at port 443); may be repeated
    #[arg(
        help_heading = HEADING,
        long = "acme-domain",
        value_name = "NAME",
        env = "VOUCHLOG_ACME_DOMAINS",
        value_delimiter = ' ',
        requires = "acme_cache",
        conflicts_with = "tls_cert"
    )]
    acme_domains: Vec<String>,
    /// The authority's directory
    #[arg(
        help_heading = HEADING,
        long = "acme-directory",
        value_name = "URL",
        default_value = "https://acme-v02.api.letsencrypt.org/directory",
        env = "VOUCHLOG_ACME_DIRECTORY"
    )]
    acme_directory: String,
    /// Where the authority may send mail, such as mailto:ops@example.com
    #[arg(help_heading = HEADING, long = "acme-contact", value_name = "URI", env = "VOUCHLOG_ACME_CONTACT")]
    acme_contact: Option<String>,
    /// The directory for the account, the certificate and its key, created if missing
    #[arg(help_heading = HEADING, long = "acme-cache", value_name = "DIR", env = "VOUCHLOG_ACME_CACHE")]
    acme_cache: Option<PathBuf>,
    /// Trust this certificate authority for the directory, instead of the public ones (PEM)
    #[arg(help_heading = HEADING, long = "acme-ca", value_name = "FILE", env = "VOUCHLOG_ACME_CA")]
    acme_ca: Option<PathBuf>,
}

/// Serving without TLS.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct ClearArgs {
    /// Listen beyond this machine without TLS: for a TLS proxy in front, or a network that is trusted
    #[arg(help_heading = HEADING, long, env = "VOUCHLOG_INSECURE_LISTEN", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) insecure_listen: bool,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum ClientAuth {
    /// Clients without one may connect too
    #[default]
    Optional,
    /// Clients without one are rejected
    Required,
}

/// What carries the bytes of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tls,
    /// Plain text, on this machine alone.
    Clear,
    /// Plain text, on any address.
    ClearAnywhere,
}

impl TlsArgs {
    /// TLS, if it was asked for. Reads the files.
    pub(super) fn open(&self) -> anyhow::Result<Option<Tls>> {
        let clients = self.tls_client_ca.clone().map(|authorities| ClientCertificates {
            authorities,
            demand: match self.tls_client_auth {
                ClientAuth::Optional => Demand::Optional,
                ClientAuth::Required => Demand::Required,
            },
        });
        let Some(source) = self.source() else {
            anyhow::ensure!(
                clients.is_none(),
                Advice::new(
                    "--tls-client-ca needs TLS",
                    "give --tls-cert and --tls-key, or --acme-domain and --acme-cache",
                )
            );
            return Ok(None);
        };
        let tls = Tls::open(TlsConfig { source, clients });
        Ok(Some(
            tls.context(Advice::new(
                "TLS cannot be set up",
                "see --tls-cert, --tls-key and --tls-client-ca",
            ))?,
        ))
    }

    fn source(&self) -> Option<CertificateSource> {
        if let (Some(chain), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return Some(CertificateSource::Files { chain: chain.clone(), key: key.clone() });
        }
        self.obtained()
    }

    #[cfg(feature = "acme")]
    fn obtained(&self) -> Option<CertificateSource> {
        let cache = self.acme.acme_cache.clone().filter(|_| !self.acme.acme_domains.is_empty())?;
        Some(CertificateSource::Acme(AcmeConfig {
            domains: self.acme.acme_domains.clone(),
            directory: self.acme.acme_directory.clone(),
            contact: self.acme.acme_contact.clone(),
            cache,
            authority: self.acme.acme_ca.clone(),
            clock: vouchlog::system_clock(),
        }))
    }

    #[cfg(not(feature = "acme"))]
    fn obtained(&self) -> Option<CertificateSource> {
        None
    }

    /// Whether TLS was asked for.
    pub(super) fn is_wanted(&self) -> bool {
        self.source().is_some()
    }

    /// The same without TLS.
    pub(super) fn cleared(&self) -> Self {
        Self { clear: self.clear, ..Self::default() }
    }

    pub(super) fn transport(&self) -> Transport {
        if self.is_wanted() { Transport::Tls } else { self.clear.transport() }
    }
}

impl ClearArgs {
    pub(super) fn transport(self) -> Transport {
        if self.insecure_listen { Transport::ClearAnywhere } else { Transport::Clear }
    }
}

impl Transport {
    /// The URL of a server that listens here.
    pub(super) fn url(self, address: SocketAddr) -> String {
        let scheme = if self == Self::Tls { "https" } else { "http" };
        format!("{scheme}://{address}")
    }
}

/// Takes the port. Done before anything else, so that a port in use is reported before keys are made.
pub(super) async fn listen(address: &str, transport: Transport) -> anyhow::Result<(TcpListener, SocketAddr)> {
    listen_at(address, "--listen", transport).await
}

/// As [`listen`], for a command that serves only if it is given an address.
pub(super) async fn listen_if_given(
    address: Option<&str>,
    transport: Transport,
) -> anyhow::Result<Option<(TcpListener, SocketAddr)>> {
    match address {
        Some(address) => listen(address, transport).await.map(Some),
        None => Ok(None),
    }
}

/// The same listening socket once more.
pub(super) fn duplicate(listener: &TcpListener) -> anyhow::Result<TcpListener> {
    let duplicate =
        || TcpListener::from_std(std::net::TcpListener::from(listener.as_fd().try_clone_to_owned()?));
    duplicate().context("the listening socket could not be duplicated")
}

/// As [`listen`], at the address that `flag` gives.
pub(super) async fn listen_at(
    address: &str,
    flag: &str,
    transport: Transport,
) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        Advice::new(format!("cannot listen on {address}"), format!("give another address with {flag}"))
    })?;
    let address = listener.local_addr().context("the listening address could not be read")?;
    if address.ip().to_canonical().is_loopback() || transport == Transport::Tls {
        return Ok((listener, address));
    }
    if transport == Transport::Clear {
        return Err(Advice::error(
            format!("{address} can be reached from other machines, and there is no TLS"),
            "give --tls-cert and --tls-key, or --acme-domain; behind a TLS proxy, or on a trusted network, give --insecure-listen; or listen on 127.0.0.1",
        ));
    }
    output::warn(
        "listening on a network address without TLS: anyone on the way can read and change what is sent",
    );
    Ok((listener, address))
}

/// Reads the files of TLS again, at a SIGHUP, and logs what came of it.
pub(super) fn reload_tls(tls: Option<&Tls>) {
    use vouchlog::tls::Reloaded;
    match tls.map(Tls::reload) {
        None => {}
        Some(Ok(Reloaded::Changed)) => tracing::info!("SIGHUP: the TLS files were reloaded"),
        Some(Ok(Reloaded::Unchanged)) => tracing::info!("SIGHUP: the TLS files have not changed"),
        Some(Err(error)) => {
            tracing::error!("SIGHUP: the TLS files were not reloaded, the old ones stay in force: {error}");
        }
    }
}
