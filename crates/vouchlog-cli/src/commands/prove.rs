//! `vouchlog prove`: makes proof files, from the tiles of any tlog-tiles log.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use vouchlog::verify::{self, Claim, Verified};
use vouchlog::{LeafIndex, LogReader, Lookup, Origin, Policy, ProofFile, VerifyingKey};
use vouchlog_api::{CachingReader, ErrorKind, proof};
use vouchlog_client::{TileReader, VerifiedLog};

use super::failed::Failed;
use super::remote::{self, Head, LogUrl};
use super::verify::words;
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

mod many;
mod named;

use named::{EntryArgs, Named};

/// Fetch the proof that entries are in a log, as files that anyone can check offline
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog prove --log http://127.0.0.1:6962 --index 17 -o 17.tlog-proof\n  \
                        vouchlog prove --log http://127.0.0.1:6962 --digest \"$DIGEST\" --log-vkey \"$LOG_VKEY\"\n  \
                        vouchlog prove --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --index 17 100-199 --out-dir proofs\n\n\
                        With --index it works with any log that serves C2SP tlog-tiles."
)]
pub(crate) struct Args {
    #[command(flatten)]
    log: LogUrl,
    #[command(flatten)]
    entry: EntryArgs,
    /// The file to write [default: standard output]
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write each proof to <index>.tlog-proof in this folder, created if missing; for several entries
    #[arg(long, value_name = "DIR", requires = "log_vkey", conflicts_with = "out")]
    out_dir: Option<PathBuf>,
    /// The log's public key, to verify the log's responses
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
    /// Witnesses that must have cosigned the checkpoint (C2SP tlog-policy); without a quorum nothing is written
    #[arg(long, value_name = "FILE", requires = "log_vkey", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
}

/// A log whose every proof is verified before it is handed out.
struct Prover {
    url: String,
    vkey: VerifyingKey,
    origin: Origin,
    policy: Option<Policy>,
    log: VerifiedLog<CachingReader<TileReader>>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let named = self.entry.named()?;
        if let Some(dir) = &self.out_dir {
            return self.prove_many(output, &named, dir).await;
        }
        let [named] = named[..] else {
            return Err(Advice::error(
                "several proofs need several files",
                "give a directory with --out-dir DIR",
            ));
        };
        let index = self.find(named).await?;
        let Some(prover) = self.prover()? else {
            output::warn(
                "the proof was not verified: give the log's key with --log-vkey, or use `vouchlog verify`",
            );
            let file = self.unverified(&remote::tiles(&self.log.url)?, index).await?;
            self.hand_out(output, &file)?;
            return Ok(Outcome::Fine);
        };
        match prover.prove(index, named).await {
            Ok((verified, file)) => {
                self.tell(output, &words(&verified, prover.policy.is_some()))?;
                self.hand_out(output, &file)?;
                Ok(Outcome::Fine)
            }
            Err(failed) => failed.end(output),
        }
    }

    /// What verifies; none without the log's key.
    fn prover(&self) -> anyhow::Result<Option<Prover>> {
        let Some(vkey) = &self.log_vkey else { return Ok(None) };
        let origin = Origin::new(vkey.name().as_str())?;
        let tiles = CachingReader::new(remote::tiles(&self.log.url)?);
        Ok(Some(Prover {
            url: self.log.url.clone(),
            vkey: vkey.clone(),
            origin: origin.clone(),
            policy: self.policy.as_deref().map(super::policy).transpose()?,
            log: VerifiedLog::open(tiles, origin, vkey.clone(), None)?,
        }))
    }

    /// The proof against whatever checkpoint is served.
    async fn unverified(&self, log: &impl LogReader, index: LeafIndex) -> anyhow::Result<ProofFile> {
        let note = remote::checkpoint(log, &self.log.url).await?;
        let head = Head::read(&note).context("the log's checkpoint is malformed")?;
        let (entry, inclusion) = proof::checked_inclusion(log, index, head.tree.size, &head.tree.root)
            .await
            .map_err(|error| not_proven(&self.log.url, &error))?;
        Ok(ProofFile::new(Some(entry.to_vec()), index, inclusion, head.note)?)
    }

    async fn find(&self, named: Named) -> anyhow::Result<LeafIndex> {
        look_up(&remote::connect(&self.log.url)?, named).await.map_err(|error| {
            let hint = not_found_hint(&error);
            anyhow::Error::new(error)
                .context(Advice::new(format!("no entry was found at {}", self.log.url), hint))
        })
    }

    /// Words for people, where the proof file itself does not go.
    fn tell(&self, output: Output, words: &str) -> anyhow::Result<()> {
        if self.out.is_some() {
            return output.say(words);
        }
        if !output.is_json() {
            output::note(words);
        }
        Ok(())
    }

    fn hand_out(&self, output: Output, file: &ProofFile) -> anyhow::Result<()> {
        let index = file.index().get();
        match &self.out {
            Some(path) => {
                super::write_file(path, file.to_text().as_bytes())?;
                let answer = json!({ "index": index, "file": path, "verified": self.log_vkey.is_some() });
                output.answer(&format!("wrote {}", path.display()), &answer)
            }
            None => {
                let text = file.to_text();
                let answer =
                    json!({ "index": index, "proof_file": text, "verified": self.log_vkey.is_some() });
                output.answer(text.trim_end_matches('\n'), &answer)
            }
        }
    }
}

impl Prover {
    /// Takes the newest checkpoint, if the policy allows it and it has the last of the entries that are to be proven.
    async fn update(&self, last: Option<LeafIndex>) -> Result<(), Failed> {
        let head = self.log.update().await.map_err(|error| self.failed(&error))?;
        if let Some(policy) = &self.policy {
            let satisfied = policy.verify_checkpoint_of(head.note().as_bytes(), &self.origin, [&self.vkey]);
            satisfied.map_err(|error| {
                Failed::Finding(format!("the checkpoint does not satisfy the policy: {error}"))
            })?;
        }
        let size = head.head().size;
        match last.filter(|last| !size.contains(*last)) {
            Some(index) => Err(self.failed(&vouchlog_client::VerifyError::NotYet { index, size })),
            None => Ok(()),
        }
    }

    /// A proof file with its entry, read back as anyone will who is handed it.
    async fn prove(&self, index: LeafIndex, named: Named) -> Result<(Verified, ProofFile), Failed> {
        let (entry, file) = self.log.entry(index).await.map_err(|error| self.failed(&error))?;
        if !named.fits(&entry) {
            let words = format!("the log returned entry {index} for {named}, but it is another entry");
            return Err(Failed::Finding(words));
        }
        let file = verify::with_entry(&file, &entry).map_err(anyhow::Error::from)?;
        let text = file.to_text();
        match verify::verify(text.as_bytes(), &self.vkey, self.policy.as_ref(), Claim::Entry(&entry)) {
            Ok(verified) => Ok((verified, file)),
            Err(error) if error.is_finding() => Err(Failed::Finding(error.to_string())),
            Err(error) => Err(Failed::Error(error.into())),
        }
    }

    fn failed(&self, error: &vouchlog_client::VerifyError) -> Failed {
        if error.is_finding() {
            return Failed::Finding(error.to_string());
        }
        Failed::Error(not_proven(&self.url, error))
    }
}

/// The index of an entry, as the log says.
async fn look_up(log: &impl Lookup, named: Named) -> vouchlog_api::Result<LeafIndex> {
    match named {
        Named::Index(index) => Ok(index),
        Named::Key(key) => log.find(key).await,
    }
}

fn not_found_hint(error: &vouchlog_api::Error) -> &'static str {
    match error.kind {
        ErrorKind::NotFound => "check the argument; a statement can be found once it is logged",
        _ => "a log that serves only tiles cannot search: use --index",
    }
}

fn not_proven(url: &str, error: &dyn std::error::Error) -> anyhow::Error {
    Advice::error(
        format!("the log at {url} returned no valid proof: {error}"),
        "check --log and the index; an entry beyond the log's size may be added later",
    )
}
