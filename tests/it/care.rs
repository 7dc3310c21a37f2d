//! Looking after a log's data with the real program: `fsck` that changes nothing and names what is damaged, `backup` under load,
//! `recover` from each source alone, and the scrub of a running log.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use vouchlog_api::LogReader;
use vouchlog_client::{Connection, GrpcLog, TileReader};
use vouchlog_merkle::{Hash, TileId, TilePath, sha256};
use vouchlog_note::{Origin, SignedCheckpoint};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements};

use crate::kill::{Promised, Replay, acknowledged_more_than, work};
use crate::process::{Server, fail, free_port, run, signal, succeed, vouchlog, write_keys};

const T: u64 = 1_767_225_600;
const STATEMENTS: usize = 3_000;

/// A running log with some thousand entries, most of them sealed, in `<folder>/data`.
async fn filled(folder: &Path, more: &[&str]) -> Server {
    let server = Server::start(&folder.join("data"), 0, more);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    for part in 0..10 {
        gateway.send(&log, statements(STATEMENTS / 10, part), T).await.unwrap();
    }
    // Sealing follows the commits within a second or so.
    let sealed = folder.join("data/sealed/tiles/0/000000");
    for _ in 0..600 {
        if std::fs::metadata(&sealed).is_ok_and(|tiles| tiles.len() >= 10 * 8192) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    server
}

/// A stopped log.
async fn stopped(folder: &Path) -> PathBuf {
    assert_eq!(filled(folder, &[]).await.terminate(), 0);
    folder.join("data")
}

/// Every file below a folder with its content, hashed.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Hash> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.insert(path.clone(), Hash::from_bytes([0; 32]));
            files.extend(tree(&path));
        } else {
            files.insert(path.clone(), sha256(&std::fs::read(&path).unwrap()));
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn flip(path: &Path, at: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

/// What `fsck` reports of a directory, and its exit code.
fn fsck(data: &Path) -> (Value, i32) {
    let vkey = key(ORIGIN, vouchlog_note::SignatureType::Ed25519, 1).verifying_key().to_string();
    let output = run(&["fsck", "--json", "--log-vkey", &vkey, "--data", data.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().unwrap())
}

fn assert_sound(data: &Path, size: u64) {
    let (report, code) = fsck(data);
    assert_eq!((report["sound"].as_bool(), code), (Some(true), 0), "{report}");
    assert_eq!(report["size"].as_u64(), Some(size), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fsck_beside_a_running_log_changes_no_byte_and_is_not_called_sound() {
    let folder = tempfile::tempdir().unwrap();
    let server = filled(folder.path(), &["--scrub-rate", "0"]).await;
    let data = folder.path().join("data");
    // Stopped in its tracks, the log holds its locks and changes nothing itself.
    signal(server.pid(), "STOP");
    let before = tree(&data);
    let (report, code) = fsck(&data);
    let after = tree(&data);
    signal(server.pid(), "CONT");
    assert_eq!(before, after);
    assert_eq!(code, 0, "{report}");
    assert_eq!(
        (report["running"].as_bool(), report["sound"].as_bool()),
        (Some(true), Some(false)),
        "{report}"
    );
    assert_eq!(report["findings"], Value::Array(Vec::new()), "{report}");
    let left_out = report["left_out"].to_string();
    assert!(left_out.contains("live/") && left_out.contains("index/"), "{report}");
    assert_eq!(report["statements"].as_u64(), Some(STATEMENTS as u64), "{report}");
    // Damage is found in a running log, too.
    flip(&data.join("sealed/tiles/0/000000"), 8192 * 2 + 40);
    // Once the log has noted that the tile is sealed.
    until("the damage is found", async || {
        let (report, code) = fsck(&data);
        (report["findings"][0]["code"].as_str(), code) == (Some("tile"), 1)
    })
    .await;
    assert_eq!(server.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fsck_of_a_stopped_log_needs_no_right_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let data = stopped(folder.path()).await;
    let before = tree(&data);
    // Root may write to what is read-only by mode; a read-only mount binds root, where mounts are allowed.
    let mount = folder.path().join("mount");
    std::fs::create_dir(&mount).unwrap();
    let mounted =
        Command::new("mount").arg("--bind").args([&data, &mount]).status().is_ok_and(|s| s.success());
    if mounted {
        let remount = ["-o", "remount,bind,ro"];
        assert!(Command::new("mount").args(remount).arg(&mount).status().unwrap().success());
    } else {
        eprintln!("no mount is allowed here: the directory is read-only by its modes alone");
        assert!(Command::new("chmod").args(["-R", "a-w"]).arg(&data).status().unwrap().success());
    }
    let (report, code) = fsck(if mounted { &mount } else { &data });
    if mounted {
        assert!(Command::new("umount").arg(&mount).status().unwrap().success());
    } else {
        assert!(Command::new("chmod").args(["-R", "u+w"]).arg(&data).status().unwrap().success());
    }
    assert_eq!((report["sound"].as_bool(), code), (Some(true), 0), "{report}");
    assert_eq!(tree(&data), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_damage_is_named_with_file_and_range() {
    let folder = tempfile::tempdir().unwrap();
    let data = stopped(folder.path()).await;
    let length = |file: &str| std::fs::metadata(data.join(file)).unwrap().len();
    let cases = [
        ("ledger/00000001", 10, "ledger"),
        ("ledger/00000001", 2_000, "ledger"),
        ("ledger/00000001", 90_000, "ledger"),
        ("ledger/MARK", 20, "ledger"),
        ("SIGNED", 520, "signed"),
        ("FORMAT", 3, "format"),
        ("sealed/tiles/0/000000", 8192 * 3 + 77, "tile"),
        ("sealed/tiles/0/000000", 5, "tile"),
        ("sealed/bundles/000000.data", 40_000, "entry"),
        ("sealed/bundles/000000.data", length("sealed/bundles/000000.data") - 3, "entry"),
        ("sealed/bundles/000000.index", 12 * 4 + 7, "segment-index"),
        ("sealed/bundles/000000.index", length("sealed/bundles/000000.index") - 1, "segment-index"),
    ];
    for (number, (file, at, code)) in cases.into_iter().enumerate() {
        let damaged = folder.path().join(format!("damaged-{number}"));
        copy(&data, &damaged);
        flip(&damaged.join(file), at);
        let before = tree(&damaged);
        let (report, exit) = fsck(&damaged);
        assert_eq!(exit, 1, "{file} flipped at {at}: {report}");
        let findings = report["findings"].as_array().unwrap();
        let named = findings.iter().any(|finding| {
            let range = finding["start"].as_u64().unwrap_or(1)..finding["end"].as_u64().unwrap_or(0);
            finding["code"] == code && finding["file"] == file && range.contains(&at)
        });
        assert!(named, "{file} flipped at {at}: {report}");
        assert_eq!(tree(&damaged), before, "{file}: what is damaged is left as it is");
        std::fs::remove_dir_all(&damaged).unwrap();
    }
    type Inflict = fn(&Path);
    let cases: [(&str, Inflict, &str); 5] = [
        ("live/db", |path| std::fs::write(path, vec![0; 100_000]).unwrap(), "live"),
        ("live/db", |path| std::fs::remove_file(path).unwrap(), "live"),
        ("ledger", |path| std::fs::remove_dir_all(path).unwrap(), "ledger"),
        ("SIGNED", |path| std::fs::remove_file(path).unwrap(), "signed"),
        ("sealed/tiles/0/000000", |path| std::fs::remove_file(path).unwrap(), "tile"),
    ];
    for (number, (file, inflict, code)) in cases.into_iter().enumerate() {
        let damaged = folder.path().join(format!("lost-{number}"));
        copy(&data, &damaged);
        inflict(&damaged.join(file));
        let (report, exit) = fsck(&damaged);
        let findings = report["findings"].as_array().unwrap();
        let named = findings.iter().any(|finding| finding["code"] == code && finding["file"] == file);
        assert!(named && exit == 1, "{file}: {report}");
        std::fs::remove_dir_all(&damaged).unwrap();
    }
    // A bundle and the tile of another at once: each is named.
    let both = folder.path().join("both");
    copy(&data, &both);
    flip(&both.join("sealed/bundles/000000.data"), 40_000);
    flip(&both.join("sealed/tiles/0/000000"), 8192 * 7 + 77);
    let (report, _) = fsck(&both);
    let codes: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert_eq!(codes[..2], ["entry", "tile"], "{report}");
    // Older than what was signed, with nothing damaged: found by comparing.
    let old = folder.path().join("old");
    copy(&data, &old);
    let server = Server::start(&data, 0, &[]);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut gateway = TestGateway::open(&log, 11).await.unwrap();
    gateway.send(&log, statements(50, 99), T).await.unwrap();
    assert_eq!(server.terminate(), 0);
    std::fs::copy(data.join("SIGNED"), old.join("SIGNED")).unwrap();
    let (report, exit) = fsck(&old);
    assert_eq!((report["findings"][0]["code"].as_str(), exit), (Some("checkpoint"), 1), "{report}");
}

/// Nothing tells what was there, so the log does not start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_and_its_tile_that_are_both_damaged_are_named_by_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = stopped(folder.path()).await;
    flip(&data.join("sealed/bundles/000000.data"), 40_000);
    flip(&data.join("sealed/tiles/0/000000"), 8192 * 2 + 77);
    let (code, words) = fail(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    let places = ["sealed/tiles/0/000000 bytes 16384-24575", "sealed/bundles/000000.data bytes "];
    assert!(code == 2 && places.iter().all(|place| words.contains(place)), "{code}: {words}");
}

/// The genesis entry is read before anything is compared with a tile: wherever its bundle is damaged, the start names the file, and
/// does not blame the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_first_bundle_is_named_by_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = stopped(folder.path()).await;
    let bundle = data.join("sealed/bundles/000000.data");
    let whole = std::fs::read(&bundle).unwrap();
    let zero = |from: usize| {
        let mut bytes = whole.clone();
        bytes[from..from + 512].fill(0);
        bytes
    };
    // The first entry, the lengths of later ones, and then: its length and its note. No signature covers its time.
    let mut damaged: Vec<_> = [0, 1024].into_iter().map(zero).collect();
    for at in [0, 1, 60, 100] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        damaged.push(bytes);
    }
    for bytes in damaged {
        std::fs::write(&bundle, &bytes).unwrap();
        let (code, words) = fail(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
        assert!(code == 2 && words.contains("sealed/bundles/000000.data"), "{code}: {words}");
        assert!(words.contains("fsck") && !words.contains("--key"), "{words}");
    }
    std::fs::write(&bundle, &whole).unwrap();
    drop(Server::start(&data, 0, &[]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_whole_and_covers_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    let server = Server::start(&data, 0, &[]);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let promised = Arc::new(Mutex::new(Promised::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for seed in 10..12 {
        let gateway = TestGateway::open(&log, seed).await.unwrap();
        workers.push(tokio::spawn(work(
            log.clone(),
            gateway,
            u64::from(seed),
            stop.clone(),
            promised.clone(),
        )));
    }
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        acknowledged_more_than(&promised, 0).await;
        let before = promised.lock().await.clone();
        let (from, target) = (data.to_str().unwrap().to_owned(), to.to_str().unwrap().to_owned());
        let mut args = vec!["backup", "--json", "--data", &from, "--to", &target];
        args.extend((round > 0).then_some("--incremental"));
        let said: Value = serde_json::from_str(&succeed(&args)).unwrap();
        assert_eq!(said["sound"].as_bool(), Some(true), "{said}");
        // A copy of the copy is started, so that the next round can add to it.
        let opened = folder.path().join(format!("opened-{round}"));
        copy(&to, &opened);
        assert!(!opened.join("log.key").exists(), "keys are copied only if asked for");
        write_keys(&opened);
        let copied = Server::start(&opened, free_port(), &[]);
        let reader = GrpcLog::connect(&Connection::new(&copied.url)).unwrap();
        Replay::default().follow(&reader, &before).await;
        assert_eq!(copied.terminate(), 0);
        let (code, error) =
            fail(&["backup", "--incremental", "--data", &from, "--to", opened.to_str().unwrap()]);
        assert!(code == 2 && error.contains("not a backup"), "a log was started from it: {error}");
    }
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let (code, error) = fail(&["backup", "--data", data.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    assert!(code == 2 && error.contains("not empty"), "{error}");
    let with_keys = folder.path().join("with-keys");
    succeed(&[
        "backup",
        "--with-keys",
        "--data",
        data.to_str().unwrap(),
        "--to",
        with_keys.to_str().unwrap(),
    ]);
    use std::os::unix::fs::PermissionsExt;
    for name in ["log.key", "operator.key"] {
        assert_eq!(std::fs::metadata(with_keys.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(server.terminate(), 0);
}

/// Writes the served tiles of a log as files, as a mirror has them.
async fn mirror(url: &str, to: &Path) {
    let reader = TileReader::http(url).unwrap();
    let note = reader.checkpoint().await.unwrap();
    let vkey = key(ORIGIN, vouchlog_note::SignatureType::Ed25519, 1).verifying_key().clone();
    let head = SignedCheckpoint::open(note.as_bytes(), &Origin::new(ORIGIN).unwrap(), &vkey).unwrap().head();
    std::fs::create_dir_all(to).unwrap();
    std::fs::write(to.join("checkpoint"), note).unwrap();
    let keep = |path: TilePath, bytes: &[u8]| {
        let file = to.join(path.to_string());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    };
    for index in 0..head.size.get().div_ceil(256) {
        let width = TileId { level: 0, index }.width_at(head.size);
        let tile = TileId { level: 0, index };
        keep(TilePath::Entries { index, width }, &reader.entry_bundle(index, width).await.unwrap());
        keep(TilePath::Hashes { tile, width }, &reader.tile(tile, width).await.unwrap());
    }
}

/// Recovers, and opens what was recovered.
fn assert_recovers(folder: &Path, name: &str, sources: &[&str], size: u64) {
    let to = folder.join(format!("recovered-{name}"));
    let vkey = key(ORIGIN, vouchlog_note::SignatureType::Ed25519, 1).verifying_key().to_string();
    let mut args = vec!["recover", "--json", "--log-vkey", &vkey, "--to", to.to_str().unwrap()];
    args.extend(sources);
    let said: Value = serde_json::from_str(&succeed(&args)).unwrap();
    assert_eq!((said["size"].as_u64(), said["lost"].as_bool()), (Some(size), Some(false)), "{name}: {said}");
    assert_eq!(said["streams_without_head"], Value::Array(Vec::new()), "{name}: {said}");
    assert_sound(&to, size);
    write_keys(&to);
    let server = Server::start(&to, 0, &[]);
    assert_eq!(server.vkey, vkey);
    assert_eq!(server.terminate(), 0);
    assert_sound(&to, size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_recovered_from_each_source_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = stopped(folder.path()).await;
    let size = fsck(&data).0["size"].as_u64().unwrap();
    succeed(&["backup", "--data", &path("data"), "--to", &path("backup")]);
    assert_eq!(fsck(&folder.path().join("backup")).0["sound"].as_bool(), Some(true));
    let server = Server::start(&data, 0, &[]);
    mirror(&server.url, &folder.path().join("mirror")).await;
    let sources: [(&str, &[&str]); 3] = [
        ("served-tiles", &["--tiles", &server.url]),
        ("a-mirror", &["--mirror", &path("mirror")]),
        ("a-backup", &["--backup", &path("backup")]),
    ];
    for (name, source) in sources {
        assert_recovers(folder.path(), name, source, size);
    }
    let (code, error) = fail(&["recover", "--to", &path("never"), "--data", &path("data")]);
    assert!(code == 2 && error.contains("already open"), "{error}");
    assert_eq!(server.terminate(), 0);

    // Directories of which each lacks something else.
    type Inflict = fn(&Path);
    let damages: [(&str, Inflict); 7] = [
        ("without-an-index-of-bundles", |data| {
            std::fs::remove_file(data.join("sealed/bundles/000000.index")).unwrap();
            std::fs::remove_dir_all(data.join("ledger")).unwrap();
        }),
        ("without-sled", |data| std::fs::remove_dir_all(data.join("live")).unwrap()),
        ("without-ledger", |data| std::fs::remove_dir_all(data.join("ledger")).unwrap()),
        ("with-both-damaged", |data| {
            flip(&data.join("ledger/00000001"), 50_000);
            std::fs::write(data.join("live/db"), vec![0; 4096]).unwrap();
        }),
        ("without-segments", |data| std::fs::remove_dir_all(data.join("sealed")).unwrap()),
        ("with-a-damaged-bundle", |data| flip(&data.join("sealed/bundles/000000.data"), 40_000)),
        ("without-format", |data| std::fs::remove_file(data.join("FORMAT")).unwrap()),
    ];
    for (name, inflict) in damages {
        let damaged = folder.path().join(name);
        copy(&data, &damaged);
        inflict(&damaged);
        let before = tree(&damaged);
        assert_recovers(folder.path(), name, &["--data", damaged.to_str().unwrap()], size);
        assert_eq!(tree(&damaged), before, "{name}: the source is left as it is");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shorter_log_is_built_only_when_the_loss_is_accepted_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = stopped(folder.path()).await;
    let size = fsck(&data).0["size"].as_u64().unwrap();
    let sealed = size / 256 * 256;
    for part in ["live", "ledger"] {
        std::fs::remove_dir_all(data.join(part)).unwrap();
    }
    let recover = |more: &[&str]| {
        let (to, from) = (path("short"), path("data"));
        let mut args = vec!["recover", "--to", &to, "--data", &from];
        args.extend(more);
        run(&args)
    };
    let words = format!("keep {sealed} of {size} entries");
    for wrong in [&[][..], &["--accept-loss", "yes"], &["--accept-loss", "keep 0 of 0 entries"]] {
        let output = recover(wrong);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("SIGNED") && error.contains(&words), "{error}");
        assert!(!folder.path().join("short").exists());
    }
    let output = recover(&["--accept-loss", &words]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("LOST"), "{said}");
    assert_sound(&folder.path().join("short"), sealed);
}

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never came to this: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scrub_repairs_a_tile_reports_a_bundle_and_repairs_it_from_a_mirror() {
    let folder = tempfile::tempdir().unwrap();
    let data = stopped(folder.path()).await;
    let scrub = ["--scrub-rate", "1GiB", "--scrub-interval", "1s"];
    let server = Server::start(&data, 0, &scrub);
    mirror(&server.url, &folder.path().join("mirror")).await;
    let (tiles, bundles) = (data.join("sealed/tiles/0/000000"), data.join("sealed/bundles/000000.data"));
    let (whole_tiles, whole_bundles) = (std::fs::read(&tiles).unwrap(), std::fs::read(&bundles).unwrap());
    flip(&tiles, 8192 * 2 + 100);
    until("the tile is repaired", async || std::fs::read(&tiles).unwrap() == whole_tiles).await;

    let readyz = format!("{}/readyz", server.url);
    flip(&bundles, 30_000);
    until("the bundle is reported", async || {
        let answer = reqwest::get(&readyz).await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        status == 503 && text.contains("sealed data") && text.contains("sealed/bundles/000000.data bytes")
    })
    .await;
    let metrics = reqwest::get(format!("{}/metrics", server.url)).await.unwrap().text().await.unwrap();
    for line in ["vouchlog_scrub_damaged 1", "vouchlog_scrub_repaired_total 1", "vouchlog_scrub_bytes_total"]
    {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
    assert_eq!(server.terminate(), 0);

    // A damaged bundle and a damaged tile do not keep the log from starting, or they could not be repaired.
    flip(&tiles, 8192 * 6 + 9);
    let from = folder.path().join("mirror");
    let server = Server::start(&data, 0, &[&scrub[..], &["--repair-from", from.to_str().unwrap()]].concat());
    until("the bundle is repaired", async || std::fs::read(&bundles).unwrap() == whole_bundles).await;
    let readyz = format!("{}/readyz", server.url);
    assert!(std::fs::read(&tiles).unwrap() == whole_tiles, "the tile was repaired at the start");
    until("the log is ready", async || reqwest::get(&readyz).await.unwrap().status() == 200).await;
    assert_eq!(server.terminate(), 0);
    let size = fsck(&data).0["size"].as_u64().unwrap();
    assert_sound(&data, size);
}

#[test]
fn the_commands_refuse_what_is_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    let mut command = vouchlog();
    command.args(["fsck", "--data", empty]);
    assert_eq!(command.output().unwrap().status.code(), Some(2));
    let to = folder.path().join("to");
    let (code, _) = fail(&["backup", "--data", empty, "--to", to.to_str().unwrap()]);
    assert_eq!(code, 2);
    let (code, error) = fail(&["recover", "--to", to.to_str().unwrap()]);
    assert!(code == 2 && error.contains("nothing to recover from"), "{error}");
    assert!(!to.exists());
}
