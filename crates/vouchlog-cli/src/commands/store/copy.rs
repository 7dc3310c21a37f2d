//! `vouchlog store copy`: moves a log to another store.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use vouchlog::moving::{MoveError, Moved, Moving, Place, Step};
use vouchlog::objects::Objects;
use vouchlog::{StoreError, VerifyingKey};

use crate::advice::Advice;
use crate::commands::fsck::own_vkey;
use crate::commands::objects::refused;
use crate::connections;
use crate::output::{self, Outcome, Output};

/// Move a log to another store: from a data directory to PostgreSQL or an object store, or back
#[derive(clap::Args)]
#[command(
    after_help = "The log keeps its name and its key. What is full is copied and verified while the log is served. Then the log must stand still:\n\
                  stop the process of a data directory once this command asks for it; a leader in PostgreSQL is fenced by the command.\n\
                  The rest is copied, every entry is read back, and the roots of all heads that the log signed are computed from it.\n\
                  After that the source is marked as left, for good: no process signs from it again. Only then does the destination open.\n\n\
                  If the command ends early, run it again with the same arguments: it goes on where it stopped.\n\n\
                  The keys are not copied. Give the new node its key with `vouchlog serve --key`, or copy the key files.\n\n\
                  Examples:\n  vouchlog store copy --from ./log --to postgres://vouchlog@db.example.com/logs\n  \
                  vouchlog store copy --from ./log --to postgres://vouchlog@db.example.com/logs --objects s3://bucket/prefix\n  \
                  vouchlog store copy --from postgres://vouchlog@db.example.com/logs --to ./log --log-vkey \"$LOG_VKEY\"\n\n\
                  Exit status: 0 the log was moved, 2 it was not."
)]
pub(super) struct CopyArgs {
    /// The store that serves the log: a data directory, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "DIR|URL")]
    from: String,
    /// The store that is to serve it: a new data directory, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "DIR|URL")]
    to: String,
    /// Keep the sealed part at the destination in this object store; it may be the one that the source uses
    #[arg(long, value_name = "URL", env = "VOUCHLOG_OBJECTS")]
    objects: Option<String>,
    /// The log's public key [default: that of log.key in the data directory]
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
    /// How long to wait for the process that serves a data directory to stop
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = crate::values::duration)]
    wait: Duration,
}

impl CopyArgs {
    pub(super) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let place = |flag: &str, text: &str| {
            Place::parse(text).with_context(|| {
                Advice::new(
                    format!("{flag} is not usable"),
                    "give a directory, or a URL such as postgres://USER@HOST/DATABASE",
                )
            })
        };
        let (from, to) = (place("--from", &self.from)?, place("--to", &self.to)?);
        let vkey = match (&self.log_vkey, &from) {
            (Some(vkey), _) => vkey.clone(),
            (None, Place::Directory(dir)) => own_vkey(dir)?,
            (None, Place::Postgres(_)) => {
                return Err(Advice::error("the log's public key is not known", "give it with --log-vkey"));
            }
        };
        let security = connections::security();
        let objects = match &self.objects {
            Some(url) => Some(Objects::open(url, &security).map_err(|error| refused(&error.to_string()))?),
            None => None,
        };
        let shown = (from.to_string(), to.to_string());
        let moving = Moving { from, to, objects, vkey, patience: self.wait, security };
        let bar = output::progress(0, "entries copied");
        let moved = moving.run(&mut |step| {
            match step {
                Step::Copied { entries, of } => {
                    bar.set_length(of.unwrap_or(entries).max(entries));
                    bar.set_position(entries);
                }
                Step::Waiting if Path::new(&self.from).is_dir() => bar.suspend(|| {
                    output::note(&format!(
                        "What is full is copied. Stop the process that serves {}.",
                        self.from
                    ));
                }),
                Step::Frozen => bar.suspend(|| output::note("The log stands still; copying the rest.")),
                Step::Left => bar.suspend(|| {
                    output::note(&format!("{} is left: no process signs from it again.", shown.0));
                }),
                Step::Prepared | Step::Waiting | Step::Verified => {}
            }
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        let moved = moved.map_err(|error| advise(&error))?;
        self.answer(&moved, shown, output)
    }

    fn answer(&self, moved: &Moved, (from, to): (String, String), output: Output) -> anyhow::Result<Outcome> {
        let Moved { origin, head, frozen, .. } = moved;
        let frozen = frozen.as_millis();
        let how = match head {
            Some(head) => format!(
                "{}; every hash leads to the committed root {}, and it stood still for {frozen} ms",
                output::count(head.size.get(), "entry", "entries"),
                head.root
            ),
            None => "an earlier run moved it".to_owned(),
        };
        let words = format!("The log {origin} was moved from {from} to {to}: {how}");
        let answer = json!({
            "origin": origin, "from": from, "to": to, "objects": self.objects,
            "size": head.map(|head| head.size.get()), "root": head.map(|head| head.root.to_string()),
            "frozen_ms": u64::try_from(frozen).unwrap_or(u64::MAX),
        });
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }
}

fn advise(error: &MoveError) -> anyhow::Error {
    let again = "run the same command again: it goes on where it stopped";
    let hint = match error {
        MoveError::Source(StoreError::Moved(_)) => {
            "the log was moved to another destination than this one: give that one with --to, or serve it there"
        }
        MoveError::Source(StoreError::Pruned(_)) => {
            "a log that gave up entries stays in its data directory; nothing was changed"
        }
        MoveError::Source(StoreError::Damaged(_)) => {
            "nothing was moved. Find the damage with `vouchlog fsck`, or use the newest copy of the log"
        }
        MoveError::Source(StoreError::Foreign(_)) | MoveError::Key { .. } => {
            "check --from and --log-vkey; nothing was moved"
        }
        MoveError::Destination(StoreError::Foreign(_) | StoreError::ForeignObjects(_)) => {
            "give another destination, or delete what an earlier attempt left there; the source is unchanged"
        }
        MoveError::Destination(StoreError::Conflict(_)) => {
            "give another prefix with --objects: the bucket holds another log's objects. The source is unchanged"
        }
        MoveError::NotStopped(_) => "stop the process that serves the log, then run the same command again",
        _ => again,
    };
    Advice::error(error.to_string(), hint)
}
