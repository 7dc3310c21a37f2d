//! People sign in to the console at a real identity provider, in a real browser, and sign out there: who lands where with which roles, and
//! which answers are refused.
//!
//! This takes what `walk.rs` takes, and the provider of `tests/oidc` (`VOUCHLOG_OIDC`). Where one is missing, the test says so; what is
//! asked of a provider and must be in an ID token, `vouchlog-access` checks against a provider of its own.

use std::process::Command;
use std::time::Duration;

use reqwest::Client;
use serde_json::json;

use super::walk::{browser, pages};
use super::{PRINCIPALS, Served, story};
use crate::oidc::{IdentityProvider, folder};
use crate::process::free_port;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_sign_in_at_their_identity_provider() {
    let (Some(axe), Some(folder)) = (browser(), folder()) else {
        eprintln!(
            "skipped: no Node, no Chromium, no axe-core (tests/pages) or no OpenID provider (tests/oidc)"
        );
        return;
    };
    let files = tempfile::tempdir().unwrap();
    let (access, secret) = (files.path().join("access.json"), files.path().join("secret"));
    std::fs::write(&access, r#"{ "principals": [] }"#).unwrap();
    std::fs::write(&secret, "console-secret\n").unwrap();
    let auditors = ("auditors", "read-metadata,review", Some("default"));
    let principals: Vec<_> = PRINCIPALS.into_iter().chain([auditors]).collect();
    let more = ["--access", access.to_str().unwrap()];
    let served = Served::start_with(&principals, &more, story);
    // Another name of this machine: to a browser the provider is another site.
    let port = free_port();
    let issuer = format!("http://localhost:{port}");
    let redirect = format!("{}/console/sign-in/return", served.daemon.url);
    let signed_out = format!("{}/console/sign-out/return", served.daemon.url);
    let environment = [
        ("KID", "k1"),
        ("ISSUER", issuer.as_str()),
        ("REDIRECT_URI", redirect.as_str()),
        ("SIGNED_OUT_URI", signed_out.as_str()),
    ];
    let _provider = IdentityProvider::start(&folder, port, &environment);
    let file = json!({
        "principals": [{ "name": "auditors", "oidc": [{ "issuer": issuer, "group": "audit" }] }],
        "issuers": [{ "issuer": issuer, "audience": "https://vault.example.com", "algorithms": ["ES256"],
            "sign_in": { "client_id": "console", "client_secret_file": secret, "redirect_uri": redirect, "scopes": ["groups"],
                "post_logout_redirect_uri": signed_out, "name": "Example ID" } }],
    });
    std::fs::write(&access, file.to_string()).unwrap();
    has_provider(&served).await;
    let walked = Command::new("node")
        .arg(pages().join("sign-in.mjs"))
        .env("CONSOLE_URL", &served.daemon.url)
        .env("PROVIDER_URL", &issuer)
        .env("AXE", axe)
        .output()
        .unwrap();
    let (said, error) = (String::from_utf8_lossy(&walked.stdout), String::from_utf8_lossy(&walked.stderr));
    assert!(walked.status.success(), "{said}\n{error}");
    assert_eq!(served.daemon.terminate(), 0);
}

/// Waits until the daemon has read its access file again.
async fn has_provider(served: &Served) {
    let client = Client::new();
    let asking = async {
        loop {
            let page = client.get(format!("{}/console/sign-in", served.daemon.url)).send().await.unwrap();
            if page.text().await.unwrap().contains("Sign in with Example ID") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("the access file was read again");
}
