//! `vouchlog prove-complete`: makes a file that shows streams to be complete.

use std::path::PathBuf;

use anyhow::Context;
use clap::ArgGroup;
use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog::{Entry, LeafIndex, LogReader, StreamId, TreeSize};
use vouchlog_api::proof;
use vouchlog_auditor::{
    CompleteStream, Completeness, CompletenessError, Config, Streams, prove_complete, verify_completeness,
};
use vouchlog_client::TileReader;
use vouchlog_note::SignedCheckpoint;
use vouchlog_session::plain;

use super::auditing::{IdentityArgs, SourceArgs};
use super::write_file;
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};
use crate::values;

/// Prove that streams are complete, in one file that anyone can check offline: every statement their gateways signed, in order
#[derive(clap::Args)]
#[command(
    group = ArgGroup::new("streams").required(true).args(["stream", "all"]),
    after_help = "Examples:\n  vouchlog prove-complete --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" \\\n    \
                  --stream 3 -o stream3.completeness.json\n  \
                  vouchlog prove-complete --log ./mirror --log-vkey \"$LOG_VKEY\" --all \\\n    \
                  --since 2026-01-01 --until 2026-02-01 -o january.completeness.json\n\n\
                  Check it with `vouchlog verify`. The command reads the whole log and\n\
                  writes only what the proof needs.\n\n\
                  Exit status: 0 the file is written, 1 the log does not prove it, 2 the log could not be read."
)]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    /// The stream, by the index of the entry that opened it
    #[arg(long, value_name = "N")]
    stream: Option<u64>,
    /// Every stream with an entry in that part of the log; only an audit shows that there are no others
    #[arg(long)]
    all: bool,
    /// Log size to start from: each stream's proof starts at the last signed head before it [default: 0]
    #[arg(long, value_name = "SIZE")]
    from_size: Option<u64>,
    /// Log size to end at [default: that of its newest checkpoint]
    #[arg(long, value_name = "SIZE")]
    to_size: Option<u64>,
    /// Start with entries logged at this time by the log's clock, such as 2026-01-31 or 7d for seven days ago
    #[arg(long, value_name = "TIME", value_parser = values::moment, conflicts_with = "from_size")]
    since: Option<Timestamp>,
    /// End before entries logged at this time
    #[arg(long, value_name = "TIME", value_parser = values::moment, conflicts_with = "to_size")]
    until: Option<Timestamp>,
    /// The file to write
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: PathBuf,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let config = Config::new(self.identity.log()?);
        let streams = match self.stream {
            Some(stream) => Streams::One(StreamId::new(stream).context("the stream number is too large")?),
            None => Streams::All,
        };
        let reader = self.source.reader()?;
        let waiting = output::waiting("reading the log");
        let proof = match self.part(&reader, &config).await {
            Ok((from, to)) => prove_complete(reader, &config, streams, from, to).await,
            Err(error) => Err(error),
        };
        waiting.finish_and_clear();
        let proof = match proof {
            Ok(proof) => proof,
            Err(error) if is_finding(&error) => return output.refuse(&error.to_string()),
            Err(error) => return Err(advise(&error)),
        };
        let shown = verify_completeness(&proof, &config.log)?;
        write_file(&self.out, proof.to_json().as_bytes())?;
        let mut answer = as_json(&shown);
        answer["file"] = json!(self.out);
        let words = words(config.log.origin.as_str(), &shown);
        output.answer(&format!("{words}\nwrote {}", self.out.display()), &answer)?;
        Ok(Outcome::Fine)
    }
}

impl Args {
    /// The part of the log: between two sizes, or between the sizes it had at two times.
    async fn part(
        &self,
        reader: &TileReader,
        config: &Config,
    ) -> Result<(TreeSize, Option<TreeSize>), CompletenessError> {
        let (mut from, mut to) =
            (TreeSize::new(self.from_size.unwrap_or(0)), self.to_size.map(TreeSize::new));
        if self.since.is_some() || self.until.is_some() {
            let note = reader.checkpoint().await?;
            let signed =
                SignedCheckpoint::open_with_keys(note.as_bytes(), &config.log.origin, &config.log.keys)?;
            let size = signed.head().size;
            if let Some(since) = self.since {
                from = size_before(reader, size, since).await?;
            }
            if let Some(until) = self.until {
                to = Some(size_before(reader, size, until).await?);
            }
        }
        Ok((from, to))
    }
}

/// How many entries were logged before a time. Times never decrease along a log, so few entries need to be read; what a log
/// says of the time is its word in any case, and the proof is about the sizes.
async fn size_before(
    reader: &TileReader,
    size: TreeSize,
    time: Timestamp,
) -> Result<TreeSize, CompletenessError> {
    let (mut before, mut not_before) = (0, size.get());
    while before < not_before {
        let middle = before.midpoint(not_before);
        let bytes = proof::entry(reader, LeafIndex::new(middle), size).await?;
        let entry = Entry::decode(&bytes)
            .map_err(|_| CompletenessError::Form(format!("entry {middle} has no time")))?;
        if i64::try_from(entry.logged_at().millis()).unwrap_or(i64::MAX) < time.as_millisecond() {
            before = middle + 1;
        } else {
            not_before = middle;
        }
    }
    Ok(TreeSize::new(before))
}

/// Whether something was checked and does not hold, as opposed to not having been there to check.
pub(super) fn is_finding(error: &CompletenessError) -> bool {
    matches!(
        error,
        CompletenessError::Checkpoint(_)
            | CompletenessError::NoQuorum
            | CompletenessError::NotInLog { .. }
            | CompletenessError::NotComplete { .. }
    )
}

fn advise(error: &CompletenessError) -> anyhow::Error {
    let hint = match error {
        CompletenessError::Read(_) => {
            "`vouchlog audit` reports what is wrong with a log that cannot be read completely"
        }
        CompletenessError::UnknownStream(_) => {
            "a stream's name is the index of the entry that opened it; `vouchlog audit` lists the streams"
        }
        CompletenessError::TooMany(_) => "give --from-size and --to-size, or one --stream at a time",
        CompletenessError::Sizes { .. } => "give sizes of the log, up to its newest checkpoint",
        _ => "see the message",
    };
    Advice::error(error.to_string(), hint)
}

/// What a completeness proof shows, stream by stream.
pub(super) fn words(origin: &str, shown: &Completeness) -> String {
    let streams = output::count(shown.streams.len() as u64, "stream", "streams");
    let size = output::count(shown.size, "entry", "entries");
    let mut lines =
        vec![format!("verified: {streams} of {origin}, under a checkpoint of {size} that the log signed")];
    if !shown.cosigned_by.is_empty() {
        lines.push(format!("  cosigned by {}", shown.cosigned_by.join(", ")));
    }
    shown.streams.iter().for_each(|stream| stream_lines(stream, &mut lines));
    lines.join("\n")
}

fn stream_lines(stream: &CompleteStream, lines: &mut Vec<String>) {
    let closed = if stream.closed { ", closed" } else { "" };
    let of = if stream.is_house {
        "the house stream of the log: sender unknown".to_owned()
    } else {
        format!("of {}, key {}", plain(&stream.gateway), stream.gateway_vkey.id())
    };
    lines.push(format!("  stream {} {of}{closed}", stream.stream));
    if let Some((before, size)) = stream.continues {
        lines.push(format!("    continues     stream {before}, from its size {size}"));
    }
    let there = stream.signed.saturating_sub(stream.first);
    lines.push(match there {
        0 => format!("    statements    none signed, from sequence number {}", stream.first),
        _ => format!(
            "    statements    {} without a gap, sequence numbers {} to {}",
            there,
            stream.first,
            stream.signed - 1
        ),
    });
    let heads = output::count(stream.heads, "head", "heads");
    lines.push(match stream.newest_head {
        Some(time) => format!(
            "    signed        {heads}, the newest at {} by the gateway's clock",
            output::posix_time(time)
        ),
        None => "    signed        no head".to_owned(),
    });
    if stream.pending > 0 {
        let pending = output::count(stream.pending, "statement", "statements");
        lines.push(format!("    not signed    {pending} more, not covered by a head in the file"));
    }
    lines.push(match stream.declared_losses.as_slice() {
        [] => "    lost          nothing declared by the gateway".to_owned(),
        losses => {
            let places: Vec<_> = losses.iter().map(|loss| loss.sequence.to_string()).collect();
            format!("    lost          losses declared by the gateway at {}", places.join(", "))
        }
    });
}

/// The same for programs.
pub(super) fn as_json(shown: &Completeness) -> Value {
    let mut value = serde_json::to_value(shown).expect("strings, numbers and lists always encode");
    value["holds"] = true.into();
    value
}
