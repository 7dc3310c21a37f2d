//! Which reads and writes are hit, and how.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;

use super::Lying;
use crate::damage::{Draw, SECTOR, SECTOR_BYTES};

/// What happens to a read or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// A read fails with EIO.
    FailedRead,
    /// One bit of what is read is inverted.
    CorruptRead,
    /// The bytes of another place are read.
    MisdirectedRead,
    /// The last part of what is read is zero.
    TornRead,
    /// A write fails with EIO; part of it may be on disk.
    FailedWrite,
    /// One bit of what is written is inverted; the write succeeds.
    CorruptWrite,
    /// The bytes are written to another place of the file; the write succeeds.
    MisdirectedWrite,
    /// Only the first part is written; the write succeeds.
    TornWrite,
}

impl Lie {
    /// Every lie.
    pub const ALL: [Self; 8] = [
        Self::FailedRead,
        Self::CorruptRead,
        Self::MisdirectedRead,
        Self::TornRead,
        Self::FailedWrite,
        Self::CorruptWrite,
        Self::MisdirectedWrite,
        Self::TornWrite,
    ];

    /// Whether it hits reads.
    pub fn is_read(self) -> bool {
        matches!(self, Self::FailedRead | Self::CorruptRead | Self::MisdirectedRead | Self::TornRead)
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FailedRead => "failed-read",
            Self::CorruptRead => "corrupt-read",
            Self::MisdirectedRead => "misdirected-read",
            Self::TornRead => "torn-read",
            Self::FailedWrite => "failed-write",
            Self::CorruptWrite => "corrupt-write",
            Self::MisdirectedWrite => "misdirected-write",
            Self::TornWrite => "torn-write",
        })
    }
}

impl FromStr for Lie {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|lie| lie.to_string() == text);
        found
            .ok_or_else(|| anyhow!("`{text}` is none of {}", Self::ALL.map(|lie| lie.to_string()).join(", ")))
    }
}

/// What a hit operation is turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hit {
    /// It is passed on.
    None,
    /// It fails; of a write, this many bytes are written before.
    Fail(usize),
    /// This bit of this byte is inverted.
    Flip(usize, u8),
    /// It goes to this offset.
    Offset(u64),
    /// Everything from this byte on is lost.
    Tear(usize),
}

struct State {
    draw: Draw,
    hit: Vec<(String, String)>,
}

/// The lies of one trial.
pub(super) struct Faults {
    lying: Lying,
    state: Mutex<State>,
}

impl Faults {
    pub(super) fn new(lying: Lying) -> Self {
        let state = State { draw: Draw::new(lying.seed), hit: Vec::new() };
        Self { lying, state: Mutex::new(state) }
    }

    /// What becomes of a read or write of `length` bytes at `offset`.
    pub(super) fn next(&self, file: &Path, offset: u64, length: usize, is_read: bool) -> Hit {
        let Lying { lie, one_in, most, .. } = self.lying;
        let mut state = self.state();
        if lie.is_read() != is_read || length == 0 || state.hit.len() >= most || state.draw.below(one_in) != 0
        {
            return Hit::None;
        }
        let within = usize::try_from(state.draw.below(length as u64)).unwrap_or_default();
        // Disks tear at sectors; what is shorter than one may be lost as a whole.
        let torn = within - within % SECTOR_BYTES;
        let hit = match lie {
            Lie::FailedRead => Hit::Fail(0),
            Lie::FailedWrite => Hit::Fail(torn),
            Lie::CorruptRead | Lie::CorruptWrite => {
                Hit::Flip(within, u8::try_from(state.draw.below(8)).unwrap_or_default())
            }
            Lie::TornRead | Lie::TornWrite => Hit::Tear(torn),
            Lie::MisdirectedRead | Lie::MisdirectedWrite => {
                let distance = (1 + state.draw.below(16)) * SECTOR;
                let before = state.draw.below(2) == 0 && offset >= distance;
                Hit::Offset(if before { offset - distance } else { offset + distance })
            }
        };
        let name = file.to_string_lossy().into_owned();
        state.hit.push((name.clone(), format!("{lie} of {name} at {offset}, {length} bytes: {hit:?}")));
        hit
    }

    /// What was hit.
    pub(super) fn hit(&self) -> Vec<String> {
        self.state().hit.iter().map(|(_, words)| words.clone()).collect()
    }

    /// The files whose bytes on disk are wrong.
    pub(super) fn damaged(&self) -> Vec<String> {
        if self.lying.lie.is_read() {
            return Vec::new();
        }
        self.state().hit.iter().map(|(file, _)| file.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
