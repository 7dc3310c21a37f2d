//! What the attacks did: a table for people, JSON for programs, and the verdicts.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::attack::Target;
use crate::good::Experience;

/// How much resident memory may grow during an attack: 64 MB.
pub(crate) const MAX_GROWTH: u64 = 64_000_000;
/// The unit of memory in reports.
pub(crate) const MB: u64 = 1_000_000;
/// Descriptors that a server may have more of than before: its stores open segments, the good client connects again.
pub(crate) const SLACK_DESCRIPTORS: usize = 8;
/// How much longer the good client's 99th percentile may take than without an attack.
const MAX_SLOWDOWN: f64 = 2.0;
/// Slower than this is slow; below it twice as long is noise of the machine.
const NOISE_MILLIS: f64 = 20.0;

/// One attack and what became of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The class of the attack.
    pub class: &'static str,
    /// Its name.
    pub name: String,
    /// What was attacked.
    pub target: Target,
    /// How often it was carried out; the figures are of the last time.
    pub attempts: u32,
    /// What the attack sent.
    pub sent: u64,
    /// What the good client met just before; nothing for commands.
    pub before: Option<Experience>,
    /// What it met meanwhile.
    pub during: Option<Experience>,
    /// How much resident memory grew at most, in bytes.
    pub growth: u64,
    /// The most there was of it.
    pub resident: u64,
    /// Descriptors before, and after the attacker had left.
    pub descriptors: Option<(usize, usize)>,
    /// What was wrong, apart from latencies; empty if the defence holds.
    pub complaints: Vec<String>,
}

impl Row {
    /// By how much the good client's p99 grew, where that is not noise: the worst of writes, reads and health.
    fn slowdown(&self) -> Option<(&'static str, f64, f64)> {
        let (before, during) = (self.before.as_ref()?, self.during.as_ref()?);
        let pairs = [
            ("write", before.write_p99, during.write_p99),
            ("read", before.read_p99, during.read_p99),
            ("health", before.health_p99, during.health_p99),
        ];
        let slow = pairs.into_iter().filter(|(_, before, during)| {
            *during > NOISE_MILLIS && *during > MAX_SLOWDOWN * before.max(NOISE_MILLIS / MAX_SLOWDOWN)
        });
        slow.max_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)))
    }

    /// Everything that is wrong; latencies only where they are to be judged.
    pub fn faults(&self, judges_latency: bool) -> Vec<String> {
        let mut faults = self.complaints.clone();
        if judges_latency && let Some((what, before, during)) = self.slowdown() {
            faults.push(format!("p99 of {what} {before:.1} → {during:.1} ms"));
        }
        faults
    }

    /// The faults in one line, or that there are none.
    pub fn verdict(&self, judges_latency: bool) -> String {
        let faults = self.faults(judges_latency);
        let verdict = if faults.is_empty() { "holds".to_owned() } else { faults.join("; ") };
        if self.attempts == 1 { verdict } else { format!("{verdict} (attempt {})", self.attempts) }
    }
}

/// A whole run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One for each attack.
    pub rows: Vec<Row>,
    /// Whether the good client's latencies were judged: only where the windows are long enough for percentiles.
    pub judges_latency: bool,
}

impl Report {
    /// The rows whose defence does not hold, each with what is wrong.
    pub fn failed(&self) -> impl Iterator<Item = (&Row, Vec<String>)> {
        let judged = self.rows.iter().map(|row| (row, row.faults(self.judges_latency)));
        judged.filter(|(_, faults)| !faults.is_empty())
    }

    /// Whether every defence holds.
    pub fn holds(&self) -> bool {
        self.failed().next().is_none()
    }

    /// A Markdown table, and a line below it.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| class | attack | target | sent | write p99 ms | read p99 ms | health p99 ms | requests | errors | RSS MB | descriptors | verdict |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for row in &self.rows {
            let verdict = row.verdict(self.judges_latency);
            let pair = |of: fn(&Experience) -> f64| match (&row.before, &row.during) {
                (Some(before), Some(during)) if of(before) > 0.0 => {
                    format!("{:.1} → {:.1}", of(before), of(during))
                }
                _ => "–".to_owned(),
            };
            let count = |of: fn(&Experience) -> usize| {
                row.during.as_ref().map_or("–".into(), |met| of(met).to_string())
            };
            let descriptors =
                row.descriptors.map_or("–".into(), |(before, after)| format!("{before} → {after}"));
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} (+{}) | {} | {} |",
                row.class,
                row.name,
                row.target.name(),
                row.sent,
                pair(|met| met.write_p99),
                pair(|met| met.read_p99),
                pair(|met| met.health_p99),
                count(|met| met.requests),
                count(|met| met.errors),
                row.resident / MB,
                row.growth / MB,
                descriptors,
                verdict.replace('|', "\\|"),
            );
        }
        let failed = self.failed().count();
        let latency = if self.judges_latency { "" } else { " (latencies not judged)" };
        let _ = writeln!(text, "\n{} attacks, {failed} not withstood{latency}", self.rows.len());
        text
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let met = |met: &Option<Experience>| {
            met.as_ref().map(|met| {
                json!({
                    "requests": met.requests, "errors": met.errors, "first_error": met.first_error,
                    "write_p99_ms": met.write_p99, "read_p99_ms": met.read_p99, "health_p99_ms": met.health_p99,
                })
            })
        };
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "class": row.class, "attack": row.name, "target": row.target.name(), "sent": row.sent,
                    "attempts": row.attempts,
                    "before": met(&row.before), "during": met(&row.during), "growth_bytes": row.growth,
                    "resident_bytes": row.resident,
                    "descriptors": row.descriptors, "faults": row.faults(self.judges_latency),
                })
            })
            .collect();
        json!({ "holds": self.holds(), "judges_latency": self.judges_latency, "attacks": rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(before: f64, during: f64) -> Row {
        let met = |read_p99| Some(Experience { read_p99, ..Experience::default() });
        Row {
            class: "c",
            name: "n".into(),
            target: Target::Log,
            attempts: 1,
            sent: 1,
            before: met(before),
            during: met(during),
            growth: 0,
            resident: 0,
            descriptors: None,
            complaints: Vec::new(),
        }
    }

    #[test]
    fn a_p99_beyond_twice_its_baseline_is_a_fault_where_latency_is_judged_and_above_noise() {
        assert!(row(2.0, 19.0).faults(true).is_empty(), "noise");
        assert!(row(30.0, 59.0).faults(true).is_empty(), "within twice");
        assert_eq!(row(30.0, 61.0).faults(true), ["p99 of read 30.0 → 61.0 ms"]);
        assert!(row(30.0, 61.0).faults(false).is_empty());
    }

    #[test]
    fn a_verdict_names_the_attempt_that_it_is_of() {
        assert_eq!(row(2.0, 19.0).verdict(true), "holds");
        let second = |during| Row { attempts: 2, ..row(30.0, during) };
        assert_eq!(second(31.0).verdict(true), "holds (attempt 2)");
        assert_eq!(second(61.0).verdict(true), "p99 of read 30.0 → 61.0 ms (attempt 2)");
    }

    #[test]
    fn one_complaint_is_enough_for_a_report_not_to_hold() {
        let mut report = Report { rows: vec![row(1.0, 1.0)], judges_latency: true };
        assert!(report.holds());
        report.rows[0].complaints.push("2 errors".into());
        assert!(!report.holds());
        assert!(report.markdown().contains("1 attacks, 1 not withstood"), "{}", report.markdown());
        assert_eq!(report.json()["attacks"][0]["faults"][0], "2 errors");
    }
}
