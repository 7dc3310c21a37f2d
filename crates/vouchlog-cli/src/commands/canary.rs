//! `vouchlog canary`: statements of one's own, to see whether what is handed in surfaces.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use vouchlog::{
    Digest, Entry, Evidence, LeafIndex, Lookup, LookupKey, Origin, Policy, Statement, StatementKind,
    VerifyingKey, random_bytes, unix_millis,
};
use vouchlog_api::CachingReader;
use vouchlog_auditor::canaries::{Canaries, CanariesError, Canary};
use vouchlog_client::{GrpcLog, TileReader, VerifiedLog, VerifyError};

use super::remote::{self, LogUrl};
use super::spooling::GatewayArgs;
use super::submission::Submission;
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// Log statements that only you can recognise, and check that they appear
#[derive(clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  vouchlog canary plant --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --file canaries.json\n  \
                        vouchlog canary check --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --file canaries.json\n\n\
                        A canary is an ordinary opaque statement: SHA-256 of a salt that only the file knows. Keep the file secret:\n\
                        a log that cannot distinguish canaries from other statements must treat both alike."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Plant(Plant),
    Check(Check),
}

/// The log and the file of its canaries.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    log: LogUrl,
    /// The log's public key
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: VerifyingKey,
    /// The file of planted canaries; created with the first
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_CANARIES")]
    file: PathBuf,
}

/// Log a canary and remember it
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog canary plant --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --file canaries.json \\\n    \
                        --gateway-key gateway.key --state ./spool --receipts receipts"
)]
struct Plant {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Directory for the receipt as a proof file, which shows to anyone that the log took the canary
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_RECEIPTS")]
    receipts: Option<PathBuf>,
}

/// Check that every canary is in the log
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog canary check --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --file canaries.json --max-age 10m\n\n\
                        Exit status: 0 all acknowledged canaries are in the log, or younger than --max-age; 1 one is missing (R79), or the log's checkpoint cannot be used (R74, R75); 2 the check could not be completed."
)]
struct Check {
    #[command(flatten)]
    common: Common,
    /// Witnesses that must have cosigned the checkpoint that covers the canaries (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
    /// How long a canary may take to appear
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = crate::values::duration)]
    max_age: Duration,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        match self.what {
            What::Plant(plant) => plant.run(output).await,
            What::Check(check) => check.run(output).await,
        }
    }
}

impl Common {
    fn origin(&self) -> anyhow::Result<Origin> {
        Ok(Origin::new(self.log_vkey.name().as_str())?)
    }
}

impl Plant {
    async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let Common { log, log_vkey, file } = &self.common;
        let mut canaries = Canaries::open(file, &self.common.origin()?).map_err(advise)?;
        let canary = Canary::new(random_bytes(), unix_millis().seconds().get());
        let digest = canary.digest();
        // Remembered before it is sent: nothing may be in the log that looks like a stranger's.
        let place = canaries.add(canary).map_err(advise)?;
        canaries.save()?;
        let statement = Statement { kind: StatementKind::Opaque, evidence: Evidence::NONE, digest };
        let submission = Submission {
            url: &log.url,
            log_vkey: Some(log_vkey),
            gateway: &self.gateway,
            witnessed: false,
            close: true,
            receipts: self.receipts.as_deref(),
        };
        let placed = match submission.send(&[statement], None).await {
            Ok(placed) => placed,
            Err(failed) => return failed.end(output),
        };
        let [placed] = &placed[..] else { anyhow::bail!("the log returned a receipt for another statement") };
        canaries.list[place].acknowledged(placed.index, placed.file.clone());
        canaries.save()?;
        let words = format!("planted at index {}: {digest}", placed.index);
        let answer =
            json!({ "index": placed.index.get(), "digest": digest.to_string(), "receipt": placed.file });
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }
}

/// What became of a canary.
enum Fate {
    Surfaced(LeafIndex),
    /// It has a receipt, and may still take a while.
    Waiting,
    /// The log never gave a receipt for it, so it owes nothing.
    Unacknowledged,
    Missing(String),
}

impl Check {
    async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let Common { log: LogUrl { url }, log_vkey, file } = &self.common;
        let origin = self.common.origin()?;
        let policy = self.policy.as_deref().map(super::policy).transpose()?;
        let mut canaries = Canaries::open(file, &origin).map_err(advise)?;
        if canaries.list.is_empty() {
            let hint = "plant one with `vouchlog canary plant`";
            return Err(Advice::error(format!("{} has no canary", file.display()), hint));
        }
        let tiles = CachingReader::new(remote::tiles(url)?);
        let log = VerifiedLog::open(tiles, origin.clone(), log_vkey.clone(), None)?;
        match newest(&log, &mut canaries, policy.as_ref(), log_vkey, url).await {
            Err(Unusable::Error(error)) => return Err(error),
            Err(Unusable::Finding { rule, words }) => {
                let finding = json!({ "rule": rule, "finding": words });
                let answer = json!({
                    "origin": origin.as_str(), "holds": false, "finding": words, "findings": [finding],
                });
                output.answer(&format!("DOES NOT HOLD ({rule}): {words}"), &answer)?;
                return Ok(Outcome::Finding);
            }
            Ok(()) => {}
        }
        let (lookup, now) = (remote::connect(url)?, unix_millis().seconds().get());
        let mut tally = Tally::default();
        let bar = output::progress(canaries.list.len() as u64, "canaries");
        for canary in &mut canaries.list {
            let age = Duration::from_secs(now.saturating_sub(canary.planted_at));
            let fate = fate(&log, &lookup, canary, age > self.max_age).await;
            let fate = fate.map_err(|error| unreadable(url, &error))?;
            if let Fate::Surfaced(index) = &fate {
                canary.surfaced(*index, now);
            }
            tally.add(canary, fate);
            bar.inc(1);
        }
        bar.finish_and_clear();
        canaries.save()?;
        output.answer(&tally.words(), &tally.json(&origin))?;
        Ok(if tally.missing.is_empty() { Outcome::Fine } else { Outcome::Finding })
    }
}

/// Why the newest checkpoint shows nothing about canaries.
enum Unusable {
    /// It contradicts what was seen before, or too few witnesses cosigned it: the rule that is broken, and how.
    Finding {
        rule: &'static str,
        words: String,
    },
    Error(anyhow::Error),
}

impl From<anyhow::Error> for Unusable {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

type ReadLog = VerifiedLog<CachingReader<TileReader>>;

/// Takes the log's newest checkpoint, if it extends the one that was remembered and satisfies the policy.
async fn newest(
    log: &ReadLog,
    canaries: &mut Canaries,
    policy: Option<&Policy>,
    vkey: &VerifyingKey,
    url: &str,
) -> Result<(), Unusable> {
    let failed = |error: VerifyError| match error.is_finding() {
        true => Unusable::Finding { rule: "R74", words: error.to_string() },
        false => Unusable::Error(unreadable(url, &error)),
    };
    if let Some(known) = &canaries.checkpoint {
        log.accept(known).await.map_err(|error| {
            let hint = "restore the file from a backup, or plant canaries with a new one";
            Advice::error(format!("the remembered checkpoint: {error}"), hint)
        })?;
    }
    let head = log.update().await.map_err(failed)?;
    if let Some(policy) = policy {
        let origin = Origin::new(vkey.name().as_str()).map_err(anyhow::Error::from)?;
        let satisfied = policy.verify_checkpoint_of(head.note().as_bytes(), &origin, [vkey]);
        satisfied.map_err(|error| {
            let words = format!("the checkpoint does not satisfy the policy: {error}");
            Unusable::Finding { rule: "R75", words }
        })?;
    }
    canaries.checkpoint = Some(head.note().to_owned());
    Ok(())
}

/// Looks whether a canary is in the log, under the newest checkpoint.
async fn fate(log: &ReadLog, lookup: &GrpcLog, canary: &Canary, is_late: bool) -> Result<Fate, VerifyError> {
    let digest = canary.digest();
    let index = match canary.index {
        Some(index) => LeafIndex::new(index),
        // Sent by a spool after the planter gave up waiting, perhaps. What a log of tiles alone cannot find is not there.
        None => match lookup.find(LookupKey::Digest(digest)).await {
            Ok(index) => index,
            Err(_) => return Ok(Fate::Unacknowledged),
        },
    };
    let size = log.head().map_or(0, |head| head.head().size.get());
    if index.get() >= size {
        let words =
            format!("its receipt gives index {index}, but the log has only {size} entries after --max-age");
        return Ok(if is_late { Fate::Missing(words) } else { Fate::Waiting });
    }
    let (entry, _) = log.entry(index).await?;
    match Entry::decode(&entry) {
        Ok(Entry::Statement(entry)) if entry.statement.digest == digest => Ok(Fate::Surfaced(index)),
        _ if canary.index.is_none() => Ok(Fate::Unacknowledged),
        _ => Ok(Fate::Missing(format!("the entry at index {index} is a different one"))),
    }
}

/// What to do about a file of canaries that cannot be used.
fn advise(error: CanariesError) -> anyhow::Error {
    let hint = match &error {
        CanariesError::InUse(_) => "wait until it ends, then run this again",
        CanariesError::Malformed { .. } => {
            "give the file of this log's canaries, or another name to start a new one"
        }
        CanariesError::Full(_) => "run `vouchlog canary check`, or start another file",
        _ => return error.into(),
    };
    Advice::error(error.to_string(), hint)
}

fn unreadable(url: &str, error: &VerifyError) -> anyhow::Error {
    let hint = "check --log and --log-vkey; the canaries file was not changed";
    Advice::error(format!("the log at {url} could not be read: {error}"), hint)
}

/// What became of all of them.
#[derive(Default)]
struct Tally {
    surfaced: u64,
    waiting: u64,
    unacknowledged: u64,
    missing: Vec<Missing>,
}

/// The rule that a missing canary breaks.
const MISSING: &str = "R79";

/// A canary that should be in the log.
struct Missing {
    digest: Digest,
    index: Option<u64>,
    planted_at: u64,
    receipt: Option<PathBuf>,
    finding: String,
}

impl Tally {
    fn add(&mut self, canary: &Canary, fate: Fate) {
        match fate {
            Fate::Surfaced(_) => self.surfaced += 1,
            Fate::Waiting => self.waiting += 1,
            Fate::Unacknowledged => self.unacknowledged += 1,
            Fate::Missing(finding) => self.missing.push(Missing {
                digest: canary.digest(),
                index: canary.index,
                planted_at: canary.planted_at,
                receipt: canary.receipt.clone(),
                finding,
            }),
        }
    }

    fn words(&self) -> String {
        let Self { surfaced, waiting, unacknowledged, missing } = self;
        let mut lines: Vec<String> = missing
            .iter()
            .map(|Missing { digest, finding, .. }| {
                format!("MISSING: the canary {digest}: {finding} ({MISSING})")
            })
            .collect();
        let (one, many) = (
            "canary is in the log at the index of its receipt",
            "canaries are in the log at the indexes of their receipts",
        );
        lines.push(output::count(*surfaced, one, many));
        if *waiting > 0 {
            lines.push(format!("  {waiting} not published yet, younger than --max-age"));
        }
        if *unacknowledged > 0 {
            lines.push(format!("  {unacknowledged} never acknowledged by the log, and not in it"));
        }
        lines.join("\n")
    }

    fn json(&self, origin: &Origin) -> Value {
        let missing = |missing: &Missing| {
            json!({
                "rule": MISSING, "digest": missing.digest.to_string(), "index": missing.index, "planted_at": missing.planted_at,
                "receipt": missing.receipt, "finding": missing.finding,
            })
        };
        json!({
            "origin": origin.as_str(), "holds": self.missing.is_empty(), "surfaced": self.surfaced, "waiting": self.waiting,
            "unacknowledged": self.unacknowledged, "findings": self.missing.iter().map(missing).collect::<Vec<_>>(),
        })
    }
}
