//! `vouchlog erase`: destroys what makes records readable, and logs that it was lawful.

use serde_json::json;
use vouchlog_record::RecordId;
use vouchlog_vault::{Erased, Scope};

use super::custody::{self, CustodyArgs, VaultArgs};
use crate::output::{self, Outcome, Output};

/// Records erased because their time is over, in one go.
const SWEEP: usize = 1_000;

/// Erase records permanently and log the legal basis; every proof still holds afterwards
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog erase --vault vault --subject 'https://idp.example|u-20931' --basis 'GDPR Art. 17(1)(a)'\n  \
                        vouchlog erase --vault vault --due --basis 'retention period over'\n\n\
                        The keys of the records are destroyed. What remains shows that the records existed and why they were erased. Records\n\
                        under a legal hold or a retention duty are refused, and the refusal is recorded too.\n\
                        Exit status: 0 all were erased, 1 some must be kept."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    custody: CustodyArgs,
    #[command(flatten)]
    what: What,
    /// The legal basis, as a citation; it goes into the log, so it must not name a person
    #[arg(long, value_name = "TEXT")]
    basis: String,
}

/// What to erase.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// This record
    #[arg(long, value_name = "ID")]
    record: Option<RecordId>,
    /// All records of this person: issuer and subject as `iss|sub`, or `sub` alone where records have no issuer
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// All records whose retention period is over
    #[arg(long)]
    due: bool,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (vault, access) = self.vault.open().await?;
        let custodian = self.custody.open(&self.vault, vault.clone(), access.clone()).await?;
        let erase = async {
            let recorder = custodian.recorder();
            recorder.resume().await?;
            let mut erased = Vec::new();
            loop {
                let scope = match (&self.what.record, &self.what.subject) {
                    (Some(record), _) => Scope::Record(record.clone()),
                    (None, Some(subject)) => {
                        let tenant = Some(self.vault.tenant.clone());
                        Scope::Subject { tenant, subject: subject.clone() }
                    }
                    (None, None) => Scope::Retention(vault.due(&access, custody::now_millis(), SWEEP).await?),
                };
                let done = recorder.erase(&access, &scope, &self.basis).await?;
                let go_on = done.more || self.what.due && !done.records.is_empty();
                erased.push(done);
                // Otherwise records that must stay would be found again without end.
                if !go_on || erased.last().is_some_and(|done| done.records.is_empty()) {
                    break;
                }
            }
            recorder.flush().await?;
            Ok(erased)
        };
        let erased = self.custody.patiently(&custodian, erase).await;
        custodian.stop().await;
        let erased = erased?;
        let mut entries = Vec::new();
        for id in erased.iter().filter_map(|erased| erased.entry.as_ref()) {
            let row = vault.row(&access, id).await.map_err(custody::advise_vault)?;
            entries.push(json!({ "record": id, "index": row.place.map(|place| place.index.get()) }));
        }
        answer(output, &erased, &entries)
    }
}

fn answer(output: Output, erased: &[Erased], entries: &[serde_json::Value]) -> anyhow::Result<Outcome> {
    let records: Vec<&RecordId> = erased.iter().flat_map(|erased| &erased.records).collect();
    let refusals: Vec<String> =
        erased.iter().flat_map(|erased| &erased.refusals).map(ToString::to_string).collect();
    let mut lines = vec![format!("erased {}", output::count(records.len() as u64, "record", "records"))];
    lines.extend(records.iter().map(|id| format!("  {id}")));
    lines.extend(entries.iter().map(|entry| format!("  recorded at index {}", entry["index"])));
    lines.extend(refusals.iter().map(|refusal| format!("  REFUSED: {refusal}")));
    let answer = json!({ "erased": records, "refused": refusals, "entries": entries });
    output.answer(&lines.join("\n"), &answer)?;
    Ok(if refusals.is_empty() { Outcome::Fine } else { Outcome::Finding })
}
