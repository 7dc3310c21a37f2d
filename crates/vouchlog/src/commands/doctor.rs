//! `vouchlog doctor`: what the evidence of each gateway lacks, and which lines of its configuration add the most.
//!
//! ```text
//! rows of the window ─► facts, graded in one context ─► a tally for each service and gateway ─► what to add, best first
//!                                                   └─► the collector's own: losses, orphans, sessions, heartbeats
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use vouchlog::{Evidence, StatementKind};
use vouchlog_grading::Grade;
use vouchlog_record::{Record, RecordId};
use vouchlog_vault::{Access, Order, Query, ReadRecord, Row, Vault, learn, read_facts};

use super::custody::{self, VaultArgs};
use crate::output::{self, Outcome, Output};

mod advice;
mod collector;
mod heartbeats;
mod tally;
#[cfg(test)]
mod tests;
mod words;

use advice::Gateway;
use collector::{Collector, Own};
use heartbeats::{Heartbeats, Pulse};
use tally::{Service, Tally};

/// Records that are opened at once: some megabytes.
const PAGE: usize = 250;
/// Stands for a service that does not say its name.
const UNNAMED: &str = "(no service named)";

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
    /// How far back to look
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = super::duration)]
    since: Duration,
    /// Only this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Read at most this many records, the newest first
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    from: Timestamp,
    to: Timestamp,
    /// Records that were read.
    read: u64,
    /// Whether the window has more than were read.
    truncated: bool,
    services: Vec<Service>,
    collector: Collector,
    heartbeats: Pulse,
    /// What is critical, in words.
    critical: Vec<String>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (vault, access) = self.vault.open().await?;
        let to = custody::now_millis();
        let from = to.saturating_sub(i64::try_from(self.since.as_millis()).unwrap_or(i64::MAX));
        let (rows, truncated) = self.rows(&vault, &access, from).await?;
        let context = learn(&vault, &access).await.map_err(|error| custody::advise(error.into()))?;
        let mut examined = Examined::default();
        let bar = output::progress(rows.len() as u64, "records");
        for page in rows.chunks(PAGE) {
            let read = read_facts(&vault, &access, page.to_vec(), &context).await;
            for read in read.map_err(|error| custody::advise(error.into()))? {
                examined.read(&read);
            }
            bar.inc(page.len() as u64);
        }
        bar.finish_and_clear();
        let to = time(to);
        let tenant = &self.vault.tenant;
        let mut collector = examined.own.judge(to);
        collector.look_up(&vault, &access, tenant).await?;
        let mut heartbeats = examined.heartbeats;
        rows.iter().for_each(|row| heartbeats.row(row));
        heartbeats.complete(&vault, &access, tenant, rows.last().map(Row::cursor)).await?;
        let heartbeats = heartbeats.judge(to);
        let named = |service: &Service| self.service.as_ref().is_none_or(|name| *name == service.service);
        let mut services = conclude(examined.services);
        services.retain(named);
        let critical = services.iter().flat_map(Service::critical);
        let critical = critical.chain(collector.critical()).chain(heartbeats.critical()).collect();
        let (from, read) = (time(from), rows.len() as u64);
        let report = Report { from, to, read, truncated, services, collector, heartbeats, critical };
        output.answer(&words::text(&report), &serde_json::to_value(&report)?)?;
        Ok(if report.critical.is_empty() { Outcome::Fine } else { Outcome::Finding })
    }

    /// The newest rows of the window, and whether there are more.
    async fn rows(&self, vault: &Vault, access: &Access, from: i64) -> anyhow::Result<(Vec<Row>, bool)> {
        let tenant = Some(self.vault.tenant.clone());
        let mut query = Query { tenant, from: Some(from), order: Order::NewestFirst, ..Query::default() };
        let mut rows: Vec<Row> = Vec::new();
        while rows.len() <= self.limit {
            let page = vault.find(access, &query).await.map_err(custody::advise_vault)?;
            let Some(last) = page.last() else { return Ok((rows, false)) };
            query.after = Some(last.cursor());
            rows.extend(page);
        }
        rows.truncate(self.limit);
        Ok((rows, true))
    }
}

/// What the vault knows of a record without opening it.
struct Kept {
    id: RecordId,
    evidence: Evidence,
    started_at: i64,
    amends: bool,
    /// Stream and sequence number.
    place: Option<(u64, u64)>,
}

impl Kept {
    fn of(row: &Row) -> Self {
        let Row { id, evidence, started_at, amends, place, .. } = row;
        let place = place.map(|place| (place.stream.get(), place.sequence.get()));
        let (id, amends) = (id.clone(), amends.is_some());
        Self { id, evidence: *evidence, started_at: *started_at, amends, place }
    }
}

/// A time of the vault.
fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The services, the busiest first.
fn conclude(tallies: BTreeMap<(String, &'static str), Tally>) -> Vec<Service> {
    let mut services: Vec<Service> = tallies.into_values().map(Tally::conclude).collect();
    services.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| a.service.cmp(&b.service)));
    services
}

/// What the records of the window say, by service and gateway, and of the collector itself.
#[derive(Default)]
struct Examined {
    services: BTreeMap<(String, &'static str), Tally>,
    own: Own,
    heartbeats: Heartbeats,
}

impl Examined {
    fn read(&mut self, read: &ReadRecord) {
        match read.record.as_ref().zip(read.grade.as_ref()) {
            Some((record, grade)) => self.take(&Kept::of(&read.row), record, grade),
            None => self.own.erased += 1,
        }
    }

    fn take(&mut self, kept: &Kept, record: &Record, grade: &Grade) {
        self.own.take(kept, record);
        self.heartbeats.take(kept, record);
        if record.kind != StatementKind::Interaction {
            return;
        }
        let service = service(record).unwrap_or(UNNAMED);
        let gateway: &'static Gateway = advice::recognise(record, service);
        let tally = self.services.entry((service.to_owned(), gateway.gateway.as_str()));
        tally.or_insert_with(|| Tally::new(service, gateway)).take(kept, record, grade);
    }
}

/// Which service told of the record; of one that came without, which workload it is about.
fn service(record: &Record) -> Option<&str> {
    let told = record.body.custody.value().and_then(|custody| custody.service.value());
    let workload = || record.body.workload.value()?.id.value();
    told.or_else(workload).map(String::as_str)
}
