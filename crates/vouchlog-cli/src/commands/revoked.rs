//! `vouchlog revoked`: every action that was done with a credential after it should not have been used any more.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog_grading::{AffectedUse, affected_by_revocation};
use vouchlog_record::Facet;
use vouchlog_vault::{Query, ReadRecord, read_facts};

use super::custody::{self, VaultArgs};
use super::{make_folder, place_file, sync_folder};
use crate::output::{self, Outcome, Output};
use crate::values;

/// List every action done with a credential since a time, with proofs
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog revoked --vault vault --credential cred-7 --since 2026-11-18T09:00:00Z --proofs affected\n\n\
                        Each decision, tool call and downstream call counts by its own time: a credential can be revoked in the middle of an\n\
                        interaction. Record the revocation itself with `vouchlog record` and a record of kind credential-event: from then\n\
                        on, every record is judged by it, including earlier ones.\n\
                        Exit status: 0 the credential was not used, 1 it was."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    /// The credential's id, as records have it
    #[arg(long, value_name = "ID")]
    credential: String,
    /// The time from which it should not have been used, such as 2026-11-18T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    since: Timestamp,
    /// Write the proof file of each record into this directory
    #[arg(long, value_name = "DIR")]
    proofs: Option<PathBuf>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (vault, access) = self.vault.open().await?;
        let context =
            vouchlog_vault::learn(&vault, &access).await.map_err(|error| custody::advise(error.into()))?;
        let tenant = Some(self.vault.tenant.clone());
        // A key's id that looks like a secret is in the records under its stand-in.
        let key = vault.redaction_key(&access, &self.vault.tenant).await.map_err(custody::advise_vault)?;
        let credential = key.map_or_else(|| self.credential.clone(), |key| key.redacted(&self.credential));
        let facets = vec![(Facet::Credential, credential.clone())];
        let mut pages = vault.pages(&access, Query { facets, tenant, ..Query::default() });
        let (mut read, mut erased): (Vec<ReadRecord>, Vec<ReadRecord>) = (Vec::new(), Vec::new());
        while let Some(rows) = pages.next().await.map_err(custody::advise_vault)? {
            let records = read_facts(&vault, &access, rows, &context).await;
            for record in records.map_err(|error| custody::advise(error.into()))? {
                if record.record.is_some() { read.push(record) } else { erased.push(record) }
            }
        }
        let known = read.iter().filter_map(|read| Some((&read.row.id, read.record.as_ref()?)));
        let affected = affected_by_revocation(known, &credential, self.since);
        if let Some(dir) = &self.proofs {
            make_folder(dir)?;
            for affected in &affected {
                if let Some(proof) =
                    vault.proof(&access, &affected.record).await.map_err(custody::advise_vault)?
                {
                    place_file(&dir.join(format!("{}.tlog-proof", affected.record)), proof.as_bytes())?;
                }
            }
            sync_folder(dir)?;
        }
        self.answer(output, &affected, &read, &erased)
    }

    fn answer(
        &self,
        output: Output,
        affected: &[AffectedUse],
        read: &[ReadRecord],
        erased: &[ReadRecord],
    ) -> anyhow::Result<Outcome> {
        let place = |affected: &AffectedUse| {
            let row = read.iter().find(|read| read.row.id == affected.record)?;
            row.row.place
        };
        let number = output::count(affected.len() as u64, "action", "actions");
        let mut lines =
            vec![format!("{number} with the credential {} since {}", self.credential, self.since)];
        lines.extend(affected.iter().map(|affected| {
            let index = place(affected)
                .map_or_else(|| "not logged yet".to_owned(), |place| format!("index {}", place.index));
            format!("  {}  {}  {index}  {}", affected.at, affected.record, affected.what)
        }));
        // An erased record may have been one: its times are gone with it.
        lines.extend(erased.iter().map(|gone| {
            format!("  {}  was erased lawfully: whether it used the credential is not known", gone.row.id)
        }));
        let json: Vec<Value> = affected
            .iter()
            .map(|affected| {
                json!({
                    "record": affected.record, "at": affected.at, "what": affected.what,
                    "index": place(affected).map(|place| place.index.get()),
                })
            })
            .collect();
        let gone: Vec<_> = erased.iter().map(|gone| &gone.row.id).collect();
        output.answer(
            &lines.join("\n"),
            &json!({ "affected": json, "erased": gone, "searched": read.len() }),
        )?;
        Ok(if affected.is_empty() { Outcome::Fine } else { Outcome::Finding })
    }
}
