//! Where the tests put vaults: temporary directories, and databases of a PostgreSQL server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::{AnyConnection, Connection, Executor};
use tempfile::TempDir;

/// An empty place for a vault.
pub(super) struct TestDatabase {
    pub(super) location: String,
    /// On SQLite: the directory, deleted when dropped.
    pub(super) dir: Option<TempDir>,
}

impl TestDatabase {
    pub(super) fn directory() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let location = dir.path().join("the vault").to_str().unwrap().to_owned();
        Self { location, dir: Some(dir) }
    }

    /// The same database past the vault, to read and change what it stores.
    pub(super) async fn raw(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = match &self.dir {
            Some(dir) => format!("sqlite://{}", dir.path().join("the%20vault/vault.db").display()),
            None => self.location.clone(),
        };
        AnyConnection::connect(&url).await.unwrap()
    }
}

/// A PostgreSQL server.
pub(super) struct Cluster {
    /// URL of its server, to which `/DATABASE` and parameters are added.
    base: String,
    parameters: String,
    _server: Option<Server>,
}

/// A server of our own: stopped and deleted when dropped.
struct Server {
    process: Child,
    _dir: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().ok();
        self.process.wait().ok();
    }
}

impl Cluster {
    /// A server, or none where there is no PostgreSQL.
    pub(super) async fn start() -> Option<Self> {
        sqlx::any::install_default_drivers();
        if let Ok(url) = std::env::var("VOUCHLOG_TEST_POSTGRES") {
            let (url, parameters) = url.split_once('?').unwrap_or((&url, ""));
            let server =
                url.trim_end_matches('/').rsplit_once('/').filter(|(server, _)| !server.ends_with('/'));
            let base = server.map_or(url, |(server, _)| server).to_owned();
            return Some(Self { base, parameters: parameters.to_owned(), _server: None });
        }
        let dir = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let process = start(dir.path())?;
        let cluster = Self {
            base: "postgres://postgres@localhost".to_owned(),
            parameters: format!("host={}", dir.path().display()),
            _server: Some(Server { process, _dir: dir }),
        };
        for _ in 0..1_200 {
            if AnyConnection::connect(&cluster.url("postgres")).await.is_ok() {
                return Some(cluster);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("PostgreSQL was started and does not answer");
    }

    fn url(&self, database: &str) -> String {
        format!("{}/{database}?{}", self.base, self.parameters)
    }

    /// An empty database.
    pub(super) async fn place(&self, name: &str) -> TestDatabase {
        let name = format!("vouchlog_test_{name}").chars().take(60).collect::<String>();
        let mut server = AnyConnection::connect(&self.url("postgres")).await.unwrap();
        for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            server.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        }
        server.close().await.unwrap();
        TestDatabase { location: self.url(&name), dir: None }
    }
}

/// The newest installed PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    found.retain(|bin| bin.join("initdb").exists());
    found.sort();
    found.pop()
}

/// Makes a cluster in `dir` and starts its server. PostgreSQL refuses to run as root, so root becomes `postgres` first.
fn start(dir: &Path) -> Option<Child> {
    let bin = programs()?;
    let is_root = Command::new("id").arg("-u").output().ok()?.stdout == b"0\n";
    if is_root {
        Command::new("chown").arg("postgres").arg(dir).status().ok()?.success().then_some(())?;
    }
    let as_postgres = |program: &str| {
        if !is_root {
            return Command::new(bin.join(program));
        }
        let mut command = Command::new("setpriv");
        // It stops with the test, however that ends.
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT"]);
        command.arg(bin.join(program));
        command
    };
    let data = dir.join("data");
    let mut initdb = as_postgres("initdb");
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
    initdb
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?
        .success()
        .then_some(())?;
    let mut server = as_postgres("postgres");
    server.arg("-D").arg(&data).arg("-k").arg(dir).args(["-c", "listen_addresses=", "-c", "fsync=off"]);
    server.current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}
