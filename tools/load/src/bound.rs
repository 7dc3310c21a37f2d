//! What no log can be faster than on this machine: the hashes of a batch's tree, one write of its entries, and the sync.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use vouchlog_merkle::{CompactRange, leaf_hash};

use crate::report::{Meter, Report};

/// Bytes of a statement's entry with its length before it.
const FRAMED: usize = 57;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct BoundArgs {
    /// Entries in a batch: as many as the compared run commits at once
    #[arg(long, default_value_t = 2048)]
    batch: usize,
    /// How long, in seconds
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Directory of the file; a temporary one by default
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Hashes, writes and syncs one batch after the other, on one thread. One batch is one request.
pub(crate) fn run(args: &BoundArgs) -> Result<Report> {
    ensure!(args.batch > 0, "a batch has entries");
    let temporary = tempfile::tempdir()?;
    let folder = args.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut file = File::create(folder.join("bound"))?;
    let (meter, begun) = (Meter::start(Some(std::process::id())), Instant::now());
    let end = begun + Duration::from_secs(args.seconds);
    let (mut report, mut tree, mut number) = (Report::default(), CompactRange::new(), 0_u64);
    while Instant::now() < end {
        let started = Instant::now();
        let mut bytes = vec![0; args.batch * FRAMED];
        let mut leaves = Vec::with_capacity(args.batch);
        for entry in bytes.chunks_exact_mut(FRAMED) {
            entry[2..10].copy_from_slice(&number.to_be_bytes());
            leaves.push(leaf_hash(&entry[2..]));
            number += 1;
        }
        tree.extend(&leaves);
        ensure!(tree.root().is_some(), "the tree begins at its first entry");
        file.write_all(&bytes)?;
        file.sync_data()?;
        report.record(args.batch as u64, started.elapsed())?;
    }
    report.elapsed = begun.elapsed();
    meter.stop(&mut report);
    Ok(report)
}
