//! `vouchlog serve`: runs a log.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::json;
use vouchlog::{
    EngineError, GuardError, IndexMode, Log, LogBuilder, Offered, OpenError, StoreError, TreeSize,
    VerifyingKey, WitnessState, WitnessUrls, connect_witnesses, keys, keys::KeySource,
};

use super::access::{AccessArgs, OpenAccess};
use super::exposure::{TlsArgs, listen};
use super::guarding::GuardArgs;
use super::house::HouseArgs;
use super::objects::ObjectsArgs;
use super::running::{EndArgs, Hangup, reload_on};
use super::strangers::StrangersArgs;
use crate::advice::Advice;
use crate::connections;
use crate::output::{Outcome, Output};
use crate::telemetry::{self, TelemetryArgs};

mod opening;
mod standby;
mod store;

use standby::Front;
use store::{Handover, StoreArgs, Stores};

/// Run a log: gRPC and HTTP on one port
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog serve --data ./log\n  \
                        vouchlog serve --data /var/lib/vouchlog --origin log.example.com/ai \\\n    \
                        --operator-vkey \"$OPERATOR_VKEY\"\n  \
                        vouchlog serve --data /var/lib/vouchlog --listen 0.0.0.0:443 \\\n    \
                        --tls-cert chain.pem --tls-key key.pem --admin-listen 127.0.0.1:6972\n  \
                        vouchlog serve --data ./node-1 --store postgres://vouchlog@db.example.com/logs --create\n  \
                        vouchlog serve --data ./next --origin log.example.com/2027 --key next.key \\\n    \
                        --continues end.tlog-proof")]
pub(crate) struct Args {
    /// The data directory, created with its keys if missing
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_LOG_DATA")]
    data: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    /// The log's name, a URL without its scheme; remembered [default: vouchlog.localhost/<random>]
    #[arg(long, env = "VOUCHLOG_ORIGIN")]
    origin: Option<String>,
    /// Listening address; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6962", env = "VOUCHLOG_LOG_LISTEN")]
    listen: String,
    /// The log's key: a key file, or another place and the vkey (see `vouchlog keygen --help`) [default: log.key in the data directory]
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_LOG_KEY")]
    key: Option<KeySource>,
    /// For a new log: the log it continues, which was retired and names this one: the proof of its end, its URL, or a directory of its tiles
    #[arg(long, value_name = "FILE|URL|DIR", env = "VOUCHLOG_CONTINUES")]
    continues: Option<String>,
    #[command(flatten)]
    operator: super::operator::OperatorKeyArgs,
    /// A second key file to sign checkpoints with: ML-DSA-44, named like the log
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_LOG_ML_DSA_KEY")]
    ml_dsa_key: Option<PathBuf>,
    /// The witnesses, their URLs and the quorum (C2SP tlog-policy); /checkpoint then serves the newest checkpoint with a quorum. SIGHUP reloads the URLs. The file is public: the log's pages offer it to their readers
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
    /// Minimum interval between requests to a witness
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = crate::values::duration,
          requires = "policy", env = "VOUCHLOG_WITNESS_INTERVAL")]
    witness_interval: Duration,
    #[command(flatten)]
    guard: GuardArgs,
    /// Enrol this gateway if it is not enrolled; may be repeated
    #[arg(long = "gateway", value_name = "VKEY", env = "VOUCHLOG_GATEWAYS", value_delimiter = ' ')]
    gateways: Vec<VerifyingKey>,
    /// Let any gateway open streams, for trials
    #[arg(long, env = "VOUCHLOG_OPEN_ENROLMENT", value_parser = clap::builder::FalseyValueParser::new())]
    open_enrolment: bool,
    /// Whether entries can be found by digest, leaf hash, or stream and sequence
    #[arg(long, value_enum, default_value = "on", env = "VOUCHLOG_INDEX")]
    index: Index,
    #[command(flatten)]
    objects: ObjectsArgs,
    /// How long an active stream may go without a head in the log
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::values::duration,
          env = "VOUCHLOG_STREAM_HEAD_INTERVAL")]
    stream_head_interval: Duration,
    #[command(flatten)]
    house: HouseArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    pub(super) end: EndArgs,
    #[command(flatten)]
    strangers: StrangersArgs,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    #[command(flatten)]
    scrub: super::scrub::ScrubArgs,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Index {
    /// They can
    On,
    /// By index only. A log that has evicted ended streams then opens no streams
    Off,
    /// They can, after the lookup index is rebuilt
    Rebuild,
}

impl Args {
    /// Runs until `shutdown` completes, or writing has stopped for good.
    pub(super) async fn run_until(
        self,
        shutdown: impl Future<Output = ()> + Send,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        let hangup = Hangup::new()?;
        let objects = self.objects.open()?;
        let config = self.strangers.config(&self.end.drain);
        let transport = self.tls.transport();
        let (listener, address) = listen(&self.listen, transport).await?;
        let tls = self.tls.open()?;
        let access = self.access.open(&[address], None)?;
        self.house.check(access.access.is_on())?;
        access.warn(if self.house.is_on(address) {
            "anyone may append to the house stream"
        } else {
            "anyone may read the log"
        });
        let admin = self.strangers.admin_port(transport).await?;
        let mut shutdown = std::pin::pin!(shutdown);
        let advertised = self.store.advertised(transport, address)?;
        let place = self.store.place(&advertised)?;
        let front = Front {
            listener: &listener,
            admin: &admin,
            config: &config,
            tls: tls.as_ref(),
            access: &access.access,
            hosts: self.access.hosts(),
            output,
            address: &advertised,
            security: opening::security(transport),
            has_house: self.house.is_on(address),
            policy: self.policy.as_deref().map(super::policy_text).transpose()?,
        };
        let stores = Stores { postgres: place.as_ref(), objects: objects.as_ref() };
        stores.check().await?;
        // A standby lets callers in, too.
        let watching = access.watch();
        let opened = self.open(stores, &front, address, shutdown.as_mut()).await?;
        let Some((log, witness_urls)) = opened else { return Ok(Outcome::Fine) };
        let operator_key = self.operator.place(&self.data);
        let url = transport.url(address);
        let (origin, vkey, operators) = (log.origin(), log.vkey(), log.operators());
        let operator = operators.key();
        let since = match operators.terms().next_back().map_or(0, |term| term.since.get()) {
            0 => String::new(),
            since => format!(" (since entry {since})"),
        };
        let size = log.sequenced().size();
        let house = match log.retired() {
            Some(_) => "off: the log is read only",
            None => self.house.words(address),
        };
        let witnesses: String =
            log.witnesses().iter().map(|w| format!("  witness        {} {w}\n", w.name)).collect();
        let retired =
            log.retired().map_or_else(String::new, |retired| format!("  READ ONLY      {retired}\n"));
        let sealed = self.objects.line();
        let words = format!(
            "The log {origin} is served at {url}\n  \
               log vkey       {vkey}\n  \
               operator vkey  {operator}{since}\n  \
               operator key   {operator_key}\n  \
               entries        {size}\n  \
               house stream   {house}\n  \
               authentication {}\n\
             {sealed}{retired}{witnesses}{}\
             Give the log vkey to everyone who is to verify. Stop with Ctrl-C.",
            access.words(),
            admin.line()
        );
        let answer = json!({
            "house": self.house.is_on(address),
            "origin": origin.as_str(), "log_vkey": vkey.to_string(), "operator_vkey": operator.to_string(),
            "operator_key": operator_key.to_string(), "objects": self.objects.url(),
            "url": url, "admin_url": admin.url(), "size": size.get(), "authentication": access.access.is_on(),
            "retired": log.retired(), "witnesses": log.witnesses().iter().map(witness_json).collect::<Vec<_>>(),
        });
        output.announce(&words, &answer);
        let server = log
            .server(config)
            .offer(self.offered(&log)?)
            .access(access.access.clone())
            .hosts(self.access.hosts())
            .tls(tls.clone());
        let reloading = reload_on(hangup, tls, self.reloader(log.clone(), witness_urls, access));
        let handover = Handover::default();
        let stopping = handover.or(shutdown, log.handover_requested());
        let (ending, end) = self.end.watch(stopping, log.poison().wait());
        admin.of(server.share_metrics(telemetry::share)).run(listener, ending).await;
        reloading.abort();
        watching.abort();
        log.stop().await;
        if handover.is_done() {
            output.farewell("The log was handed over to a standby.");
            return Ok(Outcome::Restart);
        }
        output.farewell("The log stopped; everything acknowledged is on disk.");
        Ok(end.outcome())
    }

    /// What the log's pages take from it until their reader confirms it: its key, and the policy as it was at the start.
    fn offered(&self, log: &Log) -> anyhow::Result<Offered> {
        let policy = self.policy.as_deref().map(super::policy_text).transpose()?;
        Ok(Offered { log_vkey: Some(log.vkey().to_string()), policy })
    }

    /// Trusts the clock as it is, and reads --policy and --access again.
    fn reloader(
        &self,
        log: Log,
        witness_urls: Option<WitnessUrls>,
        access: OpenAccess,
    ) -> impl FnMut() -> anyhow::Result<String> + Send + 'static {
        let mut reloaded = self.policy.clone().zip(witness_urls);
        move || {
            log.confirm_clock();
            let callers = access.reload().context("the callers stay as they were")?;
            let mut done: Vec<String> =
                callers.map(|file| format!("{file} was reloaded")).into_iter().collect();
            if let Some((file, urls)) = &mut reloaded {
                let replaced = super::policy(file).and_then(|policy| Ok(urls.replace(policy)?));
                replaced.with_context(|| format!("{}: the old policy stays in force", file.display()))?;
                done.push("the witnesses' URLs were reloaded".to_owned());
            }
            if done.is_empty() {
                return Ok("the current clock is trusted; nothing was reloaded: neither --policy nor --access was given".to_owned());
            }
            Ok(format!("the current clock is trusted; {}", done.join("; ")))
        }
    }

    fn builder(&self) -> anyhow::Result<(LogBuilder, Option<WitnessUrls>)> {
        let mut urls = None;
        let mut builder = vouchlog::open(&self.data)
            .open_enrolment(self.open_enrolment)
            .stream_head_interval(self.stream_head_interval)
            .scrub(self.scrub.options(self.objects.url().is_some())?)
            .index(match self.index {
                Index::On => IndexMode::On,
                Index::Off => IndexMode::Off,
                Index::Rebuild => IndexMode::Rebuild,
            });
        if let Some(origin) = &self.origin {
            builder = builder.origin(origin);
        }
        if let Some(key) = &self.key {
            builder = builder.log_key(key.open()?);
        }
        builder = self.operator.choose(builder, &self.data)?;
        if let Some(file) = &self.ml_dsa_key {
            builder = builder.ml_dsa_key(keys::load(file)?);
        }
        if let Some(file) = &self.policy {
            let options = connections::to_witnesses();
            let mut witnesses = connect_witnesses(super::policy(file)?, &options)?;
            witnesses.interval = self.witness_interval;
            self.guard.apply(&mut witnesses)?;
            urls = Some(WitnessUrls::of(&mut witnesses, options));
            builder = builder.witnesses(witnesses);
        }
        Ok((self.gateways.iter().fold(builder, |builder, gateway| builder.gateway(gateway.clone())), urls))
    }
}

fn witness_json(witness: &WitnessState) -> serde_json::Value {
    json!({
        "name": witness.name, "size": witness.size.map(TreeSize::get), "timestamp": witness.timestamp,
        "trouble": witness.trouble,
    })
}

/// What to do about a log that does not open.
pub(super) fn advise(error: &OpenError) -> anyhow::Error {
    let hint = match error {
        OpenError::Store(StoreError::InUse) => {
            "stop the other process, or give this log another --data directory"
        }
        OpenError::Store(StoreError::ForeignObjects(_)) => {
            "check --objects, and --data or --store: `vouchlog store check --objects URL` shows which log the object store holds"
        }
        OpenError::Store(StoreError::Foreign(_)) => {
            "give another --data directory, or omit --origin to serve the existing log; with --store, see `vouchlog store check`, and --create for a new log"
        }
        OpenError::Store(StoreError::Moved(_)) => {
            "serve it there. This store must not sign again: gateways and witnesses would see two histories"
        }
        OpenError::Store(StoreError::Arriving(_)) => {
            "run `vouchlog store copy` again with the same arguments: it goes on where it stopped"
        }
        OpenError::Store(StoreError::Leased(_))
        | OpenError::Engine(EngineError::Store(StoreError::Leased(_))) => {
            "start this node again: it waits as a standby"
        }
        OpenError::Store(StoreError::ObjectStore(_))
        | OpenError::Engine(EngineError::Store(StoreError::ObjectStore(_))) => {
            "`vouchlog store check --objects URL` shows what the object store refuses; credentials are taken from the environment"
        }
        OpenError::Store(_) | OpenError::Engine(EngineError::Store(_)) => {
            "check the disk, then the store with `vouchlog fsck`"
        }
        OpenError::NoLogKey(_) => "restore log.key from its backup, or give its path with --key",
        OpenError::LogKey { .. } | OpenError::Engine(EngineError::LogKey(_) | EngineError::Key(_)) => {
            "--key (or log.key) must be the key the log was created with, named like its origin"
        }
        OpenError::Engine(EngineError::Guard(GuardError::Claimed { .. })) => {
            "serve the newest data directory. If this is the newest and the witnesses are wrong, name one with --disregard-witness"
        }
        OpenError::Engine(EngineError::Guard(_)) => {
            "serve the newest data directory. If it is lost, this log's key must not sign again: start a log with another origin"
        }
        OpenError::Engine(EngineError::Predecessor(_)) => {
            "give --continues the proof of the end of the log that names this log's key as its successor; a log that began without a predecessor cannot get one later"
        }
        OpenError::Engine(EngineError::OperatorKey { .. }) | OpenError::NoOperatorKey => {
            "give the operator's key with --operator-key, or enrol with `vouchlog enrol`"
        }
        OpenError::NoOrigin(_) => {
            "give the log's name with --origin; its key, of `vouchlog keygen --kind log`, has the same name"
        }
        OpenError::Origin { .. } | OpenError::KeyName { .. } => {
            "an origin is a URL without its scheme, such as log.example.com/ai"
        }
        OpenError::KeyFile(_) => "check the key file and its permissions; a lost key cannot be recreated",
        _ => "run again with --trace debug for details",
    };
    let problem = error.to_string();
    Advice::error(problem, hint)
}
