//! What an attack is: one hostile input or flood, against one part of the program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use tokio::time::Instant;
use vouchlog_faults::program::Program;

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The binary under test.
    pub program: Program,
    /// Classes, or parts of attacks' names; all if empty.
    pub only: Vec<String>,
    /// How long an attack lasts.
    pub lasts: Duration,
    /// The short form: smaller numbers, each input once, latencies not judged.
    pub is_short: bool,
}

/// What is attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `vouchlog serve`.
    Log,
    /// `vouchlog witness`.
    Witness,
    /// `vouchlog collect` with an access file.
    Collector,
    /// `vouchlog vault serve`, with a log behind it.
    Vault,
    /// A command that reads a hostile server or file; the attack starts it.
    Command,
}

impl Target {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Witness => "witness",
            Self::Collector => "collector",
            Self::Vault => "vault",
            Self::Command => "command",
        }
    }
}

/// What an attack is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// The server under attack; for a command, where nothing listens.
    pub to: SocketAddr,
    /// The attacker's token, if the server demands one: of an emitter gone bad, with services and sessions of its own, or of a user of one
    /// tenant of a vault.
    pub token: Option<String>,
    /// The log's vkey.
    pub vkey: String,
    /// How long a flood or a hold lasts.
    pub lasts: Duration,
    /// Whether this is the short form, with smaller numbers.
    pub is_short: bool,
    /// The program, for attacks on commands.
    pub program: Program,
    /// A folder for files.
    pub folder: PathBuf,
}

impl Context {
    /// The number for this form.
    pub(crate) fn scale(&self, long: usize, short: usize) -> usize {
        if self.is_short { short } else { long }
    }

    /// When a flood or a hold that begins now ends.
    pub(crate) fn end(&self) -> Instant {
        Instant::now() + self.lasts
    }
}

/// What an attack saw of the program under attack.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Requests, frames or connections that were sent.
    pub sent: u64,
    /// What was wrong with the program's behaviour; nothing if all was as it must be.
    pub complaint: Option<String>,
    /// The most resident memory of a command, in bytes, which no server's figures show.
    pub peak: Option<u64>,
}

impl Observation {
    /// So many were sent, and nothing was wrong.
    pub(crate) fn sent(sent: impl TryInto<u64>) -> Self {
        Self { sent: sent.try_into().unwrap_or(u64::MAX), ..Self::default() }
    }

    /// The same, with a complaint if there is one.
    pub(crate) fn with(self, complaint: Option<String>) -> Self {
        Self { complaint: self.complaint.or(complaint), ..self }
    }
}

type Run = Arc<dyn Fn(Context) -> BoxFuture<'static, Result<Observation>> + Send + Sync>;

/// How often an attack is carried out while the good client is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// Once; it lasts as long as [`Context::lasts`] by itself.
    Lasting,
    /// Beside others of its class: again and again in the long form, once in the short one.
    Repeated,
    /// The same, and never beside others: it takes a server's memory. In the long form, beside itself.
    Alone,
}

/// One attack.
#[derive(Clone)]
pub struct Attack {
    /// Its class, for `--only`.
    pub class: &'static str,
    /// Its name, of which there is one.
    pub name: String,
    /// What it attacks.
    pub target: Target,
    /// How often it is carried out.
    pub pace: Pace,
    /// What a server may have in memory during it, in bytes, in place of the bound on growth.
    pub max_resident: Option<u64>,
    run: Run,
}

impl Attack {
    pub(crate) fn lasting<F, R>(class: &'static str, name: impl Into<String>, target: Target, run: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Observation>> + Send + 'static,
    {
        Self::of(class, (name.into(), target, Pace::Lasting), run)
    }

    pub(crate) fn repeated<F, R>(class: &'static str, name: impl Into<String>, target: Target, run: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Observation>> + Send + 'static,
    {
        Self::of(class, (name.into(), target, Pace::Repeated), run)
    }

    pub(crate) fn alone<F, R>(class: &'static str, name: impl Into<String>, target: Target, run: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Observation>> + Send + 'static,
    {
        Self::of(class, (name.into(), target, Pace::Alone), run)
    }

    /// Whether the two may be carried out side by side.
    pub(crate) fn goes_with(&self, other: &Self) -> bool {
        let kind = |it: &Self| (it.class, it.target, it.pace);
        self.pace == Pace::Repeated && kind(self) == kind(other)
    }

    fn of<F, R>(class: &'static str, (name, target, pace): (String, Target, Pace), run: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Observation>> + Send + 'static,
    {
        let run: Run = Arc::new(move |context| Box::pin(run(context)));
        Self { class, name, target, pace, max_resident: None, run }
    }

    /// The same, judged by what the server has in memory, and not by how much that grew.
    pub(crate) fn within(self, max_resident: u64) -> Self {
        Self { max_resident: Some(max_resident), ..self }
    }

    /// Carries it out once.
    pub async fn run(&self, context: Context) -> Result<Observation> {
        (self.run)(context).await
    }
}
