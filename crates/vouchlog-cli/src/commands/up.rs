//! `vouchlog up`: a witness, a log, and a collector with its vault, in one process and from one folder.
//!
//! ```text
//! keys/       log.key, operator.key, gateway.key, witness.key
//! policy.txt  the witness must cosign
//! witness/    log/    collector/    vault/
//! ```
//!
//! They start in the order witness, log, collector and stop in the opposite one, so that the collector can still log what it has
//! open, and the log still ask its witness.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::FromArgMatches;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;
use vouchlog::witness::create_key;
use vouchlog::{SignatureType, SigningKey, keys};

use super::exposure::{TlsArgs, listen};
use super::running::{DrainArgs, shutdown_signal};
use super::{collect, make_folder, serve, witness, write_file};
use crate::advice::Advice;
use crate::output::{Outcome, Output};
use crate::telemetry::TelemetryArgs;

/// How long a service may take until it listens. A log may have much to check.
const START_PATIENCE: Duration = Duration::from_secs(300);
/// How often a service that starts is asked.
const POLL: Duration = Duration::from_millis(50);

/// Run a witness, a log, and a collector with its vault from one folder; keys and policy are made at the first start
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog up\n  vouchlog up --dir /srv/vouchlog --origin log.example.com/ai\n  \
                        vouchlog up --otlp-http 0.0.0.0:4318 --otlp-grpc 0.0.0.0:4317 --tls-cert chain.pem --tls-key key.pem\n\n\
                        TLS is for the two OTLP ports. The services reach the log and the witness in clear, so these listen on loopback:\n\
                        to serve them to others, run `vouchlog serve` and `vouchlog witness`, which take the same flags.\n\n\
                        Then point a gateway's exporter here: OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318\n\n\
                        An operator who runs a log and its only witness can replace both: if others are to trust the evidence,\n\
                        have another party run a witness (`vouchlog witness`), and name it in a policy of your own."
)]
pub(crate) struct Args {
    /// The folder of everything, created if missing
    #[arg(long, value_name = "DIR", default_value = "vouchlog", env = "VOUCHLOG_UP_DIR")]
    dir: PathBuf,
    /// The log's name, a URL without its scheme; set at the first start, then remembered [default: localhost/vouchlog]
    #[arg(long)]
    origin: Option<String>,
    /// Address of the log
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6962", env = "VOUCHLOG_LOG_LISTEN")]
    listen: SocketAddr,
    /// Address of the witness
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6963", env = "VOUCHLOG_WITNESS_LISTEN")]
    witness_listen: SocketAddr,
    /// Address for OTLP over gRPC
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4317", env = "VOUCHLOG_OTLP_GRPC")]
    otlp_grpc: SocketAddr,
    /// Address for OTLP over HTTP and all other endpoints of the collector
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4318", env = "VOUCHLOG_OTLP_HTTP")]
    otlp_http: SocketAddr,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    pub(super) drain: DrainArgs,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
}

/// The keys of a folder.
struct Keys {
    log: SigningKey,
    gateway: SigningKey,
    witness: SigningKey,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let shutdown = shutdown_signal()?;
        for address in [self.listen, self.witness_listen, self.otlp_grpc, self.otlp_http] {
            anyhow::ensure!(address.port() != 0, "give the port of each service: {address}");
        }
        self.check_inner()?;
        // Before anything is made; and so that no other program is taken for one of the services.
        for (address, transport) in [
            (self.listen, self.tls.clear.transport()),
            (self.witness_listen, self.tls.clear.transport()),
            (self.otlp_grpc, self.tls.transport()),
            (self.otlp_http, self.tls.transport()),
        ] {
            drop(listen(&address.to_string(), transport).await?);
        }
        let keys = self.keys()?;
        let policy = format!(
            "witness local {} {}\nquorum local\n",
            keys.witness.verifying_key(),
            url(self.witness_listen)
        );
        write_file(&self.path("policy.txt"), policy.as_bytes())?;

        let (mut witness, mut log, mut collector) =
            (self.witness(&keys)?, self.log(&keys)?, self.collector(&keys)?);
        // Settings of TLS in the environment are for the collector, too.
        witness.tls = self.tls.cleared();
        log.tls = self.tls.cleared();
        collector.tls = self.tls.clone();
        let quiet = output.quiet();
        // What they do is on tasks of their own; these three only wait, and need not be sent to another thread.
        let local = LocalSet::new();
        let mut services = Services::default();
        let interrupted = services.shutdown.clone();
        local.spawn_local(async move {
            shutdown.await;
            interrupted.cancel();
        });
        local
            .run_until(async move {
                services.add("witness", |stop| witness.run_until(stop, quiet));
                services.listens(self.witness_listen).await?;
                services.add("log", |stop| log.run_until(stop, quiet));
                services.listens(self.listen).await?;
                services.add("collector", |stop| collector.run_until(stop, quiet));
                services.listens(self.otlp_http).await?;
                if !services.shutdown.is_cancelled() {
                    self.announce(output, &keys);
                }
                let outcome = services.finish().await?;
                output.farewell("Everything stopped; what was acknowledged is on disk.");
                Ok(outcome)
            })
            .await
    }

    fn announce(&self, output: Output, keys: &Keys) {
        let (log_vkey, policy, vault) =
            (keys.log.verifying_key(), self.path("policy.txt"), self.path("vault"));
        let collector = |address| self.tls.transport().url(reach(address));
        let (otlp, grpc, log, witness) = (
            collector(self.otlp_http),
            collector(self.otlp_grpc),
            url(self.listen),
            url(self.witness_listen),
        );
        let words = format!(
            "Collecting at {otlp} (OTLP over HTTP) and {grpc} (gRPC)\n  \
               log       {log}\n  \
               log vkey  {log_vkey}\n  \
               witness   {witness}\n  \
               policy    {}\n  \
               vault     {}\n\
             Stop with Ctrl-C.",
            policy.display(),
            vault.display(),
        );
        let answer = json!({
            "url": otlp, "grpc": grpc, "log": log, "log_vkey": log_vkey.to_string(), "witness": witness,
            "witness_vkey": keys.witness.verifying_key().to_string(),
            "gateway_vkey": keys.gateway.verifying_key().to_string(), "policy": policy, "vault": vault,
        });
        output.announce(&words, &answer);
    }

    /// The services reach the log and the witness in clear, so these stay on this machine.
    fn check_inner(&self) -> anyhow::Result<()> {
        if self.tls.clear.insecure_listen {
            return Ok(());
        }
        for (flag, address) in [("--listen", self.listen), ("--witness-listen", self.witness_listen)] {
            if !address.ip().to_canonical().is_loopback() {
                return Err(Advice::error(
                    format!(
                        "{flag} {address} can be reached from other machines, and TLS of `vouchlog up` is for the collector's ports alone"
                    ),
                    "listen on 127.0.0.1, and run `vouchlog serve` and `vouchlog witness` with --tls-cert to serve others; behind a TLS proxy, give --insecure-listen",
                ));
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The keys; made, all of them, in a folder that has no data yet. One that was lost later is not made again: it is not the
    /// key that signed what is there.
    fn keys(&self) -> anyhow::Result<Keys> {
        make_folder(&self.dir)?;
        let file = |name: &str| self.path("keys").join(name);
        let has_data = ["witness", "log", "collector"].iter().any(|part| self.path(part).exists());
        if !has_data {
            make_folder(&self.path("keys"))?;
            let origin = self.origin.as_deref().unwrap_or("localhost/vouchlog");
            let make = |name: &str, of: &str| keys::load_or_create(&file(name), of);
            make("log.key", origin)?;
            make("operator.key", &format!("{origin}/operator"))?;
            make("gateway.key", &format!("{origin}/collector"))?;
            if !file("witness.key").exists() {
                create_key(
                    &file("witness.key"),
                    &format!("{origin}/witness"),
                    SignatureType::CosignatureEd25519,
                )?;
            }
        }
        let load = |name: &str| {
            keys::load(&file(name)).map_err(|error| {
                Advice::error(
                    error.to_string(),
                    "restore the key from its backup, or begin with another --dir",
                )
            })
        };
        let keys =
            Keys { log: load("log.key")?, gateway: load("gateway.key")?, witness: load("witness.key")? };
        let name = keys.log.verifying_key().name().as_str();
        match &self.origin {
            Some(origin) if origin != name => Err(Advice::error(
                format!("{} is the folder of the log {name}", self.dir.display()),
                "leave --origin out, or give another --dir",
            )),
            _ => Ok(keys),
        }
    }

    /// What all services are given alike.
    fn common(&self, flags: Flags) -> Flags {
        let flags = flags.text("--drain", format!("{}ms", self.drain.drain.as_millis()));
        if self.tls.clear.insecure_listen { flags.flag("--insecure-listen") } else { flags }
    }

    fn witness(&self, keys: &Keys) -> anyhow::Result<witness::Args> {
        let name = keys.witness.verifying_key().name().to_string();
        let flags = Flags::default()
            .path("--data", &self.path("witness"))
            .path("--key", &self.path("keys/witness.key"))
            .text("--name", name)
            .text("--log-vkey", keys.log.verifying_key().to_string())
            .text("--listen", self.witness_listen.to_string());
        self.common(flags).read()
    }

    fn log(&self, keys: &Keys) -> anyhow::Result<serve::Args> {
        let flags = Flags::default()
            .path("--data", &self.path("log"))
            .path("--key", &self.path("keys/log.key"))
            .path("--operator-key", &self.path("keys/operator.key"))
            .path("--policy", &self.path("policy.txt"))
            .text("--origin", keys.log.verifying_key().name().to_string())
            .text("--gateway", keys.gateway.verifying_key().to_string())
            .text("--listen", self.listen.to_string());
        self.common(flags).read()
    }

    fn collector(&self, keys: &Keys) -> anyhow::Result<collect::Args> {
        let flags = Flags::default()
            .path("--data", &self.path("collector"))
            .path("--vault", &self.path("vault"))
            .path("--gateway-key", &self.path("keys/gateway.key"))
            .text("--log", url(self.listen))
            .text("--log-vkey", keys.log.verifying_key().to_string())
            .text("--otlp-grpc", self.otlp_grpc.to_string())
            .text("--otlp-http", self.otlp_http.to_string());
        self.common(flags).read()
    }
}

/// Where this machine reaches a service that listens at an address.
fn reach(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn url(address: SocketAddr) -> String {
    format!("http://{}", reach(address))
}

/// The flags of a command, as its user would give them.
#[derive(Default)]
struct Flags(Vec<std::ffi::OsString>);

impl Flags {
    fn text(mut self, flag: &str, value: String) -> Self {
        self.0.extend([flag.into(), value.into()]);
        self
    }

    fn flag(mut self, flag: &str) -> Self {
        self.0.push(flag.into());
        self
    }

    fn path(mut self, flag: &str, value: &Path) -> Self {
        self.0.extend([flag.into(), value.into()]);
        self
    }

    fn read<A: clap::Args + FromArgMatches>(self) -> anyhow::Result<A> {
        // One environment is that of all services, and a port is that of one.
        let of_one = |arg: clap::Arg| match arg.get_id() == "admin_listen" {
            true => arg.env(clap::builder::Resettable::Reset),
            false => arg,
        };
        let command = A::augment_args(clap::Command::new("up").no_binary_name(true)).mut_args(of_one);
        Ok(A::from_arg_matches(&command.try_get_matches_from(self.0)?)?)
    }
}

/// What runs, in the order in which it was started.
#[derive(Default)]
struct Services {
    running: JoinSet<Ended>,
    stops: Vec<(&'static str, oneshot::Sender<()>)>,
    /// Cancelled when all are to stop, also while the first of them still starts.
    shutdown: CancellationToken,
}

impl Services {
    /// Starts one, unless all are to stop; `run` gets a future that completes when it is to stop.
    fn add<R>(&mut self, name: &'static str, run: impl FnOnce(Stop) -> R)
    where
        R: Future<Output = anyhow::Result<Outcome>> + 'static,
    {
        if self.shutdown.is_cancelled() {
            return;
        }
        let (stop, stopped) = oneshot::channel();
        let running = run(Box::pin(async move {
            // Asked to stop, or the other end is gone.
            let _ = stopped.await;
        }));
        self.running.spawn_local(async move { (name, running.await) });
        self.stops.push((name, stop));
    }

    /// Waits until the newest one listens, or all are to stop. If it ends instead, or any other, all stop.
    async fn listens(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let name = self.stops.last().map_or("", |(name, _)| *name);
        let listening = async {
            while TcpStream::connect(reach(address)).await.is_err() {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::select! {
            () = self.shutdown.cancelled() => Ok(()),
            listening = tokio::time::timeout(START_PATIENCE, listening) => {
                listening.with_context(|| format!("the {name} does not listen on {address}"))
            }
            Some(ended) = self.running.join_next() => {
                let (name, outcome) = self.ended(ended)?;
                self.stop().await;
                outcome.with_context(|| format!("the {name}"))?;
                anyhow::bail!("the {name} ended");
            }
        }
    }

    /// Waits until all are to stop or one of them ends, then stops all.
    async fn finish(&mut self) -> anyhow::Result<Outcome> {
        let first = tokio::select! {
            () = self.shutdown.cancelled() => None,
            Some(ended) = self.running.join_next() => Some(self.ended(ended)?),
        };
        self.stop().await;
        match first {
            None => Ok(Outcome::Fine),
            Some((name, outcome)) => outcome.with_context(|| format!("the {name}")),
        }
    }

    /// Notes that one has ended, and what came of it.
    fn ended(&mut self, ended: Result<Ended, JoinError>) -> anyhow::Result<Ended> {
        let (name, outcome) = ended.context("a service panicked")?;
        self.stops.retain(|(running, _)| *running != name);
        Ok((name, outcome))
    }

    /// Stops all services, the newest first. Each has ended before the next is asked to stop.
    async fn stop(&mut self) {
        while let Some((name, stop)) = self.stops.pop() {
            // One that is ending by itself hears nothing.
            let _ = stop.send(());
            loop {
                let Some(ended) = self.running.join_next().await else { return };
                match self.ended(ended) {
                    Ok((ended, outcome)) => {
                        if let Err(error) = outcome {
                            tracing::error!("the {ended}: {error:#}");
                        }
                        if ended == name {
                            break;
                        }
                    }
                    Err(error) => tracing::error!("{error:#}"),
                }
            }
        }
    }
}

/// The name of a service, and what came of it.
type Ended = (&'static str, anyhow::Result<Outcome>);

/// Completes when a service is to stop.
type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
