//! Commits synthetic batches as fast as the store takes them, and prints what that does to disk and memory. Run it again on
//! the same directory, also after killing it: it says how long opening took and goes on.
//!
//! ```text
//! cargo run --release -p vouchlog-storage-sled --example soak -- --minutes 3 --batch 1024 --dir /var/tmp/soak
//! ```
//!
//! Entries have 54 bytes, tiles are filler of the right size and place, and every commit replaces four stream states of
//! 2 KiB. Nothing is hashed, so the rate is the store's alone. Linux only: memory is read from `/proc`.

use std::collections::VecDeque;
use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use vouchlog_merkle::{Hash, TileId, TreeHead, TreeSize, tiles_of_growth};
use vouchlog_storage::{Batch, Growth, StateKey, Store};
use vouchlog_storage_sled::{Options, SledStore};

const ENTRY_BYTES: usize = 54;
const STREAMS: u64 = 64;
const STATES_PER_COMMIT: u64 = 4;
const STATE_BYTES: usize = 2048;
const REPORT_EVERY: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse()?;
    let began = Instant::now();
    let store = SledStore::open(&arguments.dir, "soak.example/log", Options::default())?;
    let opened = began.elapsed();
    let loaded = store.load()?;
    let size = loaded.as_ref().map_or(0, |loaded| loaded.head.size.get());
    let sealed = loaded.as_ref().map_or(0, |loaded| loaded.sealed);
    println!(
        "opened {size} entries ({} unsealed) in {opened:?}, loaded after {:?}",
        size - sealed,
        began.elapsed()
    );
    if loaded.is_some() {
        store.restore(growth(sealed, size))?;
    }

    let end = Instant::now() + arguments.duration;
    let mut writer = Writer { store: &store, size: loaded.map(|_| size) };
    while Instant::now() < end {
        let window = Window::run(&mut writer, arguments.batch, end)?;
        window.report(&arguments.dir, writer.size.unwrap_or(0));
    }
    let began = Instant::now();
    store.close()?;
    println!("closed in {:?}", began.elapsed());
    Ok(())
}

struct Arguments {
    duration: Duration,
    batch: u64,
    dir: PathBuf,
}

impl Arguments {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut parsed = Self { duration: Duration::from_secs(180), batch: 1024, dir: PathBuf::new() };
        let mut words: VecDeque<_> = std::env::args().skip(1).collect();
        while let Some(word) = words.pop_front() {
            let value = words.pop_front().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--minutes" => parsed.duration = Duration::from_secs_f64(60.0 * value.parse::<f64>()?),
                "--batch" => parsed.batch = value.parse()?,
                "--dir" => parsed.dir = value.into(),
                _ => return Err(format!("no option {word}; there are --minutes, --batch and --dir").into()),
            }
        }
        if parsed.dir.as_os_str().is_empty() {
            return Err("--dir says where the store goes".into());
        }
        Ok(parsed)
    }
}

struct Writer<'s> {
    store: &'s SledStore,
    size: Option<u64>,
}

impl Writer<'_> {
    /// Commits `count` entries; how long the store took.
    fn commit(&mut self, count: u64) -> Result<Duration, Box<dyn Error>> {
        let old = self.size.unwrap_or(0);
        let new = old + count;
        let head = TreeHead { size: TreeSize::new(new), root: Hash::from_bytes([7; 32]) };
        let states = (0..STATES_PER_COMMIT).map(|at| state((new + at) % STREAMS, new)).collect();
        let batch = Batch { head, count, entries: framed(old, new), states, growth: growth(old, new) };
        let began = Instant::now();
        self.store.commit(self.size, batch)?;
        self.size = Some(new);
        Ok(began.elapsed())
    }
}

/// Entries that do not compress and can be generated again.
fn framed(begin: u64, end: u64) -> Bytes {
    let mut bytes = Vec::new();
    for index in begin..end {
        bytes.extend_from_slice(&[0, 54]);
        bytes.extend_from_slice(&filler::<ENTRY_BYTES>(index));
    }
    bytes.into()
}

fn filler<const N: usize>(seed: u64) -> [u8; N] {
    let mut word = seed;
    std::array::from_fn(|_| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        word.to_be_bytes()[0]
    })
}

fn state(stream: u64, seed: u64) -> (StateKey, Bytes) {
    (StateKey::new(stream.to_be_bytes().to_vec()), Bytes::copy_from_slice(&filler::<STATE_BYTES>(seed)))
}

fn growth(old: u64, new: u64) -> Growth {
    let tile = |id: TileId| (id, Bytes::copy_from_slice(&filler::<8192>(id.index)));
    Growth {
        tiles: tiles_of_growth(TreeSize::new(old), TreeSize::new(new)).map(tile).collect(),
        bundles: (old / 256..new / 256)
            .map(|bundle| (bundle, framed(bundle * 256, bundle * 256 + 256)))
            .collect(),
    }
}

/// What happened between two lines of the report.
struct Window {
    took: Duration,
    entries: u64,
    commits: Vec<Duration>,
}

impl Window {
    fn run(writer: &mut Writer<'_>, batch: u64, end: Instant) -> Result<Self, Box<dyn Error>> {
        let began = Instant::now();
        let mut window = Self { took: Duration::ZERO, entries: 0, commits: Vec::new() };
        while began.elapsed() < REPORT_EVERY && Instant::now() < end {
            window.commits.push(writer.commit(batch)?);
            window.entries += batch;
        }
        window.took = began.elapsed();
        window.commits.sort_unstable();
        Ok(window)
    }

    fn percentile(&self, percent: usize) -> Duration {
        let last = self.commits.len().saturating_sub(1);
        self.commits.get(last * percent / 100).copied().unwrap_or_default()
    }

    fn report(&self, dir: &Path, size: u64) {
        let (live, sealed) = (disk_bytes(&dir.join("live")), disk_bytes(&dir.join("sealed")));
        println!(
            "{size} entries, {:.0}/s, commit p50 {:?} p99 {:?} max {:?}, live {} MB, sealed {} MB, {} bytes/entry, {} MB resident",
            self.entries as f64 / self.took.as_secs_f64(),
            self.percentile(50),
            self.percentile(99),
            self.percentile(100),
            live / 1_000_000,
            sealed / 1_000_000,
            (live + sealed) / size.max(1),
            resident_kilobytes().unwrap_or(0) / 1000,
        );
    }
}

/// Bytes a directory takes on the disk, not counting holes in files.
fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

fn resident_kilobytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}
