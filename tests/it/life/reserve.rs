//! `--min-free`: spool, vault and journal take nothing while the disk has less room than that.

use serde_json::json;

use super::program::{Program, collect, get, post, serve};
use crate::process::{fail, succeed};

/// No disk of these tests has this much.
const TOO_MUCH: &str = "1000TiB";

#[tokio::test]
async fn a_reserve_that_is_not_there_refuses_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let listen = ["--listen", "127.0.0.1:0"];
    let mut collector = Program::start(collect(
        &folder.path().join("full"),
        &[&listen[..], &["--min-free", TOO_MUCH]].concat(),
    ));
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
        "traceId": "01010101010101010101010101010101", "spanId": "0202020202020202", "name": "chat m" }] }] }] });
    let answer = post(&format!("{}/v1/traces", collector.url()), "", body.to_string()).await;
    assert_eq!(answer.0, 503, "{answer:?}");
    let (status, text) = get(&format!("{}/readyz", collector.url())).await.unwrap();
    assert!(status == 503 && text.contains("the disk is full"), "{text}");
    assert_eq!(collector.terminate(), Some(0));

    let gateway =
        succeed(&["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", &at("g.key")]);
    let mut log = Program::start(serve(&folder.path().join("log"), &["--gateway", gateway.trim()]));
    let vkey = log.announced["log_vkey"].as_str().unwrap().to_owned();
    let (url, digest, key, state) = (log.url().to_owned(), "07".repeat(32), at("g.key"), at("state"));
    let submit = ["submit", "--log", &url, "--log-vkey", &vkey, "--digest", &digest, "--gateway-key", &key];
    let with = |min_free| [&submit[..], &["--state", &state, "--min-free", min_free]].concat();
    let (code, error) = fail(&with(TOO_MUCH));
    assert!(code == 2 && error.contains("free"), "{error}");
    succeed(&with("1MiB"));
    assert_eq!(log.terminate(), Some(0));
}
