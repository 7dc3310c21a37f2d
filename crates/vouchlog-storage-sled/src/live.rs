//! The first copy of the living part, in sled. One tree; every value small against sled's segments, so that none goes to a
//! blob file (those are never synced).
//!
//! ```text
//! "last"              size (8) || root (32) || commits (8) || epoch (8)
//! "full"              size (8) up to which everything full is sealed
//! "e" || slot (4)     first (8) || count (4) || framed entries from index `first` on, at most 256 KiB a record
//! "s" || state key    a state
//! "head"              size (8) || root (32) || checkpoint note: what format 1 had in place of "last"
//! ```
//!
//! A record lies in a slot that is used again once the record is sealed. Keys that grew with the log would be simpler, but
//! sled joins a leaf that became empty with its neighbour only when a later key leads past it, which never happens behind
//! a moving front: its file and its memory then creep by about 3 MB for a million entries.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_storage::{Batch, CommitError, Epoch, StateKey, StoreError, framing};

use crate::contents::{Contents, Piece};
use crate::database::{Database, damaged, sled_error};
use crate::first_copy::FirstCopy;

const LAST: &[u8] = b"last";
/// Of format 1.
const HEAD: &[u8] = b"head";
/// Begins with the first byte of no other key: `s` would make it a state.
const SEALED: &[u8] = b"full";
const ENTRIES: u8 = b'e';
const STATE: u8 = b's';

/// Bytes of entries in one record.
const RECORD_BYTES: usize = 256 * 1024;
/// Upper bound on unsealed entries, and so on slots; a larger number is not a slot.
const MAX_SLOTS: u32 = 1 << 22;
/// sled moves longer values to files of their own, which are never synced.
const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;
/// States and entries written in one batch when a database is made from the other copy.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// The database.
#[derive(Debug)]
pub struct Live {
    db: Database,
    slots: Mutex<Slots>,
}

/// Where a record of entries lies, and where its entries end.
#[derive(Clone, Copy, Debug)]
struct Record {
    slot: u32,
    end: u64,
}

/// Which slots hold records. The lowest free one is taken, so the database has as many as the backlog ever had records.
#[derive(Debug, Default)]
struct Slots {
    free: BTreeSet<u32>,
    end: u32,
    /// Those in use, oldest entries first.
    used: VecDeque<Record>,
}

impl Slots {
    fn holding(used: VecDeque<Record>) -> Self {
        let taken: BTreeSet<u32> = used.iter().map(|record| record.slot).collect();
        let end = taken.last().map_or(0, |last| last + 1);
        Self { free: (0..end).filter(|slot| !taken.contains(slot)).collect(), end, used }
    }

    fn take(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            self.end += 1;
            self.end - 1
        })
    }
}

impl Live {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let live = Self { db: Database::open(dir)?, slots: Mutex::default() };
        let records = live.records()?;
        let used = records.iter().map(|(slot, piece)| Record { slot: *slot, end: piece.end() }).collect();
        *live.slots.lock() = Slots::holding(used);
        Ok(live)
    }

    /// Makes a database in the empty folder `dir` that holds `contents`.
    pub(crate) fn create(dir: &Path, contents: &Contents) -> Result<(), StoreError> {
        let live = Self::open(dir)?;
        let mut write = Write::default();
        for (key, value) in &contents.states {
            write.put_state(key, value)?;
            live.write_if(&mut write, CHUNK_BYTES)?;
        }
        for piece in contents.tail.iter().filter(|piece| piece.end() > contents.sealed) {
            live.put_entries(&mut write, piece.first, &piece.entries)?;
            live.write_if(&mut write, CHUNK_BYTES)?;
        }
        write.put(SEALED, &contents.sealed.to_be_bytes())?;
        // Last: a database that was not finished has no head.
        if let Some(head) = contents.head {
            write.put(LAST, &encode_last(head, contents.commits, contents.epoch))?;
        }
        live.write_if(&mut write, 0)
    }

    fn write_if(&self, write: &mut Write, at_least: usize) -> Result<(), StoreError> {
        if write.bytes < at_least {
            return Ok(());
        }
        self.db.apply(std::mem::take(write).batch).map_err(sled_error)
    }

    fn sealed(&self) -> Result<u64, StoreError> {
        match self.db.get(SEALED)? {
            None => Ok(0),
            Some(size) => Ok(u64::from_be_bytes(
                size.as_ref().try_into().map_err(|_| damaged("the sealed size in live/db"))?,
            )),
        }
    }

    /// Adds framed entries to a write, in records of a bounded length.
    fn put_entries(&self, write: &mut Write, mut first: u64, entries: &Bytes) -> Result<(), StoreError> {
        let pieces =
            framing::cut(entries, RECORD_BYTES).ok_or_else(|| damaged("a record of entries in live/db"))?;
        let mut slots = self.slots.lock();
        for (count, entries) in pieces {
            let slot = slots.take();
            write.put(record_key(slot).as_slice(), &encode_record(first, count, &entries))?;
            first += count;
            slots.used.push_back(Record { slot, end: first });
        }
        Ok(())
    }

    /// The records of entries with their slots, oldest first.
    fn records(&self) -> Result<Vec<(u32, Piece)>, StoreError> {
        let mut records = Vec::new();
        for item in self.db.scan_prefix([ENTRIES]) {
            let (key, value) = item.map_err(sled_error)?;
            records
                .push(decode_record(&key, &value).ok_or_else(|| damaged("a record of entries in live/db"))?);
        }
        records.sort_unstable_by_key(|(_, piece)| piece.first);
        Ok(records)
    }
}

impl FirstCopy for Live {
    fn commit(&self, commits: u64, epoch: Epoch, batch: &Batch) -> Result<(), CommitError> {
        let unknown = |error: StoreError| CommitError::Unknown(error.to_string());
        let mut write = Write::default();
        self.put_entries(&mut write, batch.head.size.get() - batch.count, &batch.entries).map_err(unknown)?;
        for (key, value) in &batch.states {
            write.put_state(key, value).map_err(unknown)?;
        }
        write.put(LAST, &encode_last(batch.head, commits, epoch)).map_err(unknown)?;
        self.db.apply(write.batch).map_err(|error| CommitError::Unknown(error.to_string()))
    }

    /// Forgets the records that are wholly below `sealed`.
    fn seal(&self, sealed: u64) -> Result<(), StoreError> {
        let done: Vec<_> =
            self.slots.lock().used.iter().take_while(|record| record.end <= sealed).copied().collect();
        let mut write = sled::Batch::default();
        write.insert(SEALED, &sealed.to_be_bytes());
        for record in &done {
            write.remove(record_key(record.slot).as_slice());
        }
        self.db.apply(write).map_err(|error| StoreError::Unsynced(error.to_string()))?;
        let mut slots = self.slots.lock();
        slots.used.drain(..done.len());
        slots.free.extend(done.iter().map(|record| record.slot));
        Ok(())
    }

    fn contents(&self) -> Result<Contents, StoreError> {
        let (head, commits, epoch) = match (self.db.get(LAST)?, self.db.get(HEAD)?) {
            (Some(last), _) => decode_last(&last).map(|(head, commits, epoch)| (Some(head), commits, epoch)),
            (None, Some(head)) => decode_head(&head).map(|head| (Some(head), 0, Epoch::default())),
            (None, None) => Some((None, 0, Epoch::default())),
        }
        .ok_or_else(|| damaged("the head in live/db"))?;
        let tail = self.records()?.into_iter().map(|(_, piece)| piece).collect();
        Ok(Contents { commits, epoch, sealed: self.sealed()?, head, states: self.states()?, tail })
    }

    fn states(&self) -> Result<BTreeMap<StateKey, Bytes>, StoreError> {
        let mut states = BTreeMap::new();
        for item in self.db.scan_prefix([STATE]) {
            let (key, value) = item.map_err(sled_error)?;
            states.insert(StateKey::new(key[1..].to_vec()), Bytes::copy_from_slice(&value));
        }
        Ok(states)
    }

    fn failure(&self) -> Option<String> {
        self.db.failure()
    }
}

/// A batch in the making, with its length.
#[derive(Default)]
struct Write {
    batch: sled::Batch,
    bytes: usize,
}

impl Write {
    fn put(&mut self, key: impl AsRef<[u8]>, value: &[u8]) -> Result<(), StoreError> {
        let (key, length) = (key.as_ref(), value.len());
        if length > MAX_VALUE_BYTES {
            return Err(StoreError::Io(format!("a value of {length} bytes is too long for the database")));
        }
        self.bytes += key.len() + length;
        self.batch.insert(key, value);
        Ok(())
    }

    /// Replaces a state; an empty value removes it.
    fn put_state(&mut self, key: &StateKey, value: &[u8]) -> Result<(), StoreError> {
        let key = state_key(key);
        if !value.is_empty() {
            return self.put(key, value);
        }
        self.bytes += key.len();
        self.batch.remove(key);
        Ok(())
    }
}

fn state_key(key: &StateKey) -> Vec<u8> {
    [&[STATE], key.as_bytes()].concat()
}

fn record_key(slot: u32) -> [u8; 5] {
    let mut key = [ENTRIES; 5];
    key[1..].copy_from_slice(&slot.to_be_bytes());
    key
}

fn encode_record(first: u64, count: u64, entries: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12 + entries.len());
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(count).expect("a record is small").to_be_bytes());
    bytes.extend_from_slice(entries);
    bytes
}

fn decode_record(key: &[u8], value: &[u8]) -> Option<(u32, Piece)> {
    let slot = Some(u32::from_be_bytes(key.get(1..)?.try_into().ok()?)).filter(|slot| *slot < MAX_SLOTS)?;
    let (first, rest) = value.split_first_chunk::<8>()?;
    let (count, entries) = rest.split_first_chunk::<4>()?;
    let (first, count) = (u64::from_be_bytes(*first), u64::from(u32::from_be_bytes(*count)));
    first.checked_add(count)?;
    Some((slot, Piece { first, count, entries: Bytes::copy_from_slice(entries) }))
}

fn encode_last(head: TreeHead, commits: u64, epoch: Epoch) -> Vec<u8> {
    let numbers = [commits, epoch.get()].map(u64::to_be_bytes).concat();
    [&head.size.get().to_be_bytes()[..], head.root.as_bytes(), &numbers].concat()
}

fn decode_last(bytes: &[u8]) -> Option<(TreeHead, u64, Epoch)> {
    let (head, rest) = bytes.split_at_checked(40)?;
    let (numbers, &[]) = rest.as_chunks::<8>() else { return None };
    let &[commits, epoch] = numbers else { return None };
    Some((decode_head(head)?, u64::from_be_bytes(commits), Epoch::new(u64::from_be_bytes(epoch))))
}

fn decode_head(bytes: &[u8]) -> Option<TreeHead> {
    let (size, rest) = bytes.split_first_chunk::<8>()?;
    let (root, _) = rest.split_first_chunk::<32>()?;
    Some(TreeHead { size: TreeSize::new(u64::from_be_bytes(*size)), root: Hash::from_bytes(*root) })
}
