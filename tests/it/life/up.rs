//! `vouchlog up`: a witness, a log, a collector and its vault from one folder.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use vouchlog::verify::{Claim, verify};
use vouchlog::{Digest, Policy, StatementKind, VerifyingKey};
use vouchlog_vault::{Query, Vault, VaultKeySource};

use super::program::{Program, get, post};
use crate::collect::world::traces;
use crate::process::{fail, free_port, signal, succeed, vouchlog};

/// The log's, the witness's and the collector's two.
type Ports = [u16; 4];

fn flags(dir: &Path, ports: Ports) -> Vec<String> {
    let mut flags = vec!["up".to_owned(), "--json".to_owned(), "--dir".to_owned(), dir.display().to_string()];
    for (flag, port) in ["--listen", "--witness-listen", "--otlp-grpc", "--otlp-http"].into_iter().zip(ports)
    {
        flags.extend([flag.to_owned(), format!("127.0.0.1:{port}")]);
    }
    flags
}

fn up(dir: &Path, ports: Ports) -> Command {
    let mut command = vouchlog();
    command.args(flags(dir, ports));
    command
}

/// The receipts of interactions in a vault, each with the digest that was logged.
async fn receipts(vault: &str) -> Vec<(String, Digest)> {
    let key = VaultKeySource::File(Path::new(vault).join("vault.key")).load().unwrap();
    let vault = Vault::open(vault, key).await.unwrap();
    let access = vault.owner().await.unwrap();
    let query = Query { kinds: vec![StatementKind::Interaction], ..Query::default() };
    let mut receipts = Vec::new();
    for row in vault.find(&access, &query).await.unwrap() {
        if let Some(receipt) = vault.proof(&access, &row.id).await.unwrap() {
            receipts.push((receipt, row.digest));
        }
    }
    receipts
}

#[tokio::test]
async fn one_command_records_what_is_sent_and_has_it_cosigned() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, ports) = (folder.path().join("all"), [(); 4].map(|()| free_port()));
    let mut all = Program::start(up(&dir, ports));
    let (body, _) = traces(0, 0, 2);
    assert_eq!(post(&format!("{}/v1/traces", all.url()), "none", body.to_string()).await.0, 200);
    let said = all.announced.clone();
    let told = |name: &str| said[name].as_str().unwrap().to_owned();
    for service in [told("url"), told("log"), told("witness")] {
        assert_eq!(get(&format!("{service}/readyz")).await.unwrap().0, 200, "{service}");
    }
    // What is open is recorded and logged before anything else stops.
    assert_eq!(all.terminate(), Some(0));

    let mut again = Program::start(up(&dir, ports));
    assert_eq!(again.announced, said, "the keys stay");
    let find = ["find", "--json", "--vault", &told("vault"), "--kind", "interaction"];
    let found: Value = serde_json::from_str(&succeed(&find)).unwrap();
    let records = found["records"].as_array().unwrap();
    assert_eq!(records.len(), 2, "{found}");
    assert!(records.iter().all(|record| record["index"].is_u64()), "{found}");
    let policy = told("policy");
    let audit =
        ["audit", "--json", "--log", &told("log"), "--log-vkey", &told("log_vkey"), "--policy", &policy];
    let report: Value = serde_json::from_str(&succeed(&audit)).unwrap();
    assert_eq!(report["clean"], true, "{report}");
    assert_eq!(report["checkpoint"]["cosigned_by"].as_array().map(Vec::len), Some(1), "{report}");
    // The receipts that the first run kept had no cosignature. The second finds and renews them.
    let log_vkey: VerifyingKey = told("log_vkey").parse().unwrap();
    let policy = Policy::parse(&std::fs::read(policy).unwrap()).unwrap();
    let mut witnessed = 0;
    for _ in 0..600 {
        witnessed = receipts(&told("vault"))
            .await
            .iter()
            .filter(|(receipt, digest)| {
                verify(receipt.as_bytes(), &log_vkey, Some(&policy), Claim::Digest(*digest)).is_ok()
            })
            .count();
        if witnessed == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(witnessed, 2, "receipts with cosignatures");
    assert_eq!(again.terminate(), Some(0));
}

#[test]
fn a_folder_keeps_its_keys_and_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, ports) = (folder.path().join("all"), [(); 4].map(|()| free_port()));
    assert_eq!(Program::start(up(&dir, ports)).terminate(), Some(0));
    let mut other = flags(&dir, ports);
    other.extend(["--origin".to_owned(), "log.example.com/other".to_owned()]);
    let as_strs = |flags: &[String]| flags.iter().map(String::as_str).collect::<Vec<_>>().join("\0");
    let run = |flags: &[String]| fail(&as_strs(flags).split('\0').collect::<Vec<_>>());
    let (code, said) = run(&other);
    assert!(code == 2 && said.contains("localhost/vouchlog"), "{said}");
    // Another service has the port of the witness: nothing is left running.
    let taken = std::net::TcpListener::bind(("127.0.0.1", ports[1])).unwrap();
    let (code, said) = run(&flags(&dir, ports));
    assert!(code == 2 && said.contains(&ports[1].to_string()), "{said}");
    drop(taken);
    for key in ["gateway.key", "log.key", "witness.key"] {
        let (path, aside) = (dir.join("keys").join(key), dir.join(key));
        std::fs::rename(&path, &aside).unwrap();
        let (code, said) = run(&flags(&dir, ports));
        assert!(code == 2 && said.contains(key), "{said}");
        assert!(!path.exists(), "a lost key is not made again");
        std::fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(Program::start(up(&dir, ports)).terminate(), Some(0));
}

/// While the log starts, here because its operator's key takes time to read, SIGTERM already ends all: no collector is started.
#[test]
fn a_start_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, ports) = (folder.path().join("all"), [(); 4].map(|()| free_port()));
    assert_eq!(Program::start(up(&dir, ports)).terminate(), Some(0));
    std::fs::remove_dir_all(dir.join("collector")).unwrap();
    let path = dir.join("keys/operator.key");
    let key = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap().success());

    let mut all = up(&dir, ports).stdout(Stdio::piped()).spawn().unwrap();
    // Opened for writing once the log reads it.
    let mut pipe = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    signal(all.id(), "TERM");
    std::thread::sleep(Duration::from_millis(200));
    pipe.write_all(&key).unwrap();
    drop(pipe);
    let mut announced = String::new();
    all.stdout.take().unwrap().read_to_string(&mut announced).unwrap();
    assert!(all.wait().unwrap().success());
    assert_eq!(announced, "");
    assert!(!dir.join("collector").exists(), "a service was started after SIGTERM");
}
