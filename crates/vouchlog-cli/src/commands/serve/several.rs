//! `vouchlog serve --config`: several logs in one process.
//!
//! ```text
//! the file ─► file.rs: every table by the parser of flags ─► conflicts.rs: no two logs are in each other's way ─► files, then ports
//!          ─► supervisor.rs: a loop for each log: open, serve, and open again after it failed
//! ```
//!
//! Everything that is wrong with the configuration is reported before a store is opened. From then on the logs are apart: one that fails
//! is opened again by itself, and until then a caretaker answers at its ports.

use std::path::PathBuf;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use vouchlog_server::{Readiness, Registries, Server, ServerConfig};

use super::member::Member;
use super::settings::{Files, Ports, Settings};
use crate::advice::{self, Advice};
use crate::commands::exposure::{Transport, listen_at};
use crate::commands::read_file;
use crate::commands::running::{DrainArgs, Hangup};
use crate::output::{Outcome, Output};
use crate::telemetry::{self, TelemetryArgs};

mod caretaker;
mod conflicts;
mod file;
mod supervisor;

pub(super) use file::OF_PROCESS;

use conflicts::Claims;
use file::{LogTable, MAX_FILE_BYTES, Problem};
use supervisor::LogHost;

/// Flags of a process with several logs.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long, required = true)]
    config: PathBuf,
    #[command(flatten)]
    pub(super) drain: DrainArgs,
    #[arg(long)]
    admin_listen: Option<String>,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
}

impl Args {
    /// Runs the logs until `shutdown` completes.
    pub(super) async fn run_until(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        // From here on the signal ends the process no more; each log listens for it by itself.
        let _hangup = Hangup::new()?;
        self.check_admin_port()?;
        let registries = Registries::default();
        let logs = self.prepare(&registries).await?;
        let admin = self.admin_port().await?;
        let members: Vec<(String, Member)> =
            logs.iter().map(|(log, _)| (log.name.clone(), log.member.clone())).collect();
        let stop = CancellationToken::new();
        // What the logs do is on tasks of their own; these only wait, and need not be sent to another thread.
        let local = LocalSet::new();
        let running: Vec<_> = logs
            .into_iter()
            .map(|(log, ports)| local.spawn_local(log.run(ports, stop.clone(), output)))
            .collect();
        let stopping = stop.clone();
        local.spawn_local(async move {
            shutdown.await;
            stopping.cancel();
        });
        let all = async {
            let mut failed = Vec::new();
            for ((name, _), log) in members.iter().zip(running) {
                // The task holds no lock and catches what the log does; it is not expected to panic.
                if let Some(reason) = log.await.unwrap_or_else(|panic| Some(panic.to_string())) {
                    failed.push(format!("{name}: {reason}"));
                }
            }
            failed
        };
        let operators = self.serve_operators(admin, registries, &members, stop.clone());
        let failed = local
            .run_until(async {
                let (failed, ()) = tokio::join!(all, operators);
                failed
            })
            .await;
        if failed.is_empty() {
            output.farewell("All logs stopped; everything acknowledged is on disk.");
            return Ok(Outcome::Fine);
        }
        tracing::error!(failed = failed.join("; "), "not every log was in order at the end");
        Ok(Outcome::Restart)
    }

    /// Reads the file and what it names, and takes the ports; or reports everything that is wrong. No store is opened.
    async fn prepare(&self, registries: &Registries) -> anyhow::Result<Vec<(LogHost, Ports)>> {
        let text = String::from_utf8(read_file(&self.config, MAX_FILE_BYTES)?).ok();
        let text = text.with_context(|| format!("{} is not UTF-8", self.config.display()))?;
        let mut tables = file::read(&text).map_err(|problems| self.refused(problems))?;
        for table in &mut tables {
            table.args.end.drain = self.drain.clone();
        }
        let of = tables.len();
        let (mut ready, mut problems) = (Vec::new(), Vec::new());
        let (mut claims, mut addresses) = (Vec::new(), Vec::new());
        addresses.extend(self.admin_listen.as_deref().map(conflicts::operators));
        for table in tables {
            match Settings::read(&table.args).and_then(|files| Ok((Claims::of(&table)?, files))) {
                Ok((claim, files)) => {
                    claims.push(claim);
                    ready.push((table, files));
                }
                Err(error) => problems.push(problem(&table, &error)),
            }
        }
        problems.extend(conflicts::find(&claims, &addresses));
        if !problems.is_empty() {
            return Err(self.refused(problems));
        }
        self.bind(ready, (of, registries)).await
    }

    async fn bind(
        &self,
        ready: Vec<(LogTable, Files)>,
        (of, registries): (usize, &Registries),
    ) -> anyhow::Result<Vec<(LogHost, Ports)>> {
        let (mut logs, mut problems) = (Vec::new(), Vec::new());
        for (table, files) in ready {
            let member = Member::one_of(&table.name, of, registries.clone());
            match files.bind(&table.args, &member).await {
                Ok((settings, ports)) => {
                    let LogTable { name, args, .. } = table;
                    logs.push((LogHost { name, args, settings, member }, ports));
                }
                Err(error) => problems.push(problem(&table, &error)),
            }
        }
        if problems.is_empty() { Ok(logs) } else { Err(self.refused(problems)) }
    }

    /// All problems of the file as one error.
    fn refused(&self, mut problems: Vec<Problem>) -> anyhow::Error {
        problems.sort();
        let lines: String =
            problems.iter().map(|Problem { line, what }| format!("\n  line {line}: {what}")).collect();
        Advice::error(
            format!("{}: no log was started{lines}", self.config.display()),
            "the names in a table [log.NAME] are those of the flags in `vouchlog serve --help`",
        )
    }

    async fn admin_port(&self) -> anyhow::Result<Option<TcpListener>> {
        let Some(address) = &self.admin_listen else { return Ok(None) };
        let (listener, _) = listen_at(address, "--admin-listen", Transport::Clear).await?;
        Ok(Some(listener))
    }

    /// Refuses a port for operators that would show what the logs do to the network.
    fn check_admin_port(&self) -> anyhow::Result<()> {
        let Some(address) = &self.admin_listen else { return Ok(()) };
        if !conflicts::operators(address).is_local() {
            return Err(Advice::error(
                format!(
                    "--admin-listen {address} can be reached from other machines, and the port that shows all logs has no TLS"
                ),
                "listen on 127.0.0.1; to be scraped from other machines, give each log an `admin-listen` of its own, with its TLS",
            ));
        }
        Ok(())
    }

    /// Shows operators how all logs are, if they asked for a port.
    async fn serve_operators(
        &self,
        port: Option<TcpListener>,
        registries: Registries,
        members: &[(String, Member)],
        stop: CancellationToken,
    ) {
        let Some(listener) = port else { return };
        let members = members.to_vec();
        let config = ServerConfig { drain_timeout: self.drain.drain, ..ServerConfig::default() };
        let server = Server::operations(config).health(move || readiness(&members)).beside(registries);
        server.share_metrics(telemetry::share).run(listener, stop.cancelled_owned()).await;
    }
}

/// How all logs are: each is a note, and one that is not ready makes the whole unready.
fn readiness(members: &[(String, Member)]) -> Readiness {
    let mut all = Readiness::new();
    let mut unready = Vec::new();
    for (name, member) in members {
        let one = member.readiness();
        let failed = one.checks.iter().filter_map(|check| Some((check.name, check.outcome.as_ref().err()?)));
        let mut reasons: Vec<_> = failed.map(|(check, reason)| format!("{check}: {reason}")).collect();
        reasons.extend(one.stopped.clone());
        let words = if reasons.is_empty() { "ready".to_owned() } else { reasons.join("; ") };
        if !one.is_ready() {
            unready.push(name.as_str());
        }
        all = all.note(name.clone(), words);
    }
    let impediment = (!unready.is_empty()).then(|| format!("not ready: {}", unready.join(", ")));
    all.unless("logs", impediment)
}

fn problem(table: &LogTable, error: &anyhow::Error) -> Problem {
    Problem { line: table.line, what: format!("[log.{}]: {}", table.name, advice::line(error)) }
}
