//! The scrub: rereads sealed data while the log runs, before a reader needs it, and repairs what it can.
//!
//! A round goes from the top of the tree to its bottom. The right edge, which is in memory, holds the roots of the topmost full
//! tiles; each tile that was verified holds the roots of the tiles below it; a tile of level 0 holds the leaf hashes of its bundle.
//! So the content of every tile and bundle is known before it is read. A damaged tile is computed from what lies below it, a
//! damaged index of bundles from the bundles; a damaged bundle is fetched from a mirror, if there is one.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use vouchlog_merkle::{Hash, TILE_WIDTH, Tile, TileId, TreeSize, full_tiles, leaf_hash};
use vouchlog_runtime::Pace;
use vouchlog_runtime::scope::in_span;
use vouchlog_storage::{Part, Store, StoreError};

use crate::edge::frame;
use crate::publish::Sequenced;
use crate::scrub::ScrubOptions;
use crate::state::Shared;
use crate::stop::StopSignal;

mod metrics;

use metrics::ScrubMetrics;

const WIDTH: u64 = TILE_WIDTH as u64;
/// Damaged objects named in readiness.
const NAMED: usize = 8;
/// Damaged objects remembered; a store with more is broken throughout.
const MAX_DAMAGED: usize = 10_000;

/// The handle on the scrub's thread, which ends when the handle is dropped.
#[derive(Debug)]
pub(crate) struct Scrubber {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    stop: StopSignal,
    /// What is damaged and could not be repaired, with the reason.
    damaged: Mutex<BTreeMap<Part, String>>,
}

impl Scrubber {
    /// Starts the thread, unless the options say that there is to be no scrub.
    pub(crate) fn start<S: Store>(
        shared: &Arc<Shared<S>>,
        registry: &mut Registry,
    ) -> std::io::Result<Option<Self>> {
        let options = shared.options.scrub.clone();
        if options.bytes_per_second == 0 {
            return Ok(None);
        }
        let state = Arc::new(State::default());
        let worker = Worker {
            shared: Arc::downgrade(shared),
            metrics: ScrubMetrics::register(registry),
            pace: Pace::of_bytes(options.bytes_per_second),
            options,
            state: state.clone(),
            last_round: Instant::now(),
        };
        std::thread::Builder::new().name("vouchlog-scrub".into()).spawn(in_span(move || worker.run()))?;
        Ok(Some(Self { state }))
    }

    /// What is damaged and could not be repaired.
    pub(crate) fn failure(&self) -> Option<String> {
        let damaged = self.state.damaged.lock();
        if damaged.is_empty() {
            return None;
        }
        let mut named: Vec<&str> = damaged.values().take(NAMED).map(String::as_str).collect();
        let more = format!("and {} more", damaged.len().saturating_sub(NAMED));
        if damaged.len() > NAMED {
            named.push(&more);
        }
        Some(format!("{} damaged: {}", damaged.len(), named.join("; ")))
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        self.state.stop.raise();
    }
}

/// Why a round ended early.
struct Stop;

struct Worker<S> {
    shared: Weak<Shared<S>>,
    options: ScrubOptions,
    state: Arc<State>,
    metrics: ScrubMetrics,
    pace: Pace,
    last_round: Instant,
}

impl<S: Store> Worker<S> {
    fn run(mut self) {
        loop {
            let began = Instant::now();
            // The store is held for the length of a round only through the weak handle of each step.
            if self.round().is_err() {
                return;
            }
            let rest = self.options.interval.saturating_sub(began.elapsed()).max(Duration::from_secs(1));
            if self.wait(rest).is_err() {
                return;
            }
        }
    }

    fn round(&mut self) -> Result<(), Stop> {
        let (sealed, newest) = {
            let shared = self.shared.upgrade().ok_or(Stop)?;
            (shared.store.sealed_size(), shared.publisher.newest())
        };
        let sealed = sealed.min(newest.size().get() / WIDTH * WIDTH);
        let edge_root = newest.edge.compact_range().and_then(|range| range.root());
        if edge_root != Some(newest.head.tree.root) {
            tracing::error!("the right edge in memory does not lead to the root: scrubbing is skipped");
            return Ok(());
        }
        for level in (0u8..8).rev() {
            let mut parent: Option<(u64, Option<Tile>)> = None;
            for index in 0..full_tiles(level, TreeSize::new(sealed)) {
                let id = TileId { level, index };
                if parent.as_ref().is_none_or(|(known, _)| *known != index / WIDTH) {
                    parent = Some((index / WIDTH, self.parent(id, newest.size())?));
                }
                let above = parent.as_ref().and_then(|(_, tile)| tile.as_ref());
                if let Some(expected) = expected_root(above, id, &newest) {
                    self.tile(id, expected)?;
                }
            }
        }
        self.metrics.rounds.inc();
        self.last_round = Instant::now();
        Ok(())
    }

    /// The full tile above: sealed and verified by this round, or not sealed yet and in memory. `None` where the right edge stands in.
    fn parent(&self, id: TileId, size: TreeSize) -> Result<Option<Tile>, Stop> {
        let shared = self.shared.upgrade().ok_or(Stop)?;
        let above = TileId { level: id.level + 1, index: id.index / WIDTH };
        if above.index >= full_tiles(above.level, size) {
            return Ok(None);
        }
        let is_sealed = above.index < full_tiles(above.level, TreeSize::new(shared.store.sealed_size()));
        // As it is: a read that compares a tile with those below it would fail for the damage that is to be repaired.
        let read = match is_sealed {
            true => shared.store.reread(Part::Tile(above)).ok(),
            false => shared.store.tile(above).ok().flatten(),
        };
        Ok(read.and_then(|bytes| Tile::parse(&bytes).ok()))
    }

    /// One tile and, at level 0, its bundle.
    fn tile(&mut self, id: TileId, expected: Hash) -> Result<(), Stop> {
        let part = Part::Tile(id);
        let read = self.read(part)?;
        let tile = read.ok().and_then(|bytes| Tile::parse(&bytes).ok());
        let tile = tile.filter(|tile| tile.root() == Some(expected));
        if tile.is_some() {
            self.is_whole(part);
        }
        if id.level == 0 {
            return self.bundle(id.index, tile.as_ref(), expected);
        }
        if tile.is_none() {
            let shared = self.shared.upgrade().ok_or(Stop)?;
            let below = (id.index * WIDTH..(id.index + 1) * WIDTH)
                .map(|index| {
                    let below = Part::Tile(TileId { level: id.level - 1, index });
                    let bytes = shared.store.reread(below).ok()?;
                    Tile::parse(&bytes).ok()?.root()
                })
                .collect::<Option<Vec<Hash>>>();
            self.repair_tile(&shared, id, below.unwrap_or_default(), expected);
        }
        Ok(())
    }

    /// A bundle against its tile. `tile` is `None` when the tile is damaged: then the bundle is known by its root alone.
    fn bundle(&mut self, bundle: u64, tile: Option<&Tile>, expected: Hash) -> Result<(), Stop> {
        let (part, id) = (Part::Bundle(bundle), TileId { level: 0, index: bundle });
        let gone = self.shared.upgrade().ok_or(Stop)?.store.pruned();
        if gone.is_some_and(|gone| gone.has_removed(bundle)) {
            // It may have been damaged before.
            self.is_whole(part);
            if tile.is_none() {
                let shared = self.shared.upgrade().ok_or(Stop)?;
                self.damaged(
                    &shared,
                    Part::Tile(id),
                    "its entries were pruned, so it cannot be computed again",
                );
            }
            return Ok(());
        }
        let leads = |bytes: &Bytes| {
            leaves(bytes).filter(|leaves| match tile {
                Some(tile) => tile.hashes() == leaves.as_slice(),
                None => root(leaves) == Some(expected),
            })
        };
        let read = self.read(part)?;
        let shared = self.shared.upgrade().ok_or(Stop)?;
        if let Some(leaves) = read.ok().as_ref().and_then(leads) {
            self.is_whole(part);
            if tile.is_none() {
                self.repair_tile(&shared, id, leaves, expected);
            }
            return Ok(());
        }
        // Its index may be what is damaged.
        let found = tile.and_then(|tile| shared.store.find_bundle(bundle, &tile.to_bytes()).ok().flatten());
        let found = match found {
            Some(found) => Ok(found),
            None => self
                .options
                .mirror
                .as_ref()
                .map_or_else(|| Err("no mirror was given".to_owned()), |mirror| mirror.bundle(bundle)),
        };
        let verified = found.and_then(|bytes| {
            let leaves = leads(&bytes).ok_or("the mirror's bundle does not lead to the root")?;
            shared.store.repair(part, &bytes).map_err(|error| error.to_string())?;
            Ok(leaves)
        });
        match verified {
            Ok(leaves) => {
                self.repaired(&shared, part);
                if tile.is_none() {
                    self.repair_tile(&shared, id, leaves, expected);
                }
            }
            Err(reason) => {
                self.damaged(&shared, part, &reason);
                if tile.is_none() {
                    self.damaged(&shared, Part::Tile(id), "its bundle is also damaged");
                }
            }
        }
        Ok(())
    }

    /// Writes a tile again from the hashes below it, if these lead to the root that is expected of it.
    fn repair_tile(&self, shared: &Shared<S>, id: TileId, hashes: Vec<Hash>, expected: Hash) {
        let part = Part::Tile(id);
        let tile = Tile::from_hashes(hashes).ok();
        let Some(tile) = tile.filter(|tile| tile.root() == Some(expected)) else {
            return self.damaged(shared, part, "the tiles below it are also damaged");
        };
        match shared.store.repair(part, &tile.to_bytes().into()) {
            Ok(()) => self.repaired(shared, part),
            Err(error) => self.damaged(shared, part, &error.to_string()),
        }
    }

    /// Reads an object from the disk, at the pace that is set.
    fn read(&mut self, part: Part) -> Result<Result<Bytes, StoreError>, Stop> {
        let read = self.shared.upgrade().ok_or(Stop)?.store.reread(part);
        let bytes = read.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.metrics.bytes.inc_by(bytes);
        let wait = self.pace.wait_for(bytes, Instant::now());
        self.wait(wait)?;
        Ok(read)
    }

    /// Waits, unless the log stops meanwhile.
    fn wait(&self, time: Duration) -> Result<(), Stop> {
        let end = Instant::now() + time;
        loop {
            self.metrics.since_last_round.set(self.last_round.elapsed().as_secs());
            let rest = end.saturating_duration_since(Instant::now());
            if self.state.stop.wait(rest.min(Duration::from_secs(1))) {
                return Err(Stop);
            }
            if rest.is_zero() {
                return Ok(());
            }
        }
    }

    fn is_whole(&self, part: Part) {
        let mut damaged = self.state.damaged.lock();
        damaged.remove(&part);
        self.metrics.damaged.set(damaged.len() as u64);
    }

    fn repaired(&self, shared: &Shared<S>, part: Part) {
        tracing::warn!(place = %shared.store.describe(part), "{part} was damaged and has been repaired");
        self.metrics.repaired.inc();
        self.is_whole(part);
    }

    fn damaged(&self, shared: &Shared<S>, part: Part, reason: &str) {
        let place = shared.store.describe(part);
        tracing::error!(place, reason, "{part} is damaged");
        let mut damaged = self.state.damaged.lock();
        if damaged.len() < MAX_DAMAGED {
            damaged.insert(part, format!("{place} ({part}): {reason}"));
        }
        self.metrics.damaged.set(damaged.len() as u64);
    }
}

/// The root a full tile must have: by the tile above it, or by the right edge of the tree.
fn expected_root(above: Option<&Tile>, id: TileId, newest: &Sequenced) -> Option<Hash> {
    let at = usize::try_from(id.index % WIDTH).ok()?;
    if let Some(above) = above {
        return above.hashes().get(at).copied();
    }
    let edge = newest
        .edge
        .tile(TileId { level: id.level + 1, index: id.index / WIDTH }, u16::try_from(at).ok()? + 1)?;
    Hash::try_from(&edge[at * Hash::LEN..]).ok()
}

/// The leaf hashes of a full bundle.
fn leaves(bundle: &Bytes) -> Option<Vec<Hash>> {
    let entries = frame(std::slice::from_ref(bundle)).filter(|entries| entries.starts.len() == TILE_WIDTH)?;
    Some(entries.entries().map(leaf_hash).collect())
}

fn root(leaves: &[Hash]) -> Option<Hash> {
    Tile::from_hashes(leaves.to_vec()).ok()?.root()
}

#[cfg(test)]
mod tests;
