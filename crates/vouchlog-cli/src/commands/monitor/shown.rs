//! What a monitor shows browsers at `/`: gathered here, drawn in `report/monitor.rs`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use vouchlog_auditor::monitor::MonitorMemory;

use super::watched::Watched;
use crate::commands::auditing::Subject;
use crate::commands::paper;
use crate::report::{MonitorMade, monitor};

/// What stays the same while a monitor runs, and where the rest is.
pub(super) struct MonitorPages {
    origin: String,
    source: String,
    vkeys: Vec<String>,
    has_policy: bool,
    interval: Duration,
    watched: Arc<Watched>,
    memory: Arc<Mutex<MonitorMemory>>,
}

impl MonitorPages {
    pub(super) fn new(
        subject: &Subject,
        interval: Duration,
        (watched, memory): (&Arc<Watched>, &Arc<Mutex<MonitorMemory>>),
    ) -> Self {
        let log = &subject.config.log;
        Self {
            origin: log.origin.to_string(),
            source: subject.source.clone(),
            vkeys: log.keys.iter().map(ToString::to_string).collect(),
            has_policy: log.policy.is_some(),
            interval,
            watched: Arc::clone(watched),
            memory: Arc::clone(memory),
        }
    }

    /// The page as of now.
    pub(super) async fn page(self: Arc<Self>) -> String {
        // The memory is locked while findings are written to the disk.
        let made = tokio::task::spawn_blocking(move || self.made()).await;
        made.expect("a page is made without a panic")
    }

    fn made(&self) -> String {
        monitor(&MonitorMade {
            at: paper::now(),
            origin: self.origin.clone(),
            source: self.source.clone(),
            vkeys: self.vkeys.clone(),
            has_policy: self.has_policy,
            interval: self.interval,
            runs: self.watched.runs(),
            findings: self.memory.lock().findings(),
            is_ready: self.watched.readiness().is_ready(),
        })
    }
}
