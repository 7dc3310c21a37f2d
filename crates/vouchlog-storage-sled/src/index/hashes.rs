//! A table from prefixes of hashes to places in the log: sorted, with entries of seven bytes each.
//!
//! The first bits of a prefix are the number of its *bucket*. Buckets hold 256 entries on average, so what an entry saves by leaving
//! out its bucket is what its place takes beyond eight bits: an entry has 56 bits in a run of any length.
//!
//! ```text
//! entry     = (48 − b) bits of the prefix, p bits of the place less the start of the run; b = max(0, p − 8)
//! block     = 584 entries (7 each)
//! directory = for each of the 2^b buckets the entries before it (4), and the number of all entries (4)
//! ```
//!
//! The directory stays in memory, so a lookup reads one block, or two if its bucket crosses from one into the next.

use std::ops::Range;

use super::block::{BLOCK, Blocks, Outcome, Output, Section, Trouble, payload};

/// Bits of a hash that are kept.
const PREFIX_BITS: u32 = 48;
const ENTRY: usize = 7;
const PER_BLOCK: usize = 584;
/// Blocks that a merge reads at once from each run.
const READ_AHEAD: usize = 8;

/// What the table keeps of a hash of which eight bytes are given.
pub(super) fn kept(prefix: [u8; 8]) -> u64 {
    u64::from_be_bytes(prefix) >> (64 - PREFIX_BITS)
}

/// How many bits of an entry are what.
#[derive(Clone, Copy, Debug)]
struct Shape {
    place_bits: u32,
    bucket_bits: u32,
}

impl Shape {
    fn of(range: &Range<u64>) -> Self {
        let last = (range.end - range.start).saturating_sub(1);
        let place_bits = u64::BITS - last.leading_zeros();
        Self { place_bits, bucket_bits: place_bits.saturating_sub(8) }
    }

    /// Bits of the prefix in an entry.
    fn rest_bits(self) -> u32 {
        PREFIX_BITS - self.bucket_bits
    }

    fn bucket(self, prefix: u64) -> usize {
        usize::try_from(prefix >> self.rest_bits()).expect("as many buckets as the directory has")
    }

    fn rest(self, prefix: u64) -> u64 {
        prefix & ((1 << self.rest_bits()) - 1)
    }

    fn buckets(self) -> usize {
        1 << self.bucket_bits
    }
}

/// Length in bytes of the directory of a table in a run of this range.
pub(super) fn directory_bytes(range: &Range<u64>) -> u64 {
    (Shape::of(range).buckets() as u64 + 1) * 4
}

/// Blocks of a table of so many entries.
pub(super) fn blocks(entries: u64) -> u64 {
    entries.div_ceil(PER_BLOCK as u64)
}

/// Writes a table in one pass.
pub(super) struct HashWriter {
    shape: Shape,
    range: Range<u64>,
    section: Section,
    block: Vec<u8>,
    blocks: u64,
    /// Entries before each bucket so far.
    starts: Vec<u32>,
    entries: u32,
}

impl HashWriter {
    pub(super) fn new(range: &Range<u64>, section: Section) -> Self {
        let shape = Shape::of(range);
        let starts = Vec::with_capacity(shape.buckets() + 1);
        Self {
            shape,
            range: range.clone(),
            section,
            block: Vec::with_capacity(BLOCK),
            blocks: 0,
            starts,
            entries: 0,
        }
    }

    /// Adds an entry; prefixes ascend, and places under one prefix. `place` counts from the start of the run.
    pub(super) fn push(&mut self, out: &mut Output<'_>, prefix: u64, place: u64) -> Outcome<()> {
        let bucket = self.shape.bucket(prefix);
        while self.starts.len() <= bucket {
            self.starts.push(self.entries);
        }
        let entry = (self.shape.rest(prefix) << self.shape.place_bits) | place;
        self.block.extend_from_slice(&entry.to_be_bytes()[8 - ENTRY..]);
        self.entries += 1;
        if self.block.len() == PER_BLOCK * ENTRY { self.write_block(out) } else { Ok(()) }
    }

    /// The directory, and the number of entries.
    pub(super) fn finish(mut self, out: &mut Output<'_>) -> Outcome<(Vec<u32>, u64)> {
        if !self.block.is_empty() {
            self.write_block(out)?;
        }
        self.starts.resize(self.shape.buckets() + 1, self.entries);
        Ok((self.starts, u64::from(self.entries)))
    }

    fn write_block(&mut self, out: &mut Output<'_>) -> Outcome<()> {
        out.block(&self.range, self.section, self.blocks, &mut self.block)?;
        self.blocks += 1;
        Ok(())
    }
}

/// A table that was written.
#[derive(Debug)]
pub(super) struct HashTable {
    shape: Shape,
    blocks: Blocks,
    starts: Vec<u32>,
}

impl HashTable {
    /// `None` when the directory is not that of a table with so many entries.
    pub(super) fn new(blocks: Blocks, directory: &[u8], entries: u64) -> Option<Self> {
        let starts: Vec<u32> =
            directory.as_chunks::<4>().0.iter().map(|start| u32::from_be_bytes(*start)).collect();
        let shape = Shape::of(&blocks.range);
        let fits = starts.len() == shape.buckets() + 1
            && starts.is_sorted()
            && starts.first() == Some(&0)
            && starts.last().is_some_and(|all| u64::from(*all) == entries);
        fits.then_some(Self { shape, blocks, starts })
    }

    pub(super) fn entries(&self) -> u32 {
        self.starts.last().copied().unwrap_or(0)
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.starts.len() * 4
    }

    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Adds to `found` the places of up to `limit` entries with this prefix, lowest first.
    pub(super) fn find(&self, prefix: u64, limit: usize, found: &mut Vec<u64>) -> Outcome<()> {
        let (bucket, rest) = (self.shape.bucket(prefix), self.shape.rest(prefix));
        let (mut low, end) = (self.starts[bucket], self.starts[bucket + 1]);
        let mut page = Page { blocks: &self.blocks, number: None, bytes: Vec::new() };
        let mut high = end;
        while low < high {
            let middle = low + (high - low) / 2;
            if page.entry(middle)? >> self.shape.place_bits < rest {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        for at in (low..end).take(limit) {
            let entry = page.entry(at)?;
            if entry >> self.shape.place_bits != rest {
                break;
            }
            found.push(self.blocks.range.start + (entry & ((1 << self.shape.place_bits) - 1)));
        }
        Ok(())
    }

    /// Reads the table from front to back.
    pub(super) fn cursor(&self) -> HashCursor<'_> {
        HashCursor { table: self, next: 0, bucket: 0, read: Vec::new(), first: 0, last: 0 }
    }
}

/// The block that was read last.
struct Page<'a> {
    blocks: &'a Blocks,
    number: Option<u64>,
    bytes: Vec<u8>,
}

impl Page<'_> {
    fn entry(&mut self, at: u32) -> Outcome<u64> {
        let (number, within) = (u64::from(at) / PER_BLOCK as u64, at as usize % PER_BLOCK);
        if self.number != Some(number) {
            self.number = None;
            if self.blocks.read(number, 1, &mut self.bytes)? == 0 {
                return Err(Trouble::Damaged("its directory leads beyond its end".into()));
            }
            self.number = Some(number);
        }
        Ok(entry(payload(&self.bytes, 0), within))
    }
}

fn entry(payload: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes[8 - ENTRY..].copy_from_slice(&payload[at * ENTRY..(at + 1) * ENTRY]);
    u64::from_be_bytes(bytes)
}

/// A reading of a whole table.
pub(super) struct HashCursor<'a> {
    table: &'a HashTable,
    /// Number of the next entry, and its bucket or one before it.
    next: u32,
    bucket: usize,
    /// Blocks `first..last`.
    read: Vec<u8>,
    first: u64,
    last: u64,
}

impl HashCursor<'_> {
    /// The next prefix and its place from the start of the run on.
    pub(super) fn next(&mut self) -> Outcome<Option<(u64, u64)>> {
        let HashTable { shape, blocks, starts } = self.table;
        if self.next == self.table.entries() {
            return Ok(None);
        }
        while starts[self.bucket + 1] <= self.next {
            self.bucket += 1;
        }
        let (number, within) = (u64::from(self.next) / PER_BLOCK as u64, self.next as usize % PER_BLOCK);
        if number >= self.last {
            let read = blocks.read(number, READ_AHEAD, &mut self.read)?;
            (self.first, self.last) = (number, number + read as u64);
            if read == 0 {
                return Err(Trouble::Damaged("its directory leads beyond its end".into()));
            }
        }
        let at = usize::try_from(number - self.first).expect("a block that was read");
        let entry = entry(payload(&self.read, at), within);
        self.next += 1;
        let prefix = ((self.bucket as u64) << shape.rest_bits()) | (entry >> shape.place_bits);
        Ok(Some((prefix, entry & ((1 << shape.place_bits) - 1))))
    }
}
