//! `vouchlog doctor`: what the evidence of each gateway lacks, and which lines of its configuration add the most.

use jiff::Timestamp;
use vouchlog_collector::doctor::{Window, examine};

use super::custody::{self, VaultArgs};
use crate::output::{self, Outcome, Output};
use crate::values;

mod objects;
mod words;

/// Report what the evidence of each gateway lacks, and which configuration lines add the most
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog doctor --vault vault\n  vouchlog doctor --vault vault --since 1h --service ai-gateway --json\n\n\
                        It reads facts, never content: no prompt and no answer. If the vault's content is in an object store, give --objects: it\n\
                        writes and deletes an object of its own there, as `vouchlog store check` does. The lines to add are those of docs/gateways, where each\n\
                        gateway has a page. Traffic that was never recorded is not visible here: `vouchlog canary` probes for it.\n\
                        Exit status: 0 nothing critical (evidence may still be missing), 1 a critical finding: an intent without an outcome,\n\
                        accounts of one call that contradict each other, a heartbeat whose counts differ from the vault's, or a record that\n\
                        breaks a critical rule, such as a policy denial that was not enforced, or an object store of the vault's content that\n\
                        cannot be reached or ignores the conditions of writes. A declared loss is reported, but is not a finding."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    /// Read records that started at this time or later, such as 2026-11-18, yesterday, or 7d for seven days ago
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = values::moment)]
    since: Timestamp,
    /// Only this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Read at most this many records, the newest first
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (vault, access) = self.vault.open().await?;
        let now = custody::now_millis();
        let window = Window {
            tenant: self.vault.tenant.clone(),
            from: self.since.as_millisecond(),
            now,
            service: self.service,
            limit: self.limit,
        };
        let bar = output::progress(0, "records");
        let examined = examine(&vault, &access, &window, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        let report = examined.await.map_err(|error| custody::advise(error.into()))?;
        bar.finish_and_clear();
        let objects = objects::look(&vault).await?;
        let mut answer = serde_json::to_value(&report)?;
        answer["objects"] = serde_json::to_value(&objects)?;
        let words = match &objects {
            Some(objects) => format!("{}\n\n{}", words::text(&report), objects.words()),
            None => words::text(&report),
        };
        output.answer(&words, &answer)?;
        let is_critical = objects.is_some_and(|objects| objects.is_critical());
        Ok(if report.critical.is_empty() && !is_critical { Outcome::Fine } else { Outcome::Finding })
    }
}
