//! A certificate from an authority that issues them over ACME (RFC 8555), proven by the server itself (tls-alpn-01, RFC 8737).
//!
//! ```text
//! <cache>/account-<directory>.json  the account's key
//! <cache>/certificate.pem           the certificate, its chain and its key: what the server serves
//! ```
//!
//! A certificate is renewed when a third of its life is left. Until then, and while the authority is away, the one in the cache is used.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use parking_lot::Mutex;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::ClientHello;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_runtime::{Backoff, Clock};
use zeroize::Zeroizing;

use super::files::Material;
use super::{Tls, TlsError, identity, settings};
use crate::limits::{
    ACME_CHECK_INTERVAL, ACME_FIRST_PAUSE, ACME_LONGEST_PAUSE, ACME_ORDER_TIMEOUT, MAX_ACCOUNT_BYTES,
};

// SPEC: RFC 8737 section 6.2.
const ALPN: &[u8] = b"acme-tls/1";

/// How to obtain a certificate.
#[derive(Clone)]
pub struct AcmeConfig {
    /// The host names that it is for. The authority connects to each of them at port 443.
    pub domains: Vec<String>,
    /// The authority's directory, an `https://` URL. To use it is to agree to the authority's terms of service.
    pub directory: String,
    /// Where the authority may send mail, such as `mailto:ops@example.com`.
    pub contact: Option<String>,
    /// Where account and certificate are kept, for their owner alone; created if missing.
    pub cache: PathBuf,
    /// The authority of the directory's own certificate, in PEM, instead of the public ones.
    pub authority: Option<PathBuf>,
    /// The clock that decides when a certificate is due.
    pub clock: Clock,
}

impl fmt::Debug for AcmeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AcmeConfig({} at {})", self.domains.join(" "), self.directory)
    }
}

impl AcmeConfig {
    /// Checks what can be checked without the authority, and makes the cache.
    pub(super) fn prepare(&self) -> Result<(), TlsError> {
        let wrong = |problem: String| self.failed(problem);
        if self.domains.is_empty() {
            return Err(wrong("no domain was given".to_owned()));
        }
        if let Some(domain) = self.domains.iter().find(|domain| !is_domain(domain)) {
            return Err(wrong(format!("`{domain}` is not a host name in lower case")));
        }
        if !self.directory.starts_with("https://") {
            return Err(wrong("a directory is an https:// URL".to_owned()));
        }
        durable::private_dir(&self.cache)
            .map_err(|failed| TlsError::Io { path: self.cache.clone(), error: failed.error })
    }

    pub(super) fn certificate_file(&self) -> PathBuf {
        self.cache.join("certificate.pem")
    }

    /// One for each directory: an account is known to one authority.
    fn account_file(&self) -> PathBuf {
        let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, self.directory.as_bytes());
        let name: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.cache.join(format!("account-{name}.json"))
    }

    fn failed(&self, problem: impl fmt::Display) -> TlsError {
        TlsError::Acme { directory: self.directory.clone(), problem: problem.to_string() }
    }
}

fn is_domain(name: &str) -> bool {
    identity::is_dns_name(name) && name.bytes().all(|byte| !byte.is_ascii_uppercase()) && name.contains('.')
}

/// Obtains a certificate whenever one is due. Runs until it is dropped.
pub(super) async fn renew(tls: &Tls, config: &AcmeConfig) {
    let mut backoff = Backoff::new(ACME_FIRST_PAUSE, ACME_LONGEST_PAUSE);
    loop {
        let left = time_left(config);
        if !left.is_zero() {
            // Not all of it at once: the clock may be set meanwhile, and files may be lost.
            tokio::time::sleep(left.min(ACME_CHECK_INTERVAL)).await;
            continue;
        }
        let obtained = tokio::time::timeout(ACME_ORDER_TIMEOUT, obtain(tls, config)).await;
        match obtained.unwrap_or_else(|_| Err(config.failed("the authority took too long"))) {
            Ok(()) => {
                tracing::info!(
                    domains = config.domains.join(" "),
                    "a certificate was issued and is in force"
                );
                backoff.reset();
            }
            Err(error) => {
                let wait = backoff.next_wait();
                tracing::error!(%error, retry_in = ?wait, "the certificate was not renewed");
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// How long the certificate in the cache is good before it is due; zero if there is none, or one for other names.
fn time_left(config: &AcmeConfig) -> Duration {
    let file = config.certificate_file();
    let Ok(material) = Material::read_both(&file) else { return Duration::ZERO };
    let (Ok(names), Ok([begin, end])) = (material.names(), material.validity()) else {
        return Duration::ZERO;
    };
    if config.domains.iter().any(|domain| !names.contains(domain)) {
        return Duration::ZERO;
    }
    let now = config.clock.now().signed() / 1000;
    let due = end - (end - begin) / 3;
    Duration::from_secs(u64::try_from(due - now).unwrap_or(0))
}

/// Orders a certificate, proves that the names lead here, and puts it in force.
async fn obtain(tls: &Tls, config: &AcmeConfig) -> Result<(), TlsError> {
    let failed = |error: instant_acme::Error| config.failed(error);
    let account = account(config).await?;
    let names: Vec<Identifier> = config.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await.map_err(failed)?;
    // Challenges are answered only while an order is under way.
    let _presented = Presented(&tls.0.challenges);
    prove(tls, config, &mut order).await?;
    let status = order.poll_ready(&RetryPolicy::default()).await.map_err(failed)?;
    if status != OrderStatus::Ready {
        return Err(config
            .failed(format!("the order is {status:?}: does each name lead to this server at port 443?")));
    }
    let wrong = |error: rcgen::Error| config.failed(error);
    let key = KeyPair::generate().map_err(wrong)?;
    let mut request = CertificateParams::new(config.domains.clone()).map_err(wrong)?;
    request.distinguished_name = DistinguishedName::new();
    let request = request.serialize_request(&key).map_err(wrong)?;
    order.finalize_csr(request.der()).await.map_err(failed)?;
    let chain = order.poll_certificate(&RetryPolicy::default()).await.map_err(failed)?;
    let key = Zeroizing::new(key.serialize_pem());
    let mut pem = Zeroizing::new(String::with_capacity(key.len() + chain.len() + 1));
    pem.push_str(&key);
    pem.push_str(chain.trim_end());
    pem.push('\n');
    // What cannot be used does not replace what can.
    let file = config.certificate_file();
    settings::server_config(&Material::both(&file, pem.as_bytes().to_vec()), None)?;
    durable::write(&file, pem.as_bytes(), Mode::Private)
        .map_err(|failed| TlsError::Io { path: file, error: failed.error })?;
    tls.reload().map(drop)
}

/// Answers the challenges of an order.
async fn prove(tls: &Tls, config: &AcmeConfig, order: &mut Order) -> Result<(), TlsError> {
    let failed = |error: instant_acme::Error| config.failed(error);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(failed)?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => return Err(config.failed(format!("an authorization is {status:?}"))),
        }
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut challenge = challenge.ok_or_else(|| config.failed("it offers no tls-alpn-01 challenge"))?;
        let name = challenge.identifier().to_string();
        let answer = challenge_settings(&name, challenge.key_authorization().digest().as_ref())
            .map_err(|problem| config.failed(problem))?;
        tls.0.challenges.0.lock().push((name, Arc::new(answer)));
        challenge.set_ready().await.map_err(failed)?;
    }
    Ok(())
}

/// The account in the cache, or a new one.
async fn account(config: &AcmeConfig) -> Result<Account, TlsError> {
    let failed = |error: instant_acme::Error| config.failed(error);
    let builder = match &config.authority {
        Some(file) => Account::builder_with_root(file).map_err(failed)?,
        None => Account::builder().map_err(failed)?,
    };
    let file = config.account_file();
    let unreadable =
        |failed: durable::Error| TlsError::Io { path: config.account_file(), error: failed.error };
    if let Some(json) = durable::read_bounded(&file, MAX_ACCOUNT_BYTES).map_err(unreadable)? {
        let json = Zeroizing::new(json);
        let credentials: AccountCredentials = serde_json::from_slice(&json)
            .map_err(|_| TlsError::Malformed { path: file, problem: "it is not an account".to_owned() })?;
        return builder.from_credentials(credentials).await.map_err(failed);
    }
    let contact: Vec<&str> = config.contact.as_deref().into_iter().collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) =
        builder.create(&wanted, config.directory.clone(), None).await.map_err(failed)?;
    let json = Zeroizing::new(serde_json::to_vec(&credentials).map_err(|error| config.failed(error))?);
    durable::write(&file, &json, Mode::Private).map_err(unreadable)?;
    Ok(account)
}

/// The certificate that proves control of a name to the authority, and that no other client accepts.
// SPEC: RFC 8737 section 3: self-signed, the name alone, and the digest in a critical extension.
fn challenge_settings(name: &str, digest: &[u8]) -> Result<ServerConfig, String> {
    let wrong = |error: rcgen::Error| error.to_string();
    let key = KeyPair::generate().map_err(wrong)?;
    let mut certificate = CertificateParams::new(vec![name.to_owned()]).map_err(wrong)?;
    certificate.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = certificate.self_signed(&key).map_err(wrong)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(ToOwned::to_owned)?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| error.to_string())?;
    // Not `with_single_cert`, which refuses the critical extension.
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    let builder = settings::builder(provider).map_err(|error| error.to_string())?;
    let resolver = Arc::new(SingleCertAndKey::from(certified));
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Challenges that are to be answered, by name.
#[derive(Debug, Default)]
pub(super) struct Challenges(Mutex<Vec<(String, Arc<ServerConfig>)>>);

impl Challenges {
    pub(super) fn settings(&self, name: &str) -> Option<Arc<ServerConfig>> {
        let answers = self.0.lock();
        let (_, settings) = answers.iter().find(|(known, _)| known == name)?;
        Some(Arc::clone(settings))
    }
}

/// Removes all challenges when the order ends.
struct Presented<'a>(&'a Challenges);

impl Drop for Presented<'_> {
    fn drop(&mut self) {
        self.0.0.lock().clear();
    }
}

/// Whether a connection comes from an authority that validates a challenge: it offers no other protocol.
pub(super) fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut protocols| protocols.next() == Some(ALPN) && protocols.next().is_none())
}

/// Shows the certificate, and ends the connection.
pub(super) async fn answer(
    start: StartHandshake<TcpStream>,
    settings: Arc<ServerConfig>,
) -> std::io::Result<()> {
    start.into_stream(settings).await?.shutdown().await
}

#[cfg(test)]
mod tests {
    use vouchlog_runtime::UnixMillis;

    use super::*;

    const DAY: u64 = 86_400;
    /// 2030-01-01.
    const BEGIN: u64 = 1_893_456_000;

    fn config(cache: &std::path::Path, domains: &[&str]) -> AcmeConfig {
        AcmeConfig {
            domains: domains.iter().map(ToString::to_string).collect(),
            directory: "https://acme.example/dir".to_owned(),
            contact: None,
            cache: cache.join("cache"),
            authority: None,
            clock: Clock::system(),
        }
    }

    /// Puts a certificate for 90 days into the cache.
    fn keep(config: &AcmeConfig) {
        config.prepare().unwrap();
        let mut params =
            CertificateParams::new(vec!["a.example".to_owned(), "b.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2030, 1, 1), rcgen::date_time_ymd(2030, 4, 1));
        let key = KeyPair::generate().unwrap();
        let pem = key.serialize_pem() + &params.self_signed(&key).unwrap().pem();
        durable::write(&config.certificate_file(), pem.as_bytes(), Mode::Private).unwrap();
    }

    #[test]
    fn a_certificate_is_due_when_a_third_of_its_life_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let left = |domains: &[&str], day: u64| {
            let clock = Clock::manual(UnixMillis::new((BEGIN + day * DAY) * 1000)).0;
            time_left(&AcmeConfig { clock, ..config(folder.path(), domains) })
        };
        assert_eq!(left(&["a.example"], 0), Duration::ZERO, "there is none");
        keep(&config(folder.path(), &["a.example"]));
        let days = |days: u64| Duration::from_secs(days * DAY);
        for (day, expected) in [(0, 60), (59, 1), (60, 0), (61, 0), (200, 0)] {
            assert_eq!(left(&["a.example"], day), days(expected), "{day}");
        }
        assert_eq!(left(&["a.example", "b.example"], 0), days(60));
        assert_eq!(left(&["a.example", "c.example"], 0), Duration::ZERO, "it is for other names");
    }

    #[test]
    fn what_cannot_be_ordered_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        config(folder.path(), &["log.example.com"]).prepare().unwrap();
        for domains in
            [&[][..], &["*.example.com"], &["Log.example.com"], &["10.0.0.1"], &["localhost"], &["a b.com"]]
        {
            assert!(config(folder.path(), domains).prepare().is_err(), "{domains:?}");
        }
        let mut plain = config(folder.path(), &["log.example.com"]);
        plain.directory = "http://acme.example/dir".to_owned();
        assert!(plain.prepare().is_err());
    }

    /// A challenge's certificate has a critical extension that rustls does not know, and is served all the same.
    #[test]
    fn challenges_are_answered_by_name_and_only_while_they_last() {
        let challenges = Challenges::default();
        let settings = Arc::new(challenge_settings("a.example", &[7; 32]).unwrap());
        challenges.0.lock().push(("a.example".to_owned(), settings));
        assert!(challenges.settings("a.example").is_some() && challenges.settings("b.example").is_none());
        drop(Presented(&challenges));
        assert!(challenges.settings("a.example").is_none());
    }
}
