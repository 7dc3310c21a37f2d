//! `vouchlog record`: grades records, keeps them in the vault and logs their digests.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use vouchlog::StatementKind;
use vouchlog_grading::Severity;
use vouchlog_record::Record;
use vouchlog_record::json;
use vouchlog_record::limits::MAX_RECORD_BYTES;
use vouchlog_vault::{Recorded, Row};

use super::custody::{self, CustodyArgs, VaultArgs};
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// Most records of one run; more is another run.
const MAX_RECORDS: usize = 10_000;
/// Records told one by one to people; programs hear of all.
const SHOWN: usize = 20;

/// Grade records of AI interactions, keep them in a vault, and log their digests
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog record --vault vault --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" \\\n    \
                        --gateway-key gateway.key interaction.json\n  \
                        jq -c '.[]' records.json | vouchlog record --vault vault -\n\n\
                        A record is JSON: `vouchlog schema` prints its schema, `vouchlog grade` reports what one lacks. It is never\n\
                        sent: the log gets the digest of a statement with a salt for every field. The vault and its key are created if\n\
                        missing; move the key elsewhere and give its place with --vault-key."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    custody: CustodyArgs,
    /// Send only pending records: those of an earlier run, and those of silent gateways of the same name
    #[arg(long, conflicts_with = "records")]
    flush: bool,
    /// Files with one record, an array of records, or one record per line; - is standard input
    #[arg(value_name = "RECORD", required_unless_present = "flush")]
    records: Vec<PathBuf>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let RecordFiles { records, rejected } = {
            let files = read_records(&self.records)?;
            files.warn()?;
            files
        };
        let (vault, access) = self.vault.open_or_create().await?;
        let custodian = self.custody.open(&self.vault, vault.clone(), access.clone()).await?;
        let record = async { Ok(custodian.recorder().record(records).await?) };
        let done = async {
            let recorded = self.custody.patiently(&custodian, record).await?;
            self.custody.settle(&custodian).await?;
            if self.flush {
                self.custody.take_over(&custodian).await?;
            }
            anyhow::Ok(recorded)
        };
        let recorded = done.await;
        custodian.stop().await;
        let mut logged = Vec::new();
        for recorded in recorded? {
            let row = vault.row(&access, &recorded.id).await.map_err(custody::advise_vault)?;
            logged.push((recorded, row));
        }
        answer(output, &logged, &rejected)?;
        Ok(if rejected.is_empty() { Outcome::Fine } else { Outcome::Finding })
    }
}

fn answer(output: Output, logged: &[(Recorded, Row)], rejected: &[String]) -> anyhow::Result<()> {
    if logged.is_empty() {
        return output.answer("nothing is pending", &json!({ "records": [] }));
    }
    let mut lines = vec![format!("recorded {}", output::count(logged.len() as u64, "record", "records"))];
    for (recorded, row) in logged.iter().take(SHOWN) {
        let index =
            row.place.map_or_else(|| "not logged yet".to_owned(), |place| format!("index {}", place.index));
        lines.push(format!("  {}  {index}  {}", recorded.id, in_words(recorded, row.kind)));
    }
    if logged.len() > SHOWN {
        lines.push(format!("  … and {} more", logged.len() - SHOWN));
    }
    let records: Vec<Value> = logged.iter().map(as_json).collect();
    if !rejected.is_empty() {
        lines.push(format!("not recorded: {}", output::count(rejected.len() as u64, "record", "records")));
    }
    let mut told = json!({ "records": records });
    if !rejected.is_empty() {
        told["rejected"] = json!(rejected);
    }
    output.answer(&lines.join("\n"), &told)
}

fn in_words(recorded: &Recorded, kind: StatementKind) -> String {
    let Some(grade) = &recorded.grade else { return "already recorded".to_owned() };
    let verdicts = &grade.verdicts;
    let acts = matches!(kind, StatementKind::Interaction | StatementKind::Intent);
    let lacking: Vec<&str> = grade
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Indeterminate)
        .map(|finding| finding.rule.code)
        .collect();
    let lacking = if lacking.is_empty() { String::new() } else { format!(" ({})", lacking.join(" ")) };
    if !acts {
        return format!("{kind}{lacking}");
    }
    format!(
        "attributable: {}, credential valid when used: {}, complete: {}{lacking}",
        verdicts.attributable, verdicts.credential_valid_at_moment, verdicts.complete
    )
}

fn as_json((recorded, row): &(Recorded, Row)) -> Value {
    json!({
        "id": recorded.id,
        "kind": row.kind.name(),
        "digest": recorded.digest.to_string(),
        "index": row.place.map(|place| place.index.get()),
        "stream": row.place.map(|place| place.stream.get()),
        "sequence": row.place.map(|place| place.sequence.get()),
        "recorded_before": recorded.grade.is_none(),
        "grade": recorded.grade,
    })
}

/// What files hold.
#[derive(Default)]
pub(super) struct RecordFiles {
    /// The records that were read.
    pub(super) records: Vec<Record>,
    /// What could not be read, each with its file, its number and the reason.
    pub(super) rejected: Vec<String>,
}

impl RecordFiles {
    /// Warns of each record that could not be read. Fails if there is no other.
    pub(super) fn warn(&self) -> anyhow::Result<()> {
        match &self.rejected[..] {
            [first, ..] if self.records.is_empty() => {
                Err(Advice::error(first.clone(), "`vouchlog schema` prints the schema of a record"))
            }
            rejected => {
                rejected.iter().for_each(|why| output::warn(why));
                Ok(())
            }
        }
    }
}

/// Reads records from files; each has one, an array of them, or one after the other. One that cannot be read costs only itself.
pub(super) fn read_records(files: &[PathBuf]) -> anyhow::Result<RecordFiles> {
    let mut all = RecordFiles::default();
    for file in files {
        records_of(file, &mut all).with_context(|| file.display().to_string())?;
        anyhow::ensure!(
            all.records.len() + all.rejected.len() <= MAX_RECORDS,
            "more than {MAX_RECORDS} records: record them in parts"
        );
    }
    Ok(all)
}

fn records_of(file: &Path, all: &mut RecordFiles) -> anyhow::Result<()> {
    let limit = MAX_RECORD_BYTES * 64;
    let mut bytes = Vec::new();
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file)?)
    };
    input.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(bytes.len() <= limit, "longer than {limit} bytes: record them in parts");
    for (place, found) in json::split(&bytes).take(MAX_RECORDS + 1).enumerate() {
        let number = place + 1;
        let parsed = found
            .and_then(|raw| json::read(raw.bytes(), json::MAX_DEPTH))
            .map_err(|error| error.to_string())
            .and_then(|value| Record::from_value(value).map_err(|error| error.to_string()));
        match parsed {
            Err(why) => all.rejected.push(format!("{}: record {number}: {why}", file.display())),
            Ok(parsed) => {
                if !parsed.removed.is_empty() {
                    let secrets = output::count(parsed.removed.len() as u64, "secret", "secrets");
                    let places = parsed.removed.join(", ");
                    output::warn(&format!("record {number}: {secrets} removed at {places}"));
                }
                all.records.push(parsed.record);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_record_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let file = folder.path().join("records.json");
            std::fs::write(&file, text).unwrap();
            read_records(&[file]).unwrap()
        };
        let good = r#"{"kind":"interaction"}"#;
        for bad in [
            r#"{"kind":"interaction","kind":"interaction"}"#,
            r#"{"kind":"interaction","a":"\ud800"}"#,
            r#"{"kind":"nonsense"}"#,
            "5",
        ] {
            for text in [format!("[{good},{bad},{good}]"), format!("{good}\n{bad}\n{good}\n")] {
                let files = read(&text);
                assert_eq!((files.records.len(), files.rejected.len()), (2, 1), "{text}");
                assert!(files.rejected[0].contains("records.json: record 2: "), "{:?}", files.rejected);
                files.warn().unwrap();
            }
            assert!(read(bad).warn().is_err(), "nothing is left to record");
        }
        assert!(read("").warn().is_ok());
    }
}
