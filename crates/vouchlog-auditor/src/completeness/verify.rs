//! Verifying a completeness proof from scratch, offline.

use vouchlog_merkle::{CompactRange, LeafIndex, TreeHead};
use vouchlog_note::{CosignedCheckpoint, Origin, VerifyingKey};
use vouchlog_stream::{
    Enrolment, Entry, Operators, StatementEntry, StatementKind, StreamId, StreamOpening, stream_origin,
};

use super::{
    BaseHead, CompleteStream, Completeness, CompletenessError, CompletenessProof, DeclaredLoss, StreamProof,
    check_run, not_complete,
};
use crate::checkpoint::{cosignatures, open};
use crate::config::LogIdentity;
use crate::evidence::ProvenRun;
use crate::rules::open_genesis;

/// Verifies a completeness proof against the log as the caller knows it.
pub fn verify_completeness(
    proof: &CompletenessProof,
    log: &LogIdentity,
) -> Result<Completeness, CompletenessError> {
    proof.check_bounds()?;
    let signed = open(&proof.checkpoint, log)?;
    let cosigned = cosignatures(&signed, log);
    if !cosigned.quorum {
        return Err(CompletenessError::NoQuorum);
    }
    let head = signed.head();
    let size = head.size.get();
    if proof.from > proof.to || proof.to > size {
        return Err(CompletenessError::Sizes { from: proof.from, to: proof.to, size });
    }
    let operators = operators(proof, &head, log)?;
    let mut streams: Vec<CompleteStream> = Vec::with_capacity(proof.streams.len());
    for stream in &proof.streams {
        let shown = Replay::begin(stream, &head, log, &operators)?.run(stream, &head, proof.to)?;
        if streams.iter().any(|other| other.stream == shown.stream) {
            return Err(not_complete(shown.stream, "it occurs twice in the file"));
        }
        streams.push(shown);
    }
    Ok(Completeness { size, root: head.root, cosigned_by: cosigned.by, streams })
}

/// The operator that the genesis entry names, and the keys that took the place of its key.
fn operators(
    proof: &CompletenessProof,
    head: &TreeHead,
    log: &LogIdentity,
) -> Result<Operators, CompletenessError> {
    let genesis = &proof.genesis;
    check_run(genesis, head)?;
    let first = (genesis.first == 0).then(|| genesis.entries.first()).flatten();
    let opened = match first.map(|entry| Entry::decode(entry)) {
        Some(Ok(Entry::Genesis { note, .. })) => open_genesis(&note, &log.keys),
        _ => None,
    };
    let opened = opened.filter(|genesis| genesis.origin == log.origin);
    let opened = opened.ok_or_else(|| {
        CompletenessError::Form("its first entry is not the genesis entry of this log".to_owned())
    })?;
    let mut operators = Operators::new(opened.operator);
    let mut last = 0;
    for run in &proof.operators {
        let bad = |problem: &str| CompletenessError::Form(format!("entry {}: {problem}", run.first));
        let Some(Entry::OperatorChanged { note, .. }) = one_entry(run, head)?.filter(|_| run.first > last)
        else {
            return Err(bad("it is not the next change of the operator's key"));
        };
        last = run.first;
        operators.take(LeafIndex::new(last), &note, &log.origin).map_err(|error| bad(&error.to_string()))?;
    }
    Ok(operators)
}

/// A stream as far as its entries were taken up.
struct Replay {
    id: StreamId,
    key: VerifyingKey,
    origin: Origin,
    range: CompactRange,
    /// The index its next entry must be behind.
    last: u64,
    shown: CompleteStream,
}

impl Replay {
    /// Checks who opened the stream, and the head that the proof begins with.
    fn begin(
        proof: &StreamProof,
        head: &TreeHead,
        log: &LogIdentity,
        operators: &Operators,
    ) -> Result<Self, CompletenessError> {
        let index = proof.opening.first;
        let bad = |problem: &str| not_complete(index, problem);
        let Some((id, Entry::StreamOpened { note, .. })) =
            StreamId::new(index).zip(one_entry(&proof.opening, head)?)
        else {
            return Err(bad("the entry at its index is not an opening"));
        };
        let opening = StreamOpening::open(&note, &log.origin)
            .map_err(|error| not_complete(index, error.to_string()))?;
        // SPEC: a stream is opened by a key that the operator enrolled before.
        let enrolled = match one_entry(&proof.enrolment, head)? {
            Some(Entry::GatewayEnrolled { note, .. }) => {
                let operator = operators.at(LeafIndex::new(proof.enrolment.first));
                Enrolment::open(&note, &log.origin, operator).ok()
            }
            _ => None,
        };
        let enrolled = enrolled.filter(|enrolment| enrolment.gateway == opening.gateway);
        let Some(enrolled) = enrolled.filter(|_| proof.enrolment.first < index) else {
            return Err(bad("its gateway's enrolment is not shown"));
        };
        let origin = Origin::new(&stream_origin(log.origin.as_str(), id))?;
        let shown = CompleteStream {
            stream: index,
            gateway: opening.gateway.name().to_string(),
            rotated_from: enrolled.rotated_from().cloned(),
            is_house: opening.gateway.name().as_str() == format!("{}/house", log.origin),
            gateway_vkey: opening.gateway,
            continues: opening.previous.map(|previous| (previous.stream.get(), previous.size)),
            first: 0,
            signed: 0,
            pending: 0,
            heads: 0,
            newest_head: None,
            closed: false,
            declared_losses: Vec::new(),
        };
        let range = CompactRange::new();
        let mut replay = Self { id, key: opening.stream, origin, range, last: index, shown };
        if let Some(base) = &proof.base {
            replay.begin_at(base, head)?;
        }
        Ok(replay)
    }

    /// Begins at a signed head instead of the first statement.
    fn begin_at(&mut self, base: &BaseHead, head: &TreeHead) -> Result<(), CompletenessError> {
        let bad = |problem: &str| not_complete(self.id.get(), problem);
        let note = match one_entry(&base.head, head)? {
            Some(Entry::StreamHead { stream, note, .. }) if stream == self.id => note,
            _ => return Err(bad("it does not start with a head of the stream")),
        };
        let signed = self.open_head(&note)?;
        let size = signed.head().size.get();
        let range = CompactRange::from_hashes(0, size, base.range.clone());
        let range = range.ok().filter(|range| range.root() == Some(signed.head().root));
        self.range = range.ok_or_else(|| bad("the range at its start is not the signed one"))?;
        self.last = self.last.max(base.head.first);
        (self.shown.first, self.shown.signed) = (size, size);
        self.shown.newest_head = Some(signed.timestamp());
        Ok(())
    }

    fn open_head(&self, note: &str) -> Result<CosignedCheckpoint, CompletenessError> {
        CosignedCheckpoint::open(note.as_bytes(), &self.origin, &self.key)
            .map_err(|error| not_complete(self.id.get(), format!("a head does not verify: {error}")))
    }

    /// Takes up every entry of the stream.
    fn run(
        mut self,
        proof: &StreamProof,
        head: &TreeHead,
        to: u64,
    ) -> Result<CompleteStream, CompletenessError> {
        for run in &proof.entries {
            check_run(run, head)?;
            if run.first <= self.last {
                return Err(not_complete(self.id.get(), "its entries are not in the order of the log"));
            }
            for (index, bytes) in (run.first..).zip(&run.entries) {
                if index >= to {
                    return Err(not_complete(self.id.get(), "it exceeds the part of the log that it covers"));
                }
                self.entry(index, bytes)?;
                self.last = index;
            }
        }
        self.shown.pending = self.range.end() - self.shown.signed;
        Ok(self.shown)
    }

    fn entry(&mut self, index: u64, bytes: &[u8]) -> Result<(), CompletenessError> {
        let stream = self.id;
        if self.shown.closed {
            return Err(not_complete(stream.get(), format!("entry {index} comes after its closing")));
        }
        match Entry::decode(bytes) {
            Ok(Entry::Statement(statement)) if statement.stream == stream => {
                self.statement(index, &statement)
            }
            Ok(Entry::StreamHead { stream: of, note, .. }) if of == stream => self.head(index, &note),
            Ok(Entry::StreamClosed { stream: of, note, .. }) if of == stream => {
                self.shown.closed = true;
                self.head(index, &note)
            }
            _ => Err(not_complete(stream.get(), format!("entry {index} does not belong to the stream"))),
        }
    }

    /// SPEC: sequence numbers follow one another.
    fn statement(&mut self, index: u64, entry: &StatementEntry) -> Result<(), CompletenessError> {
        let (next, sequence) = (self.range.end(), entry.sequence.get());
        if sequence != next {
            let problem = format!("entry {index} has sequence number {sequence}, {next} follows");
            return Err(not_complete(self.id.get(), problem));
        }
        self.range.append(entry.statement.stream_leaf_hash());
        if entry.statement.kind == StatementKind::DeclaredLoss {
            self.shown.declared_losses.push(DeclaredLoss { sequence, index });
        }
        Ok(())
    }

    /// SPEC: a head is signed by the stream's key over exactly the statements before it.
    fn head(&mut self, index: u64, note: &str) -> Result<(), CompletenessError> {
        let signed = self.open_head(note)?;
        if signed.head().size != self.range.size() || Some(signed.head().root) != self.range.root() {
            let problem = format!("the head at entry {index} does not match the statements before it");
            return Err(not_complete(self.id.get(), problem));
        }
        if self.shown.newest_head.is_some_and(|newest| signed.timestamp() < newest) {
            return Err(not_complete(
                self.id.get(),
                format!("the head at entry {index} is older than the one before it"),
            ));
        }
        self.shown.signed = signed.head().size.get();
        self.shown.newest_head = Some(signed.timestamp());
        self.shown.heads += 1;
        Ok(())
    }
}

/// The entry of a run of one, after the run was found to be in the log.
fn one_entry(run: &ProvenRun, head: &TreeHead) -> Result<Option<Entry>, CompletenessError> {
    check_run(run, head)?;
    Ok(match run.entries.as_slice() {
        [entry] => Entry::decode(entry).ok(),
        _ => None,
    })
}
