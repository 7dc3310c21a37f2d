//! Measures the lookup index alone: how fast it takes entries, what that costs, and how long lookups take.
//!
//! `cargo run --profile dist -p vouchlog-storage-sled --example index_speed -- --entries N[,N…] --dir DIR [--per-run N]`
//!
//! Every entry is a statement, with a leaf hash and a digest that follow from its index; `--per-run` statements of a stream in a row.

#![allow(clippy::print_stdout, reason = "an example prints what it measured")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vouchlog_storage::{Index, IndexBatch, RunEntry};
use vouchlog_storage_sled::RunIndex;

/// As many as the log's follower adds at once.
const BATCH: u64 = 8_192;
const STREAMS: u64 = 64;
const LOOKUPS: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut sizes, mut dir, mut per_run) = (Vec::new(), PathBuf::from("index-speed"), 256);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or("each option has a value")?;
        match name.as_str() {
            "--entries" => sizes = value.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>()?,
            "--dir" => dir = value.into(),
            "--per-run" => per_run = value.parse()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    let index = RunIndex::open(&dir)?;
    println!(
        "| entries | entries/s | CPU, us/entry | merged after, s | CPU with that | files | bytes/entry | resident directories and filters, MB | peak resident, MB | hit p50, p99 us | miss p50, p99 us |"
    );
    let (started, cpu_before, first) = (Instant::now(), cpu(), index.covered()?);
    for size in sizes {
        fill(&index, size, per_run)?;
        let (taken, cpu_taken) = (started.elapsed(), cpu() - cpu_before);
        let entries = (size - first) as f64;
        settle(&index)?;
        let (settled, cpu_settled) = (started.elapsed() - taken, cpu() - cpu_before);
        let used = index.in_use()?;
        let hits = lookups(&index, |at| mixed(at) % size)?;
        let misses = lookups(&index, |at| size + 1 + mixed(at) % size)?;
        println!(
            "| {size} | {:.0} | {:.3} | {:.1} | {:.3} | {} | {:.2} | {:.1} | {} | {}, {} | {}, {} |",
            entries / taken.as_secs_f64(),
            cpu_taken.as_secs_f64() * 1e6 / entries,
            settled.as_secs_f64(),
            cpu_settled.as_secs_f64() * 1e6 / entries,
            used.runs,
            used.disk_bytes as f64 / size as f64,
            used.resident_bytes as f64 / 1e6,
            peak_megabytes(),
            hits.0,
            hits.1,
            misses.0,
            misses.1,
        );
    }
    Ok(())
}

fn fill(index: &impl Index, size: u64, per_run: u64) -> Result<(), Box<dyn Error>> {
    let mut from = index.covered()?;
    while from < size {
        let upto = size.min(from + BATCH);
        let mut batch = IndexBatch { from, upto, ..IndexBatch::default() };
        for index in from..upto {
            batch.leaf_hashes.push((leaf_prefix(index), index));
            batch.digests.push((digest_prefix(index), index));
            if index % per_run == 0 || index == from {
                let turn = index / per_run;
                let start = (turn / STREAMS) * per_run + index % per_run;
                batch.runs.push(RunEntry { stream: turn % STREAMS, start, first: index });
            }
        }
        index.put(&batch)?;
        from = index.covered()?;
    }
    Ok(())
}

/// Waits until nothing is merged any more.
fn settle(index: &RunIndex) -> Result<(), Box<dyn Error>> {
    let mut before = None;
    loop {
        let now = (index.in_use()?.runs, cpu());
        if before == Some(now) {
            return Ok(());
        }
        before = Some(now);
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Microseconds of a lookup by digest: the median, and that which one in a hundred exceeds.
fn lookups(index: &impl Index, which: impl Fn(u64) -> u64) -> Result<(f64, f64), Box<dyn Error>> {
    let covered = index.covered()?;
    let mut times = Vec::new();
    for at in 0..LOOKUPS {
        let wanted = which(at);
        let started = Instant::now();
        let found = index.by_digest(digest_prefix(wanted), 64)?.found;
        times.push(started.elapsed());
        let is_found = found.iter().any(|index| index.get() == wanted);
        assert_eq!(is_found, wanted < covered, "the lookup of {wanted}");
    }
    times.sort_unstable();
    let micros = |share: usize| (times[times.len() * share / 100].as_nanos() / 100) as f64 / 10.0;
    Ok((micros(50), micros(99)))
}

fn leaf_prefix(index: u64) -> [u8; 8] {
    mixed(index).to_be_bytes()
}

fn digest_prefix(index: u64) -> [u8; 8] {
    mixed(index ^ 0x5555_5555_5555).to_be_bytes()
}

/// A permutation that looks like a hash.
fn mixed(value: u64) -> u64 {
    let mut value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Time of all processors that this process took, in Linux's ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}
