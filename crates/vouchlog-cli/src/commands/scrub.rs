//! The flags of `vouchlog serve` about the scrub.

use std::sync::Arc;
use std::time::Duration;

use vouchlog::{Mirror, ScrubOptions, TileMirror};

use crate::advice::Advice;
use crate::connections;

/// Bytes a second.
const DEFAULT_RATE: u64 = 4 * 1024 * 1024;

/// How sealed data is read again while the log runs.
#[derive(clap::Args)]
pub(super) struct ScrubArgs {
    /// Bytes of sealed data to verify each second; 0 for none [default: 4MiB, or 0 with --objects]
    #[arg(long = "scrub-rate", value_name = "SIZE", value_parser = rate, env = "VOUCHLOG_SCRUB_RATE")]
    rate: Option<u64>,
    /// Minimum time from the start of one scrub of all sealed data to the start of the next
    #[arg(long = "scrub-interval", value_name = "DURATION", default_value = "1h", value_parser = crate::values::duration,
          env = "VOUCHLOG_SCRUB_INTERVAL")]
    interval: Duration,
    /// A mirror of this log (`vouchlog mirror`), as files, over HTTP or in an object store, to repair damaged bundles from; verified before it is used
    #[arg(long, value_name = "DIR|URL", env = "VOUCHLOG_REPAIR_FROM")]
    repair_from: Option<String>,
}

impl ScrubArgs {
    /// The options, for a log whose sealed part is in files or, if `is_remote`, in an object store, which checks what it keeps by itself
    /// and may charge for each request.
    pub(super) fn options(&self, is_remote: bool) -> anyhow::Result<ScrubOptions> {
        let mirror = self.repair_from.as_ref().map(|place| TileMirror::new(place, connections::security()));
        let mirror = mirror.transpose();
        let mirror = mirror.map_err(|error| {
            Advice::error(error, "--repair-from takes a directory of tiles, their base URL, or an object store such as s3://bucket/prefix")
        })?;
        let mirror = mirror.map(|mirror| Arc::new(mirror) as Arc<dyn Mirror>);
        let rate = self.rate.unwrap_or(if is_remote { 0 } else { DEFAULT_RATE });
        Ok(ScrubOptions { bytes_per_second: rate, interval: self.interval, mirror })
    }
}

fn rate(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { crate::values::size(text) }
}
