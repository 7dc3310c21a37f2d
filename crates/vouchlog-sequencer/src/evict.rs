//! Streams that have ended leave memory and the store, so that neither grows with the number of streams there ever were.
//!
//! A stream is evicted once nothing of it would be lost: it takes no more statements, its newest head is an entry, no fork of it
//! is kept, and the lookup index covers all its entries ([`crate::recall`] reads it back). The streams that ended last stay, so that
//! a gateway whose acknowledgement was lost gets the same answer again. The states go along with the next batch, or with a commit
//! of their own while the log is idle; that commit also says how far the evicted streams' entries reach.

use std::collections::HashSet;

use vouchlog_stream::{StreamId, StreamState};

use crate::draft::FinishedDraft;
use crate::limits::MAX_BATCH_EVICTIONS;
use crate::state::{Eviction, Shared};

/// The streams that can be evicted beside a batch. Those the batch touches are left for later.
pub(crate) fn evictable<S>(shared: &Shared<S>, drafted: &FinishedDraft) -> Eviction {
    let directory = shared.directory.read();
    let count = directory.ended().saturating_sub(shared.options.kept_ended_streams);
    let Some(index) = shared.index.as_deref().filter(|_| count > 0) else {
        return Eviction::default();
    };
    // An index that fails evicts nothing; the follower reports it.
    let covered = index.covered().unwrap_or(0);
    let touched: HashSet<StreamId> = drafted.streams.iter().map(StreamState::id).collect();
    directory.eviction(count.min(MAX_BATCH_EVICTIONS), covered, &touched)
}
