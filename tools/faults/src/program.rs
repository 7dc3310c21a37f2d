//! The program under test as a child process: started, watched, stopped, with a bound on every wait.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a start or a command may take before it counts as hanging: longer than the program itself waits for a database.
const START_PATIENCE: Duration = Duration::from_secs(45);
/// How long a stop may take. A collector takes up to 20 s to close its stream.
const STOP_PATIENCE: Duration = Duration::from_secs(45);

/// The binary under test.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

impl Program {
    /// The binary at `path`.
    pub fn new(path: PathBuf) -> Result<Self> {
        ensure!(
            path.is_file(),
            "there is no program {}: build it, or give its path with --program",
            path.display()
        );
        Ok(Self(path))
    }

    /// The binary that lies beside this one, as `cargo build` leaves them.
    pub fn beside_this() -> Result<Self> {
        let own = std::env::current_exe().context("the path of this program cannot be read")?;
        let folder = own.parent().ok_or_else(|| anyhow!("{} has no folder", own.display()))?;
        Self::new(folder.join("vouchlog"))
    }

    /// A command of the program, free of the caller's settings.
    pub fn command(&self) -> Command {
        self.command_under(&[])
    }

    /// The same, run by another program such as strace.
    pub fn command_under(&self, wrapper: &[String]) -> Command {
        let mut command = match wrapper {
            [] => Command::new(&self.0),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.0);
                command
            }
        };
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VOUCHLOG_"))
        {
            command.env_remove(name);
        }
        // A backtrace would push what the program reports out of the verdict.
        command.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Run> {
        let mut command = self.command();
        command.args(args);
        Run::of(command).await
    }
}

/// A command that ran.
#[derive(Debug)]
pub enum Run {
    /// It ended.
    Ended(Ended),
    /// It did not end in time and was killed.
    Hung,
}

impl Run {
    /// Runs a command to its end.
    pub async fn of(mut command: Command) -> Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().context("the program cannot be started")?;
        let Ok(output) = timeout(START_PATIENCE, child.wait_with_output()).await else {
            return Ok(Self::Hung);
        };
        let output = output?;
        Ok(Self::Ended(Ended {
            status: output.status,
            printed: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }))
    }
}

/// A process that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// Its standard output.
    pub printed: String,
    /// Its standard error.
    pub errors: String,
}

impl Ended {
    /// Whether it panicked or was ended by a signal.
    pub fn is_crash(&self) -> bool {
        self.status.code().is_none_or(|code| code == 101)
    }
}

/// A server that was started.
#[derive(Debug)]
pub enum Started {
    /// It serves.
    Serving(Server),
    /// It ended instead.
    Ended(Ended),
    /// It did neither in time and was killed.
    Hung(String),
}

/// A running `serve` or `collect`; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// What it printed when it began to serve.
    pub announced: Value,
    /// Where it serves.
    pub url: String,
    errors: PathBuf,
}

impl Server {
    /// Starts a command that prints one line of JSON once it serves. Its standard error goes to the file `errors`.
    pub async fn start(mut command: Command, errors: &Path) -> Result<Started> {
        let file = File::create(errors).with_context(|| errors.display().to_string())?;
        command.stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().context("the program cannot be started")?;
        let stdout = child.stdout.take().ok_or_else(|| anyhow!("standard output is not piped"))?;
        let mut lines = BufReader::new(stdout).lines();
        let line = match timeout(START_PATIENCE, lines.next_line()).await {
            Err(_) => {
                child.kill().await?;
                return Ok(Started::Hung(read(errors)));
            }
            Ok(line) => line.ok().flatten(),
        };
        let Some(line) = line else {
            let Ok(status) = timeout(START_PATIENCE, child.wait()).await else {
                child.kill().await?;
                return Ok(Started::Hung(read(errors)));
            };
            return Ok(Started::Ended(Ended {
                status: status?,
                printed: String::new(),
                errors: read(errors),
            }));
        };
        // A full pipe would block the server.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let announced: Value = serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
        let url = announced["url"].as_str().ok_or_else(|| anyhow!("no url in {line}"))?.to_owned();
        Ok(Started::Serving(Self { child, announced, url, errors: errors.to_owned() }))
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it wrote to standard error so far.
    pub fn errors(&self) -> String {
        read(&self.errors)
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// kill -9.
    pub async fn kill(mut self) -> Result<()> {
        // It may have ended by itself.
        let _ = self.child.start_kill();
        self.child.wait().await?;
        Ok(())
    }

    /// SIGTERM. Nothing if it does not end in time; it is killed then.
    pub async fn stop(mut self) -> Result<Option<ExitStatus>> {
        if let Some(pid) = self.pid() {
            // It may have ended by itself.
            let _ =
                Command::new("kill").args(["-TERM", &pid.to_string()]).stderr(Stdio::null()).status().await;
        }
        if let Ok(status) = timeout(STOP_PATIENCE, self.child.wait()).await {
            return Ok(Some(status?));
        }
        self.child.kill().await?;
        Ok(None)
    }

    /// `/readyz`: the status, and the body.
    pub async fn readiness(&self) -> Result<(u16, String)> {
        let answer =
            reqwest::Client::new().get(format!("{}/readyz", self.url)).timeout(START_PATIENCE).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
