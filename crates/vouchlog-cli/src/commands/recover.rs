//! `vouchlog recover`: builds a data directory from what is left of a log.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;
use vouchlog::{Origin, VerifyingKey};
use vouchlog_merkle::TreeHead;
use vouchlog_note::SignedCheckpoint;
use vouchlog_note::limits::MAX_POLICY_BYTES;
use vouchlog_sequencer::rebuild::{Rebuilder, Rebuilt};
use vouchlog_storage::{Residence, Store};
use vouchlog_storage_sled::{Options, SledStore};

use super::backup::copy_keys;
use super::fsck::{check, own_vkey};
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

mod search;
mod sources;

use search::{Search, hand_over, newest_signed, search};
use sources::{Known, Source};

/// Streams named in the answer for people; programs get all of them.
const SHOWN_STREAMS: usize = 5;

/// Rebuild a log's data directory from damaged directories, backups, tiles and mirrors
#[derive(clap::Args)]
#[command(
    after_help = "All sources are read, none is written to. The longest history that leads to a known head is used. If a newer head\n\
                  was signed than can be rebuilt, nothing is built unless --accept-loss repeats the words of the refusal.\n\n\
                  Examples:\n  vouchlog recover --to ./log.new --data ./log\n  \
                  vouchlog recover --to ./log.new --data ./log --backup /mnt/backup/log --mirror /srv/mirror\n  \
                  vouchlog recover --to ./log.new --tiles https://log.example.com/ai --log-vkey \"$LOG_VKEY\"\n\n\
                  Exit status: 0 the log was built and is sound, 1 the built log is not sound, 2 nothing was built."
)]
pub(crate) struct Args {
    /// The new data directory, which must not exist
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The damaged data directory of the log, which must not be running
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A backup of the log; may be given several times
    #[arg(long = "backup", value_name = "DIR")]
    backups: Vec<PathBuf>,
    /// The served tiles of the log, as files, over HTTP or in an object store; may be given several times
    #[arg(long = "tiles", value_name = "DIR|URL")]
    tiles: Vec<String>,
    /// A mirror of the log, in the layout of its tiles; may be given several times
    #[arg(long = "mirror", value_name = "DIR")]
    mirrors: Vec<String>,
    /// A checkpoint that the log signed, such as one that a witness or a monitor keeps: the rebuilt log must not be shorter
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// Build a log without some signed entries: repeat the words of the refusal, such as "keep 512 of 1000 entries"
    #[arg(long, value_name = "WORDS")]
    accept_loss: Option<String>,
    /// The log's public key [default: that of log.key in --data or a backup]
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        self.check_target()?;
        let vkey = self.vkey()?;
        let origin = Origin::new(&vkey.name().to_string())?;
        let mut sources = self.sources(&origin, &vkey).await?;
        let known = self.known(&origin, &vkey)?;
        sources[0].known.extend(known);
        for damage in sources.iter().flat_map(Source::damages) {
            output::note(&format!("note: {damage}"));
        }
        let total = newest_signed(&sources).map_or(0, |known| known.head.size.get());
        let bar = output::progress(total, "entries read");
        let found = search(&sources, &mut |done| {
            bar.set_length(total.max(done));
            bar.set_position(done);
        })
        .await?;
        bar.finish_and_clear();
        let newest = newest_signed(&sources).cloned();
        let head = self.decide(&found, newest.as_ref())?;
        let unfinished = unfinished(&self.to);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).with_context(|| unfinished.display().to_string())?;
        }
        let rebuilt = build(&unfinished, &sources, &found, head, &origin, &vkey).await?;
        let keys = self.copy_keys(&unfinished)?;
        let verdict = check(&unfinished, &vkey)?;
        let problem = verdict.first_finding().or_else(|| verdict.left_out.first().cloned());
        if problem.is_none() {
            fs::rename(&unfinished, &self.to).with_context(|| self.to.display().to_string())?;
            let parent = self.to.parent().unwrap_or(Path::new("."));
            vouchlog_runtime::durable::sync_dir(parent).with_context(|| parent.display().to_string())?;
        }
        if self.data.is_none() {
            output::note(
                "note: without the log's own directory, nothing shows whether the log grew beyond this; before `vouchlog serve`, \
                 compare it with its witnesses, monitors or receipts",
            );
        }
        let outcome = Recovered { head, newest, rebuilt, keys, problem };
        outcome.answer(&self.to, output)
    }

    fn check_target(&self) -> anyhow::Result<()> {
        if self.to.exists() {
            let problem = format!("{} already exists", self.to.display());
            return Err(Advice::error(problem, "give the name of a new directory with --to"));
        }
        self.check_residence()?;
        if self.data.is_none() && self.backups.is_empty() && self.tiles.is_empty() && self.mirrors.is_empty()
        {
            let hint = "give at least one with --data, --backup, --tiles or --mirror";
            return Err(Advice::error("there is nothing to recover from", hint));
        }
        Ok(())
    }

    /// Refuses a directory from which the log was moved: what is built could sign beside the log.
    fn check_residence(&self) -> anyhow::Result<()> {
        let residence = self.data.as_deref().map(SledStore::residence);
        // A stamp that cannot be read is one of the damages that this command is for.
        let Some(Ok(Some(Residence::Left(departure) | Residence::Arriving(departure)))) = residence else {
            return Ok(());
        };
        Err(Advice::error(
            format!("the log in this directory was moved to or from {}", departure.place),
            "a log that is built from it would sign beside the one that is served. If that store is lost, give this directory with --backup, and a --checkpoint of what was signed since",
        ))
    }

    fn vkey(&self) -> anyhow::Result<VerifyingKey> {
        if let Some(vkey) = &self.log_vkey {
            return Ok(vkey.clone());
        }
        let found = self.dirs().find_map(|dir| own_vkey(dir).ok());
        found.ok_or_else(|| {
            Advice::error("no source holds the log's key", "give its public key with --log-vkey")
        })
    }

    fn dirs(&self) -> impl Iterator<Item = &PathBuf> {
        self.data.iter().chain(&self.backups)
    }

    async fn sources(&self, origin: &Origin, vkey: &VerifyingKey) -> anyhow::Result<Vec<Source>> {
        let mut sources = Vec::new();
        for dir in self.dirs() {
            anyhow::ensure!(dir.is_dir(), "{} is not a directory", dir.display());
            sources.push(Source::data(dir, origin, vkey)?);
        }
        for place in self.tiles.iter().chain(&self.mirrors) {
            sources.push(Source::tiles(place, origin, vkey).await?);
        }
        Ok(sources)
    }

    /// The heads of --checkpoint.
    fn known(&self, origin: &Origin, vkey: &VerifyingKey) -> anyhow::Result<Vec<Known>> {
        let read = |file: &PathBuf| {
            let note = super::read_file(file, MAX_POLICY_BYTES)?;
            let signed =
                SignedCheckpoint::open(&note, origin, vkey).with_context(|| file.display().to_string())?;
            Ok(Known { head: signed.head(), what: file.display().to_string(), is_signed: true })
        };
        self.checkpoints.iter().map(read).collect()
    }

    /// Which head the new directory is to have; the error tells what is missing and how to accept it.
    fn decide(&self, found: &Search, newest: Option<&Known>) -> anyhow::Result<TreeHead> {
        let longest = [found.covered, found.verified].into_iter().flatten().max_by_key(|head| head.size);
        let Some(longest) = longest else {
            return Err(Advice::error(
                "no entries could be read from any source",
                "give more sources: a backup, a mirror, or the tiles of the log",
            ));
        };
        let wanted = newest.map(|known| known.head.size);
        if let Some(verified) = found.verified
            && wanted.is_some_and(|wanted| verified.size >= wanted)
        {
            let against = found.contradicted.iter().find(|known| known.head.size <= verified.size);
            return against.map_or(Ok(verified), |known| Err(contradicted(known)));
        }
        let is_free = |head: &TreeHead| found.contradicted.iter().all(|known| known.head.size > head.size);
        let kept = [Some(longest), found.verified].into_iter().flatten().find(is_free);
        let Some(kept) = kept else {
            return Err(found
                .contradicted
                .first()
                .map_or_else(|| anyhow::anyhow!("nothing verifies"), contradicted));
        };
        let words = match wanted {
            Some(wanted) => format!("keep {} of {wanted} entries", kept.size),
            None => format!("keep {} entries", kept.size),
        };
        if self.accept_loss.as_deref() == Some(&words) {
            return Ok(kept);
        }
        let problem = match newest {
            Some(known) => format!(
                "only {} entries can be rebuilt, but {} has a signed head of {}",
                kept.size, known.what, known.head.size
            ),
            None => format!(
                "{} entries can be rebuilt, but no source has a signed head to check them against",
                kept.size
            ),
        };
        let hint = format!(
            "give more sources, or a checkpoint with --checkpoint. A log that lacks signed entries is a fork to everyone who saw \
             them: witnesses refuse to cosign it and gateways that hold receipts stop. If the entries are lost permanently, start a log with another origin and keep this one for reading. To build the shorter log anyway: --accept-loss \"{words}\""
        );
        Err(Advice::error(problem, hint))
    }

    fn copy_keys(&self, to: &Path) -> anyhow::Result<Vec<&'static str>> {
        let mut copied = Vec::new();
        for dir in self.dirs() {
            // The first directory that has keys: others hold copies.
            if copied.is_empty() {
                copied = copy_keys(dir, to)?;
            }
        }
        Ok(copied)
    }
}

fn contradicted(known: &Known) -> anyhow::Error {
    Advice::error(
        format!(
            "the entries do not lead to the head of {} entries that {} has: a source is damaged, or belongs to a fork of the log",
            known.head.size, known.what
        ),
        "leave out sources one by one to find which; if each alone is intact, the log's key signed two histories",
    )
}

/// The name a directory has until it is known to be whole.
fn unfinished(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    to.with_file_name(name)
}

/// Writes the log up to `head` into a new directory.
async fn build(
    dir: &Path,
    sources: &[Source],
    found: &Search,
    head: TreeHead,
    origin: &Origin,
    vkey: &VerifyingKey,
) -> anyhow::Result<Rebuilt> {
    let store = SledStore::open(dir, origin.as_str(), Options::default())?;
    let mut rebuilder = Rebuilder::new(&store, origin, vkey);
    let bar = output::progress(head.size.get(), "entries written");
    let mut written = 0;
    hand_over(sources, found.preferred, head.size.get(), |framed| {
        rebuilder.push(framed)?;
        written = (written + 256).min(head.size.get());
        bar.set_position(written);
        Ok(())
    })
    .await?;
    bar.finish_and_clear();
    let states: Vec<_> = sources.iter().flat_map(Source::states).collect();
    let rebuilt = rebuilder.finish(head, &states)?;
    let signed = sources.iter().flat_map(|source| &source.known);
    let signed = signed.filter(|known| known.is_signed && known.head.size <= head.size);
    if let Some(known) = signed.max_by_key(|known| known.head.size) {
        store.note_signed(known.head)?;
    }
    store.close()?;
    Ok(rebuilt)
}

/// What came of it.
struct Recovered {
    head: TreeHead,
    newest: Option<Known>,
    rebuilt: Rebuilt,
    keys: Vec<&'static str>,
    problem: Option<String>,
}

impl Recovered {
    fn answer(&self, to: &Path, output: Output) -> anyhow::Result<Outcome> {
        let size = self.head.size;
        let newest = self.newest.as_ref().map(|known| known.head.size);
        let is_loss = newest.is_none_or(|newest| newest > size);
        let streams: Vec<String> = self.rebuilt.without_head.iter().map(ToString::to_string).collect();
        let answer = json!({
            "sound": self.problem.is_none(), "size": size.get(), "root": self.head.root.to_string(),
            "newest_signed": newest.map(vouchlog::TreeSize::get), "lost": is_loss, "keys": self.keys,
            "streams_without_head": streams, "broken_rules": self.rebuilt.broken, "finding": self.problem,
        });
        if let Some(problem) = &self.problem {
            let words =
                format!("NOT SOUND: what was built is kept in {}. {problem}", unfinished(to).display());
            output.answer(&words, &answer)?;
            return Ok(Outcome::Finding);
        }
        let mut lines = vec![format!(
            "{} are in {}; every hash leads to the root {}",
            output::count(size.get(), "entry", "entries"),
            to.display(),
            self.head.root
        )];
        if is_loss {
            lines.push(
                "Entries that were signed are LOST. From here, witnesses refuse to cosign this log, and gateways that hold receipts for lost entries stop. Inform its readers, or start a log with another origin."
                    .into(),
            );
        }
        if !streams.is_empty() {
            lines.push(format!(
                "{} no signed head in any source, so the last heads that their gateways signed are unknown: {}{}. Each of these gateways looks \
                 up its statements in the log, closes the stream, and continues in a new one; this needs the log's lookup index.",
                output::count(streams.len() as u64, "stream has", "streams have"),
                streams.iter().take(SHOWN_STREAMS).cloned().collect::<Vec<_>>().join(", "),
                if streams.len() > SHOWN_STREAMS { ", …" } else { "" },
            ));
        }
        if self.keys.is_empty() {
            lines.push(
                "No key files were found: restore log.key and operator.key before `vouchlog serve`.".into(),
            );
        }
        output.answer(&lines.join("\n"), &answer)?;
        Ok(Outcome::Fine)
    }
}
