//! A gateway as a process: a spool on the simulated disk, and a conversation with the log that retries.

use vouchlog_api::{Append, Appended};
use vouchlog_merkle::{CompactRange, Hash};
use vouchlog_note::SignedCheckpoint;
use vouchlog_sequencer::testing::{TestGateway, verify};
use vouchlog_stream::Statement;

use crate::checker::Violation;
use crate::disk::SimDisk;
use crate::spool::{Batch, Spool, Spooled};

/// Batches under way at a time; the log answers as many again.
const WINDOW: usize = 3;

/// The gateway's machine.
pub(crate) struct GatewayNode {
    pub(crate) disk: SimDisk,
    /// Its keys and the number of its stream.
    identity: TestGateway,
    spool: Option<(Spool, SimDisk)>,
    /// What its users were promised.
    promised: Vec<Batch>,
    /// A submission whose outcome is unknown.
    doubtful: Option<Batch>,
    /// Batches acknowledged by the log with a receipt that held.
    pub(crate) acknowledged: usize,
    /// The newest time its stream's head was signed at; the log refuses older ones.
    signed_at: u64,
    /// Batches sent at least once.
    sent: usize,
    /// Damage was found: it is out of service.
    pub(crate) is_lost: bool,
}

impl GatewayNode {
    pub(crate) fn new(disk: SimDisk, identity: TestGateway) -> Self {
        Self {
            disk,
            identity,
            spool: None,
            promised: Vec::new(),
            doubtful: None,
            acknowledged: 0,
            signed_at: 0,
            sent: 0,
            is_lost: false,
        }
    }

    pub(crate) fn stream(&self) -> vouchlog_stream::StreamId {
        self.identity.stream
    }

    pub(crate) fn is_running(&self) -> bool {
        self.spool.is_some()
    }

    /// Starts the process. The error in its words; a spool that opens with less than was promised is a violation.
    pub(crate) fn open(&mut self) -> Result<Result<(), String>, Violation> {
        let disk = self.disk.for_new_process();
        let spool = match Spool::open(&disk, !self.promised.is_empty()) {
            Ok(spool) => spool,
            Err(error) => return Ok(Err(format!("spool/{error}"))),
        };
        let with_doubtful: Vec<_> = self.promised.iter().copied().chain(self.doubtful).collect();
        let Spooled { batches, acknowledged } = &spool.held;
        if *batches != self.promised && *batches != with_doubtful {
            return Err(format!(
                "a spool holds {} batches, {} were acknowledged to its users",
                batches.len(),
                self.promised.len()
            ));
        }
        if *acknowledged > self.acknowledged {
            return Err(format!("a spool forgot batch {}, which has no receipt", self.acknowledged));
        }
        self.promised.clone_from(batches);
        self.doubtful = None;
        self.spool = Some((spool, disk));
        Ok(Ok(()))
    }

    pub(crate) fn crash(&mut self, power_cut: bool) {
        if power_cut {
            self.disk.power_cut();
        } else {
            self.disk.kill();
        }
        self.spool = None;
    }

    /// Whether the process would end itself.
    pub(crate) fn has_failed(&self) -> bool {
        self.spool.as_ref().is_some_and(|(spool, disk)| spool.has_failed() || disk.is_dead())
    }

    /// A user submits statements.
    pub(crate) fn submit(&mut self, batch: Batch) -> Result<(), String> {
        let Some((spool, _)) = &mut self.spool else { return Err("it is down".into()) };
        match spool.submit(batch) {
            Ok(()) => {
                self.promised.push(batch);
                Ok(())
            }
            Err(error @ vouchlog_ledger::AppendError::Refused(_)) => Err(error.to_string()),
            Err(error) => {
                self.doubtful = Some(batch);
                Err(error.to_string())
            }
        }
    }

    /// A batch to be sent: any that is under way, at most `WINDOW`. Without retries one that was never sent.
    pub(crate) fn due(&self, pick: usize, retries: bool) -> Option<usize> {
        let (spool, _) = self.spool.as_ref()?;
        let first = spool.held.acknowledged;
        let end = spool.held.batches.len().min(first + WINDOW);
        if !retries {
            return (self.sent < end).then_some(self.sent.max(first));
        }
        (first < end).then(|| first + pick % (end - first))
    }

    /// The request for a batch, signed at `seconds` or later.
    pub(crate) fn request(&mut self, batch: usize, seconds: u64) -> Option<Append> {
        let (spool, _) = self.spool.as_ref()?;
        let leaves = |batch: &Batch| batch.statements().iter().map(Statement::stream_leaf_hash).collect();
        let mut range = CompactRange::new();
        for earlier in &spool.held.batches[..batch] {
            let leaves: Vec<Hash> = leaves(earlier);
            range.extend(&leaves);
        }
        self.signed_at = self.signed_at.max(seconds);
        self.sent = self.sent.max(batch + 1);
        let mut sender = self.identity.clone();
        sender.range = range;
        Some(sender.request(spool.held.batches[batch].statements(), self.signed_at))
    }

    /// An answer with a receipt arrives. The head it proves is returned.
    pub(crate) fn receive(&mut self, batch: usize, appended: &Appended) -> Option<SignedCheckpoint> {
        let (spool, _) = self.spool.as_mut()?;
        let statements = spool.held.batches.get(batch)?.statements();
        let checkpoint = verify(appended, &statements);
        if batch == spool.held.acknowledged {
            self.acknowledged = self.acknowledged.max(batch + 1);
            // What cannot be noted now is acknowledged by the log once more.
            drop(spool.acknowledge());
        }
        Some(checkpoint)
    }

    /// Everything its users submitted, as far as it may be in the log, and how many statements are acknowledged.
    pub(crate) fn expected(&self) -> (Vec<Statement>, u64) {
        let batches = self.promised.iter().chain(&self.doubtful);
        let statements = batches.flat_map(|batch| batch.statements()).collect();
        let acknowledged =
            self.promised.iter().take(self.acknowledged).map(|batch| u64::from(batch.count)).sum();
        (statements, acknowledged)
    }

    /// Batches that its users were promised and that have no receipt.
    pub(crate) fn waiting(&self) -> usize {
        self.promised.len() - self.acknowledged.min(self.promised.len())
    }
}
