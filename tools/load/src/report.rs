//! What a run measured.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

/// Statements, requests and latencies of a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) statements: u64,
    pub(crate) requests: u64,
    /// Requests that were sent once more, since the first was not answered with success.
    pub(crate) retries: u64,
    pub(crate) elapsed: Duration,
    /// Resident memory of the measured process at the end, in bytes.
    pub(crate) resident: Option<u64>,
    /// Processor time that the measured process used meanwhile, user and system together.
    pub(crate) processor: Option<Duration>,
    /// How long after the last acknowledgement the lookup index covered all of it.
    pub(crate) index_behind: Option<Duration>,
    /// What is counted, for people.
    pub(crate) unit: &'static str,
    micros: Histogram<u64>,
}

impl Default for Report {
    fn default() -> Self {
        let micros = Histogram::new(3).expect("three digits is a valid precision");
        Self {
            statements: 0,
            requests: 0,
            retries: 0,
            elapsed: Duration::ZERO,
            resident: None,
            processor: None,
            index_behind: None,
            unit: "statements",
            micros,
        }
    }
}

impl Report {
    /// An empty report that counts something else than statements.
    pub(crate) fn of(unit: &'static str) -> Self {
        Self { unit, ..Self::default() }
    }

    pub(crate) fn record(&mut self, statements: u64, latency: Duration) -> Result<()> {
        self.statements += statements;
        self.requests += 1;
        self.micros.record(u64::try_from(latency.as_micros())?)?;
        Ok(())
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        self.statements += other.statements;
        self.requests += other.requests;
        self.retries += other.retries;
        self.micros.add(&other.micros)?;
        Ok(())
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let (seconds, unit) = (self.elapsed.as_secs_f64(), self.unit);
        let at = |quantile| ms(self.micros.value_at_quantile(quantile));
        let retries = if self.retries > 0 { format!(", {} sent again", self.retries) } else { String::new() };
        let resident =
            self.resident.map_or(String::new(), |bytes| format!(", resident {} MB", bytes / 1_000_000));
        let processor = self.processor.map_or(String::new(), |used| {
            format!(", processor {:.1} µs each", micros_each(used, self.statements))
        });
        let index = self.index_behind.map_or(String::new(), |behind| {
            let seconds = behind.as_secs_f64() + seconds;
            let rate = per_second(self.statements, seconds);
            format!(", index whole {} ms later: {rate:.0} {unit}/s", behind.as_millis())
        });
        format!(
            "{} {unit} in {seconds:.1} s: {:.0} {unit}/s, {:.0} requests/s, latency p50 {} p90 {} p99 {} max {} ms{retries}{resident}{processor}{index}",
            self.statements,
            per_second(self.statements, seconds),
            per_second(self.requests, seconds),
            at(0.5),
            at(0.9),
            at(0.99),
            ms(self.micros.max()),
        )
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let seconds = self.elapsed.as_secs_f64();
        serde_json::json!({
            "statements": self.statements,
            "unit": self.unit,
            "requests": self.requests,
            "retries": self.retries,
            "seconds": seconds,
            "index_behind_seconds": self.index_behind.map(|behind| behind.as_secs_f64()),
            "statements_per_second": per_second(self.statements, seconds),
            "requests_per_second": per_second(self.requests, seconds),
            "latency_us": {
                "p50": self.micros.value_at_quantile(0.5),
                "p90": self.micros.value_at_quantile(0.9),
                "p99": self.micros.value_at_quantile(0.99),
                "max": self.micros.max(),
            },
            "resident_bytes": self.resident,
            "processor_us_each": self.processor.map(|used| micros_each(used, self.statements)),
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[allow(clippy::cast_precision_loss, reason = "a mean for people")]
fn micros_each(used: Duration, count: u64) -> f64 {
    used.as_secs_f64() * 1e6 / count.max(1) as f64
}

fn ms(micros: u64) -> String {
    format!("{}.{:02}", micros / 1000, micros % 1000 / 10)
}

/// Watches a process of this machine over a run, if its id is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    pid: Option<u32>,
    before: Option<Duration>,
}

impl Meter {
    pub(crate) fn start(pid: Option<u32>) -> Self {
        Self { pid, before: pid.and_then(processor_time) }
    }

    /// Notes what the process holds now, and what it used since the start.
    pub(crate) fn stop(self, report: &mut Report) {
        report.resident = self.pid.and_then(resident_bytes);
        let now = self.pid.and_then(processor_time);
        report.processor = now.zip(self.before).and_then(|(now, before)| now.checked_sub(before));
    }
}

/// Linux counts a process's time in these ticks a second for every program, whatever the kernel's own rate is.
const TICKS: u32 = 100;

/// Processor time of a process so far, user and system (Linux: proc_pid_stat(5), fields 14 and 15).
fn processor_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name, is in brackets and may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_secs(1) * user.checked_add(system)? / TICKS)
}

/// Resident memory of a process of this machine (Linux).
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
