//! `vouchlog sample`: entries drawn at random, each with its proof, for an examiner of records.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;
use vouchlog::{LeafIndex, LogReader, ProofFile};
use vouchlog_api::proof;
use vouchlog_auditor::{LogIdentity, check_sample, sample};
use vouchlog_client::TileReader;
use vouchlog_merkle::{TreeHead, leaf_hash};
use vouchlog_note::{SignedCheckpoint, UnverifiedNote};

use super::auditing::IdentityArgs;
use super::remote::reader;
use super::{read_file, write_file};
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// What the file is.
pub(super) const FORMAT: &str = "vouchlog/v1 sample";
/// The largest sample there is, at four kilobytes each.
pub(super) const MAX_SAMPLE_BYTES: usize = 256 << 20;
/// Entries fetched at once. A hostile server can make each as large as a bundle may be.
const IN_FLIGHT: usize = 4;

/// Draw random entries, selected by the log's newest root, and prove each
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog sample --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --policy policy.txt \\\n    \
                        --count 25 -o sample.json\n  \
                        vouchlog sample --check sample.json --log-vkey \"$LOG_VKEY\" --policy policy.txt\n\n\
                        The root that selects them could not be known when the entries were written. The witnesses of a\n\
                        --policy ensure that the log did not try many roots. A sample is checked offline.\n\n\
                        Exit status: 0 every entry is proven, 1 one is not, or they are not the entries drawn, 2 an error."
)]
pub(crate) struct Args {
    /// The log's URL, or a directory of files in the same layout (C2SP tlog-tiles)
    #[arg(long = "log", value_name = "URL|DIR", env = "VOUCHLOG_URL", required_unless_present = "check")]
    source: Option<String>,
    #[command(flatten)]
    identity: IdentityArgs,
    /// How many entries to draw, at most 65,536
    #[arg(long, value_name = "N", required_unless_present = "check", conflicts_with = "check")]
    count: Option<u64>,
    /// The file to write; with --json, standard output has the same
    #[arg(short = 'o', long = "out", value_name = "FILE", conflicts_with = "check")]
    out: Option<PathBuf>,
    /// Check an existing sample offline
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

/// A sample, as it is written to a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleFile {
    format: String,
    /// For people: the checker of the file names the log and its keys.
    origin: String,
    /// The checkpoint whose root draws the entries.
    checkpoint: String,
    entries: Vec<Drawn>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawn {
    index: u64,
    /// A C2SP tlog-proof that carries the entry.
    proof_file: String,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let log = self.identity.log()?;
        if let Some(path) = &self.check {
            return check(path, &read_file(path, MAX_SAMPLE_BYTES)?, &log, output);
        }
        let (Some(source), Some(count)) = (&self.source, self.count) else {
            anyhow::bail!("give the log and the number of entries: --log and --count");
        };
        let reader = reader(source)?;
        let note = reader.checkpoint().await.map_err(|error| unreadable(source, &error))?;
        let signed = match open(&note, &log) {
            Ok(signed) => signed,
            Err(finding) => return output.refuse(&finding),
        };
        let drawn = sample(&signed.head().root, signed.head().size, count)?;
        let entries = match prove(&reader, &signed, &drawn).await {
            Ok(entries) => entries,
            Err(error) if error.is_transient() => return Err(unreadable(source, &error)),
            Err(error) => return output.refuse(&format!("an entry is not proven: {error}")),
        };
        let file = SampleFile {
            format: FORMAT.to_owned(),
            origin: log.origin.to_string(),
            checkpoint: signed.note().to_owned(),
            entries,
        };
        let mut words = words(&log, &signed.head(), &drawn);
        if let Some(path) = &self.out {
            write_file(path, serde_json::to_string(&file)?.as_bytes())?;
            words.push_str(&format!("\nwrote {}", path.display()));
        }
        output.answer(&words, &serde_json::to_value(&file)?)?;
        Ok(Outcome::Fine)
    }
}

fn unreadable(source: &str, error: &vouchlog::Error) -> anyhow::Error {
    Advice::error(format!("the log at {source} could not be read: {error}"), "check --log")
}

/// The checkpoint, if the log signed it and enough witnesses cosigned it.
fn open(note: &str, log: &LogIdentity) -> Result<SignedCheckpoint, String> {
    log.open_checkpoint(note.as_bytes()).map_err(|error| format!("the checkpoint does not verify: {error}"))
}

/// Fetches the entries and proves each.
async fn prove(
    reader: &TileReader,
    signed: &SignedCheckpoint,
    drawn: &[LeafIndex],
) -> vouchlog_api::Result<Vec<Drawn>> {
    let internal = |error: &dyn std::error::Error| vouchlog::Error::internal(error.to_string());
    let note = UnverifiedNote::parse(signed.note().as_bytes()).map_err(|error| internal(&error))?;
    let bar = output::progress(drawn.len() as u64, "entries");
    let (mut waiting, mut fetches, mut proven) = (drawn.iter().copied(), JoinSet::new(), Vec::new());
    loop {
        while fetches.len() < IN_FLIGHT
            && let Some(index) = waiting.next()
        {
            let (reader, head) = (reader.clone(), signed.head());
            fetches.spawn(async move {
                let fetched = proof::checked_inclusion(&reader, index, head.size, &head.root).await;
                fetched.map(|(entry, proof)| (index, entry, proof))
            });
        }
        let Some(fetched) = fetches.join_next().await else { break };
        let (index, entry, proof) = fetched.map_err(|error| internal(&error))??;
        let file = ProofFile::new(Some(entry.to_vec()), index, proof, note.clone());
        let file = file.map_err(|error| internal(&error))?;
        proven.push(Drawn { index: index.get(), proof_file: file.to_text() });
        bar.inc(1);
    }
    bar.finish_and_clear();
    proven.sort_unstable_by_key(|drawn| drawn.index);
    Ok(proven)
}

fn words(log: &LogIdentity, head: &TreeHead, drawn: &[LeafIndex]) -> String {
    let entries = output::count(drawn.len() as u64, "entry", "entries");
    let indexes: Vec<_> = drawn.iter().map(ToString::to_string).collect();
    let mut words = format!(
        "verified: {entries} of {}, drawn by the root of its checkpoint of size {}\n  root     {}\n  indexes  {}",
        log.origin,
        head.size,
        head.root,
        indexes.join(" ")
    );
    if log.policy.is_none() {
        words.push('\n');
        words.push_str(output::NO_POLICY);
    }
    words
}

/// Checks a sample offline: that the log signed the root, that the root draws these entries, and that each is in the log.
pub(super) fn check(path: &Path, json: &[u8], log: &LogIdentity, output: Output) -> anyhow::Result<Outcome> {
    let file: SampleFile =
        serde_json::from_slice(json).with_context(|| format!("{} is not a sample", path.display()))?;
    anyhow::ensure!(
        file.format == FORMAT,
        "{} is not a sample: its format is not `{FORMAT}`",
        path.display()
    );
    match checked(&file, log) {
        Ok((head, drawn)) => {
            let indexes: Vec<_> = drawn.iter().map(|index| index.get()).collect();
            let answer = json!({
                "holds": true, "origin": log.origin.as_str(), "size": head.size.get(),
                "root": head.root.to_string(), "indexes": indexes,
            });
            output.answer(&words(log, &head, &drawn), &answer)?;
            Ok(Outcome::Fine)
        }
        Err(finding) => output.refuse(&finding),
    }
}

fn checked(file: &SampleFile, log: &LogIdentity) -> Result<(TreeHead, Vec<LeafIndex>), String> {
    let head = open(&file.checkpoint, log)?.head();
    let indexes: Vec<_> = file.entries.iter().map(|drawn| LeafIndex::new(drawn.index)).collect();
    check_sample(&head.root, head.size, &indexes).map_err(|error| error.to_string())?;
    for drawn in &file.entries {
        let refused = |error: &dyn std::error::Error| format!("entry {} is not proven: {error}", drawn.index);
        let proof = ProofFile::parse(drawn.proof_file.as_bytes()).map_err(|error| refused(&error))?;
        let entry = proof.extra().ok_or_else(|| format!("entry {} is not in its proof", drawn.index))?;
        let index = LeafIndex::new(drawn.index);
        if proof.index() != index || proof.note().as_str() != file.checkpoint {
            return Err(format!(
                "entry {index} is not proven: its proof is for entry {} or of another checkpoint",
                proof.index()
            ));
        }
        let held = proof.proof().verify(index, head.size, &leaf_hash(entry), &head.root);
        held.map_err(|error| refused(&error))?;
    }
    Ok((head, indexes))
}
