//! `vouchlog serve`: runs a log.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use tokio_util::task::AbortOnDropHandle;
use vouchlog::{
    IndexMode, Log, LogBuilder, Offered, VerifyingKey, WitnessUrls, connect_witnesses, keys, keys::KeySource,
};

use super::access::{AccessArgs, OpenAccess};
use super::exposure::TlsArgs;
use super::guarding::GuardArgs;
use super::house::HouseArgs;
use super::objects::ObjectsArgs;
use super::running::{EndArgs, Hangup, reload_on};
use super::strangers::StrangersArgs;
use crate::connections;
use crate::output::{Outcome, Output};
use crate::telemetry::TelemetryArgs;

mod advise;
mod announced;
mod flags;
mod member;
mod opening;
mod settings;
mod several;
mod standby;
mod store;

pub(super) use advise::advise;
pub(crate) use flags::ServeArgs;

use announced::Announcement;
use member::Member;
use settings::{Ports, Settings};
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
                        --continues end.tlog-proof\n  \
                        vouchlog serve --config /etc/vouchlog/logs.toml\n\n\
                        The file of --config has a table for each log, [log.NAME], with the names of the flags above:\n\n  \
                        [log.ai]\n  \
                        origin = \"log.example.com/ai\"\n  \
                        data = \"/var/lib/vouchlog/ai\"\n  \
                        listen = \"0.0.0.0:6962\"\n  \
                        tls-cert = \"chain.pem\"\n  \
                        tls-key = \"key.pem\"\n\n  \
                        [log.billing]\n  \
                        origin = \"log.example.com/billing\"\n  \
                        data = \"/var/lib/vouchlog/billing\"\n  \
                        store = \"postgres://vouchlog@db.example.com/logs\"\n  \
                        listen = \"127.0.0.1:6964\"\n  \
                        gateway = [\"gateway.example.com+...\", \"gateway2.example.com+...\"]")]
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

/// Why a log is served no more.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    /// It was asked to stop, and did. It may have stopped writing for good before, and have served reads since.
    Stopped {
        /// Why it stopped writing.
        poison: Option<String>,
    },
    /// A standby leads it now.
    HandedOver,
    /// It stopped writing for good. Opening it again recovers.
    Poisoned(String),
}

impl Ending {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Stopped { .. } => Outcome::Fine,
            Self::HandedOver | Self::Poisoned(_) => Outcome::Restart,
        }
    }
}

impl Args {
    /// Runs until `shutdown` completes, or writing has stopped for good.
    pub(super) async fn run_until(
        self,
        shutdown: impl Future<Output = ()> + Send,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        let hangup = Hangup::new()?;
        let member = Member::alone();
        let (settings, ports) = Settings::read(&self)?.bind(&self, &member).await?;
        Ok(self.serve(&settings, ports, &member, (shutdown, hangup), output).await?.outcome())
    }

    /// Serves the log at these ports, as a standby first if another process leads it.
    async fn serve(
        &self,
        settings: &Settings,
        ports: Ports,
        member: &Member,
        (shutdown, hangup): (impl Future<Output = ()> + Send, Hangup),
        output: Output,
    ) -> anyhow::Result<Ending> {
        let Ports { listener, address, admin } = ports;
        let Settings { tls, access, config, .. } = settings;
        let mut shutdown = std::pin::pin!(shutdown);
        let front = Front {
            listener: &listener,
            admin: &admin,
            config,
            tls: tls.as_ref(),
            access: &access.access,
            hosts: self.access.hosts(),
            output,
            address: &settings.advertised,
            security: opening::security(settings.transport),
            has_house: self.house.is_on(address),
            policy: settings.policy.clone(),
            member,
        };
        let stores = Stores { postgres: settings.place.as_ref(), objects: settings.objects.as_ref() };
        stores.check().await?;
        // A standby lets callers in, too.
        let _watching = AbortOnDropHandle::new(access.watch());
        let opened = self.open(stores, &front, address, shutdown.as_mut()).await?;
        let Some((log, witness_urls)) = opened else { return Ok(Ending::Stopped { poison: None }) };
        Announcement { args: self, log: &log, settings, address, admin: &admin }.announce(member, output);
        let server = log
            .server(config.clone())
            .offer(self.offered(&log)?)
            .access(access.access.clone())
            .hosts(self.access.hosts())
            .tls(tls.clone());
        let reloader = self.reloader(log.clone(), witness_urls, access.clone());
        let reloading = AbortOnDropHandle::new(reload_on(hangup, tls.clone(), reloader));
        let handover = Handover::default();
        let stopping = handover.or(shutdown, log.handover_requested());
        let (ending, end) = self.end.watch_unit(stopping, log.poison().wait(), member.unit());
        let health = log.clone();
        member.serves(move || health.readiness());
        admin.of(server.share_metrics(member.sharing())).run(listener, ending).await;
        drop(reloading);
        let poison = log.poison().reason().map(|reason| reason.as_ref().to_owned());
        member.close(log, end.is_poisoned()).await;
        if handover.is_done() {
            member.farewell(output, "The log was handed over to a standby.");
            return Ok(Ending::HandedOver);
        }
        member.farewell(output, "The log stopped; everything acknowledged is on disk.");
        Ok(match poison {
            Some(reason) if end.is_poisoned() => Ending::Poisoned(reason),
            poison => Ending::Stopped { poison },
        })
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

    fn builder(&self, member: &Member) -> anyhow::Result<(LogBuilder, Option<WitnessUrls>)> {
        let mut urls = None;
        let mut builder = vouchlog::open(&self.data)
            .registry(member.registry())
            .span(member.span())
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
