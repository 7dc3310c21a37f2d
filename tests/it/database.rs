//! A real PostgreSQL server for the tests.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A PostgreSQL server of our own: stopped when dropped.
pub(crate) struct Postgres {
    process: Child,
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
}

impl Postgres {
    /// The newest installed PostgreSQL's programs. None where PostgreSQL is not installed, unless it has to be.
    pub(crate) fn programs() -> Option<PathBuf> {
        let found = Self::find();
        let needed = std::env::var_os("VOUCHLOG_NEEDS_POSTGRES").is_some();
        assert!(found.is_some() || !needed, "PostgreSQL is not installed");
        found
    }

    fn find() -> Option<PathBuf> {
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

    /// Starts a server whose files are in a folder `cluster` of `folder`. It stops with the thread that calls this.
    pub(crate) fn start(bin: &Path, folder: &Path, port: u16) -> Self {
        let dir = &folder.join("cluster");
        std::fs::create_dir(dir).unwrap();
        open_to_all(folder);
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
        let process = Self::serve(bin, dir, port);
        let server = Self { process, bin: bin.to_owned(), dir: dir.to_owned(), port };
        server.wait();
        server
    }

    fn serve(bin: &Path, dir: &Path, port: u16) -> Child {
        let mut server = Self::command(bin, "postgres", dir);
        server.arg("-D").arg(dir.join("data")).arg("-k").arg(dir);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-p", &port.to_string()]);
        server.spawn().unwrap()
    }

    /// Stops the server as a crash does, without a word to its clients or a checkpoint, and starts it again.
    pub(crate) fn crash_and_recover(&mut self) {
        crate::process::signal(self.process.id(), "QUIT");
        self.process.wait().unwrap();
        self.process = Self::serve(&self.bin, &self.dir, self.port);
        self.wait();
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.client("pg_isready", &[]).status().unwrap().success() {
            assert!(Instant::now() < deadline, "PostgreSQL was started and does not respond");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where a log or a vault finds it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// One of PostgreSQL's clients, which is to use the database.
    fn client(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", "-d", "postgres"]);
        command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs SQL.
    pub(crate) fn sql(&self, sql: &str) {
        let args = ["-q", "-v", "ON_ERROR_STOP=1", "-c", sql];
        assert!(self.client("psql", &args).status().unwrap().success(), "{sql}");
    }

    /// Writes everything in the database into a file.
    pub(crate) fn dump(&self, file: &Path) {
        assert!(self.client("pg_dump", &["-f", file.to_str().unwrap()]).status().unwrap().success());
    }

    /// Puts the database back to what such a file holds.
    pub(crate) fn restore(&self, file: &Path) {
        self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        let args = ["-q", "-v", "ON_ERROR_STOP=1", "-f", file.to_str().unwrap()];
        assert!(self.client("psql", &args).status().unwrap().success());
    }
}

/// The database's own user has to reach its folder.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        crate::process::signal(self.process.id(), "INT");
        self.process.wait().ok();
    }
}
