//! A run: all that the index knows of a range of entries, in one immutable file.
//!
//! ```text
//! <start>-<end>.run       both as 16 hexadecimal digits
//!
//! run    = blocks of leaf hashes, blocks of digests, blocks of places,
//!          their directories, filter (in runs of up to 2^20 entries), footer
//! footer = "VLINDEX1" (8) start (8) end (8) leaf hashes (8) digests (8) blocks of places (8) bytes of the filter (8)
//!          CRC-32C of directories and filter (4) CRC-32C of the footer before it (4)
//! ```

use std::ops::Range;
use std::sync::Arc;

use vouchlog_ledger::{Disk, DiskFile};

use super::block::{BLOCK, Between, Blocks, Outcome, Output, Section, Trouble};
use super::filter::{Filter, Kind};
use super::hashes::{self, HashTable, HashWriter};
use super::places::{self, Place, PlaceKey, PlaceTable, PlaceWriter};
use super::recent::{RECENT_ENTRIES, Recent, unpacked};

const MAGIC: &[u8; 8] = b"VLINDEX1";
const FOOTER: usize = 64;
/// Longer runs have no filter: there are few of them, and together the filters take at most 30 MB.
const MAX_FILTERED: u64 = RECENT_ENTRIES << 4;
const SUFFIX: &str = ".run";

/// The file name of the run of a range.
pub(super) fn file_name(range: &Range<u64>) -> String {
    format!("{:016x}-{:016x}{SUFFIX}", range.start, range.end)
}

/// The range that a file name states.
pub(super) fn range_of(name: &str) -> Option<Range<u64>> {
    let (start, end) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
    (!range.is_empty() && file_name(&range) == name).then_some(range)
}

impl Trouble {
    /// The same, with the name of the run.
    pub(super) fn of(self, range: &Range<u64>) -> Self {
        match self {
            Self::Damaged(reason) => Self::Damaged(format!("{}: {reason}", file_name(range))),
            other => other,
        }
    }
}

/// What a footer states.
struct Footer {
    leaf_hashes: u64,
    digests: u64,
    place_blocks: u64,
    filter_bytes: u64,
    meta_sum: u32,
}

impl Footer {
    fn encode(&self, range: &Range<u64>) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let fields =
            [range.start, range.end, self.leaf_hashes, self.digests, self.place_blocks, self.filter_bytes];
        fields.iter().for_each(|field| bytes.extend_from_slice(&field.to_be_bytes()));
        bytes.extend_from_slice(&self.meta_sum.to_be_bytes());
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8; FOOTER], range: &Range<u64>) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        let (head, meta_sum) = body.split_last_chunk::<4>()?;
        let (magic, fields) = head.split_first_chunk::<8>()?;
        let (fields, _) = fields.as_chunks::<8>();
        let field = |at: usize| fields.get(at).copied().map(u64::from_be_bytes);
        let fits = u32::from_be_bytes(*sum) == crc32c::crc32c(body)
            && magic == MAGIC
            && (field(0)?..field(1)?) == *range;
        fits.then_some(Self {
            leaf_hashes: field(2)?,
            digests: field(3)?,
            place_blocks: field(4)?,
            filter_bytes: field(5)?,
            meta_sum: u32::from_be_bytes(*meta_sum),
        })
    }

    /// Bytes of the blocks, and of directories and filter; `None` when they do not add up to the file's length.
    fn lengths(&self, range: &Range<u64>, length: u64) -> Option<[u64; 5]> {
        let directory = hashes::directory_bytes(range);
        let of_blocks = |blocks: u64| blocks.checked_mul(BLOCK as u64);
        let lengths = [
            of_blocks(hashes::blocks(self.leaf_hashes))?,
            of_blocks(hashes::blocks(self.digests))?,
            of_blocks(self.place_blocks)?,
            directory.checked_mul(2)?.checked_add(places::directory_bytes(self.place_blocks)?)?,
            self.filter_bytes,
        ];
        let all = lengths.iter().try_fold(FOOTER as u64, |sum, length| sum.checked_add(*length))?;
        (all == length).then_some(lengths)
    }
}

/// A run that is on disk, open.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) range: Range<u64>,
    pub(super) leaf_hashes: HashTable,
    pub(super) digests: HashTable,
    pub(super) places: PlaceTable,
    filter: Option<Filter>,
    pub(super) bytes: u64,
}

impl Run {
    pub(super) fn open(disk: &dyn Disk, range: &Range<u64>) -> Outcome<Self> {
        let damaged = |what: &str| Trouble::Damaged(format!("its {what} is damaged"));
        let file = disk.open(&file_name(range))?;
        let length = file.length()?;
        let mut footer = [0; FOOTER];
        let footer_at = length.checked_sub(FOOTER as u64).ok_or_else(|| damaged("footer"))?;
        file.read_exact_at(&mut footer, footer_at)?;
        let footer = Footer::decode(&footer, range).ok_or_else(|| damaged("footer"))?;
        let lengths = footer.lengths(range, length).ok_or_else(|| damaged("length"))?;
        let [leaf_hashes, digests, places, directories, filter] = lengths;
        let meta_at = leaf_hashes + digests + places;
        // Not more than the file has.
        let mut meta = vec![0; usize::try_from(directories + filter).map_err(|_| damaged("length"))?];
        file.read_exact_at(&mut meta, meta_at)?;
        if crc32c::crc32c(&meta) != footer.meta_sum {
            return Err(damaged("directory"));
        }
        let (directories, filter) = meta.split_at(meta.len() - usize::try_from(filter).unwrap_or(0));
        let of_hashes = usize::try_from(hashes::directory_bytes(range)).map_err(|_| damaged("length"))?;
        let (first, rest) = directories.split_at(of_hashes);
        let (second, third) = rest.split_at(of_hashes);
        let blocks = |section, offset, bytes: u64| Blocks {
            file: Arc::clone(&file) as Arc<dyn DiskFile>,
            range: range.clone(),
            section,
            offset,
            count: bytes / BLOCK as u64,
        };
        let (at_digests, at_places) = (leaf_hashes, leaf_hashes + digests);
        let leaf_blocks = blocks(Section::LeafHashes, 0, leaf_hashes);
        let digest_blocks = blocks(Section::Digests, at_digests, digests);
        let place_blocks = blocks(Section::Places, at_places, places);
        let filter = if filter.is_empty() {
            None
        } else {
            Some(Filter::from_bytes(filter).ok_or_else(|| damaged("filter"))?)
        };
        Ok(Self {
            range: range.clone(),
            leaf_hashes: HashTable::new(leaf_blocks, first, footer.leaf_hashes)
                .ok_or_else(|| damaged("directory"))?,
            digests: HashTable::new(digest_blocks, second, footer.digests)
                .ok_or_else(|| damaged("directory"))?,
            places: PlaceTable::new(place_blocks, third).ok_or_else(|| damaged("directory"))?,
            filter,
            bytes: length,
        })
    }

    pub(super) fn span(&self) -> u64 {
        self.range.end - self.range.start
    }

    pub(super) fn may_have(&self, kind: Kind, key: u64) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.may_have(kind, key))
    }

    /// The last entry of the kind and first whose second is at most this.
    pub(super) fn last_upto(&self, key: PlaceKey) -> Outcome<Option<Place>> {
        if self.may_have(Kind::Place, place_key(key)) { self.places.last_upto(key) } else { Ok(None) }
    }

    /// What it keeps in memory, in bytes.
    pub(super) fn resident_bytes(&self) -> usize {
        self.leaf_hashes.resident_bytes()
            + self.digests.resident_bytes()
            + self.places.resident_bytes()
            + self.filter.as_ref().map_or(0, Filter::resident_bytes)
    }

    /// Reads all of it.
    pub(super) fn verify(&self) -> Outcome<()> {
        let mut read = Vec::new();
        for blocks in [self.leaf_hashes.blocks(), self.digests.blocks()] {
            for first in (0..blocks.count).step_by(64) {
                blocks.read(first, 64, &mut read)?;
            }
        }
        let mut cursor = self.places.cursor();
        while cursor.next()?.is_some() {}
        Ok(())
    }
}

/// What a filter knows an entry of the places by.
pub(super) fn place_key((kind, first, _): PlaceKey) -> u64 {
    first.wrapping_mul(8).wrapping_add(u64::from(kind))
}

/// A run that is being written.
pub(super) struct RunWriter<'a> {
    range: Range<u64>,
    out: Output<'a>,
    filter: Option<Filter>,
}

/// A table of hashes that was written: its directory and the number of its entries.
pub(super) type HashesWritten = (Vec<u32>, u64);

impl<'a> RunWriter<'a> {
    /// A run with at most so many keys.
    pub(super) fn create(
        disk: &'a dyn Disk,
        range: &Range<u64>,
        keys: usize,
        between: &'a mut Between<'a>,
    ) -> Outcome<Self> {
        let out = Output::create(disk, &file_name(range), between)?;
        let filter = (range.end - range.start <= MAX_FILTERED).then(|| Filter::of_keys(keys));
        Ok(Self { range: range.clone(), out, filter })
    }

    /// Writes a table of hashes, from what `next` returns: prefixes and places from the start of the range on.
    pub(super) fn hashes(
        &mut self,
        section: Section,
        mut next: impl FnMut() -> Outcome<Option<(u64, u64)>>,
    ) -> Outcome<HashesWritten> {
        let kind = if section == Section::LeafHashes { Kind::LeafHash } else { Kind::Digest };
        let mut writer = HashWriter::new(&self.range, section);
        while let Some((prefix, place)) = next()? {
            if let Some(filter) = &mut self.filter {
                filter.insert(kind, prefix);
            }
            writer.push(&mut self.out, prefix, place)?;
        }
        writer.finish(&mut self.out)
    }

    /// Writes the places and what comes behind them; the file is durable when this returns.
    pub(super) fn finish(
        mut self,
        leaf_hashes: &HashesWritten,
        digests: &HashesWritten,
        mut next: impl FnMut() -> Outcome<Option<Place>>,
    ) -> Outcome<()> {
        let mut writer = PlaceWriter::new(&self.range);
        while let Some(place) = next()? {
            let written = writer.push(&mut self.out, place)?;
            self.note(written);
        }
        let (place_directory, last) = writer.finish(&mut self.out)?;
        self.note(last);
        let mut meta = Vec::new();
        for (starts, _) in [leaf_hashes, digests] {
            starts.iter().for_each(|start| meta.extend_from_slice(&start.to_be_bytes()));
        }
        places::encode_directory(&place_directory, &mut meta);
        let filter = self.filter.as_ref().map(Filter::to_bytes).unwrap_or_default();
        meta.extend_from_slice(&filter);
        let footer = Footer {
            leaf_hashes: leaf_hashes.1,
            digests: digests.1,
            place_blocks: place_directory.len() as u64,
            filter_bytes: filter.len() as u64,
            meta_sum: crc32c::crc32c(&meta),
        };
        self.out.write(&meta)?;
        self.out.write(&footer.encode(&self.range))?;
        self.out.finish()
    }

    fn note(&mut self, written: Option<Place>) {
        if let (Some(filter), Some(place)) = (&mut self.filter, written) {
            filter.insert(Kind::Place, place_key(place.key));
        }
    }
}

/// Writes what is recent as a run.
pub(super) fn write_recent(disk: &dyn Disk, recent: Recent) -> Outcome<()> {
    let range = recent.range.clone();
    let places: Vec<Place> = recent.places().collect();
    let [leaf_hashes, digests] = recent.into_sorted();
    let keys = leaf_hashes.len() + digests.len() + places.len();
    let mut between = |_| Ok(());
    let mut writer = RunWriter::create(disk, &range, keys, &mut between)?;
    let mut table = |section, packed: Vec<u64>| {
        let mut packed = packed.into_iter();
        writer.hashes(section, move || Ok(packed.next().map(unpacked)))
    };
    let leaf_hashes = table(Section::LeafHashes, leaf_hashes)?;
    let digests = table(Section::Digests, digests)?;
    let mut places = places.into_iter();
    writer.finish(&leaf_hashes, &digests, || Ok(places.next()))
}
