//! What a process holds: resident memory and file descriptors, from `/proc`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinHandle;

/// Where a log keeps files whose number grows with it: sealed segments, and runs of the lookup index.
const GROWING: [&str; 2] = ["sealed", "index"];

/// How often resident memory is sampled.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kib.ok_or_else(|| anyhow!("{path} has no VmRSS"))? * 1024)
}

/// Open file descriptors of a process, but for those of the files that a log has more of the longer it is: of those it keeps a bounded
/// number open, whoever reads them.
pub(crate) fn descriptors(pid: u32) -> Result<usize> {
    let path = format!("/proc/{pid}/fd");
    let open = std::fs::read_dir(&path).with_context(|| path.clone())?;
    let is_of_a_long_log = |file: &Path| {
        GROWING
            .iter()
            .any(|folder| file.is_absolute() && file.components().any(|part| part.as_os_str() == *folder))
    };
    Ok(open
        .filter(|entry| {
            let file = entry.as_ref().ok().and_then(|entry| std::fs::read_link(entry.path()).ok());
            !file.is_some_and(|file| is_of_a_long_log(&file))
        })
        .count())
}

/// Raises this process's own soft limit of open files to the hard one; returns the limit.
pub(crate) fn raise_descriptor_limit() -> Result<u64> {
    let found = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: found.maximum, maximum: found.maximum })
        .context("the limit of open files cannot be raised")?;
    Ok(found.maximum.unwrap_or(u64::MAX))
}

/// Samples a process's resident memory until it is dropped.
pub(crate) struct Sampler {
    peak: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Sampler {
    pub(crate) fn start(pid: u32) -> Self {
        let peak = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&peak);
        let task = tokio::spawn(async move {
            while let Ok(now) = resident(pid) {
                seen.fetch_max(now, Ordering::Relaxed);
                tokio::time::sleep(SAMPLE_EVERY).await;
            }
        });
        Self { peak, task }
    }

    /// The most it had, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}
