//! One file: its bytes in the cache and on the platter.

use std::collections::BTreeSet;
use std::io;

use super::SECTOR;
use crate::rng::Rng;

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    cache: Vec<u8>,
    platter: Vec<u8>,
    /// Ranges that were written and not synced.
    dirty: Vec<(usize, usize)>,
    /// Sectors that cannot be read.
    bad: BTreeSet<usize>,
}

impl Inode {
    pub(super) fn length(&self) -> u64 {
        self.cache.len() as u64
    }

    pub(super) fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let start = at(offset);
        let bytes = self.cache.get(start..start + into.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        if self.bad.range(start / SECTOR..(start + into.len()).div_ceil(SECTOR)).next().is_some() {
            return Err(io::Error::from_raw_os_error(super::EIO));
        }
        into.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let (start, end) = (at(offset), at(offset) + bytes.len());
        if self.cache.len() < end {
            self.cache.resize(end, 0);
        }
        self.cache[start..end].copy_from_slice(bytes);
        self.bad.retain(|sector| !(start.div_ceil(SECTOR)..end / SECTOR).contains(sector));
        self.dirty.push((start, end));
    }

    /// The write goes to another sector of the file.
    pub(super) fn misdirect(&mut self, bytes: &[u8], offset: u64, rng: &mut Rng) {
        let sectors = (self.cache.len() / SECTOR) as u64 + 1;
        let elsewhere = rng.below(sectors.min(64)) * SECTOR as u64;
        self.write(bytes, if elsewhere == offset { offset + SECTOR as u64 } else { elsewhere });
    }

    pub(super) fn set_length(&mut self, length: u64) {
        let length = at(length);
        let old = self.cache.len();
        self.cache.resize(length, 0);
        if length > old {
            self.dirty.push((old, length));
        }
        self.bad.retain(|sector| sector * SECTOR < length);
    }

    pub(super) fn sync(&mut self) {
        self.platter.resize(self.cache.len(), 0);
        for (start, end) in std::mem::take(&mut self.dirty) {
            let end = end.min(self.cache.len());
            if start < end {
                self.platter[start..end].copy_from_slice(&self.cache[start..end]);
            }
        }
    }

    /// The pages are marked clean, but only some were written.
    pub(super) fn fail_sync(&mut self, rng: &mut Rng) {
        self.settle(rng);
    }

    pub(super) fn power_cut(&mut self, rng: &mut Rng) {
        self.settle(rng);
        self.cache.clone_from(&self.platter);
    }

    /// Moves some of the dirty sectors, and perhaps the length, to the platter.
    fn settle(&mut self, rng: &mut Rng) {
        let dirty = std::mem::take(&mut self.dirty);
        let (old, new) = (self.platter.len(), self.cache.len());
        if old != new && rng.chance(1, 2) {
            self.platter.resize(new, 0);
        }
        // All lost, all kept, or each for itself.
        let keep = rng.below(4);
        if keep == 0 {
            return;
        }
        for (start, end) in dirty {
            let end = end.min(new).min(self.platter.len());
            let mut from = start;
            while from < end {
                let to = ((from / SECTOR + 1) * SECTOR).min(end);
                if keep == 1 || rng.chance(1, 2) {
                    self.platter[from..to].copy_from_slice(&self.cache[from..to]);
                }
                from = to;
            }
        }
    }

    /// Damages bytes at rest; whether there were any.
    pub(super) fn rot(&mut self, rng: &mut Rng, half: bool) -> bool {
        // Space allocated in advance is all zeros: what lies before it is worth damaging.
        let end = self.cache.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if end == 0 {
            return false;
        }
        let place = rng.index(if half { end.div_ceil(2) } else { end });
        let sector = place / SECTOR;
        let (start, stop) = (sector * SECTOR, ((sector + 1) * SECTOR).min(self.cache.len()));
        match rng.below(3) {
            0 => {
                let bit = 1 << rng.below(8);
                self.cache[place] ^= bit;
            }
            1 => self.cache[start..stop].fill(0),
            _ => drop(self.bad.insert(sector)),
        }
        let stop = stop.min(self.platter.len());
        if start < stop {
            self.platter[start..stop].copy_from_slice(&self.cache[start..stop]);
        }
        true
    }
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files are short")
}
