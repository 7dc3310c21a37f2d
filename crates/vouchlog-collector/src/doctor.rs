//! What the evidence of each gateway lacks, and which lines of its configuration add the most.
//!
//! ```text
//! rows of the window ─► facts, graded in one context ─► a tally for each service and gateway ─► what to add, best first
//!                                                   └─► the collector's own: losses, orphans, sessions, heartbeats
//! ```
//!
//! It reads facts, never content. Traffic that was never recorded is not visible here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use vouchlog_grading::{Context, Grade};
use vouchlog_record::Record;
use vouchlog_stream::StatementKind;
use vouchlog_vault::{
    Access, Order, Query, ReadRecord, RecordingError, Row, Vault, VaultError, learn, read_facts,
};

mod advice;
mod facts;
mod heartbeats;
mod ladder;
mod missing;
mod state;
mod tally;
#[cfg(test)]
mod tests;
mod trial;

pub use advice::{Open, Suggestion};
pub use heartbeats::{Disagreement, HeartbeatReport, RecorderReport, Silence, Sums, UnclaimedReport};
pub use ladder::{BeforeAfter, Effect, Ladder, Question, QuestionEffect, Rung, Step};
pub use missing::Missing;
pub use state::{CollectorState, Loss};
pub use tally::{Counts, ServiceReport};

use advice::Gateway;
use facts::{RowFacts, time};
use heartbeats::Heartbeats;
use state::StateTally;
use tally::Tally;

/// Records that are opened at once: some megabytes.
const PAGE: usize = 250;
/// Stands for a service that does not give its name.
pub const UNNAMED: &str = "(no service named)";

/// Which records are examined.
#[derive(Clone, Debug)]
pub struct Window {
    /// The tenant they belong to.
    pub tenant: String,
    /// Only those that began at this time or later, in milliseconds since 1970.
    pub from: i64,
    /// The time of the examination, in milliseconds since 1970. Silences and open sessions are measured to it.
    pub now: i64,
    /// Only this service, in the report on services.
    pub service: Option<String>,
    /// At most this many, the newest first.
    pub limit: usize,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When the window begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// Records that were read.
    pub read: u64,
    /// Whether the window has more than were read.
    pub truncated: bool,
    /// The services, the busiest first.
    pub services: Vec<ServiceReport>,
    /// The collector itself.
    pub collector: CollectorState,
    /// Its heartbeats, compared with the vault.
    pub heartbeats: HeartbeatReport,
    /// What is critical, in words.
    pub critical: Vec<String>,
}

/// Examines the records of a window. `progress` gets the number of records read so far, and of all.
///
/// # Errors
/// The vault refuses or cannot be read.
pub async fn examine(
    vault: &Vault,
    access: &Access,
    window: &Window,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<Report, RecordingError> {
    let (rows, truncated) = rows(vault, access, window).await?;
    let context = learn(vault, access).await?;
    let (mut examined, mut read) = (Examined::default(), 0);
    let all = rows.len() as u64;
    for page in rows.chunks(PAGE) {
        for record in read_facts(vault, access, page.to_vec(), &context).await? {
            examined.read(&record);
        }
        read += page.len() as u64;
        progress(read, all);
    }
    let to = time(window.now);
    let mut collector = examined.state.judge(to);
    collector.look_up(vault, access, &window.tenant).await?;
    let mut heartbeats = examined.heartbeats;
    rows.iter().for_each(|row| heartbeats.row(row));
    heartbeats.complete(vault, access, &window.tenant, rows.last().map(Row::cursor)).await?;
    let mut services = conclude(examined.services, &context);
    services.retain(|service| window.service.as_ref().is_none_or(|name| *name == service.service));
    let report = Report {
        from: time(window.from),
        to,
        read,
        truncated,
        services,
        collector,
        heartbeats: heartbeats.judge(to),
        critical: Vec::new(),
    };
    Ok(report.with_critical())
}

impl Report {
    /// Lists what is critical.
    fn with_critical(mut self) -> Self {
        let services = self.services.iter().flat_map(ServiceReport::critical);
        self.critical = services.chain(self.collector.critical()).chain(self.heartbeats.critical()).collect();
        self
    }
}

/// The newest rows of the window, and whether there are more.
async fn rows(vault: &Vault, access: &Access, window: &Window) -> Result<(Vec<Row>, bool), VaultError> {
    let (tenant, from) = (Some(window.tenant.clone()), Some(window.from));
    let query = Query { tenant, from, order: Order::NewestFirst, ..Query::default() };
    let (mut pages, mut rows) = (vault.pages(access, query), Vec::new());
    while rows.len() <= window.limit {
        let Some(page) = pages.next().await? else { return Ok((rows, false)) };
        rows.extend(page);
    }
    rows.truncate(window.limit);
    Ok((rows, true))
}

/// The services, the busiest first.
fn conclude(tallies: BTreeMap<(String, &'static str), Tally>, context: &Context) -> Vec<ServiceReport> {
    let mut services: Vec<ServiceReport> =
        tallies.into_values().map(|tally| tally.conclude(context)).collect();
    services.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| a.service.cmp(&b.service)));
    services
}

/// What was read of the window so far, by service and gateway, and of the collector itself.
#[derive(Default)]
struct Examined {
    services: BTreeMap<(String, &'static str), Tally>,
    state: StateTally,
    heartbeats: Heartbeats,
}

impl Examined {
    fn read(&mut self, read: &ReadRecord) {
        match read.record.as_ref().zip(read.grade.as_ref()) {
            Some((record, grade)) => self.take(&RowFacts::of(&read.row), record, grade),
            None => self.state.erased += 1,
        }
    }

    fn take(&mut self, row: &RowFacts, record: &Record, grade: &Grade) {
        self.state.take(row, record);
        self.heartbeats.take(row, record);
        if record.kind != StatementKind::Interaction {
            return;
        }
        let service = service(record).unwrap_or(UNNAMED);
        let gateway: &'static Gateway = advice::recognise(record, service);
        let tally = self.services.entry((service.to_owned(), gateway.gateway.as_str()));
        tally.or_insert_with(|| Tally::new(service, gateway)).take(row, record, grade);
    }
}

/// Which service told of the record; of one that came without, which workload it is about.
fn service(record: &Record) -> Option<&str> {
    let told = record.body.custody.value().and_then(|custody| custody.service.value());
    let workload = || record.body.workload.value()?.id.value();
    told.or_else(workload).map(String::as_str)
}
