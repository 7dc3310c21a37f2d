//! Renewing receipts. The log acknowledges a statement under a checkpoint that it alone signed, and the vault keeps that proof. Once
//! witnesses have cosigned a checkpoint that covers the statement, a proof under that checkpoint replaces the first one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use vouchlog_api::CachingReader;
use vouchlog_client::{Connection, TileReader, VerifiedLog, VerifyError};
use vouchlog_merkle::{LeafIndex, TreeSize};
use vouchlog_note::{Origin, Policy, ProofFile, SignedCheckpoint, VerifyingKey};
use vouchlog_record::RecordId;
use vouchlog_runtime::Backoff;
use vouchlog_stream::{Digest, Entry, LogPlace};
use vouchlog_vault::{Access, Logged, Order, Query, Row, Vault, VaultError};

use super::CustodyError;
use crate::verify;

/// Most receipts that wait for witnesses, some 100 bytes each. Of more, the oldest are renewed when they are read.
const MAX_WAITING: usize = 65_536;
/// Receipts that one transaction of the vault replaces.
const BATCH: usize = 256;
/// Receipts of earlier processes that are examined at start, the newest ones. Older ones are renewed when they are read.
const EXAMINED: usize = 1_000;
/// Waits between two looks at the log's checkpoint. Witnesses commonly take less than a second.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// The longest wait while a caller waits, too.
const MAX_PATIENT_PAUSE: Duration = Duration::from_secs(2);

/// A logged statement whose receipt has no cosignature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uncosigned {
    pub(super) digest: Digest,
    pub(super) place: LogPlace,
}

impl Uncosigned {
    pub(super) fn of(logged: &Logged) -> Self {
        let Logged { digest, index, stream, sequence, logged_at, .. } = *logged;
        Self { digest, place: LogPlace { index, stream, sequence, logged_at } }
    }
}

/// The receipts that wait for witnesses, by the index of their entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    receipts: Arc<Mutex<BTreeMap<LeafIndex, Uncosigned>>>,
    more: Arc<Notify>,
}

impl Waiting {
    pub(super) fn add(&self, uncosigned: impl IntoIterator<Item = Uncosigned>) {
        let mut receipts = self.receipts.lock();
        receipts.extend(uncosigned.into_iter().map(|one| (one.place.index, one)));
        while receipts.len() > MAX_WAITING {
            receipts.pop_first();
        }
        drop(receipts);
        self.more.notify_one();
    }

    fn len(&self) -> usize {
        self.receipts.lock().len()
    }

    /// Those that a log of this size covers, the oldest first; at most [`BATCH`].
    fn covered(&self, size: TreeSize) -> Vec<Uncosigned> {
        let receipts = self.receipts.lock();
        receipts.values().take_while(|one| size.contains(one.place.index)).take(BATCH).copied().collect()
    }

    fn forget(&self, done: &[Uncosigned]) {
        let mut receipts = self.receipts.lock();
        for one in done {
            receipts.remove(&one.place.index);
        }
    }

    fn forget_covered(&self, size: TreeSize) {
        self.receipts.lock().retain(|index, _| !size.contains(*index));
    }
}

/// Replaces receipts by proofs under the newest checkpoint that the log publishes. Of a log with witnesses, that one satisfies the log's
/// policy. Clones share what they wait for.
#[derive(Clone, Debug)]
pub struct Renewer {
    /// Each tile is read once.
    pub(super) log: VerifiedLog<CachingReader<TileReader>>,
    pub(super) origin: Origin,
    key: VerifyingKey,
    vault: Vault,
    access: Access,
    pub(super) waiting: Waiting,
}

impl Renewer {
    /// A renewer of a vault's receipts without a gateway. Nothing is sent yet.
    ///
    /// # Errors
    /// `log` cannot be a log's key, or the connection cannot be made.
    pub fn connect(
        connection: &Connection,
        log: VerifyingKey,
        vault: Vault,
        access: Access,
    ) -> Result<Self, CustodyError> {
        let origin = Origin::new(log.name().as_str()).map_err(CustodyError::LogKey)?;
        let reader = CachingReader::new(TileReader::connect(connection)?);
        let verified = VerifiedLog::open(reader, origin.clone(), log.clone(), None)?;
        Ok(Self { log: verified, origin, key: log, vault, access, waiting: Waiting::default() })
    }

    /// Receipts that wait for witnesses.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a proof file satisfies the policy. Without a policy: whether its checkpoint carries a cosignature, which nothing here
    /// verifies.
    pub fn suffices(&self, proof: &str, policy: Option<&Policy>) -> bool {
        let Ok(file) = ProofFile::parse(proof.as_bytes()) else { return false };
        let note = file.note().as_str().as_bytes();
        SignedCheckpoint::open(note, &self.origin, &self.key)
            .is_ok_and(|head| self.head_suffices(&head, policy))
    }

    /// Whether the newest published checkpoint would do for a receipt; see [`suffices`](Self::suffices).
    ///
    /// # Errors
    /// The log cannot be read, or contradicts what it signed before.
    pub async fn is_worthwhile(&self, policy: Option<&Policy>) -> Result<bool, CustodyError> {
        let head = self.log.update().await?;
        Ok(self.head_suffices(&head, policy))
    }

    fn head_suffices(&self, head: &SignedCheckpoint, policy: Option<&Policy>) -> bool {
        match policy {
            Some(policy) => {
                policy.verify_checkpoint_of(head.note().as_bytes(), &self.origin, [&self.key]).is_ok()
            }
            None => head.is_cosigned(),
        }
    }

    /// Replaces the receipts of logged records, and returns the new ones. Records that the newest checkpoint does not cover yet are left
    /// out. A caller who may not write to the vault gets the new receipts, and the vault keeps the old ones.
    ///
    /// # Errors
    /// The log cannot be read, has another statement at the place of a record, or does not extend what a receipt shows.
    pub async fn renew(&self, rows: &[Row]) -> Result<BTreeMap<RecordId, String>, CustodyError> {
        if let Some(first) = rows.iter().find(|row| row.place.is_some()) {
            self.check_extends(first).await?;
        }
        let mut renewed = BTreeMap::new();
        for rows in rows.chunks(BATCH) {
            let mut logged = Vec::new();
            for row in rows {
                let Some(place) = row.place else { continue };
                match self.receipt(Uncosigned { digest: row.digest, place }).await {
                    Err(CustodyError::Verify(VerifyError::NotYet { .. })) => {}
                    receipt => {
                        let receipt = receipt?;
                        renewed.insert(row.id.clone(), receipt.proof.clone());
                        logged.push(receipt);
                    }
                }
            }
            match self.vault.logged(&self.access, logged).await {
                Ok(_) | Err(VaultError::Forbidden { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(renewed)
    }

    /// The checkpoint that the log publishes must extend that of a receipt that is replaced: otherwise the receipt is the evidence of a fork.
    async fn check_extends(&self, row: &Row) -> Result<(), CustodyError> {
        let Some(receipt) = self.vault.proof(&self.access, &row.id).await? else { return Ok(()) };
        let file = ProofFile::parse(receipt.as_bytes())?;
        let head = match self.log.head() {
            Some(head) => head,
            None => self.log.update().await?,
        };
        // It remembers nothing yet, so it takes a checkpoint that is older than the newest one.
        let earlier =
            VerifiedLog::open(self.log.reader().clone(), self.origin.clone(), self.key.clone(), None)?;
        let known = earlier.accept(file.note().as_str()).await?;
        // A receipt may be ahead of what is published, which waits for witnesses: that is no rollback.
        if known.head().size <= head.head().size {
            earlier.accept(head.note()).await?;
        }
        Ok(())
    }

    /// The proof of a statement under the newest checkpoint that is known.
    pub(super) async fn receipt(&self, of: Uncosigned) -> Result<Logged, CustodyError> {
        let Uncosigned { digest, place: LogPlace { index, stream, sequence, logged_at } } = of;
        let (entry, proof) = self.log.entry(index).await?;
        // A receipt is evidence against the log. It must not give way to the proof of another statement.
        match Entry::decode(&entry) {
            Ok(Entry::Statement(logged)) if logged.statement.digest == digest => {}
            _ => return Err(CustodyError::OtherEntry(index)),
        }
        let proof = verify::with_entry(&proof, &entry)?.to_text();
        Ok(Logged { digest, index, stream, sequence, logged_at, proof })
    }

    /// Renews receipts as witnesses cosign, as long as it is polled. It tries again after each failure.
    pub async fn run(self) {
        if let Err(error) = self.examine().await {
            tracing::debug!(%error, "the receipts of earlier processes were not examined");
        }
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        loop {
            if self.waiting.len() == 0 {
                self.waiting.more.notified().await;
                backoff.reset();
            }
            tokio::time::sleep(backoff.next_wait()).await;
            match self.renew_waiting().await {
                Ok(0) => {}
                Ok(_) => backoff.reset(),
                Err(error) => tracing::debug!(%error, "receipts were not renewed; retrying"),
            }
        }
    }

    /// Renews what waits until nothing does. The caller bounds the time.
    ///
    /// # Errors
    /// The log contradicts what it signed before.
    pub async fn settle(&self) -> Result<(), CustodyError> {
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PATIENT_PAUSE);
        while self.waiting.len() > 0 {
            match self.renew_waiting().await {
                Ok(renewed) if renewed > 0 => {}
                Err(error) if !is_unreadable(&error) => return Err(error),
                _ => tokio::time::sleep(backoff.next_wait()).await,
            }
        }
        Ok(())
    }

    /// Waits until the receipts of these records suffice; see [`suffices`](Self::suffices). The caller bounds the time.
    ///
    /// # Errors
    /// [`CustodyError::NoWitnesses`] if the log has none. The log contradicts what it signed before.
    pub async fn witnessed(&self, ids: &[RecordId], policy: Option<&Policy>) -> Result<(), CustodyError> {
        let mut lacking = Vec::new();
        for id in ids {
            let receipt = self.vault.proof(&self.access, id).await?;
            if receipt.is_none_or(|receipt| !self.suffices(&receipt, policy)) {
                lacking.push(self.vault.row(&self.access, id).await?);
            }
        }
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PATIENT_PAUSE);
        while !lacking.is_empty() {
            match self.log.update().await {
                Ok(head) if self.head_suffices(&head, policy) => {
                    let renewed = self.renew(&lacking).await?;
                    lacking.retain(|row| !renewed.contains_key(&row.id));
                }
                // What a log without witnesses publishes has the signature of the log alone.
                Ok(head) if !self.head_suffices(&head, None) => return Err(CustodyError::NoWitnesses),
                Ok(_) => {}
                Err(VerifyError::Read(error)) => tracing::debug!(%error, "the log cannot be read; retrying"),
                Err(error) => return Err(error.into()),
            }
            if !lacking.is_empty() {
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
        Ok(())
    }

    /// Renews a batch of the waiting receipts that a cosigned checkpoint covers. Returns their number.
    async fn renew_waiting(&self) -> Result<usize, CustodyError> {
        let head = self.log.update().await?;
        let size = head.head().size;
        if !self.head_suffices(&head, None) {
            // Of a log with witnesses nothing else is published: this one has none, and there is nothing to wait for.
            self.waiting.forget_covered(size);
            return Ok(0);
        }
        let covered = self.waiting.covered(size);
        let mut logged = Vec::with_capacity(covered.len());
        for one in &covered {
            match self.receipt(*one).await {
                Ok(receipt) => logged.push(receipt),
                Err(error) if is_unreadable(&error) => return Err(error),
                // The receipt that is kept stays, as evidence, and the others go on.
                Err(error) => tracing::error!(%error, "a receipt was not renewed"),
            }
        }
        self.vault.logged(&self.access, logged).await?;
        self.waiting.forget(&covered);
        Ok(covered.len())
    }

    /// Finds what an earlier process left.
    async fn examine(&self) -> Result<(), CustodyError> {
        let query = Query { order: Order::NewestFirst, limit: EXAMINED, ..Query::default() };
        for row in self.vault.find(&self.access, &query).await? {
            let Some(place) = row.place else { continue };
            let receipt = self.vault.proof(&self.access, &row.id).await?;
            if receipt.is_some_and(|receipt| !self.suffices(&receipt, None)) {
                self.waiting.add([Uncosigned { digest: row.digest, place }]);
            }
        }
        Ok(())
    }
}

/// Whether a log could not be read, as opposed to not being believed.
fn is_unreadable(error: &CustodyError) -> bool {
    matches!(error, CustodyError::Log(_) | CustodyError::Verify(VerifyError::Read(_)))
}

#[cfg(test)]
mod tests {
    use vouchlog_stream::{LoggedAt, SequenceNumber, StreamId};

    use super::*;

    fn uncosigned(index: u64) -> Uncosigned {
        let place = LogPlace {
            index: LeafIndex::new(index),
            stream: StreamId::new(0).unwrap(),
            sequence: SequenceNumber::new(index).unwrap(),
            logged_at: LoggedAt::from_millis(0).unwrap(),
        };
        Uncosigned { digest: Digest::of(b"a statement"), place }
    }

    #[test]
    fn what_waits_is_bounded_and_the_oldest_gives_way() {
        let waiting = Waiting::default();
        let most = MAX_WAITING as u64;
        waiting.add((0..most + 10).map(uncosigned));
        assert_eq!(waiting.len(), MAX_WAITING);
        assert!(waiting.covered(TreeSize::new(10)).is_empty(), "the ten oldest gave way");
        let covered = waiting.covered(TreeSize::new(most));
        assert_eq!((covered.len(), covered[0].place.index.get()), (BATCH, 10));
        waiting.forget(&covered);
        assert_eq!(waiting.len(), MAX_WAITING - BATCH);
        waiting.forget_covered(TreeSize::new(most + 10));
        assert_eq!(waiting.len(), 0);
    }
}
