//! `vouchlog prove`: makes a proof file, from the tiles of any tlog-tiles log.

use std::path::PathBuf;

use anyhow::Context;
use clap::ArgGroup;
use serde_json::json;
use vouchlog::verify::{self, Claim};
use vouchlog::{
    Digest, LeafIndex, LogReader, Lookup, LookupKey, Origin, ProofFile, SequenceNumber, StreamId,
    VerifyingKey,
};
use vouchlog_api::{ErrorKind, proof};
use vouchlog_client::VerifiedLog;
use vouchlog_merkle::Hash;

use super::remote::{self, Head, LogUrl};
use super::verify::words;
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// Fetch the proof that an entry is in a log, as a file that anyone can check offline
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog prove --log http://127.0.0.1:6962 --index 17 -o 17.tlog-proof\n  \
                        vouchlog prove --log http://127.0.0.1:6962 --digest \"$DIGEST\" --log-vkey \"$LOG_VKEY\"\n\n\
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
    /// The log's public key, to verify what the log answers
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
}

/// Which entry.
#[derive(clap::Args)]
#[group(skip)] // that group would hold --sequence too, which goes together with --stream
#[command(group = ArgGroup::new("entry").required(true).args(["index", "digest", "stream", "leaf_hash"]))]
struct EntryArgs {
    /// The entry at this index
    #[arg(long, value_name = "N")]
    index: Option<u64>,
    /// The first statement with this digest, 64 hex digits
    #[arg(long, value_name = "HEX")]
    digest: Option<Digest>,
    /// The statement of this stream …
    #[arg(long, value_name = "S", requires = "sequence")]
    stream: Option<u64>,
    /// … with this sequence number
    #[arg(long, value_name = "Q", requires = "stream")]
    sequence: Option<u64>,
    /// The entry with this leaf hash, 64 hex digits
    #[arg(long, value_name = "HEX")]
    leaf_hash: Option<Hash>,
}

/// How an entry is named.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Index(LeafIndex),
    Key(LookupKey),
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let index = match self.entry.named()? {
            Named::Index(index) => index,
            Named::Key(key) => self.find(key).await?,
        };
        let tiles = remote::tiles(&self.log.url)?;
        let Some(vkey) = &self.log_vkey else {
            output::warn(
                "nothing was verified: give the log's key with --log-vkey, or use `vouchlog verify`",
            );
            let file = self.unverified(&tiles, index).await?;
            self.hand_out(output, &file)?;
            return Ok(Outcome::Fine);
        };
        let origin = Origin::new(vkey.name().as_str())?;
        let (entry, file) = match VerifiedLog::open(tiles, origin, vkey.clone(), None)?.entry(index).await {
            Ok(proven) => proven,
            Err(error) if error.is_finding() => {
                let answer = json!({ "holds": false, "finding": error.to_string() });
                output.answer(&format!("DOES NOT HOLD: {error}"), &answer)?;
                return Ok(Outcome::Finding);
            }
            Err(error) => return Err(self.not_proven(&error)),
        };
        let file = verify::with_entry(&file, &entry)?;
        // Read back as anyone will who is handed the file.
        let verified = verify::verify(file.to_text().as_bytes(), vkey, None, Claim::Entry(&entry))?;
        self.tell(output, &words(&verified, false))?;
        self.hand_out(output, &file)?;
        Ok(Outcome::Fine)
    }

    /// The proof against whatever checkpoint is served.
    async fn unverified(&self, log: &impl LogReader, index: LeafIndex) -> anyhow::Result<ProofFile> {
        let note = remote::checkpoint(log, &self.log.url).await?;
        let head = Head::read(&note).context("the log's checkpoint is malformed")?;
        let (entry, inclusion) = proof::checked_inclusion(log, index, head.tree.size, &head.tree.root)
            .await
            .map_err(|error| self.not_proven(&error))?;
        Ok(ProofFile::new(Some(entry.to_vec()), index, inclusion, head.note)?)
    }

    async fn find(&self, key: LookupKey) -> anyhow::Result<LeafIndex> {
        remote::connect(&self.log.url)?.find(key).await.map_err(|error| {
            let hint = match error.kind {
                ErrorKind::NotFound => {
                    "check what you are looking for; a statement is found once it is logged"
                }
                _ => "a log of tiles alone finds nothing: ask by --index",
            };
            anyhow::Error::new(error)
                .context(Advice::new(format!("no entry was found at {}", self.log.url), hint))
        })
    }

    fn not_proven(&self, error: &dyn std::error::Error) -> anyhow::Error {
        Advice::error(
            format!("the log at {} proves nothing: {error}", self.log.url),
            "check --log and the index; an entry that is not there yet comes when the log grows",
        )
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

impl EntryArgs {
    fn named(&self) -> anyhow::Result<Named> {
        let key = match (self.index, self.digest, self.stream.zip(self.sequence), self.leaf_hash) {
            (Some(index), ..) => return Ok(Named::Index(LeafIndex::new(index))),
            (_, Some(digest), ..) => LookupKey::Digest(digest),
            (_, _, Some((stream, sequence)), _) => {
                let place = StreamId::new(stream).zip(SequenceNumber::new(sequence));
                let (stream, sequence) = place.context("no stream or sequence number is so large")?;
                LookupKey::Sequence(stream, sequence)
            }
            (.., Some(hash)) => LookupKey::LeafHash(hash),
            _ => anyhow::bail!("name the entry: --index, --digest, --stream with --sequence, or --leaf-hash"),
        };
        Ok(Named::Key(key))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        entry: EntryArgs,
    }

    fn named(flags: &str) -> Option<Named> {
        let cli = Cli::try_parse_from(std::iter::once("prove").chain(flags.split_whitespace())).ok()?;
        cli.entry.named().ok()
    }

    #[test]
    fn an_entry_is_named_in_exactly_one_way() {
        let hex = "07".repeat(32);
        assert_eq!(named("--index 17"), Some(Named::Index(LeafIndex::new(17))));
        let digest = Digest::from_bytes([7; 32]);
        assert_eq!(named(&format!("--digest {hex}")), Some(Named::Key(LookupKey::Digest(digest))));
        let place = LookupKey::Sequence(StreamId::new(3).unwrap(), SequenceNumber::new(4).unwrap());
        assert_eq!(named("--stream 3 --sequence 4"), Some(Named::Key(place)));
        let hash = Hash::from_bytes([7; 32]);
        assert_eq!(named(&format!("--leaf-hash {hex}")), Some(Named::Key(LookupKey::LeafHash(hash))));
        for wrong in ["", "--stream 3", "--sequence 4", "--index 1 --stream 3 --sequence 4", "--digest 07"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
        assert_eq!(named(&format!("--stream {} --sequence 0", u64::MAX)), None);
    }
}
