//! The records of the spool's ledger, and reading them back.
//!
//! ```text
//! snapshot = end (8) state               positions before `end` are in older files, or acknowledged
//! entry    = first (8) length (4) state[length] statement (37)*     length 0: the state stays as it was
//! ```
//!
//! One commit is one record, so it is on disk as a whole or not at all. Numbers are big-endian.

use std::collections::VecDeque;

use vouchlog_ledger::Item;
use vouchlog_stream::Statement;

use super::State;
use super::waiting::Waiting;

const LEAF: usize = Statement::LEAF_BYTES;

/// What a commit writes.
pub(super) fn entry(first: u64, state: Option<&State>, statements: &[Statement]) -> Vec<u8> {
    let state = state.map(State::to_bytes).unwrap_or_default();
    let mut bytes = Vec::with_capacity(12 + state.len() + statements.len() * LEAF);
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(state.len()).expect("a state is small").to_be_bytes());
    bytes.extend_from_slice(&state);
    bytes.extend(statements.iter().flat_map(Statement::leaf_data));
    bytes
}

/// What a file begins with.
pub(super) fn snapshot(end: u64, state: &State) -> Vec<u8> {
    [&end.to_be_bytes()[..], &state.to_bytes()].concat()
}

/// A spool as its records tell it.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) state: State,
    pub(super) waiting: Waiting,
    /// Each file with the position that its statements begin at.
    pub(super) files: VecDeque<(u64, u64)>,
    is_begun: bool,
}

impl Replay {
    /// Takes the next record.
    pub(super) fn take(&mut self, item: Item<'_>) -> Result<(), String> {
        match item.snapshot {
            Some(0) => self.snapshot(item.file, item.payload),
            Some(_) => Err("a snapshot of a spool is one record".to_owned()),
            None => self.entry(item.payload),
        }
    }

    /// Whether what the records tell is all there.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        if self.state.position() < self.waiting.first() {
            return Err("statements that are not acknowledged are missing before its first file".to_owned());
        }
        self.waiting.forget_before(self.state.position());
        Ok(())
    }

    fn snapshot(&mut self, file: u64, bytes: &[u8]) -> Result<(), String> {
        let (end, state) = bytes.split_first_chunk::<8>().ok_or("a snapshot is too short")?;
        let end = u64::from_be_bytes(*end);
        let state = State::from_bytes(state).ok_or("the state in a snapshot cannot be read")?;
        if !self.is_begun {
            (self.state, self.waiting, self.is_begun) = (state, Waiting::from(end), true);
        } else if (end, &state) != (self.waiting.end(), &self.state) {
            return Err("a file starts with a state other than the end of the one before".to_owned());
        }
        if self.state.position() > end {
            return Err("more statements are acknowledged than were spooled".to_owned());
        }
        self.files.push_back((file, end));
        Ok(())
    }

    fn entry(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (first, rest) = bytes.split_first_chunk::<8>().ok_or("a record is too short")?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or("a record is too short")?;
        let length = u32::from_be_bytes(*length) as usize;
        let (state, leaves) = rest.split_at_checked(length).ok_or("a record is too short")?;
        let (leaves, rest) = leaves.as_chunks::<LEAF>();
        if u64::from_be_bytes(*first) != self.waiting.end() || !rest.is_empty() || !self.is_begun {
            return Err("statements are missing".to_owned());
        }
        for leaf in leaves {
            Statement::from_leaf_data(leaf).map_err(|error| error.to_string())?;
            self.waiting.push(*leaf);
        }
        if !state.is_empty() {
            let state = State::from_bytes(state).ok_or("a state cannot be read")?;
            if state.position() < self.state.position() || state.position() > self.waiting.end() {
                return Err("a state acknowledges statements that are missing".to_owned());
            }
            self.state = state;
            // Before the first position there is nothing to forget: it may lie in a file that is gone.
            self.waiting.forget_before(self.state.position());
        }
        Ok(())
    }
}
