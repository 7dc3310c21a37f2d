//! `vouchlog record`: grades records, keeps them in the vault and logs their digests.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use vouchlog::custody::{Custodian, CustodyError};
use vouchlog::{Policy, StatementKind};
use vouchlog_grading::Severity;
use vouchlog_record::Record;
use vouchlog_record::json;
use vouchlog_record::limits::MAX_RECORD_BYTES;
use vouchlog_vault::{Recorded, Row};

use super::custody::{self, CustodyArgs, VaultArgs};
use super::given;
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
                        jq -c '.[]' records.json | vouchlog record --vault vault --witnessed --close -\n\n\
                        A record is JSON: `vouchlog schema` prints its schema, `vouchlog grade` reports what one lacks. It is never\n\
                        sent: the log gets the digest of a statement with a salt for every field. The vault and its key are created if\n\
                        missing; move the key elsewhere and give its place with --vault-key.\n\n\
                        Exit status: 0 everything was recorded, and witnessed if that was asked for; 1 otherwise."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    custody: CustodyArgs,
    #[command(flatten)]
    ending: Ending,
    /// Send only pending records: those of an earlier run, and those of silent gateways of the same name
    #[arg(long, conflicts_with = "records")]
    flush: bool,
    /// Files with one record, an array of records, or one record per line; - is standard input
    #[arg(value_name = "RECORD", required_unless_present = "flush")]
    records: Vec<PathBuf>,
}

/// What happens once the records are logged.
#[derive(clap::Args)]
struct Ending {
    /// Wait up to --wait for the log's witnesses to cosign a checkpoint that covers the records, and keep receipts with the cosignatures
    #[arg(long)]
    witnessed: bool,
    /// As --witnessed, and require that the receipts satisfy this policy (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", requires = "log_vkey", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
    /// Close the gateway's stream afterwards. An audit reports an open stream as `silent-stream` after 90 seconds
    #[arg(long)]
    close: bool,
}

impl Ending {
    /// Waits for witnesses, if that was asked for. What was logged stays logged; `Err` is why the receipts do not suffice.
    async fn await_witnesses(
        &self,
        policy: Option<&Policy>,
        custodian: &Custodian,
        custody: &CustodyArgs,
        records: &[Recorded],
    ) -> anyhow::Result<Option<Result<(), String>>> {
        if !self.witnessed && policy.is_none() {
            return Ok(None);
        }
        let ids: Vec<_> = records.iter().filter(|one| !one.is_conflict).map(|one| one.id.clone()).collect();
        let renewer = custodian.renewer();
        let witnessed = async {
            renewer.witnessed(&ids, policy).await?;
            // Also what an earlier run left in the spool.
            renewer.settle().await
        };
        let quorum = if policy.is_some() { "the policy's witnesses" } else { "the log's witnesses" };
        Ok(Some(match tokio::time::timeout(custody.wait, witnessed).await {
            Ok(Err(error @ CustodyError::NoWitnesses)) => Err(error.to_string()),
            Ok(witnessed) => {
                witnessed.map_err(custody::advise)?;
                Ok(())
            }
            Err(_) => Err(format!("{quorum} did not cosign within {} s", custody.wait.as_secs())),
        }))
    }
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let policy = self.ending.policy.as_deref().map(super::policy).transpose()?;
        let raw = RawRecords::read(&self.records)?;
        // A record that cannot be read is reported before anything is made.
        raw.clone().parse().warn_of_rejected()?;
        let (vault, access) = self.vault.open_or_create().await?;
        let custodian = self.custody.open(&self.vault, vault.clone(), access.clone()).await?;
        // Read again, for good: stand-ins for secrets are made with the key of the vault.
        let files = raw.parse();
        files.warn_of_secrets();
        let RecordFiles { records, rejected, .. } = files;
        let record = async { Ok(custodian.recorder().record(records).await?) };
        let done = async {
            let recorded = self.custody.patiently(&custodian, record).await?;
            self.custody.settle(&custodian).await?;
            if self.flush {
                self.custody.take_over(&custodian).await?;
            }
            let witnessed =
                self.ending.await_witnesses(policy.as_ref(), &custodian, &self.custody, &recorded).await?;
            if self.ending.close {
                let close = async { Ok(custodian.gateway().close().await?) };
                self.custody.patiently(&custodian, close).await?;
            }
            anyhow::Ok((recorded, witnessed))
        };
        let done = done.await;
        custodian.stop().await;
        let (recorded, witnessed) = done?;
        let mut logged = Vec::new();
        for recorded in recorded {
            let row = vault.row(&access, &recorded.id).await.map_err(custody::advise_vault)?;
            logged.push((recorded, row));
        }
        answer(output, &logged, &rejected, witnessed.as_ref())?;
        let is_witnessed = witnessed.is_none_or(|witnessed| witnessed.is_ok());
        let is_recorded = rejected.is_empty() && logged.iter().all(|(recorded, _)| !recorded.is_conflict);
        let is_fine = is_recorded && is_witnessed;
        Ok(if is_fine { Outcome::Fine } else { Outcome::Finding })
    }
}

fn answer(
    output: Output,
    logged: &[(Recorded, Row)],
    rejected: &[String],
    witnessed: Option<&Result<(), String>>,
) -> anyhow::Result<()> {
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
    if !rejected.is_empty() {
        lines.push(format!("not recorded: {}", output::count(rejected.len() as u64, "record", "records")));
    }
    let mut told = json!({ "records": records });
    match witnessed {
        None => {}
        Some(Ok(())) => lines.push("witnessed: the receipts carry the cosignatures".to_owned()),
        Some(Err(why)) => {
            lines.push(format!("NOT WITNESSED: {why}"));
            lines.push(
                "the records are logged; `vouchlog session` with --log and --policy renews their receipts"
                    .to_owned(),
            );
        }
    }
    if let Some(witnessed) = witnessed {
        told["witnessed"] = witnessed.is_ok().into();
        told["not_witnessed"] = json!(witnessed.as_ref().err());
    }
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
        "recorded_before": recorded.grade.is_none() && !recorded.is_conflict,
        "conflict": recorded.is_conflict,
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
    /// Which records had secrets, and where.
    secrets: Vec<String>,
}

impl RecordFiles {
    /// Warns of each record that could not be read. Fails if there is no other.
    pub(super) fn warn_of_rejected(&self) -> anyhow::Result<()> {
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

    /// Warns of each secret that was removed.
    pub(super) fn warn_of_secrets(&self) {
        self.secrets.iter().for_each(|words| output::warn(words));
    }
}

/// Reads records from files; each has one, an array of them, or one after the other. One that cannot be read costs only itself.
pub(super) fn read_records(files: &[PathBuf]) -> anyhow::Result<RecordFiles> {
    Ok(RawRecords::read(files)?.parse())
}

/// The JSON of files, split into records.
#[derive(Clone, Default)]
struct RawRecords(Vec<RawRecord>);

/// The JSON of one record, or why there is none.
#[derive(Clone)]
struct RawRecord {
    file: PathBuf,
    /// Its number in the file, from 1.
    number: usize,
    value: Result<Value, String>,
}

impl RawRecords {
    fn read(files: &[PathBuf]) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for file in files {
            all.add(file).with_context(|| file.display().to_string())?;
        }
        Ok(all)
    }

    fn add(&mut self, file: &Path) -> anyhow::Result<()> {
        let limit = MAX_RECORD_BYTES * 64;
        let mut bytes = Vec::new();
        given::open(file, limit)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        anyhow::ensure!(bytes.len() <= limit, "longer than {limit} bytes: record them in parts");
        for (place, found) in json::split(&bytes).enumerate() {
            anyhow::ensure!(
                self.0.len() < MAX_RECORDS,
                "more than {MAX_RECORDS} records: record them in parts"
            );
            let value = found.and_then(|raw| json::read(raw.bytes(), json::MAX_DEPTH));
            let value = value.map_err(|error| error.to_string());
            self.0.push(RawRecord { file: file.to_owned(), number: place + 1, value });
        }
        Ok(())
    }

    fn parse(self) -> RecordFiles {
        let mut files = RecordFiles::default();
        for RawRecord { file, number, value } in self.0 {
            let parsed = value.and_then(|value| Record::from_value(value).map_err(|error| error.to_string()));
            match parsed {
                Err(why) => files.rejected.push(format!("{}: record {number}: {why}", file.display())),
                Ok(parsed) => {
                    if !parsed.removed.is_empty() {
                        let secrets = output::count(parsed.removed.len() as u64, "secret", "secrets");
                        let places = parsed.removed.join(", ");
                        files.secrets.push(format!("record {number}: {secrets} removed at {places}"));
                    }
                    files.records.push(parsed.record);
                }
            }
        }
        files
    }
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
                files.warn_of_rejected().unwrap();
            }
            assert!(read(bad).warn_of_rejected().is_err(), "nothing is left to record");
        }
        assert!(read("").warn_of_rejected().is_ok());
    }
}
