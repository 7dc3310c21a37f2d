//! What the living part holds, whichever of its two copies it was read from, and its form in the ledger.
//!
//! ```text
//! commit record      "c" commits (8) epoch (8) size (8) root (32) count (4) length (4) entries, then the states that changed
//! sealed record      "s" size up to which everything is sealed (8)
//! snapshot, piece 0  "h" commits (8) epoch (8) sealed (8) [size (8) root (32)]
//! snapshot, others   "t" states | "e" first (8) count (4) entries
//! state              key length (2) key, value length (4) value; in a commit record an empty value removes the state
//! ```
//!
//! A snapshot taken while the log runs has no entries: those that are not sealed lie in the file before.

use std::collections::BTreeMap;

use bytes::Bytes;
use vouchlog_ledger::Item;
use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_storage::{Batch, Epoch, Loaded, StateKey, StoreError, framing};

/// Bytes of states in one piece of a snapshot.
const PIECE_BYTES: usize = 1024 * 1024;

/// Entries that lie together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Index of the first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Framed.
    pub entries: Bytes,
}

impl Piece {
    /// One past the last entry.
    pub fn end(&self) -> u64 {
        self.first + self.count
    }
}

/// The whole living part. The commits taken order two copies of it: sizes alone would not, since a commit may change only
/// states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Commits since the log was begun.
    pub commits: u64,
    /// Epoch of the last commit.
    pub epoch: Epoch,
    /// Size up to which everything is sealed.
    pub sealed: u64,
    /// The last committed head.
    pub head: Option<TreeHead>,
    /// Every state.
    pub states: BTreeMap<StateKey, Bytes>,
    /// Entries up to the head, from at most `sealed` on.
    pub tail: Vec<Piece>,
}

impl Contents {
    /// Entries it leads to.
    pub fn size(&self) -> u64 {
        self.head.map_or(0, |head| head.size.get())
    }

    /// Whether both copies hold the same log. Where each keeps its entries, and from where on, is its own affair.
    pub fn is_same_log(&self, other: &Self) -> bool {
        self.commits == other.commits && self.head == other.head && self.states == other.states
    }

    /// The first unsealed entry that both copies hold and that differs between them.
    pub(crate) fn first_difference(&self, other: &Self) -> Option<u64> {
        let theirs: BTreeMap<u64, &[u8]> = other.entries().collect();
        self.entries()
            .find(|(index, entry)| theirs.get(index).is_some_and(|other| other != entry))
            .map(|e| e.0)
    }

    /// Every entry it holds, with its index.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.tail.iter().flat_map(|piece| {
            let starts = framing::starts(&piece.entries).unwrap_or_default();
            let ends: Vec<usize> =
                starts.iter().skip(1).map(|at| *at as usize).chain([piece.entries.len()]).collect();
            let entries = starts.into_iter().zip(ends);
            (piece.first..).zip(entries.map(move |(start, end)| &piece.entries[start as usize + 2..end]))
        })
    }

    /// For the engine.
    pub fn loaded(self) -> Result<Option<Loaded>, StoreError> {
        let Some(head) = self.head else { return Ok(None) };
        let mut tail = Vec::new();
        let mut next = self.sealed;
        for piece in self.tail {
            if piece.first > next {
                return Err(missing(next));
            }
            if piece.end() > next {
                let rest = framing::skip(&piece.entries, next - piece.first);
                tail.push(rest.ok_or_else(|| missing(next))?);
                next = piece.end();
            }
        }
        if next != head.size.get() {
            return Err(missing(next));
        }
        Ok(Some(Loaded { head, sealed: self.sealed, tail, states: self.states.into_iter().collect() }))
    }

    /// The pieces of a snapshot that needs no other file.
    pub fn snapshot(&self) -> Vec<Vec<u8>> {
        let header =
            Header { commits: self.commits, epoch: self.epoch, sealed: self.sealed, head: self.head };
        let mut pieces =
            snapshot(&header, self.states.iter().map(|(key, value)| (key.as_bytes(), &value[..])));
        for piece in self.tail.iter().filter(|piece| piece.end() > self.sealed) {
            pieces.push(encode_piece(piece));
        }
        pieces
    }

    /// Takes the next record of a ledger.
    pub fn replay(&mut self, item: Item<'_>) -> Result<(), String> {
        let mut reader = Reader(item.payload);
        let known = match (reader.byte()?, item.snapshot) {
            (b'c', None) => self.replay_commit(&mut reader),
            (b's', None) => reader.number().map(|sealed| self.seal(sealed)),
            (b'h', Some(0)) => self.replay_header(&mut reader),
            (b't', Some(_)) => reader.states(&mut self.states),
            (b'e', Some(_)) => self.replay_piece(&mut reader),
            _ => return Err("its kind is unknown".into()),
        };
        known?;
        if reader.0.is_empty() { Ok(()) } else { Err("its length exceeds its content".into()) }
    }

    fn replay_header(&mut self, reader: &mut Reader<'_>) -> Result<(), String> {
        let (commits, epoch, sealed) = (reader.number()?, reader.number()?, reader.number()?);
        let head = if reader.0.is_empty() { None } else { Some(reader.head()?) };
        if self.commits != 0 && (self.commits, self.head) != (commits, head) {
            return Err("the snapshot does not continue the file before".into());
        }
        (self.commits, self.epoch, self.head) = (commits, Epoch::new(epoch), head);
        self.states.clear();
        self.seal(sealed);
        Ok(())
    }

    fn replay_commit(&mut self, reader: &mut Reader<'_>) -> Result<(), String> {
        let (commits, epoch, head) = (reader.number()?, Epoch::new(reader.number()?), reader.head()?);
        let (count, length) = (u64::from(reader.short()?), reader.short()?);
        let entries = Bytes::copy_from_slice(reader.take(length as usize)?);
        let first = self.size();
        if commits != self.commits + 1 || epoch < self.epoch || head.size.get() != first + count {
            return Err(format!("commit {commits} does not follow commit {}", self.commits));
        }
        if framing::count(&entries) != Some(count) {
            return Err("its entries are not framed".into());
        }
        reader.states(&mut self.states)?;
        (self.commits, self.epoch, self.head) = (commits, epoch, Some(head));
        if count > 0 {
            self.tail.push(Piece { first, count, entries });
        }
        Ok(())
    }

    fn replay_piece(&mut self, reader: &mut Reader<'_>) -> Result<(), String> {
        let (first, count) = (reader.number()?, u64::from(reader.short()?));
        let entries = Bytes::copy_from_slice(reader.take(reader.0.len())?);
        if framing::count(&entries) != Some(count) || first.checked_add(count).is_none() {
            return Err("its entries are not framed".into());
        }
        self.tail.push(Piece { first, count, entries });
        Ok(())
    }

    fn seal(&mut self, sealed: u64) {
        self.sealed = self.sealed.max(sealed);
        self.tail.retain(|piece| piece.end() > sealed);
    }
}

/// What a single record of a ledger holds of entries and heads, whatever lies before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) head: Option<TreeHead>,
    pub(crate) first: u64,
    pub(crate) entries: Bytes,
}

impl Record {
    /// `None` when it holds none of them.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader(payload);
        match reader.byte().ok()? {
            b'c' => {
                let (_, _, head) = (reader.number().ok()?, reader.number().ok()?, reader.head().ok()?);
                let (count, length) = (u64::from(reader.short().ok()?), reader.short().ok()?);
                let entries = Bytes::copy_from_slice(reader.take(length as usize).ok()?);
                let first = head.size.get().checked_sub(count)?;
                Some(Self { head: Some(head), first, entries })
            }
            b'e' => {
                let (first, _) = (reader.number().ok()?, reader.short().ok()?);
                Some(Self { head: None, first, entries: Bytes::copy_from_slice(reader.0) })
            }
            _ => None,
        }
    }
}

fn missing(next: u64) -> StoreError {
    StoreError::Damaged(format!(
        "the entries from {next} on, which are committed and not sealed, are missing"
    ))
}

/// The fixed part of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Commits since the log was begun.
    pub commits: u64,
    /// Epoch of the last commit.
    pub epoch: Epoch,
    /// Size up to which everything is sealed.
    pub sealed: u64,
    /// The last committed head.
    pub head: Option<TreeHead>,
}

/// The pieces of a snapshot without entries.
pub fn snapshot<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    header: &Header,
    states: impl IntoIterator<Item = (K, V)>,
) -> Vec<Vec<u8>> {
    let numbers = [header.commits, header.epoch.get(), header.sealed].map(u64::to_be_bytes);
    let mut first = [b"h", &numbers.concat()[..]].concat();
    if let Some(head) = header.head {
        push_head(&mut first, head);
    }
    let mut pieces = vec![first];
    let mut piece = vec![b't'];
    for (key, value) in states {
        push_state(&mut piece, key.as_ref(), value.as_ref());
        if piece.len() >= PIECE_BYTES {
            pieces.push(std::mem::replace(&mut piece, vec![b't']));
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

/// The record of a commit.
pub fn encode_commit(commits: u64, epoch: Epoch, batch: &Batch) -> Vec<u8> {
    let states: usize = batch.states.iter().map(|(key, value)| 6 + key.as_bytes().len() + value.len()).sum();
    let mut bytes = Vec::with_capacity(65 + batch.entries.len() + states);
    bytes.push(b'c');
    bytes.extend_from_slice(&commits.to_be_bytes());
    bytes.extend_from_slice(&epoch.get().to_be_bytes());
    push_head(&mut bytes, batch.head);
    push_length(&mut bytes, usize::try_from(batch.count).unwrap_or(usize::MAX));
    push_length(&mut bytes, batch.entries.len());
    bytes.extend_from_slice(&batch.entries);
    for (key, value) in &batch.states {
        push_state(&mut bytes, key.as_bytes(), value);
    }
    bytes
}

/// The record that everything up to a size is sealed.
pub fn encode_sealed(sealed: u64) -> Vec<u8> {
    [b"s", &sealed.to_be_bytes()[..]].concat()
}

fn encode_piece(piece: &Piece) -> Vec<u8> {
    let mut bytes = vec![b'e'];
    bytes.extend_from_slice(&piece.first.to_be_bytes());
    push_length(&mut bytes, usize::try_from(piece.count).unwrap_or(usize::MAX));
    bytes.extend_from_slice(&piece.entries);
    bytes
}

fn push_head(bytes: &mut Vec<u8>, head: TreeHead) {
    bytes.extend_from_slice(&head.size.get().to_be_bytes());
    bytes.extend_from_slice(head.root.as_bytes());
}

fn push_state(bytes: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    bytes.extend_from_slice(&u16::try_from(key.len()).expect("a key has at most 320 bytes").to_be_bytes());
    bytes.extend_from_slice(key);
    push_length(bytes, value.len());
    bytes.extend_from_slice(value);
}

fn push_length(bytes: &mut Vec<u8>, length: usize) {
    bytes
        .extend_from_slice(&u32::try_from(length).expect("batches are far smaller than 4 GiB").to_be_bytes());
}

/// Reads fields off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (field, rest) = self.0.split_at_checked(length).ok_or("it is truncated")?;
        self.0 = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let field = self.take(N)?;
        Ok(field.try_into().expect("as many bytes as were taken"))
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_be_bytes)
    }

    fn short(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_be_bytes)
    }

    fn head(&mut self) -> Result<TreeHead, String> {
        let size = TreeSize::new(self.number()?);
        Ok(TreeHead { size, root: Hash::from_bytes(self.array()?) })
    }

    fn states(&mut self, states: &mut BTreeMap<StateKey, Bytes>) -> Result<(), String> {
        while !self.0.is_empty() {
            let length = usize::from(u16::from_be_bytes(self.array()?));
            let key = StateKey::new(self.take(length)?.to_vec());
            let length = self.short()? as usize;
            match self.take(length)? {
                [] => states.remove(&key),
                value => states.insert(key, Bytes::copy_from_slice(value)),
            };
        }
        Ok(())
    }
}
