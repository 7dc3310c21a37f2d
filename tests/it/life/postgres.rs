//! A collector whose database is away keeps what it is sent, and records it once the database is there.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::PATIENCE;
use super::program::{Program, collect, get, post};
use crate::database::Postgres;
use crate::process::{fail, free_port};

fn collector(folder: &Path, port: u16) -> Command {
    let vault = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let key = format!("file:{}", folder.join("vault.key").display());
    let more =
        ["--listen", "127.0.0.1:0", "--vault", &vault, "--vault-key", &key, "--settle", "1s", "--idle", "2s"];
    collect(&folder.join("collector"), &more)
}

/// An export of one model call.
async fn send(collector: &Program, number: u64) {
    let now = 1_767_225_600_000_000_000_u64 + number * 1_000_000_000;
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let span = json!({
        "traceId": format!("{:032x}", number + 1), "spanId": format!("{:016x}", number + 1), "name": "chat m",
        "kind": 3, "startTimeUnixNano": now.to_string(), "endTimeUnixNano": (now + 1_000_000).to_string(),
        "attributes": [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "m-1")],
    });
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    let (status, said) = post(&format!("{}/v1/traces", collector.url()), "none", body.to_string()).await;
    assert_eq!(status, 200, "{said}");
}

async fn recorded(collector: &Program) -> u64 {
    let metrics = get(&format!("{}/metrics", collector.url())).await.unwrap().1;
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("vouchlog_collector_records_total{kind=\"interaction\"}"));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn a_collector_takes_telemetry_while_its_database_is_away() {
    let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
    let port = free_port();
    for round in 0..2 {
        // It also starts, and stops, again and again before the database was ever there.
        let mut collector = Program::start(collector(folder.path(), port));
        send(&collector, round).await;
        let (status, said) = get(&format!("{}/readyz", collector.url())).await.unwrap();
        assert_eq!(status, 503);
        assert!(said.contains("the vault cannot be opened") && said.contains("cannot be reached"), "{said}");
        assert_eq!(
            get(&format!("{}/healthz", collector.url())).await.unwrap().0,
            200,
            "it is no reason to restart"
        );
        assert_eq!(collector.terminate(), Some(0));
    }
    let mut collector = Program::start(collector(folder.path(), port));
    send(&collector, 2).await;
    let Some(bin) = Postgres::programs() else {
        eprintln!("the database does not come here: install PostgreSQL to have this half of the test run");
        assert_eq!(collector.terminate(), Some(0));
        return;
    };
    let _postgres = Postgres::start(&bin, folder.path(), port);
    let deadline = Instant::now() + PATIENCE;
    while recorded(&collector).await < 3 {
        assert!(Instant::now() < deadline, "{:?}", get(&format!("{}/readyz", collector.url())).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (status, said) = get(&format!("{}/readyz", collector.url())).await.unwrap();
    assert_eq!(status, 200, "{said}");
    assert_eq!(collector.terminate(), Some(0));
}

/// What waiting does not mend is told at once, as ever.
#[test]
fn a_vault_that_cannot_be_one_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (data, key) = (folder.path().join("collector"), folder.path().join("vault.key"));
    let start =
        ["collect", "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
    let vault = [
        "--data",
        data.to_str().unwrap(),
        "--vault",
        "mysql://u:secret@127.0.0.1/d",
        "--vault-key",
        &format!("file:{}", key.display()),
    ];
    let (code, said) = fail(&[&start[..], &vault].concat());
    assert_eq!(code, 2);
    assert!(said.contains("not a valid place for a vault") && !said.contains("secret"), "{said}");
    assert!(!key.exists(), "a key was made for a vault that cannot be");
}
