//! A certificate from an ACME authority: Pebble, which issues them for tests.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::files::{Authority, curl};
use super::have;
use crate::process::{Server, free_port, vouchlog};

const NAME: &str = "log.example.test";

/// A guard against hanging, and no measurement.
const PATIENCE: Duration = Duration::from_secs(120);

/// Pebble, and the DNS server that leads all names here. Both end with it.
struct Pebble {
    children: Vec<Child>,
    directory: String,
    /// Where its own root certificates are.
    roots: String,
}

impl Pebble {
    /// An authority that connects to `port` to see a challenge answered. `server` of `authority` is its own certificate.
    fn start(authority: &Authority, port: u16) -> Self {
        let [directory, management, dns, control] = [(); 4].map(|()| free_port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{directory}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": authority.at("server.pem"), "privateKey": authority.at("server.key"),
            "httpPort": 1, "tlsPort": port, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        let file = authority.at("pebble.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-defaultIPv6", "", "-defaultIPv4", "127.0.0.1", "-dns01", &format!("127.0.0.1:{dns}")]);
        names.args([
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-management",
            &format!("127.0.0.1:{control}"),
        ]);
        let mut pebble = Command::new("pebble");
        pebble.args(["-config", &file, "-dnsserver", &format!("127.0.0.1:{dns}")]);
        pebble.envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "20")]);
        let children =
            [names, pebble].map(|mut it| it.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let started = Self {
            children: children.into(),
            directory: format!("https://localhost:{directory}/dir"),
            roots: format!("https://localhost:{management}/roots/0"),
        };
        wait_for("Pebble", || curl(authority, &started.directory, &[]));
        started
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A log that obtains its certificate, and whose clients need one.
fn start(authority: &Authority, pebble: &Pebble, port: u16, names: &str) -> Server {
    let mut log = vouchlog();
    log.args(["serve", "--json", "--listen", &format!("127.0.0.1:{port}"), "--data", &authority.at("log")]);
    log.args([
        "--acme-domain",
        names,
        "--acme-directory",
        &pebble.directory,
        "--acme-ca",
        &authority.at("ca.pem"),
    ]);
    log.args(["--acme-cache", &authority.at("acme"), "--acme-contact", "mailto:ops@example.test"]);
    log.args(["--tls-client-ca", &authority.at("ca.pem"), "--tls-client-auth", "required"]);
    Server::spawn(log)
}

/// Whether the log is served under a name, with a certificate of the authority whose root is in `root`.
fn is_served(authority: &Authority, root: &str, name: &str, port: u16) -> Option<(String, String)> {
    let resolve = format!("{name}:{port}:127.0.0.1");
    let (cert, key) = (authority.at("client.pem"), authority.at("client.key"));
    // The last file of authorities is the one that curl uses.
    let more = ["--resolve", &resolve, "--cert", &cert, "--key", &key, "--cacert", root];
    curl(authority, &format!("https://{name}:{port}/healthz"), &more)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_certificate_is_obtained_kept_and_replaced() {
    if !["pebble", "pebble-challtestsrv"].iter().all(|tool| have(tool, "-help")) || !have("curl", "--version")
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("server", "DNS:localhost");
    authority.issue("client", "DNS:client.example.test");
    let port = free_port();
    let pebble = Pebble::start(&authority, port);
    let root = authority.at("root.pem");
    std::fs::write(&root, wait_for("the root", || curl(&authority, &pebble.roots, &[])).0).unwrap();
    let expected = ("ok\n".to_owned(), "2 200".to_owned());

    let log = start(&authority, &pebble, port, NAME);
    assert!(log.url.starts_with("https://"), "{}", log.url);
    assert_eq!(wait_for("the certificate", || is_served(&authority, &root, NAME, port)), expected);
    assert_eq!(log.terminate(), 0);
    let cache = folder.path().join("acme");
    let files: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600) && mode(&cache) == 0o700, "for the owner alone");

    // What is in the cache is used, whether the authority is there or not.
    let kept = std::fs::read(cache.join("certificate.pem")).unwrap();
    let log = start(&authority, &pebble, port, NAME);
    assert_eq!(is_served(&authority, &root, NAME, port), Some(expected.clone()));
    assert_eq!(std::fs::read(cache.join("certificate.pem")).unwrap(), kept, "none was due");
    assert_eq!(log.terminate(), 0);

    // For another name it is of no use; the account still is.
    let log = start(&authority, &pebble, port, "log.example.test other.example.test");
    assert_eq!(
        wait_for("the other name", || is_served(&authority, &root, "other.example.test", port)),
        expected
    );
    assert_eq!(is_served(&authority, &root, NAME, port), Some(expected));
    assert_eq!(log.terminate(), 0);
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 2);
}
