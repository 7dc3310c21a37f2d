//! Telling findings to others: a webhook, a command. Neither can keep the monitor from auditing.

use std::io::{self, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use parking_lot::Mutex;
use reqwest::{Client, StatusCode, Url, header, redirect};
use tokio::sync::mpsc;
use vouchlog_auditor::monitor::{MonitorMemory, NewFinding};
use vouchlog_outbound::{Reach, parse};
use vouchlog_runtime::Backoff;

use super::watched::{Told, Watched};
use crate::advice::Advice;
use crate::connections;

/// How long a webhook may take to answer.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts at a webhook after the first failed; then the finding is given up.
const RETRIES: u32 = 4;
/// The waits before the first and the last retry.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const MAX_WAIT: Duration = Duration::from_secs(16);
/// How long a command may run.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Who is notified.
#[derive(Clone, Debug)]
pub(super) struct Tellers {
    pub(super) webhook: Option<Webhook>,
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
        let told = webhook.post(&news.json().to_string()).await;
        if let Err(error) = &told {
            tracing::error!(finding = %news.kind, error, "the webhook call failed for good");
        }
        watched.told(Told::Webhook, told.is_ok());
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
        watched.told(Told::Exec, ended.is_ok_and(|status| status.success()));
    }
}

/// Where findings are sent. Its URL may hold a secret, so it is never shown.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    client: Client,
    url: Url,
}

impl Webhook {
    /// Nothing is sent to an address that is out of reach.
    pub(super) fn new(url: &str, reach: Reach) -> anyhow::Result<Self> {
        let parsed = parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = parsed.ok_or_else(|| {
            Advice::error(
                "--webhook is not a URL",
                "use an http:// or https:// URL, as given by the receiver",
            )
        })?;
        let security = connections::security();
        security.check(&url).context("--webhook")?;
        // A redirect turns a POST into a GET, which delivers nothing.
        let client = Client::builder().timeout(WEBHOOK_TIMEOUT).redirect(redirect::Policy::none());
        let client = client.user_agent(concat!("vouchlog/", env!("CARGO_PKG_VERSION")));
        let client = reach.limit(security.apply(client)?, &url).map_err(|error| {
            Advice::error(
                format!("--webhook: {error}"),
                "use a public address, or allow others with --allow-private-addresses",
            )
        })?;
        Ok(Self { client: client.build().context("the HTTP client could not be created")?, url })
    }

    /// Sends a finding, again after a while if it was not taken.
    async fn post(&self, json: &str) -> Result<(), String> {
        let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
        loop {
            let Err((error, may_pass)) = self.attempt(json).await else { return Ok(()) };
            if !may_pass || backoff.failures() == RETRIES {
                return Err(error);
            }
            tracing::warn!(error, "the webhook call failed; retrying");
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// What went wrong, and whether it may go better later.
    async fn attempt(&self, json: &str) -> Result<(), (String, bool)> {
        let request = self.client.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json");
        let answer = request.body(json.to_owned()).send().await;
        let status = answer.map_err(|error| (chain(&error.without_url()), true))?.status();
        if status.is_success() {
            return Ok(());
        }
        let passes = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        Err((format!("it returned {status}"), status.is_server_error() || passes))
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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

    #[test]
    fn a_webhook_is_an_http_url_and_is_not_repeated_in_errors() {
        let webhook = |url| Webhook::new(url, Reach::Public);
        assert!(webhook("https://alerts.example.com/x?token=secret").is_ok());
        assert!(webhook("http://127.0.0.1:9/x?token=secret").is_ok(), "this machine");
        for wrong in [
            "alerts.example.com/secret",
            "ftp://alerts.example.com/secret",
            "secret",
            "http://alerts.example.com/secret",
            "https://10.0.0.1/secret",
            "https://[::ffff:169.254.169.254]/secret",
        ] {
            let error = format!("{:#}", webhook(wrong).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(Webhook::new("https://10.0.0.1/secret", Reach::Anywhere).is_ok());
    }

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
