//! `vouchlog witness` as logs and operators meet it: over HTTP, through restarts, kill -9, a lost directory, new lists.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use vouchlog_merkle::{Hash, TreeHead, TreeSize, sha256};
use vouchlog_note::{Checkpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey, VerifyingKey};

use crate::monitor::page;
use crate::process::{Server, fail, signal, succeed, vouchlog};

pub(crate) const NAME: &str = "witness.example.com/w";

pub(crate) fn command(data: &Path, more: &[&str]) -> Command {
    let mut command = vouchlog();
    command.args(["witness", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(more);
    command
}

/// A log that needs no tree: it has one entry, and signs any root for it.
pub(crate) fn log(origin: &str) -> SigningKey {
    SigningKey::generate(KeyName::new(origin).unwrap(), SignatureType::Ed25519, [5; 32]).unwrap()
}

pub(crate) fn checkpoint(log: &SigningKey, root: u8) -> SignedCheckpoint {
    let origin = Origin::new(log.verifying_key().name().as_str()).unwrap();
    let head = TreeHead { size: TreeSize::new(1), root: Hash::from_bytes([root; 32]) };
    SignedCheckpoint::sign(&Checkpoint::new(origin, head), log).unwrap()
}

pub(crate) async fn post(witness: &Server, old: u64, checkpoint: &SignedCheckpoint) -> (u16, String) {
    let body = format!("old {old}\n\n{}", checkpoint.note());
    let url = format!("{}/add-checkpoint", witness.url);
    let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

pub(crate) async fn latest(witness: &Server, log: &SigningKey) -> (u16, String) {
    let origin = sha256(log.verifying_key().name().as_str().as_bytes());
    let answer = reqwest::get(format!("{}/{origin}/checkpoint", witness.url)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_witness_remembers_through_restarts_and_kills() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("witness");
    let log = log("log.example.com/a");
    let vkey = log.verifying_key().to_string();
    let witness = Server::spawn(command(&data, &["--name", NAME, "--ml-dsa", "--log-vkey", &vkey]));
    for key in ["witness.key", "witness-ml-dsa.key"] {
        let mode = std::fs::metadata(data.join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    assert_eq!(latest(&witness, &log).await.0, 404);
    let honest = checkpoint(&log, 1);
    let (status, lines) = post(&witness, 0, &honest).await;
    assert_eq!(status, 200, "{lines}");
    assert_eq!(lines.lines().count(), 2, "one line of each key: {lines}");
    let first: VerifyingKey = witness.vkey.parse().unwrap();
    honest.with_cosignatures(&lines, [&first]).unwrap();
    let served = latest(&witness, &log).await;
    witness.kill();

    for round in 0..3 {
        let witness = Server::spawn(command(&data, &["--log-vkey", &vkey]));
        assert_eq!(witness.vkey, first.to_string());
        let shown = page(&witness).await;
        let (head, key) = (honest.head().root.to_string(), &witness.vkey);
        assert!(
            shown.contains("log.example.com/a") && shown.contains(&head[8..56]) && shown.contains(key),
            "{shown}"
        );
        // After the first round it refused a second history.
        assert_eq!(shown.contains("class=\"alarm\""), round > 0, "{shown}");
        assert_eq!(latest(&witness, &log).await, served, "round {round}");
        assert_eq!(post(&witness, 0, &honest).await, (409, "1\n".to_owned()));
        let (status, _) = post(&witness, 1, &checkpoint(&log, 2)).await;
        assert_eq!(status, 422, "a second history");
        if round % 2 == 0 { assert_eq!(witness.terminate(), 0) } else { witness.kill() }
    }
    // The contradiction was kept, once.
    let refusals = data.join("refusals").join(sha256(b"log.example.com/a").to_string());
    let files: Vec<_> = std::fs::read_dir(refusals).unwrap().map(|file| file.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let refusal: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(refusal["reason"], "other-root");
    assert_eq!(refusal["latest"], served.1);
}

#[test]
fn a_witness_that_lost_its_state_goes_on_only_when_told_so_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (data, key) = (folder.path().join("witness"), folder.path().join("kept.key"));
    let (data, key) = (data.to_str().unwrap(), key.to_str().unwrap());
    succeed(&["keygen", "--kind", "witness", "--name", NAME, "--out", key]);
    assert_eq!(Server::spawn(command(data.as_ref(), &["--key", key])).terminate(), 0);
    std::fs::remove_dir_all(data).unwrap();

    let start = ["witness", "--listen", "127.0.0.1:0", "--data", data, "--key", key];
    for _ in 0..2 {
        let (code, error) = fail(&start);
        assert_eq!(code, 2);
        assert!(error.contains("does not know what it cosigned"), "{error}");
        assert!(error.contains("I know that this witness may contradict itself"), "{error}");
    }
    let (_, error) = fail(&[&start[..], &["--accept-lost-state", "yes"]].concat());
    assert!(error.contains("only the required words"), "{error}");
    let words = ["--key", key, "--accept-lost-state", "I know that this witness may contradict itself"];
    assert_eq!(Server::spawn(command(data.as_ref(), &words)).terminate(), 0);
    assert_eq!(Server::spawn(command(data.as_ref(), &["--key", key])).terminate(), 0, "said once");
}

#[tokio::test]
async fn a_hangup_adds_logs_and_a_broken_list_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, list) = (folder.path().join("witness"), folder.path().join("logs.txt"));
    let (one, two) = (log("log.example.com/1"), log("log.example.com/2"));
    let entry = |log: &SigningKey| format!("vkey {}\nqpd 86400\ncontact nobody\n", log.verifying_key());
    std::fs::write(&list, format!("logs/v0\n{}", entry(&one))).unwrap();
    let witness = Server::spawn(command(&data, &["--name", NAME, "--log-list", list.to_str().unwrap()]));
    assert_eq!(post(&witness, 0, &checkpoint(&one, 1)).await.0, 200);
    assert_eq!(post(&witness, 0, &checkpoint(&two, 1)).await.0, 404);

    std::fs::write(&list, "rubbish\n").unwrap();
    signal(witness.pid(), "HUP");
    // The list names the second log only: the first is not forgotten.
    std::fs::write(&list, format!("logs/v0\n{}", entry(&two))).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while post(&witness, 0, &checkpoint(&two, 1)).await.0 == 404 {
        assert!(Instant::now() < deadline, "the list is not read again");
        signal(witness.pid(), "HUP");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(post(&witness, 1, &checkpoint(&one, 1)).await.0, 200);
    assert_eq!(witness.terminate(), 0);
}
