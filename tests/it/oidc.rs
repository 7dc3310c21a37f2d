//! A collector takes tokens of a real OpenID provider: oidc-provider, on loopback.
//!
//! This takes Node and a folder in which `tests/oidc/package.json` is installed: `VOUCHLOG_OIDC`, or else `tests/oidc` itself. Where
//! there is none, the test says so; `vouchlog-access` checks the same against a provider of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use vouchlog_stream::StatementKind;

use crate::collect::world::World;
use crate::process::free_port;

const AUDIENCE: &str = "https://collector.example.com";

/// How long anything may take before the test gives up on it: more than a collector waits before it asks for keys again.
const PATIENCE: Duration = Duration::from_secs(90);

/// A folder with the package, and a Node that runs it.
pub(crate) fn folder() -> Option<PathBuf> {
    let ours = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oidc");
    let folder = std::env::var_os("VOUCHLOG_OIDC").map_or_else(ours, PathBuf::from);
    let node = Command::new("node").arg("--version").output().ok()?;
    (node.status.success() && folder.join("node_modules/oidc-provider").is_dir()).then_some(folder)
}

/// A provider that runs.
pub(crate) struct IdentityProvider(Child);

impl IdentityProvider {
    /// Starts one with this environment.
    pub(crate) fn start(folder: &Path, port: u16, environment: &[(&str, &str)]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oidc/idp.mjs");
        let here = folder.join("idp.mjs");
        if script.canonicalize().unwrap() != here.canonicalize().unwrap_or_default() {
            // Node looks for packages beside the script.
            std::fs::copy(&script, &here).unwrap();
        }
        let mut child = Command::new("node")
            .arg(here)
            .arg(port.to_string())
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("ready")), "the provider did not start");
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn token(client: &Client, issuer: &str, resource: &str) -> String {
    let form = format!("grant_type=client_credentials&scope=append&resource={resource}");
    let request = client.post(format!("{issuer}/token")).basic_auth("collector", Some("collector-secret"));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// What a record is answered with.
async fn send(client: &Client, url: &str, token: &str, id: &str) -> StatusCode {
    let record = json!({ "kind": "interaction", "id": id });
    client.post(format!("{url}/v1/records")).bearer_auth(token).json(&record).send().await.unwrap().status()
}

/// Repeats until the answer is the expected one.
async fn until(expected: u16, ask: impl AsyncFn() -> StatusCode) {
    let asking = async {
        while ask().await != expected {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never {expected}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_real_provider_are_checked_and_its_keys_rotate() {
    let Some(folder) = folder() else {
        eprintln!(
            "no OpenID provider here: npm install --prefix DIR with tests/oidc/package.json, and \
             VOUCHLOG_OIDC=DIR cargo test -p vouchlog-cli --test it oidc"
        );
        return;
    };
    let port = free_port();
    let issuer = format!("http://127.0.0.1:{port}");
    let world = World::new();
    let log = world.start_log();
    let file = world.path("access.json");
    let access = json!({
        "principals": [{ "name": "collector-eu", "emit": { "services": ["*"] },
            "oidc": [{ "issuer": issuer, "client_id": "collector", "scopes": ["append"] }] }],
        "issuers": [{ "issuer": issuer, "audience": AUDIENCE, "algorithms": ["ES256"], "clock_skew_seconds": 0 }],
    });
    std::fs::write(&file, access.to_string()).unwrap();
    let collector = world.start_collector(&["--access", &file]);
    let (client, url) = (Client::new(), collector.url.clone());

    let provider = IdentityProvider::start(&folder, port, &[("KID", "k1")]);
    let good = token(&client, &issuer, AUDIENCE).await;
    assert_eq!(send(&client, &url, &good, "r-1").await, StatusCode::OK);
    let row = world.wait_for(StatementKind::Interaction, 1).await.remove(0);
    assert_eq!(world.facts(row).await["custody"]["emitters"], json!(["collector-eu"]));
    assert_eq!(send(&client, &url, "", "r-2").await, StatusCode::UNAUTHORIZED);

    // For another audience, without a signature, and with the public key as a shared secret.
    let other = token(&client, &issuer, "https://other.example.com").await;
    assert_eq!(send(&client, &url, &other, "r-2").await, StatusCode::UNAUTHORIZED);
    let (_, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    for algorithm in ["none", "HS256", "RS256", "EdDSA"] {
        let header = json!({ "alg": algorithm, "kid": "k1", "typ": "at+jwt" }).to_string();
        let header = URL_SAFE_NO_PAD.encode(header);
        for signature in ["", signature] {
            let forged = format!("{header}.{claims}.{signature}");
            assert_eq!(send(&client, &url, &forged, "r-2").await, StatusCode::UNAUTHORIZED, "{algorithm}");
        }
    }

    // Another key set: what the old one signed is worth nothing once the new one is known.
    drop(provider);
    assert_eq!(send(&client, &url, &good, "r-3").await, StatusCode::OK, "the keys are known");
    let provider = IdentityProvider::start(&folder, port, &[("KID", "k2")]);
    let newer = token(&client, &issuer, AUDIENCE).await;
    until(200, || send(&client, &url, &newer, "r-4")).await;
    assert_eq!(send(&client, &url, &good, "r-5").await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.wait_for(StatementKind::Interaction, 3).await.len(), 3);

    // Short-lived: taken, and then not.
    drop(provider);
    drop(collector);
    let mut short = access.clone();
    short["issuers"][0]["audience"] = json!(format!("{AUDIENCE}/short"));
    std::fs::write(&file, short.to_string()).unwrap();
    let collector = world.start_collector(&["--access", &file]);
    let _provider = IdentityProvider::start(&folder, port, &[("KID", "k3")]);
    let short = token(&client, &issuer, &format!("{AUDIENCE}/short")).await;
    until(401, || send(&client, &collector.url, &short, "r-6")).await;
    drop(log);
}
