//! What can still be read of a damaged data directory: every copy it has, each as far as it goes. Nothing is written to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_ledger::{Folder, survey};
use vouchlog_merkle::{TileId, TreeHead};
use vouchlog_storage::{Part, StateKey, StoreError, framing};

use crate::book::PURPOSE;
use crate::contents::{Contents, Record};
use crate::examine::is_running;
use crate::files::copy_dir;
use crate::first_copy::FirstCopy;
use crate::live::Live;
use crate::names::{LEDGER, LIVE};
use crate::scratch::Scratch;
use crate::segments::{Segments, is_bundle_of};
use crate::signed::read_signed;
use crate::stamp::Stamp;

/// The states of one copy, as they were at a committed head.
pub type StatesAt = (TreeHead, Vec<(StateKey, Bytes)>);

/// What is left of a data directory.
#[derive(Debug)]
pub struct Remains {
    /// The log's origin, if FORMAT can be read.
    pub origin: Option<String>,
    /// The newest head that was signed, by SIGNED.
    pub signed: Option<TreeHead>,
    /// Heads that were committed, by any copy.
    pub committed: Vec<TreeHead>,
    /// The states of each copy that has some.
    pub states: Vec<StatesAt>,
    /// What could not be read, in words.
    pub damages: Vec<String>,
    /// Entries found outside segments. Copies may disagree.
    entries: BTreeMap<u64, Vec<Bytes>>,
    segments: Segments,
    /// The bundle that was read last, and where it ends in its segment.
    last: Mutex<(u64, u64)>,
}

/// Reads everything that is left in `dir`: segments, ledger, sled on a copy, and what was set aside. Only a stopped log is read.
///
/// # Errors
/// [`StoreError::InUse`] when a process has the store open.
pub fn salvage(dir: &Path) -> Result<Remains, StoreError> {
    if is_running(dir)? {
        return Err(StoreError::InUse);
    }
    let mut damages = Vec::new();
    let mut note = |result: Result<Option<String>, StoreError>| match result {
        Ok(origin) => origin,
        Err(error) => {
            damages.push(error.to_string());
            None
        }
    };
    let origin = note(Stamp::read(dir).map(|stamp| stamp.map(|stamp| stamp.origin)));
    let mut remains = Remains {
        origin,
        signed: read_signed(&Folder::new(dir)).ok().flatten(),
        committed: Vec::new(),
        states: Vec::new(),
        damages,
        entries: BTreeMap::new(),
        segments: Segments::open_read_only(&dir.join("sealed"), 0),
        last: Mutex::new((u64::MAX, 0)),
    };
    let mut ledgers = vec![dir.join(LEDGER)];
    let mut sleds = vec![dir.join("live.before"), dir.join(LIVE)];
    let aside: Vec<PathBuf> = match fs::read_dir(dir.join("aside")) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    for path in aside {
        let is_ledger = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(LEDGER));
        if is_ledger { ledgers.push(path) } else { sleds.push(path) }
    }
    for ledger in ledgers.iter().filter(|path| path.is_dir()) {
        remains.read_ledger(ledger);
    }
    for sled in sleds.iter().filter(|path| path.join("db").exists()) {
        remains.read_sled(sled);
    }
    Ok(remains)
}

impl Remains {
    /// A tile, as it is in a segment.
    pub fn tile(&self, tile: TileId) -> Option<Bytes> {
        self.segments.read_tile(tile).ok()
    }

    /// Every version of a full entry bundle that is left, framed.
    pub fn bundles(&self, bundle: u64) -> Vec<Bytes> {
        let mut found: Vec<Bytes> = self.segments.read_bundle(bundle).into_iter().collect();
        let mut end = match self.segments.locate(Part::Bundle(bundle)) {
            place if place.file.ends_with(".data") => Some(place.end),
            _ => None,
        };
        if let Some(tile) = self.tile(TileId { level: 0, index: bundle })
            && !found.first().is_some_and(|bytes| is_bundle_of(bytes, &tile))
        {
            let by_neighbours = self.segments.find(bundle, &tile).ok().flatten();
            let by_tile = by_neighbours.or_else(|| self.follows_last(bundle, &tile));
            end = by_tile.as_ref().map(|(offset, bytes)| offset + bytes.len() as u64).or(end);
            found.extend(by_tile.map(|(_, bytes)| bytes));
        }
        if let Some(end) = end {
            *self.last.lock() = (bundle, end);
        }
        found.retain(|bytes| framing::count(bytes) == Some(256));
        found
    }

    /// The bundle behind the one that was read last, for segments whose index is lost.
    fn follows_last(&self, bundle: u64, tile: &[u8]) -> Option<(u64, Bytes)> {
        let (last, end) = *self.last.lock();
        if last.checked_add(1) != Some(bundle) {
            return None;
        }
        self.segments.find_at(bundle, tile, end).ok().flatten()
    }

    /// Every version of an entry that is left outside segments.
    pub fn entries(&self, index: u64) -> &[Bytes] {
        self.entries.get(&index).map_or(&[], Vec::as_slice)
    }

    fn read_ledger(&mut self, path: &Path) {
        let mut contents = Contents::default();
        let mut is_whole = true;
        let mut records = Vec::new();
        let found = survey(&Folder::new(path), PURPOSE, &mut |item| {
            records.extend(Record::read(item.payload));
            // A snapshot begins a new run of records that follow one another.
            if item.snapshot == Some(0) && !is_whole {
                self.keep(std::mem::take(&mut contents));
                is_whole = true;
            }
            is_whole = is_whole && contents.replay(item).is_ok();
        });
        self.keep(contents);
        for record in records {
            self.committed.extend(record.head);
            self.add(record.first, &record.entries);
        }
        let name = crate::files::name(path);
        match found {
            Ok(found) => self.damages.extend(found.iter().map(|damage| {
                format!("{name}/{} bytes {}-{}: {}", damage.file, damage.start, damage.end, damage.reason)
            })),
            Err(error) => self.damages.push(format!("{name}: {error}")),
        }
    }

    fn read_sled(&mut self, path: &Path) {
        let read = Scratch::new().and_then(|scratch| {
            let copy = scratch.path().join(LIVE);
            copy_dir(path, &copy)?;
            let contents = Live::open(&copy)?.contents()?;
            Ok(contents)
        });
        match read {
            Ok(contents) => {
                for piece in &contents.tail {
                    self.add(piece.first, &piece.entries);
                }
                self.keep(contents);
            }
            Err(error) => self.damages.push(format!("{}: {error}", crate::files::name(path))),
        }
    }

    fn keep(&mut self, contents: Contents) {
        if let Some(head) = contents.head {
            self.committed.push(head);
            self.states.push((head, contents.states.into_iter().collect()));
        }
    }

    fn add(&mut self, first: u64, framed: &Bytes) {
        let Some(starts) = framing::starts(framed) else { return };
        let ends = starts.iter().skip(1).map(|at| *at as usize).chain([framed.len()]);
        for (index, (start, end)) in (first..).zip(starts.iter().zip(ends)) {
            let entry = framed.slice(*start as usize + 2..end);
            let known = self.entries.entry(index).or_default();
            if !known.contains(&entry) {
                known.push(entry);
            }
        }
    }
}

/// Whether the entries of a full bundle hash to the leaves in a tile of level 0.
pub fn is_covered(bundle: &[u8], tile: &[u8]) -> bool {
    is_bundle_of(bundle, tile)
}
