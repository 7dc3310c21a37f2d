//! Streams that are opened, written to once, and closed, on the engine in process: memory and the time of an opening must not grow
//! with the number of streams there ever were.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use vouchlog_api::{Appender, ErrorKind};
use vouchlog_sequencer::testing::{ORIGIN, TestClock, TestGateway, config, statements};
use vouchlog_sequencer::{Engine, Options};
use vouchlog_storage_sled::{RunIndex, SledStore};

use crate::report::{Report, resident_bytes};

/// The gateway whose streams they are.
const GATEWAY: u8 = 10;
/// When its heads are signed, seconds since 1970.
const SIGNED_AT: u64 = 1_767_225_600;
/// How long an opening that the log could not decide waits before it is sent again.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct StreamsArgs {
    /// Streams to open and close
    #[arg(long, default_value_t = 1_000_000)]
    streams: u64,
    /// Streams open at once; a gateway may have 1,024
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1024))]
    at_once: u64,
    /// Print a line after so many streams
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Data directory; a temporary one by default
    #[arg(long)]
    data: Option<PathBuf>,
}

pub(crate) async fn run(args: StreamsArgs) -> Result<Report> {
    let temporary = tempfile::tempdir()?;
    let dir = args.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let store = SledStore::open(&dir, ORIGIN, vouchlog_storage_sled::Options::default())?;
    let index: Arc<dyn vouchlog_storage::Index> = Arc::new(RunIndex::open(&dir.join("index"))?);
    let clock = TestClock::default();
    let log = Engine::open(config(&clock, Options::default()), store, Some(index), &mut Registry::default())?;
    log.enrol(TestGateway::enrolment(GATEWAY)).await?;
    let (next, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut report = Report::of("streams");
    for end in (args.every..args.streams).step_by(usize::try_from(args.every)?).chain([args.streams]) {
        let (round, begin) = (Instant::now(), report.requests);
        let mut workers = JoinSet::new();
        for _ in 0..args.at_once {
            workers.spawn(worker(log.clone(), next.clone(), end));
        }
        let mut opened = Duration::ZERO;
        while let Some(worker) = workers.join_next().await {
            let (of_worker, time) = worker??;
            report.merge(&of_worker)?;
            opened += time;
        }
        // Workers that find nothing left have counted one number each too far.
        next.store(end, Ordering::Relaxed);
        report.resident = resident_bytes(std::process::id());
        let count = u32::try_from(report.requests - begin)?.max(1);
        eprintln!(
            "{end} streams, resident {} MB, mean opening {:.2} ms, {:.0} streams/s",
            report.resident.unwrap_or(0) / 1_000_000,
            (opened / count).as_secs_f64() * 1000.0,
            f64::from(count) / round.elapsed().as_secs_f64()
        );
    }
    report.elapsed = started.elapsed();
    log.stop().await;
    Ok(report)
}

/// Opens and closes streams until all up to `end` are taken; how long the openings took together.
async fn worker(log: Engine<SledStore>, next: Arc<AtomicU64>, end: u64) -> Result<(Report, Duration)> {
    let (mut report, mut opening) = (Report::of("streams"), Duration::ZERO);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return Ok((report, opening));
        }
        let started = Instant::now();
        let mut gateway = loop {
            match TestGateway::open_numbered(&log, GATEWAY, number, None).await {
                Err(error) if error.kind == ErrorKind::Unavailable => {
                    report.retries += 1;
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                other => break other?,
            }
        };
        let latency = started.elapsed();
        opening += latency;
        report.record(1, latency)?;
        let mut last = gateway.request(statements(1, number), SIGNED_AT);
        last.close = true;
        log.append(last).await?;
    }
}
