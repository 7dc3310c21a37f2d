//! Many proof files at a time, into a folder, all of them verified against checkpoints that hold.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vouchlog::{LeafIndex, LookupKey};

use super::named::Named;
use super::{Args, Prover};
use crate::advice::Advice;
use crate::commands::failed::Failed;
use crate::commands::{make_folder, place_file, remote, sync_folder};
use crate::output::{self, Outcome, Output};

/// Lookups under way at once.
const LOOKUPS: usize = 16;
/// Lookups that failed and are named one by one.
const SHOWN_MISSING: usize = 5;

impl Args {
    /// Proves all of them. Nothing is written before every one was found.
    pub(super) async fn prove_many(
        &self,
        output: Output,
        named: &[Named],
        dir: &Path,
    ) -> anyhow::Result<Outcome> {
        let prover = self.prover()?.context("--out-dir needs --log-vkey")?;
        let entries = self.find_all(named).await?;
        match self.write_all(&prover, &entries, dir).await {
            Ok(proofs) => {
                let count = output::count(proofs.len() as u64, "verified proof file", "verified proof files");
                let words = format!("wrote {count} to {}", dir.display());
                output.answer(&words, &json!({ "verified": true, "proofs": proofs }))?;
                Ok(Outcome::Fine)
            }
            Err(failed) => failed.end(output),
        }
    }

    async fn write_all(
        &self,
        prover: &Prover,
        entries: &BTreeMap<LeafIndex, Named>,
        dir: &Path,
    ) -> Result<Vec<Value>, Failed> {
        prover.update(entries.keys().next_back().copied()).await?;
        make_folder(dir)?;
        let bar = output::progress(entries.len() as u64, "proofs");
        let mut proofs = Vec::with_capacity(entries.len());
        for (index, named) in entries {
            let (_, file) = prover.prove(*index, *named).await?;
            let path = dir.join(format!("{index}.tlog-proof"));
            place_file(&path, file.to_text().as_bytes())?;
            let mut proof = json!({ "index": index.get(), "file": path });
            if let Named::Key(LookupKey::Digest(digest)) = named {
                proof["digest"] = digest.to_string().into();
            }
            proofs.push(proof);
            bar.inc(1);
        }
        bar.finish_and_clear();
        sync_folder(dir)?;
        Ok(proofs)
    }

    /// The indexes of all entries, each once and in order, for neighbours are in one bundle.
    async fn find_all(&self, named: &[Named]) -> anyhow::Result<BTreeMap<LeafIndex, Named>> {
        let mut entries = BTreeMap::new();
        let mut missing = Vec::new();
        let log = remote::connect(&self.log.url)?;
        let bar = output::progress(named.len() as u64, "entries found");
        for some in named.chunks(LOOKUPS) {
            let mut lookups = JoinSet::new();
            for named in some.iter().copied() {
                let log = log.clone();
                lookups.spawn(async move { (named, super::look_up(&log, named).await) });
            }
            for (named, found) in lookups.join_all().await {
                match found {
                    Ok(index) => drop(entries.insert(index, named)),
                    Err(error) => missing.push((named, error)),
                }
            }
            bar.inc(some.len() as u64);
        }
        bar.finish_and_clear();
        let Some((_, error)) = missing.first() else { return Ok(entries) };
        let shown = missing.iter().take(SHOWN_MISSING).map(|(named, _)| format!("\n  {named}"));
        let problem =
            format!("{} of {} were not found:{}", missing.len(), named.len(), shown.collect::<String>());
        Err(anyhow::Error::new(error.clone()).context(Advice::new(problem, super::not_found_hint(error))))
    }
}
