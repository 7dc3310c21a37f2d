//! How the monitor itself is doing: its readiness and its metrics, `vouchlog_monitor_*`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use vouchlog::Origin;
use vouchlog_auditor::{AuditReport, FindingKind};
use vouchlog_runtime::Readiness;
use vouchlog_runtime::metrics::{Gauge, register, register_in};

use crate::report::{AuditRun, RunOutcome};

/// Intervals without a successful audit after which the monitor is not ready.
const PATIENCE: u32 = 3;

/// Audits that are remembered for the monitor's page.
const MAX_RUNS: usize = 100;

/// What is known of the monitor at any time.
#[derive(Debug)]
pub(super) struct Watched {
    patience: Duration,
    last: Mutex<Last>,
    metrics: MonitorMetrics,
    origin: Origin,
}

#[derive(Debug, Default)]
struct Last {
    success: Option<Instant>,
    /// What is wrong with the log by the last audit that could tell, in words.
    verdict: String,
    error: Option<String>,
    /// The audits since the start, the newest first.
    runs: VecDeque<AuditRun>,
}

/// How an audit ended.
pub(super) enum Ended<'a> {
    Audited(&'a AuditReport),
    Failed(String),
}

#[derive(Debug)]
struct MonitorMetrics {
    audits: Family<OutcomeLabel, Counter>,
    findings: Family<CodeLabel, Counter>,
    told: Family<NoticeLabels, Counter>,
    entries: Counter,
    size: Gauge,
    success: Gauge,
    cosignature_age: Family<LogLabel, Gauge>,
    duration: Histogram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// How audits end: no findings, something is, or it could not be told.
const CLEAN: &str = "clean";
const FOUND: &str = "findings";
const FAILED: &str = "failed";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LogLabel {
    log: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NoticeLabels {
    to: &'static str,
    outcome: &'static str,
}

/// Who was told a finding.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recipient {
    Webhook,
    Exec,
}

impl Watched {
    /// A monitor that has not audited yet, and the registry of its metrics.
    pub(super) fn new(origin: Origin, interval: Duration) -> (Self, Registry) {
        let mut registry = Registry::default();
        let metrics = MonitorMetrics::register(registry.sub_registry_with_prefix("vouchlog_monitor"));
        let last = Mutex::new(Last::default());
        (Self { patience: interval.saturating_mul(PATIENCE), last, metrics, origin }, registry)
    }

    /// An audit ended, at `now`, in seconds since 1970.
    pub(super) fn ended(&self, how: &Ended<'_>, took: Duration, now: u64) {
        let metrics = &self.metrics;
        let outcome = match how {
            Ended::Failed(_) => FAILED,
            Ended::Audited(report) if report.is_clean() => CLEAN,
            Ended::Audited(_) => FOUND,
        };
        metrics.audits.get_or_create(&OutcomeLabel { outcome }).inc();
        metrics.duration.observe(took.as_secs_f64());
        let mut last = self.last.lock();
        last.runs.truncate(MAX_RUNS - 1);
        last.runs.push_front(AuditRun { at: now, took, outcome: outcome_of(how) });
        match how {
            Ended::Failed(error) => last.error = Some(error.clone()),
            Ended::Audited(report) => {
                last.success = Some(Instant::now());
                last.error = None;
                last.verdict = verdict(report);
                metrics.success.set(now);
                metrics.entries.inc_by(report.checked.entries);
                self.look_at_checkpoint(report, now);
            }
        }
    }

    fn look_at_checkpoint(&self, report: &AuditReport, now: u64) {
        let Some(checkpoint) = &report.checkpoint else { return };
        if report.is_clean() {
            self.metrics.size.set(checkpoint.size);
        }
        if let Some(newest) = checkpoint.newest_cosignature {
            let log = LogLabel { log: self.origin.to_string() };
            self.metrics.cosignature_age.get_or_create(&log).set(now.saturating_sub(newest));
        }
    }

    /// A finding is new.
    pub(super) fn found(&self, kind: FindingKind) {
        self.metrics.findings.get_or_create(&CodeLabel { code: kind.code() }).inc();
    }

    /// A finding was delivered, or given up.
    pub(super) fn told(&self, to: Recipient, is_done: bool) {
        let outcome = if is_done { "done" } else { FAILED };
        let to = match to {
            Recipient::Webhook => "webhook",
            Recipient::Exec => "exec",
        };
        self.metrics.told.get_or_create(&NoticeLabels { to, outcome }).inc();
    }

    /// The audits since the start, the newest first; at most [`MAX_RUNS`].
    pub(super) fn runs(&self) -> Vec<AuditRun> {
        self.last.lock().runs.iter().cloned().collect()
    }

    /// Ready while audits succeed. What they find makes the log suspect, not the monitor unready.
    pub(super) fn readiness(&self) -> Readiness {
        let last = self.last.lock();
        let because = last.error.as_ref().map_or(String::new(), |error| format!(": {error}"));
        let audit = match last.success.map(|at| at.elapsed()) {
            None => Err(format!("no audit has succeeded yet{because}")),
            Some(age) if age > self.patience => {
                Err(format!("the last successful audit was {} s ago{because}", age.as_secs()))
            }
            Some(_) => Ok(()),
        };
        let readiness = Readiness::new().check("audit", audit);
        if last.success.is_some() { readiness.note("log", last.verdict.clone()) } else { readiness }
    }
}

fn outcome_of(how: &Ended<'_>) -> RunOutcome {
    match how {
        Ended::Failed(error) => RunOutcome::Failed(error.clone()),
        Ended::Audited(report) => RunOutcome::Audited {
            size: report.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size),
            entries: report.checked.entries,
            verdict: if report.is_clean() { String::new() } else { verdict(report) },
        },
    }
}

fn verdict(report: &AuditReport) -> String {
    if report.is_clean() {
        return "no findings".to_owned();
    }
    let counts: Vec<String> = report.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    counts.join(", ")
}

impl MonitorMetrics {
    fn register(r: &mut Registry) -> Self {
        let duration = Histogram::new(exponential_buckets(0.01, 2.0, 16));
        r.register_with_unit("audit_duration", "How long audits took", Unit::Seconds, duration.clone());
        let findings = "New findings, by code";
        let told = "Findings reported or given up, by receiver";
        let success = "Time of the last completed audit, since 1970";
        let age = "Age of the newest cosignature of a witness at the last audit; absent without one";
        let m = Self {
            audits: register(r, "audits", "Audits by their outcome"),
            findings: register(r, "findings", findings),
            told: register(r, "tellings", told),
            entries: register(r, "entries_verified", "Entries that were read and verified"),
            size: register(r, "verified_size", "Entries of the log at the last clean audit"),
            success: register_in(r, Unit::Seconds, "last_success_timestamp", success),
            cosignature_age: register_in(r, Unit::Seconds, "newest_cosignature_age", age),
            duration,
        };
        // Absent series raise no alarms.
        for kind in FindingKind::ALL {
            drop(m.findings.get_or_create(&CodeLabel { code: kind.code() }));
        }
        for outcome in [CLEAN, FOUND, FAILED] {
            drop(m.audits.get_or_create(&OutcomeLabel { outcome }));
        }
        m
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn watched(interval: Duration) -> (Watched, Registry) {
        Watched::new(Origin::new("log.example.com/x").unwrap(), interval)
    }

    fn clean() -> AuditReport {
        AuditReport {
            findings: Vec::new(),
            counts: std::collections::BTreeMap::new(),
            origin: "log.example.com/x".into(),
            checkpoint: None,
            pruning: None,
            checked: vouchlog_auditor::Checked { entries: 5, ..Default::default() },
            streams: Vec::new(),
            quotas: Vec::new(),
            operators: Vec::new(),
            witness_rotations: Vec::new(),
            gateways: Vec::new(),
            retired: None,
            continues: None,
        }
    }

    #[test]
    fn it_is_ready_once_an_audit_succeeded_and_not_for_ever() {
        let (watched, _) = watched(Duration::from_secs(3600));
        assert!(!watched.readiness().is_ready());
        watched.ended(&Ended::Failed("no route".into()), Duration::ZERO, 7);
        let readiness = watched.readiness();
        assert!(readiness.failure("audit").unwrap().contains("no route"));
        watched.ended(&Ended::Audited(&clean()), Duration::ZERO, 7);
        watched.ended(&Ended::Failed("no route".into()), Duration::ZERO, 7);
        assert!(watched.readiness().is_ready(), "three intervals are not over");
        assert!(matches!(&watched.runs()[..], [AuditRun { outcome: RunOutcome::Failed(_), .. }, _, _]));
        for _ in 0..2 * MAX_RUNS {
            watched.ended(&Ended::Audited(&clean()), Duration::ZERO, 8);
        }
        assert_eq!(watched.runs().len(), MAX_RUNS);
        let (impatient, _) = super::tests::watched(Duration::ZERO);
        impatient.ended(&Ended::Audited(&clean()), Duration::ZERO, 7);
        std::thread::sleep(Duration::from_millis(2));
        assert!(!impatient.readiness().is_ready());
    }

    #[test]
    fn metrics_are_there_before_anything_happened() {
        let (watched, registry) = watched(Duration::from_secs(60));
        watched.ended(&Ended::Audited(&clean()), Duration::from_millis(5), 77);
        watched.found(FindingKind::SplitView);
        watched.told(Recipient::Webhook, false);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "vouchlog_monitor_audits_total{outcome=\"clean\"} 1",
            "vouchlog_monitor_audits_total{outcome=\"failed\"} 0",
            "vouchlog_monitor_findings_total{code=\"split-view\"} 1",
            "vouchlog_monitor_findings_total{code=\"altered-entry\"} 0",
            "vouchlog_monitor_tellings_total{to=\"webhook\",outcome=\"failed\"} 1",
            "vouchlog_monitor_entries_verified_total 5",
            "vouchlog_monitor_last_success_timestamp_seconds 77",
            "vouchlog_monitor_audit_duration_seconds_count 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("newest_cosignature_age_seconds{"), "{text}");
    }
}
