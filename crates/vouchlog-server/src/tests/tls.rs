//! Goal: TLS keeps strangers out and lets clients in, whatever happens to its files. Method: certificates of an authority made for the
//! test, a server on a real socket, and clients of three kinds: reqwest, tonic, and rustls itself.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Extension;
use axum::routing::get;
use axum::{Json, Router};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use reqwest::{StatusCode, Version};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use vouchlog_access::CertificateNames;
use vouchlog_proto::v1;
use vouchlog_proto::v1::log_client::LogClient;

use super::{Running, Server, ServerConfig};
use crate::Peer;
use crate::tests::fake::Fake;
use crate::tls::{CertificateSource, ClientCertificates, Demand, Reloaded, Tls, TlsConfig, TlsError};

const SPIFFE: &str = "spiffe://corp.example/ns/agents/sa/refunds";

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
struct Issued {
    chain: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, names: Vec<SanType>, usages: Vec<KeyUsagePurpose>) -> Issued {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        params.key_usages = usages;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { chain, key: key.serialize_pem() }
    }

    fn server(&self) -> Issued {
        self.issue(vec![dns("localhost"), SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))], vec![])
    }

    fn workload(&self) -> Issued {
        self.issue(vec![uri(SPIFFE), dns("Refunds.corp.example")], vec![KeyUsagePurpose::DigitalSignature])
    }

    /// A client that trusts this authority, and presents what is given.
    fn client(&self, identity: Option<&Issued>) -> reqwest::Client {
        let roots = [reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap()];
        let mut builder = reqwest::Client::builder().no_proxy().tls_certs_only(roots);
        if let Some(Issued { chain, key }) = identity {
            builder =
                builder.identity(reqwest::Identity::from_pem(format!("{key}{chain}").as_bytes()).unwrap());
        }
        builder.build().unwrap()
    }

    /// The same with nothing between the test and the handshake.
    fn connector(&self) -> TlsConnector {
        use tokio_rustls::rustls::pki_types::CertificateDer;
        use tokio_rustls::rustls::pki_types::pem::PemObject;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn uri(id: &str) -> SanType {
    SanType::URI(id.try_into().unwrap())
}

/// Whether an error is the one that a test expects.
type IsExpected = fn(&TlsError) -> bool;

/// A folder with the files of a server.
struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new("ours") };
        files.put(&files.authority.server());
        fs::write(files.at("clients.pem"), &files.authority.pem).unwrap();
        files
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, issued: &Issued) {
        fs::write(self.at("chain.pem"), &issued.chain).unwrap();
        private(&self.at("key.pem"), &issued.key);
    }

    fn config(&self, demand: Option<Demand>) -> TlsConfig {
        let source = CertificateSource::Files { chain: self.at("chain.pem"), key: self.at("key.pem") };
        let authorities = self.at("clients.pem");
        TlsConfig { source, clients: demand.map(|demand| ClientCertificates { authorities, demand }) }
    }

    fn tls(&self, demand: Option<Demand>) -> Tls {
        Tls::open(self.config(demand)).unwrap()
    }
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A server whose one route tells its caller who it is.
async fn who(tls: &Tls, config: ServerConfig) -> Running {
    let tell = |Extension(peer): Extension<Peer>, names: Option<Extension<CertificateNames>>| async move {
        let certificate = peer.certificate.map(|certificate| {
            json!({
                "spiffe": certificate.spiffe_id, "dns": certificate.dns_names, "chain": certificate.chain.len(),
                "fingerprint": certificate.fingerprint == sha256(&certificate.chain[0]),
            })
        });
        let named = names.is_some_and(|Extension(names)| names.spiffe.is_some() || !names.dns.is_empty());
        let certified = peer_has_name(certificate.as_ref());
        assert_eq!(named, certified, "the access check sees the same names");
        Json(json!({ "local": peer.address.ip().is_loopback(), "certificate": certificate }))
    };
    let routes = Router::new().route("/who", get(tell));
    Running::start(Server::routes(routes, Router::new(), config).tls(tls.clone())).await
}

fn peer_has_name(certificate: Option<&Value>) -> bool {
    certificate.is_some_and(|it| !it["spiffe"].is_null() || it["dns"] != json!([]))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

fn https(running: &Running, path: &str) -> String {
    format!("https://{}{path}", running.address)
}

async fn told(client: &reqwest::Client, running: &Running) -> Result<Value, reqwest::Error> {
    client.get(https(running, "/who")).send().await?.json().await
}

async fn connect(running: &Running, connector: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(running.address).await?;
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// One request on a connection that stays open.
async fn healthy(stream: &mut TlsStream<TcpStream>) -> bool {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        let mut part = [0; 1024];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => answer.extend_from_slice(&part[..count]),
        }
    }
    answer.starts_with(b"HTTP/1.1 200")
}

fn served(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn http1_http2_and_grpc_share_a_port_with_tls() {
    let files = Files::new();
    let log = Fake::new();
    let server = Server::new(log, ServerConfig::default()).tls(files.tls(None));
    let running = Running::start(server).await;
    let new = files.authority.client(None).get(https(&running, "/checkpoint")).send().await.unwrap();
    assert_eq!((new.version(), new.status()), (Version::HTTP_2, StatusCode::OK), "by ALPN");
    let root = reqwest::Certificate::from_pem(files.authority.pem.as_bytes()).unwrap();
    let old = reqwest::Client::builder().no_proxy().http1_only().tls_certs_only([root]).build().unwrap();
    let old = old.get(https(&running, "/checkpoint")).send().await.unwrap();
    assert_eq!((old.version(), old.status()), (Version::HTTP_11, StatusCode::OK));
    let root = Certificate::from_pem(&files.authority.pem);
    let endpoint = Endpoint::from_shared(https(&running, "")).unwrap();
    let endpoint = endpoint.tls_config(ClientTlsConfig::new().ca_certificate(root)).unwrap();
    let mut reader = LogClient::new(endpoint.connect().await.unwrap());
    let note = reader.get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
    assert_eq!(note.into_inner().note, old.text().await.unwrap());
    let metrics = files.authority.client(None).get(https(&running, "/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let expiry =
        metrics.lines().find_map(|line| line.strip_prefix("vouchlog_tls_certificate_not_after_seconds "));
    assert!(expiry.unwrap().parse::<u64>().unwrap() > 1_700_000_000, "{metrics}");
}

#[tokio::test]
async fn an_accepted_certificate_is_the_peers_identity() {
    let files = Files::new();
    let running = who(&files.tls(Some(Demand::Optional)), ServerConfig::default()).await;
    let authority = &files.authority;
    let nobody = told(&authority.client(None), &running).await.unwrap();
    assert_eq!(nobody, json!({ "local": true, "certificate": null }));
    let somebody = told(&authority.client(Some(&authority.workload())), &running).await.unwrap();
    let expected =
        json!({ "spiffe": SPIFFE, "dns": ["refunds.corp.example"], "chain": 1, "fingerprint": true });
    assert_eq!(somebody["certificate"], expected);
    // SPEC: X509-SVID: exactly one URI, and a leaf signs nothing.
    let sign = vec![KeyUsagePurpose::DigitalSignature];
    for (names, usages) in [
        (vec![uri(SPIFFE), uri("https://corp.example")], sign.clone()),
        (vec![uri(SPIFFE), uri("spiffe://corp.example/other")], sign.clone()),
        (vec![uri(SPIFFE)], vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign]),
        (vec![uri("spiffe://corp.example")], sign.clone()),
        (vec![dns("*.corp.example")], sign),
    ] {
        let told = told(&authority.client(Some(&authority.issue(names, usages))), &running).await.unwrap();
        assert_eq!((&told["certificate"]["spiffe"], &told["certificate"]["dns"]), (&Value::Null, &json!([])));
    }
}

#[tokio::test]
async fn certificates_of_strangers_are_refused_and_required_ones_are_required() {
    let files = Files::new();
    let (ours, theirs) = (&files.authority, Authority::new("theirs"));
    for demand in [Demand::Optional, Demand::Required] {
        let running = who(&files.tls(Some(demand)), ServerConfig::default()).await;
        told(&ours.client(Some(&ours.workload())), &running).await.unwrap();
        told(&ours.client(Some(&theirs.workload())), &running).await.unwrap_err();
        assert_eq!(
            told(&ours.client(None), &running).await.is_ok(),
            demand == Demand::Optional,
            "{demand:?}"
        );
    }
    // A server that asks for none looks at none.
    let running = who(&files.tls(None), ServerConfig::default()).await;
    let unasked = told(&ours.client(Some(&theirs.workload())), &running).await.unwrap();
    assert_eq!(unasked["certificate"], Value::Null);
}

#[tokio::test]
async fn a_reload_is_for_new_connections_and_keeps_the_open_ones() {
    let files = Files::new();
    let tls = files.tls(None);
    let running = who(&tls, ServerConfig::default()).await;
    let connector = files.authority.connector();
    let mut open = connect(&running, &connector).await.unwrap();
    assert!(healthy(&mut open).await);
    assert_eq!(tls.reload().unwrap(), Reloaded::Unchanged);
    files.put(&files.authority.server());
    assert_eq!(tls.reload().unwrap(), Reloaded::Changed);
    let new = connect(&running, &files.authority.connector()).await.unwrap();
    assert_ne!(served(&new), served(&open));
    assert!(healthy(&mut open).await, "the open connection goes on");
}

#[tokio::test]
async fn changed_files_are_reloaded_without_a_signal() {
    let files = Files::new();
    let running = who(&files.tls(None), ServerConfig::default()).await;
    let first = served(&connect(&running, &files.authority.connector()).await.unwrap());
    files.put(&files.authority.server());
    while served(&connect(&running, &files.authority.connector()).await.unwrap()) == first {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn broken_files_leave_the_old_ones_in_force() {
    let files = Files::new();
    let tls = files.tls(Some(Demand::Required));
    let running = who(&tls, ServerConfig::default()).await;
    let before = files.authority.server();
    let client = || files.authority.client(Some(&files.authority.workload()));
    let foreign = Authority::new("other").server();
    let broken: [(&str, &str, IsExpected); 5] = [
        ("chain.pem", "", |error| matches!(error, TlsError::Malformed { .. })),
        ("chain.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", |error| {
            matches!(error, TlsError::Malformed { .. })
        }),
        ("chain.pem", &foreign.chain, |error| matches!(error, TlsError::Mismatch { .. })),
        ("key.pem", "secret", |error| matches!(error, TlsError::Malformed { .. })),
        ("clients.pem", "nobody", |error| matches!(error, TlsError::Malformed { .. })),
    ];
    for (file, text, is_expected) in broken {
        let old = fs::read_to_string(files.at(file)).unwrap();
        fs::write(files.at(file), text).unwrap();
        let error = tls.reload().unwrap_err();
        assert!(is_expected(&error) && error.to_string().contains(file), "{file}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        told(&client(), &running).await.unwrap();
        fs::write(files.at(file), old).unwrap();
    }
    fs::remove_file(files.at("chain.pem")).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Io { .. })));
    told(&client(), &running).await.unwrap();
    files.put(&before);
    assert_eq!(tls.reload().unwrap(), Reloaded::Changed);
    // Clients of an authority that is gone are turned away from now on.
    fs::write(files.at("clients.pem"), Authority::new("new").pem).unwrap();
    assert_eq!(tls.reload().unwrap(), Reloaded::Changed);
    told(&client(), &running).await.unwrap_err();
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let files = Files::new();
    for (mode, is_accepted) in [(0o600, true), (0o640, true), (0o644, false), (0o604, false), (0o601, false)]
    {
        fs::set_permissions(files.at("key.pem"), fs::Permissions::from_mode(mode)).unwrap();
        let opened = Tls::open(files.config(None));
        assert_eq!(opened.is_ok(), is_accepted, "{mode:o}");
        if let Err(error) = opened {
            assert!(matches!(error, TlsError::Exposed(_)), "{error}");
        }
    }
}

/// A session that is resumed is not verified again, so clients with certificates have to show them each time.
#[tokio::test]
async fn sessions_are_resumed_only_without_client_certificates() {
    let files = Files::new();
    for (demand, second) in [(None, HandshakeKind::Resumed), (Some(Demand::Optional), HandshakeKind::Full)] {
        let running = who(&files.tls(demand), ServerConfig::default()).await;
        let connector = files.authority.connector();
        for expected in [HandshakeKind::Full, second] {
            let mut stream = connect(&running, &connector).await.unwrap();
            // Tickets come after the handshake.
            assert!(healthy(&mut stream).await);
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected), "{demand:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_tls_is_turned_away() {
    let files = Files::new();
    let running = who(&files.tls(None), ServerConfig::default()).await;
    for bytes in [
        &b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x16\x03\x01\xff\xff",
        &[0; 100],
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.len() < 64 && !answer.starts_with(b"HTTP"), "{answer:?}");
    }
    told(&files.authority.client(None), &running).await.unwrap();
    let metrics = files.authority.client(None).get(https(&running, "/metrics")).send().await.unwrap();
    assert!(metrics.text().await.unwrap().contains("vouchlog_tls_handshakes_failed_total 5\n"));
}

#[tokio::test]
async fn slow_handshakes_delay_nobody_and_end() {
    let files = Files::new();
    // None of them ends by itself while the others are served.
    let patient = ServerConfig { handshake_timeout: Duration::from_secs(3_600), ..ServerConfig::default() };
    let running = who(&files.tls(None), patient).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"\x16\x03").await.unwrap();
        silent.push(stream);
    }
    told(&files.authority.client(None), &running).await.unwrap();
    // Nor do they delay the end.
    running.stop().await;

    let brief = ServerConfig { handshake_timeout: Duration::from_millis(50), ..ServerConfig::default() };
    let running = who(&files.tls(None), brief).await;
    assert_eq!(running.raw(b"").await, "", "one that says nothing is let go");
    assert_eq!(running.raw(b"\x16\x03\x01").await, "");
    // A handshake of ours can take that long as well, where others have the processor.
    let client = files.authority.client(None);
    let served = async { while told(&client, &running).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), served).await.expect("others are served");
}
