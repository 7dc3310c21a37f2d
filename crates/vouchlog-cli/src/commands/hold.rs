//! `vouchlog hold`: legal holds, under which nothing is erased.

use anyhow::Context;
use serde_json::json;
use vouchlog_desk::{HeldRecords, HoldRows, LiftHold, ListHolds, PlaceHold};
use vouchlog_record::{Facet, RecordId};

use super::custody::{CustodyArgs, VaultArgs};
use super::desk::OpenDesk;
use super::find;
use crate::output::{self, Outcome, Output};

/// Place, lift or list legal holds; held records cannot be erased
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog hold --vault vault --name 'case 17' --reason 'claim of 3 May' --by session=sess-01\n  \
                        vouchlog hold --vault vault --name 'case 17' --reason 'claim withdrawn' --release\n  vouchlog hold --vault vault\n\n\
                        Placing and lifting a hold is logged, with the name of the principal and the reason. It takes --log, --log-vkey and\n\
                        --gateway-key; listing does not."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    custody: CustodyArgs,
    /// The hold's name; without it, all holds are listed
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Why it is placed, extended or lifted; it is recorded in the log, so it should not name a person
    #[arg(long, value_name = "TEXT", requires = "name")]
    reason: Option<String>,
    /// Hold these records
    #[arg(long, value_name = "ID", num_args = 1.., requires = "name")]
    record: Vec<RecordId>,
    /// Hold the records that match all of these, and those that are kept later and match as well
    #[arg(long = "by", value_name = "FACET=VALUE", value_parser = super::find::facet, requires = "name", conflicts_with = "record")]
    facets: Vec<(Facet, String)>,
    /// Lift the hold
    #[arg(long, requires = "name", conflicts_with_all = ["record", "facets"])]
    release: bool,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let Some(name) = self.name.clone() else {
            let desk = OpenDesk::reading(&self.vault).await?;
            let HoldRows { holds } = desk.ask(ListHolds::default()).await?;
            desk.close().await;
            let mut lines: Vec<String> = holds
                .iter()
                .map(|hold| format!("{}  {}", hold.name, output::count(hold.records, "record", "records")))
                .collect();
            if lines.is_empty() {
                lines.push("no holds".to_owned());
            }
            let holds: Vec<_> =
                holds.iter().map(|hold| json!({ "name": hold.name, "records": hold.records })).collect();
            output.answer(&lines.join("\n"), &json!({ "holds": holds }))?;
            return Ok(Outcome::Fine);
        };
        let reason =
            self.reason.clone().context("give the reason, with --reason: it is recorded in the log")?;
        anyhow::ensure!(
            self.release || !self.record.is_empty() || !self.facets.is_empty(),
            "give the records to hold, with --record or --by"
        );
        let desk = OpenDesk::recording(&self.vault, &self.custody).await?;
        let held = match self.release {
            // It may cover records of several tenants.
            true => desk.ask(LiftHold { tenant: None, name: name.clone(), reason }).await.map(|_| None),
            false => {
                let place = PlaceHold {
                    tenant: Some(self.vault.tenant.clone()),
                    name: name.clone(),
                    reason,
                    records: self.record,
                    facets: self.facets.into_iter().map(find::named).collect(),
                };
                desk.ask(place).await.map(Some)
            }
        };
        desk.close().await;
        match held? {
            None => output.answer(&format!("lifted: {name}"), &json!({ "released": name }))?,
            Some(HeldRecords { records }) => {
                let words =
                    format!("{} under the hold {name}", output::count(records, "record is", "records are"));
                output.answer(&words, &json!({ "name": name, "records": records }))?;
            }
        }
        Ok(Outcome::Fine)
    }
}
