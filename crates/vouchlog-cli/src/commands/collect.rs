//! `vouchlog collect`: takes a gateway's telemetry in and makes it provable.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use vouchlog::custody::Custodian;
use vouchlog::keys::KeySource;
use vouchlog::{AckLevel, VerifyingKey, unix_millis};
use vouchlog_client::GatewayError;
use vouchlog_collector::limits::MAX_BODY_BYTES;
use vouchlog_collector::receiver::{self, ReceiverConfig};
use vouchlog_collector::{
    Collector, CollectorConfig, Forward, ForwardLimits, ForwardTarget, Mode, OpenError, Settings, assemble,
};
use vouchlog_record::Profile;
use vouchlog_server::{Readiness, Server, ServerConfig};
use vouchlog_vault::{ObjectMetrics, VaultKeySource};

use super::access::{AccessArgs, OpenAccess};
use super::contents::ContentArgs;
use super::custody::VaultArgs;
use super::exposure::{TlsArgs, listen};
use super::reserve::ReserveArgs;
use super::running::{EndArgs, Hangup, reload_on};
use super::strangers::{AdminPort, StrangersArgs};
use crate::advice::Advice;
use crate::connections::{self, ReachArgs};
use crate::output::{self, Outcome, Output};
use crate::telemetry::{self, TelemetryArgs};

mod custody;
mod log;
mod secrets;

use custody::{Custody, Opening};

/// How long it may take, after the drain, to record what is open and to close the stream.
const CLOSING: Duration = Duration::from_secs(20);
/// The same when writing has stopped for good: nothing more will be recorded, and the next start waits.
const CLOSING_POISONED: Duration = Duration::from_secs(2);

/// Collect OpenTelemetry from AI gateways, keep a record of every interaction, and log its digest
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog collect --data ./collector\n  \
                        vouchlog collect --data /var/lib/vouchlog --log https://log.example.com --log-vkey \"$LOG_VKEY\" \\\n    \
                        --gateway-key gateway.key --forward https://otel.example.com\n\n\
                        Without --log, it runs a log of its own in the same process, for trials.\n\
                        Then point the gateway's exporter here: OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 (or 4317 for gRPC).\n\
                        `vouchlog doctor` reports what its evidence lacks; docs/gateways has a page for each gateway.\n\
                        An export is acknowledged once it is on disk. Ctrl-C records what is open, closes the stream and stops.")]
pub(crate) struct Args {
    /// The collector's data directory, created if missing; each collector needs its own
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_COLLECT_DATA")]
    data: PathBuf,
    /// Address for OTLP over gRPC; port 0 picks a free one. Each address accepts both protocols
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4317", env = "VOUCHLOG_OTLP_GRPC")]
    otlp_grpc: String,
    /// Address for OTLP over HTTP and all other endpoints
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4318", env = "VOUCHLOG_OTLP_HTTP")]
    otlp_http: String,
    #[command(flatten)]
    log: log::LogArgs,
    /// The enrolled gateway key whose stream takes the records: a key file, or another place and the vkey (see `vouchlog keygen --help`)
    /// [default: gateway.key in the data directory, created if missing]
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_GATEWAY_KEY")]
    gateway_key: Option<KeySource>,
    /// Acknowledge records only after the log's witnesses have cosigned them, or after the log's time limit for that; at the end, wait for the
    /// last cosignatures
    #[arg(long, requires = "url", env = "VOUCHLOG_WITNESSED", value_parser = clap::builder::FalseyValueParser::new())]
    witnessed: bool,
    #[command(flatten)]
    vault: VaultOptions,
    #[command(flatten)]
    words: Words,
    /// Require this bearer token: a file that holds it. Its bearer may send everything but credential events, which take --access
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_BEARER_TOKEN")]
    bearer_token: Option<PathBuf>,
    #[command(flatten)]
    access: AccessArgs,
    /// Forward all telemetry, unchanged, to another OpenTelemetry collector (OTLP over HTTP)
    #[arg(long, value_name = "URL", env = "VOUCHLOG_FORWARD")]
    forward: Option<String>,
    /// Headers for that collector, such as an API key: a file with `Name: value` lines
    #[arg(long, value_name = "FILE", requires = "forward", env = "VOUCHLOG_FORWARD_HEADERS")]
    forward_headers: Option<PathBuf>,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    pub(super) end: EndArgs,
    #[command(flatten)]
    strangers: StrangersArgs,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
}

/// The vault, and the caller's token.
#[derive(clap::Args)]
struct VaultOptions {
    /// The vault: a directory, or the URL of a PostgreSQL database [default: vault in the data directory]
    #[arg(long, value_name = "DIR|URL", env = "VOUCHLOG_VAULT")]
    vault: Option<String>,
    /// The vault's key: file:PATH, env:NAME, credential:NAME, command:COMMAND, or the key that wraps it: pkcs11:URI, aws-kms:KEY or gcp-kms:NAME, and perhaps the FILE it is in (see `vouchlog vault --help`) [default: file:<vault>/vault.key]
    #[arg(long, value_name = "SOURCE", env = "VOUCHLOG_VAULT_KEY")]
    vault_key: Option<VaultKeySource>,
    #[command(flatten)]
    objects: ContentArgs,
    /// A file with the token of one of the vault's principals; not needed if it has none
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_VAULT_TOKEN")]
    vault_token: Option<PathBuf>,
    /// The tenant, if the vault keeps records of several
    #[arg(long, value_name = "NAME", default_value = "default", env = "VOUCHLOG_TENANT")]
    tenant: String,
}

/// Settings; each is recorded in heartbeats.
#[derive(clap::Args)]
struct Words {
    /// What to do when recording fails: fail_closed (confirm intents only with the log's receipt), spool (queue on disk, then push back) or fail_open (accept traffic, drop records and declare the loss)
    #[arg(long, default_value = "spool", env = "VOUCHLOG_MODE")]
    mode: Mode,
    /// Disk space for input that is not recorded yet
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = crate::values::size, env = "VOUCHLOG_DISK_BUDGET")]
    disk_budget: u64,
    #[command(flatten)]
    reserve: ReserveArgs,
    /// A trace with all its spans is complete after this long without input
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = crate::values::duration, env = "VOUCHLOG_SETTLE")]
    settle: Duration,
    /// Any other trace is complete after this long without input
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = crate::values::duration, env = "VOUCHLOG_IDLE")]
    idle: Duration,
    /// A session is over, and is sealed, after this long without input
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = crate::values::duration, env = "VOUCHLOG_SESSION_IDLE")]
    session_idle: Duration,
    /// An intent without an outcome is recorded as such after this long
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = crate::values::duration, env = "VOUCHLOG_INTENT_TIMEOUT")]
    intent_timeout: Duration,
    /// Interval between the collector's heartbeats
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::values::duration, env = "VOUCHLOG_HEARTBEAT")]
    heartbeat: Duration,
    /// Declare that every source sends all its spans (OTEL_TRACES_SAMPLER=always_on); telemetry itself cannot show it
    #[arg(long, env = "VOUCHLOG_UNSAMPLED", value_parser = clap::builder::FalseyValueParser::new())]
    unsampled: bool,
    /// How much evidence records need: low-risk, regulated or privileged [default: privileged]
    #[arg(long, value_name = "PROFILE", value_parser = profile, env = "VOUCHLOG_PROFILE")]
    profile: Option<Profile>,
}

impl Args {
    /// Runs until `shutdown` completes, or writing has stopped for good.
    pub(super) async fn run_until(
        self,
        shutdown: impl Future<Output = ()> + Send,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        let hangup = Hangup::new()?;
        let config = self.strangers.config(&self.end.drain);
        // The ports first: a port in use is reported before anything is created.
        let transport = self.tls.transport();
        let (grpc, grpc_address) = listen(&self.otlp_grpc, transport).await?;
        let (http, http_address) = listen(&self.otlp_http, transport).await?;
        let tls = self.tls.open()?;
        let access = self.access.open(&[grpc_address, http_address], self.bearer_token.as_deref())?;
        access.warn("anyone may send telemetry that becomes evidence");
        let admin = self.strangers.admin_port(transport).await?;
        secrets::make_dir(&self.data)?;
        let gateway = secrets::gateway_key(self.gateway_key.as_ref(), &self.data)?;
        let vkey = gateway.verifying_key().clone();
        let log = self.log.open(&self.data, &vkey, config.clone(), self.tls.clear).await?;
        if self.witnessed {
            log.check_witnesses().await?;
        }
        let attempt = self.opening(&log).begin().await?;
        let objects = self.vault.objects.metrics().clone();
        let files = Files { access, hosts: self.access.hosts(), forward: self.forward()?, objects };
        let collector = self.collector(files.forward.clone()).await?;
        let custody = Custody::default();
        let connecting = custody.connect(attempt, &collector);

        let urls = [http_address, grpc_address].map(|address| transport.url(address));
        self.announce(output, urls, &vkey, &log, (&files.access, &admin));
        let watching = files.access.watch();
        let reloading = reload_on(hangup, tls.clone(), self.reloader(files.clone()));
        let (ending, end) = self.end.watch(shutdown, poisoned(&collector, &custody, &log));
        let server = server(&collector, &custody, &log, files.clone(), config);
        admin.of(server.tls(tls)).run_on(vec![grpc, http], ending).await;

        // What they hold of the custodian goes with them.
        for task in [reloading, watching, connecting] {
            task.abort();
            let _ = task.await;
        }
        let patience = if end.is_poisoned() { CLOSING_POISONED } else { CLOSING };
        let is_closed = close(collector, custody, files.forward, patience, self.witnessed).await;
        log.stop().await;
        if is_closed {
            output.farewell("Everything is recorded, and the stream is closed.");
        } else {
            output::warn("not everything is in the log yet: the rest is on disk, and the next start resumes");
        }
        Ok(end.outcome())
    }

    fn announce(
        &self,
        output: Output,
        [http, grpc]: [String; 2],
        vkey: &VerifyingKey,
        log: &log::OpenLog,
        (access, admin): (&OpenAccess, &AdminPort),
    ) {
        let (url, log_vkey) = (log.url(), log.vkey());
        let words = format!(
            "Collecting at {http} (OTLP over HTTP) and {grpc} (gRPC)\n  \
               gateway vkey   {vkey}\n  \
               log            {url}\n  \
               log vkey       {log_vkey}\n  \
               vault          {}\n  \
               authentication {}\n\
             {}{}Stop with Ctrl-C.",
            self.vault_place(),
            access.words(),
            admin.line(),
            log.advice(),
        );
        let answer = json!({
            "url": http, "grpc": grpc, "admin_url": admin.url(),
            "gateway_vkey": vkey.to_string(), "log": url, "log_vkey": log_vkey.to_string(), "vault": self.vault_place(),
            "authentication": access.access.is_on(),
        });
        output.announce(&words, &answer);
    }

    fn opening(&self, log: &log::OpenLog) -> Opening {
        let VaultOptions { vault_key, vault_token, tenant, objects, .. } = &self.vault;
        let vault =
            VaultArgs::new(self.vault_place(), vault_key.clone(), vault_token.clone(), tenant.clone());
        Opening {
            vault: vault.objects(objects.clone()),
            gateway_key: self.gateway_key.clone(),
            data: self.data.clone(),
            url: log.url().to_owned(),
            log: log.vkey().clone(),
            min_free: self.words.reserve.min_free,
            wait_for: if self.witnessed { AckLevel::Witnessed } else { AckLevel::Sequenced },
        }
    }

    /// Reads the files again that requests are let in by, and that are sent along with what is passed on. All of them or none.
    fn reloader(&self, files: Files) -> impl FnMut() -> anyhow::Result<String> + Send + 'static {
        let headers_file = self.forward_headers.clone();
        move || {
            let headers = headers_file.as_deref().map(secrets::headers).transpose()?;
            let mut reloaded: Vec<&str> = files.access.reload()?.into_iter().collect();
            if let (Some(headers), Some(forward)) = (headers, &files.forward) {
                forward.set_headers(headers);
                reloaded.push("the headers for the other collector");
            }
            if reloaded.is_empty() {
                return Ok(
                    "nothing was reloaded: neither --access, --bearer-token nor --forward-headers was given"
                        .into(),
                );
            }
            Ok(format!("{} reloaded", reloaded.join(" and ")))
        }
    }

    fn forward(&self) -> anyhow::Result<Option<Forward>> {
        let Some(url) = &self.forward else { return Ok(None) };
        let headers = self.forward_headers.as_deref().map(secrets::headers).transpose()?.unwrap_or_default();
        let (security, reach) = (connections::security(), self.reach.reach());
        let target = ForwardTarget { url: url.clone(), headers, security, reach };
        Ok(Some(Forward::start(target, ForwardLimits::default()).context("--forward")?))
    }

    async fn collector(&self, forward: Option<Forward>) -> anyhow::Result<Collector> {
        let config = CollectorConfig {
            dir: self.data.clone(),
            secret: secrets::secret(&self.data)?,
            forward,
            settings: self.words.settings(),
            clock: now,
            randomness: secrets::random_id,
        };
        Collector::open(config).await.map_err(|error| advise(&error, &self.data))
    }

    fn vault_place(&self) -> String {
        let in_data = || self.data.join("vault").display().to_string();
        self.vault.vault.clone().unwrap_or_else(in_data)
    }
}

impl Words {
    fn settings(&self) -> Settings {
        let long = |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Settings {
            mode: self.mode,
            disk_budget: self.disk_budget,
            min_free_bytes: self.reserve.min_free,
            assemble: assemble::Config {
                settle: long(self.settle),
                idle: long(self.idle.max(self.settle)),
                ..assemble::Config::default()
            },
            session_idle: long(self.session_idle),
            intent_timeout: long(self.intent_timeout),
            heartbeat: long(self.heartbeat),
            unsampled: self.unsampled,
            profile: self.profile,
        }
    }
}

/// What was read from files at start and can be read again.
#[derive(Clone)]
struct Files {
    access: OpenAccess,
    hosts: Vec<String>,
    forward: Option<Forward>,
    objects: ObjectMetrics,
}

/// What the server's shares of connections are parts of. A connection has a sixteenth of what is free: at first twice the longest body.
const BODY_SHARES_BYTES: usize = 2 * 16 * MAX_BODY_BYTES;

fn server(
    collector: &Collector,
    custody: &Custody,
    log: &log::OpenLog,
    Files { access, hosts, forward, objects }: Files,
    config: ServerConfig,
) -> Server {
    let mut registry = prometheus_client::registry::Registry::default();
    objects.register(&mut registry);
    collector.register(&mut registry);
    let access = access.access;
    let receiver = ReceiverConfig { access: access.clone(), forward, ..ReceiverConfig::default() };
    // The receiver bounds the memory of bodies. The server's shares come before that, and one has to take the longest body.
    let config = ServerConfig { body_bytes: BODY_SHARES_BYTES, ..config };
    let routes = receiver::routes(collector.clone(), receiver, &mut registry);
    let (recording, custody, log) = (collector.clone(), custody.clone(), log.here().cloned());
    let readiness = move || {
        let gateway = custody.get().map(|custodian| custodian.gateway().status()).unwrap_or_default();
        let unusable = gateway.stopped.filter(GatewayError::is_local).map(|error| error.to_string());
        let log = log.as_ref().and_then(|log| log.poison().reason()).map(|reason| reason.to_string());
        let (unlogged, oldest) = match recording.kept_not_logged() {
            Ok(oldest) => (Ok(()), oldest),
            Err(oldest) => (Err(oldest), None),
        };
        let mut readiness = Readiness::new()
            .check("recording", recording.readiness())
            .check("kept, not logged", unlogged)
            .check("spool", custody.get().map_or(Ok(()), |custodian| custodian.gateway().readiness()))
            .stopped(recording.poison().or(unusable).or(log));
        // Not being able to reach the log is no reason to send telemetry elsewhere: it waits.
        if let Some(trouble) = gateway.trouble {
            readiness = readiness.note("log", trouble);
        }
        match oldest {
            Some(oldest) => readiness.note("oldest kept, not logged", oldest),
            None => readiness,
        }
    };
    let server = Server::routes(routes.http, routes.grpc, config).health(readiness).registry(registry);
    server.access(access).hosts(hosts).share_metrics(telemetry::share)
}

/// Waits until something that writes has stopped for good: the pipeline, the gateway's spool, or the log in this process.
fn poisoned(
    collector: &Collector,
    custody: &Custody,
    log: &log::OpenLog,
) -> impl Future<Output = String> + Send + use<> {
    let (recording, gateway, log) = (collector.poisoned(), custody.clone().poisoned(), log.poisoned());
    async move {
        tokio::select! {
            reason = recording => format!("recording stopped: {reason}"),
            reason = gateway => format!("the gateway stopped: {reason}"),
            reason = log => format!("the log in this process: {reason}"),
        }
    }
}

/// Has everything recorded, passed on and logged, as far as `patience` goes, then closes the stream. Whether all of it is in the
/// log.
async fn close(
    collector: Collector,
    custody: Custody,
    forward: Option<Forward>,
    patience: Duration,
    is_witnessed: bool,
) -> bool {
    let deadline = Instant::now() + patience;
    let rest = || deadline.saturating_duration_since(Instant::now());
    let is_done = collector.close(rest()).await;
    drop(collector);
    if let Some(forward) = forward
        && !forward.close(rest()).await
    {
        output::warn("not everything could be forwarded to the other collector");
    }
    let is_closed = match custody.get() {
        Some(custodian) if is_done => {
            matches!(tokio::time::timeout(rest(), close_stream(custodian)).await, Ok(Ok(())))
        }
        _ => false,
    };
    if let Some(custodian) = custody.get().filter(|_| is_closed && is_witnessed) {
        let renewer = custodian.renewer();
        if !matches!(tokio::time::timeout(rest(), renewer.settle()).await, Ok(Ok(()))) {
            let waiting = output::count(renewer.waiting() as u64, "receipt has", "receipts have");
            output::warn(&format!(
                "{waiting} no cosignature yet: the witnesses did not cosign in time. The next start, or `vouchlog session` with --log and --policy, renews them"
            ));
        }
    }
    custody.stop().await;
    is_closed
}

/// Closes the gateway's stream, once the log has everything.
async fn close_stream(custodian: &Custodian) -> anyhow::Result<()> {
    custodian.recorder().flush().await?;
    // With these, presentations can be made without the log; without, they fetch them.
    if let Err(error) = custodian.keep_stream_proofs().await {
        tracing::debug!(%error, "the stream's proofs will be fetched when needed");
    }
    custodian.gateway().close().await?;
    Ok(())
}

fn profile(name: &str) -> Result<Profile, String> {
    let json = serde_json::Value::from(name.replace('-', "_"));
    serde_json::from_value(json).map_err(|_| "use low-risk, regulated or privileged".to_owned())
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(unix_millis().signed()).unwrap_or(Timestamp::MAX)
}

fn advise(error: &OpenError, data: &Path) -> anyhow::Error {
    let hint = if error.is_in_use() {
        "stop the other process, or give this collector another --data directory"
    } else if error.is_damage() {
        "restore the disk; to continue without the pending entries of the journal, move journal/ and FORMAT away, and keep them"
    } else {
        "check the disk and who may write to it"
    };
    Advice::error(format!("{}: {error}", data.display()), hint)
}
