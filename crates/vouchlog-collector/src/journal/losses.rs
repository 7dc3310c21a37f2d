//! What was turned away and is not declared yet. It is counted in place, in a file of a fixed length: emitters that are told to try
//! again do so for as long as there is no room, and that must take none.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vouchlog_ledger::{Disk, LedgerError, TwoSlots};

use super::JournalError;

const NAME: &str = "LOSSES";

/// What was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lost {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// Interactions, or spans where nobody can tell. Each attempt of an emitter counts.
    pub(crate) items: u64,
    /// Attempts.
    pub(crate) attempts: u64,
}

impl Lost {
    pub(super) fn to_json(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("times and numbers are JSON")
    }
}

/// The count of what was turned away since the last declaration.
#[derive(Debug)]
pub(super) struct Losses {
    slots: TwoSlots,
    /// Declarations so far, and one.
    number: u64,
    pending: Option<Lost>,
}

impl Losses {
    /// Reads the count, or begins it with a new journal. `declared` is how many were declared, by the journal's entries.
    pub(super) fn open(disk: &dyn Disk, declared: u64, is_new: bool) -> Result<Self, JournalError> {
        let read = TwoSlots::read(disk, NAME)?;
        let damaged = |what: &str| JournalError::Damaged(format!("journal/{NAME} {what}"));
        let (number, pending) = match read {
            None if is_new => (declared + 1, None),
            None => return Err(damaged("is missing or cannot be read: the rejected input is not known")),
            Some(value) => decode(&value).ok_or_else(|| damaged("has another form"))?,
        };
        if number > declared + 1 {
            return Err(damaged("counts more declarations than the journal has"));
        }
        // What was declared since it was written is void.
        let pending = pending.filter(|_| number > declared);
        let number = declared + 1;
        let slots = TwoSlots::open(disk, NAME, &encode(number, pending))?;
        Ok(Self { slots, number, pending })
    }

    /// What is to be declared.
    pub(super) fn pending(&self) -> Option<Lost> {
        self.pending
    }

    /// Number of the next declaration.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The pending losses are an entry of the journal now, which has their number.
    pub(super) fn declared(&mut self) {
        self.pending = None;
        self.number += 1;
    }

    /// Counts attempts of so many items each; durable when this returns.
    pub(super) fn add(&mut self, now: Timestamp, items: &[u64]) -> io::Result<()> {
        let mut lost = self.pending.unwrap_or(Lost { from: now, to: now, items: 0, attempts: 0 });
        lost.from = lost.from.min(now);
        lost.to = lost.to.max(now);
        lost.items = items.iter().fold(lost.items, |sum, items| sum.saturating_add(*items));
        lost.attempts += items.len() as u64;
        let value = encode(self.number, Some(lost));
        // Both slots, so that damage to one of them loses nothing.
        self.slots.put(&value)?;
        self.slots.put(&value)?;
        self.slots.sync()?;
        self.pending = Some(lost);
        Ok(())
    }
}

fn encode(number: u64, lost: Option<Lost>) -> Vec<u8> {
    let lost =
        lost.map(|lost| (lost.from.as_millisecond(), lost.to.as_millisecond(), lost.items, lost.attempts));
    postcard::to_stdvec(&(number, lost)).expect("it is made of numbers")
}

fn decode(value: &[u8]) -> Option<(u64, Option<Lost>)> {
    let (number, lost): (u64, Option<(i64, i64, u64, u64)>) = postcard::from_bytes(value).ok()?;
    let Some((from, to, items, attempts)) = lost else { return Some((number, None)) };
    let (from, to) = (Timestamp::from_millisecond(from).ok()?, Timestamp::from_millisecond(to).ok()?);
    Some((number, Some(Lost { from, to, items, attempts })))
}

impl From<LedgerError> for JournalError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::InUse => Self::InUse,
            error if error.is_damage() => Self::Damaged(format!("journal/{error}")),
            error => Self::Disk(format!("journal/{error}")),
        }
    }
}
