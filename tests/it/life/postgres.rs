//! A collector whose database is away keeps what it is sent, and records it once the database is there.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::PATIENCE;
use super::program::{Program, collect, get, post};
use crate::process::{fail, free_port};

/// A PostgreSQL server of our own, if PostgreSQL is installed: stopped when dropped.
struct Postgres(Child);

impl Postgres {
    /// The newest installed PostgreSQL's programs.
    fn programs() -> Option<PathBuf> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let mut found: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
        found.retain(|bin| bin.join("initdb").exists());
        found.sort();
        found.pop()
    }

    /// A program of it. PostgreSQL refuses to run as root, so root becomes `postgres` first.
    fn command(bin: &Path, program: &str, dir: &Path) -> Command {
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let mut command = Command::new(bin.join(program));
        if is_root {
            assert!(Command::new("chown").arg("postgres").arg(dir).status().unwrap().success());
            command = Command::new("setpriv");
            // It stops with the test, however that ends.
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT"]);
            command.arg(bin.join(program));
        }
        command.current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn start(bin: &Path, dir: &Path, port: u16) -> Self {
        let data = dir.join("data");
        let mut initdb = Self::command(bin, "initdb", dir);
        initdb.arg("-D").arg(&data).args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]);
        assert!(initdb.status().unwrap().success());
        let mut server = Self::command(bin, "postgres", dir);
        server.arg("-D").arg(&data).arg("-k").arg(dir);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-p", &port.to_string()]);
        Self(server.spawn().unwrap())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        crate::process::signal(self.0.id(), "INT");
        self.0.wait().ok();
    }
}

fn collector(folder: &Path, port: u16) -> Command {
    let vault = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let key = format!("file:{}", folder.join("vault.key").display());
    let more =
        ["--listen", "127.0.0.1:0", "--vault", &vault, "--vault-key", &key, "--settle", "1s", "--idle", "2s"];
    collect(&folder.join("collector"), &more)
}

/// An export of one model call.
async fn send(collector: &Program, number: u64) {
    let now = 1_767_225_600_000_000_000_u64 + number * 1_000_000_000;
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let span = json!({
        "traceId": format!("{:032x}", number + 1), "spanId": format!("{:016x}", number + 1), "name": "chat m",
        "kind": 3, "startTimeUnixNano": now.to_string(), "endTimeUnixNano": (now + 1_000_000).to_string(),
        "attributes": [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "m-1")],
    });
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    let (status, said) = post(&format!("{}/v1/traces", collector.url()), "none", body.to_string()).await;
    assert_eq!(status, 200, "{said}");
}

async fn recorded(collector: &Program) -> u64 {
    let metrics = get(&format!("{}/metrics", collector.url())).await.unwrap().1;
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("vouchlog_collector_records_total{kind=\"interaction\"}"));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn a_collector_takes_telemetry_while_its_database_is_away() {
    let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
    let port = free_port();
    for round in 0..2 {
        // It also starts, and stops, again and again before the database was ever there.
        let mut collector = Program::start(collector(folder.path(), port));
        send(&collector, round).await;
        let (status, said) = get(&format!("{}/readyz", collector.url())).await.unwrap();
        assert_eq!(status, 503);
        assert!(said.contains("the vault cannot be opened") && said.contains("cannot be reached"), "{said}");
        assert_eq!(
            get(&format!("{}/healthz", collector.url())).await.unwrap().0,
            200,
            "it is no reason to restart"
        );
        assert_eq!(collector.terminate(), Some(0));
    }
    let mut collector = Program::start(collector(folder.path(), port));
    send(&collector, 2).await;
    let Some(bin) = Postgres::programs() else {
        eprintln!("the database does not come here: install PostgreSQL to have this half of the test run");
        assert_eq!(collector.terminate(), Some(0));
        return;
    };
    let cluster = folder.path().join("cluster");
    std::fs::create_dir(&cluster).unwrap();
    open_to_all(folder.path());
    let _postgres = Postgres::start(&bin, &cluster, port);
    let deadline = Instant::now() + PATIENCE;
    while recorded(&collector).await < 3 {
        assert!(Instant::now() < deadline, "{:?}", get(&format!("{}/readyz", collector.url())).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (status, said) = get(&format!("{}/readyz", collector.url())).await.unwrap();
    assert_eq!(status, 200, "{said}");
    assert_eq!(collector.terminate(), Some(0));
}

/// The database's own user has to reach its folder.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What waiting does not mend is told at once, as ever.
#[test]
fn a_vault_that_cannot_be_one_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (data, key) = (folder.path().join("collector"), folder.path().join("vault.key"));
    let start =
        ["collect", "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
    let vault = [
        "--data",
        data.to_str().unwrap(),
        "--vault",
        "mysql://u:secret@127.0.0.1/d",
        "--vault-key",
        &format!("file:{}", key.display()),
    ];
    let (code, said) = fail(&[&start[..], &vault].concat());
    assert_eq!(code, 2);
    assert!(said.contains("not a valid place for a vault") && !said.contains("secret"), "{said}");
    assert!(!key.exists(), "a key was made for a vault that cannot be");
}
