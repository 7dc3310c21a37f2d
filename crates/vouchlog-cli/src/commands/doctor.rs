//! `vouchlog doctor`: what the evidence of each gateway lacks, and which lines of its configuration add the most.

use jiff::Timestamp;
use vouchlog_collector::doctor::{Window, examine};

use super::custody::{self, VaultArgs};
use crate::output::{self, Outcome, Output};
use crate::values;

mod words;

/// Report what the evidence of each gateway lacks, and which configuration lines add the most
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog doctor --vault vault\n  vouchlog doctor --vault vault --since 1h --service ai-gateway --json\n\n\
                        It reads facts, never content: no prompt and no answer. The lines to add are those of docs/gateways, where each\n\
                        gateway has a page. Traffic that was never recorded is not visible here: `vouchlog canary` probes for it.\n\
                        Exit status: 0 nothing critical (evidence may still be missing), 1 a critical finding: an intent without an outcome,\n\
                        accounts of one call that contradict each other, a heartbeat whose counts differ from the vault's, or a record that\n\
                        breaks a critical rule, such as a policy denial that was not enforced. A declared loss is reported, but is not a finding."
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
        output.answer(&words::text(&report), &serde_json::to_value(&report)?)?;
        Ok(if report.critical.is_empty() { Outcome::Fine } else { Outcome::Finding })
    }
}
