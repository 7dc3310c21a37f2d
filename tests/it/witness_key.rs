//! A witness rotates its key: it remembers what the old key cosigned, cosigns with both for a while, and log, policies and auditors follow
//! without ever counting it twice.

use std::path::Path;

use vouchlog_api::LogReader;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_merkle::TreeSize;
use vouchlog_note::{Origin, Policy};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, statements};

use crate::process::{Server, fail, free_port, succeed};
use crate::witnesses::{json, log_key, start_witness, write_policy};

const T: u64 = 1_767_225_600;

/// Logs statements, and returns the published checkpoint that covers them.
async fn grow(log: &GrpcLog, gateway: &mut TestGateway, round: u64) -> String {
    let appended = gateway.send(log, statements(20, round), T + round).await.unwrap();
    let last = appended.receipt.unwrap().first.get() + 20;
    log.checkpoint_after(TreeSize::new(last - 1)).await.unwrap()
}

fn satisfies(checkpoint: &str, policy: &Path) -> bool {
    let policy = Policy::parse(&std::fs::read(policy).unwrap()).unwrap();
    let origin = Origin::new(ORIGIN).unwrap();
    policy.verify_checkpoint_of(checkpoint.as_bytes(), &origin, [log_key().verifying_key()]).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_rotates_its_key_and_everybody_follows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (port, log_port) = (free_port(), free_port());
    let (one, two) = (start_witness(folder, "w1", port, &[]), start_witness(folder, "w2", 0, &[]));
    let policy = write_policy(folder, &[("w1", &one, "http"), ("w2", &two, "http")]);
    let serve = |policy: &str| {
        Server::start(&folder.join("data"), log_port, &["--policy", policy, "--witness-interval", "50ms"])
    };
    let server = serve(&policy);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    assert!(satisfies(&grow(&log, &mut gateway, 1).await, Path::new(&policy)));

    // The note, in the log; from now on the new key opens the store of the old one and no other.
    let (old, new, note) = (path("w1/witness.key"), path("new.key"), path("rotation.note"));
    succeed(&["keygen", "--kind", "witness", "--name", "witness.example.com/w1", "--out", &new]);
    let rotate = ["rotate-witness", "--json", "--key", &old, "--new-key", &new, "--out", &note];
    let said = json(&succeed(&[&rotate[..], &["--log", &server.url]].concat()));
    let index = said["entries"][0]["index"].as_u64().unwrap();
    assert_eq!(said["replaces"], one.vkey.as_str(), "{said}");
    log.checkpoint_after(TreeSize::new(index)).await.unwrap();
    let elsewhere = ["witness", "--data", &path("elsewhere"), "--listen", "127.0.0.1:0", "--key", &new];
    let (code, error) = fail(&elsewhere);
    assert!(code == 2 && error.contains("has cosigned with the store"), "{error}");

    // It cosigns with both: policies of before and after are satisfied.
    assert_eq!(one.terminate(), 0);
    let one = start_witness(folder, "w1", port, &["--key", &new, "--also", &old]);
    let proof = path("rotation.tlog-proof");
    let at = index.to_string();
    let prove = ["prove", "--log", &server.url, "--log-vkey", &server.vkey, "--index", &at, "-o", &proof];
    succeed(&prove);
    let both = path("both.txt");
    let follow = ["follow-witness", "--policy", &policy, "--rotation", &note];
    let logged = ["--proof", &proof, "--log-vkey", &server.vkey, "--out", &both];
    succeed(&[&follow[..], &logged].concat());
    let only_new = path("only-new.txt");
    succeed(&["follow-witness", "--policy", &both, "--rotation", &note, "--drop-old", "--out", &only_new]);
    assert_eq!(server.terminate(), 0);
    let server = serve(&both);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let checkpoint = grow(&log, &mut gateway, 2).await;
    for policy in [&policy, &both, &only_new] {
        assert!(satisfies(&checkpoint, Path::new(policy)), "{policy}:\n{checkpoint}");
    }
    // Both keys of one witness are no two witnesses: without the other one there is no quorum.
    let without_two: String = checkpoint
        .lines()
        .filter(|line| !line.contains("witness.example.com/w2"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(without_two.matches("— witness.example.com/w1 ").count(), 2, "{without_two}");
    for policy in [&policy, &both, &only_new] {
        assert!(!satisfies(&without_two, Path::new(policy)), "{policy}:\n{without_two}");
    }

    // The old key is gone: the log goes on under the policy that follows.
    assert_eq!(one.terminate(), 0);
    let one = start_witness(folder, "w1", port, &["--key", &new]);
    let checkpoint = grow(&log, &mut gateway, 3).await;
    assert!(satisfies(&checkpoint, Path::new(&both)) && satisfies(&checkpoint, Path::new(&only_new)));
    assert!(!satisfies(&checkpoint, Path::new(&policy)), "the old key cosigned no more");
    let report = json(&succeed(&[
        "audit",
        "--json",
        "--log",
        &server.url,
        "--log-vkey",
        &server.vkey,
        "--policy",
        &only_new,
    ]));
    assert_eq!(report["witness_rotations"][0]["index"], index, "{report}");

    // What the old key did not sign is followed by nobody.
    let forged = path("forged.note");
    let text = std::fs::read_to_string(&note).unwrap();
    let (text, signatures) = text.split_once("\n\n").unwrap();
    let without_old: String = signatures.lines().skip(1).map(|line| format!("{line}\n")).collect();
    std::fs::write(&forged, format!("{text}\n\n{without_old}")).unwrap();
    let (code, error) =
        fail(&["follow-witness", "--policy", &policy, "--rotation", &forged, "--out", &path("never.txt")]);
    assert!(code == 2 && !Path::new(&path("never.txt")).exists(), "{error}");
    // A second rotation of the old key is refused by the log.
    succeed(&[
        "keygen",
        "--kind",
        "witness",
        "--name",
        "witness.example.com/w1",
        "--out",
        &path("third.key"),
    ]);
    let second =
        ["rotate-witness", "--key", &old, "--new-key", &path("third.key"), "--out", &path("second.note")];
    let (code, error) = fail(&[&second[..], &["--log", &server.url]].concat());
    assert!(code == 2 && error.contains(&format!("already rotated by entry {index}")), "{error}");
    for process in [one, two, server] {
        assert_eq!(process.terminate(), 0);
    }
    succeed(&["fsck", "--log-vkey", &log_key().verifying_key().to_string(), "--data", &path("data")]);
}
