//! The program as a child whose standard error is read line by line, and whose end is waited for within bounds.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use serde_json::Value;

use super::PATIENCE;
use crate::process::{signal, vouchlog};

pub(super) struct Program {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    errors: Receiver<String>,
    /// What it announced on standard output.
    pub(super) announced: Value,
}

impl Program {
    /// Starts a command with `--json`, and waits until it has announced where it serves.
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, errors) = channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let announced = serde_json::from_str(&line).unwrap_or_else(|_| {
            let said: Vec<String> = errors.iter().collect();
            panic!("it did not start: {line}{}", said.join("\n"))
        });
        Self { child, stdout: Some(stdout), errors, announced }
    }

    pub(super) fn url(&self) -> &str {
        self.announced["url"].as_str().unwrap()
    }

    pub(super) fn address(&self) -> &str {
        self.url().trim_start_matches("http://")
    }

    pub(super) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Reads standard error up to the first line with `text` in it.
    pub(super) fn wait_for_line(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            match self.errors.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("no line with `{text}`: {}", seen.join("\n")),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended: {}", seen.join("\n")),
            }
        }
    }

    /// Waits for its end. Its exit code; `None` if a signal killed it.
    pub(super) fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("it does not end");
    }

    pub(super) fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.end()
    }

    /// Nobody reads its standard output and standard error any more.
    pub(super) fn close_output(&mut self) {
        self.stdout = None;
        self.errors = channel().1;
        // The thread that reads standard error ends at the next line, and with it the pipe.
        self.signal("HUP");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, its soft and hard limits set by `prlimit`, and with writes past a limit of file size failing instead of
/// killing it.
pub(super) fn limited(command: &Command, limits: &[&str]) -> Command {
    let mut outer = Command::new("sh");
    outer.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", "prlimit"]).args(limits);
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer.stdin(Stdio::null());
    outer
}

pub(super) fn serve(data: &Path, more: &[&str]) -> Command {
    let mut command = vouchlog();
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(more);
    command
}

pub(super) fn witness(data: &Path, more: &[&str]) -> Command {
    let mut command = vouchlog();
    command.args(["witness", "--json", "--listen", "127.0.0.1:0", "--name", "witness.example.com/w"]);
    command.arg("--data").arg(data).args(more);
    command
}

/// A collector with a log of its own.
pub(super) fn collect(data: &Path, more: &[&str]) -> Command {
    let mut command = vouchlog();
    command.args(["collect", "--json", "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"]);
    command.arg("--data").arg(data).args(more);
    command
}

pub(super) fn monitor(state: &Path, log: &Program, more: &[&str]) -> Command {
    let mut command = vouchlog();
    let vkey = log.announced["log_vkey"].as_str().unwrap();
    command.args(["monitor", "--json", "--listen", "127.0.0.1:0", "--interval", "1h", "--log", log.url()]);
    command.args(["--log-vkey", vkey, "--state"]).arg(state).args(more);
    command
}

pub(super) fn mirror(to: &Path, log: &Program) -> Command {
    let mut command = vouchlog();
    let vkey = log.announced["log_vkey"].as_str().unwrap();
    command.args(["mirror", "--json", "--listen", "127.0.0.1:0", "--interval", "1h", "--log", log.url()]);
    command.args(["--log-vkey", vkey, "--evidence", "unused", "--to"]).arg(to);
    command
}

/// Status and body of a request, or what went wrong with it.
pub(super) async fn get(url: &str) -> Result<(u16, String), reqwest::Error> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let answer = client.get(url).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// Posts a body as JSON.
pub(super) async fn post(url: &str, token: &str, body: String) -> (u16, String) {
    try_post(url, token, body).await.unwrap()
}

async fn try_post(url: &str, token: &str, body: String) -> Result<(u16, String), reqwest::Error> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let request = client.post(url).header("content-type", "application/json").bearer_auth(token);
    let answer = request.body(body).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// Appends a statement to the log's house stream, with an opaque digest made of `seed`.
pub(super) async fn add(url: &str, seed: &str) -> (u16, String) {
    try_add(url, seed).await.unwrap()
}

/// The same, of a log that may be gone.
pub(super) async fn try_add(url: &str, seed: &str) -> Result<(u16, String), reqwest::Error> {
    let digest = vouchlog_stream::Digest::of(seed.as_bytes()).to_string();
    let body = serde_json::json!({ "kind": "opaque", "digest": digest }).to_string();
    try_post(&format!("{url}/v1/statements"), "none", body).await
}

/// Whether the log has the statement that [`add`] appends.
pub(super) async fn has(url: &str, seed: &str) -> bool {
    let digest = vouchlog_stream::Digest::of(seed.as_bytes());
    let deadline = Instant::now() + PATIENCE;
    loop {
        match get(&format!("{url}/v1/inclusion?digest={digest}")).await.unwrap() {
            (200, _) => return true,
            // The lookup index follows the log.
            _ if Instant::now() < deadline => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            _ => return false,
        }
    }
}
