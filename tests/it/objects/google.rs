//! The client of Google Cloud Storage against a server of its own: the part of the XML interface that a log needs, with generations as
//! Google documents them. One keeps the conditions of writes, one ignores them.
//!
//! SPEC: <https://cloud.google.com/storage/docs/xml-api/put-object-upload>, `x-goog-if-generation-match`.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use vouchlog_sequencer::testing::ORIGIN;

use super::grow;
use crate::process::{Server, vouchlog, write_keys};
use crate::witnesses::{json, log_key};

const BUCKET: &str = "gs://bucket/log";
/// What the client needs in place of a service account: no token is asked for.
const NO_ACCOUNT: &str = r#"{"disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}"#;
const PATIENCE: Duration = Duration::from_secs(60);

/// Objects by their path, with their generation.
#[derive(Default)]
struct Objects {
    objects: HashMap<String, (u64, Bytes)>,
    generations: u64,
}

/// A server; its URL.
async fn start(keeps_conditions: bool) -> String {
    let objects = Arc::<Mutex<Objects>>::default();
    let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        objects.lock().answer(&method, uri.path(), &headers, body, keeps_conditions)
    };
    let router = Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

impl Objects {
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
        keeps_conditions: bool,
    ) -> Response {
        let stored = self.objects.get(path).cloned();
        match *method {
            Method::PUT => {
                let expected = headers.get("x-goog-if-generation-match");
                let expected =
                    expected.map(|generation| generation.to_str().unwrap().parse::<u64>().unwrap());
                // Generation 0 is that of an object that does not exist.
                let generation = stored.map_or(0, |(generation, _)| generation);
                if keeps_conditions && expected.is_some_and(|expected| expected != generation) {
                    let code = "<?xml version='1.0'?><Error><Code>PreconditionFailed</Code></Error>";
                    return (StatusCode::PRECONDITION_FAILED, code).into_response();
                }
                self.generations += 1;
                self.objects.insert(path.to_owned(), (self.generations, body));
                described(self.generations, Bytes::new())
            }
            Method::DELETE => self
                .objects
                .remove(path)
                .map_or(StatusCode::NOT_FOUND, |_| StatusCode::NO_CONTENT)
                .into_response(),
            _ => match stored {
                Some((generation, bytes)) => described(generation, bytes),
                None => StatusCode::NOT_FOUND.into_response(),
            },
        }
    }
}

fn described(generation: u64, bytes: Bytes) -> Response {
    let headers = [
        ("x-goog-generation", generation.to_string()),
        ("etag", format!("\"{generation}\"")),
        ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
    ];
    (headers, bytes).into_response()
}

/// The program, whose environment leads it to a server.
fn command(server: &str, args: &[&str]) -> Command {
    let mut command = vouchlog();
    command.env("GOOGLE_BASE_URL", server).env("GOOGLE_SERVICE_ACCOUNT_KEY", NO_ACCOUNT).args(args);
    for other in ["GOOGLE_SERVICE_ACCOUNT", "GOOGLE_APPLICATION_CREDENTIALS"] {
        command.env_remove(other);
    }
    command
}

async fn run(server: &str, args: &[&str]) -> Output {
    let mut command = command(server, args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn serve(server: &str, data: &Path) -> Server {
    write_keys(data);
    let fixed = ["serve", "--json", "--origin", ORIGIN, "--listen", "127.0.0.1:0"];
    let mut command = command(server, &fixed);
    command.args(["--objects", BUCKET, "--objects-interval", "50ms", "--data"]).arg(data);
    Server::spawn(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_served_and_audited_from_a_google_bucket() {
    let server = start(true).await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let log = serve(&server, &data);
    grow(&log, 10, 2_000).await;
    log.kill();
    let log = serve(&server, &data);
    grow(&log, 11, 1_000).await;
    assert_eq!(log.terminate(), 0);
    let vkey = log_key().verifying_key().to_string();
    let audit = ["audit", "--json", "--log", BUCKET, "--log-vkey", &vkey, "--entries", "ours"];
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = json(&String::from_utf8_lossy(&run(&server, &audit).await.stdout));
        if report["checkpoint"]["size"].as_u64().is_some_and(|size| size > 3_000) {
            assert_eq!(report["checked"]["entries"], report["checkpoint"]["size"], "{report}");
            break;
        }
        assert!(Instant::now() < deadline, "{report}");
    }
    let check = run(&server, &["store", "check", "--json", "--objects", BUCKET]).await;
    let check = json(&String::from_utf8_lossy(&check.stdout));
    let objects = &check["objects"];
    assert_eq!((&objects["creates_won"], &objects["swaps_won"]), (&1.into(), &1.into()), "{check}");
    assert_eq!(objects["log"]["origin"], ORIGIN, "{check}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_google_bucket_whose_generations_are_ignored_is_refused() {
    let server = start(false).await;
    let check = run(&server, &["store", "check", "--objects", BUCKET]).await;
    let words = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.code() == Some(1) && words.contains("If-None-Match"), "{words}");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let fixed = ["serve", "--listen", "127.0.0.1:0", "--objects", BUCKET, "--data", data.to_str().unwrap()];
    let refused = run(&server, &fixed).await;
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && words.contains("condition"), "{words}");
}
