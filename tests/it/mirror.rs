//! `vouchlog mirror`: a verified copy in a folder and in a bucket, that follows its log, is served, repairs the log, and refuses a fork.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::Value;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_sequencer::testing::TestGateway;

use crate::objects::{audit, grow, published_size, until_published};
use crate::process::{Server, fail, run, vouchlog};
use crate::witnesses::{json, log_key};

fn vkey() -> String {
    log_key().verifying_key().to_string()
}

/// Copies once; exit code and answer.
fn mirror(source: &str, to: &str, evidence: &Path) -> (i32, Value) {
    let key = vkey();
    let evidence = evidence.to_str().unwrap();
    let args = [
        "mirror",
        "--json",
        "--once",
        "--log",
        source,
        "--log-vkey",
        &key,
        "--to",
        to,
        "--evidence",
        evidence,
    ];
    let output = run(&args);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), json(&said))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_follows_its_log_and_serves_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let log = Server::start(&folder.path().join("log"), 0, &[]);
    grow(&log, 10, 3_000).await;
    let evidence = folder.path().join("evidence");
    let (code, made) = mirror(&log.url, &path("copy"), &evidence);
    assert!(code == 0 && made["size"].as_u64().unwrap() > 3_000, "{made}");
    assert_eq!(audit(&path("copy")), made["size"].as_u64().unwrap());

    // Another process goes on with the copy, and serves it.
    let mut command = vouchlog();
    command.args(["mirror", "--json", "--interval", "100ms", "--listen", "127.0.0.1:0", "--log", &log.url]);
    command.args(["--log-vkey", &vkey(), "--to", &path("copy"), "--evidence", evidence.to_str().unwrap()]);
    let served = Server::spawn(command);
    grow(&log, 11, 2_500).await;
    let url = format!("file://{}", path("copy"));
    until_published(&url, 5_500).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while audit(&served.url) < 5_500 {
        assert!(Instant::now() < deadline, "what is copied is served");
    }
    let appending = GrpcLog::connect(&Connection::new(&served.url)).unwrap();
    let refused = TestGateway::open(&appending, 12).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("this is a mirror"), "{refused}");
    let metrics = reqwest::get(format!("{}/metrics", served.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("vouchlog_mirror_entries 5"), "{metrics}");

    // A mirror of the mirror, in an object store, while the log itself is gone.
    assert_eq!(log.terminate(), 0);
    let second = format!("file://{}", path("second"));
    let (code, made) = mirror(&served.url, &second, &evidence);
    assert_eq!((code, made["size"].as_u64()), (0, Some(published_size(&url).await)), "{made}");
    assert_eq!(audit(&second), published_size(&second).await);
    assert_eq!(served.terminate(), 0);
    assert!(!evidence.exists(), "nothing was found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_in_an_s3_bucket_is_audited_there() {
    let Some(server) = std::env::var("VOUCHLOG_S3").ok().filter(|server| !server.is_empty()) else {
        return eprintln!(
            "NOT TESTED with an S3 server: set VOUCHLOG_S3 to a bucket of one, as `.ci/run` does"
        );
    };
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let (folder, to) = (tempfile::tempdir().unwrap(), format!("{server}/mirror-{time}"));
    let log = Server::start(&folder.path().join("log"), 0, &[]);
    for seed in [10, 11] {
        grow(&log, seed, 1_500).await;
        let (code, made) = mirror(&log.url, &to, &folder.path().join("evidence"));
        assert_eq!((code, made["size"].as_u64()), (0, Some(audit(&to))), "{made}");
    }
    assert_eq!(log.terminate(), 0);
}

/// A server of files that can be exchanged: what a log's server may do.
async fn changing(root: &Path) -> (String, Arc<Mutex<std::path::PathBuf>>) {
    let shown = Arc::new(Mutex::new(root.to_owned()));
    let root = shown.clone();
    let router = Router::new().fallback(move |uri: Uri| {
        let file = root.lock().join(uri.path().trim_start_matches('/'));
        async move { tokio::fs::read(file).await.map_err(|_| StatusCode::NOT_FOUND) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, shown)
}

/// A log of the test keys in a folder of objects; its history follows from `seed`.
async fn history(folder: &Path, name: &str, seed: u8, count: usize) -> std::path::PathBuf {
    let objects = folder.join(name);
    let url = format!("file://{}", objects.display());
    let log = crate::objects::start(&folder.join(format!("{name}-data")), &url);
    grow(&log, seed, count).await;
    assert_eq!(log.terminate(), 0);
    objects
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_is_refused_and_its_evidence_kept() {
    let folder = tempfile::tempdir().unwrap();
    // Two histories, both signed with the log's key; the second is longer.
    let honest = history(folder.path(), "honest", 10, 1_000).await;
    let forked = history(folder.path(), "forked", 11, 2_000).await;
    let (url, shown) = changing(&honest).await;
    let (to, evidence) = (folder.path().join("copy"), folder.path().join("evidence"));
    let to = to.to_str().unwrap();
    let (code, made) = mirror(&url, to, &evidence);
    assert_eq!(code, 0, "{made}");
    let size = audit(to);
    *shown.lock() = forked;
    for _ in 0..2 {
        let (code, refused) = mirror(&url, to, &evidence);
        assert!(
            code == 1 && refused["finding"].as_str().unwrap().contains("where the log signed"),
            "{refused}"
        );
        assert_eq!(audit(to), size, "the copy stays as it is");
    }
    let files: Vec<_> = std::fs::read_dir(&evidence).unwrap().map(|file| file.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let key = vkey();
    let output = run(&["verify-finding", file.to_str().unwrap(), "--log-vkey", &key]);
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && words.contains("PROVEN: inconsistent-heads"), "{words}");
    // The honest log is followed again.
    *shown.lock() = honest;
    assert_eq!(mirror(&url, to, &evidence).0, 0);
}

/// What a server makes up does not get into a copy, whatever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_proven_is_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let honest = history(folder.path(), "honest", 10, 1_000).await;
    let (url, _) = changing(&honest).await;
    let evidence = folder.path().join("evidence");
    let bundle = honest.join("tile/entries/001");
    let bytes = std::fs::read(&bundle).unwrap();
    let mut other = bytes.clone();
    other[40] ^= 1;
    std::fs::write(&bundle, &other).unwrap();
    let to = folder.path().join("copy");
    let (code, refused) = mirror(&url, to.to_str().unwrap(), &evidence);
    assert!(code == 1 && refused["finding"].as_str().unwrap().contains("are not proven"), "{refused}");
    assert!(
        !to.join("checkpoint").exists() && !to.join("tile/entries/001").exists(),
        "nothing of it was written"
    );
    std::fs::write(&bundle, &bytes).unwrap();
    assert_eq!(mirror(&url, to.to_str().unwrap(), &evidence).0, 0);

    // Another log's checkpoint, and a copy that is another log's.
    let checkpoint = honest.join("checkpoint");
    let note = std::fs::read_to_string(&checkpoint).unwrap();
    std::fs::write(&checkpoint, note.replace("AA", "AB").replace("log", "lag")).unwrap();
    let (code, refused) = mirror(&url, to.to_str().unwrap(), &evidence);
    assert!(code == 1 && refused["finding"].as_str().unwrap().contains("is refused"), "{refused}");
    std::fs::write(&checkpoint, note).unwrap();
    std::fs::write(to.join("checkpoint"), "anything").unwrap();
    let key = vkey();
    let (code, said) =
        fail(&["mirror", "--once", "--log", &url, "--log-vkey", &key, "--to", to.to_str().unwrap()]);
    assert!(code == 2 && said.contains("prefix or folder"), "{said}");
}

/// A damaged bundle of a log is made whole from a mirror while the log runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_repaired_from_its_mirror() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    let log = Server::start(&data, 0, &[]);
    grow(&log, 10, 3_000).await;
    let to = format!("file://{}", folder.path().join("copy").display());
    let (code, made) = mirror(&log.url, &to, &folder.path().join("evidence"));
    assert_eq!(code, 0, "{made}");
    assert_eq!(log.terminate(), 0);
    let bundles = data.join("sealed/bundles/0.data");
    let bundles = if bundles.exists() { bundles } else { first_data(&data.join("sealed/bundles")) };
    let mut bytes = std::fs::read(&bundles).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&bundles, &bytes).unwrap();
    let more = ["--repair-from", to.as_str(), "--scrub-rate", "100MiB", "--scrub-interval", "1s"];
    let log = Server::start(&data, 0, &more);
    let deadline = Instant::now() + Duration::from_secs(60);
    bytes[5_000] ^= 1;
    while std::fs::read(&bundles).unwrap()[..] != bytes[..] {
        assert!(Instant::now() < deadline, "it is not repaired");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(audit(&log.url) > 3_000);
    assert_eq!(log.terminate(), 0);
}

fn first_data(folder: &Path) -> std::path::PathBuf {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "data"));
    files.sort();
    files.remove(0)
}
