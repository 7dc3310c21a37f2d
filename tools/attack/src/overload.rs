//! Overload: thousands of idle and slow connections; and a log's capacity is found, and then twice as much is offered. What the log admits
//! must stay as fast; the rest is refused with a word on when to come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vouchlog_api::{Appender as _, ErrorKind};
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_faults::program::Program;
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, statements};

use crate::classes::holds::CROWD;
use crate::report::{Report, Row};
use crate::world::must_start;
use crate::{Settings, run as attack};

/// Gateways at work at first, each on its own connection.
const FEWEST: u8 = 16;
/// And at most, while capacity is sought.
const MOST: u8 = 64;
/// Capacity is reached when twice as many gateways admit less than this much more.
const GAIN: f64 = 1.1;
/// The seed of the first gateway; the test keys of the log come before it.
const FIRST: u8 = 10;
/// Statements in a request.
const STATEMENTS: usize = 64;
/// Requests of a gateway that are due and not sent: beyond that the offered load would only wait in this process.
const BEHIND: Duration = Duration::from_secs(1);
/// The time in heads.
const SIGNED_AT: u64 = 1_767_225_600;
/// How much slower than at capacity what is admitted may become.
const MAX_SLOWDOWN: f64 = 2.0;
/// How long a crowd stays, and how long capacity is measured with one number of gateways. Percentiles settle in less.
const MEASURED: Duration = Duration::from_secs(30);
/// Before a refused request is sent again.
const PAUSE: Duration = Duration::from_millis(50);

/// One phase.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// Requests offered each second.
    pub offered: f64,
    /// Requests that were answered with a receipt, each second.
    pub admitted: f64,
    /// Requests that were refused as overload.
    pub shed: u64,
    /// Requests that failed otherwise.
    pub errors: u64,
    /// The 99th percentile of those that were admitted, in milliseconds.
    pub p99: f64,
}

/// A crowd of connections; load at capacity, and at twice that.
#[derive(Clone, Debug)]
pub struct Overload {
    /// Thousands of idle connections and hundreds of slow ones, beside a good client.
    pub crowd: Row,
    /// As fast as it goes, with one request of each gateway under way.
    pub fastest: Phase,
    /// Twice as many gateways, which together offer just that.
    pub capacity: Phase,
    /// The same gateways, which offer twice as much.
    pub twice: Phase,
}

impl Overload {
    /// Whether the crowd harms nobody, and what is admitted under overload stays as fast as at capacity, within a factor of two, and
    /// nothing fails.
    pub fn holds(&self) -> bool {
        self.crowd.faults(true).is_empty()
            && self.twice.p99 <= MAX_SLOWDOWN * self.capacity.p99
            && self.twice.errors == 0
            && self.twice.admitted > 0.0
    }

    fn crowd(&self) -> Report {
        Report { rows: vec![self.crowd.clone()], judges_latency: true }
    }

    /// Tables.
    pub fn markdown(&self) -> String {
        let row = |name: &str, phase: &Phase| {
            format!(
                "| {name} | {:.0} | {:.0} | {} | {} | {:.1} |\n",
                phase.offered, phase.admitted, phase.shed, phase.errors, phase.p99
            )
        };
        format!(
            "{}\n| phase | offered/s | admitted/s | shed | errors | p99 of admitted, ms |\n| --- | --- | --- | --- | --- | --- |\n{}{}{}\n{}\n",
            self.crowd().markdown(),
            row("as fast as it goes", &self.fastest),
            row("capacity", &self.capacity),
            row("twice", &self.twice),
            if self.holds() { "holds" } else { "does not hold" }
        )
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let phase = |phase: &Phase| {
            json!({
                "offered_per_second": phase.offered, "admitted_per_second": phase.admitted, "shed": phase.shed,
                "errors": phase.errors, "p99_ms": phase.p99,
            })
        };
        json!({
            "holds": self.holds(), "crowd": self.crowd().json(), "fastest": phase(&self.fastest),
            "capacity": phase(&self.capacity), "twice": phase(&self.twice),
        })
    }
}

#[derive(Debug, Default)]
struct Counts {
    took: Vec<Duration>,
    shed: u64,
    errors: u64,
}

impl Counts {
    /// Counts an answer; whether the request was admitted.
    fn note<T>(&mut self, took: Duration, outcome: &Result<T, ErrorKind>) -> bool {
        match outcome {
            Ok(_) => self.took.push(took),
            Err(ErrorKind::Overloaded { .. }) => self.shed += 1,
            Err(_) => self.errors += 1,
        }
        outcome.is_ok()
    }
}

/// Measures a crowd, capacity, and then overload for so long.
pub async fn run(program: &Program, lasts: Duration) -> Result<Overload> {
    let short = MEASURED.min(lasts);
    let crowd =
        Settings { program: program.clone(), only: vec![CROWD.to_owned()], lasts: short, is_short: false };
    let crowd = attack(&crowd, |_| {}).await?.rows.pop().ok_or_else(|| anyhow!("no crowd came"))?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    vouchlog_faults::log::write_keys(&data)?;
    let mut command = program.command();
    command.args(["serve", "--json", "--origin", ORIGIN, "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let server = must_start(command, &folder.path().join("stderr")).await?;
    // As many gateways as it takes: twice as many admit hardly more.
    let (mut gateways, mut number) = (FEWEST, 1);
    let mut fastest = phase(&server.url, (gateways, number), None, short).await?;
    while gateways < MOST {
        number += 1;
        let more = phase(&server.url, (2 * gateways, number), None, short).await?;
        if more.admitted < GAIN * fastest.admitted {
            break;
        }
        (gateways, fastest) = (2 * gateways, more);
    }
    ensure!(fastest.admitted > 0.0, "the log admitted nothing");
    // The number of gateways stays the same: with twice as many that wait for each answer, an answer takes twice as long whatever is
    // admitted.
    let gateways = 2 * gateways;
    let each = Duration::from_secs_f64(f64::from(gateways) / fastest.admitted);
    let capacity = phase(&server.url, (gateways, number + 1), Some(each), short).await?;
    let twice = phase(&server.url, (gateways, number + 2), Some(each / 2), lasts).await?;
    Ok(Overload { crowd, fastest, capacity, twice })
}

/// Gateways, on streams of this number; each sends a request whenever one is due, or without `every` when the last is answered.
async fn phase(
    url: &str,
    (count, number): (u8, u64),
    every: Option<Duration>,
    lasts: Duration,
) -> Result<Phase> {
    let counts = Arc::new(Mutex::new(Counts::default()));
    let mut tasks = JoinSet::new();
    for seed in FIRST..FIRST + count {
        let log = GrpcLog::connect(&Connection::new(url)).map_err(|error| anyhow!("{error}"))?;
        log.enrol(TestGateway::enrolment(seed)).await.map_err(|error| anyhow!("{error}"))?;
        let gateway = TestGateway::open_numbered(&log, seed, number, None).await;
        let gateway = gateway.map_err(|error| anyhow!("{error}"))?;
        tasks.spawn(work(log, gateway, every, (Instant::now() + lasts, Arc::clone(&counts))));
    }
    let begin = Instant::now();
    tasks.join_all().await;
    let seconds = begin.elapsed().as_secs_f64();
    let mut counts = counts.lock();
    counts.took.sort();
    let place = (counts.took.len() * 99).div_ceil(100).saturating_sub(1);
    let p99 = counts.took.get(place).map_or(0.0, |took| took.as_secs_f64() * 1_000.0);
    let admitted = f64::from(u32::try_from(counts.took.len())?) / seconds;
    let offered = every.map_or(admitted, |every| f64::from(count) / every.as_secs_f64());
    Ok(Phase { offered, admitted, shed: counts.shed, errors: counts.errors, p99 })
}

async fn work(
    log: GrpcLog,
    mut gateway: TestGateway,
    every: Option<Duration>,
    (end, counts): (Instant, Arc<Mutex<Counts>>),
) {
    let mut due = Instant::now();
    for round in 0.. {
        if let Some(every) = every {
            // A stream's requests follow one another: one that is late is offered at once, and none is saved up.
            due = (due + every).max(Instant::now().checked_sub(BEHIND).unwrap_or(due));
            tokio::time::sleep_until(due.into()).await;
        }
        let request = gateway.request(statements(STATEMENTS, round), SIGNED_AT);
        loop {
            if Instant::now() >= end {
                return;
            }
            let begin = Instant::now();
            let outcome = log.append(request.clone()).await;
            if counts.lock().note(begin.elapsed(), &outcome.map_err(|error| error.kind)) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
