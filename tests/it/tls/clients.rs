//! OpenSSL's client, curl, and our own against servers with TLS.

use std::process::Command;
use std::time::{Duration, Instant};

use vouchlog_stream::Digest;

use super::files::{Authority, curl, s_client};
use super::have;
use crate::process::{Server, fail, signal, succeed, vouchlog};

/// A guard against hanging, and no measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with the certificate `server` of an authority, which is also that of its clients.
fn start(authority: &Authority, command: &str, more: &[&str]) -> Server {
    let mut program = vouchlog();
    program.args([
        command,
        "--json",
        "--tls-cert",
        &authority.at("server.pem"),
        "--tls-key",
        &authority.at("server.key"),
    ]);
    program.args(["--tls-client-ca", &authority.at("ca.pem"), "--data", &authority.at(command)]).args(more);
    Server::spawn(program)
}

fn by_name(server: &Server) -> String {
    let port = server.url.strip_prefix("https://127.0.0.1:").expect("the announced URL says https");
    format!("https://localhost:{port}")
}

#[test]
fn curl_openssl_and_our_client_speak_to_a_log() {
    if !(have("openssl", "version") && have("curl", "--version")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) =
        (Authority::new(&folder.path().join("ours")), Authority::new(&folder.path().join("theirs")));
    ours.issue("server", "DNS:localhost");
    ours.issue("client", "URI:spiffe://corp.example/refunds");
    theirs.issue("client", "URI:spiffe://corp.example/refunds");
    let server = start(&ours, "serve", &["--listen", "127.0.0.1:0"]);
    let (url, address) = (by_name(&server), server.url.replace("https://", ""));

    let health = format!("{url}/healthz");
    let ok = |version: &str| Some(("ok\n".to_owned(), format!("{version} 200")));
    assert_eq!(curl(&ours, &health, &["--http2"]), ok("2"));
    assert_eq!(curl(&ours, &health, &["--http1.1"]), ok("1.1"));
    let identity =
        |of: &Authority| ["--cert".into(), of.at("client.pem"), "--key".into(), of.at("client.key")];
    let (good, bad) = (identity(&ours), identity(&theirs));
    assert_eq!(curl(&ours, &health, &good.each_ref().map(String::as_str)), ok("2"));
    assert_eq!(curl(&ours, &health, &bad.each_ref().map(String::as_str)), None);
    assert_eq!(curl(&theirs, &health, &[]), None, "another authority");
    assert_eq!(curl(&ours, &health.replace("https", "http"), &[]), None, "in clear");

    for (more, is_accepted) in [
        (&["-tls1_3", "-alpn", "h2"][..], true),
        (&["-tls1_2", "-alpn", "h2,http/1.1"], true),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], false),
        (&["-tls1_3", "-alpn", "spdy/1"], false),
        (&["-tls1_3", "-alpn", "acme-tls/1"], false),
    ] {
        let said = s_client(&ours, &address, more);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(
            text.contains("Verify return code: 0 (ok)") && said.status.success(),
            is_accepted,
            "{more:?}: {text}"
        );
        assert_eq!(text.contains("ALPN protocol: h2"), is_accepted, "{more:?}: {text}");
    }

    let digest = Digest::of(b"salted").to_string();
    let submit = ["submit", "--json", "--log", &url, "--log-vkey", &server.vkey, "--digest", &digest];
    let (code, error) = fail(&submit);
    assert_eq!(code, 2, "{error}");
    let ca = ours.at("ca.pem");
    let said = succeed(&[&submit[..], &["--ca", &ca]].concat());
    assert!(said.contains("\"index\""), "{said}");
    succeed(&["audit", "--log", &url, "--log-vkey", &server.vkey, "--ca", &ca]);
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_required_certificate_is_presented_by_our_clients() {
    if !(have("openssl", "version") && have("curl", "--version")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("server", "DNS:localhost,IP:127.0.0.1");
    authority.issue("client", "DNS:log.example.com");
    let ca = authority.at("ca.pem");
    let with = [
        "--ca",
        &ca,
        "--client-cert",
        &authority.at("client.pem"),
        "--client-key",
        &authority.at("client.key"),
    ]
    .map(str::to_owned);
    let with = with.each_ref().map(String::as_str);
    let required = ["--tls-client-auth", "required", "--listen", "127.0.0.1:0"];
    let log_key = authority.at("log.key");
    let vkey = succeed(&["keygen", "--kind", "log", "--name", "log.example.com/ai", "--out", &log_key]);
    let name = ["--name", "witness.example.com/w", "--log-vkey", vkey.trim()];
    let witness = start(&authority, "witness", &[&required[..], &name].concat());
    assert_eq!(
        curl(&authority, &format!("{}/healthz", by_name(&witness)), &[]),
        None,
        "without a certificate"
    );

    // The log reaches its witness with what it was given, over both protocols.
    let port = witness.url.rsplit_once(':').unwrap().1;
    for (folder, scheme) in [("http", "https"), ("grpc", "grpcs")] {
        let policy = authority.at("policy.txt");
        let text = format!("witness w {} {scheme}://localhost:{port}\nquorum w\n", witness.vkey);
        std::fs::write(&policy, text).unwrap();
        let data = authority.at(folder);
        let more = ["--policy", &policy, "--key", &log_key, "--witness-interval", "50ms"];
        let mut log = vouchlog();
        log.args([
            "serve",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--origin",
            "log.example.com/ai",
            "--data",
            &data,
        ]);
        let log = Server::spawn({
            log.args(more).args(with);
            log
        });
        let digest = Digest::of(folder.as_bytes()).to_string();
        let submit =
            ["submit", "--log", &log.url, "--log-vkey", &log.vkey, "--policy", &policy, "--digest", &digest];
        succeed(&submit);
        assert_eq!(log.terminate(), 0);
        if scheme == "https" {
            // The next log has another history; this witness would rightly refuse it.
            std::fs::rename(&data, authority.at("grpc")).unwrap();
        }
    }
    assert_eq!(witness.terminate(), 0);
}

#[test]
fn a_collector_and_a_monitor_serve_with_tls() {
    if !(have("openssl", "version") && have("curl", "--version")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("server", "DNS:localhost");
    let more = ["--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
    let collector = start(&authority, "collect", &more);
    let export = ["--data", "{}", "--header", "content-type: application/json"];
    let (_, outcome) = curl(&authority, &format!("{}/v1/traces", by_name(&collector)), &export).unwrap();
    assert_eq!(outcome, "2 200");
    assert_eq!(collector.terminate(), 0);

    let log = Server::start(&folder.path().join("log"), 0, &[]);
    let mut monitor = vouchlog();
    monitor.args([
        "monitor",
        "--json",
        "--log",
        &log.url,
        "--log-vkey",
        &log.vkey,
        "--state",
        &authority.at("monitor"),
    ]);
    monitor.args(["--tls-cert", &authority.at("server.pem"), "--tls-key", &authority.at("server.key")]);
    let monitor = Server::spawn({
        monitor.args(["--listen", "127.0.0.1:0"]);
        monitor
    });
    assert!(curl(&authority, &format!("{}/metrics", by_name(&monitor)), &[]).unwrap().1.starts_with("2 200"));
}

/// All services in one process: the collector's ports have TLS, and what the services themselves reach stays on this machine.
#[test]
fn up_serves_telemetry_with_tls() {
    if !(have("openssl", "version") && have("curl", "--version")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("server", "DNS:localhost");
    let ports = [(); 4].map(|()| crate::process::free_port());
    let address = |port: usize| format!("127.0.0.1:{}", ports[port]);
    let mut program = vouchlog();
    program.args(["up", "--json", "--dir", &authority.at("all"), "--tls-cert", &authority.at("server.pem")]);
    program.args(["--tls-key", &authority.at("server.key"), "--listen", &address(0)]);
    program.args(["--witness-listen", &address(1), "--otlp-grpc", &address(2), "--otlp-http", &address(3)]);
    let all = Server::spawn(program);
    assert_eq!(all.url, format!("https://{}", address(3)));
    let export = ["--data", "{}", "--header", "content-type: application/json"];
    let sent = format!("https://localhost:{}/v1/traces", ports[3]);
    assert_eq!(curl(&authority, &sent, &export).unwrap().1, "2 200");
    assert_eq!(curl(&authority, &sent.replace("https", "http"), &export), None, "in clear");
    let log = format!("http://{}/checkpoint", address(0));
    assert_eq!(curl(&authority, &log, &[]).unwrap().1, "1.1 200");
    assert_eq!(all.terminate(), 0);
}

/// The certificate that a new connection sees.
fn served(authority: &Authority, address: &str) -> String {
    let text = String::from_utf8_lossy(&s_client(authority, address, &[]).stdout).into_owned();
    let begin = text.find("-----BEGIN CERTIFICATE").unwrap_or_else(|| panic!("no certificate: {text}"));
    text[begin..].split("-----END").next().unwrap().to_owned()
}

#[test]
fn a_hangup_puts_a_new_certificate_in_force() {
    if !have("openssl", "version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("server", "DNS:localhost");
    let server = start(&authority, "serve", &["--listen", "127.0.0.1:0"]);
    let address = server.url.replace("https://", "");
    let old = served(&authority, &address);
    // A broken one changes nothing.
    let pem = std::fs::read(authority.at("server.pem")).unwrap();
    std::fs::write(authority.at("server.pem"), "rubbish").unwrap();
    signal(server.pid(), "HUP");
    assert_eq!(served(&authority, &address), old);
    std::fs::write(authority.at("server.pem"), pem).unwrap();
    authority.issue("server", "DNS:localhost");
    signal(server.pid(), "HUP");
    let deadline = Instant::now() + PATIENCE;
    while served(&authority, &address) == old {
        assert!(Instant::now() < deadline, "the new certificate never came");
    }
    assert_eq!(server.terminate(), 0);
}

#[test]
fn wrong_tls_flags_are_refused_in_words() {
    if !have("openssl", "version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("server", "DNS:localhost");
    let (data, chain, key) = (authority.at("data"), authority.at("server.pem"), authority.at("server.key"));
    let serve =
        |more: &[&str]| fail(&[&["serve", "--listen", "127.0.0.1:0", "--data", &data][..], more].concat());
    let mode = Command::new("chmod").args(["0644", &authority.at("ca.key")]).status().unwrap();
    assert!(mode.success());
    for (more, expected) in [
        (&["--tls-cert", &chain[..]][..], "--tls-key"),
        (&["--tls-cert", &chain, "--tls-key", &authority.at("none")], "none"),
        (&["--tls-cert", &chain, "--tls-key", &authority.at("ca.key")], "0600"),
        (&["--tls-cert", &authority.at("ca.pem"), "--tls-key", &key], "does not belong"),
        (&["--tls-cert", &key, "--tls-key", &key], "no certificate"),
        (&["--tls-client-ca", &authority.at("ca.pem")], "--tls-cert"),
        (&["--acme-domain", "log.example.com"], "--acme-cache"),
        (&["--acme-domain", "*.example.com", "--acme-cache", &authority.at("acme")], "host name"),
    ] {
        let (code, error) = serve(more);
        assert!(code == 2 && error.contains(expected), "{more:?}: {error}");
    }
    assert!(!std::path::Path::new(&data).exists(), "nothing was made");
}
