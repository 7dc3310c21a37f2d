//! The same for logs whose sealed part is in an object store or in PostgreSQL: with readers of the bucket alone, standbys, takeovers, and kills
//! while entries are removed.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use vouchlog::ConnectionSecurity;
use vouchlog_api::{Appender, LogReader, proof};
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_merkle::{LeafIndex, TreeSize};
use vouchlog_note::{Origin, SignedCheckpoint};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, statements};
use vouchlog_storage_object::Bucket;

use super::{T, audited, fill, get, until_removed};
use crate::objects::{published_size, start, until_published};
use crate::process::{Server, fail, free_port, rounds, run, succeed};
use crate::standby::World;
use crate::witnesses::log_key;

/// Starts that are killed before or while entries are removed.
const KILLS: (u64, u64) = (5, 40);

/// A folder, and a prefix in the bucket of an S3 server where there is one.
fn places(folder: &Path) -> Vec<String> {
    let mut places = vec![format!("file://{}", folder.join("objects").display())];
    match std::env::var("VOUCHLOG_S3").ok().filter(|server| !server.is_empty()) {
        Some(server) => {
            let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
            places.push(format!("{server}/prune-{}-{time}", std::process::id()));
        }
        None => {
            eprintln!("NOT TESTED with an S3 server: set VOUCHLOG_S3 to a bucket of one, as `.ci/run` does");
        }
    }
    places
}

fn bucket(url: &str) -> Bucket {
    Bucket::open(&url.parse().unwrap(), &ConnectionSecurity::default()).unwrap()
}

/// An object, if it is there.
async fn object(url: &str, path: &str) -> Option<bytes::Bytes> {
    bucket(url).get(path, 1 << 24).await.unwrap().map(|found| found.bytes)
}

async fn until_gone(url: &str, path: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while object(url, path).await.is_some() {
        assert!(Instant::now() < deadline, "{path} is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn answer(args: &[&str]) -> Value {
    serde_json::from_str(&succeed(args)).unwrap()
}

/// Entries at these places can be read and proven under the newest checkpoint.
async fn assert_proven(reader: &impl LogReader, places: &[u64]) {
    let note = reader.checkpoint().await.unwrap();
    let origin = Origin::new(ORIGIN).unwrap();
    let head = SignedCheckpoint::open(note.as_bytes(), &origin, log_key().verifying_key()).unwrap().head();
    for place in places {
        let place = LeafIndex::new(*place);
        proof::checked_inclusion(reader, place, head.size, &head.root).await.unwrap();
    }
    assert!(head.size > TreeSize::new(0));
}

/// Loses an object, and puts it back after an audit of what is left, whose counts by kind are returned.
async fn audited_without(url: &str, path: &str) -> (i32, Value) {
    let bytes = object(url, path).await.unwrap();
    bucket(url).delete(path).await.unwrap();
    let (code, report) = audited(url, &["--entries", "ours"]);
    bucket(url).create(path, &bytes, vouchlog_storage_object::Content::Tile).await.unwrap();
    (code, report["counts"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_alone_shows_what_was_given_up() {
    let folder = tempfile::tempdir().unwrap();
    for (nth, objects) in places(folder.path()).iter().enumerate() {
        let path = |name: &str| folder.path().join(format!("{name}-{nth}")).to_str().unwrap().to_owned();
        let data = path("log");
        let server = start(Path::new(&data), objects);
        fill(&server).await;
        assert_eq!(server.terminate(), 0);
        let prune = ["store", "prune", "--json", "--data", &data, "--below", "1024"];
        let planned = answer(&[&prune[..], &["--dry-run"]].concat());
        assert_eq!(
            (&planned["removed_bundles"], &planned["announced"]),
            (&json!(2), &Value::Null),
            "{planned}"
        );
        let elsewhere = format!("file://{}", path("elsewhere"));
        let (code, error) = fail(&[&prune[..], &["--objects", &elsewhere, "--yes"]].concat());
        assert!(code == 2 && error.contains(objects.as_str()), "{error}");

        // Announced, and not shown: nothing changes for readers of the bucket.
        let made = answer(&[&prune[..], &["--objects", objects, "--yes"]].concat());
        let entry = made["announced"].as_u64().unwrap();
        assert!(published_size(objects).await <= entry);
        let (code, before) = audited(objects, &[]);
        assert_eq!((code, &before["pruning"]), (0, &Value::Null), "{before}");
        assert_eq!(
            answer(&["store", "check", "--json", "--objects", objects])["objects"]["pruned"],
            Value::Null
        );

        let server = start(Path::new(&data), objects);
        until_removed(&server).await;
        for gone in ["tile/entries/001", "tile/entries/002"] {
            until_gone(objects, gone).await;
        }
        let notice = format!("minimum 1024\nannounced {entry}\n");
        assert_eq!(get(&server, "/pruned").await, (StatusCode::OK, notice.clone()));
        assert_eq!(object(objects, "pruned").await.unwrap(), notice.as_bytes());
        assert_eq!(server.terminate(), 0);

        // With no process of ours: audits, proofs, mirrors.
        let (code, report) = audited(objects, &[]);
        assert_eq!((code, &report["findings"]), (0, &json!([])), "{report}");
        assert_eq!(
            (&report["pruning"]["minimum"], &report["checked"]["unchecked"]),
            (&json!(1024), &json!(512))
        );
        let reader = vouchlog::objects::tiles(objects, &ConnectionSecurity::default()).unwrap();
        assert_proven(&reader, &[0, 255, 768, 1_023, 1_024, entry]).await;
        let checked = answer(&["store", "check", "--json", "--objects", objects]);
        assert_eq!(checked["objects"]["pruned"], json!({ "minimum": 1024, "announced": entry }), "{checked}");
        let words = succeed(&["store", "check", "--objects", objects]);
        assert!(words.contains(&format!("the minimum index is 1024, as entry {entry} announces")), "{words}");
        let (vkey, copy) = (log_key().verifying_key().to_string(), path("copy"));
        let evidence = path("evidence");
        let mirror = ["mirror", "--json", "--once", "--log", objects, "--log-vkey", &vkey, "--to", &copy];
        succeed(&[&mirror[..], &["--evidence", &evidence]].concat());
        let (code, mirrored) = audited(&copy, &[]);
        assert_eq!((code, &mirrored["checked"]["unchecked"]), (0, &json!(512)), "{mirrored}");
        let (code, error) = fail(&["store", "copy", "--from", &data, "--to", &path("moved")]);
        assert!(code == 2 && error.contains("minimum index is 1024"), "{error}");

        // What is lost is found: above the minimum index, below it from what stays, and without the announcement.
        for (lost, count) in [("tile/entries/004", 1), ("tile/entries/000", 1), ("pruned", 2)] {
            let (code, counts) = audited_without(objects, lost).await;
            assert_eq!((code, &counts["missing-bundle"]), (1, &json!(count)), "{lost}: {counts}");
        }
        assert_eq!(audited(objects, &[]).0, 0);

        // The log goes on.
        let server = start(Path::new(&data), objects);
        let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
        let mut next = TestGateway::open(&log, 12).await.unwrap();
        next.send(&log, statements(600, 3), T + 9).await.unwrap();
        log.append(next.head_only(T + 10, true)).await.unwrap();
        let size = entry + 600;
        until_published(objects, size).await;
        assert_eq!(server.terminate(), 0);
        assert_eq!(audited(objects, &[]).0, 0);
    }
}

/// What could be given up of a log that is served, once all of that is sealed and its leader has shown a checkpoint over it.
fn until_possible(prune: &[&str]) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let output = run(&[prune, &["--dry-run"]].concat());
        if output.status.success() {
            return serde_json::from_slice(&output.stdout).unwrap();
        }
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(Instant::now() < deadline, "{error}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A node of a log, once it leads.
async fn leading(standby: JoinHandle<Server>) -> Server {
    tokio::task::spawn_blocking(move || standby.join().unwrap()).await.unwrap()
}

/// Prunes a log in PostgreSQL with a standby behind its leader.
async fn prune_with_a_standby(world: &World, objects: Option<&str>) {
    let (url, key) = (world.postgres.url(), world.data("a").join("log.key"));
    let ports = [free_port(), free_port()];
    let first = world.node("a", ports[0]);
    fill(&first).await;
    let second = world.standby("b", ports[1]);
    let key = key.to_str().unwrap();
    let prune = ["store", "prune", "--json", "--store", &url, "--key", key, "--below", "1024"];
    let planned = until_possible(&prune);
    assert_eq!(planned["removed_bundles"], 2, "{planned}");
    let (code, error) = fail(&[&prune[..], &["--yes"]].concat());
    assert!(
        code == 2 && error.contains("a process serves this log") && error.contains("--take-over"),
        "{error}"
    );
    let (code, error) = fail(&[&prune[..], &["--take-over"]].concat());
    assert!(code == 2 && error.contains("not confirmed"), "{error}");
    assert_eq!(get(&first, "/pruned").await.0, StatusCode::NOT_FOUND);

    let made = answer(&[&prune[..], &["--take-over", "--yes"]].concat());
    let entry = made["announced"].as_u64().unwrap();
    assert_eq!(tokio::task::spawn_blocking(move || first.wait()).await.unwrap(), 3, "it was fenced");
    let second = leading(second).await;
    until_removed(&second).await;
    let notice = format!("minimum 1024\nannounced {entry}\n");
    assert_eq!(get(&second, "/pruned").await, (StatusCode::OK, notice.clone()));

    // The former leader is a standby now, and serves the log as it is.
    let first = world.standby("a", ports[0]);
    let standby = format!("http://127.0.0.1:{}", ports[0]);
    let at_standby = |path: &str| reqwest::get(format!("{standby}{path}"));
    let deadline = Instant::now() + Duration::from_secs(60);
    // Before it has read the log it serves nothing.
    while at_standby("/pruned").await.unwrap().text().await.unwrap() != notice {
        assert!(Instant::now() < deadline, "the standby shows no minimum index");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(at_standby("/tile/entries/002").await.unwrap().status(), StatusCode::GONE);
    assert_eq!(at_standby("/tile/entries/003").await.unwrap().status(), StatusCode::OK);
    let (code, report) = audited(&standby, &[]);
    assert_eq!((code, &report["checked"]["unchecked"]), (0, &json!(512)), "{report}");
    second.kill();
    let first = leading(first).await;
    let log = GrpcLog::connect(&Connection::new(&first.url)).unwrap();
    assert_proven(&log, &[0, 255, 768, 1_023, 1_024, entry]).await;
    let mut next = TestGateway::open(&log, 12).await.unwrap();
    next.send(&log, statements(600, 3), T + 9).await.unwrap();
    log.append(next.head_only(T + 10, true)).await.unwrap();
    let (code, report) = audited(&first.url, &[]);
    assert_eq!((code, &report["checked"]["unchecked"]), (0, &json!(512)), "{report}");
    assert_eq!(get(&first, "/pruned").await, (StatusCode::OK, notice));

    let checked = answer(&["store", "check", "--json", "--store", &url]);
    let expected = match objects {
        Some(_) => Value::Null,
        None => json!({ "minimum": 1024, "announced": entry }),
    };
    assert_eq!(checked["store"]["pruned"], expected, "{checked}");
    let vkey = log_key().verifying_key().to_string();
    let to = world.data("moved");
    let (code, error) =
        fail(&["store", "copy", "--from", &url, "--to", to.to_str().unwrap(), "--log-vkey", &vkey]);
    assert!(code == 2 && error.contains("minimum index is 1024"), "{error}");
    assert!(!to.exists());
    let (code, error) = fail(&[&prune[..], &["--take-over", "--yes"]].concat());
    assert!(code == 2 && error.contains(&format!("in entry {entry} already")), "{error}");

    // Bundles that are lost, and were not given up: one above the minimum index, and one below it that stays.
    assert_eq!(first.terminate(), 0);
    for lost in ["004", "003"] {
        match objects {
            Some(objects) => {
                let (code, counts) = audited_without(objects, &format!("tile/entries/{lost}")).await;
                assert_eq!(code, 1, "{counts}");
            }
            None => {
                world
                    .postgres
                    .sql(&format!("DELETE FROM vouchlog_sealed WHERE level = -1 AND index = {lost}"));
            }
        }
    }
    if let Some(objects) = objects {
        for lost in ["004", "003"] {
            bucket(objects).delete(&format!("tile/entries/{lost}")).await.unwrap();
        }
    }
    let first = world.node("a", ports[0]);
    for lost in ["004", "003"] {
        let (status, _) = get(&first, &format!("/tile/entries/{lost}")).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "what is lost does not pass for given up");
    }
    assert_ne!(run(&["audit", "--log", &first.url, "--log-vkey", &vkey]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_a_pruned_log_over_with_its_database() {
    let Some(world) = World::new() else { return };
    prune_with_a_standby(&world, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_a_pruned_log_over_with_its_bucket() {
    let folder = tempfile::tempdir().unwrap();
    for objects in places(folder.path()) {
        let Some(world) = World::new() else { return };
        let world = world.with(&["--objects", &objects, "--objects-interval", "50ms"]);
        prune_with_a_standby(&world, Some(&objects)).await;
    }
}

/// A log in PostgreSQL, a long part of which can go. How many bundles.
async fn announced(world: &World, port: u16) -> u64 {
    let server = world.node("a", port);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut old = TestGateway::open(&log, 10).await.unwrap();
    for batch in 0..30 {
        old.send(&log, statements(1_000, batch * 1_000), T).await.unwrap();
    }
    log.append(old.head_only(T + 1, true)).await.unwrap();
    let mut new = TestGateway::open(&log, 11).await.unwrap();
    new.send(&log, statements(600, 1_000_000), T + 2).await.unwrap();
    log.append(new.head_only(T + 3, true)).await.unwrap();
    let (url, data) = (world.postgres.url(), world.data("a"));
    let data = data.to_str().unwrap();
    let prune = ["store", "prune", "--json", "--store", &url, "--data", data, "--below", "30208"];
    until_possible(&prune);
    assert_eq!(server.terminate(), 0);
    let made = answer(&[&prune[..], &["--yes"]].concat());
    made["removed_bundles"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_a_database_that_is_killed_while_it_prunes_goes_on() {
    let Some(world) = World::new() else { return };
    let port = free_port();
    let removed = announced(&world, port).await;
    assert!(removed > 100, "{removed}");
    for kill in 0..rounds(KILLS) {
        let server = world.node("a", port);
        tokio::time::sleep(Duration::from_millis(kill * 97 % 500)).await;
        server.kill();
    }
    let server = world.node("a", port);
    until_removed(&server).await;
    let (code, report) = audited(&server.url, &[]);
    assert_eq!((code, &report["checked"]["unchecked"]), (0, &json!(removed * 256)), "{report}");
}

/// After each kill, a reader of the bucket alone finds nothing wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_with_a_bucket_that_is_killed_while_it_prunes_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for objects in places(folder.path()) {
        let Some(world) = World::new() else { return };
        let world = world.with(&["--objects", &objects, "--objects-interval", "20ms"]);
        let port = free_port();
        let removed = announced(&world, port).await;
        let mut before = 0;
        for kill in 0..rounds(KILLS) {
            let server = world.node("a", port);
            tokio::time::sleep(Duration::from_millis(kill * 97 % 500)).await;
            server.kill();
            let (code, report) = audited(&objects, &[]);
            let unchecked = report["checked"]["unchecked"].as_u64().unwrap_or(0);
            assert!(
                code == 0 && (before..=removed * 256).contains(&unchecked),
                "after kill {kill}: {report}"
            );
            before = unchecked;
        }
        let server = world.node("a", port);
        let deadline = Instant::now() + Duration::from_secs(120);
        while !object(&objects, "pruned-bundles").await.is_some_and(|text| text.ends_with(b"removed 118\n")) {
            assert!(Instant::now() < deadline, "entries are still there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (code, report) = audited(&objects, &[]);
        assert_eq!((code, &report["checked"]["unchecked"]), (0, &json!(removed * 256)), "{report}");
        assert_eq!(audited(&server.url, &[]).0, 0);
        let vkey = log_key().verifying_key().to_string();
        let code = run(&["audit", "--log", &objects, "--log-vkey", &vkey]).status.code();
        assert_eq!(code, Some(0));
    }
}
