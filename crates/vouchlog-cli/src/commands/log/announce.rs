//! `vouchlog log announce`: gives witnesses the proof that a log has ended.

use std::path::PathBuf;

use clap::ArgGroup;
use serde_json::json;
use vouchlog::{ErrorKind, witnesses_by_url};
use vouchlog_api::Witness as _;
use vouchlog_client::witness;

use crate::commands::ended;
use crate::connections;
use crate::output::{Outcome, Output};

/// Notify witnesses that a log has ended, so that they cosign nothing beyond its end
#[derive(clap::Args)]
#[command(
    group = ArgGroup::new("to").args(["witnesses", "policy"]).required(true).multiple(true),
    after_help = "Examples:\n  vouchlog log announce end.tlog-proof --policy policy.txt\n  \
                        vouchlog log announce end.tlog-proof --witness https://witness.example.com\n\n\
                        A witness accepts the proof once it has cosigned the final checkpoint: the retired log sends that by itself while it is\n\
                        served. Other witness software has no such request: ask its operator to take the log off the list.\n\
                        Exit status: 0 every witness accepted the proof, 1 a witness has cosigned a larger tree or another history,\n\
                        2 a witness could not be notified."
)]
pub(super) struct Args {
    /// The proof that `vouchlog log retire` wrote
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    /// A witness's URL; may be repeated
    #[arg(long = "witness", value_name = "URL")]
    witnesses: Vec<String>,
    /// The log's witnesses (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
}

/// How a witness responded.
enum WitnessResponse {
    TookNote,
    /// It has cosigned what the log's key signed beyond the end, or beside it.
    Contradicts(String),
    Failed(String),
}

impl Args {
    pub(super) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let proof = ended::load(&self.proof)?;
        let policy = self.policy.as_deref().map(crate::commands::policy).transpose()?;
        let mut urls = self.witnesses.clone();
        let listed = policy.iter().flat_map(witnesses_by_url).map(|(url, _)| url.to_owned());
        urls.extend(listed.filter(|url| !self.witnesses.contains(url)));
        anyhow::ensure!(!urls.is_empty(), "the policy names no URL of a witness: give --witness");
        let (size, text) = (proof.head().size.get(), proof.to_text());
        let (mut lines, mut answers, mut outcome) = (Vec::new(), Vec::new(), Outcome::Fine);
        let mut failed = None;
        for url in urls {
            let (word, words) = match tell(&url, &text, size).await {
                WitnessResponse::TookNote => ("told", format!("cosigns nothing beyond {size} entries")),
                WitnessResponse::Contradicts(error) => {
                    outcome = Outcome::Finding;
                    ("contradicts", format!("HAS COSIGNED SOMETHING ELSE: {error}"))
                }
                WitnessResponse::Failed(error) => {
                    failed.get_or_insert_with(|| format!("{url}: {error}"));
                    ("failed", format!("was not notified: {error}"))
                }
            };
            lines.push(format!("{url}  {words}"));
            answers.push(json!({ "url": url, "outcome": word, "words": words }));
        }
        let answer =
            json!({ "origin": proof.retirement().origin().as_str(), "size": size, "witnesses": answers });
        output.answer(&lines.join("\n"), &answer)?;
        match failed {
            Some(failed) if outcome == Outcome::Fine => Err(crate::advice::Advice::error(
                format!("a witness could not be notified: {failed}"),
                "serve the retired log until the witness has cosigned its final checkpoint, then run the same command",
            )),
            _ => Ok(outcome),
        }
    }
}

async fn tell(url: &str, proof: &str, size: u64) -> WitnessResponse {
    let witness = match witness(url, &connections::to_witnesses()) {
        Ok(witness) => witness,
        Err(error) => return WitnessResponse::Failed(error.to_string()),
    };
    match witness.retire_log(proof.to_owned()).await {
        Ok(_) => WitnessResponse::TookNote,
        Err(error) => match error.kind {
            ErrorKind::Conflict { size: cosigned } if cosigned < size => WitnessResponse::Failed(format!(
                "it has cosigned {cosigned} of the log's {size} entries so far"
            )),
            ErrorKind::Conflict { .. } | ErrorKind::Inconsistent | ErrorKind::Retired => {
                WitnessResponse::Contradicts(error.to_string())
            }
            _ => WitnessResponse::Failed(error.to_string()),
        },
    }
}
