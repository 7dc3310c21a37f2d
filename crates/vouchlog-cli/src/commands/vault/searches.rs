//! Saved searches of a vault: those of the caller.

use clap::Subcommand;
use serde_json::json;
use vouchlog_desk::{DeleteSearch, ListSearches, SaveSearch, SearchRow, SearchRows};
use vouchlog_record::Facet;
use vouchlog_session::plain;

use super::lists::{TimeArgs, print};
use crate::commands::custody::VaultArgs;
use crate::commands::desk::OpenDesk;
use crate::commands::find;
use crate::output::{self, Outcome, Output};

/// `vouchlog vault search`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog vault --vault vault search save 'denied refunds' --by verdict=deny --by tool=issue_refund\n  \
                        vouchlog vault --vault vault search list\n  \
                        vouchlog vault --vault vault sessions --saved 'denied refunds'\n\n\
                        A search is kept in the vault for the caller alone, who finds it in the console, too. It takes the role read-metadata."
)]
pub(crate) struct SearchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Save a search for sessions; one of the same name is replaced
    Save {
        /// Its name, which should not name a person
        name: String,
        /// A facet and its value, as `vault sessions` takes it
        #[arg(long = "by", value_name = "FACET=VALUE", value_parser = find::facet)]
        facets: Vec<(Facet, String)>,
        #[command(flatten)]
        time: TimeArgs,
    },
    /// List the searches that you saved
    List,
    /// Delete a search that you saved
    Delete {
        /// Its name
        name: String,
    },
}

impl SearchArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let desk = OpenDesk::reading(vault).await?;
        let done = self.what.run(&desk, vault, output).await;
        desk.close().await;
        done
    }
}

impl What {
    async fn run(self, desk: &OpenDesk, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let tenant = Some(vault.tenant.clone());
        match self {
            Self::Save { name, facets, time } => {
                let facets = facets.into_iter().map(find::named).collect();
                let ask = SaveSearch { tenant, name, facets, from: time.from(), to: time.to() };
                let row = desk.ask(ask).await?;
                output.answer(&format!("saved: {}", line(&row)), &json!({ "search": row }))?;
                Ok(Outcome::Fine)
            }
            Self::List => {
                let SearchRows { searches, .. } = desk.ask(ListSearches { tenant }).await?;
                print(output, "searches", (searches.iter().map(line).collect(), json!(searches)), None)
            }
            Self::Delete { name } => {
                let deleted = desk.ask(DeleteSearch { tenant, name }).await?;
                output.answer(&format!("deleted: {}", plain(&deleted.deleted)), &json!(deleted))?;
                Ok(Outcome::Fine)
            }
        }
    }
}

fn line(row: &SearchRow) -> String {
    let mut parts = vec![plain(&row.name)];
    parts.extend(row.facets.iter().map(|one| format!("{}={}", plain(&one.facet), plain(&one.value))));
    parts.extend(row.from.map(|from| format!("since {}", output::moment(from))));
    parts.extend(row.to.map(|to| format!("until {}", output::moment(to))));
    parts.join("  ")
}
