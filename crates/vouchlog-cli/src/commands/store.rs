//! `vouchlog store`: whether the stores a log is to use keep what it relies on; moving a log from one to another; handing it over to a
//! standby; giving up its old entries.

use clap::Subcommand;
use serde_json::{Map, Value, json};
use vouchlog_storage::Pruned;

use crate::output::{Outcome, Output};

mod copy;
mod objects;
mod postgres;
mod prune;

pub(super) use postgres::place;

/// Check the stores that a log is to use; move a log from one to another; hand it over to a standby; give up old entries
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog store check --store postgres://vouchlog@db.example.com/logs\n  \
                        vouchlog store check --objects s3://bucket/prefix\n  \
                        vouchlog store copy --from ./log --to postgres://vouchlog@db.example.com/logs\n  \
                        vouchlog store resign --store postgres://vouchlog@db.example.com/logs\n  \
                        vouchlog store prune --data ./log --older-than 7y --dry-run"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Check(CheckArgs),
    Copy(Box<copy::CopyArgs>),
    Resign(postgres::ResignArgs),
    Prune(prune::PruneArgs),
}

/// Check whether a log can be kept here: a database's durability, standbys and poolers; whether an object store keeps the conditions of
/// writes, and which log it holds
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("stores").required(true).multiple(true).args(["store", "objects"]),
    after_help = "The probe of an object store writes, replaces and deletes objects of its own below the prefix. Eight writers race to\n\
                  create one object and to replace it; exactly one may succeed, or two logs could replace each other's objects.\n\n\
                  Examples:\n  vouchlog store check --store postgres://vouchlog@db.example.com/logs\n  \
                  vouchlog store check --objects s3://bucket/prefix\n  \
                  vouchlog store check --objects file:///srv/log --json\n\n\
                  Exit status: 0 it can be used, 1 it must not be used, 2 it could not be checked."
)]
struct CheckArgs {
    /// The PostgreSQL database: postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", env = "VOUCHLOG_STORE")]
    store: Option<String>,
    /// The object store: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///folder
    #[arg(long, value_name = "URL", env = "VOUCHLOG_OBJECTS")]
    objects: Option<String>,
}

/// What a check of one store came to.
struct Checked {
    /// Its name in the answer for programs.
    name: &'static str,
    usable: bool,
    words: String,
    json: Value,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        match self.what {
            What::Check(args) => args.run(output).await,
            // It reads and writes for as long as the log is large.
            What::Copy(args) => tokio::task::spawn_blocking(move || args.run(output)).await?,
            // It waits for the database.
            What::Resign(args) => tokio::task::spawn_blocking(move || args.run(output)).await?,
            // It reads for as long as the log is large.
            What::Prune(args) => tokio::task::spawn_blocking(move || args.run(output)).await?,
        }
    }
}

/// What a log has given up, in words.
fn pruned_words(pruned: &Pruned) -> String {
    format!("the minimum index is {}, as entry {} announces", pruned.minimum(), pruned.announced())
}

fn pruned_json(pruned: Option<&Pruned>) -> Value {
    pruned
        .map_or(Value::Null, |pruned| json!({ "minimum": pruned.minimum(), "announced": pruned.announced() }))
}

impl CheckArgs {
    async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let mut checked = Vec::new();
        if let Some(url) = self.store {
            checked.push(tokio::task::spawn_blocking(move || postgres::check(&url)).await??);
        }
        if let Some(url) = &self.objects {
            checked.push(objects::check(url).await?);
        }
        let usable = checked.iter().all(|store| store.usable);
        let words: Vec<&str> = checked.iter().map(|store| store.words.as_str()).collect();
        let words = words.join("\n");
        let mut json = Map::from_iter([("usable".to_owned(), Value::Bool(usable))]);
        json.extend(checked.into_iter().map(|store| (store.name.to_owned(), store.json)));
        output.answer(&words, &Value::Object(json))?;
        Ok(if usable { Outcome::Fine } else { Outcome::Finding })
    }
}
