//! `vouchlog record`: grades records, keeps them in the vault and logs their digests.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use vouchlog::StatementKind;
use vouchlog_grading::Severity;
use vouchlog_record::limits::MAX_RECORD_BYTES;
use vouchlog_record::{ParsedRecord, Record};
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
        let values = read_values(&self.records)?;
        // A record that cannot be read is told before anything is made. It is read for good under the key of the vault.
        parse(values.clone())?;
        let (vault, access) = self.vault.open_or_create().await?;
        let custodian = self.custody.open(&self.vault, vault.clone(), access.clone()).await?;
        let records = parse_with_warnings(values)?;
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
        answer(output, &logged)?;
        let is_fine = logged.iter().all(|(recorded, _)| !recorded.is_conflict);
        Ok(if is_fine { Outcome::Fine } else { Outcome::Finding })
    }
}

fn answer(output: Output, logged: &[(Recorded, Row)]) -> anyhow::Result<()> {
    if logged.is_empty() {
        return output.answer("nothing is pending", &json!({ "records": [] }));
    }
    let (conflicts, recorded): (Vec<_>, Vec<_>) =
        logged.iter().partition(|(recorded, _)| recorded.is_conflict);
    let mut lines = vec![format!("recorded {}", output::count(recorded.len() as u64, "record", "records"))];
    for (conflict, _) in conflicts.iter().take(SHOWN) {
        lines.push(format!("not recorded: {}, whose id belongs to a record with other content", conflict.id));
    }
    if conflicts.len() > SHOWN {
        lines.push(format!("not recorded: {} more of that kind", conflicts.len() - SHOWN));
    }
    if !conflicts.is_empty() {
        lines.push(
            "give each record an id of its own; what completes a record names it in `correlation.amends`"
                .to_owned(),
        );
    }
    for (recorded, row) in recorded.iter().take(SHOWN) {
        let index =
            row.place.map_or_else(|| "not logged yet".to_owned(), |place| format!("index {}", place.index));
        lines.push(format!("  {}  {index}  {}", recorded.id, in_words(recorded, row.kind)));
    }
    if recorded.len() > SHOWN {
        lines.push(format!("  … and {} more", recorded.len() - SHOWN));
    }
    let records: Vec<Value> = logged.iter().map(as_json).collect();
    output.answer(&lines.join("\n"), &json!({ "records": records }))
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
        "recorded_before": recorded.grade.is_none() && !recorded.is_conflict,
        "conflict": recorded.is_conflict,
        "grade": recorded.grade,
    })
}

/// Reads records from files; each has one, an array of them, or one after the other.
pub(super) fn read_records(files: &[PathBuf]) -> anyhow::Result<Vec<Record>> {
    parse_with_warnings(read_values(files)?)
}

/// The JSON of records, with the name of its file.
type Named = (PathBuf, Vec<Value>);

fn read_values(files: &[PathBuf]) -> anyhow::Result<Vec<Named>> {
    let (mut named, mut count) = (Vec::new(), 0);
    for file in files {
        let values = values_of(file).with_context(|| file.display().to_string())?;
        count += values.len();
        anyhow::ensure!(count <= MAX_RECORDS, "more than {MAX_RECORDS} records: record them in parts");
        named.push((file.clone(), values));
    }
    Ok(named)
}

fn values_of(file: &Path) -> anyhow::Result<Vec<Value>> {
    let limit = MAX_RECORD_BYTES * 64;
    let mut bytes = Vec::new();
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file)?)
    };
    input.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(bytes.len() <= limit, "longer than {limit} bytes: record them in parts");
    let mut records = Vec::new();
    for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>() {
        match value.context("it is not valid JSON")? {
            Value::Array(values) => records.extend(values),
            value => records.push(value),
        }
    }
    Ok(records)
}

fn parse(named: Vec<Named>) -> anyhow::Result<Vec<ParsedRecord>> {
    let mut records = Vec::new();
    for (file, values) in named {
        for (place, value) in values.into_iter().enumerate() {
            let parsed = Record::from_value(value).map_err(|error| {
                Advice::error(
                    format!("record {}: {error}", place + 1),
                    "`vouchlog schema` prints the schema of a record",
                )
            });
            records.push(parsed.with_context(|| file.display().to_string())?);
        }
    }
    Ok(records)
}

fn parse_with_warnings(named: Vec<Named>) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    for parsed in parse(named)? {
        if !parsed.removed.is_empty() {
            let secrets = output::count(parsed.removed.len() as u64, "secret", "secrets");
            let places = parsed.removed.join(", ");
            output::warn(&format!("record {}: {secrets} removed at {places}", records.len() + 1));
        }
        records.push(parsed.record);
    }
    Ok(records)
}
