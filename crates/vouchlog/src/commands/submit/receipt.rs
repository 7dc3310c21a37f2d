//! A range receipt cut into one proof file a statement.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use vouchlog::{LeafIndex, ProofFile, RangeReceipt, Statement};
use vouchlog_client::{LoggedStatements, ReceiptSink};
use vouchlog_merkle::leaf_hash;
use vouchlog_stream::StatementEntry;

use crate::commands::remote::Head;
use crate::commands::{place_file, sync_folder};

/// Where a statement is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) index: LeafIndex,
    pub(crate) entry: StatementEntry,
    /// Its proof file, if receipts are kept.
    pub(crate) file: Option<PathBuf>,
}

/// Where the receipt says its statements are.
pub(super) fn placed(
    receipt: &RangeReceipt,
    statements: &[Statement],
    receipts: Option<&Path>,
) -> anyhow::Result<Vec<Placed>> {
    let indexes = receipt.first.get()..;
    let placed = indexes.zip(receipt.entries(statements)?).map(|(index, entry)| {
        let index = LeafIndex::new(index);
        Placed { index, entry, file: receipts.map(|dir| proof_path(dir, index)) }
    });
    Ok(placed.collect())
}

/// Writes the proof file of each statement into `receipts`, named by its index. Each carries its entry.
///
/// That the receipt leads to its own checkpoint is checked here; whether the log signed that is checked by whoever knows the
/// log's key.
pub(super) fn keep(receipt: &RangeReceipt, statements: &[Statement], receipts: &Path) -> anyhow::Result<()> {
    let head = Head::read(&receipt.checkpoint).context("the receipt's checkpoint is malformed")?;
    let entries: Vec<StatementEntry> = receipt.entries(statements)?.collect();
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(&entry.to_bytes())).collect();
    let range = receipt.proof.place(receipt.first, &leaves, head.tree.size)?;
    anyhow::ensure!(range.root() == head.tree.root, "the receipt does not lead to its own checkpoint");
    for (index, entry) in (receipt.first.get()..).zip(entries) {
        let index = LeafIndex::new(index);
        let extra = Some(entry.to_bytes().to_vec());
        let file = ProofFile::new(extra, index, range.inclusion(index)?, head.note.clone())?;
        place_file(&proof_path(receipts, index), file.to_text().as_bytes())?;
    }
    sync_folder(receipts)
}

fn proof_path(dir: &Path, index: LeafIndex) -> PathBuf {
    dir.join(format!("{index}.tlog-proof"))
}

/// Keeps the proof files of what a gateway's spool sends, also of what an earlier run had left in it.
pub(super) struct Keeper(pub(super) PathBuf);

impl ReceiptSink for Keeper {
    fn keep(&mut self, taken: &LoggedStatements) -> io::Result<()> {
        keep(taken.receipt(), taken.statements(), &self.0)
            .map_err(|error| io::Error::other(format!("{error:#}")))
    }
}
