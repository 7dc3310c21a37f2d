//! What an auditor does about completeness: rebuild a gateway's stream from the log, and compare it with what was signed.

use anyhow::Context;
use vouchlog::{LeafIndex, LogReader, Origin, StreamId, VerifyingKey};
use vouchlog_client::VerifiedLog;
use vouchlog_merkle::CompactRange;
use vouchlog_note::CosignedCheckpoint;
use vouchlog_stream::{Entry, StreamOpening, stream_origin};

/// A stream that was read from its opening to its close.
pub(super) struct CompleteStream {
    pub(super) id: StreamId,
    pub(super) size: u64,
}

/// A stream while it is read.
struct Reading {
    id: StreamId,
    /// Signs its heads.
    key: VerifyingKey,
    origin: Origin,
    /// The stream's own tree, grown from the statements in the log.
    range: CompactRange,
    closed: bool,
}

/// Reads every entry of the log, verified, and shows that the gateway's stream is closed and has no gap.
pub(super) async fn complete_stream<R: LogReader>(
    log: &VerifiedLog<R>,
    gateway: &VerifyingKey,
) -> anyhow::Result<CompleteStream> {
    let head = log.head().context("there is no verified checkpoint")?;
    let mut reading: Option<Reading> = None;
    for index in (0..head.head().size.get()).map(LeafIndex::new) {
        let (bytes, _) = log.entry(index).await?;
        let entry = Entry::decode(&bytes).with_context(|| format!("entry {index}"))?;
        match (&mut reading, &entry) {
            (None, Entry::StreamOpened { note, .. }) => {
                reading =
                    opened(note, head.origin(), index)?.filter(|(of, _)| of == gateway).map(|(_, new)| new);
            }
            (Some(stream), entry) => stream.read(entry).with_context(|| format!("entry {index}"))?,
            _ => {}
        }
    }
    let stream = reading.context("the gateway has no stream in the log")?;
    anyhow::ensure!(stream.closed, "stream {} is not closed: its last statements may be missing", stream.id);
    Ok(CompleteStream { id: stream.id, size: stream.range.end() })
}

/// A stream's beginning, and whose it is. Its note names the key that signs its heads, and the gateway signed the note.
fn opened(note: &str, log: &Origin, index: LeafIndex) -> anyhow::Result<Option<(VerifyingKey, Reading)>> {
    let opening = StreamOpening::open(note, log)?;
    let Some(id) = StreamId::from_index(index) else { return Ok(None) };
    let origin = Origin::new(&stream_origin(log.as_str(), id))?;
    let reading = Reading { id, key: opening.stream, origin, range: CompactRange::new(), closed: false };
    Ok(Some((opening.gateway, reading)))
}

impl Reading {
    fn read(&mut self, entry: &Entry) -> anyhow::Result<()> {
        match entry {
            Entry::Statement(entry) if entry.stream == self.id => {
                let (expected, found) = (self.range.end(), entry.sequence.get());
                anyhow::ensure!(found == expected, "sequence number {found} where {expected} is due");
                self.range.append(entry.statement.stream_leaf_hash());
                Ok(())
            }
            Entry::StreamHead { stream, note, .. } if *stream == self.id => self.head(note),
            Entry::StreamClosed { stream, note, .. } if *stream == self.id => {
                self.closed = true;
                self.head(note)
            }
            _ => Ok(()),
        }
    }

    /// What the gateway signed must be what the log holds.
    fn head(&self, note: &str) -> anyhow::Result<()> {
        let signed = CosignedCheckpoint::open(note.as_bytes(), &self.origin, &self.key)?.head();
        let (size, root) = (self.range.end(), self.range.root());
        anyhow::ensure!(
            signed.size.get() == size,
            "the gateway signed {} statements, there are {size}",
            signed.size
        );
        anyhow::ensure!(
            Some(signed.root) == root,
            "the gateway signed statements other than those in the log"
        );
        Ok(())
    }
}
