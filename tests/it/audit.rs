//! Audits by the program: a real log with witnesses over HTTP, the same as files, and those files tampered with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use vouchlog_api::LogReader;
use vouchlog_auditor::FindingKind;
use vouchlog_client::{Connection, GrpcLog, TileReader};
use vouchlog_merkle::{EntryBundle, TileId, TilePath, TreeHead, TreeSize, sha256};
use vouchlog_note::{Checkpoint, Origin, SignedCheckpoint, UnverifiedNote};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, statements};

use crate::process::{Server, run, signal, succeed, vouchlog};
use crate::witnesses::{copy_dir, json, log_key, start_witness, write_policy};

const T: u64 = 1_767_225_600;
const GATEWAYS: u8 = 3;

/// A log of three streams with two witnesses, all of them processes.
struct Fixture {
    folder: tempfile::TempDir,
    processes: [Server; 3],
    gateways: Vec<TestGateway>,
    log: GrpcLog,
    policy: String,
    statements: u64,
}

impl Fixture {
    async fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) =
            (start_witness(folder.path(), "w1", 0, &[]), start_witness(folder.path(), "w2", 0, &[]));
        let policy = write_policy(folder.path(), &[("w1", &one, "http"), ("w2", &two, "grpc")]);
        let more = ["--policy", &policy, "--witness-interval", "50ms"];
        let server = Server::start(&folder.path().join("data"), 0, &more);
        let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
        let mut gateways = Vec::new();
        for seed in 10..10 + GATEWAYS {
            gateways.push(TestGateway::open(&log, seed).await.unwrap());
        }
        let processes = [server, one, two];
        let mut fixture = Self { folder, processes, gateways, log, policy, statements: 0 };
        fixture.grow(count).await;
        fixture
    }

    /// More statements in each stream, a signed head in the log behind them, and all of it under a cosigned checkpoint.
    async fn grow(&mut self, count: usize) {
        let each = count / self.gateways.len();
        for gateway in &mut self.gateways {
            for batch in 0..each.div_ceil(500) {
                let size = 500.min(each - batch * 500);
                gateway.send(&self.log, statements(size, self.statements), T).await.unwrap();
                self.statements += size as u64;
            }
        }
        // Control entries of genesis, enrolments and openings come first.
        let size = self.statements + 2 * u64::from(GATEWAYS);
        self.log.checkpoint_after(TreeSize::new(size)).await.unwrap();
    }

    fn url(&self) -> &str {
        &self.processes[0].url
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes the log to files, as anyone can who reads its tiles.
    async fn export(&self, name: &str) -> PathBuf {
        let dir = self.folder.path().join(name);
        let log = TileReader::http(self.url()).unwrap();
        let note = log.checkpoint().await.unwrap();
        let size = size_of(&note);
        write(&dir, "checkpoint", note.as_bytes());
        for level in 0..8_u8 {
            let hashes = size >> (8 * u32::from(level));
            for index in 0..hashes.div_ceil(256) {
                let tile = TileId { level, index };
                let width = tile.width_at(TreeSize::new(size));
                let bytes = log.tile(tile, width).await.unwrap();
                write(&dir, &TilePath::Hashes { tile, width }.to_string(), &bytes);
                if level == 0 {
                    let bytes = log.entry_bundle(index, width).await.unwrap();
                    write(&dir, &TilePath::Entries { index, width }.to_string(), &bytes);
                }
            }
        }
        dir
    }
}

fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn size_of(note: &str) -> u64 {
    let note = UnverifiedNote::parse(note.as_bytes()).unwrap();
    Checkpoint::parse(note.unverified_text()).unwrap().head().size.get()
}

fn vkey() -> String {
    log_key().verifying_key().to_string()
}

/// Runs `vouchlog audit --json` and returns its exit code and answer.
fn audit(source: &str, more: &[&str]) -> (i32, Value) {
    let vkey = vkey();
    let mut args = vec!["audit", "--json", "--log", source, "--log-vkey", &vkey, "--entries", "ours"];
    args.extend(more);
    let output = run(&args);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.is_empty(), "{errors}");
    (output.status.code().unwrap(), json(&said))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_audited_over_http_and_the_next_audit_goes_on() {
    let mut fixture = Fixture::new(20_100).await;
    let (url, state, html) = (fixture.url().to_owned(), fixture.path("state"), fixture.path("audit.html"));
    let policy = fixture.policy.clone();
    let more = ["--policy", &policy, "--state", &state, "--html", &html];
    let (code, report) = audit(&url, &more);
    assert_eq!((code, &report["clean"]), (0, &Value::Bool(true)), "{report}");
    let size = report["checkpoint"]["size"].as_u64().unwrap();
    assert_eq!(report["checked"]["entries"], size);
    assert_eq!(report["checked"]["statements"], 20_100);
    assert_eq!(report["checkpoint"]["compared"], 2, "both witnesses were asked");
    assert_eq!(report["checkpoint"]["cosigned_by"].as_array().unwrap().len(), 2);
    let streams = report["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 3);
    assert!(streams.iter().all(|stream| stream["complete"] == true && stream["statements"] == 6_700));
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("6,700"));

    fixture.grow(3_000).await;
    let (code, report) = audit(&url, &more);
    assert_eq!((code, &report["checked"]["before"]), (0, &size.into()), "{report}");
    assert!(report["checked"]["entries"].as_u64().unwrap() >= 3_000, "{report}");
    assert_eq!(report["checked"]["statements"], 23_100);
    let vkey = vkey();
    let words = succeed(&["audit", "--log", &url, "--log-vkey", &vkey, "--policy", &policy]);
    assert!(words.starts_with("clean: no findings") && words.contains("7700 statements"), "{words}");
    stop_and_go_on(&fixture);
}

/// An audit that is stopped keeps what it verified.
fn stop_and_go_on(fixture: &Fixture) {
    let (vkey, state) = (vkey(), fixture.path("stopped"));
    let slowly = ["--state", &state, "--max-requests-per-second", "15"];
    let mut command = vouchlog();
    command.args(["audit", "--log", fixture.url(), "--log-vkey", &vkey]).args(slowly);
    let child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let child = child.spawn().unwrap();
    let saved = Path::new(&state).join(format!("{}.audit.json", sha256(ORIGIN.as_bytes())));
    for _ in 0..600 {
        if saved.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("stopped; the first") && said.contains("run the same command to resume"), "{said}");
    let (code, report) = audit(fixture.url(), &["--state", &state]);
    assert_eq!(code, 0, "{report}");
    let before = report["checked"]["before"].as_u64().unwrap();
    assert!(before > 0 && before < report["checkpoint"]["size"].as_u64().unwrap(), "{report}");
    // What was changed in the file is noticed.
    let text = std::fs::read_to_string(&saved).unwrap();
    let digest = text.rfind("\"digest\":\"").unwrap() + 10;
    let other = if text.as_bytes()[digest] == b'0' { "1" } else { "0" };
    std::fs::write(&saved, [&text[..digest], other, &text[digest + 1..]].concat()).unwrap();
    let output = run(&["audit", "--log", fixture.url(), "--log-vkey", &vkey, "--state", &state]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("changed or damaged"), "{said}");
}

/// A way to tamper with a log's files, and what an audit must call it.
type Tampering = (&'static str, fn(&Path));

/// The second bundle and its tile: full ones, with statements.
const BUNDLE: &str = "tile/entries/001";
const TILE: &str = "tile/0/001";

const TAMPERINGS: [Tampering; 14] = [
    ("altered-entry", |dir| edit(dir, BUNDLE, |bytes| bytes[5_000] ^= 1)),
    ("tile-parent-mismatch", |dir| edit(dir, TILE, |bytes| bytes[100] ^= 1)),
    ("tile-parent-mismatch", |dir| edit(dir, &partial(dir, "tile/1"), |bytes| bytes[0] ^= 1)),
    ("missing-tile", |dir| std::fs::remove_file(dir.join(TILE)).unwrap()),
    ("missing-bundle", |dir| std::fs::remove_file(dir.join(BUNDLE)).unwrap()),
    ("truncated-tile", |dir| edit(dir, TILE, |bytes| bytes.truncate(1_000))),
    ("truncated-bundle", |dir| edit(dir, BUNDLE, |bytes| bytes.truncate(bytes.len() - 10))),
    ("reordered-entries", |dir| edit_entries(dir, |entries| entries.swap(7, 90))),
    ("removed-entry", |dir| edit_entries(dir, |entries| drop(entries.remove(7)))),
    ("inserted-entry", |dir| edit_entries(dir, |entries| entries.insert(7, vec![2; 54]))),
    ("missing-checkpoint", |dir| std::fs::remove_file(dir.join("checkpoint")).unwrap()),
    ("malformed-checkpoint", |dir| std::fs::write(dir.join("checkpoint"), "nothing\n").unwrap()),
    ("bad-log-signature", |dir| {
        let note = std::fs::read_to_string(dir.join("checkpoint")).unwrap();
        let size = size_of(&note);
        write(dir, "checkpoint", note.replacen(&size.to_string(), &(size + 1).to_string(), 1).as_bytes());
    }),
    ("forged-cosignature", |dir| {
        let note = std::fs::read_to_string(dir.join("checkpoint")).unwrap();
        let end = note.trim_end().len() - 10;
        let other = if note.as_bytes()[end] == b'A' { "B" } else { "A" };
        write(dir, "checkpoint", [&note[..end], other, &note[end + 1..]].concat().as_bytes());
    }),
];

fn edit(dir: &Path, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(dir.join(path)).unwrap();
    change(&mut bytes);
    write(dir, path, &bytes);
}

fn edit_entries(dir: &Path, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    edit(dir, BUNDLE, |bytes| {
        let mut entries: Vec<Vec<u8>> =
            EntryBundle::entries(bytes, 256).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        change(&mut entries);
        bytes.clear();
        entries.iter().for_each(|entry| EntryBundle::push_entry(bytes, entry).unwrap());
    });
}

/// The path of the partial tile of a level below 256 tiles.
fn partial(dir: &Path, level: &str) -> String {
    let folder = format!("{level}/000.p");
    let width = std::fs::read_dir(dir.join(&folder)).unwrap().next().unwrap().unwrap().file_name();
    format!("{folder}/{}", width.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tampering_with_the_files_of_a_log_is_named() {
    let mut fixture = Fixture::new(6_000).await;
    let old = fixture.log.checkpoint().await.unwrap();
    fixture.grow(1_500).await;
    let files = fixture.export("files").await;
    for process in fixture.processes {
        assert_eq!(process.terminate(), 0);
    }
    let folder = fixture.folder.path();
    let (state, policy) = (folder.join("state"), fixture.policy.as_str());
    let state = state.to_str().unwrap();
    // Nobody answers any more: that is no finding.
    let (code, report) = audit(files.to_str().unwrap(), &["--policy", policy, "--state", state]);
    assert_eq!(code, 0, "{report}");
    assert!(report["witnesses"].as_array().unwrap().iter().all(|copy| copy["error"].is_string()));

    for (number, (code, tamper)) in TAMPERINGS.into_iter().enumerate() {
        let dir = folder.join(format!("tampered-{number}"));
        copy_dir(&files, &dir);
        tamper(&dir);
        expect(&dir, code, &["--policy", policy], "observation");
    }
    let rolled_back = folder.join("rolled-back");
    copy_dir(&files, &rolled_back);
    write(&rolled_back, "checkpoint", old.as_bytes());
    expect(&rolled_back, "shrunken-log", &["--policy", policy, "--state", state], "observation");
    // With the log's own key: two heads of one size, which its signatures prove to anyone.
    let split = folder.join("split");
    copy_dir(&files, &split);
    let size = size_of(&std::fs::read_to_string(files.join("checkpoint")).unwrap());
    let head = TreeHead { size: TreeSize::new(size), root: sha256(b"another") };
    let signed = SignedCheckpoint::sign(&Checkpoint::new(Origin::new(ORIGIN).unwrap(), head), &log_key());
    write(&split, "checkpoint", signed.unwrap().note().as_bytes());
    expect(&split, "split-view", &["--state", state], "misconduct");
}

/// An audit of `dir` finds this first, and the evidence it writes is worth what it says.
fn expect(dir: &Path, kind: &str, more: &[&str], proves: &str) {
    let evidence = dir.join("evidence");
    let more = [more, &["--evidence", evidence.to_str().unwrap()]].concat();
    let (code, report) = audit(dir.to_str().unwrap(), &more);
    assert_eq!(code, 1, "{kind}: {report}");
    let first = &report["findings"][0];
    assert_eq!((first["kind"].as_str(), first["proves"].as_str()), (Some(kind), Some(proves)), "{report}");
    let file = first["evidence_file"].as_str().unwrap();
    assert!(file.ends_with(&format!("01-{kind}.finding.json")), "{file}");
    let vkey = vkey();
    let verify = |file: &str| run(&["verify-finding", "--json", file, "--log-vkey", &vkey]);
    let output = verify(file);
    let said = String::from_utf8_lossy(&output.stdout);
    let (want, verdict) = if proves == "misconduct" { (1, "proven") } else { (0, "observed") };
    // Whether a cosignature is missing depends on a policy, so it is given where evidence is about one.
    if kind != "forged-cosignature" {
        assert_eq!(output.status.code(), Some(want), "{kind}: {said}");
        assert_eq!(json(&said)["verdict"], verdict, "{kind}");
    }
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, &text[..text.len() / 2]).unwrap();
    assert_eq!(verify(file).status.code(), Some(2), "{kind}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completeness_and_samples_are_checked_offline() {
    let fixture = Fixture::new(3_000).await;
    let (vkey, url, policy) = (vkey(), fixture.url().to_owned(), fixture.policy.clone());
    let stream = fixture.gateways[1].stream.get().to_string();
    let (whole, part, drawn) =
        (fixture.path("all.json"), fixture.path("part.json"), fixture.path("sample.json"));
    let known = ["--log-vkey", &vkey, "--policy", &policy];
    let log = |command: &str, more: &[&str]| {
        succeed(&[&[command, "--json", "--log", &url], &known[..], more].concat())
    };
    log("prove-complete", &["--all", "-o", &whole]);
    log("prove-complete", &["--stream", &stream, "--to-size", "1500", "-o", &part]);
    // Between two times: in a far future there is nothing, from the beginning of the log to then there is everything.
    let said = log("prove-complete", &["--all", "--since", "9999-01-01T00:00:00Z", "-o", &part]);
    assert_eq!(json(&said)["streams"].as_array().unwrap().len(), 0, "{said}");
    log(
        "prove-complete",
        &["--all", "--since", "2026-01-01T00:00:00Z", "--until", "9999-01-01T00:00:00Z", "-o", &part],
    );
    log("sample", &["--count", "20", "-o", &drawn]);
    let output = run(&["prove-complete", "--log", &url, "--log-vkey", &vkey, "--stream", "1", "-o", &part]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    for process in fixture.processes {
        assert_eq!(process.terminate(), 0);
    }

    let verify = |file: &str| run(&[&["verify", "--json", "--completeness", file], &known[..]].concat());
    let said = json(&String::from_utf8_lossy(&verify(&whole).stdout));
    assert_eq!(said["holds"], true, "{said}");
    let streams = said["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 3);
    for stream in streams {
        let total = stream["signed"].as_u64().unwrap() + stream["pending"].as_u64().unwrap();
        assert_eq!(total, 1_000, "{stream}");
    }
    assert_eq!(verify(&part).status.code(), Some(0));
    // One statement less, and it is no longer complete.
    let mut file = json(&std::fs::read_to_string(&whole).unwrap());
    file["streams"][0]["entries"][0]["entries"].as_array_mut().unwrap().remove(0);
    std::fs::write(&whole, file.to_string()).unwrap();
    let output = verify(&whole);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(json(&String::from_utf8_lossy(&output.stdout))["holds"], false);

    let check = |file: &str| run(&[&["sample", "--json", "--check", file], &known[..]].concat());
    let output = check(&drawn);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(json(&String::from_utf8_lossy(&output.stdout))["indexes"].as_array().unwrap().len(), 20);
    let mut file = json(&std::fs::read_to_string(&drawn).unwrap());
    file["entries"].as_array_mut().unwrap().pop();
    std::fs::write(&drawn, file.to_string()).unwrap();
    assert_eq!(check(&drawn).status.code(), Some(1), "nineteen of the twenty were chosen by somebody");
}

#[test]
fn the_table_of_findings_is_that_of_the_code() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/auditing.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        // The page has other tables, of two columns.
        .filter(|row| row.len() > 5)
        .collect();
    let documented: Vec<_> =
        rows.iter().map(|row| (row[1].trim_matches('`'), row[2], row[4].to_owned())).collect();
    let grade = |kind: FindingKind| format!("{:?}", kind.severity()).to_lowercase();
    let known: Vec<_> =
        FindingKind::ALL.iter().map(|kind| (kind.code(), kind.rule(), grade(*kind))).collect();
    assert_eq!(documented, known);
}
