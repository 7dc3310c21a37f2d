//! C2SP tlog-witness, byte by byte, against the program: requests another implementation made, and every row of the table of
//! answers, in a sequence that only a witness with a memory gets right.

use std::path::{Path, PathBuf};

use vouchlog_merkle::{CompactRange, TreeHead, sha256};
use vouchlog_note::{
    Checkpoint, KeyName, Origin, SignSubtree, SignatureType, SignedCheckpoint, SignedSubtree, SigningKey,
    UnverifiedNote, VerifyingKey,
};

use crate::process::{Server, vouchlog};

const ORIGIN: &str = "log.example.com/ai-digests";

fn vector(path: &str) -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/computed/e2e");
    std::fs::read(PathBuf::from(root).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A key of the vectors: its seed is 32 consecutive bytes.
fn vector_key(name: &str, kind: SignatureType, first: u8) -> SigningKey {
    let seed = std::array::from_fn(|at| first + u8::try_from(at).unwrap());
    SigningKey::generate(KeyName::new(name).unwrap(), kind, seed).unwrap()
}

fn write_key(folder: &Path, name: &str, key: &SigningKey) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, key.to_key_file().unwrap().as_str()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The witness of the vectors, with both its keys.
struct Vectors {
    process: Server,
    log: SigningKey,
    keys: [VerifyingKey; 2],
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    kind: String,
    body: String,
}

impl Vectors {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let witness = "witness.example.com/w1";
        let ed25519 = vector_key(witness, SignatureType::CosignatureEd25519, 0x20);
        let ml_dsa = vector_key(witness, SignatureType::MlDsa44, 0x40);
        let log = vector_key(ORIGIN, SignatureType::Ed25519, 0x00);
        let mut command = vouchlog();
        command.args(["witness", "--json", "--listen", "127.0.0.1:0", "--max-rate", "0"]);
        // The keys are those of the vectors, and never saw `keygen`.
        command.args(["--accept-lost-state", "I know that this witness may contradict itself"]);
        command.arg("--data").arg(folder.path().join("data"));
        command.arg("--key").arg(write_key(folder.path(), "w.key", &ed25519));
        command.arg("--ml-dsa-key").arg(write_key(folder.path(), "w-ml-dsa.key", &ml_dsa));
        command.arg("--log-vkey").arg(log.verifying_key().to_string());
        let process = Server::spawn(command);
        let keys = [ed25519.verifying_key().clone(), ml_dsa.verifying_key().clone()];
        Self { process, log, keys, http: reqwest::Client::new(), _folder: folder }
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        Answer { status, kind: kind.unwrap_or_default(), body: answer.text().await.unwrap() }
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.ask(self.http.post(format!("{}{path}", self.process.url)).body(body)).await
    }

    async fn add(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.post("/add-checkpoint", body).await
    }

    /// Verifies that the answer is the two cosignatures of this checkpoint, and nothing else.
    fn check(&self, answer: &Answer, request: &[u8]) -> SignedCheckpoint {
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = String::from_utf8(request.to_vec()).unwrap();
        let note = text.split_once("\n\n").unwrap().1;
        let origin = Origin::new(ORIGIN).unwrap();
        let signed = SignedCheckpoint::open(note.as_bytes(), &origin, self.log.verifying_key()).unwrap();
        assert_eq!(answer.body.lines().count(), 2, "{answer:?}");
        signed.with_cosignatures(&answer.body, &self.keys).unwrap()
    }

    /// A checkpoint of the log's, or one it could sign.
    fn note(&self, head: TreeHead) -> String {
        let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), head);
        SignedCheckpoint::sign(&checkpoint, &self.log).unwrap().note().to_owned()
    }
}

/// The vectors' tree: entry n is `entry n`.
fn head(size: u64) -> TreeHead {
    let mut range = CompactRange::new();
    (0..size).for_each(|n| range.append(vouchlog_merkle::leaf_hash(format!("entry {n}").as_bytes())));
    TreeHead { size: range.size(), root: range.root().unwrap() }
}

#[tokio::test]
async fn the_vectors_are_answered_as_they_say() {
    let witness = Vectors::start();
    let request = |name: &str| vector(&format!("add-checkpoint/{name}.request"));
    let first = witness.add(request("0-to-256")).await;
    witness.check(&first, &request("0-to-256"));
    // A log that missed the answer asks again.
    let again = witness.add(request("0-to-256")).await;
    let expected = String::from_utf8(vector("add-checkpoint/409.body")).unwrap();
    assert_eq!(again, Answer { status: 409, kind: "text/x.tlog.size".into(), body: expected });
    let grown = witness.add(request("256-to-300")).await;
    witness.check(&grown, &request("256-to-300"));
    let refreshed = witness.add(request("300-to-300-refresh")).await;
    let cosigned = witness.check(&refreshed, &request("300-to-300-refresh"));

    // What a monitor sees: the log's line and the witness's newest.
    let path = format!("{}/{}/checkpoint", witness.process.url, sha256(ORIGIN.as_bytes()));
    let shown = witness.ask(witness.http.get(path)).await;
    assert_eq!((shown.status, shown.body.as_str()), (200, cosigned.note()));

    let subtree = vector("sign-subtree/256-300-of-300.request");
    let answer = witness.post("/sign-subtree", subtree.clone()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = SignSubtree::parse(&subtree).unwrap();
    let origin = Origin::new(ORIGIN).unwrap();
    SignedSubtree::open(&answer.body, &origin, asked.subtree(), asked.hash(), [&witness.keys[1]]).unwrap();
    assert_eq!(witness.process.terminate(), 0);
}

/// A text that ends in a base64 signature, with another letter in it.
fn altered(text: &str) -> String {
    let at = text.len() - 20;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

/// The steps of a hostile life, with the status each must get. What was refused must leave no trace in what comes after.
fn steps(witness: &Vectors) -> Vec<(&'static str, u16, Vec<u8>)> {
    let request = |name: &str| vector(&format!("add-checkpoint/{name}.request"));
    let text = |name: &str| String::from_utf8(request(name)).unwrap();
    let signed = |old: &str, size: u64| format!("old {old}\n\n{}", witness.note(head(size))).into_bytes();
    let other = TreeHead { size: head(256).size, root: sha256(b"another history") };
    let forked = |old: u64, lines: &str| format!("old {old}\n{lines}\n{}", witness.note(other)).into_bytes();
    let stranger = vector_key(ORIGIN, SignatureType::Ed25519, 0x77);
    let forged = Checkpoint::new(Origin::new(ORIGIN).unwrap(), head(256));
    let forged = SignedCheckpoint::sign(&forged, &stranger).unwrap().note().to_owned();
    let unknown = vector_key("log.example.com/unknown", SignatureType::Ed25519, 0x11);
    let elsewhere = Checkpoint::new(Origin::new("log.example.com/unknown").unwrap(), head(5));
    let elsewhere = SignedCheckpoint::sign(&elsewhere, &unknown).unwrap().note().to_owned();
    let broken = text("0-to-256");
    let broken = format!("{}\n", altered(broken.trim_end()));
    let own_line = String::from_utf8(vector("add-checkpoint/256-to-300.response-example")).unwrap();
    // Well-formed, with the witness's own name and key ID, and not its signature.
    let imitation = altered(own_line.lines().next().unwrap());
    let extended = |line: &str| {
        let text = format!("{}{line}\n", Checkpoint::new(Origin::new(ORIGIN).unwrap(), head(256)).text());
        let signature = witness.log.sign_note(&text).unwrap();
        let note = UnverifiedNote::from_parts(&text, vec![signature]).unwrap();
        format!("old 0\n\n{note}").into_bytes()
    };
    let false_empty = {
        let text = format!("{ORIGIN}\n0\n{}\n", witness.note(head(1)).lines().nth(2).unwrap());
        let signature = witness.log.sign_note(&text).unwrap();
        format!("old 0\n\n{}", UnverifiedNote::from_parts(&text, vec![signature]).unwrap()).into_bytes()
    };
    let empty = format!("old 0\n\n{}", witness.note(TreeHead::EMPTY)).into_bytes();
    vec![
        ("nothing at all", 400, Vec::new()),
        ("no text", 400, vec![0xff; 300]),
        ("a size with a leading zero", 400, signed("00", 256)),
        ("a size below zero", 400, signed("-1", 256)),
        ("no checkpoint", 400, b"old 0\n\nhello\n".to_vec()),
        ("a proof line that is no hash", 400, forked(0, "AAAA\n")),
        ("sixty-four proof lines", 400, forked(0, &format!("{}\n", "A".repeat(43) + "=").repeat(64))),
        ("extension lines", 400, extended("an extension")),
        ("a log nobody told of", 404, format!("old 0\n\n{elsewhere}").into_bytes()),
        ("signed by somebody else", 403, format!("old 0\n\n{forged}").into_bytes()),
        ("a signature that does not verify", 403, broken.into_bytes()),
        ("a root for the empty tree", 422, false_empty),
        ("a proof from nothing", 422, forked(0, &format!("{}=\n", "A".repeat(43)))),
        ("a size it never saw", 409, request("256-to-300")),
        ("the empty tree, as it is", 200, empty),
        ("fresh", 200, request("0-to-256")),
        ("stale", 409, request("0-to-256")),
        ("the old size past the new one", 400, signed("300", 256)),
        ("another root of the same size", 422, forked(256, "")),
        (
            "a refresh with a proof",
            422,
            format!("old 256\n{}=\n\n{}", "A".repeat(43), witness.note(head(256))).into_bytes(),
        ),
        ("a refresh", 200, signed("256", 256)),
        ("a proof of something else", 422, text("256-to-300").replacen("ruluEN", "rulvEN", 1).into_bytes()),
        ("no proof", 422, signed("256", 300)),
        ("grown", 200, request("256-to-300")),
        (
            "a line that imitates the witness",
            200,
            format!("old 300\n\n{}{imitation}\n", witness.note(head(300))).into_bytes(),
        ),
        ("the past", 409, request("256-to-300")),
        ("refreshed at last", 200, request("300-to-300-refresh")),
    ]
}

#[tokio::test]
async fn every_row_of_the_table_over_http_in_one_hostile_life() {
    let witness = Vectors::start();
    let mut size = 0;
    for (step, expected, body) in steps(&witness) {
        let answer = witness.add(body.clone()).await;
        assert_eq!(answer.status, expected, "{step}: {answer:?}");
        match expected {
            200 => size = witness.check(&answer, &body).head().size.get(),
            409 => {
                assert_eq!(answer.kind, "text/x.tlog.size", "{step}");
                assert_eq!(answer.body, format!("{size}\n"), "{step}");
            }
            _ => assert!(!answer.body.contains('\u{2014}'), "{step}: no signature leaves with a refusal"),
        }
    }
    // What is kept is the last checkpoint with the log's line and the witness's own, and no line of anybody else.
    let path = format!("{}/{}/checkpoint", witness.process.url, sha256(ORIGIN.as_bytes()));
    let shown = witness.ask(witness.http.get(path)).await.body;
    assert_eq!(shown.matches('\u{2014}').count(), 3, "{shown}");
    let keys = witness.keys.iter().chain([witness.log.verifying_key()]);
    let held = UnverifiedNote::parse(shown.as_bytes()).unwrap().verify(keys).unwrap();
    assert_eq!(held.signatures().len(), 3);
    let huge = witness.add(vec![b'x'; 256 * 1024]).await;
    assert_eq!(huge.status, 413, "{huge:?}");
    let shown = witness.http.get(format!("{}/{}/checkpoint", witness.process.url, "0".repeat(64)));
    assert_eq!(witness.ask(shown).await.status, 404);
    let got = witness.ask(witness.http.get(format!("{}/add-checkpoint", witness.process.url))).await;
    assert_eq!(got.status, 405);
    for (status, from, to) in [
        (400, "subtree 256", "subtree 257"),
        (400, "subtree 256 300", "subtree 256 301"),
        (404, ORIGIN, "log.example.com/unknown"),
        (422, "ruluEN", "rulvEN"),
    ] {
        let request = String::from_utf8(vector("sign-subtree/256-300-of-300.request")).unwrap();
        let altered = request.replacen(from, to, 1);
        assert_ne!(request, altered);
        let answer = witness.post("/sign-subtree", altered).await;
        assert_eq!(answer.status, status, "{from} becomes {to}: {answer:?}");
    }
    let unsigned = String::from_utf8(vector("sign-subtree/256-300-of-300.request")).unwrap();
    let (text, _) = unsigned.rsplit_once("\n\n").unwrap();
    let by_log = witness.note(head(300));
    let by_log = by_log.rsplit_once("\n\n").unwrap().1;
    assert_eq!(witness.post("/sign-subtree", format!("{text}\n\n{by_log}")).await.status, 403);
}
