//! A small value in two slots, written in turn: a write that is interrupted leaves the value before it.
//!
//! ```text
//! slot = sequence (8) length (1) value (at most 128, padded with zeros) CRC-32C (4), at byte 0 and at byte 512
//! ```

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::{Disk, DiskFile, LedgerError};

const MAX_VALUE: usize = 128;
const SLOT: usize = 8 + 1 + MAX_VALUE + 4;
/// Each slot has a sector of its own, so that a torn sector spoils one.
const STRIDE: u64 = 512;

/// The file of two slots. A write is not synced: it survives the end of the process, and after a power cut the value may be an
/// older one.
pub struct TwoSlots {
    file: Arc<dyn DiskFile>,
    sequence: u64,
}

impl TwoSlots {
    /// The newest readable value in the file `name`; `None` when there is no such file or neither slot can be read.
    pub fn read(disk: &dyn Disk, name: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(newest(disk, name)?.map(|(_, value)| value))
    }

    /// The byte ranges of slots in the file `name` that cannot be read; none when there is no such file. A write that was
    /// interrupted by a power cut leaves one such slot.
    pub fn unreadable(disk: &dyn Disk, name: &str) -> Result<Vec<(u64, u64)>, LedgerError> {
        let file = match disk.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(LedgerError::io("opened", name))?,
        };
        let mut slot = [0; SLOT];
        let mut is_whole = |at| file.read_exact_at(&mut slot, at).is_ok() && decode(&slot).is_some();
        let slots = [0, STRIDE].into_iter().filter(|at| !is_whole(*at));
        Ok(slots.map(|at| (at, at + SLOT as u64)).collect())
    }

    /// Opens the file `name`, or makes it with `value` in both slots; durable when this returns.
    ///
    /// A file with no readable slot is made again.
    pub fn open(disk: &dyn Disk, name: &str, value: &[u8]) -> Result<Self, LedgerError> {
        let sequence = newest(disk, name)?.map_or(0, |(sequence, _)| sequence);
        let new = format!("{name}.new");
        let file = disk.create(&new).map_err(LedgerError::io("created", &new))?;
        let mut slots = Self { file, sequence };
        let made = slots.put(value).and_then(|()| slots.put(value)).and_then(|()| slots.sync());
        let made = made.and_then(|()| disk.rename(&new, name)).and_then(|()| disk.sync());
        made.map_err(LedgerError::io("written", name))?;
        Ok(slots)
    }

    /// Replaces the value, in the older slot.
    pub fn put(&mut self, value: &[u8]) -> io::Result<()> {
        let sequence = self.sequence + 1;
        self.file.write_all_at(&encode(sequence, value), (sequence % 2) * STRIDE)?;
        self.sequence = sequence;
        Ok(())
    }

    /// Makes the value durable.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl fmt::Debug for TwoSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TwoSlots({})", self.sequence)
    }
}

fn newest(disk: &dyn Disk, name: &str) -> Result<Option<(u64, Vec<u8>)>, LedgerError> {
    let file = match disk.open(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(LedgerError::io("opened", name))?,
    };
    let mut newest = None;
    for at in [0, STRIDE] {
        let mut slot = [0; SLOT];
        match file.read_exact_at(&mut slot, at) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            other => other.map_err(LedgerError::io("read", name))?,
        }
        newest = newest.max(decode(&slot));
    }
    Ok(newest)
}

fn encode(sequence: u64, value: &[u8]) -> [u8; SLOT] {
    assert!(value.len() <= MAX_VALUE, "a value has at most {MAX_VALUE} bytes");
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&sequence.to_be_bytes());
    slot[8] = value.len().to_le_bytes()[0];
    slot[9..9 + value.len()].copy_from_slice(value);
    let sum = crc32c::crc32c(&slot[..SLOT - 4]);
    slot[SLOT - 4..].copy_from_slice(&sum.to_be_bytes());
    slot
}

fn decode(slot: &[u8; SLOT]) -> Option<(u64, Vec<u8>)> {
    let (body, sum) = slot.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_be_bytes(*sum) {
        return None;
    }
    let sequence = u64::from_be_bytes(*body.first_chunk()?);
    let value = body.get(9..9 + usize::from(body[8]))?;
    Some((sequence, value.to_vec()))
}
