//! The engine in process, on the embedded store or on PostgreSQL: the bound of everything that goes over a network.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use vouchlog_api::Appender;
use vouchlog_sequencer::testing::{ORIGIN, TestClock, TestGateway, config, statements};
use vouchlog_sequencer::{Engine, Options};
use vouchlog_storage::Store;
use vouchlog_storage_postgres::{Database, Location};
use vouchlog_storage_sled::{RunIndex, SledStore};
use vouchlog_stream::limits::RECENT_RUNS;

use crate::report::{Report, resident_bytes};

/// Its key. Those below are the log's, its operator's and its house stream's.
const FIRST_GATEWAY: u8 = 10;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    /// Statements in a request
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Gateways at work at once
    #[arg(long, default_value_t = 8)]
    gateways: u8,
    /// How long, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Data directory; a temporary one by default
    #[arg(long)]
    data: Option<PathBuf>,
    /// A PostgreSQL database to keep the log in, instead of the data directory. It must not hold the log yet
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Fill the lookup index too, and report how long after the end it covers everything
    #[arg(long)]
    index: bool,
}

pub(crate) async fn run(args: EngineArgs) -> Result<Report> {
    let temporary = tempfile::tempdir()?;
    let dir = args.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let store: Arc<dyn Store> = match &args.store {
        None => Arc::new(SledStore::open(&dir, ORIGIN, vouchlog_storage_sled::Options::default())?),
        Some(url) => {
            let database = Database::new(Location::parse(url)?)?;
            let mut options = vouchlog_storage_postgres::Options::new(&dir);
            options.create = true;
            Arc::new(vouchlog_storage_postgres::open(&database, ORIGIN, options)?)
        }
    };
    let index: Option<Arc<dyn vouchlog_storage::Index>> =
        if args.index { Some(Arc::new(RunIndex::open(&dir.join("index"))?)) } else { None };
    let clock = TestClock::default();
    // The workers do not send again what is pushed back, so the log does not wait for its index.
    let options = Options { max_index_lag: u64::MAX, ..Options::default() };
    let log = Engine::open(config(&clock, options), store, index.clone(), &mut Registry::default())?;
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let started = Instant::now();
    let workers = (0..args.gateways).map(|seed| {
        let log = log.clone();
        tokio::spawn(worker(log, FIRST_GATEWAY.saturating_add(seed), args.batch, end))
    });
    let mut report = Report::default();
    for worker in workers.collect::<Vec<_>>() {
        report.merge(&worker.await??)?;
    }
    report.elapsed = started.elapsed();
    if let Some(index) = index {
        let (size, ended) = (log.sequenced().size().get(), Instant::now());
        while index.covered()? < size {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        report.index_behind = Some(ended.elapsed());
    }
    report.resident = resident_bytes(std::process::id());
    log.stop().await;
    Ok(report)
}

async fn worker<S: Store>(log: Engine<S>, seed: u8, batch: usize, end: Instant) -> Result<Report> {
    let mut gateway = TestGateway::open(&log, seed).await?;
    let mut report = Report::default();
    let window = Arc::new(Semaphore::new(RECENT_RUNS));
    let mut under_way = tokio::task::JoinSet::new();
    let body = statements(batch, u64::from(seed));
    while Instant::now() < end {
        let room = window.clone().acquire_owned().await?;
        let request = gateway.request(body.clone(), 1_767_225_600);
        let (log, started) = (log.clone(), Instant::now());
        // Polled once before it is spawned, so that requests queue in the order of the stream.
        let mut append = Box::pin(async move { log.append(request).await });
        if let std::task::Poll::Ready(appended) = futures::poll!(&mut append) {
            report
                .record(appended?.receipt.map_or(0, |receipt| u64::from(receipt.count)), started.elapsed())?;
            continue;
        }
        under_way.spawn(async move {
            let appended = append.await;
            drop(room);
            (appended, started.elapsed())
        });
        while let Some(done) = under_way.try_join_next() {
            let (appended, latency) = done?;
            report.record(appended?.receipt.map_or(0, |receipt| u64::from(receipt.count)), latency)?;
        }
    }
    while let Some(done) = under_way.join_next().await {
        let (appended, latency) = done?;
        report.record(appended?.receipt.map_or(0, |receipt| u64::from(receipt.count)), latency)?;
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn statements_of_all_gateways_are_acknowledged() {
        let args = EngineArgs { batch: 256, gateways: 8, seconds: 1, data: None, store: None, index: true };
        let report = run(args).await.unwrap();
        assert!(report.statements >= 8 * 256, "{}", report.statements);
        assert!(report.index_behind.is_some());
    }
}
