//! The statements that wait for their receipts, in memory: 37 bytes each, so 155 MB for as many as a spool may hold by default. Disk is
//! read at the start alone.

use std::collections::{HashSet, VecDeque};

use vouchlog_stream::{Digest, Statement};

use super::{SpoolError, damaged};

/// Statements allocated at a time, 38 kB.
const CHUNK: u64 = 1_024;
const LEAF: usize = Statement::LEAF_BYTES;

/// Statements by position.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Position of the first statement of the first chunk, which may be acknowledged.
    base: u64,
    /// First position that is not acknowledged.
    first: u64,
    end: u64,
    /// Each is full but the last.
    chunks: VecDeque<Vec<[u8; LEAF]>>,
    /// Chunk in which the last digest was found: they are asked for in their order.
    found: usize,
}

impl Waiting {
    /// None, with the next at `position`.
    pub(super) fn from(position: u64) -> Self {
        Self { base: position, first: position, end: position, ..Self::default() }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn push(&mut self, leaf: [u8; LEAF]) {
        match self.chunks.back_mut() {
            Some(chunk) if (chunk.len() as u64) < CHUNK => chunk.push(leaf),
            _ => self.chunks.push_back(vec![leaf]),
        }
        self.end += 1;
    }

    /// Forgets everything before a position.
    pub(super) fn forget_before(&mut self, position: u64) {
        self.first = self.first.max(position.min(self.end));
        while self.base + CHUNK <= self.first && self.chunks.pop_front().is_some() {
            self.base += CHUNK;
            self.found = self.found.saturating_sub(1);
        }
        if self.first == self.end {
            *self = Self::from(self.end);
        }
    }

    /// The statements from a position on, at most `count`.
    pub(super) fn read(&self, from: u64, count: usize) -> Result<Vec<Statement>, SpoolError> {
        if from < self.first {
            return Err(damaged("statements are missing"));
        }
        let skip = from.min(self.end) - self.base;
        let (chunk, within) = (place(skip / CHUNK), place(skip % CHUNK));
        let leaves = self.chunks.iter().skip(chunk).flatten().skip(within).take(count);
        leaves
            .map(|leaf| Statement::from_leaf_data(leaf).map_err(|_| damaged("a statement is malformed")))
            .collect()
    }

    /// Those of the digests that wait.
    pub(super) fn pending(&mut self, digests: &HashSet<Digest>) -> HashSet<Digest> {
        let mut pending = HashSet::new();
        let chunks = self.chunks.len();
        for n in 0..chunks {
            if pending.len() == digests.len() {
                break;
            }
            let at = (self.found + n) % chunks;
            let skip = if at == 0 { place(self.first - self.base) } else { 0 };
            let before = pending.len();
            let held = self.chunks[at].iter().skip(skip).map(|leaf| Digest::from_bytes(digest_of(leaf)));
            pending.extend(held.filter(|digest| digests.contains(digest)));
            if pending.len() > before && pending.len() == digests.len() {
                self.found = at;
            }
        }
        pending
    }
}

fn digest_of(leaf: &[u8; LEAF]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(&leaf[LEAF - 32..]);
    digest
}

fn place(value: u64) -> usize {
    usize::try_from(value).expect("it is a place in memory")
}
