//! What a journal holds, as its ledger's records say: the same code reads them when the journal is opened and after each write.
//!
//! ```text
//! record   = position of its first entry (8) part*       one record for each group of changes, so that a group is whole or torn
//! part     = kind (1) length (4) bytes
//!            e: an entry      d: number of the loss it declares (8), and the entry      s: Settled, as postcard
//! snapshot = Head, as postcard; then pieces of what is remembered, as postcard
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vouchlog_ledger::RecordAddress;

use super::{Changes, JournalError, Pairs};
use crate::arrival::JournalEntry;

/// Bytes of one piece of a snapshot, about.
const PIECE_BYTES: usize = 1024 * 1024;
/// What a remembered key costs beside its bytes, about.
const KEY_BYTES: u64 = 16;

const ENTRY: u8 = b'e';
const DECLARED: u8 = b'd';
const SETTLED: u8 = b's';

/// The numbers of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Everything before this position is recorded.
    pub(super) settled: u64,
    /// Entries before this position are not needed any more.
    pub(super) keep: u64,
    /// Position of the next entry.
    pub(super) end: u64,
    /// How many losses were declared.
    pub(super) declared: u64,
    /// The journal's clock, in milliseconds since 1970, at the last entry or when something was settled.
    pub(super) steady: i64,
}

/// What was settled, and what the pipeline remembers from then on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Settled {
    settled: u64,
    keep: u64,
    put: Pairs,
    remove: Vec<Vec<u8>>,
}

/// Entries that were written together.
#[derive(Clone, Copy, Debug)]
struct EntryGroup {
    first: u64,
    entries: u64,
    bytes: u64,
    place: RecordAddress,
}

/// What a journal holds. Bodies stay on disk.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) head: Head,
    /// Boxed: there are hundreds of thousands, and spare room of each would be in memory as well.
    kept: BTreeMap<Box<[u8]>, Box<[u8]>>,
    kept_bytes: u64,
    waiting: VecDeque<EntryGroup>,
    held: u64,
}

impl State {
    /// Takes a piece of a snapshot.
    pub(super) fn restore(&mut self, piece: usize, bytes: &[u8]) -> Result<(), String> {
        if piece == 0 {
            // Entries of earlier files stay where they are; a snapshot has the rest.
            self.head =
                postcard::from_bytes(bytes).map_err(|_| "it does not start with a head of a journal")?;
            self.kept.clear();
            self.kept_bytes = 0;
            return Ok(());
        }
        let kept: Pairs =
            postcard::from_bytes(bytes).map_err(|_| "a piece of the snapshot has another form")?;
        kept.into_iter().for_each(|(key, value)| self.put(key, value));
        Ok(())
    }

    /// Takes a record.
    pub(super) fn apply(&mut self, record: &[u8], place: RecordAddress) -> Result<(), String> {
        let (first, parts) = read(record)?;
        if first != self.head.end {
            return Err(format!("it starts with entry {first} instead of entry {}", self.head.end));
        }
        let mut lot = EntryGroup { first, entries: 0, bytes: 0, place };
        self.head.end = first;
        for (kind, part) in parts {
            match kind {
                ENTRY => self.entry(part, &mut lot)?,
                DECLARED => {
                    let (number, entry) = split_number(part)?;
                    self.head.declared = number;
                    self.entry(entry, &mut lot)?;
                }
                SETTLED => {
                    let settled = postcard::from_bytes(part);
                    self.settle(settled.map_err(|_| "the list of settled entries has another form")?);
                }
                _ => return Err(format!("a part of it is of the unknown kind {kind}")),
            }
        }
        if lot.entries > 0 {
            self.held += lot.bytes;
            self.waiting.push_back(lot);
        }
        self.forget();
        Ok(())
    }

    fn entry(&mut self, bytes: &[u8], lot: &mut EntryGroup) -> Result<(), String> {
        let steady = JournalEntry::steady_of(bytes).ok_or("an entry in it is too short")?;
        self.head.steady = self.head.steady.max(steady);
        self.head.end += 1;
        lot.entries += 1;
        lot.bytes += bytes.len() as u64;
        Ok(())
    }

    fn settle(&mut self, Settled { settled, keep, put, remove }: Settled) {
        self.head.settled = settled;
        self.head.keep = keep;
        put.into_iter().for_each(|(key, value)| self.put(key, value));
        for key in remove {
            if let Some(value) = self.kept.remove(&key[..]) {
                self.kept_bytes -= size(&key, &value);
            }
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let (new, length) = (size(&key, &value), key.len());
        let old = self.kept.insert(key.into(), value.into());
        let old = old.map_or(0, |old| KEY_BYTES + (length + old.len()) as u64);
        self.kept_bytes = self.kept_bytes + new - old;
    }

    /// Forgets entries that are not needed; those written together go together.
    fn forget(&mut self) {
        while let Some(lot) = self.waiting.front().filter(|lot| lot.first + lot.entries <= self.head.keep) {
            self.held -= lot.bytes;
            self.waiting.pop_front();
        }
    }

    /// Bytes of the entries that are there.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Bytes of a snapshot, about.
    pub(super) fn snapshot_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// The oldest file of the ledger that is needed, if any but the newest is.
    pub(super) fn oldest_file(&self) -> Option<u64> {
        self.waiting.front().map(|lot| lot.place.file)
    }

    /// Position of the first entry that is needed, if there is one.
    pub(super) fn first(&self) -> Option<u64> {
        self.waiting.front().map(|lot| lot.first.max(self.head.keep))
    }

    /// Where the entry at a position lies, or else the first one after it.
    pub(super) fn place(&self, position: u64) -> Option<RecordAddress> {
        let before = self.waiting.partition_point(|lot| lot.first + lot.entries <= position);
        self.waiting.get(before).map(|lot| lot.place)
    }

    /// What the pipeline remembers under a prefix.
    pub(super) fn remembered(&self, prefix: &[u8]) -> Pairs {
        let from = self.kept.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let under = from.take_while(|(key, _)| key.starts_with(prefix));
        under.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    /// Everything but the entries, in pieces.
    pub(super) fn snapshot(&self) -> Vec<Vec<u8>> {
        let mut pieces = vec![postcard(&self.head)];
        let (mut piece, mut bytes) = (Vec::new(), 0);
        for (key, value) in &self.kept {
            bytes += key.len() + value.len();
            piece.push((key, value));
            if bytes >= PIECE_BYTES {
                pieces.push(postcard(&std::mem::take(&mut piece)));
                bytes = 0;
            }
        }
        if !piece.is_empty() {
            pieces.push(postcard(&piece));
        }
        pieces
    }
}

/// A record that is being put together.
pub(super) struct RecordDraft(Vec<u8>);

impl RecordDraft {
    /// A record whose first entry, if it gets one, will be at `first`.
    pub(super) fn new(first: u64) -> Self {
        Self(first.to_be_bytes().to_vec())
    }

    pub(super) fn entry(&mut self, entry: &JournalEntry) {
        self.part(ENTRY, entry.len(), |bytes| entry.write_to(bytes));
    }

    pub(super) fn declared(&mut self, number: u64, entry: &JournalEntry) {
        self.part(DECLARED, 8 + entry.len(), |bytes| {
            bytes.extend(number.to_be_bytes());
            entry.write_to(bytes);
        });
    }

    pub(super) fn settled(&mut self, settled: u64, keep: u64, Changes { put, remove }: Changes) {
        let settled = postcard(&Settled { settled, keep, put, remove });
        self.part(SETTLED, settled.len(), |bytes| bytes.extend(settled));
    }

    fn part(&mut self, kind: u8, length: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.0.push(kind);
        self.0.extend(u32::try_from(length).expect("bodies and changes are bounded").to_be_bytes());
        write(&mut self.0);
    }

    /// The record, if there is anything in it.
    pub(super) fn into_record(self) -> Option<Vec<u8>> {
        (self.0.len() > 8).then_some(self.0)
    }
}

/// Entries of a record from a position on, with their positions.
pub(super) fn entries(record: &Bytes, from: u64) -> Result<Vec<(u64, JournalEntry)>, JournalError> {
    let damaged = |reason: String| JournalError::Damaged(reason);
    let (mut position, parts) = read(record).map_err(damaged)?;
    let mut entries = Vec::new();
    for (kind, part) in parts {
        let bytes = match kind {
            ENTRY => part,
            DECLARED => split_number(part).map_err(damaged)?.1,
            _ => continue,
        };
        if position >= from {
            let entry = JournalEntry::from_bytes(&record.slice_ref(bytes));
            let entry = entry.ok_or_else(|| damaged(format!("entry {position} cannot be read")))?;
            entries.push((position, entry));
        }
        position += 1;
    }
    Ok(entries)
}

/// The kind of a part, and its bytes.
type Part<'a> = (u8, &'a [u8]);

/// The position of the first entry of a record, and its parts.
fn read(record: &[u8]) -> Result<(u64, Vec<Part<'_>>), String> {
    let (first, mut rest) = split_number(record)?;
    let mut parts = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk().ok_or("a part of it has no length")?;
        let length = u32::from_be_bytes(*length) as usize;
        let (part, after) = after.split_at_checked(length).ok_or("a part of it is longer than it is")?;
        parts.push((*kind, part));
        rest = after;
    }
    Ok((first, parts))
}

fn split_number(bytes: &[u8]) -> Result<(u64, &[u8]), String> {
    let (number, rest) = bytes.split_first_chunk().ok_or("a number in it is cut")?;
    Ok((u64::from_be_bytes(*number), rest))
}

fn size(key: &[u8], value: &[u8]) -> u64 {
    KEY_BYTES + (key.len() + value.len()) as u64
}

fn postcard(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("it is made of numbers and bytes")
}

/// The journal's clock: it never goes back and does not jump while the process runs, wherever the wall clock is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    base: Timestamp,
    began: std::time::Duration,
    elapsed: fn() -> std::time::Duration,
}

impl Steady {
    /// Goes on from where it stood, or from the wall clock if that is ahead.
    pub(super) fn new(stood: i64, wall: Timestamp, elapsed: fn() -> std::time::Duration) -> Self {
        let base = Timestamp::from_millisecond(stood).unwrap_or(Timestamp::MIN).max(wall);
        Self { base, began: elapsed(), elapsed }
    }

    pub(super) fn now(&self) -> Timestamp {
        let since = (self.elapsed)().saturating_sub(self.began);
        self.base.saturating_add(since).unwrap_or(Timestamp::MAX)
    }
}
