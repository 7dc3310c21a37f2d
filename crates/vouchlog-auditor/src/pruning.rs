//! Entries that a log gave up: whether it announced that, and which are therefore not checked.
//!
//! A log that prunes announces its minimum index in an entry, and shows at `/pruned` where that entry is. The audit does not trust that text: the entry
//! must be in the tree under audit, and signed by the log. A bundle below an announced minimum that is not served is then no loss but *not checked*; one above
//! it, or below one that is not announced, is a finding. The tiles must be there in any case.

use serde::Serialize;
use vouchlog_api::{LogReader, Result, proof};
use vouchlog_merkle::TreeHead;
use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_stream::{Entry, Pruning};

use crate::config::LogIdentity;
use crate::fetch::is_log_unreadable;

/// A minimum index that a log announced in an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnnouncedPruning {
    /// The minimum index: entry bundles that end at or below it may be gone.
    pub minimum: u64,
    /// The entry that announces it.
    pub entry: u64,
    /// Why, in the operator's words.
    pub reason: String,
}

/// What a log announced that it gave up, if the tree of `head` has the announcement and the log signed it.
///
/// # Errors
/// When the log could not be asked. A log that shows no such entry has announced nothing.
pub async fn announced_pruning(
    reader: &impl LogReader,
    log: &LogIdentity,
    head: &TreeHead,
) -> Result<Option<AnnouncedPruning>> {
    let notice = match reader.pruned().await {
        Ok(Some(notice)) if head.size.contains(notice.announced) => notice,
        Err(error) if is_log_unreadable(&error) => return Err(error),
        Ok(_) | Err(_) => return Ok(None),
    };
    let index = notice.announced;
    let entry = match proof::checked_inclusion(reader, index, head.size, &head.root).await {
        Ok((entry, _)) => entry,
        Err(error) if is_log_unreadable(&error) => return Err(error),
        Err(_) => return Ok(None),
    };
    let Ok(Entry::LogPruned { note, .. }) = Entry::decode(&entry) else { return Ok(None) };
    let pruning = open_pruning(&note, index.get(), &log.origin, &log.keys);
    Ok(pruning.map(|Pruning { minimum, reason, .. }| AnnouncedPruning {
        minimum,
        entry: index.get(),
        reason,
    }))
}

/// The announcement in the entry at an index. SPEC: it is signed by the log, and its minimum index lies before the entry.
pub(crate) fn open_pruning(
    note: &str,
    index: u64,
    origin: &Origin,
    keys: &[VerifyingKey],
) -> Option<Pruning> {
    let signed = keys.iter().find_map(|key| Pruning::open(note, origin, key).ok());
    signed.filter(|pruning| pruning.minimum <= index)
}
