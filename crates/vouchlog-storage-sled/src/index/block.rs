//! Blocks of a run file: 4,096 bytes, each with a checksum, written one after the other and read one by one.
//!
//! ```text
//! block = CRC-32C (4) payload (4,092)
//! ```
//!
//! The checksum also covers the run's range, the section and the number of the block, so a block from elsewhere does not pass.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use vouchlog_ledger::{Disk, DiskFile};
use vouchlog_storage::StoreError;

pub(super) const BLOCK: usize = 4096;
pub(super) const PAYLOAD: usize = BLOCK - 4;

/// Written at once.
const CHUNK: usize = 256 * 1024;
/// Synced at once. Small, so that the syncs of commits do not wait behind a merge.
const SYNC_EVERY: u64 = 4 * 1024 * 1024;

/// Why a run cannot be read or written.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The bytes are not what was written, or the file is gone or too short: the run has to be built again.
    Damaged(String),
    /// The operating system failed. That may pass.
    Io(io::Error),
    /// The index is being closed.
    Stopped,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("the file is too short".into()),
            io::ErrorKind::NotFound => Self::Damaged("the file is missing".into()),
            _ => Self::Io(error),
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Damaged(reason) => Self::Damaged(format!("the lookup index: {reason}")),
            Trouble::Io(error) => Self::Io(format!("the lookup index failed: {error}")),
            Trouble::Stopped => Self::Io("the lookup index is closed".into()),
        }
    }
}

pub(super) type Outcome<T> = Result<T, Trouble>;

/// The parts of a run that are made of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    LeafHashes,
    Digests,
    Places,
}

/// The blocks of one section.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) range: Range<u64>,
    pub(super) section: Section,
    pub(super) offset: u64,
    pub(super) count: u64,
}

impl Blocks {
    /// Reads up to `count` blocks from `first` on into `into`, and checks them; the number that was read.
    pub(super) fn read(&self, first: u64, count: usize, into: &mut Vec<u8>) -> Outcome<usize> {
        let left = usize::try_from(self.count.saturating_sub(first)).unwrap_or(usize::MAX);
        let count = count.min(left);
        into.resize(count * BLOCK, 0);
        self.file.read_exact_at(into, self.offset + first * BLOCK as u64)?;
        for (block, number) in into.chunks_exact(BLOCK).zip(first..) {
            let (sum, payload) = block.split_first_chunk::<4>().expect("a block is longer than its checksum");
            if u32::from_be_bytes(*sum) != checksum(&self.range, self.section, number, payload) {
                return Err(Trouble::Damaged(format!("block {number} of its {:?}", self.section)));
            }
        }
        Ok(count)
    }
}

/// The payload of the block at this place of what [`Blocks::read`] read.
pub(super) fn payload(read: &[u8], at: usize) -> &[u8] {
    &read[at * BLOCK + 4..(at + 1) * BLOCK]
}

fn checksum(range: &Range<u64>, section: Section, number: u64, payload: &[u8]) -> u32 {
    let mut place = [0; 25];
    place[0] = section as u8;
    for (field, value) in place[1..].chunks_exact_mut(8).zip([range.start, range.end, number]) {
        field.copy_from_slice(&value.to_be_bytes());
    }
    crc32c::crc32c_append(crc32c::crc32c(&place), payload)
}

/// Is called after so many bytes were written. May wait, do other work meanwhile, or stop the writing.
pub(super) type Between<'a> = dyn FnMut(u64) -> Outcome<()> + 'a;

/// A new file, written from front to back under a temporary name.
pub(super) struct Output<'a> {
    disk: &'a dyn Disk,
    file: Arc<dyn DiskFile>,
    name: String,
    between: &'a mut Between<'a>,
    buffer: Vec<u8>,
    written: u64,
    unsynced: u64,
}

impl<'a> Output<'a> {
    pub(super) fn create(disk: &'a dyn Disk, name: &str, between: &'a mut Between<'a>) -> Outcome<Self> {
        let file = disk.create(&temporary(name)).map_err(Trouble::Io)?;
        let buffer = Vec::with_capacity(CHUNK + BLOCK);
        Ok(Self { disk, file, name: name.to_owned(), between, buffer, written: 0, unsynced: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// Writes a block whose payload may be shorter than that of a whole one.
    pub(super) fn block(
        &mut self,
        range: &Range<u64>,
        section: Section,
        number: u64,
        payload: &mut Vec<u8>,
    ) -> Outcome<()> {
        payload.resize(PAYLOAD, 0);
        self.write(&checksum(range, section, number, payload).to_be_bytes())?;
        self.write(payload)?;
        payload.clear();
        Ok(())
    }

    /// Makes the file durable under its name.
    pub(super) fn finish(mut self) -> Outcome<()> {
        self.flush()?;
        self.file.sync_data().map_err(Trouble::Io)?;
        self.disk.rename(&temporary(&self.name), &self.name).map_err(Trouble::Io)?;
        self.disk.sync().map_err(Trouble::Io)
    }

    fn flush(&mut self) -> Outcome<()> {
        self.file.write_all_at(&self.buffer, self.written).map_err(Trouble::Io)?;
        let length = self.buffer.len() as u64;
        self.buffer.clear();
        self.written += length;
        self.unsynced += length;
        if self.unsynced >= SYNC_EVERY {
            self.file.sync_data().map_err(Trouble::Io)?;
            self.unsynced = 0;
        }
        (self.between)(length)
    }
}

/// The name of a file until it is complete.
pub(super) fn temporary(name: &str) -> String {
    format!("{name}.new")
}
