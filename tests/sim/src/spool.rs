//! The spool of a simulated gateway: what was submitted, as a ledger, in the batches in which it is sent.

use std::sync::Arc;

use vouchlog_ledger::{AppendError, Ledger, LedgerError, Options};
use vouchlog_sequencer::testing::statements;
use vouchlog_stream::Statement;

use crate::disk::SimDisk;

const OPTIONS: Options = Options { purpose: "spool", min_free_bytes: 1 << 20 };
/// A new file is begun after this many bytes.
const FILE_BYTES: u64 = 1024;

/// Statements that are sent as one request. They follow from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// How many.
    pub(crate) count: u32,
    /// What they are.
    pub(crate) seed: u64,
}

impl Batch {
    /// The statements.
    pub(crate) fn statements(self) -> Vec<Statement> {
        statements(self.count as usize, self.seed)
    }

    fn encode(self) -> Vec<u8> {
        [&self.count.to_be_bytes()[..], &self.seed.to_be_bytes()].concat()
    }
}

/// What a spool holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spooled {
    /// Everything submitted, oldest first.
    pub(crate) batches: Vec<Batch>,
    /// Batches whose receipt was verified.
    pub(crate) acknowledged: usize,
}

/// An open spool.
#[derive(Debug)]
pub(crate) struct Spool {
    ledger: Ledger,
    /// What it holds.
    pub(crate) held: Spooled,
}

impl Spool {
    /// Opens the spool on a disk, or makes it. `begun` is whether anything was ever submitted.
    pub(crate) fn open(disk: &SimDisk, begun: bool) -> Result<Self, LedgerError> {
        let disk = Arc::new(disk.folder("spool"));
        let mut held = Spooled::default();
        let exists = Ledger::exists(&*disk).map_err(LedgerError::io("listed", "spool"))?;
        let ledger = if exists || begun {
            Ledger::open(disk, OPTIONS, &mut |item| held.replay(item.snapshot.is_some(), item.payload))?.0
        } else {
            Ledger::create(disk, OPTIONS, [8; 16], &[&held.snapshot()])?
        };
        Ok(Self { ledger, held })
    }

    /// Takes a batch; it survives a power cut when this returns.
    pub(crate) fn submit(&mut self, batch: Batch) -> Result<(), AppendError> {
        self.ledger.append(&[&[b"b", &batch.encode()[..]].concat()])?;
        self.held.batches.push(batch);
        self.tidy();
        Ok(())
    }

    /// Notes that the next batch is acknowledged.
    pub(crate) fn acknowledge(&mut self) -> Result<(), AppendError> {
        let acknowledged = self.held.acknowledged + 1;
        self.ledger.append(&[&[b"a", &(acknowledged as u64).to_be_bytes()[..]].concat()])?;
        self.held.acknowledged = acknowledged;
        self.tidy();
        Ok(())
    }

    /// Why nothing more is written, if so.
    pub(crate) fn has_failed(&self) -> bool {
        self.ledger.failure().is_some()
    }

    /// Begins another file, and deletes those before it: a snapshot holds everything.
    fn tidy(&mut self) {
        let snapshot = self.held.snapshot();
        if self.ledger.length() < FILE_BYTES.max(3 * snapshot.len() as u64) {
            return;
        }
        // What was asked for is durable; the next write tries again, or finds the spool failed.
        if self.ledger.rotate([&snapshot]).is_ok() {
            drop(self.ledger.forget_before(self.ledger.newest()));
        }
    }
}

impl Spooled {
    fn snapshot(&self) -> Vec<u8> {
        let mut bytes = [b"s", &(self.acknowledged as u64).to_be_bytes()[..]].concat();
        self.batches.iter().for_each(|batch| bytes.extend(batch.encode()));
        bytes
    }

    fn replay(&mut self, is_snapshot: bool, payload: &[u8]) -> Result<(), String> {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let count = |bytes: &[u8]| usize::try_from(number(bytes)).map_err(|error| error.to_string());
        let batch = |bytes: &[u8]| {
            let count = u32::try_from(number(&bytes[..4])).map_err(|error| error.to_string())?;
            Ok::<_, String>(Batch { count, seed: number(&bytes[4..]) })
        };
        match (payload.split_first(), is_snapshot) {
            (Some((b'b', rest)), false) if rest.len() == 12 => self.batches.push(batch(rest)?),
            (Some((b'a', rest)), false) if rest.len() == 8 => self.acknowledged = count(rest)?,
            (Some((b's', rest)), true) if rest.len() >= 8 && (rest.len() - 8).is_multiple_of(12) => {
                let (acknowledged, batches) = rest.split_at(8);
                self.acknowledged = count(acknowledged)?;
                self.batches = batches.chunks(12).map(batch).collect::<Result<_, _>>()?;
            }
            _ => return Err("its kind is unknown".into()),
        }
        Ok(())
    }
}
