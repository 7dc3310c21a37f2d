//! Comparing what is on disk with what the log has of the stream: the one place where a gateway finds out what became of
//! requests that were not answered.

use std::collections::VecDeque;
use std::ops::Range;

use vouchlog_api::StreamInfo;
use vouchlog_merkle::CompactRange;
use vouchlog_stream::StreamStatus;

use super::GatewayError;
use super::error::Trouble;
use super::session::{Stream, lost};
use crate::spool::{Spool, State};
use crate::{Evidence, Misbehaviour, SpoolError};

/// Statements hashed at a time while the root of an unacknowledged size is computed.
const CHUNK: u64 = 4_096;

/// A request the log took, by its place in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Redo {
    pub(super) start: u64,
    pub(super) count: u32,
}

/// How to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Send `redo` again, to get their receipts; then what is new, if the stream is open. Before that, `recover` what the log
    /// took but remembers no request of.
    GoOn { recover: Range<u64>, redo: VecDeque<Redo>, is_open: bool, signed_at: u64 },
    /// The stream has statements that are not on disk here: this is an older copy of the state. Signing on would make two
    /// histories, so a new stream has to continue this one.
    Successor { signed_at: u64 },
    /// The log has statements of the stream, but not the head that was signed over them: it was rebuilt from its entries. They are
    /// compared with those on disk one by one. If they are the same, the stream is closed with a head of exactly its size; a new
    /// stream continues it in any case, because a larger head may have been signed that the log lost.
    Headless,
}

impl Plan {
    /// When the newest head in the log was signed.
    pub(super) fn signed_at(&self) -> u64 {
        match self {
            Self::GoOn { signed_at, .. } | Self::Successor { signed_at } => *signed_at,
            Self::Headless => 0,
        }
    }
}

/// Compares. The log's account of the stream is trusted only as far as our own signature covers it.
pub(super) fn compare(
    state: &State,
    spool: &Spool,
    stream: &Stream,
    info: &StreamInfo,
) -> Result<Plan, Trouble> {
    let acknowledged = state.size();
    if info.key != stream.key.verifying_key().to_string() {
        return Err(lost(state, format!("stream {} belongs to the key `{}`", stream.id, info.key)));
    }
    if let Some(fork) = info.fork.clone() {
        return Err(GatewayError::Forked { stream: stream.id, fork: Box::new(fork) }.into());
    }
    if info.size < acknowledged {
        let said =
            format!("stream {} has {} statements; it had acknowledged {acknowledged}", stream.id, info.size);
        return Err(lost(state, said));
    }
    let head = info.head.as_deref().map(|note| stream.open_head(note)).transpose()?;
    let signed_at = head.as_ref().map_or(0, vouchlog_note::CosignedCheckpoint::timestamp);
    match &head {
        None if info.size == 0 => {}
        None => return Ok(Plan::Headless),
        Some(head) if head.head().size.get() == info.size => {
            let root = range_at(state, spool, info.size)?.and_then(|range| range.root());
            if root != Some(head.head().root) {
                return differs(state, info, head.note(), signed_at);
            }
        }
        Some(head) => {
            let signed = head.head().size;
            let said =
                format!("stream {} has {} statements, but its head covers {signed}", stream.id, info.size);
            return Err(GatewayError::Unverified(said).into());
        }
    }
    let (begin, redo) = redo(acknowledged, info);
    Ok(Plan::GoOn {
        recover: acknowledged..begin,
        redo,
        is_open: info.status == StreamStatus::Open,
        signed_at,
    })
}

/// Our key signed another head than the one on disk here.
fn differs(state: &State, info: &StreamInfo, head: &str, signed_at: u64) -> Result<Plan, Trouble> {
    if info.size > state.size() {
        return Ok(Plan::Successor { signed_at });
    }
    // At the acknowledged size we hold receipts for what we have: the log took two histories.
    let known = state.head.clone().unwrap_or_default();
    let evidence = Evidence { what: Misbehaviour::Fork, known, presented: head.to_owned() };
    Err(GatewayError::Misbehaviour(Box::new(evidence)).into())
}

/// The stream's tree at a size, from what is acknowledged and what is in the spool; `None` if it does not reach so far.
fn range_at(state: &State, spool: &Spool, size: u64) -> Result<Option<CompactRange>, SpoolError> {
    let mut range = state.range.clone();
    if spool.end().saturating_sub(state.base) < size {
        return Ok(None);
    }
    while range.end() < size {
        let count = usize::try_from((size - range.end()).min(CHUNK)).expect("a chunk is small");
        let statements = spool.read(state.base + range.end(), count)?;
        if statements.is_empty() {
            return Err(SpoolError::Damaged("statements are missing".into()));
        }
        for statement in &statements {
            range.append(statement.stream_leaf_hash());
        }
    }
    Ok(Some(range))
}

/// The requests the log took beyond what is acknowledged, as far back as it remembers them, and where they begin. Usually
/// that is where the acknowledged statements end, for no more are ever under way than the log remembers.
fn redo(acknowledged: u64, info: &StreamInfo) -> (u64, VecDeque<Redo>) {
    let mut redo = VecDeque::new();
    let mut begin = info.size;
    for run in info.runs.iter().rev() {
        let follows = run.start.checked_add(u64::from(run.count)) == Some(begin);
        if run.count == 0 || run.start < acknowledged || !follows {
            break;
        }
        redo.push_front(Redo { start: run.start, count: run.count });
        begin = run.start;
    }
    (begin, redo)
}

#[cfg(test)]
mod tests {
    use vouchlog_api::RunInfo;
    use vouchlog_merkle::LeafIndex;
    use vouchlog_stream::{LoggedAt, StreamId};

    use super::*;

    #[test]
    fn the_log_is_asked_for_the_runs_it_remembers() {
        let check = |acknowledged, size, runs: &[(u64, u32)], begin, starts: &[u64]| {
            let run = |&(start, count): &(u64, u32)| RunInfo {
                start,
                count,
                first: LeafIndex::new(0),
                logged_at: LoggedAt::default(),
            };
            let info = StreamInfo {
                stream: StreamId::default(),
                gateway: String::new(),
                enrolled: LeafIndex::new(1),
                revoked: None,
                operator_changes: Vec::new(),
                key: String::new(),
                previous: None,
                size,
                head: None,
                runs: runs.iter().map(run).collect(),
                status: StreamStatus::Open,
                fork: None,
            };
            let (found, redo) = redo(acknowledged, &info);
            assert_eq!((found, redo.iter().map(|r| r.start).collect::<Vec<_>>()), (begin, starts.to_vec()));
        };
        check(0, 0, &[], 0, &[]);
        check(9, 9, &[(0, 4), (4, 5)], 9, &[]);
        check(4, 9, &[(0, 4), (4, 5)], 4, &[4]);
        check(0, 9, &[(0, 4), (4, 5)], 0, &[0, 4]);
        // What is older than the runs it remembers has to be proven otherwise.
        check(0, 9, &[(3, 1), (4, 5)], 3, &[3, 4]);
        check(2, 9, &[(0, 4), (4, 5)], 4, &[4]);
        // Nonsense is not believed.
        check(0, 9, &[(0, 3), (4, 5)], 4, &[4]);
        check(0, 9, &[(0, 4), (4, 4)], 9, &[]);
        check(0, u64::MAX, &[(u64::MAX, 4)], u64::MAX, &[]);
        check(0, 9, &[(9, 0)], 9, &[]);
    }
}
