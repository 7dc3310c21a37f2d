//! `vouchlog vault export`: records, sessions, findings or disclosures, to a file or a URL.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;
use vouchlog_desk::{Export, ExportFormat, ExportPage, ExportedThing, ReasonForContent};
use vouchlog_record::Facet;
use zeroize::Zeroizing;

use super::lists::TimeArgs;
use super::review::State;
use crate::advice::Advice;
use crate::commands::custody::{CustodyArgs, VaultArgs};
use crate::commands::desk::OpenDesk;
use crate::commands::poster::Poster;
use crate::commands::{find, read_file};
use crate::connections::ReachArgs;
use crate::output::{self, Outcome, Output};

/// More than any token has.
const MAX_TOKEN_BYTES: usize = 16 * 1_024;

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Thing {
    /// Records, with what was found in each
    Records,
    /// Sessions, as they are listed
    Sessions,
    /// Findings
    Findings,
    /// Who read content, and what was disclosed to whom
    Disclosures,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Comma-separated values with a line of names
    Csv,
    /// One JSON object on each line
    Jsonl,
    /// One OCSF 1.5.0 event on each line, of records and findings
    Ocsf,
}

/// `vouchlog vault export`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog vault --vault vault export sessions -o sessions.csv\n  \
                        vouchlog vault --vault vault export records --format ocsf --since 7d -o events.jsonl\n  \
                        vouchlog vault --vault vault export findings --format ocsf --to https://siem.example/ingest --to-token siem.token\n\n\
                        Each record and finding has the origin of its log and the index of its entry. In CSV, a value that a spreadsheet would\n\
                        take for a formula begins with an apostrophe. A URL receives pages of lines (application/x-ndjson, or text/csv) with\n\
                        POST, each again up to 4 times if it was not taken; a page may then arrive twice. With --content, the log first records\n\
                        that content was read.")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    custody: CustodyArgs,
    /// What to export
    #[arg(value_enum)]
    what: Thing,
    /// The form
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Only what has all of these values, such as agent=agents/refunds
    #[arg(long = "by", value_name = "FACET=VALUE", value_parser = find::facet)]
    facets: Vec<(Facet, String)>,
    #[command(flatten)]
    time: TimeArgs,
    /// Findings in this state
    #[arg(long, value_enum, default_value_t = State::Open)]
    in_state: State,
    /// Also the content of records, with --format jsonl
    #[arg(long, requires = "basis")]
    content: bool,
    /// The reason for reading content: the case or the request
    #[arg(long, value_name = "TEXT", requires = "content")]
    basis: Option<String>,
    /// The file to write; it is there once all of the export is in it
    #[arg(short, long, value_name = "FILE", conflicts_with = "to", required_unless_present = "to")]
    out: Option<PathBuf>,
    /// The URL to send to
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// A file with the bearer token for the URL
    #[arg(long, value_name = "FILE", requires = "to")]
    to_token: Option<PathBuf>,
    #[command(flatten)]
    reach: ReachArgs,
}

/// Where an export goes.
enum Target {
    File { file: File, partial: PathBuf, path: PathBuf },
    Url(Poster),
}

impl ExportArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        // What cannot be delivered is not read.
        let mut target = self.target()?;
        let ask = self.ask(vault);
        let desk = match ask.content {
            Some(_) => OpenDesk::recording(vault, &self.custody).await?,
            None => OpenDesk::reading(vault).await?,
        };
        let sent = self.send(&desk, ask, &mut target).await;
        desk.close().await;
        let count = match (sent, target) {
            (Ok(count), Target::File { file, partial, path }) => {
                file.sync_all()
                    .and_then(|()| std::fs::rename(&partial, &path))
                    .with_context(|| shown(&path))?;
                count
            }
            (Ok(count), Target::Url(_)) => count,
            (Err(error), Target::File { partial, .. }) => {
                // What is there of it is no export.
                std::fs::remove_file(&partial).ok();
                return Err(error);
            }
            (Err(error), Target::Url(_)) => return Err(error),
        };
        let to = self.out.as_deref().map_or_else(|| "the URL".to_owned(), shown);
        let words = format!("{} to {to}", output::count(count, "line", "lines"));
        output.answer(&words, &json!({ "lines": count, "file": self.out }))?;
        Ok(Outcome::Fine)
    }

    fn ask(&self, vault: &VaultArgs) -> Export {
        Export {
            tenant: Some(vault.tenant.clone()),
            what: match self.what {
                Thing::Records => ExportedThing::Records,
                Thing::Sessions => ExportedThing::Sessions,
                Thing::Findings => ExportedThing::Findings,
                Thing::Disclosures => ExportedThing::Disclosures,
            },
            format: match self.format {
                Format::Csv => ExportFormat::Csv,
                Format::Jsonl => ExportFormat::JsonLines,
                Format::Ocsf => ExportFormat::Ocsf,
            },
            facets: self.facets.iter().cloned().map(find::named).collect(),
            from: self.time.from(),
            to: self.time.to(),
            state: self.in_state.into(),
            content: self.basis.clone().filter(|_| self.content).map(|basis| ReasonForContent { basis }),
            after: None,
        }
    }

    fn target(&self) -> anyhow::Result<Target> {
        if let Some(path) = &self.out {
            let partial = {
                let mut name = path.clone().into_os_string();
                name.push(".partial");
                PathBuf::from(name)
            };
            let file = File::create(&partial).with_context(|| shown(&partial))?;
            return Ok(Target::File { file, partial, path: path.clone() });
        }
        let url = self.to.as_deref().context("give --out or --to")?;
        let token = match &self.to_token {
            None => None,
            Some(file) => {
                let bytes = Zeroizing::new(read_file(file, MAX_TOKEN_BYTES)?);
                let token = std::str::from_utf8(&bytes).context("the token is not text")?;
                Some(Zeroizing::new(token.trim().to_owned()))
            }
        };
        Ok(Target::Url(Poster::new("--to", url, self.reach.reach())?.with_token(token)))
    }

    /// Sends all pages. Answers how many lines they are.
    async fn send(&self, desk: &OpenDesk, mut ask: Export, target: &mut Target) -> anyhow::Result<u64> {
        let content_type = match self.format {
            Format::Csv => "text/csv",
            Format::Jsonl | Format::Ocsf => "application/x-ndjson",
        };
        let mut lines = 0;
        loop {
            let ExportPage { text, count, next } = desk.ask(ask.clone()).await?;
            match target {
                Target::File { file, partial, .. } => {
                    file.write_all(text.as_bytes()).with_context(|| shown(partial))?;
                }
                Target::Url(_) if text.is_empty() => {}
                Target::Url(poster) => {
                    let posted = poster.post(content_type, &text).await;
                    posted.map_err(|error| {
                        Advice::error(
                            format!("the receiver took {lines} lines, and then failed: {error}"),
                            "export again; use --since to leave out what was sent",
                        )
                    })?;
                }
            }
            lines += count;
            let Some(after) = next else { return Ok(lines) };
            ask.after = Some(after);
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
