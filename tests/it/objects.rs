//! A log whose sealed part is in an object store: served, stopped, killed, and audited from there with no process of ours.
//!
//! The object store is a folder, an S3 server where `VOUCHLOG_S3` names a bucket of one (`.ci/run` starts SeaweedFS), and a server of Azure
//! Blob Storage where `VOUCHLOG_AZURE` does (Azurite). If a variable is set, the server must be there.

mod google;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use serde_json::Value;
use vouchlog::ConnectionSecurity;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_sequencer::testing::{TestGateway, statements};
use vouchlog_storage_object::{Bucket, published};

use crate::process::{Server, fail, run, succeed};
use crate::witnesses::{json, log_key};

const T: u64 = 1_767_225_600;

/// Entries under the checkpoint in an object store.
pub(crate) async fn published_size(url: &str) -> u64 {
    let bucket = Bucket::open(&url.parse().unwrap(), &ConnectionSecurity::default()).unwrap();
    published(&bucket).await.unwrap().map_or(0, |(_, size)| size)
}

pub(crate) async fn until_published(url: &str, size: u64) {
    for _ in 0..600 {
        if published_size(url).await >= size {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the checkpoint in {url} does not cover {size} entries after a minute");
}

/// Audits a log somewhere; its size. It must be clean.
pub(crate) fn audit(source: &str) -> u64 {
    let vkey = log_key().verifying_key().to_string();
    let output = run(&["audit", "--json", "--log", source, "--log-vkey", &vkey, "--entries", "ours"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!said.is_empty(), "{source}: {errors}");
    let report: Value = json(&said);
    let findings = report["findings"].as_array().unwrap();
    // A gateway that does not close its stream falls silent; nothing else may be found.
    let others: Vec<_> = findings.iter().filter(|it| it["kind"] != "silent-stream").collect();
    assert!(others.is_empty(), "{source}: {report}");
    assert_eq!(report["checked"]["entries"], report["checkpoint"]["size"], "{source}");
    report["checkpoint"]["size"].as_u64().unwrap()
}

pub(crate) fn start(data: &Path, objects: &str) -> Server {
    Server::start(data, 0, &["--objects", objects, "--objects-interval", "50ms"])
}

pub(crate) async fn grow(server: &Server, seed: u8, count: usize) {
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut gateway = TestGateway::open(&log, seed).await.unwrap();
    for batch in 0..count.div_ceil(500) {
        gateway.send(&log, statements(500, (batch * 500) as u64), T).await.unwrap();
    }
}

/// Serves a log with this object store through a kill and a stop; audits it from `readers` while it runs and once it is gone.
async fn serve_kill_stop_audit(objects: &str, readers: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = start(&data, objects);
    grow(&server, 10, 3_000).await;
    until_published(objects, 3_000).await;
    for reader in readers {
        assert!(audit(reader) >= 3_000, "{reader}");
    }
    grow(&server, 11, 2_000).await;
    server.kill();
    let server = start(&data, objects);
    grow(&server, 12, 1_000).await;
    assert_eq!(audit_of_served(&server), 0);
    assert_eq!(server.terminate(), 0);
    // The last head is published on the way out, whatever the interval.
    let size = published_size(objects).await;
    assert!(size >= 6_000 + 6, "{size}");
    for reader in readers {
        assert_eq!(audit(reader), size, "{reader}");
    }
    let words = succeed(&["fsck", "--data", data.to_str().unwrap()]);
    assert!(words.contains("vouchlog audit --log"), "{words}");
    let backup = folder.path().join("backup");
    succeed(&["backup", "--data", data.to_str().unwrap(), "--to", backup.to_str().unwrap()]);
    let recovered = folder.path().join("recovered");
    let vkey = log_key().verifying_key().to_string();
    let from = ["recover", "--to", recovered.to_str().unwrap(), "--tiles", objects, "--log-vkey", &vkey];
    succeed(&from);
}

/// The exit code of an audit of a running log: it reads back through the log what is in the object store.
fn audit_of_served(server: &Server) -> i32 {
    let vkey = log_key().verifying_key().to_string();
    run(&["audit", "--log", &server.url, "--log-vkey", &vkey]).status.code().unwrap()
}

/// A server of files, such as a CDN; its URL.
pub(crate) async fn serve_files(root: PathBuf) -> String {
    let router = Router::new().fallback(move |uri: Uri| {
        let file = root.join(uri.path().trim_start_matches('/'));
        async move { tokio::fs::read(file).await.map_err(|_| StatusCode::NOT_FOUND) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_audited_from_a_folder_and_from_any_server_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let objects = folder.path().join("log of 2026");
    std::fs::create_dir(&objects).unwrap();
    let url = reqwest::Url::from_file_path(&objects).unwrap().to_string();
    let http = serve_files(objects.clone()).await;
    serve_kill_stop_audit(&url, &[url.clone(), objects.to_str().unwrap().to_owned(), http]).await;
}

/// A prefix of its own in the bucket that an environment variable names.
fn prefix(variable: &str) -> Option<String> {
    let Some(server) = std::env::var(variable).ok().filter(|server| !server.is_empty()) else {
        eprintln!("NOT TESTED: set {variable} to a bucket of an object store, as `.ci/run` does");
        return None;
    };
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    Some(format!("{server}/it-{time}-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// A check finds that the server keeps conditional writes.
fn check_conditions(url: &str) {
    let checked: Value = json(&succeed(&["store", "check", "--json", "--objects", url]));
    let objects = &checked["objects"];
    assert_eq!((&objects["creates_won"], &objects["swaps_won"]), (&1.into(), &1.into()), "{checked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_audited_from_an_s3_bucket_and_over_plain_http() {
    let Some(url) = prefix("VOUCHLOG_S3") else { return };
    let mut readers = vec![url.clone()];
    // Anyone may read it there, as from a public bucket.
    if let Ok(endpoint) = std::env::var("AWS_ENDPOINT_URL") {
        readers.push(format!("{endpoint}/{}", url.trim_start_matches("s3://")));
    }
    serve_kill_stop_audit(&url, &readers).await;
    check_conditions(&url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_audited_from_an_azure_container() {
    let Some(url) = prefix("VOUCHLOG_AZURE") else { return };
    serve_kill_stop_audit(&url, std::slice::from_ref(&url)).await;
    check_conditions(&url);
}

/// A server of Google Cloud Storage that ignores conditions: no log may be kept there.
#[test]
fn a_google_bucket_that_ignores_conditions_is_refused() {
    let Some(url) = prefix("VOUCHLOG_GCS") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--objects", &url];
    for args in [&["store", "check", "--objects", &url][..], &serve] {
        let (code, words) = fail(args);
        assert!(matches!(code, 1 | 2) && words.contains(&url), "{args:?}: {words}");
    }
}

/// Whatever names it: without TLS an endpoint is used on this machine only.
#[test]
fn an_endpoint_without_tls_is_refused_of_every_kind_of_store() {
    for (variable, url) in [
        ("AWS_ENDPOINT_URL", "s3://bucket/prefix"),
        ("GOOGLE_BASE_URL", "gs://bucket/prefix"),
        ("AZURE_STORAGE_ENDPOINT", "az://bucket/prefix"),
    ] {
        let mut command = crate::process::vouchlog();
        command.env(variable, "http://192.0.2.1/account").args(["store", "check", "--objects", url]);
        let output = command.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && words.contains("--insecure-http"), "{variable}: {words}");
    }
}

#[test]
fn a_log_keeps_the_kind_of_its_sealed_part_and_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let objects = format!("file://{}", path("objects"));
    let serve = |data: &str, more: &[&str]| {
        let data = path(data);
        let fixed = ["serve", "--data", &data, "--listen", "127.0.0.1:0"];
        fail(&[&fixed[..], more].concat())
    };
    let with_segments = Server::start(&folder.path().join("segments"), 0, &[]);
    assert_eq!(with_segments.terminate(), 0);
    let (code, words) = serve("segments", &["--objects", &objects]);
    assert!(code == 2 && words.contains("is not moved to an object store"), "{words}");

    let with_objects = start(&folder.path().join("log"), &objects);
    assert_eq!(with_objects.terminate(), 0);
    let (code, words) = serve("log", &[]);
    assert!(code == 2 && words.contains("--objects") && words.contains(&objects), "{words}");
    let other = format!("file://{}", path("other"));
    let again = start(&folder.path().join("log"), &other);
    assert_eq!(again.terminate(), 0, "nothing was sealed yet, so nothing is missing there");

    for (url, expected) in [
        ("http://127.0.0.1/bucket", "s3://bucket/prefix"),
        ("s3://key:secret@bucket/prefix", "credentials are taken from the environment"),
        ("bucket", "not a URL"),
    ] {
        let (code, words) = serve("new", &["--objects", url]);
        assert!(code == 2 && words.contains(expected) && !words.contains("secret"), "{words}");
        let (code, words) = fail(&["store", "check", "--objects", url]);
        assert!(code == 2 && words.contains(expected) && !words.contains("secret"), "{words}");
    }
}

#[test]
fn a_check_of_a_store_reports_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().join("objects").display());
    let words = succeed(&["store", "check", "--objects", &url]);
    assert!(
        words.starts_with(&format!("{url} can hold the sealed part")) && words.contains("1 of 8"),
        "{words}"
    );
    let checked: Value = json(&succeed(&["store", "check", "--json", "--objects", &url]));
    assert_eq!((&checked["usable"], &checked["objects"]["log"]), (&true.into(), &Value::Null), "{checked}");
    let server = start(&folder.path().join("data"), &url);
    assert_eq!(server.terminate(), 0);
    let checked: Value = json(&succeed(&["store", "check", "--json", "--objects", &url]));
    assert_eq!(checked["objects"]["log"]["origin"], vouchlog_sequencer::testing::ORIGIN, "{checked}");
}

/// A server that refuses everything, and none at all: an error in words, and soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_cannot_be_used_is_an_error_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let router =
        Router::new().fallback(|| async { (StatusCode::FORBIDDEN, "<Code>InvalidAccessKeyId</Code>") });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let attempt = |endpoint: &str, args: &[&str]| {
        let mut command = crate::process::vouchlog();
        command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_ACCESS_KEY_ID", "id");
        command.env("AWS_SECRET_ACCESS_KEY", "a-secret-key").args(args);
        let output = command.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(!words.contains("a-secret-key"), "{words}");
        words
    };
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let check = ["store", "check", "--objects", "s3://bucket/prefix"];
    let serve = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--objects", "s3://bucket/prefix"];
    for args in [&check[..], &serve] {
        let words = attempt(&endpoint, args);
        assert!(words.contains("AWS_ACCESS_KEY_ID") && words.contains("refused"), "{words}");
        let words = attempt("http://127.0.0.1:9", args);
        assert!(words.contains("s3://bucket/prefix") && words.contains("hint:"), "{words}");
        let words = attempt("http://192.0.2.1", args);
        assert!(words.contains("--insecure-http"), "{words}");
    }
    // Without credentials, those of the machine's role are asked for; here there is none.
    let mut command = crate::process::vouchlog();
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        command.env_remove(name);
    }
    command.env("AWS_ENDPOINT_URL", &endpoint).env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9").args(check);
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && words.contains("no AWS_ACCESS_KEY_ID is set"), "{words}");
}
