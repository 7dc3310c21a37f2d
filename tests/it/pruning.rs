//! `vouchlog store prune`, as operators, readers, auditors and mirrors meet it: what is given up is announced, refused by its reason, never taken for
//! damage, and never passes for checked; what is merely lost is still found. With kills in between.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use vouchlog_api::Appender;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_sequencer::testing::{TestGateway, statements};

use crate::process::{Server, fail, rounds, run, succeed};
use crate::witnesses::{json, log_key};

mod stores;

const T: u64 = 1_767_225_600;
/// Starts that are killed before or while entries are removed.
const KILLS: (u64, u64) = (4, 40);

/// A stopped log: a stream of 1,000 statements that was closed, and one of 600 behind it.
async fn grown(data: &Path) {
    let server = Server::start(data, 0, &[]);
    fill(&server).await;
    assert_eq!(server.terminate(), 0);
}

async fn fill(server: &Server) {
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut old = TestGateway::open(&log, 10).await.unwrap();
    old.send(&log, statements(1_000, 1), T).await.unwrap();
    log.append(old.head_only(T + 1, true)).await.unwrap();
    let mut new = TestGateway::open(&log, 11).await.unwrap();
    new.send(&log, statements(600, 2), T + 2).await.unwrap();
    log.append(new.head_only(T + 3, true)).await.unwrap();
}

fn prune<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["store", "prune", "--json", "--data", data, "--below", "1024"][..], more].concat()
}

/// What is at a path of a log.
async fn get(server: &Server, path: &str) -> (StatusCode, String) {
    let response = reqwest::get(format!("{}{path}", server.url)).await.unwrap();
    let (status, bytes) = (response.status(), response.bytes().await.unwrap());
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// Waits until the log has removed what it announced.
async fn until_removed(server: &Server) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while get(server, "/tile/entries/001").await.0 != StatusCode::GONE {
        assert!(Instant::now() < deadline, "bundle 1 is still served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Exit code and report of an audit.
fn audited(source: &str, more: &[&str]) -> (i32, Value) {
    let vkey = log_key().verifying_key().to_string();
    let output = run(&[&["audit", "--json", "--log", source, "--log-vkey", &vkey][..], more].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), json(&text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_entries_are_given_up_and_nothing_takes_that_for_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = path("log");
    grown(Path::new(&data)).await;

    let server = Server::start(Path::new(&data), 0, &[]);
    let (code, before) = audited(&server.url, &["--state", &path("state")]);
    assert_eq!((code, &before["pruning"]), (0, &Value::Null), "{before}");
    let planned = json(&succeed(&prune(&data, &["--dry-run"])));
    assert_eq!((&planned["removed_bundles"], &planned["announced"]), (&2.into(), &Value::Null), "{planned}");
    let (code, error) = fail(&prune(&data, &["--yes"]));
    assert!(code == 2 && error.contains("a process serves this log"), "{error}");
    assert_eq!(get(&server, "/pruned").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.terminate(), 0);

    let (code, error) = fail(&prune(&data, &[]));
    assert!(code == 2 && error.contains("not confirmed"), "{error}");
    let (code, error) = fail(&["store", "prune", "--data", &data, "--below", "1000", "--yes"]);
    assert!(code == 2 && error.contains("use 768 or 1024"), "{error}");
    let made = json(&succeed(&prune(&data, &["--yes", "--reason", "kept for 7 years"])));
    let entry = made["announced"].as_u64().unwrap();
    let (code, error) = fail(&prune(&data, &["--yes"]));
    assert!(code == 2 && error.contains(&format!("in entry {entry} already")), "{error}");

    let server = Server::start(Path::new(&data), 0, &[]);
    until_removed(&server).await;
    let notice = format!("minimum 1024\nannounced {entry}\n");
    assert_eq!(get(&server, "/pruned").await, (StatusCode::OK, notice));
    let (_, gone) = get(&server, "/tile/entries/002").await;
    assert!(gone.contains("minimum index is 1024"), "{gone}");
    for whole in ["/tile/entries/000", "/tile/entries/003", "/tile/0/001", "/tile/0/002"] {
        assert_eq!(get(&server, whole).await.0, StatusCode::OK, "{whole}");
    }
    let (status, problem) = get(&server, "/v1/entries?start=300&end=301").await;
    assert_eq!((status, &json(&problem)["code"]), (StatusCode::GONE, &"PRUNED".into()), "{problem}");
    let (status, announcement) = get(&server, &format!("/v1/entries?start={entry}&end={}", entry + 1)).await;
    assert!(status.is_success() && announcement.contains("log-pruned"), "{announcement}");

    // From the beginning, what is gone counts as not checked; for one who read it before, nothing changed.
    let (code, fresh) = audited(&server.url, &[]);
    assert_eq!((code, &fresh["findings"]), (0, &Value::Array(vec![])), "{fresh}");
    assert_eq!((&fresh["pruning"]["minimum"], &fresh["checked"]["unchecked"]), (&1024.into(), &512.into()));
    let size = fresh["checkpoint"]["size"].as_u64().unwrap();
    assert_eq!(fresh["checked"]["entries"], size - 512, "nothing that is gone is counted as checked");
    let pruned: Vec<bool> = ["pruned", "complete"].map(|it| fresh["streams"][0][it] == true).into();
    assert_eq!(pruned, [true, false], "{fresh}");
    let vkey = log_key().verifying_key().to_string();
    let words = succeed(&["audit", "--log", &server.url, "--log-vkey", &vkey]);
    assert!(words.contains("512 entries were pruned and not checked"), "{words}");
    assert!(words.contains("kept for 7 years") && words.contains("pruned, NOT CHECKED"), "{words}");
    let (code, resumed) = audited(&server.url, &["--state", &path("state")]);
    assert_eq!((code, &resumed["checked"]["unchecked"]), (0, &Value::Null), "{resumed}");

    // The log goes on, and is whole by its own check; so is a backup of it.
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut next = TestGateway::open(&log, 12).await.unwrap();
    next.send(&log, statements(300, 3), T + 9).await.unwrap();
    assert_eq!(server.terminate(), 0);
    let checked = json(&succeed(&["fsck", "--json", "--data", &data]));
    assert_eq!((&checked["sound"], &checked["pruned"]), (&true.into(), &512.into()), "{checked}");
    let copy = path("backup");
    let (code, error) = fail(&["store", "copy", "--from", &data, "--to", &path("moved")]);
    assert!(code == 2 && error.contains("minimum index is 1024"), "{error}");
    assert!(!Path::new(&path("moved")).exists());
    succeed(&["backup", "--json", "--data", &data, "--to", &copy, "--with-keys"]);
    // The ledger of a young log still has every entry; what is sealed from it is given up as in the log.
    assert_eq!(json(&succeed(&["fsck", "--json", "--data", &copy]))["sound"], true);
    let server = Server::start(Path::new(&copy), 0, &[]);
    until_removed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_of_a_pruned_log_is_audited_and_its_losses_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = path("log");
    grown(Path::new(&data)).await;
    succeed(&prune(&data, &["--yes"]));
    let server = Server::start(Path::new(&data), 0, &[]);
    until_removed(&server).await;
    let (vkey, copy, evidence) = (log_key().verifying_key().to_string(), path("copy"), path("evidence"));
    let mirror = ["mirror", "--json", "--once", "--log", &server.url, "--log-vkey", &vkey, "--to", &copy];
    succeed(&[&mirror[..], &["--evidence", &evidence]].concat());
    let (code, report) = audited(&copy, &[]);
    assert_eq!((code, &report["checked"]["unchecked"]), (0, &512.into()), "{report}");
    assert!(!Path::new(&evidence).exists(), "nothing was found");

    // Lost above the minimum index; lost below it, from what stays; and a notice that leads nowhere.
    let remove = |file: &str| {
        let file = Path::new(&copy).join(file);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        (file, bytes)
    };
    let kinds = |report: &Value| report["counts"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (file, count) in [("tile/entries/004", 1), ("tile/entries/000", 1), ("pruned", 2)] {
        let (lost, bytes) = remove(file);
        let (code, report) = audited(&copy, &["--entries", "ours"]);
        assert!(code == 1 && kinds(&report).contains(&"missing-bundle".to_owned()), "{file}: {report}");
        assert_eq!(report["counts"]["missing-bundle"], count, "{file}");
        std::fs::write(lost, bytes).unwrap();
    }
    let (notice, bytes) = remove("pruned");
    std::fs::write(&notice, "minimum 4096\nannounced 3\n").unwrap();
    let (code, report) = audited(&copy, &[]);
    assert_eq!((code, &report["counts"]["missing-bundle"]), (1, &2.into()), "{report}");
    std::fs::write(notice, bytes).unwrap();
    assert_eq!(audited(&copy, &[]).0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_killed_while_it_prunes_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    grown(&data).await;
    let text = data.to_str().unwrap();
    succeed(&prune(text, &["--yes"]));
    for kill in 0..rounds(KILLS) {
        let server = Server::start(&data, 0, &[]);
        tokio::time::sleep(Duration::from_millis(kill * 97 % 400)).await;
        server.kill();
        let code = run(&["fsck", "--json", "--data", text]).status.code();
        assert_eq!(code, Some(0), "after kill {kill}");
    }
    let server = Server::start(&data, 0, &[]);
    until_removed(&server).await;
    let (code, report) = audited(&server.url, &[]);
    assert_eq!((code, &report["checked"]["unchecked"]), (0, &512.into()), "{report}");
    assert_eq!(server.terminate(), 0);
    assert_eq!(json(&succeed(&["fsck", "--json", "--data", text]))["pruned"], 512);
}
