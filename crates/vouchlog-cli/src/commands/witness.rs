//! `vouchlog witness`: runs a witness.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;
use vouchlog::keys::KeySource;
use vouchlog::witness::{
    ACCEPT_LOST_STATE, KnownLog, Logs, Rate, Witness, WitnessOpenError, WitnessStateError, witness,
};
use vouchlog::{Origin, StoreError, VerifyingKey};
use vouchlog_note::LogList;
use vouchlog_note::limits::MAX_LOG_LIST_BYTES;

use super::access::{AccessArgs, OpenAccess};
use super::exposure::{TlsArgs, listen};
use super::running::{EndArgs, Hangup, reload_on};
use super::strangers::{AdminPort, StrangersArgs};
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};
use crate::telemetry::{self, TelemetryArgs};

mod front;

/// Requests a day of a log given by its vkey: ten a second. A log asks about once a second while it grows.
const DEFAULT_MAX_RATE: u32 = 864_000;

/// Run a witness: it cosigns the checkpoints of logs as long as each extends the last one (C2SP tlog-witness)
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog witness --data ./witness --name witness.example.com/w1 --log-vkey \"$LOG_VKEY\"\n  \
                        vouchlog witness --data ./witness --log-list logs.txt\n  \
                        vouchlog witness --data ./node-1 --name witness.example.com/w1 --log-list logs.txt \\\n    \
                        --store postgres://witness@db.example.com/witness\n\n\
                        SIGHUP reads the list again."
)]
pub(crate) struct Args {
    /// The data directory, created with its key if missing
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_WITNESS_DATA")]
    data: PathBuf,
    /// Keep what was cosigned in this PostgreSQL database; --data then holds the keys alone. Several processes with one key may share it: copy
    /// the key file and its .state file to each. Beyond this machine TLS is verified; the password may come from PGPASSWORD or a .pgpass file
    #[arg(long, value_name = "URL", env = "VOUCHLOG_WITNESS_STORE")]
    store: Option<String>,
    /// The witness's name, a URL without its scheme; required at the first start, then remembered
    #[arg(long, env = "VOUCHLOG_WITNESS_NAME")]
    name: Option<String>,
    /// Listening address; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6963", env = "VOUCHLOG_WITNESS_LISTEN")]
    listen: String,
    /// The witness's key file, which may name another place for the secret (see `vouchlog keygen --help`) [default: witness.key in the data
    /// directory]
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_WITNESS_KEY")]
    key: Option<KeySource>,
    /// The key file that --key replaces (see `vouchlog rotate-witness`): the witness cosigns with both keys until the policies of the logs
    /// list the new one
    #[arg(long, value_name = "FILE", requires = "key", env = "VOUCHLOG_WITNESS_ALSO")]
    also: Option<PathBuf>,
    /// A second key file to cosign with: ML-DSA-44, of the same name [default: witness-ml-dsa.key in the data directory, if
    /// there is one]
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_WITNESS_ML_DSA_KEY")]
    ml_dsa_key: Option<PathBuf>,
    /// Create an ML-DSA-44 key in the data directory if there is none
    #[arg(long, conflicts_with = "ml_dsa_key", env = "VOUCHLOG_WITNESS_ML_DSA", value_parser = clap::builder::FalseyValueParser::new())]
    ml_dsa: bool,
    /// Cosign for the log with this key, which has the log's name; may be repeated, also for one log
    #[arg(long = "log-vkey", value_name = "VKEY", env = "VOUCHLOG_WITNESS_LOGS", value_delimiter = ' ')]
    logs: Vec<VerifyingKey>,
    /// Also cosign for the logs of this list (witness-network.org, logs/v0); may be repeated. SIGHUP reloads it, which adds logs and changes none
    #[arg(long = "log-list", value_name = "FILE", env = "VOUCHLOG_WITNESS_LOG_LISTS", value_delimiter = ' ')]
    log_lists: Vec<PathBuf>,
    /// Maximum requests a day from one log, overriding its list; 0 for no limit [default: the list's value, 864000 for --log-vkey]
    #[arg(long, value_name = "NUMBER", env = "VOUCHLOG_WITNESS_MAX_RATE")]
    max_rate: Option<u32>,
    /// Cosign with a key whose store or .state file was lost. Takes exact words, which the refusal to start states
    #[arg(long, value_name = "WORDS")]
    accept_lost_state: Option<String>,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    pub(super) end: EndArgs,
    #[command(flatten)]
    strangers: StrangersArgs,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
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
        let transport = self.tls.transport();
        let (listener, address) = listen(&self.listen, transport).await?;
        let tls = self.tls.open()?;
        let access = self.access.open(&[address], None)?;
        let admin = self.strangers.admin_port(transport).await?;
        let witness = self.open()?;
        let lists = Lists { files: self.log_lists.clone(), ceiling: self.ceiling() };
        let mut logs = self.logs()?;
        for (file, list) in lists.read()? {
            lists.add(&mut logs, &file, &list, witness.vkeys());
        }
        witness.set_logs(logs).map_err(|error| {
            Advice::error(error.to_string(), "give the vkeys of logs with --log-vkey, not the witness's own")
        })?;
        announce(output, &witness, &transport.url(address), (&access, &admin));
        let watching = access.watch();
        let shown = witness.clone();
        let server = witness
            .server(config)
            .access(access.access.clone())
            .hosts(self.access.hosts())
            .tls(tls.clone())
            .front(move || front::page(shown.clone()));
        let reloaded = witness.clone();
        let reloading = reload_on(hangup, tls, move || {
            let callers = access.reload()?.map_or(String::new(), |reloaded| format!("; {reloaded} reloaded"));
            Ok(format!("{}{callers}", lists.reload(&reloaded)?))
        });
        let (ending, end) = self.end.watch(shutdown, witness.poison().wait());
        admin.of(server.share_metrics(telemetry::share)).run(listener, ending).await;
        reloading.abort();
        watching.abort();
        witness.stop().await;
        output.farewell("The witness stopped; everything it cosigned is on disk.");
        Ok(end.outcome())
    }

    fn open(&self) -> anyhow::Result<Witness> {
        let accept = match self.accept_lost_state.as_deref() {
            None => false,
            Some(ACCEPT_LOST_STATE) => true,
            Some(_) => {
                let hint = format!("the words must be: {ACCEPT_LOST_STATE}");
                return Err(Advice::error("--accept-lost-state takes only the required words", hint));
            }
        };
        let mut builder = witness(&self.data).ml_dsa(self.ml_dsa).accept_lost_state(accept);
        if let Some(name) = &self.name {
            builder = builder.name(name);
        }
        if let Some(key) = &self.key {
            builder = builder.key(key.path().ok_or_else(|| {
                Advice::error(
                    "a witness's key needs a key file: beside it is kept what the key has cosigned with",
                    format!("make one with `vouchlog keygen --kind witness --name NAME --at PLACE --out witness.key`, and give that: {key}"),
                )
            })?);
        }
        if let Some(file) = &self.also {
            builder = builder.also(file);
        }
        if let Some(file) = &self.ml_dsa_key {
            builder = builder.ml_dsa_key(file);
        }
        if let Some(url) = &self.store {
            builder = builder.postgres(super::store::place(url)?);
        }
        builder.open().map_err(|error| advise(&error))
    }

    /// The rate of every log at most.
    fn ceiling(&self) -> Rate {
        self.max_rate.and_then(NonZeroU32::new).map_or(Rate::UNLIMITED, Rate::per_day)
    }

    /// The logs given by their vkeys; keys of one name are of one log.
    fn logs(&self) -> anyhow::Result<Logs> {
        let rate = match self.max_rate {
            Some(_) => self.ceiling(),
            None => Rate::per_day(NonZeroU32::new(DEFAULT_MAX_RATE).expect("it must not be zero")),
        };
        let mut keys: BTreeMap<&str, Vec<VerifyingKey>> = BTreeMap::new();
        for key in &self.logs {
            keys.entry(key.name().as_str()).or_default().push(key.clone());
        }
        let mut logs = Logs::new();
        for (name, keys) in keys {
            let log = Origin::new(name).map_err(anyhow::Error::from);
            let added = log.and_then(|origin| Ok(logs.add(KnownLog::new(origin, keys, rate)?)?));
            added
                .with_context(|| Advice::new(format!("--log-vkey {name}"), "give each vkey of a log once"))?;
        }
        Ok(logs)
    }
}

fn announce(output: Output, witness: &Witness, url: &str, (access, admin): (&OpenAccess, &AdminPort)) {
    let (name, logs) = (witness.name(), witness.logs());
    let vkeys: Vec<String> = witness.vkeys().iter().map(ToString::to_string).collect();
    let lines: String = vkeys.iter().map(|vkey| format!("  vkey  {vkey}\n")).collect();
    let count = output::count(logs.len() as u64, "log", "logs");
    let words = format!(
        "The witness {name} is served at {url} and cosigns for {count}\n\
         {lines}  authentication  {}\n{}\
         Give the vkey to the logs and to everyone who is to verify. Stop with Ctrl-C.",
        access.words(),
        admin.line()
    );
    let answer = json!({
        "name": name.as_str(), "url": url, "admin_url": admin.url(), "vkeys": vkeys, "logs": logs.len(),
        "authentication": access.access.is_on(), "store": witness.store_identity().to_string(),
    });
    output.announce(&words, &answer);
}

/// The log lists, which may be read again.
struct Lists {
    files: Vec<PathBuf>,
    ceiling: Rate,
}

impl Lists {
    fn read(&self) -> anyhow::Result<Vec<(PathBuf, LogList)>> {
        self.files.iter().map(|file| Ok((file.clone(), read_list(file)?))).collect()
    }

    /// Adds what is new in a list, and says what came of it. How many were added.
    fn add(&self, logs: &mut Logs, file: &Path, list: &LogList, own: &[VerifyingKey]) -> usize {
        let outcome = logs.add_list(list, self.ceiling, own);
        for error in &outcome.refused {
            tracing::warn!(file = %file.display(), %error, "a log of the list was skipped");
        }
        let (added, known) = (outcome.added.len(), outcome.known);
        let unsupported = list.unsupported();
        tracing::info!(file = %file.display(), added, known, unsupported, "a log list was read");
        for origin in outcome.added {
            tracing::debug!(%origin, "a log was added");
        }
        added
    }

    /// Reads the lists again. One that cannot be read changes nothing.
    fn reload(&self, witness: &Witness) -> anyhow::Result<String> {
        if self.files.is_empty() {
            return Ok("nothing was reloaded: no --log-list was given".to_owned());
        }
        let mut logs = (*witness.logs()).clone();
        let (mut added, mut read) = (0, 0);
        for file in &self.files {
            match read_list(file) {
                Ok(list) => {
                    added += self.add(&mut logs, file, &list, witness.vkeys());
                    read += 1;
                }
                Err(error) => tracing::error!("a log list was not read: {error:#}"),
            }
        }
        let (total, files) = (logs.len(), self.files.len());
        witness.set_logs(logs)?;
        Ok(format!("{read} of {files} log lists reloaded: {added} logs added, {total} in total"))
    }
}

fn read_list(file: &Path) -> anyhow::Result<LogList> {
    let bytes = super::read_file(file, MAX_LOG_LIST_BYTES)?;
    LogList::parse(&bytes).with_context(|| file.display().to_string())
}

/// What to do about a witness that does not open.
fn advise(error: &WitnessOpenError) -> anyhow::Error {
    let hint = match error {
        WitnessOpenError::State(WitnessStateError::Io { .. }) => {
            "check the disk, then start again; nothing was changed".into()
        }
        WitnessOpenError::State(WitnessStateError::Missing { .. }) => format!(
            "restore the file together with its data directory. If they are lost, start a new witness with another name and key: that breaks no promise. If this key never cosigned anything, or no log relies on this witness, give --accept-lost-state \"{ACCEPT_LOST_STATE}\""
        ),
        WitnessOpenError::State(_) => format!(
            "restore the newest data directory. If it is lost, start a new witness with another name and key: that breaks no promise. If no log relies on this one, give --accept-lost-state \"{ACCEPT_LOST_STATE}\""
        ),
        WitnessOpenError::Store(StoreError::InUse) => {
            "stop the other process, or give this witness another --data directory".into()
        }
        WitnessOpenError::Store(StoreError::Foreign(_)) => {
            "give another --data directory, or with --store the database that holds what this witness cosigned".into()
        }
        WitnessOpenError::Store(StoreError::Io(_)) => {
            "check the disk, or with --store the database, then start again; nothing was changed".into()
        }
        WitnessOpenError::Store(_) => {
            "a witness must not continue with a damaged store: start a new one with another name and key, in another directory"
                .into()
        }
        WitnessOpenError::NoName => "give it one with --name, such as witness.example.com/w1".into(),
        WitnessOpenError::NoKey(_) => "restore the key from its backup, or give its path with --key".into(),
        WitnessOpenError::Name { .. } => "omit --name, or give another key or --data directory".into(),
        WitnessOpenError::Engine(_) => {
            "generate keys with `vouchlog keygen --kind witness`, all with one name; ML-DSA-44 with --algorithm ml-dsa-44".into()
        }
        WitnessOpenError::KeyFile(_) => {
            "check the key file and its permissions; a lost key cannot be recreated".into()
        }
        _ => "run again with --trace debug for details".into(),
    };
    Advice::error(error.to_string(), hint)
}
