//! A sorted table of where the parts of streams are.
//!
//! | kind | first | second | third |
//! | --- | --- | --- | --- |
//! | `RUN` | stream | sequence number of a run's first statement | its index in the log |
//! | `KEY` | prefix of the hash of a stream's key | stream | 0 |
//! | `HEAD` | stream | index of its newest signed head | 0 |
//! | `SUCCESSOR` | stream | the stream that continued it | 0 |
//!
//! ```text
//! block     = number of entries (2) entry*
//! entry     = tag 0: same kind and first;  second − that before, third − that before (zigzag)
//!             tag 1: same kind;            first − that before, second, third
//!             tag 2:                       kind (1), first, second, third
//! directory = for each block its first entry: kind (1) first (8) second (8)
//! ```
//!
//! Differences and numbers are varints (LEB128). The first entry of a block has tag 2. The directory stays in memory, so a lookup reads
//! one block.

use std::ops::Range;

use super::block::{BLOCK, Blocks, Outcome, Output, PAYLOAD, Section, Trouble, payload};

pub(super) const RUN: u8 = 1;
pub(super) const KEY: u8 = 2;
pub(super) const HEAD: u8 = 3;
pub(super) const SUCCESSOR: u8 = 4;

/// What an entry is found by: kind, first and second.
pub(super) type PlaceKey = (u8, u64, u64);

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) key: PlaceKey,
    pub(super) third: u64,
}

impl Place {
    /// Whether this entry, which sorts behind `earlier`, says no more than that: it continues the same run of statements. Sequence
    /// numbers of a stream have no gaps and ascend with the log, so between two statements that are as far apart in the stream as
    /// in the log there are only statements of the stream.
    pub(super) fn follows_from(&self, earlier: &Self) -> bool {
        let ((kind, first, second), (_, _, before)) = (self.key, earlier.key);
        let is_same_run = || second.abs_diff(before) == self.third.abs_diff(earlier.third);
        self.key == earlier.key
            || kind == RUN
                && (kind, first) == (earlier.key.0, earlier.key.1)
                && is_same_run()
                && earlier.third < self.third
    }

    /// Whether this entry, which sorts behind `earlier`, takes its place: of heads only the newest counts.
    pub(super) fn replaces(&self, earlier: &Self) -> bool {
        let ((kind, first, _), (kind_before, first_before, _)) = (self.key, earlier.key);
        matches!(kind, HEAD | SUCCESSOR) && (kind, first) == (kind_before, first_before)
    }
}

const DIRECTORY_ENTRY: usize = 17;
/// A tag, a kind and three varints.
const MAX_ENTRY: usize = 1 + 1 + 3 * 10;
/// Blocks that a merge reads at once from each run.
const READ_AHEAD: usize = 4;

/// Length in bytes of the directory of so many blocks.
pub(super) fn directory_bytes(blocks: u64) -> Option<u64> {
    blocks.checked_mul(DIRECTORY_ENTRY as u64)
}

/// Writes a table in one pass.
pub(super) struct PlaceWriter {
    range: Range<u64>,
    block: Vec<u8>,
    in_block: u16,
    before: Option<Place>,
    /// Not written yet, since the next entry may replace it.
    held: Option<Place>,
    directory: Vec<PlaceKey>,
}

impl PlaceWriter {
    pub(super) fn new(range: &Range<u64>) -> Self {
        Self {
            range: range.clone(),
            block: Vec::with_capacity(BLOCK),
            in_block: 0,
            before: None,
            held: None,
            directory: Vec::new(),
        }
    }

    /// Adds an entry; keys ascend. One that says nothing new is left out. The entry that was written, if any.
    pub(super) fn push(&mut self, out: &mut Output<'_>, place: Place) -> Outcome<Option<Place>> {
        let Some(held) = self.held else {
            self.held = Some(place);
            return Ok(None);
        };
        if place.follows_from(&held) {
            return Ok(None);
        }
        self.held = Some(place);
        if place.replaces(&held) {
            return Ok(None);
        }
        self.write(out, held)?;
        Ok(Some(held))
    }

    /// The first entry of each block, and the entry that was written last.
    pub(super) fn finish(mut self, out: &mut Output<'_>) -> Outcome<(Vec<PlaceKey>, Option<Place>)> {
        let last = self.held.take();
        if let Some(last) = last {
            self.write(out, last)?;
            self.write_block(out)?;
        }
        Ok((self.directory, last))
    }

    fn write(&mut self, out: &mut Output<'_>, place: Place) -> Outcome<()> {
        if self.block.len() + MAX_ENTRY > PAYLOAD {
            self.write_block(out)?;
        }
        if self.block.is_empty() {
            self.block.extend_from_slice(&[0, 0]);
            self.directory.push(place.key);
            self.before = None;
        }
        encode(&mut self.block, self.before, place);
        self.before = Some(place);
        self.in_block += 1;
        Ok(())
    }

    fn write_block(&mut self, out: &mut Output<'_>) -> Outcome<()> {
        self.block[..2].copy_from_slice(&self.in_block.to_be_bytes());
        self.in_block = 0;
        out.block(&self.range, Section::Places, self.directory.len() as u64 - 1, &mut self.block)
    }
}

pub(super) fn encode_directory(directory: &[PlaceKey], into: &mut Vec<u8>) {
    for (kind, first, second) in directory {
        into.push(*kind);
        into.extend_from_slice(&first.to_be_bytes());
        into.extend_from_slice(&second.to_be_bytes());
    }
}

fn encode(into: &mut Vec<u8>, before: Option<Place>, place: Place) {
    let (kind, first, second) = place.key;
    match before {
        Some(Place { key: (kind_before, first_before, second_before), third })
            if (kind, first) == (kind_before, first_before) =>
        {
            into.push(0);
            put_varint(into, second - second_before);
            put_varint(into, zigzag(place.third.wrapping_sub(third)));
        }
        Some(Place { key: (kind_before, first_before, _), .. }) if kind == kind_before => {
            into.push(1);
            put_varint(into, first - first_before);
            put_varint(into, second);
            put_varint(into, place.third);
        }
        _ => {
            into.extend_from_slice(&[2, kind]);
            put_varint(into, first);
            put_varint(into, second);
            put_varint(into, place.third);
        }
    }
}

/// The entries of a block; `None` when it is not one.
fn decode(payload: &[u8]) -> Option<Vec<Place>> {
    let (count, mut rest) = payload.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(*count));
    let mut places: Vec<Place> = Vec::with_capacity(count.min(PAYLOAD));
    for _ in 0..count {
        let (tag, after) = rest.split_first()?;
        rest = after;
        let before = places.last().copied();
        let key = match (tag, before) {
            (0, Some(Place { key: (kind, first, second), .. })) => {
                (kind, first, second.checked_add(varint(&mut rest)?)?)
            }
            (1, Some(Place { key: (kind, first, _), .. })) => {
                (kind, first.checked_add(varint(&mut rest)?)?, varint(&mut rest)?)
            }
            (2, _) => {
                let (kind, after) = rest.split_first()?;
                rest = after;
                (*kind, varint(&mut rest)?, varint(&mut rest)?)
            }
            _ => return None,
        };
        let third = match (tag, before) {
            (0, Some(before)) => before.third.wrapping_add(unzigzag(varint(&mut rest)?)),
            _ => varint(&mut rest)?,
        };
        places.push(Place { key, third });
    }
    Some(places)
}

fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    into.push(value.to_le_bytes()[0]);
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A difference, small when it is near zero in either direction.
fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (difference.cast_signed() >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

/// A table that was written.
#[derive(Debug)]
pub(super) struct PlaceTable {
    blocks: Blocks,
    directory: Vec<PlaceKey>,
}

impl PlaceTable {
    /// `None` when the directory does not ascend or has another number of blocks.
    pub(super) fn new(blocks: Blocks, directory: &[u8]) -> Option<Self> {
        let (entries, rest) = directory.as_chunks::<DIRECTORY_ENTRY>();
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).ok();
        let key =
            |entry: &[u8; DIRECTORY_ENTRY]| Some((entry[0], number(&entry[1..9])?, number(&entry[9..])?));
        let directory: Vec<PlaceKey> = entries.iter().map(key).collect::<Option<_>>()?;
        let fits = rest.is_empty() && directory.len() as u64 == blocks.count && directory.is_sorted();
        fits.then_some(Self { blocks, directory })
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.directory.len() * size_of::<PlaceKey>()
    }

    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// The last entry of the kind and first whose second is at most this.
    pub(super) fn last_upto(&self, (kind, first, second): PlaceKey) -> Outcome<Option<Place>> {
        let Some(block) = self.block_of((kind, first, second)) else { return Ok(None) };
        let places = self.read(block)?;
        let after = places.partition_point(|place| place.key <= (kind, first, second));
        let found = after.checked_sub(1).map(|at| places[at]);
        Ok(found.filter(|place| (place.key.0, place.key.1) == (kind, first)))
    }

    /// Adds to `found` up to `limit` seconds of the kind and first, lowest first.
    pub(super) fn seconds(&self, kind: u8, first: u64, limit: usize, found: &mut Vec<u64>) -> Outcome<()> {
        let enough = found.len().saturating_add(limit);
        let mut block = self.block_of((kind, first, 0)).unwrap_or(0);
        while block < self.directory.len() && found.len() < enough {
            for place in self.read(block)? {
                let (its_kind, its_first, second) = place.key;
                if (its_kind, its_first) > (kind, first) || found.len() == enough {
                    return Ok(());
                }
                if (its_kind, its_first) == (kind, first) {
                    found.push(second);
                }
            }
            block += 1;
        }
        Ok(())
    }

    /// Reads the table from front to back.
    pub(super) fn cursor(&self) -> PlaceCursor<'_> {
        PlaceCursor { table: self, block: 0, read: Vec::new(), first: 0, places: Vec::new().into_iter() }
    }

    /// The last block whose first entry is not behind the key.
    fn block_of(&self, key: PlaceKey) -> Option<usize> {
        self.directory.partition_point(|first| *first <= key).checked_sub(1)
    }

    fn read(&self, block: usize) -> Outcome<Vec<Place>> {
        let mut bytes = Vec::new();
        self.blocks.read(block as u64, 1, &mut bytes)?;
        self.decode(block, payload(&bytes, 0))
    }

    /// The entries of a block whose checksum is right.
    fn decode(&self, block: usize, payload: &[u8]) -> Outcome<Vec<Place>> {
        let places = decode(payload).filter(|places| {
            places.first().map(|place| place.key) == Some(self.directory[block]) && places.is_sorted()
        });
        places.ok_or_else(|| Trouble::Damaged(format!("block {block} of its places cannot be read")))
    }
}

/// A reading of a whole table.
pub(super) struct PlaceCursor<'a> {
    table: &'a PlaceTable,
    /// The next block.
    block: usize,
    /// Blocks from `first` on.
    read: Vec<u8>,
    first: usize,
    places: std::vec::IntoIter<Place>,
}

impl PlaceCursor<'_> {
    pub(super) fn next(&mut self) -> Outcome<Option<Place>> {
        loop {
            if let Some(place) = self.places.next() {
                return Ok(Some(place));
            }
            if self.block == self.table.directory.len() {
                return Ok(None);
            }
            if self.block >= self.first + self.read.len() / BLOCK {
                self.first = self.block;
                self.table.blocks.read(self.block as u64, READ_AHEAD, &mut self.read)?;
            }
            let block = payload(&self.read, self.block - self.first);
            self.places = self.table.decode(self.block, block)?.into_iter();
            self.block += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn place((kind, first, second, third): (u8, u64, u64, u64)) -> Place {
        Place { key: (kind, first, second), third }
    }

    proptest! {
        #[test]
        fn a_block_reads_as_it_was_written(
            entries in vec((0_u8..3, prop_oneof![0..4_u64, any::<u64>()], any::<u64>(), any::<u64>()), 1..100)
        ) {
            let mut places: Vec<Place> = entries.into_iter().map(place).collect();
            places.sort_unstable();
            let count = u16::try_from(places.len()).unwrap();
            let mut block = count.to_be_bytes().to_vec();
            let mut before = None;
            for place in &places {
                encode(&mut block, before, *place);
                before = Some(*place);
            }
            let decoded = decode(&block);
            prop_assert_eq!(decoded.as_ref(), Some(&places));
            prop_assert!(decode(&block[..block.len() - 1]).is_none());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
            drop(decode(&bytes));
        }
    }

    #[test]
    fn of_entries_that_say_the_same_the_right_one_stays() {
        let run = |second, third| place((RUN, 7, second, third));
        assert!(run(5, 105).follows_from(&run(0, 100)));
        assert!(!run(5, 106).follows_from(&run(0, 100)), "something was logged between");
        assert!(!run(5, 95).follows_from(&run(0, 100)), "an index that falls is no run");
        assert!(!place((RUN, 8, 5, 105)).follows_from(&run(0, 100)));
        assert!(!run(5, 105).replaces(&run(0, 100)));
        assert!(place((HEAD, 7, 9, 0)).replaces(&place((HEAD, 7, 8, 0))));
        assert!(!place((KEY, 7, 9, 0)).replaces(&place((KEY, 7, 8, 0))));
        assert!(!place((SUCCESSOR, 7, 9, 0)).replaces(&place((HEAD, 7, 8, 0))));
    }
}
