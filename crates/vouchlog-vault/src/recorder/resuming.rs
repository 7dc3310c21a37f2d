//! Sending again: records that are kept and never reached the log, whichever stream their statements were signed for.
//!
//! ```text
//! kept, not logged ─┬─ waits in the spool ────────────────────────────────► nothing to do
//!                   ├─ signed for the present stream ─────────────────────► submit
//!                   ├─ signed for a former stream of this gateway ─► look up ─┬─ in the log ─► the receipt is kept
//!                   │                                                         └─ not in it ──► submit
//!                   └─ signed for another gateway's stream ─► wait; if the stream is silent and the gateway has our name: as above
//! ```
//!
//! A statement that is sent again keeps its signature and gets a place in the present stream.
//!
//! Nothing is submitted twice knowingly. The spool forgets a statement only after the vault has its receipt, so a statement that is in
//! neither was not submitted; that is checked while no other call is between keeping and submitting. A former stream's statement
//! may have reached the log without the vault knowing (its spool was lost), so it is looked up there first.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use vouchlog_api::{StreamActivity, StreamOwner, Submitter};
use vouchlog_stream::{Digest, Statement, StreamId};

use super::Recorder;
use crate::limits::MAX_ROWS;
use crate::recording_error::RecordingError;
use crate::{Backlog, RecordId, Unlogged};

/// Records of one page. Each page reads the whole spool twice, so small pages would cost more.
const PAGE: usize = MAX_ROWS;
/// Records that are looked up and submitted before others may go on.
const CHUNK: usize = 256;

/// Which streams' records to send again.
#[derive(Debug, Default)]
struct Streams {
    /// The present stream, of which the vault and the spool know everything.
    present: StreamId,
    /// What the log said of the others. Asked for once in a run.
    known: HashMap<StreamId, StreamOwner>,
    /// Streams of other gateways that fell silent.
    silent: HashSet<StreamId>,
}

impl Recorder {
    /// Sends what was kept and did not get to the log, because the process died in between, the spool was full, or a spool was lost:
    /// the records of the present stream and of all that it continues. Then finishes erasures, and puts on record which holds were
    /// placed and lifted, what was decided about findings, and what was done to cases. Returns how many were submitted.
    ///
    /// A page at a time; each page holds up other calls only while it is compared with the spool and submitted.
    pub async fn resume(&self) -> Result<usize, RecordingError> {
        let mut streams = self.streams().await?;
        let submitted = self.send_again(&mut streams, i64::MAX).await?;
        self.finish_erasures().await?;
        self.record_hold_events().await?;
        self.record_decisions().await?;
        self.record_cases().await?;
        Ok(submitted)
    }

    /// Sends the unlogged records of other gateways of the same name, once their streams have been silent for `silence`, at best
    /// [`SILENCE`](crate::limits::SILENCE). For after a whole state directory was lost: nothing connects the new stream to the old
    /// one. A gateway that runs and reaches the log is never silent for that long. Returns how many were submitted.
    pub async fn take_over(&self, silence: Duration) -> Result<usize, RecordingError> {
        let mut streams = self.streams().await?;
        let (before, last) = self.others(&mut streams).await?;
        if before.is_empty() {
            return Ok(0);
        }
        tokio::time::sleep(silence).await;
        for (stream, activity) in before {
            let owner = self.0.submitter.owner(stream).await.map_err(RecordingError::NotSubmitted)?;
            if owner == StreamOwner::Namesake(activity) {
                tracing::warn!(%stream, "a stream fell silent with records that are not in the log: sending them again");
                streams.silent.insert(stream);
            }
        }
        self.send_again(&mut streams, last).await
    }

    /// How many records are kept and not in the log, of all streams, and since when.
    pub async fn kept_not_logged(&self) -> Result<Backlog, RecordingError> {
        Ok(self.0.vault.kept_not_logged(&self.0.access).await?)
    }

    /// Submits those of the named records that were kept and not submitted. For calls that find records kept already.
    pub(super) async fn submit_kept(
        &self,
        present: StreamId,
        ids: &[RecordId],
    ) -> Result<(), RecordingError> {
        let mut streams = Streams { present, ..Streams::default() };
        for ids in ids.chunks(CHUNK) {
            let unlogged = self.0.vault.unlogged_among(&self.0.access, ids).await?;
            self.send_chunk(&mut streams, unlogged).await?;
        }
        Ok(())
    }

    async fn streams(&self) -> Result<Streams, RecordingError> {
        let signer = self.0.submitter.signer().await.map_err(RecordingError::NoStream)?;
        Ok(Streams { present: signer.stream, ..Streams::default() })
    }

    /// The streams of other gateways of our name that have unlogged records, and the last such record.
    async fn others(
        &self,
        streams: &mut Streams,
    ) -> Result<(HashMap<StreamId, StreamActivity>, i64), RecordingError> {
        let (mut others, mut last) = (HashMap::new(), i64::MIN);
        loop {
            let page = self.0.vault.unlogged(&self.0.access, last, PAGE).await?;
            let Some(end) = page.last() else { return Ok((others, last)) };
            last = end.n;
            for record in page {
                if let StreamOwner::Namesake(activity) = self.owner(streams, record.stream).await? {
                    others.insert(record.stream, activity);
                }
            }
        }
    }

    /// Sends all that is due, up to and with the record `last`.
    async fn send_again(&self, streams: &mut Streams, last: i64) -> Result<usize, RecordingError> {
        let (mut after, mut submitted) = (i64::MIN, 0);
        loop {
            let mut page = self.0.vault.unlogged(&self.0.access, after, PAGE).await?;
            page.retain(|record| record.n <= last);
            let Some(end) = page.last() else { return Ok(submitted) };
            after = end.n;
            let page = self.without_pending(page).await?;
            for chunk in page.chunks(CHUNK) {
                submitted += self.send_chunk(streams, chunk.to_vec()).await?;
            }
        }
    }

    /// Sends those of some unlogged records that are due. Returns how many were submitted.
    async fn send_chunk(
        &self,
        streams: &mut Streams,
        unlogged: Vec<Unlogged>,
    ) -> Result<usize, RecordingError> {
        let due = self.due(streams, self.without_pending(unlogged).await?).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let _alone = self.0.between.write().await;
        // In this order: what left the spool in between has its receipt in the vault.
        let due = self.without_pending(due).await?;
        let ids: Vec<RecordId> = due.into_iter().map(|record| record.id).collect();
        let due = self.0.vault.unlogged_among(&self.0.access, &ids).await?;
        let statements: Vec<Statement> = due.iter().map(|record| record.statement).collect();
        let count = statements.len();
        if count > 0 {
            self.0.submitter.submit(statements).await.map_err(RecordingError::NotSubmitted)?;
        }
        Ok(count)
    }

    /// Of some unlogged records those that the log does not have and that this recorder is to send.
    async fn due(
        &self,
        streams: &mut Streams,
        unlogged: Vec<Unlogged>,
    ) -> Result<Vec<Unlogged>, RecordingError> {
        let (mut due, mut former) = (Vec::new(), Vec::new());
        for record in unlogged {
            if record.stream == streams.present {
                due.push(record);
            } else if streams.silent.contains(&record.stream)
                || self.owner(streams, record.stream).await? == StreamOwner::Own
            {
                former.push(record);
            }
        }
        if !former.is_empty() {
            let statements = former.iter().map(|record| record.statement).collect();
            let missing = self.0.submitter.look_up(statements).await.map_err(RecordingError::NotSubmitted)?;
            let missing: HashSet<Digest> = missing.into_iter().map(|statement| statement.digest).collect();
            due.extend(former.into_iter().filter(|record| missing.contains(&record.statement.digest)));
            due.sort_by_key(|record| record.n);
        }
        Ok(due)
    }

    async fn owner(&self, streams: &mut Streams, stream: StreamId) -> Result<StreamOwner, RecordingError> {
        if stream == streams.present {
            return Ok(StreamOwner::Own);
        }
        if let Some(owner) = streams.known.get(&stream) {
            return Ok(owner.clone());
        }
        let owner = self.0.submitter.owner(stream).await.map_err(RecordingError::NotSubmitted)?;
        streams.known.insert(stream, owner.clone());
        Ok(owner)
    }

    async fn without_pending(&self, mut records: Vec<Unlogged>) -> Result<Vec<Unlogged>, RecordingError> {
        let digests = records.iter().map(|record| record.statement.digest).collect();
        let pending = self.0.submitter.pending(digests).await.map_err(RecordingError::NotSubmitted)?;
        records.retain(|record| !pending.contains(&record.statement.digest));
        Ok(records)
    }
}
