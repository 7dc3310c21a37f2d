//! The living part in sled. One tree; every value small against sled's segments, so that none goes to a blob file (those are
//! never synced).
//!
//! ```text
//! "head"              size (8) || root (32) || checkpoint note
//! "full"              size (8) up to which everything full is sealed
//! "e" || slot (4)     first (8) || count (4) || framed entries from index `first` on, at most 256 KiB a record
//! "s" || state key    a state
//! ```
//!
//! A record lies in a slot that is used again once the record is sealed. Keys that grew with the log would be simpler, but
//! sled joins a leaf that became empty with its neighbour only when a later key leads past it, which never happens behind
//! a moving front: its file and its memory then creep by about 3 MB for a million entries.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_storage::{Batch, CommitError, Head, Loaded, StateKey, StoreError, framing};

use crate::database::{Database, damaged, sled_error};

const HEAD: &[u8] = b"head";
/// Begins with the first byte of no other key: `s` would make it a state.
const SEALED: &[u8] = b"full";
const ENTRIES: u8 = b'e';
const STATE: u8 = b's';

/// Bytes of entries in one record.
const RECORD_BYTES: usize = 256 * 1024;
/// More slots than there are unsealed entries at the most; a number beyond is no slot of ours.
const MAX_SLOTS: u32 = 1 << 22;
/// The database.
pub(crate) struct Live {
    db: Database,
    slots: Mutex<Slots>,
}

/// Where a record of entries lies, and which entries it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    slot: u32,
    first: u64,
    count: u64,
}

impl Record {
    /// One past the last entry.
    pub(crate) fn end(self) -> u64 {
        self.first + self.count
    }
}

/// Which slots hold records. The lowest free one is taken, so the database has as many as the backlog ever had records.
#[derive(Debug, Default)]
struct Slots {
    free: BTreeSet<u32>,
    end: u32,
}

impl Slots {
    fn holding(records: &[(Record, Bytes)]) -> Self {
        let used: BTreeSet<u32> = records.iter().map(|(record, _)| record.slot).collect();
        let end = used.last().map_or(0, |last| last + 1);
        Self { free: (0..end).filter(|slot| !used.contains(slot)).collect(), end }
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
        let mut live = Self { db: Database::open(dir)?, slots: Mutex::default() };
        *live.slots.get_mut() = Slots::holding(&live.records()?);
        Ok(live)
    }

    pub(crate) fn load(&self) -> Result<Option<Loaded>, StoreError> {
        let Some(head) = self.db.get(HEAD)? else { return Ok(None) };
        let head = decode_head(&head).ok_or_else(|| damaged("its head"))?;
        let sealed = self.sealed()?;
        let mut tail = Vec::new();
        let mut next = sealed;
        for (record, entries) in self.records()? {
            if record.first > next {
                return Err(damaged(&format!("the entries from {next} on")));
            }
            if record.end() > next {
                let rest = framing::skip(&entries, next - record.first);
                tail.push(rest.ok_or_else(|| damaged("a record of entries"))?);
                next = record.end();
            }
        }
        if next != head.tree.size.get() {
            return Err(damaged("its last entries"));
        }
        let mut states = Vec::new();
        for item in self.db.scan_prefix([STATE]) {
            let (key, value) = item.map_err(sled_error)?;
            states.push((StateKey::new(key[1..].to_vec()), Bytes::copy_from_slice(&value)));
        }
        Ok(Some(Loaded { head, sealed, tail, states }))
    }

    /// Size of the committed head; `None` when nothing was committed.
    pub(crate) fn size(&self) -> Result<Option<u64>, StoreError> {
        let Some(head) = self.db.get(HEAD)? else { return Ok(None) };
        decode_head(&head).map(|head| Some(head.tree.size.get())).ok_or_else(|| damaged("its head"))
    }

    /// Up to which size everything full is in segments.
    pub(crate) fn sealed(&self) -> Result<u64, StoreError> {
        match self.db.get(SEALED)? {
            None => Ok(0),
            Some(size) => {
                Ok(u64::from_be_bytes(size.as_ref().try_into().map_err(|_| damaged("its sealed size"))?))
            }
        }
    }

    /// Writes a batch, all or nothing; returns the records of entries it made.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<Vec<Record>, CommitError> {
        let mut first = batch.head.tree.size.get() - batch.count;
        let pieces = framing::cut(&batch.entries, RECORD_BYTES)
            .ok_or_else(|| CommitError::Refused("the entries are not framed".into()))?;
        let mut records = Vec::with_capacity(pieces.len());
        let mut write = sled::Batch::default();
        for (count, entries) in pieces {
            let record = Record { slot: self.slots.lock().take(), first, count };
            write.insert(record_key(record.slot).as_slice(), encode_record(record, &entries));
            records.push(record);
            first = record.end();
        }
        for (key, value) in &batch.states {
            let mut state = Vec::with_capacity(1 + key.as_bytes().len());
            state.push(STATE);
            state.extend_from_slice(key.as_bytes());
            write.insert(state, value.as_ref());
        }
        write.insert(HEAD, encode_head(&batch.head));
        self.db.apply(write).map_err(|error| CommitError::Unknown(error.to_string()))?;
        Ok(records)
    }

    /// Records that everything up to `sealed` is in segments, and forgets `records`, which are wholly below it.
    pub(crate) fn seal(&self, sealed: u64, records: &[Record]) -> Result<(), StoreError> {
        let mut write = sled::Batch::default();
        write.insert(SEALED, &sealed.to_be_bytes());
        for record in records {
            write.remove(record_key(record.slot).as_slice());
        }
        self.db.apply(write).map_err(|error| StoreError::Io(error.to_string()))?;
        self.slots.lock().free.extend(records.iter().map(|record| record.slot));
        Ok(())
    }

    /// The records of entries, oldest first.
    pub(crate) fn record_list(&self) -> Result<Vec<Record>, StoreError> {
        Ok(self.records()?.into_iter().map(|(record, _)| record).collect())
    }

    fn records(&self) -> Result<Vec<(Record, Bytes)>, StoreError> {
        let mut records = Vec::new();
        for item in self.db.scan_prefix([ENTRIES]) {
            let (key, value) = item.map_err(sled_error)?;
            records.push(decode_record(&key, &value).ok_or_else(|| damaged("a record of entries"))?);
        }
        records.sort_unstable_by_key(|(record, _)| record.first);
        Ok(records)
    }
}

fn record_key(slot: u32) -> [u8; 5] {
    let mut key = [ENTRIES; 5];
    key[1..].copy_from_slice(&slot.to_be_bytes());
    key
}

fn encode_record(record: Record, entries: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12 + entries.len());
    bytes.extend_from_slice(&record.first.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(record.count).expect("a record is small").to_be_bytes());
    bytes.extend_from_slice(entries);
    bytes
}

fn decode_record(key: &[u8], value: &[u8]) -> Option<(Record, Bytes)> {
    let slot = Some(u32::from_be_bytes(key.get(1..)?.try_into().ok()?)).filter(|slot| *slot < MAX_SLOTS)?;
    let (first, rest) = value.split_first_chunk::<8>()?;
    let (count, entries) = rest.split_first_chunk::<4>()?;
    let (first, count) = (u64::from_be_bytes(*first), u64::from(u32::from_be_bytes(*count)));
    first.checked_add(count)?;
    Some((Record { slot, first, count }, Bytes::copy_from_slice(entries)))
}

fn encode_head(head: &Head) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40 + head.checkpoint.len());
    bytes.extend_from_slice(&head.tree.size.get().to_be_bytes());
    bytes.extend_from_slice(head.tree.root.as_bytes());
    bytes.extend_from_slice(head.checkpoint.as_bytes());
    bytes
}

fn decode_head(bytes: &[u8]) -> Option<Head> {
    let (size, rest) = bytes.split_first_chunk::<8>()?;
    let (root, note) = rest.split_first_chunk::<32>()?;
    let tree = TreeHead { size: TreeSize::new(u64::from_be_bytes(*size)), root: Hash::from_bytes(*root) };
    Some(Head { tree, checkpoint: String::from_utf8(note.to_vec()).ok()? })
}
