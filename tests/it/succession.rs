//! The end of a log whose key was stolen, and the log that continues it, with real processes: the owner retires the log, the thief signs
//! beyond the end, the witness refuses, the auditor reports it, and the new log proves what it continues.

use std::path::{Path, PathBuf};

use serde_json::Value;
use vouchlog_api::{ErrorKind, LogReader, proof};
use vouchlog_client::{Connection, GrpcLog, TileReader};
use vouchlog_merkle::{EntryBundle, LeafIndex, TileId, TilePath, TreeHead, TreeSize, leaf_hash, sha256};
use vouchlog_note::{
    AddCheckpoint, Checkpoint, Origin, ProofFile, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote,
};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements};
use vouchlog_stream::{Entry, LoggedAt, Retirement, RetirementCause, RetirementProof};

use crate::process::{Server, fail, run, succeed, vouchlog};
use crate::witnesses::{json, log_key, start_witness, write_policy};

const T: u64 = 1_767_225_600;
const NEXT: &str = "log.example.com/next";

/// Exit code, and the answer as JSON.
fn ask(args: &[&str]) -> (i32, Value) {
    let output = run(args);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.is_empty(), "{args:?}: {errors}");
    (output.status.code().unwrap(), json(&said))
}

fn size_of(note: &str) -> TreeSize {
    let note = UnverifiedNote::parse(note.as_bytes()).unwrap();
    Checkpoint::parse(note.unverified_text()).unwrap().head().size
}

/// A tree of fewer than 256 entries, as files that anyone can serve.
struct Copy {
    dir: PathBuf,
    entries: Vec<Vec<u8>>,
}

impl Copy {
    /// The first `size` entries of a log, and those that a thief of its key adds.
    async fn of(dir: PathBuf, url: &str, size: TreeSize, more: &[Vec<u8>]) -> Self {
        let log = TileReader::http(url).unwrap();
        let width = TileId { level: 0, index: 0 }.width_at(size);
        let bytes = log.entry_bundle(0, width).await.unwrap();
        let all = EntryBundle::entries(&bytes, usize::from(width)).unwrap();
        let entries = all.into_iter().map(<[u8]>::to_vec).chain(more.iter().cloned()).collect();
        let copy = Self { dir, entries };
        copy.write();
        copy
    }

    fn write(&self) {
        let mut bundle = Vec::new();
        self.entries.iter().for_each(|entry| EntryBundle::push_entry(&mut bundle, entry).unwrap());
        let tile: Vec<u8> = self.entries.iter().flat_map(|entry| *leaf_hash(entry).as_bytes()).collect();
        let width = u16::try_from(self.entries.len()).unwrap();
        let id = TileId { level: 0, index: 0 };
        self.file("checkpoint", self.checkpoint().note().as_bytes());
        self.file(&TilePath::Entries { index: 0, width }.to_string(), &bundle);
        self.file(&TilePath::Hashes { tile: id, width }.to_string(), &tile);
    }

    fn file(&self, path: &str, bytes: &[u8]) {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Signed with the log's key, which the thief has.
    fn checkpoint(&self) -> SignedCheckpoint {
        let mut range = vouchlog_merkle::CompactRange::new();
        self.entries.iter().for_each(|entry| range.append(leaf_hash(entry)));
        let head = TreeHead { size: range.size(), root: range.root().unwrap() };
        SignedCheckpoint::sign(&Checkpoint::new(Origin::new(ORIGIN).unwrap(), head), &log_key()).unwrap()
    }

    /// Asks a witness to cosign it, with the right proof from a tree of `old` entries.
    async fn offer(&self, witness: &Server, old: TreeSize) -> (u16, String) {
        let (log, signed) = (TileReader::directory(&self.dir), self.checkpoint());
        let consistency = proof::consistency(&log, old, signed.head().size).await.unwrap();
        let note = UnverifiedNote::parse(signed.note().as_bytes()).unwrap();
        let request = AddCheckpoint::new(old, consistency, note).unwrap();
        let url = format!("{}/add-checkpoint", witness.url);
        let answer = reqwest::Client::new().post(url).body(request.to_text()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn path(&self) -> &str {
        self.dir.to_str().unwrap()
    }
}

/// Text at a path of a server, and its status.
async fn get(server: &Server, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{}{path}", server.url)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn text(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// Everything that writes names the successor, and what reads says that the log has ended.
async fn assert_read_only(server: &Server, gateway: &mut TestGateway, next: &str) {
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut trial = gateway.clone();
    let refused = trial.send(&log, statements(1, 77), T + 9).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Retired, "{refused}");
    assert!(refused.message.contains(next), "{refused}");
    let client = reqwest::Client::new();
    let answer = client.post(format!("{}/add", server.url)).body("something salted").send().await.unwrap();
    assert_eq!(answer.status(), 410);
    let problem: Value = json(&answer.text().await.unwrap());
    assert!(problem["detail"].as_str().unwrap().contains(next), "{problem}");
    let (status, ready) = get(server, "/readyz").await;
    assert_eq!(status, 200, "it serves reads: {ready}");
    assert!(json(&ready)["notes"]["retired"].as_str().unwrap().contains(next), "{ready}");
    assert!(get(server, "/").await.1.starts_with("Read only: "));
    assert!(get(server, "/metrics").await.1.contains("vouchlog_log_retired 1\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_log_key_ends_a_log_and_another_continues_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let witness = start_witness(folder, "w1", 0, &[]);
    let policy = write_policy(folder, &[("w1", &witness, "http")]);
    let more = ["--policy", &policy, "--witness-interval", "50ms"];
    let server = Server::start(&folder.join("data"), 0, &more);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(20, 1), T).await.unwrap();
    let old = server.vkey.clone();

    // The owner learns of the theft, and ends the log.
    let (next_key, end) = (text(folder, "next.key"), text(folder, "end.tlog-proof"));
    let next = succeed(&["keygen", "--kind", "log", "--name", NEXT, "--out", &next_key]).trim().to_owned();
    let log_file = text(folder, "data/log.key");
    let retire = [
        "log",
        "retire",
        "--json",
        "--log",
        &server.url,
        "--key",
        &log_file,
        "--successor-key",
        &next_key,
        "--reason",
        "compromised",
        "--words",
        "the disk was copied",
        "--out",
        &end,
    ];
    let (code, retired) = ask(&retire);
    assert_eq!((code, retired["successor"].as_str()), (0, Some(next.as_str())), "{retired}");
    let size = TreeSize::new(retired["size"].as_u64().unwrap());
    assert_eq!(ask(&retire).1, retired, "the same again says the same");
    assert_read_only(&server, &mut gateway, &next).await;
    assert_eq!(server.terminate(), 0);
    let server = Server::start(&folder.join("data"), 0, &more);
    assert_read_only(&server, &mut gateway, &next).await;
    let fsck = succeed(&["fsck", "--data", folder.join("data").to_str().unwrap()]);
    assert!(!fsck.contains("retirement"), "{fsck}");

    // The witness is told, and refuses what the thief signs, although it extends the log.
    succeed(&["log", "announce", &end, "--policy", &policy]);
    let gift = statements(1, 5)[0];
    let entry = Entry::Statement(vouchlog_stream::StatementEntry {
        logged_at: LoggedAt::MAX,
        stream: gateway.stream,
        sequence: vouchlog_stream::SequenceNumber::new(20).unwrap(),
        statement: gift,
    });
    let thief = Copy::of(folder.join("thief"), &server.url, size, &[entry.encode()]).await;
    let (status, said) = thief.offer(&witness, size).await;
    assert_eq!(status, 410, "{said}");

    a_verifier_refuses_the_thiefs_proof(folder, &thief, (&old, &end)).await;
    the_auditor_reports_the_thief(folder, (&server, &thief), (&old, &end, &policy));
    the_thief_names_no_successor(folder, (&server, size), (&old, &next), (&end, &policy)).await;
    the_new_log_continues(folder, (&server, &thief), &next, &end).await;

    // The witness keeps a refusal after it has answered, so it is certain to be there once the witness has stopped.
    assert_eq!(witness.terminate(), 0);
    let refusals = folder.join("w1/refusals").join(sha256(ORIGIN.as_bytes()).to_string());
    let kept: Vec<_> = std::fs::read_dir(refusals).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(kept.iter().any(|name| name.to_string_lossy().starts_with("after-retirement-")), "{kept:?}");
}

fn the_auditor_reports_the_thief(
    folder: &Path,
    (server, thief): (&Server, &Copy),
    (old, end, policy): (&str, &str, &str),
) {
    let audit = |source: &str, more: &[&str]| {
        let log = ["audit", "--json", "--log", source, "--log-vkey", old, "--retirement", end];
        ask(&[&log[..], more].concat())
    };
    let (code, clean) = audit(&server.url, &["--policy", policy]);
    assert_eq!((code, &clean["clean"]), (0, &Value::Bool(true)), "{clean}");
    assert_eq!(clean["retired"]["cause"], "compromised");
    let evidence = text(folder, "evidence");
    let (code, report) = audit(thief.path(), &["--evidence", &evidence]);
    let first = &report["findings"][0];
    assert_eq!(
        (code, &first["kind"], &first["proves"]),
        (1, &"head-after-retirement".into(), &"misconduct".into()),
        "{report}"
    );
    let kinds: Vec<_> = report["findings"].as_array().unwrap().iter().map(|found| &found["kind"]).collect();
    assert!(kinds.contains(&&Value::from("entry-after-retirement")), "{kinds:?}");
    // A stranger with the vkey is convinced by the file alone.
    let file = first["evidence_file"].as_str().unwrap();
    let said = run(&["verify", file, "--log-vkey", old]);
    assert_eq!(said.status.code(), Some(1), "{}", String::from_utf8_lossy(&said.stdout));
}

/// A proof under a checkpoint beyond the end holds for nobody who knows the end.
async fn a_verifier_refuses_the_thiefs_proof(folder: &Path, thief: &Copy, (old, end): (&str, &str)) {
    let tiles = TileReader::directory(thief.path());
    let signed = thief.checkpoint();
    let last = LeafIndex::new(thief.entries.len() as u64 - 1);
    let inclusion = proof::inclusion(&tiles, last, signed.head().size).await.unwrap();
    let note = UnverifiedNote::parse(signed.note().as_bytes()).unwrap();
    let entry = thief.entries.last().cloned();
    let (file, stated) = (text(folder, "stolen.tlog-proof"), text(folder, "stolen.entry"));
    std::fs::write(&stated, entry.as_deref().unwrap()).unwrap();
    std::fs::write(&file, ProofFile::new(entry, last, inclusion, note).unwrap().to_text()).unwrap();
    let verify = ["verify", &file, "--entry", &stated, "--log-vkey", old];
    succeed(&verify);
    let said = run(&[&verify[..], &["--retirement", end]].concat());
    assert_eq!(said.status.code(), Some(1), "{}", String::from_utf8_lossy(&said.stdout));
}

/// The thief can sign another end, with a successor of its own: the policy tells the two apart.
async fn the_thief_names_no_successor(
    folder: &Path,
    (server, size): (&Server, TreeSize),
    (old, next): (&str, &str),
    (end, policy): (&str, &str),
) {
    let proven = succeed(&["log", "successor", end, "--log-vkey", old, "--policy", policy]);
    assert_eq!(proven.lines().next(), Some(next), "{proven}");
    let own: SigningKey = key("log.example.org/thief", SignatureType::Ed25519, 66);
    let retirement = Retirement {
        log: log_key().verifying_key().clone(),
        successor: own.verifying_key().clone(),
        cause: RetirementCause::Planned,
        words: "nothing to see".to_owned(),
    };
    let note = retirement.sign(&log_key(), &own).unwrap();
    let entry = Entry::LogRetired { logged_at: LoggedAt::MAX, note }.encode();
    let before = TreeSize::new(size.get() - 1);
    let copy = Copy::of(folder.join("rival"), &server.url, before, std::slice::from_ref(&entry)).await;
    let tiles = TileReader::directory(copy.path());
    let inclusion = proof::inclusion(&tiles, LeafIndex::new(before.get()), size).await.unwrap();
    let rival = RetirementProof::new(&entry, inclusion, copy.checkpoint().note().as_bytes()).unwrap();
    let file = text(folder, "rival.tlog-proof");
    std::fs::write(&file, rival.to_text()).unwrap();
    let said = run(&["log", "successor", &file, "--log-vkey", old, "--policy", policy]);
    assert_eq!(said.status.code(), Some(1), "{}", String::from_utf8_lossy(&said.stdout));
    // Nor does the witness take note of it.
    let told = run(&["log", "announce", &file, "--policy", policy]);
    assert_eq!(told.status.code(), Some(1), "{}", String::from_utf8_lossy(&told.stdout));
}

async fn the_new_log_continues(folder: &Path, (server, thief): (&Server, &Copy), next: &str, end: &str) {
    let (data, next_key) = (text(folder, "next"), text(folder, "next.key"));
    let serve = ["serve", "--json", "--listen", "127.0.0.1:0", "--continues", end];
    // Another key than the one that the old log names does not begin.
    let other = text(folder, "other");
    let (code, error) =
        fail(&[&serve[..], &["--data", &other, "--origin", "log.example.com/other"]].concat());
    assert!(code == 2 && error.contains("as its successor"), "{error}");
    let mut command = vouchlog();
    command.args(serve).args(["--data", &data, "--origin", NEXT, "--key", &next_key]);
    let new = Server::spawn(command);
    assert_eq!(new.vkey, next);

    // Its gateways come along, and the audit follows from one log to the other.
    let operator = text(folder, "next.operator.key");
    let (code, enrolled) = ask(&[
        "enrol",
        "--json",
        "--log",
        &new.url,
        "--operator-key",
        &operator,
        "--predecessor",
        &server.url,
        "--log-vkey",
        next,
    ]);
    assert_eq!(code, 0, "{enrolled}");
    let gateways = enrolled["enrolled"].as_array().unwrap();
    assert_eq!(gateways.len(), 1, "{enrolled}");
    assert!(gateways[0]["gateway"].as_str().unwrap().starts_with("gateway-10.example.com+"));
    let note = TileReader::http(&new.url).unwrap().checkpoint().await.unwrap();
    assert!(size_of(&note).get() >= 3);
    let audit = |predecessor: &str| {
        ask(&["audit", "--json", "--log", &new.url, "--log-vkey", next, "--predecessor", predecessor])
    };
    let (code, report) = audit(&server.url);
    assert_eq!(
        (code, &report["clean"], &report["predecessor"]["clean"]),
        (0, &true.into(), &true.into()),
        "{report}"
    );
    let (code, report) = audit(thief.path());
    let first = &report["predecessor"]["findings"][0]["kind"];
    assert_eq!((code, first), (1, &"head-after-retirement".into()), "{report}");
}
