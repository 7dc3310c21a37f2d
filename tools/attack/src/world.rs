//! The servers under attack: each started when it is needed, in a folder of its own, on a port of its own.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use tokio::process::Command;
use vouchlog_faults::log::write_keys;
use vouchlog_faults::program::{Program, Run, Server, Started};
use vouchlog_note::SignatureType;
use vouchlog_sequencer::testing::{ORIGIN, key};

use crate::attack::{Settings, Target};
use crate::good::{Good, Places};

mod vault;

/// A server under attack, and its good client.
pub(crate) struct Subject {
    server: Server,
    pub(crate) pid: u32,
    pub(crate) places: Places,
    /// The token of an emitter that attacks, of a collector; of a user, of a vault.
    pub(crate) token: Option<String>,
    /// What it needs, and is not attacked.
    _behind: Option<Server>,
    pub(crate) good: Good,
}

impl Subject {
    /// Starts a server.
    pub(crate) async fn start(settings: &Settings, folder: &Path, target: Target) -> Result<Self> {
        let program = &settings.program;
        let folder = folder.join(target.name());
        std::fs::create_dir_all(&folder)?;
        let mut command = command(program, &folder, target)?;
        let mut behind = None;
        let tokens = match target {
            Target::Collector => Some(admit(program, &folder, &mut command).await?),
            Target::Vault => {
                let (log, tokens) = vault::prepare(settings, &folder, &mut command).await?;
                behind = Some(log);
                Some(tokens)
            }
            Target::Log | Target::Witness | Target::Command => None,
        };
        let server = must_start(command, &folder.join("stderr")).await?;
        let pid = server.pid().ok_or_else(|| anyhow!("the {} has ended", target.name()))?;
        let main = address(&server.url)?;
        let (good, token) = tokens.unzip();
        let places = Places { main, health: health(&server).unwrap_or(main), token: good };
        let good = Good::start(target, places.clone()).await;
        let good = good.with_context(|| format!("the {} takes no good client", target.name()))?;
        Ok(Self { server, pid, places, token, _behind: behind, good })
    }

    /// Whether it runs, and has not panicked.
    pub(crate) fn complaint(&mut self) -> Option<String> {
        let errors = self.server.errors();
        if let Some(status) = self.server.ended() {
            return Some(format!("it ended: {status}: {}", last_lines(&errors)));
        }
        errors.contains("panicked at").then(|| format!("it panicked: {}", last_lines(&errors)))
    }
}

/// The log's vkey: that of the published test key.
pub(crate) fn log_vkey() -> String {
    key(ORIGIN, SignatureType::Ed25519, 1).verifying_key().to_string()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

/// Starts a server that must serve.
pub(crate) async fn must_start(command: Command, errors: &Path) -> Result<Server> {
    match Server::start(command, errors).await? {
        Started::Serving(server) => Ok(server),
        Started::Ended(ended) => bail!("it did not start: {}", ended.errors),
        Started::Hung(errors) => bail!("it neither serves nor ends: {errors}"),
    }
}

fn command(program: &Program, folder: &Path, target: Target) -> Result<Command> {
    let mut command = program.command();
    let data = folder.join("data");
    match target {
        Target::Log => {
            write_keys(&data)?;
            command.args(["serve", "--json", "--origin", ORIGIN, "--listen", "127.0.0.1:0"]);
        }
        Target::Witness => {
            command.args([
                "witness",
                "--json",
                "--name",
                "witness.example.com/w1",
                "--listen",
                "127.0.0.1:0",
            ]);
            // The good client asks more often than a log.
            command.args(["--log-vkey", &log_vkey(), "--max-rate", "0"]);
        }
        Target::Collector => {
            command.args(["collect", "--json", "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"]);
            command.args(["--listen", "127.0.0.1:0", "--settle", "1s", "--idle", "2s"]);
        }
        // The rest is not known before its log runs.
        Target::Vault => return Ok(command),
        Target::Command => bail!("a command is started by its attack"),
    }
    command.args(["--admin-listen", "127.0.0.1:0"]);
    command.arg("--data").arg(data);
    Ok(command)
}

/// Has a collector know two emitters, each by a token: the good client, and the attacker. Each has services and sessions of its own.
async fn admit(program: &Program, folder: &Path, command: &mut Command) -> Result<(String, String)> {
    let mut tokens = Vec::new();
    let mut principals = Vec::new();
    for name in ["good", "evil"] {
        let Run::Ended(made) = program.run(["token", "--json"]).await? else { bail!("no token was made") };
        let made: Value = serde_json::from_str(&made.printed).context(made.errors)?;
        tokens.push(made["token"].as_str().ok_or_else(|| anyhow!("there is no token in {made}"))?.to_owned());
        let emit = json!({ "services": [name], "sessions": [format!("{name}-*")] });
        principals.push(json!({ "name": name, "tokens": [made["entry"]], "emit": emit }));
    }
    let path = folder.join("access.json");
    std::fs::write(&path, json!({ "principals": principals }).to_string())?;
    command.arg("--access").arg(path);
    let [good, evil] = <[String; 2]>::try_from(tokens).map_err(|_| anyhow!("two tokens were made"))?;
    Ok((good, evil))
}

/// The address in a URL without a path.
pub(crate) fn address(url: &str) -> Result<SocketAddr> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    authority.trim_end_matches('/').parse().with_context(|| format!("`{url}` has no address"))
}

/// Where health is served apart from everything else, if the server announced that.
fn health(server: &Server) -> Option<SocketAddr> {
    address(server.announced.get("admin_url")?.as_str()?).ok()
}
