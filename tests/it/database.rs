//! A real PostgreSQL server for the tests.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A PostgreSQL server of our own: stopped when dropped.
pub(crate) struct Postgres {
    process: Child,
    bin: PathBuf,
    dir: PathBuf,
    site: Site,
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) host: Ipv4Addr,
    pub(crate) port: u16,
    /// Runs the server, such as `ip netns exec NAME`.
    pub(crate) within: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Site {
    pub(crate) fn local(port: u16) -> Self {
        Self { host: Ipv4Addr::LOCALHOST, port, within: Vec::new(), environment: Vec::new() }
    }
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
        Self::command_with(bin, program, dir, &[])
    }

    /// With further variables in its environment, which only the program itself gets.
    fn command_with(bin: &Path, program: &str, dir: &Path, environment: &[(String, String)]) -> Command {
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let mut command = Command::new("env");
        if is_root {
            assert!(Command::new("chown").arg("postgres").arg(dir).status().unwrap().success());
            command = Command::new("setpriv");
            // It stops with the test, however that ends.
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT", "env"]);
        }
        command.args(environment.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(bin.join(program));
        command.current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts a server whose files are in a folder `cluster` of `folder`. It stops with the thread that calls this.
    pub(crate) fn start(bin: &Path, folder: &Path, port: u16) -> Self {
        Self::start_at(bin, folder, Site::local(port))
    }

    /// The same elsewhere than on loopback: its network is trusted.
    pub(crate) fn start_at(bin: &Path, folder: &Path, site: Site) -> Self {
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
        if !site.host.is_loopback() {
            let rules = std::fs::read_to_string(data.join("pg_hba.conf")).unwrap();
            let rule = "host all all samenet trust";
            std::fs::write(data.join("pg_hba.conf"), format!("{rules}{rule}\n")).unwrap();
        }
        Self::serving(bin, dir, site)
    }

    /// A standby that follows this server, with its files in a folder of that name beside this one's.
    pub(crate) fn replica(&self, name: &str, port: u16) -> Self {
        let dir = &self.dir.with_file_name(name);
        std::fs::create_dir(dir).unwrap();
        let source = format!("host=127.0.0.1 port={} user=postgres application_name=replica", self.site.port);
        let mut copy = Self::command(&self.bin, "pg_basebackup", dir);
        copy.args(["-d", &source, "-X", "stream", "-c", "fast", "-R", "--no-sync", "-D"])
            .arg(dir.join("data"));
        assert!(copy.status().unwrap().success());
        let replica = Self::serving(&self.bin, dir, Site::local(port));
        // It must not wait for a standby of its own once it is promoted.
        replica.set("synchronous_standby_names", "");
        replica
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        assert_eq!(self.value("SELECT pg_promote()"), "t");
    }

    fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    fn serving(bin: &Path, dir: &Path, site: Site) -> Self {
        let process = Self::serve(bin, dir, &site);
        let server = Self { process, bin: bin.to_owned(), dir: dir.to_owned(), site };
        server.wait();
        server
    }

    fn serve(bin: &Path, dir: &Path, site: &Site) -> Child {
        let server = Self::command_with(bin, "postgres", dir, &site.environment);
        let mut command = match site.within.split_first() {
            None => server,
            Some((first, others)) => {
                let mut command = Command::new(first);
                command.args(others).arg(server.get_program()).args(server.get_args());
                command.current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
                command
            }
        };
        command.arg("-D").arg(dir.join("data")).arg("-k").arg(dir);
        command.args(["-c", &format!("listen_addresses={}", site.host), "-c", "fsync=off"]);
        command.args(["-p", &site.port.to_string()]);
        command.spawn().unwrap()
    }

    /// Stops the server as a crash does, without a word to its clients or a checkpoint.
    pub(crate) fn crash(&mut self) {
        if self.has_ended() {
            return;
        }
        crate::process::signal(self.process.id(), "QUIT");
        self.process.wait().unwrap();
    }

    /// Stops the server as a crash does, without a word to its clients or a checkpoint, and starts it again.
    pub(crate) fn crash_and_recover(&mut self) {
        self.crash();
        self.process = Self::serve(&self.bin, &self.dir, &self.site);
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
        format!("postgres://postgres@{}:{}/postgres", self.site.host, self.site.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.site.port
    }

    /// One of PostgreSQL's clients, which is to use the database.
    fn client(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join(program));
        let (host, port) = (self.site.host.to_string(), self.site.port.to_string());
        command.args(["-h", &host, "-p", &port, "-U", "postgres", "-d", "postgres"]);
        command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs SQL.
    pub(crate) fn sql(&self, sql: &str) {
        let args = ["-q", "-v", "ON_ERROR_STOP=1", "-c", sql];
        assert!(self.client("psql", &args).status().unwrap().success(), "{sql}");
    }

    /// The first column of the first row that a query returns, as text.
    pub(crate) fn value(&self, sql: &str) -> String {
        let mut psql = self.client("psql", &["-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let output = psql.stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{sql}");
        String::from_utf8(output.stdout).unwrap().lines().next().unwrap_or_default().to_owned()
    }

    /// Changes a setting of the server that it reads while it runs.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.sql(&format!("ALTER SYSTEM SET {name} = '{value}'"));
        self.sql("SELECT pg_reload_conf()");
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
pub(crate) fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        crate::process::signal(self.process.id(), "INT");
        self.process.wait().ok();
    }
}
