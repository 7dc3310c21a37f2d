//! `vouchlog vault show`: one record.

use serde_json::json;
use vouchlog_desk::{OpenedRecord, ReasonForContent, ShowRecord};
use vouchlog_record::RecordId;

use crate::commands::custody::{CustodyArgs, VaultArgs};
use crate::commands::desk::OpenDesk;
use crate::commands::find;
use crate::output::{Outcome, Output};

/// Show one record. Its content is shown for a reason, which the log records first
#[derive(clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    custody: CustodyArgs,
    /// The record
    #[arg(value_name = "ID")]
    record: RecordId,
    /// Also show its content
    #[arg(long, requires = "basis")]
    content: bool,
    /// The reason for reading content: the case or the request
    #[arg(long, value_name = "TEXT", requires = "content")]
    basis: Option<String>,
}

impl ShowArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let content = self.basis.filter(|_| self.content).map(|basis| ReasonForContent { basis });
        let desk = match content {
            Some(_) => OpenDesk::recording(vault, &self.custody).await?,
            None => OpenDesk::reading(vault).await?,
        };
        let shown =
            desk.ask(ShowRecord { tenant: Some(vault.tenant.clone()), record: self.record, content }).await;
        desk.close().await;
        let OpenedRecord { row, record, grade, proof } = shown?;
        let answer =
            json!({ "known": find::as_json(&row), "record": record, "grade": grade, "proof": proof });
        let words = match (&record, &grade) {
            (Some(record), Some(grade)) => {
                let findings: Vec<String> =
                    grade.findings.iter().map(|finding| format!("  {finding}")).collect();
                let record = serde_json::to_string_pretty(record)?;
                format!("{record}\n{}\n{}", grade.verdicts, findings.join("\n"))
            }
            _ => format!("{} was erased: only its statement and proof remain", row.id),
        };
        output.answer(words.trim_end(), &answer)?;
        Ok(Outcome::Fine)
    }
}
