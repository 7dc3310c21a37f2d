//! Receipts the log does not give again: of statements it took in requests older than the ones it remembers. An old copy of
//! the state brings this about, or requests of a lost connection that the log took late, between newer ones.
//!
//! Each statement is looked up by its place and proven by itself; a proof of one leaf is a receipt for a run of one.

use std::ops::Range;

use vouchlog_api::{ErrorKind, LookupKey, RangeReceipt};
use vouchlog_merkle::{Hash, InclusionProof, LeafIndex, ProofError, RangeProof, TreeSize};
use vouchlog_note::ProofFile;
use vouchlog_proto::EntryName;
use vouchlog_stream::{Entry, SequenceNumber, Statement, StreamId};

use super::GatewayError;
use super::error::Trouble;
use super::session::Session;
use crate::ServedReceipt;
use crate::receipts::LoggedStatements;

/// Statements that are looked up before what is proven is made durable.
const CHUNK: usize = 64;

/// How much of a stream in the log is on disk here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// All of it, proven and acknowledged.
    All,
    /// A first part; the log has other statements behind it, or more than the spool.
    Part,
    /// Unknown from this sequence number on: the log has no lookup index to prove its statements with.
    Unproven(u64),
}

impl Session {
    /// Proves and acknowledges the statements of these sequence numbers, which begin where the acknowledged ones end.
    pub(super) async fn recover(&mut self, stream: StreamId, places: Range<u64>) -> Result<(), Trouble> {
        let mut at = places.start;
        while at < places.end {
            let count = usize::try_from(places.end - at).unwrap_or(CHUNK).min(CHUNK);
            let statements = self.disk.spool.read(self.state.base + at, count)?;
            let (mut state, mut taken) = (self.state.clone(), Vec::with_capacity(count));
            for statement in statements {
                taken.push(self.recover_one(stream, state.range.end(), statement).await?);
                state.range.append(statement.stream_leaf_hash());
            }
            at = state.range.end();
            self.remember(state, taken).await?;
        }
        Ok(())
    }

    /// Of a stream that may have more, or other statements, than are known here: acknowledges what waits and stands in it at its very
    /// place, up to `size`. The next stream then does not get it again. What a log without a lookup index has is sent again.
    pub(super) async fn recover_known(&mut self, stream: StreamId, size: u64) -> Result<Known, Trouble> {
        loop {
            let at = self.state.range.end();
            if at >= size {
                return Ok(Known::All);
            }
            let count = usize::try_from(size - at).unwrap_or(CHUNK).min(CHUNK);
            let statements = self.disk.spool.read(self.state.base + at, count)?;
            let (mut state, mut taken) = (self.state.clone(), Vec::with_capacity(count));
            let mut end = statements.is_empty().then_some(Known::Part);
            for statement in &statements {
                let place = state.range.end();
                let served = match self.served(stream, place).await {
                    Ok(served) => served,
                    Err(Trouble::Stop(GatewayError::ReceiptsLost { .. })) => {
                        end = Some(Known::Unproven(place));
                        break;
                    }
                    Err(trouble) => return Err(trouble),
                };
                match Entry::decode(&served.entry) {
                    Ok(Entry::Statement(entry)) if entry.statement == *statement => {}
                    _ => {
                        end = Some(Known::Part);
                        break;
                    }
                }
                taken.push(self.prove(stream, place, *statement, &served)?);
                state.range.append(statement.stream_leaf_hash());
            }
            if !taken.is_empty() {
                self.remember(state, taken).await?;
            }
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    async fn recover_one(
        &mut self,
        id: StreamId,
        place: u64,
        statement: Statement,
    ) -> Result<LoggedStatements, Trouble> {
        let served = self.served(id, place).await?;
        self.prove(id, place, statement, &served)
    }

    /// What the log has at a place of a stream.
    async fn served(&self, id: StreamId, place: u64) -> Result<ServedReceipt, Trouble> {
        let lost = || GatewayError::ReceiptsLost { stream: id, from: place, to: place + 1 };
        let sequence = SequenceNumber::new(place).ok_or_else(lost)?;
        let served = self.log.receipt(EntryName::Key(LookupKey::Sequence(id, sequence))).await;
        served.map_err(|error| match error.kind {
            ErrorKind::FailedPrecondition => lost().into(),
            _ => Trouble::from(error),
        })
    }

    /// The verified receipt of a statement.
    fn prove(
        &mut self,
        id: StreamId,
        place: u64,
        statement: Statement,
        served: &ServedReceipt,
    ) -> Result<LoggedStatements, Trouble> {
        let lost = || GatewayError::ReceiptsLost { stream: id, from: place, to: place + 1 };
        let sequence = SequenceNumber::new(place).ok_or_else(lost)?;
        let receipt = single(id, sequence, served).map_err(GatewayError::Unverified)?;
        let (me, checkpoint) = (&self.me, receipt.checkpoint.clone());
        let taken = LoggedStatements::verify(vec![statement], receipt, &me.origin, &me.log_key)
            .map_err(|error| GatewayError::Receipt { error, checkpoint })?;
        self.see(taken.checkpoint())?;
        Ok(taken)
    }
}

/// A served proof as a receipt for a run of one. Nothing is verified but that it can be read.
pub(super) fn single(
    stream: StreamId,
    sequence: SequenceNumber,
    served: &ServedReceipt,
) -> Result<RangeReceipt, String> {
    let Ok(Entry::Statement(entry)) = Entry::decode(&served.entry) else {
        return Err(format!("entry {} is not a statement", served.index));
    };
    let file = ProofFile::parse(served.proof_file.as_bytes()).map_err(|error| error.to_string())?;
    let size = unverified_size(file.note().unverified_text())?;
    let proof = range_of_one(served.index, size, file.proof()).map_err(|error| error.to_string())?;
    Ok(RangeReceipt {
        stream,
        sequence,
        first: served.index,
        count: 1,
        logged_at: entry.logged_at,
        proof,
        checkpoint: file.note().as_str().to_owned(),
    })
}

/// The size decides only how the hashes are laid out; the receipt is verified against the signed one.
fn unverified_size(text: &str) -> Result<TreeSize, String> {
    let checkpoint = vouchlog_note::Checkpoint::parse(text).map_err(|error| error.to_string())?;
    Ok(checkpoint.head().size)
}

/// Sorts the hashes of an inclusion proof by the side of the leaf they are on.
///
/// ```text
/// inclusion proof    leaf side first, both sides mixed
/// range proof        left: left to right, so that the one next to the leaf is last;  right: leaf side first
/// ```
fn range_of_one(index: LeafIndex, size: TreeSize, proof: &InclusionProof) -> Result<RangeProof, ProofError> {
    let (mut at, mut last) = (index.get(), size.get().saturating_sub(1));
    let (mut left, mut right): (Vec<Hash>, Vec<Hash>) = (Vec::new(), Vec::new());
    for sibling in proof.hashes() {
        if at % 2 == 1 || at == last {
            left.push(*sibling);
            // On the right edge a node without a right sibling moves up as it is; those levels have no hash.
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            right.push(*sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    left.reverse();
    RangeProof::from_parts(left, right)
}

#[cfg(test)]
mod tests {
    use vouchlog_merkle::{CompactRange, leaf_hash};

    use super::*;

    /// For every leaf of every tree up to 40: the proof of the leaf, sorted, is the proof of the range of one.
    #[test]
    fn a_proof_of_a_leaf_is_a_proof_of_a_range_of_one() {
        let leaves: Vec<Hash> = (0..40_u8).map(|n| leaf_hash(&[n])).collect();
        for size in 1..=leaves.len() {
            let mut tree = CompactRange::new();
            let growth = tree.extend(&leaves[..size]);
            let root = tree.root().unwrap();
            for (index, leaf) in (0..).map(LeafIndex::new).zip(&leaves[..size]) {
                let plan = InclusionProof::plan(index, tree.size()).unwrap();
                let nodes: Vec<Hash> = plan.nodes().iter().map(|node| growth.node(*node).unwrap()).collect();
                let proof = InclusionProof::from_nodes(&plan, &nodes).unwrap();
                let range = range_of_one(index, tree.size(), &proof).unwrap();
                range.verify(index, &[*leaf], tree.size(), &root).unwrap();
            }
        }
    }
}
