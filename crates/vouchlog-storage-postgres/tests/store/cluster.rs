//! A PostgreSQL server for the tests, and places for logs in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tempfile::TempDir;
use vouchlog_storage::{Sealing, StoreError};
use vouchlog_storage_postgres::{Database, Location, Options, PostgresLiving, PostgresStore, Takeover};
use vouchlog_storage_sled::Segments;

/// A server of our own: stopped and deleted when the last test lets go of it.
pub(crate) struct Server {
    pub(crate) port: u16,
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
    _dir: TempDir,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// The server that most tests share. None where PostgreSQL is not installed, unless it has to be.
pub(crate) fn server() -> Option<Arc<Server>> {
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(Server::start(&[])?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// The newest installed PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    found.retain(|bin| bin.join("initdb").exists());
    found.sort();
    found.pop()
}

/// A port below those that the system gives to connections and to port 0, given out once.
fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let nth = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = 12_000 + u16::try_from(nth % 20_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    /// A server with further settings.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        let Some(bin) = programs() else {
            assert!(std::env::var_os("VOUCHLOG_NEEDS_POSTGRES").is_none(), "PostgreSQL is not installed");
            eprintln!("not tested: PostgreSQL is not installed");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let port = free_port();
        let data = dir.path().join("data");
        let mut initdb = command(&bin, "initdb", dir.path());
        initdb.arg("-D").arg(&data);
        initdb.args(["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C"]);
        assert!(initdb.status().unwrap().success(), "initdb failed");
        let mut postgres = command(&bin, "postgres", dir.path());
        postgres.arg("-D").arg(&data).arg("-k").arg(dir.path()).args(["-p", &port.to_string()]);
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]);
        for setting in settings {
            postgres.args(["-c", setting]);
        }
        // The server ends with the thread that started it, so that thread outlives the tests.
        let (stop, stopped) = channel();
        let keeper = std::thread::spawn(move || {
            let mut server: Child = postgres.spawn().unwrap();
            stopped.recv().ok();
            // PostgreSQL's fast shutdown: it does not wait for clients.
            signal(server.id(), "INT");
            server.wait().unwrap();
        });
        let server = Self { port, stop: Some(stop), keeper: Some(keeper), _dir: dir };
        let deadline = Instant::now() + Duration::from_secs(60);
        while server.try_sql("SELECT 1").is_err() {
            assert!(Instant::now() < deadline, "PostgreSQL was started and does not respond");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn try_sql(&self, sql: &str) -> sqlx::Result<()> {
        block_on(async {
            let mut connection = PgConnection::connect(&self.url("postgres")).await?;
            connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))).await?;
            connection.close().await
        })
    }

    /// Runs statements in the tests' database.
    pub(crate) fn sql(&self, sql: &str) {
        self.try_sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The first column of the first row, if there is one.
    pub(crate) fn number(&self, sql: &str) -> Option<i64> {
        block_on(async {
            let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
            let rows =
                connection.fetch_all(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))).await.unwrap();
            rows.first().map(|row| row.try_get::<i64, _>(0).unwrap())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            keeper.join().ok();
        }
    }
}

/// PostgreSQL refuses to run as root, so root becomes `postgres` first. It stops with the test, however that ends.
fn command(bin: &Path, program: &str, dir: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = Command::new("setpriv");
    if is_root {
        assert!(Command::new("chown").arg("postgres").arg(dir).status().unwrap().success());
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg("--pdeathsig=INT").arg(bin.join(program));
    command.current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A place for one log, and the memory of one node.
pub(crate) struct Place {
    pub(crate) server: Arc<Server>,
    pub(crate) origin: String,
    pub(crate) memory: TempDir,
}

impl Place {
    pub(crate) fn in_server(server: &Arc<Server>) -> Self {
        let memory = tempfile::tempdir().unwrap();
        let name = memory.path().file_name().unwrap().to_string_lossy().into_owned();
        Self { server: server.clone(), origin: format!("example.com/{name}"), memory }
    }

    /// A place in the shared server.
    pub(crate) fn new() -> Option<Self> {
        Some(Self::in_server(&server()?))
    }

    pub(crate) fn url(&self) -> String {
        self.server.url("postgres")
    }

    /// The number of the log in the database.
    pub(crate) fn log(&self) -> i64 {
        let sql = format!("SELECT log::bigint FROM vouchlog_log WHERE origin = '{}'", self.origin);
        self.server.number(&sql).unwrap()
    }

    /// The backend that commits.
    pub(crate) fn commit_pid(&self) -> u32 {
        let sql = format!("SELECT commit_pid::bigint FROM vouchlog_lease WHERE log = {}", self.log());
        u32::try_from(self.server.number(&sql).unwrap()).unwrap()
    }

    /// Fences whatever process leads the log, as the suite's stores are dropped without being closed.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(self.memory.path());
        (options.create, options.takeover) = (true, Takeover::AtOnce);
        options
    }

    pub(crate) fn open_with(&self, url: &str, options: Options) -> Result<PostgresStore, StoreError> {
        let database = Database::new(Location::parse(url)?)?;
        vouchlog_storage_postgres::open(&database, &self.origin, options)
    }

    pub(crate) fn open(&self) -> PostgresStore {
        self.open_with(&self.url(), self.options()).unwrap()
    }

    /// The same with segments in the node's folder as the sealed part.
    pub(crate) fn open_segments(&self) -> Sealing<PostgresLiving, Segments> {
        let database = Database::new(Location::parse(&self.url()).unwrap()).unwrap();
        let dir = self.memory.path().join("sealed");
        let make = |_, sealed| Segments::open_at(&dir, sealed);
        vouchlog_storage_postgres::open_with(&database, &self.origin, self.options(), "segments", make)
            .unwrap()
    }
}
