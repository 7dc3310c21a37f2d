//! Building a completeness proof: one pass over the log to find the streams' entries, then the proofs.

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt;
use vouchlog_api::{CachingReader, LogReader};
use vouchlog_merkle::{CompactRange, EntryBundle, LeafIndex, TILE_WIDTH, TileId, TreeSize};
use vouchlog_note::VerifyingKey;
use vouchlog_stream::{Enrolment, Entry, Operators, StreamId, StreamOpening};

use super::{
    BaseHead, CompletenessError, CompletenessProof, FORMAT, StreamProof, not_complete, verify_completeness,
};
use crate::checkpoint::open;
use crate::config::{Config, LogIdentity};
use crate::evidence::ProvenRun;
use crate::fetch::Fetcher;
use crate::limits::{MAX_COMPLETENESS_RUNS, MAX_COMPLETENESS_STATEMENTS, MAX_IN_FLIGHT};
use crate::proving::proven_run;
use crate::rules::open_genesis;

const WIDTH: u64 = TILE_WIDTH as u64;

/// Which streams to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// The one that the entry at this index opened.
    One(StreamId),
    /// All that have an entry in the part of the log.
    All,
}

/// Builds the proof that streams are complete between two sizes of the log, `from` and `to` (its newest checkpoint's if none is
/// given), and verifies it before it is handed out.
///
/// Reads the whole log up to `to`, for a stream's first entries may lie anywhere.
pub async fn prove_complete<R: LogReader>(
    reader: R,
    config: &Config,
    streams: Streams,
    from: TreeSize,
    to: Option<TreeSize>,
) -> Result<CompletenessProof, CompletenessError> {
    let log = Fetcher::new(reader, &config.options);
    let checkpoint = log.checkpoint().await?;
    let size = open(&checkpoint, &config.log)?.head().size;
    let to = to.unwrap_or(size);
    if from > to || to > size {
        return Err(CompletenessError::Sizes { from: from.get(), to: to.get(), size: size.get() });
    }
    if to.get() > config.options.max_entries {
        // As in an audit: reading so many would not end.
        return Err(CompletenessError::TooMany("the log signed more entries than are believed"));
    }
    let scan = scan(&log, config, streams, [from, to], size).await?;
    if let Streams::One(id) = streams
        && !scan.streams.contains_key(&id)
    {
        return Err(CompletenessError::UnknownStream(id.get()));
    }
    let log = CachingReader::new(log);
    let mut proofs = Vec::new();
    for (id, stream) in &scan.streams {
        if streams == Streams::All && !stream.is_in(*id, from) {
            continue;
        }
        let Some(enrolled) = scan.enrolled.get(&stream.gateway) else {
            return Err(not_complete(id.get(), "its gateway was never enrolled"));
        };
        proofs.push(prove_stream(&log, *id, *enrolled, stream, size).await?);
    }
    let mut operators = Vec::new();
    for index in scan.operators.iter().flat_map(Operators::changes) {
        operators.push(proven_run(&log, index.get(), 1, size).await?);
    }
    let proof = CompletenessProof {
        format: FORMAT.to_owned(),
        origin: config.log.origin.to_string(),
        from: from.get(),
        to: to.get(),
        checkpoint,
        genesis: proven_run(&log, 0, 1, size).await?,
        operators,
        streams: proofs,
    };
    verify_completeness(&proof, &config.log)?;
    Ok(proof)
}

async fn prove_stream(
    log: &impl LogReader,
    id: StreamId,
    enrolled: u64,
    stream: &Scanned,
    size: TreeSize,
) -> Result<StreamProof, CompletenessError> {
    let base = match &stream.base {
        None => None,
        Some((index, range)) => {
            let head = proven_run(log, *index, 1, size).await?;
            Some(BaseHead { head, range: range.hashes().to_vec() })
        }
    };
    let mut entries: Vec<ProvenRun> = Vec::with_capacity(stream.runs.len());
    for (first, end) in &stream.runs {
        entries.push(proven_run(log, *first, end - first, size).await?);
    }
    Ok(StreamProof {
        enrolment: proven_run(log, enrolled, 1, size).await?,
        opening: proven_run(log, id.get(), 1, size).await?,
        base,
        entries,
    })
}

/// What one pass over the log finds. Nothing of it is verified: the proof is, when it is finished.
struct Scan<'a> {
    log: &'a LogIdentity,
    wanted: Streams,
    from: u64,
    operators: Option<Operators>,
    enrolled: HashMap<VerifyingKey, u64>,
    streams: BTreeMap<StreamId, Scanned>,
    statements: u64,
    runs: usize,
}

/// Where a stream's entries are.
struct Scanned {
    gateway: VerifyingKey,
    range: CompactRange,
    /// Its last head before the part that is proven, and the range at it.
    base: Option<(u64, CompactRange)>,
    /// Begin and end of its entries side by side, from the base on.
    runs: Vec<(u64, u64)>,
}

impl Scanned {
    /// Whether the stream has an entry from this size on.
    fn is_in(&self, id: StreamId, from: TreeSize) -> bool {
        id.get() >= from.get() || self.runs.last().is_some_and(|(_, end)| *end > from.get())
    }
}

async fn scan<'a, R: LogReader>(
    log: &Fetcher<R>,
    config: &'a Config,
    wanted: Streams,
    [from, to]: [TreeSize; 2],
    size: TreeSize,
) -> Result<Scan<'a>, CompletenessError> {
    let mut scan = Scan {
        log: &config.log,
        wanted,
        from: from.get(),
        operators: None,
        enrolled: HashMap::new(),
        streams: BTreeMap::new(),
        statements: 0,
        runs: 0,
    };
    let fetches = futures::stream::iter(0..to.get().div_ceil(WIDTH)).map(|bundle| async move {
        let width = TileId { level: 0, index: bundle }.width_at(size);
        Ok::<_, CompletenessError>((bundle, width, log.entry_bundle(bundle, width).await?))
    });
    let in_flight = config.options.in_flight.clamp(1, MAX_IN_FLIGHT);
    let mut fetched = std::pin::pin!(fetches.buffered(in_flight));
    while let Some(next) = fetched.next().await {
        let (bundle, width, bytes) = next?;
        let entries = EntryBundle::entries(&bytes, usize::from(width))
            .map_err(|error| CompletenessError::Form(format!("entry bundle {bundle}: {error}")))?;
        for (index, entry) in (bundle * WIDTH..to.get()).zip(entries) {
            scan.entry(index, entry)?;
        }
    }
    Ok(scan)
}

impl Scan<'_> {
    fn entry(&mut self, index: u64, bytes: &[u8]) -> Result<(), CompletenessError> {
        match Entry::decode(bytes) {
            Ok(Entry::Statement(entry)) => {
                let Some(stream) = self.streams.get_mut(&entry.stream) else { return Ok(()) };
                stream.range.append(entry.statement.stream_leaf_hash());
                self.statements += 1;
                self.note(index, entry.stream)
            }
            Ok(Entry::StreamHead { stream: id, .. }) if index < self.from => {
                let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
                stream.base = Some((index, stream.range.clone()));
                let forgotten: u64 = stream.runs.iter().map(|(first, end)| end - first).sum();
                self.statements = self.statements.saturating_sub(forgotten);
                self.runs -= stream.runs.len();
                stream.runs.clear();
                Ok(())
            }
            Ok(Entry::StreamHead { stream, .. } | Entry::StreamClosed { stream, .. }) => {
                self.note(index, stream)
            }
            Ok(Entry::StreamOpened { note, .. }) => {
                self.opened(index, &note);
                Ok(())
            }
            Ok(Entry::Genesis { note, .. }) => {
                self.operators =
                    open_genesis(&note, &self.log.keys).map(|genesis| Operators::new(genesis.operator));
                Ok(())
            }
            Ok(Entry::GatewayEnrolled { note, .. }) => {
                if let Some(operators) = &self.operators
                    && let Ok(enrolment) = Enrolment::open(&note, &self.log.origin, operators.key())
                {
                    self.enrolled.entry(enrolment.gateway).or_insert(index);
                }
                Ok(())
            }
            Ok(Entry::OperatorChanged { note, .. }) => {
                if let Some(operators) = &mut self.operators {
                    // One that breaks the rules changes nothing: an audit reports it.
                    let _ = operators.take(LeafIndex::new(index), &note, &self.log.origin);
                }
                Ok(())
            }
            Ok(
                Entry::GatewayRevoked { .. }
                | Entry::QuotaSet { .. }
                | Entry::WitnessRotated { .. }
                | Entry::LogRetired { .. }
                | Entry::LogContinued { .. }
                | Entry::LogPruned { .. },
            )
            | Err(_) => Ok(()),
        }
    }

    fn opened(&mut self, index: u64, note: &str) {
        let Some(id) =
            StreamId::new(index).filter(|id| [Streams::One(*id), Streams::All].contains(&self.wanted))
        else {
            return;
        };
        if let Ok(opening) = StreamOpening::open(note, &self.log.origin) {
            let (gateway, range) = (opening.gateway, CompactRange::new());
            self.streams.insert(id, Scanned { gateway, range, base: None, runs: Vec::new() });
        }
    }

    /// Remembers where an entry of a stream is.
    fn note(&mut self, index: u64, id: StreamId) -> Result<(), CompletenessError> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        match stream.runs.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => {
                stream.runs.push((index, index + 1));
                self.runs += 1;
            }
        }
        // What a later head before `from` lets go of does not count yet.
        if index >= self.from && self.runs > MAX_COMPLETENESS_RUNS {
            return Err(CompletenessError::TooMany("the streams are in too many pieces"));
        }
        if index >= self.from && self.statements > MAX_COMPLETENESS_STATEMENTS {
            return Err(CompletenessError::TooMany("there are too many statements"));
        }
        Ok(())
    }
}
