//! The real program as a child process, on loopback.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use vouchlog_note::{SignatureType, SigningKey};
use vouchlog_sequencer::testing::{ORIGIN, key};

/// Where the ports of [`free_port`] begin: above those of well-known services.
const FIRST_PORT: u16 = 12_000;

/// How many they are; Linux gives connections those from 32,768.
const PORTS: u16 = 20_000;

/// The program under test.
pub(crate) fn vouchlog() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vouchlog"));
    // A developer's settings must not change what is tested.
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("VOUCHLOG_") || shown.starts_with("OTEL_") {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    vouchlog().args(args).output().expect("the program starts")
}

/// Standard output of a run that must succeed.
pub(crate) fn succeed(args: &[&str]) -> String {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Standard error and exit code of a run that must fail.
pub(crate) fn fail(args: &[&str]) -> (i32, String) {
    let output = run(args);
    assert!(!output.status.success(), "{args:?} succeeded: {}", String::from_utf8_lossy(&output.stdout));
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// How often something is done: the first number as a rule, the second with `VOUCHLOG_LONG_TESTS=1`.
pub(crate) fn rounds((short, long): (u64, u64)) -> u64 {
    if std::env::var("VOUCHLOG_LONG_TESTS").is_ok_and(|set| set == "1") { long } else { short }
}

/// A port for a server that must come back where it was.
///
/// It lies below those that the system gives to connections and to `:0`, because one of those can be taken between two
/// starts, and is given out once. Two runs of the tests at a time begin at different ports.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(97);
    loop {
        let nth = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = FIRST_PORT + u16::try_from(nth % u32::from(PORTS)).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Writes the published test keys of log and operator into the data directory, so that a test's own gateway fits.
pub(crate) fn write_keys(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    let keys: [(&str, SigningKey); 2] = [
        ("log.key", key(ORIGIN, SignatureType::Ed25519, 1)),
        ("operator.key", key("operator.example.com", SignatureType::Ed25519, 2)),
    ];
    for (file, key) in keys {
        let path = data.join(file);
        if !path.exists() {
            std::fs::write(&path, key.to_key_file().unwrap().as_str()).unwrap();
            restrict(&path);
            // As durable as the program makes its own.
            std::fs::File::open(&path).and_then(|file| file.sync_all()).unwrap();
        }
    }
    std::fs::File::open(data).and_then(|folder| folder.sync_all()).unwrap();
    std::fs::File::open(data.parent().unwrap()).and_then(|folder| folder.sync_all()).unwrap();
}

fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// `vouchlog serve` or `vouchlog witness`, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) vkey: String,
}

impl Server {
    /// Starts a log with the test keys on a port and waits until it serves.
    pub(crate) fn start(data: &Path, port: u16, more: &[&str]) -> Self {
        write_keys(data);
        let mut command = vouchlog();
        command.args([
            "serve",
            "--json",
            "--origin",
            ORIGIN,
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--data",
        ]);
        command.arg(data).args(more);
        Self::spawn(command)
    }

    /// Starts whatever `serve --json` command and waits until it says where it serves.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        Self::await_start(command)
    }

    /// The same, with the program's log lines in a file.
    pub(crate) fn spawn_logging(mut command: Command, lines: &Path) -> Self {
        command.stderr(std::fs::File::create(lines).unwrap());
        Self::await_start(command)
    }

    fn await_start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said: serde_json::Value = loop {
            let Some(Ok(line)) = lines.next() else {
                let output = child.wait_with_output().unwrap();
                panic!("the server did not start: {}", String::from_utf8_lossy(&output.stderr));
            };
            let said: serde_json::Value = serde_json::from_str(&line).expect("one line of JSON");
            // A node of a log in PostgreSQL serves once it leads.
            if said["role"] != "standby" {
                break said;
            }
        };
        // Nobody may be kept waiting by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        if let Some(mut stderr) = child.stderr.take() {
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        let text = |name: &str| said.pointer(name)?.as_str().map(str::to_owned);
        // A log has one vkey to give out, a witness one or two.
        let vkey = text("/log_vkey").or_else(|| text("/vkeys/0"));
        Self { child, url: text("/url").unwrap(), vkey: vkey.unwrap() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the server ends by itself; its exit code.
    pub(crate) fn wait(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// SIGTERM; returns once the server stopped, with its exit code.
    pub(crate) fn terminate(mut self) -> i32 {
        signal(self.pid(), "TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process this test started.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}
