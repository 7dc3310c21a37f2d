//! Telling findings to others: a webhook, a command. Neither can keep the monitor from auditing.

use std::io::{self, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use vouchlog_auditor::monitor::{MonitorMemory, NewFinding};

use super::watched::{Recipient, Watched};
use crate::commands::poster::Poster;

/// How long a command may run.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Who is notified.
#[derive(Clone, Debug)]
pub(super) struct Tellers {
    pub(super) webhook: Option<Poster>,
    pub(super) exec: Option<String>,
}

/// Tells findings, one after the other, until no more can come.
pub(super) async fn run(
    mut queue: mpsc::UnboundedReceiver<NewFinding>,
    tellers: Tellers,
    memory: Arc<Mutex<MonitorMemory>>,
    watched: Arc<Watched>,
) {
    while let Some(news) = queue.recv().await {
        tokio::join!(tellers.post(&news, &watched), tellers.run(&news, &watched));
        if let Err(error) = memory.lock().reported(&news.identity) {
            tracing::error!("a reported finding could not be marked as reported: {error:#}");
        }
    }
}

impl Tellers {
    async fn post(&self, news: &NewFinding, watched: &Watched) {
        let Some(webhook) = &self.webhook else { return };
        let told = webhook.post("application/json", &news.json().to_string()).await;
        if let Err(error) = &told {
            tracing::error!(finding = %news.kind, error, "the webhook call failed for good");
        }
        watched.told(Recipient::Webhook, told.is_ok());
    }

    async fn run(&self, news: &NewFinding, watched: &Watched) {
        let Some(command) = self.exec.clone() else { return };
        let told = news.clone();
        let ended = tokio::task::spawn_blocking(move || execute(&command, &told)).await;
        // It does not panic, and nothing cancels it.
        let ended = ended.unwrap_or_else(|error| Err(io::Error::other(error)));
        let finding = news.kind;
        match &ended {
            Ok(status) if status.success() => tracing::info!(%finding, %status, "the command ended"),
            Ok(status) => tracing::error!(%finding, %status, "the command failed"),
            Err(error) => tracing::error!(%finding, %error, "the command failed"),
        }
        watched.told(Recipient::Exec, ended.is_ok_and(|status| status.success()));
    }
}

/// Runs the command in a shell and waits for its end, within bounds. What it prints goes to standard error.
fn execute(command: &str, news: &NewFinding) -> io::Result<ExitStatus> {
    let mut shell = shell(command);
    shell.env("VOUCHLOG_FINDING", news.kind.code()).env("VOUCHLOG_EVIDENCE", &news.path);
    let mut child = shell.stdin(Stdio::piped()).stdout(io::stderr()).spawn()?;
    let stdin = child.stdin.take();
    let json = format!("{}\n", news.json());
    // A thread of its own, for a command need not read; it ends with the command at the latest.
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(json.as_bytes())));
    wait(&mut child, COMMAND_TIMEOUT)
}

fn wait(child: &mut Child, patience: Duration) -> io::Result<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begun.elapsed() >= patience {
            child.kill()?;
            child.wait()?;
            let message = format!("it took longer than {patience:?} and was killed");
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        thread::sleep(LOOK);
    }
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_command_that_does_not_end_is_killed() {
        let mut child = shell("exec sleep 600").spawn().unwrap();
        let error = wait(&mut child, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(child.try_wait().unwrap().is_some(), "it is gone");
        let mut child = shell("exit 3").spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::from_secs(60)).unwrap().code(), Some(3));
    }
}
