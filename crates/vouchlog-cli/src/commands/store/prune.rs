//! `vouchlog store prune`: gives up the entries of a log below an index, and announces it in the log.

use std::io::{BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use serde_json::json;
use vouchlog::keys::KeySource;
use vouchlog::moving::Place;
use vouchlog::pruning::{Below, Plan, PruneError, Pruner, PruningError};
use vouchlog::{LeafIndex, Origin, SigningKey, StoreError, unix_millis};
use vouchlog_runtime::UnixMillis;

use super::postgres;
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};
use crate::{connections, terminal, values};

/// Give up old entries of a log for good: announce a minimum index; the log's next start removes the entry bundles below it
#[derive(clap::Args)]
#[command(
    group = ArgGroup::new("limit").args(["below", "older_than"]).required(true),
    group = ArgGroup::new("place").args(["data", "store"]).required(true).multiple(true),
    after_help = "Tiles stay, so every proof and receipt still holds, and proofs of entries that are kept can still be made. Entry bundles of 256\n\
                  go whole. Those stay that hold more than statements and signed heads (keys, enrolments, revocations, quotas, openings and\n\
                  closings of streams), and those with entries of a stream that is open or ended above the minimum index.\n\n\
                  The announcement is an entry of the log, signed with the log's key. Stop the log, run this command, and start the log:\n\
                  it publishes a checkpoint that covers the announcement, with its witnesses if it has any, and only then removes the\n\
                  bundles. Readers find the minimum index at /pruned, and 410 in the place of a bundle that is gone. Audits report its\n\
                  entries as not checked. It cannot be undone; mirrors and backups made before keep what they have.\n\n\
                  A log in PostgreSQL is named by --store. Stop its nodes, or add --take-over: the command then fences the leader, which\n\
                  stops, commits the announcement, and hands the log over to a standby. If the sealed part is in an object store, the\n\
                  log's own record names it, and bundles are deleted once the checkpoint in the bucket covers the announcement. The\n\
                  credentials must allow listing and deleting. If versioning is on, the bucket keeps the old versions until it expires them.\n\n\
                  Examples:\n  vouchlog store prune --data ./log --older-than 7y --dry-run\n  \
                  vouchlog store prune --data ./log --older-than 7y --reason \"kept for 7 years, policy 12\" --yes\n  \
                  vouchlog store prune --data ./log --below 1048576 --yes\n  \
                  vouchlog store prune --store postgres://vouchlog@db.example.com/logs --key log.key --older-than 7y --take-over --yes\n\n\
                  Exit status: 0 announced, or it can be; 2 nothing may be given up, or not confirmed."
)]
pub(super) struct PruneArgs {
    /// The data directory of the log. It must be stopped, except with --dry-run. With --store, that of a node: only its log.key is read
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_LOG_DATA")]
    data: Option<PathBuf>,
    /// The PostgreSQL database with the log: postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", env = "VOUCHLOG_STORE")]
    store: Option<String>,
    /// The object store with the sealed part of the log, if it has one: an error if the log's is another [default: the one that the log names]
    #[arg(long, value_name = "URL", env = "VOUCHLOG_OBJECTS")]
    objects: Option<String>,
    /// Take the log over from the process that leads it, which is fenced and stops
    #[arg(long, requires = "store", conflicts_with = "dry_run")]
    take_over: bool,
    /// Give up entries below this index, a multiple of 256
    #[arg(long, value_name = "INDEX")]
    below: Option<u64>,
    /// Give up entries that the log took longer ago than this, such as 7y or 90d; a year counts 366 days
    #[arg(long, value_name = "PERIOD", value_parser = values::period)]
    older_than: Option<Duration>,
    /// Why, such as the retention period, in one line; it is public
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// The log's key: a key file, or another place and the vkey [default: log.key in the data directory]
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_LOG_KEY")]
    key: Option<KeySource>,
    /// Show what would go and what would stay, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Announce it without asking for confirmation. Required if there is no terminal
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

impl PruneArgs {
    pub(super) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let pruner = self.pruner()?;
        let plan = self.plan(&pruner)?;
        let origin = pruner.origin();
        if self.dry_run {
            return answer(origin, &plan, None, output);
        }
        self.confirm(origin, &plan)?;
        let reason = match (self.reason.as_str(), self.older_than) {
            ("", Some(_)) => "its entries are older than the retention period",
            ("", None) => "its operator gave up old entries",
            (reason, _) => reason,
        };
        let announced = pruner.announce(plan.minimum, reason).map_err(|error| advise(&error))?;
        answer(origin, &plan, Some(announced), output)
    }

    /// The log that the arguments name.
    fn pruner(&self) -> anyhow::Result<Pruner> {
        let place = match (&self.store, &self.data) {
            (Some(url), _) => Place::Postgres(postgres::place(url)?),
            (None, Some(dir)) => Place::Directory(dir.clone()),
            (None, None) => {
                return Err(Advice::error("no log is named", "give it with --data or --store"));
            }
        };
        let pruner = Pruner::new(place, self.signing_key()?, connections::security());
        let pruner = pruner.map_err(|error| advise(&error))?;
        if let Some(url) = &self.objects {
            pruner.check_objects(url).map_err(|error| advise(&error))?;
        }
        Ok(if self.take_over { pruner.take_over() } else { pruner })
    }

    fn signing_key(&self) -> anyhow::Result<SigningKey> {
        match (&self.key, &self.data) {
            (Some(key), _) => Ok(key.open()?),
            (None, Some(dir)) => vouchlog::keys::load(&dir.join("log.key"))
                .map_err(|error| Advice::error(error.to_string(), "give the log's key with --key")),
            (None, None) => Err(Advice::error("the log's key is not known", "give it with --key")),
        }
    }

    /// What would go, found out without writing anything.
    fn plan(&self, pruner: &Pruner) -> anyhow::Result<Plan> {
        let below = match (self.below, self.older_than) {
            (Some(index), _) => Below::Index(index),
            (None, period) => {
                let age = u64::try_from(period.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
                Below::Time(UnixMillis::new(unix_millis().get().saturating_sub(age)))
            }
        };
        let is_served = pruner.is_served().map_err(|error| advise(&error))?;
        if is_served && !self.dry_run && !self.take_over {
            let hint = match self.store {
                Some(_) => {
                    "stop all its nodes, run the command again, and start them; or add --take-over: the leader stops, and a standby takes over"
                }
                None => {
                    "stop it, run the command again, and start the log; --dry-run works beside a running log"
                }
            };
            return Err(Advice::error("a process serves this log", hint));
        }
        let bar = output::progress(0, "bundles");
        let planned = pruner.plan(below, &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        planned.map_err(|error| advise(&error))
    }

    /// Asks whether this is meant; an error if not.
    fn confirm(&self, origin: &Origin, plan: &Plan) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        let words = words(origin, plan, None);
        if !std::io::stdin().is_terminal() {
            return Err(Advice::error(
                format!("not confirmed, so nothing was given up: {words}"),
                "look at it with --dry-run, then add --yes",
            ));
        }
        let mut stderr = std::io::stderr().lock();
        let asked = format!("{words}\nGive these entries up for good? Type `yes`: ");
        write!(stderr, "{}", terminal::words(&asked)).and_then(|()| stderr.flush())?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        anyhow::ensure!(answer.trim() == "yes", "not confirmed, so nothing was given up");
        Ok(())
    }
}

fn answer(
    origin: &Origin,
    plan: &Plan,
    announced: Option<LeafIndex>,
    output: Output,
) -> anyhow::Result<Outcome> {
    let json = json!({
        "origin": origin.as_str(), "minimum": plan.minimum, "announced": announced.map(LeafIndex::get),
        "removed_bundles": plan.removed, "removed_bytes": plan.bytes, "kept_bundles": plan.kept.len(),
        "kept_for_streams": plan.kept_for_streams,
        "streams": plan.streams.iter().map(|stream| stream.get()).collect::<Vec<_>>(),
    });
    output.answer(&words(origin, plan, announced), &json)?;
    Ok(Outcome::Fine)
}

fn words(origin: &Origin, plan: &Plan, announced: Option<LeafIndex>) -> String {
    let Plan { minimum, removed, bytes, kept, kept_for_streams, streams } = plan;
    let entries = |bundles: u64| output::count(bundles * 256, "entry", "entries");
    let kept = kept.len() as u64;
    let mut lines = vec![
        match announced {
            Some(index) => format!("entry {index} of {origin} announces the minimum index {minimum}"),
            None => format!("{origin} could have the minimum index {minimum}"),
        },
        format!("  to remove  {}, {bytes} bytes", entries(*removed)),
        format!("  to keep    {} below it in bundles that must stay", entries(kept)),
    ];
    if *kept_for_streams > 0 {
        let named: Vec<String> = streams.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "             {} of these for streams that are open or ended above it, such as {}",
            entries(*kept_for_streams),
            named.join(", ")
        ));
    }
    if announced.is_some() {
        lines.push(
            "Start the log: it removes them once its published checkpoint covers the announcement."
                .to_owned(),
        );
    }
    lines.join("\n")
}

fn advise(error: &PruningError) -> anyhow::Error {
    let hint = match error {
        PruningError::NoLog(_) => "check --data or --store, and that --key is the log's key",
        PruningError::OtherObjects { .. } => "give that one with --objects, or omit --objects",
        PruningError::Objects(_) => "check the credentials for the object store in the environment",
        PruningError::Damaged => "see `vouchlog fsck`; nothing was given up",
        PruningError::Prune(error) => hint(error),
        _ => "nothing was given up",
    };
    Advice::error(error.to_string(), hint)
}

fn hint(error: &PruneError) -> &'static str {
    match error {
        PruneError::NotWhole { .. } => "give one of these with --below",
        PruneError::NotSealed { .. } => "give a lower index",
        PruneError::NotPublished { .. } => {
            "start the log and wait until its witnesses have cosigned, or give a lower index"
        }
        PruneError::Announced { .. } => {
            "give a higher index. If its entries are still there, start the log: it removes them"
        }
        PruneError::NothingOld => "nothing was changed; give a shorter period, or wait",
        PruneError::NothingToRemove { .. } => {
            "close the streams that are open, or give a higher index; --dry-run with a higher index shows what stays"
        }
        PruneError::Store(StoreError::InUse) => "stop the process that serves the log",
        PruneError::Store(StoreError::Leased(_)) => {
            "stop the nodes of the log, or add --take-over: the leader stops, and a standby takes over"
        }
        PruneError::Store(StoreError::Moved(_)) => "prune the log where it is now",
        PruneError::Commit(_) => "start the log: it knows whether the announcement was committed",
        _ => "nothing was given up; check the log's place and its key",
    }
}
