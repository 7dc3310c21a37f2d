//! A log and its witnesses as real processes: what is published satisfies the policy, a receipt carries the cosignatures, a witness
//! may die, a log that forks or comes from an old copy is found out.

use std::path::Path;

use vouchlog_api::{ErrorKind, LogReader, Witness as _};
use vouchlog_client::{Connection, GrpcLog, WitnessOptions, witness};
use vouchlog_merkle::{CompactRange, ConsistencyProof, TreeHead, TreeSize, sha256};
use vouchlog_note::{
    AddCheckpoint, Checkpoint, Origin, Policy, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote,
};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements};

use crate::process::{Server, fail, free_port, succeed, vouchlog};

const T: u64 = 1_767_225_600;

pub(crate) fn log_key() -> SigningKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

/// `vouchlog witness` that knows the test log.
pub(crate) fn start_witness(folder: &Path, name: &str, port: u16, more: &[&str]) -> Server {
    let mut command = vouchlog();
    command.args(["witness", "--json", "--name", &format!("witness.example.com/{name}")]);
    command.args([
        "--listen",
        &format!("127.0.0.1:{port}"),
        "--log-vkey",
        &log_key().verifying_key().to_string(),
    ]);
    command.arg("--data").arg(folder.join(name)).args(more);
    Server::spawn(command)
}

/// A policy file that asks for all of these witnesses.
pub(crate) fn write_policy(folder: &Path, witnesses: &[(&str, &Server, &str)]) -> String {
    let mut text = String::new();
    let mut names = Vec::new();
    for (name, witness, scheme) in witnesses {
        let url = witness.url.replace("http", scheme);
        text.push_str(&format!("witness {name} {} {url}\n", witness.vkey));
        names.push(*name);
    }
    text.push_str(&format!("group both all {}\nquorum both\n", names.join(" ")));
    let path = folder.join("policy.txt");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_of_processes_cosigns_and_receipts_carry_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let port = free_port();
    let (one, two) = (start_witness(folder, "w1", 0, &[]), start_witness(folder, "w2", port, &[]));
    // One is asked over HTTP, the other over gRPC.
    let policy = write_policy(folder, &[("w1", &one, "http"), ("w2", &two, "grpc")]);
    let more = ["--policy", &policy, "--witness-interval", "50ms"];
    let server = Server::start(&folder.join("data"), 0, &more);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    submit_and_verify(folder, &server, &policy, &log).await;

    // One witness dies, by kill -9. The log goes on; what is published waits.
    two.kill();
    let published = log.checkpoint().await.unwrap();
    let published = UnverifiedNote::parse(published.as_bytes()).unwrap();
    let published = Checkpoint::parse(published.unverified_text()).unwrap().head().size;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateways_go_on(folder, &server);
    for round in 0..20 {
        gateway.send(&log, statements(50, round), T).await.unwrap();
    }
    let index = (published.get() + 500).to_string();
    let (code, said) = fail(&["prove", "--log", &server.url, "--index", &index, "--log-vkey", &server.vkey]);
    assert_eq!(code, 2, "{said}");
    // It comes back with what it had, and the quorum with it.
    let two = start_witness(folder, "w2", port, &[]);
    let newest = log.checkpoint_after(TreeSize::new(1_000)).await.unwrap();
    let held = Policy::parse(&std::fs::read(&policy).unwrap()).unwrap();
    let origin = Origin::new(ORIGIN).unwrap();
    held.verify_checkpoint_of(newest.as_bytes(), &origin, [log_key().verifying_key()]).unwrap();
    for process in [one, two, server] {
        assert_eq!(process.terminate(), 0);
    }
}

/// A gateway that begins while there is no quorum opens its stream, logs, and verifies its receipt.
fn gateways_go_on(folder: &Path, server: &Server) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let vkey =
        succeed(&["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", &path("g.key")]);
    let operator = path("data/operator.key");
    succeed(&["enrol", "--log", &server.url, "--origin", ORIGIN, "--operator-key", &operator, vkey.trim()]);
    let digest = "08".repeat(32);
    let to = ["submit", "--log", &server.url, "--log-vkey", &server.vkey, "--digest", &digest];
    succeed(&[&to[..], &["--gateway-key", &path("g.key"), "--state", &path("spool")]].concat());
}

/// Submits a digest and waits for its witnesses; the receipt holds under the policy, and tells when they saw the entry.
async fn submit_and_verify(folder: &Path, server: &Server, policy: &str, log: &GrpcLog) {
    let (url, vkey) = (server.url.as_str(), server.vkey.as_str());
    // A checkpoint from before, to bound the time of what is logged now from below.
    let earlier = folder.join("earlier");
    std::fs::write(&earlier, log.checkpoint().await.unwrap()).unwrap();
    let digest = "07".repeat(32);
    let receipts = folder.join("receipts");
    let said = json(&succeed(&[
        "submit",
        "--json",
        "--log",
        url,
        "--log-vkey",
        vkey,
        "--policy",
        policy,
        "--digest",
        &digest,
        "--receipts",
        receipts.to_str().unwrap(),
    ]));
    let file = said["statements"][0]["receipt"].as_str().unwrap();
    let verify = ["verify", "--json", "--proof", file, "--log-vkey", vkey, "--digest", &digest];
    assert_eq!(json(&succeed(&verify))["holds"], true);
    let quorum = ["--policy", policy, "--earlier", earlier.to_str().unwrap()];
    let said = json(&succeed(&[&verify[..], &quorum[..]].concat()));
    assert_eq!(said["witnesses"].as_array().unwrap().len(), 2, "{said}");
    let time = |name: &str| said["witnessed"][name].as_u64().unwrap();
    assert!(time("after") <= time("until") && time("until") > T, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_the_data_directory_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let one = start_witness(folder, "w1", 0, &[]);
    let policy = write_policy(folder, &[("w1", &one, "http")]);
    let more = ["--policy", &policy, "--witness-interval", "50ms"];
    let data = folder.join("data");
    assert_eq!(Server::start(&data, 0, &more).terminate(), 0);
    let copy = folder.join("copy");
    copy_dir(&data, &copy);
    let server = Server::start(&data, 0, &more);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(300, 1), T).await.unwrap();
    log.checkpoint_after(TreeSize::new(300)).await.unwrap();
    assert_eq!(server.terminate(), 0);

    let serve = |data: &Path| {
        let data = data.to_str().unwrap();
        fail(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--policy", &policy])
    };
    let (code, said) = serve(&copy);
    assert_eq!(code, 2);
    assert!(said.contains("old copy") && said.contains("Nothing was signed"), "{said}");
    // Nor is a log of the same name that begins anew.
    let empty = folder.join("empty");
    crate::process::write_keys(&empty);
    let (code, said) = serve(&empty);
    assert_eq!(code, 2);
    assert!(said.contains("with this log's signature"), "{said}");
    // The newest directory goes on.
    assert_eq!(Server::start(&data, 0, &more).terminate(), 0);
}

/// A tree of which every head can be signed: the log's own key in an adversary's hand.
struct Adversary {
    roots: Vec<TreeHead>,
    leaves: Vec<vouchlog_merkle::Hash>,
}

impl Adversary {
    fn new(seed: u8, size: u64) -> Self {
        let mut range = CompactRange::new();
        let mut roots = vec![TreeHead::EMPTY];
        let mut leaves = Vec::new();
        for place in 0..size {
            let leaf = vouchlog_merkle::leaf_hash(&[&[seed][..], &place.to_be_bytes()].concat());
            range.append(leaf);
            leaves.push(leaf);
            roots.push(TreeHead { size: range.size(), root: range.root().unwrap() });
        }
        Self { roots, leaves }
    }

    fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        let checkpoint =
            Checkpoint::new(Origin::new(ORIGIN).unwrap(), self.roots[usize::try_from(new).unwrap()]);
        let signed = SignedCheckpoint::sign(&checkpoint, &log_key()).unwrap();
        let note = UnverifiedNote::parse(signed.note().as_bytes()).unwrap();
        AddCheckpoint::new(TreeSize::new(old), self.proof(old, new), note).unwrap()
    }

    /// Computed from all leaves: slow, and right.
    fn proof(&self, old: u64, new: u64) -> ConsistencyProof {
        if old == 0 || old >= new {
            return ConsistencyProof::from_hashes(Vec::new()).unwrap();
        }
        let plan = ConsistencyProof::plan(TreeSize::new(old), TreeSize::new(new)).unwrap();
        let node = |node: &vouchlog_merkle::NodeId| {
            let width = 1_usize << node.level;
            let first = usize::try_from(node.index).unwrap() * width;
            let mut range = CompactRange::new();
            range.extend(&self.leaves[first..first + width]);
            range.root().unwrap()
        };
        let nodes: Vec<_> = plan.nodes().iter().map(node).collect();
        ConsistencyProof::from_nodes(&plan, &nodes).unwrap()
    }
}

/// Two hundred requests at a time for one origin, through both transports, half of them of another history; and kill -9 in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_and_kills_never_make_a_witness_contradict_itself() {
    const SIZE: u64 = 400;
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let histories = std::sync::Arc::new([Adversary::new(1, SIZE), Adversary::new(2, SIZE)]);
    let mut cosigned: Vec<TreeHead> = Vec::new();
    let mut last_size = 0;
    for round in 0..6_u64 {
        let process = start_witness(folder.path(), "w1", port, &[]);
        let transports = [process.url.clone(), process.url.replace("http", "grpc")]
            .map(|url| witness(&url, &WitnessOptions::default()).unwrap());
        let mut asked = tokio::task::JoinSet::new();
        for number in 0..200_u64 {
            let (histories, witness) =
                (histories.clone(), transports[usize::try_from(number % 2).unwrap()].clone());
            asked.spawn(async move {
                let history = &histories[usize::try_from(number / 2 % 2).unwrap()];
                // Each guesses a size, learns the right one, and tries to be first with a larger head.
                let mut old = number % 50;
                let mut signed = Vec::new();
                for attempt in 0..8 {
                    let new = (old + 1 + (number * 7 + attempt * 13 + round * 31) % 9).min(SIZE);
                    match witness.add_checkpoint(history.request(old.min(new), new)).await {
                        Ok(_) => {
                            signed.push(history.roots[usize::try_from(new).unwrap()]);
                            old = new;
                        }
                        Err(error) => match error.kind {
                            ErrorKind::Conflict { size } => old = size,
                            ErrorKind::Inconsistent
                            | ErrorKind::Unavailable
                            | ErrorKind::Overloaded { .. } => break,
                            _ => panic!("{error:?}"),
                        },
                    }
                }
                signed
            });
        }
        if round % 2 == 0 {
            // In the middle of it, as far as one can tell.
            let first = asked.join_next().await.unwrap().unwrap();
            cosigned.extend(first);
            process.kill();
            while let Some(more) = asked.join_next().await {
                cosigned.extend(more.unwrap());
            }
        } else {
            while let Some(more) = asked.join_next().await {
                cosigned.extend(more.unwrap());
            }
            let latest = transports[0].latest_checkpoint(sha256(ORIGIN.as_bytes())).await.unwrap();
            let latest = UnverifiedNote::parse(latest.as_bytes()).unwrap();
            let size = Checkpoint::parse(latest.unverified_text()).unwrap().head().size.get();
            assert!(size >= last_size && cosigned.iter().all(|head| head.size.get() <= size));
            last_size = size;
            process.kill();
        }
    }
    assert!(cosigned.len() > 20, "some were cosigned: {}", cosigned.len());
    // All of one history, whichever was first.
    let of = |history: &Adversary| cosigned.iter().filter(|head| history.roots.contains(head)).count();
    let (first, second) = (of(&histories[0]), of(&histories[1]));
    assert!(first == 0 || second == 0, "{first} cosignatures of one history, {second} of the other");
    assert_eq!(first + second, cosigned.len());
    let refusals = folder.path().join("w1/refusals").join(sha256(ORIGIN.as_bytes()).to_string());
    let kept = std::fs::read_dir(refusals).unwrap().count();
    assert!(kept > 0, "what was refused is kept, as evidence against the log");
}
