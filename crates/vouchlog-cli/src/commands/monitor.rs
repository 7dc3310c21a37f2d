//! `vouchlog monitor`: audits a log continuously and reports findings.
//!
//! ```text
//! every interval: audit ──► evidence of all findings, in <state>/…pending/   then the state of the audit is saved
//!                 memory    ──► the new ones: into the evidence folder, and remembered
//!                 tell.rs   ──► webhook, command; then remembered as told
//! ```
//!
//! Each step is on disk before the next begins, so a monitor that is killed tells what it found at its next start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use vouchlog::tls::Tls;
use vouchlog::{Server, unix_millis};
use vouchlog_auditor::monitor::{MonitorError, MonitorMemory, NewFinding};

use super::access::{AccessArgs, OpenAccess};
use super::auditing::{Audit, AuditArgs, Subject};
use super::exposure::{TlsArgs, listen_if_given, reload_tls};
use super::poster::Poster;
use super::running::{DrainArgs, Hangup, shutdown_signal};
use crate::advice::Advice;
use crate::connections::ReachArgs;
use crate::output::{self, Outcome, Output};
use crate::telemetry::{self, TelemetryArgs};

mod shown;
mod tell;
mod watched;

use shown::MonitorPages;
use tell::Tellers;
use watched::{Ended, Watched};

/// Audit a log continuously, and report each finding at once
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog monitor --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --state ./monitor\n  \
                        vouchlog monitor --log https://log.example.com --log-vkey \"$LOG_VKEY\" --policy policy.txt --state ./monitor \\\n    \
                        --webhook https://alerts.example.com/log --exec 'mail -s \"$VOUCHLOG_FINDING\" me@example.com' --listen 127.0.0.1:6964\n\n\
                        Each finding is reported once, also across restarts. SIGHUP reloads --policy and audits at once, SIGTERM stops.\n\n\
                        Exit status: 0 it was stopped, regardless of findings; 2 it could not start."
)]
pub(crate) struct Args {
    #[command(flatten)]
    audit: AuditArgs,
    /// Interval between audits of new entries
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = crate::values::duration,
          env = "VOUCHLOG_INTERVAL")]
    interval: Duration,
    /// POST each new finding to this URL, as JSON
    #[arg(long, value_name = "URL", env = "VOUCHLOG_WEBHOOK", hide_env_values = true)]
    webhook: Option<String>,
    /// Run this command for each new finding, with JSON on standard input, the code in VOUCHLOG_FINDING and the evidence file in VOUCHLOG_EVIDENCE
    #[arg(long, value_name = "COMMAND", env = "VOUCHLOG_EXEC")]
    exec: Option<String>,
    /// Serve /healthz, /readyz, /metrics, and at / a page of findings and audits for browsers, at this address; port 0 picks a free one
    #[arg(long, visible_alias = "admin-listen", value_name = "ADDRESS", env = "VOUCHLOG_MONITOR_LISTEN")]
    listen: Option<String>,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    pub(super) drain: DrainArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
}

/// Everything that outlives one audit.
struct Monitor {
    output: Output,
    args: AuditArgs,
    subject: Subject,
    memory: Arc<Mutex<MonitorMemory>>,
    watched: Arc<Watched>,
    news: mpsc::UnboundedSender<NewFinding>,
    access: OpenAccess,
    tls: Option<Tls>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (stop, hangup) = (stop()?, Hangup::new()?);
        let config = self.drain.config();
        let listener = listen_if_given(self.listen.as_deref(), self.tls.transport()).await?;
        let addresses: Vec<_> = listener.iter().map(|(_, address)| *address).collect();
        let access = self.access.open(&addresses, None)?;
        access.warn("anyone may read its metrics");
        let watching = access.watch();
        let tls = self.tls.open()?;
        let webhook = self
            .webhook
            .as_deref()
            .map(|url| Poster::new("--webhook", url, self.reach.reach()))
            .transpose()?;
        let tellers = Tellers { webhook, exec: self.exec.clone() };
        let (subject, memory) = self.open()?;
        let (watched, registry) = Watched::new(subject.config.log.origin.clone(), self.interval);
        let watched = Arc::new(watched);
        let url = listener.as_ref().map(|(_, address)| self.tls.transport().url(*address));
        self.announce(output, &subject, url.as_deref());
        let memory = Arc::new(Mutex::new(memory));
        let server = match listener {
            Some((listener, _)) => {
                let health = Arc::clone(&watched);
                let shown = Arc::new(MonitorPages::new(&subject, self.interval, (&watched, &memory)));
                let server = Server::operations(config).health(move || health.readiness()).registry(registry);
                let server = server.access(access.access.clone()).hosts(self.access.hosts());
                let server = server.front(move || Arc::clone(&shown).page());
                let server = server.tls(tls.clone()).share_metrics(telemetry::share);
                Some(tokio::spawn(server.run(listener, stopped(stop.clone()))))
            }
            None => {
                telemetry::share(Arc::new(registry));
                None
            }
        };
        let (news, queue) = mpsc::unbounded_channel();
        for unreported in memory.lock().unreported(&subject.config.log) {
            // The receiver is right here.
            let _ = news.send(unreported);
        }
        let teller = tokio::spawn(tell::run(queue, tellers, Arc::clone(&memory), Arc::clone(&watched)));
        let mut monitor = Monitor { output, args: self.audit, subject, memory, watched, news, access, tls };
        monitor.run(self.interval, stop, hangup).await;
        drop(monitor);
        watching.abort();
        finish(teller, server, self.drain.drain).await;
        output.farewell("The monitor stopped; its findings are on disk.");
        Ok(Outcome::Fine)
    }

    fn open(&self) -> anyhow::Result<(Subject, MonitorMemory)> {
        let Some(state) = self.audit.state() else {
            let hint =
                "give --state DIR: each audit then reads only new entries and reports each finding once";
            return Err(Advice::error("a monitor needs a directory for its state", hint));
        };
        let mut subject = self.audit.subject()?;
        let evidence = self.audit.evidence().map_or_else(|| state.join("evidence"), PathBuf::from);
        let memory = MonitorMemory::open(state, &evidence, &subject.config.log.origin).map_err(advise)?;
        subject.evidence = Some(memory.pending().to_owned());
        Ok((subject, memory))
    }

    fn announce(&self, output: Output, subject: &Subject, url: Option<&str>) {
        let (origin, interval) = (&subject.config.log.origin, self.interval);
        let health = url.map_or(String::new(), |url| format!("\n  health and metrics at {url}"));
        let words = format!(
            "Monitoring the log {origin} at {}, every {interval:?}{health}\nStop with Ctrl-C.",
            subject.source
        );
        let answer = json!({
            "origin": origin.as_str(), "log": subject.source, "url": url,
            "log_vkey": subject.config.log.keys.first().map(ToString::to_string),
            "interval_seconds": interval.as_secs_f64(),
        });
        output.announce(&words, &answer);
    }
}

impl Monitor {
    /// Audits until it is stopped.
    async fn run(&mut self, interval: Duration, stop: watch::Receiver<bool>, mut hangup: Hangup) {
        // What an audit left that was not looked at any more.
        if let Err(error) = self.report(false) {
            tracing::error!("earlier findings could not be reported: {error:#}");
        }
        loop {
            let begun = Instant::now();
            let audited = self.subject.audit(|_, _| {}, stopped(stop.clone())).await;
            if *stop.borrow() {
                return;
            }
            self.look_at(audited, begun.elapsed());
            let rest = interval.saturating_sub(begun.elapsed());
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                Some(()) = hangup.received() => self.reload(),
                () = stopped(stop.clone()) => return,
            }
        }
    }

    /// Reads the policy and the access file again, if there are any.
    fn reload(&mut self) {
        reload_tls(self.tls.as_ref());
        if let Err(error) = self.access.reload() {
            tracing::error!("SIGHUP: the callers stay as they were: {error:#}");
        }
        match self.args.identity() {
            Ok(log) => {
                let reloaded =
                    if log.policy.is_some() { "the policy was reloaded" } else { "nothing was reloaded" };
                self.subject.config.log = log;
                tracing::info!("SIGHUP: {reloaded}; auditing at once");
            }
            Err(error) => tracing::error!("SIGHUP: nothing was changed: {error:#}; auditing at once"),
        }
    }

    /// Counts what an audit came to, and reports what is new in it.
    fn look_at(&self, audited: anyhow::Result<Audit>, took: Duration) {
        let audited = audited.and_then(|audit| {
            for copy in &audit.witnesses {
                if let Some(error) = &copy.error {
                    tracing::warn!(
                        witness = copy.witness,
                        url = copy.url,
                        error,
                        "a witness's checkpoint could not be read"
                    );
                }
            }
            let new = self.report(true)?;
            Ok((audit.report, new))
        });
        match audited {
            Ok((report, new)) => {
                let (size, found) =
                    (report.checkpoint.as_ref().map_or(0, |at| at.size), report.findings.len());
                tracing::info!(size, entries = report.checked.entries, found, new, "audited");
                self.watched.ended(&Ended::Audited(&report), took, unix_millis().seconds().get());
            }
            Err(error) => {
                tracing::warn!("the log could not be audited: {error:#}");
                self.watched.ended(&Ended::Failed(format!("{error:#}")), took, unix_millis().seconds().get());
            }
        }
    }

    /// Takes over what an audit found, and has what is new told. How many that were.
    fn report(&self, is_over: bool) -> anyhow::Result<usize> {
        let taken =
            self.memory.lock().take(&self.subject.config.log, is_over, unix_millis().seconds().get())?;
        let count = taken.len();
        for news in taken {
            self.watched.found(news.kind);
            self.say(&news);
            // The teller ends after this does.
            let _ = self.news.send(news);
        }
        Ok(count)
    }

    /// One line of JSON on standard output, or of words on standard error.
    fn say(&self, news: &NewFinding) {
        if !self.output.is_json() {
            output::note(&news.words());
        } else if let Err(error) = self.output.answer("", &news.json()) {
            tracing::error!("a finding could not be printed: {error:#}");
        }
    }
}

/// What to do about a memory that cannot be used.
fn advise(error: MonitorError) -> anyhow::Error {
    let hint = match &error {
        MonitorError::InUse(_) => "stop it, or give this one another --state directory",
        MonitorError::Malformed { .. } => {
            "restore it from a backup, or remove it: then every finding is reported again"
        }
        _ => return error.into(),
    };
    Advice::error(error.to_string(), hint)
}

/// Becomes true at the first SIGTERM or SIGINT.
fn stop() -> anyhow::Result<watch::Receiver<bool>> {
    let signal = shutdown_signal()?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        signal.await;
        // If this fails, no receiver is left.
        let _ = sender.send(true);
    });
    Ok(receiver)
}

/// Completes once the monitor is to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // The task that waits for signals is never cancelled.
        std::future::pending::<()>().await;
    }
}

/// Lets notifications and requests in flight end, within the drain. The rest is sent at the next start.
async fn finish(teller: JoinHandle<()>, server: Option<JoinHandle<()>>, drain: Duration) {
    let abort = teller.abort_handle();
    if tokio::time::timeout(drain, teller).await.is_err() {
        abort.abort();
        tracing::warn!("not every finding was reported: the rest will be at the next start");
    }
    if let Some(server) = server {
        // A panic of it was told by the hook.
        let _ = server.await;
    }
}
