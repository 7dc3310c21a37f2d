//! Goal: the explorer's pages come from a log, from `explore`, and from a folder, and `explore` shows what a log serves, as it serves it.
//! Method: the real program over HTTP. What the pages do in a browser is tested beside them, in `web/explorer/test`.

use std::path::Path;

use reqwest::StatusCode;

use crate::process::{Server, fail, succeed, vouchlog};

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

async fn get(url: &str) -> (StatusCode, Vec<u8>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.get(url).header("accept", BROWSER).send().await.unwrap();
    (response.status(), response.bytes().await.unwrap().to_vec())
}

async fn ok(url: &str) -> Vec<u8> {
    let (status, body) = get(url).await;
    assert_eq!(status, StatusCode::OK, "{url}");
    body
}

fn explore(log: &str, vkey: &str) -> Server {
    let mut command = vouchlog();
    command.args(["explore", "--json", "--listen", "127.0.0.1:0", "--log", log, "--log-vkey", vkey]);
    Server::spawn(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_elsewhere_is_shown_as_it_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let log = Server::start(&folder.path().join("data"), 0, &[]);
    let shown = explore(&log.url, &log.vkey);
    for path in ["checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"] {
        let [theirs, ours] = [&log.url, &shown.url].map(|url| format!("{url}/{path}"));
        assert_eq!(ok(&theirs).await, ok(&ours).await, "{path}");
    }
    // The log offers its own key, which proves nothing; `explore` puts the given one into its link instead.
    assert_eq!(ok(&format!("{}/explorer/log.vkey", log.url)).await, log.vkey.as_bytes());
    assert_eq!(get(&format!("{}/explorer/log.vkey", shown.url)).await.0, StatusCode::NOT_FOUND);
    for url in [&log.url, &shown.url] {
        let page = String::from_utf8(ok(&format!("{url}/")).await).unwrap();
        assert!(page.contains("explorer/index.js") && page.contains("JavaScript is off"), "{url}");
        ok(&format!("{url}/explorer/verify/index.js")).await;
    }
    for path in ["v1/statements", "v1/entries?start=0&end=1", "metrics.txt", "tile/0/999"] {
        assert_eq!(get(&format!("{}/{path}", shown.url)).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(shown.terminate(), 0);
    // A log that cannot be reached is no log without entries.
    let shown = explore(&log.url, &log.vkey);
    log.kill();
    assert!(get(&format!("{}/checkpoint", shown.url)).await.0.is_server_error());
    assert_eq!(shown.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_a_log_are_shown_even_when_they_are_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let tile = folder.path().join("tile/0/000.p");
    std::fs::create_dir_all(&tile).unwrap();
    std::fs::write(folder.path().join("checkpoint"), "no checkpoint\n").unwrap();
    std::fs::write(tile.join("3"), "short").unwrap();
    let vkey = vouchlog_sequencer::testing::key(
        vouchlog_sequencer::testing::ORIGIN,
        vouchlog_note::SignatureType::Ed25519,
        1,
    );
    let shown = explore(folder.path().to_str().unwrap(), &vkey.verifying_key().to_string());
    assert_eq!(ok(&format!("{}/checkpoint", shown.url)).await, b"no checkpoint\n");
    assert_eq!(ok(&format!("{}/tile/0/000.p/3", shown.url)).await, b"short");
    assert_eq!(shown.terminate(), 0);
}

#[test]
fn the_pages_are_written_for_a_server_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = folder.path().join("bucket");
    std::fs::create_dir_all(&bucket).unwrap();
    std::fs::write(bucket.join("checkpoint"), "theirs").unwrap();
    let policy = folder.path().join("policy.txt");
    std::fs::write(&policy, "quorum none\n").unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    succeed(&["explore", "--write", &text(&bucket), "--policy", &text(&policy)]);
    let read = |name: &str| std::fs::read_to_string(bucket.join(name)).unwrap();
    assert!(read("index.html").contains("explorer/index.js"));
    assert!(
        read("explorer/entry.html").contains("entry.js") && read("explorer/style.css").contains(".panel")
    );
    assert_eq!(read("explorer/policy.txt"), "quorum none\n");
    assert_eq!(read("checkpoint"), "theirs", "what is not the explorer's stays");
    let (code, said) =
        fail(&["explore", "--write", &text(&bucket), "--policy", &text(&bucket.join("index.html"))]);
    assert_eq!(code, 2, "{said}");
    let (code, _) = fail(&["explore"]);
    assert_eq!(code, 2);
}
