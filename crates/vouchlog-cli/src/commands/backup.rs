//! `vouchlog backup`: copies a log, running or stopped, and verifies the copy.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;
use vouchlog::{VerifyingKey, keys};
use vouchlog_storage::StoreError;

use super::fsck::{check, own_vkey};
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// The key files of a log.
pub(super) const KEY_FILES: [&str; 3] = ["log.key", "operator.key", "house.key"];

/// Copy a log, even while it runs, and verify every entry of the copy
#[derive(clap::Args)]
#[command(
    after_help = "The copy covers everything that was acknowledged before the command started. It holds no lookup index, which the\n\
                  first start rebuilds, and no keys unless --with-keys is given: keep keys apart from backups where you can.\n\n\
                  A log that is started from a backup is an OLDER log: everything acknowledged after the backup is missing, and\n\
                  signing from there would fork the log. Use `vouchlog recover` with the backup and the rest of the original.\n\n\
                  Examples:\n  vouchlog backup --data ./log --to /mnt/backup/log-2026-01-31\n  \
                  vouchlog backup --data ./log --to /mnt/backup/log --incremental\n\n\
                  Exit status: 0 the copy is intact, 1 the copy or its source is damaged, 2 it could not be made."
)]
pub(crate) struct Args {
    /// The data directory of the log, which may be running
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_LOG_DATA")]
    data: PathBuf,
    /// The directory of the copy: new or empty, or an earlier backup with --incremental
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Extend an earlier backup in --to: copy only new segments and the ledger
    #[arg(long)]
    incremental: bool,
    /// Also copy log.key, operator.key and house.key, with mode 0600
    #[arg(long)]
    with_keys: bool,
    /// The log's public key [default: that of log.key in the data directory]
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let vkey = match &self.log_vkey {
            Some(vkey) => vkey.clone(),
            None => own_vkey(&self.data)?,
        };
        let bar = output::progress(0, "sealed entries");
        let taken =
            vouchlog_storage_sled::backup(&self.data, &self.to, self.incremental, &mut |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            });
        bar.finish_and_clear();
        let taken = taken.map_err(|error| advise(&error))?;
        let copied_keys = if self.with_keys { copy_keys(&self.data, &self.to)? } else { Vec::new() };
        let verdict = check(&self.to, &vkey)?;
        let problem = verdict.first_finding().or_else(|| verdict.left_out.first().cloned());
        let size = taken.head.size;
        let answer = json!({
            "sound": problem.is_none(), "origin": taken.origin, "size": size.get(), "root": taken.head.root.to_string(),
            "reused": taken.reused, "keys": copied_keys, "finding": problem,
        });
        if let Some(problem) = problem {
            let words = format!(
                "NOT SOUND: the copy was verified and is damaged. {problem}\nDelete it, and check the log with `vouchlog fsck`."
            );
            output.answer(&words, &answer)?;
            return Ok(Outcome::Finding);
        }
        let words = format!(
            "{} of the log {} are in {}; every hash leads to the committed root {}",
            output::count(size.get(), "entry", "entries"),
            taken.origin,
            self.to.display(),
            taken.head.root,
        );
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }
}

/// Copies the key files that are there, durably, readable by their owner only.
pub(super) fn copy_keys(from: &Path, to: &Path) -> anyhow::Result<Vec<&'static str>> {
    let mut copied = Vec::new();
    for name in KEY_FILES {
        let (source, target) = (from.join(name), to.join(name));
        if !source.try_exists().with_context(|| source.display().to_string())? {
            continue;
        }
        if target.exists() {
            let same = keys::load(&target)?.verifying_key() == keys::load(&source)?.verifying_key();
            anyhow::ensure!(same, "{} holds a different key", target.display());
        } else {
            keys::copy(&source, &target)?;
        }
        copied.push(name);
    }
    Ok(copied)
}

fn advise(error: &StoreError) -> anyhow::Error {
    let hint = match error {
        StoreError::Foreign(_) => {
            "give a new directory with --to, or --incremental with an earlier backup from which no log was started"
        }
        StoreError::Damaged(_) => {
            "find the damage with `vouchlog fsck`; `vouchlog recover` builds a new data directory"
        }
        _ => "check that both directories exist and that the target has free space",
    };
    Advice::error(error.to_string(), hint)
}
