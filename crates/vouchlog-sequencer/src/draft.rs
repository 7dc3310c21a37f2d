//! A batch in the making: requests become entries and changed states, beside the committed ones, so that a batch that is not
//! committed leaves no trace.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_merkle::{Hash, LeafIndex, leaf_hash};
use vouchlog_note::{KeyName, VerifyingKey};
use vouchlog_stream::{
    Admitted, Counted, Entry, GatewayState, LoggedAt, Operators, QuotaState, Run, SequenceNumber, Statement,
    StatementEntry, StreamId, StreamOpening, StreamState, StreamStatus, Usage, WitnessKeys,
};

use crate::edge::Framed;
use crate::limits::MAX_OPEN_STREAMS_PER_GATEWAY;
use crate::queue::{Append, Done, SignedEnrolment};
use crate::recall::{Recall, unknown_stream};
use crate::state::{Directory, RetiredLog};

mod house;
mod operator;
mod quotas;
mod registry;
mod retirement;
mod witness;

pub(crate) use house::{House, HousePlace, HouseRun, OpenHouse};
pub(crate) use operator::{Parties, note_error, retired_operator};
use quotas::{DraftedQuotas, amounts, opening_amounts};

/// The batch.
pub(crate) struct Draft<'a> {
    committed: &'a Directory,
    /// The way to streams that were evicted; none when none was.
    recall: Option<Recall<'a>>,
    /// Streams that were read back and did not change.
    recalled: HashMap<StreamId, StreamState>,
    now: LoggedAt,
    first: u64,
    bytes: BytesMut,
    starts: Vec<u32>,
    leaves: Vec<Hash>,
    streams: HashMap<StreamId, StreamState>,
    opened: HashMap<VerifyingKey, StreamId>,
    /// How many streams of the batch each gateway opened.
    opened_by: HashMap<VerifyingKey, usize>,
    gateways: HashMap<VerifyingKey, GatewayState>,
    /// Names of the keys that the batch enrols.
    enrolled: HashSet<KeyName>,
    quotas: DraftedQuotas,
    /// Set once the log has ended, before this batch or in it.
    retired: Option<Arc<RetiredLog>>,
    /// The operator's keys, once the batch changes them.
    operators: Option<Operators>,
    /// The rotations of witnesses' keys, once the batch adds one.
    witness_keys: Option<WitnessKeys>,
}

/// A finished draft.
pub(crate) struct FinishedDraft {
    pub(crate) entries: Framed,
    /// Leaf hashes of the entries.
    pub(crate) leaves: Vec<Hash>,
    pub(crate) streams: Vec<StreamState>,
    pub(crate) gateways: Vec<GatewayState>,
    pub(crate) quotas: Vec<QuotaState>,
    pub(crate) usage: Vec<Usage>,
    pub(crate) operators: Option<Operators>,
    pub(crate) witness_keys: Option<WitnessKeys>,
    /// Requests that were refused, by the quota they would have exceeded.
    pub(crate) over_quota: Vec<Counted>,
    /// Set if the log has ended.
    pub(crate) retired: Option<Arc<RetiredLog>>,
    pub(crate) now: LoggedAt,
}

impl<'a> Draft<'a> {
    /// An empty batch for the tree of size `first`.
    pub(crate) fn new(
        committed: &'a Directory,
        recall: Option<Recall<'a>>,
        first: u64,
        now: LoggedAt,
    ) -> Self {
        Self {
            committed,
            recall,
            recalled: HashMap::new(),
            now,
            first,
            bytes: BytesMut::new(),
            starts: Vec::new(),
            leaves: Vec::new(),
            streams: HashMap::new(),
            opened: HashMap::new(),
            opened_by: HashMap::new(),
            gateways: HashMap::new(),
            enrolled: HashSet::new(),
            quotas: DraftedQuotas::default(),
            retired: committed.retired.clone(),
            operators: None,
            witness_keys: None,
        }
    }

    /// Makes room for so many statements, so that what is drafted is not copied as it grows.
    pub(crate) fn reserve(&mut self, statements: usize) {
        self.bytes.reserve(statements * (2 + StatementEntry::BYTES));
        self.starts.reserve(statements);
        self.leaves.reserve(statements);
    }

    pub(crate) fn finish(self) -> FinishedDraft {
        FinishedDraft {
            entries: Framed { bytes: self.bytes.freeze(), starts: self.starts },
            leaves: self.leaves,
            streams: self.streams.into_values().collect(),
            gateways: self.gateways.into_values().collect(),
            quotas: self.quotas.set.into_values().collect(),
            usage: self.quotas.usage.into_values().collect(),
            over_quota: self.quotas.refused,
            retired: self.retired,
            operators: self.operators,
            witness_keys: self.witness_keys,
            now: self.now,
        }
    }

    /// Appends an entry and returns its index.
    pub(crate) fn push(&mut self, entry: &Entry) -> LeafIndex {
        self.push_bytes(&entry.encode())
    }

    /// Appends to a stream, beats its heart, or closes it.
    pub(crate) fn append(&mut self, append: &Append) -> Result<Done> {
        let count = append.statements.len() as u64;
        let stream = self.find(append.stream)?;
        let is_new = count == 0 || append.range.end() > stream.size();
        let again = count == 0 && append.close && stream.status() == StreamStatus::Closed;
        if again && stream.tree_head() == append.head.head() {
            return Ok(Done::HeadOnly(stream.size()));
        }
        // A revoked gateway may still learn what became of what it sent before.
        let gateway = stream.gateway().clone();
        let amounts = amounts(append);
        if is_new {
            self.check_not_retired()?;
            self.check_gateway(&gateway)?;
            // A stream can always be closed.
            if count > 0 || !append.close {
                self.check_quota(gateway.name(), &amounts)?;
            }
        }
        let done = match self.admit(append)? {
            Admitted::Repeated(run) => return Ok(Done::Repeated(run)),
            Admitted::Appended(run) => {
                self.push_statements(append.stream, &run, &append.statements);
                Done::Appended(run)
            }
            Admitted::HeadOnly => Done::HeadOnly(append.range.end()),
        };
        self.charge(gateway.name(), &amounts);
        if append.close {
            self.close(append.stream);
        } else if count == 0 {
            self.write_head(append.stream);
        }
        Ok(done)
    }

    fn admit(&mut self, append: &Append) -> Result<Admitted> {
        let (first, now) = (self.next(), self.now);
        let Append { stream: id, range, head, .. } = append;
        let Some(recalled) = self.recalled.get_mut(id) else {
            let stream = self.stream_mut(*id).ok_or_else(|| unknown_stream(*id))?;
            return Ok(stream.admit_range(range, head, first, now)?);
        };
        // It has ended, so it takes nothing. Only the evidence of a fork brings it back to memory.
        let admitted = recalled.admit_range(range, head, first, now);
        if recalled.fork().is_some() {
            self.stream_mut(*id);
        }
        Ok(admitted?)
    }

    /// Opens a stream. The same opening again names the same stream.
    pub(crate) fn open(
        &mut self,
        note: String,
        opening: &StreamOpening,
        enrolment: Option<&SignedEnrolment>,
    ) -> Result<Done> {
        if let Some(id) = self.stream_of_key(&opening.stream) {
            let same = self
                .stream(id)
                .is_some_and(|s| *s.gateway() == opening.gateway && s.previous() == opening.previous);
            return if same { Ok(Done::Opened(id)) } else { Err(key_used(id)) };
        }
        let enrolment = self.by_operator(enrolment);
        self.check_may_open(&opening.gateway, enrolment.is_some())?;
        // Openings are public: anyone can send one again, long after its stream was evicted.
        if let Some(recall) = &self.recall
            && let Some((id, before)) = recall.by_key(&opening.stream)?
        {
            return opened_before(id, &before, opening);
        }
        self.check_not_retired()?;
        if let Some(previous) = opening.previous {
            let stream = self.find(previous.stream)?;
            if stream.gateway().name() != opening.gateway.name() {
                let message =
                    format!("stream {} belongs to another gateway and cannot be continued", previous.stream);
                return Err(Error::new(ErrorKind::PermissionDenied, message));
            }
            // Tried on a copy first: an enrolment below moves the new stream's index.
            let mut tried = stream.clone();
            tried.supersede(previous.stream, previous.size)?;
        }
        let amounts = opening_amounts(&note);
        self.check_quota(opening.gateway.name(), &amounts)?;
        if let (Some(SignedEnrolment { note, enrolment, .. }), None) =
            (enrolment, self.gateway(&opening.gateway))
        {
            self.enrol(note.clone(), enrolment)?;
        }
        let id = StreamId::from_index(self.next()).ok_or_else(|| {
            Error::new(ErrorKind::FailedPrecondition, "the log is too large for new streams")
        })?;
        if let Some(previous) = opening.previous
            && let Some(stream) = self.stream_mut(previous.stream)
        {
            stream.supersede(id, previous.size)?;
        }
        self.push(&Entry::StreamOpened { logged_at: self.now, note });
        self.charge(opening.gateway.name(), &amounts);
        let (gateway, key) = (opening.gateway.clone(), opening.stream.clone());
        self.opened.insert(key.clone(), id);
        *self.opened_by.entry(gateway.clone()).or_default() += 1;
        self.streams.insert(id, StreamState::new(id, gateway, key, opening.previous));
        Ok(Done::Opened(id))
    }

    /// Writes the newest head of a stream as an entry.
    pub(crate) fn write_head(&mut self, id: StreamId) {
        let logged_at = self.now;
        let Some(note) = self.stream(id).and_then(StreamState::head_note).map(str::to_owned) else { return };
        self.push(&Entry::StreamHead { logged_at, stream: id, note });
        if let Some(stream) = self.stream_mut(id) {
            stream.head_logged();
        }
    }

    fn close(&mut self, id: StreamId) {
        let logged_at = self.now;
        let Some(note) = self.stream(id).and_then(StreamState::head_note).map(str::to_owned) else { return };
        self.push(&Entry::StreamClosed { logged_at, stream: id, note });
        if let Some(stream) = self.stream_mut(id) {
            stream.head_logged();
            stream.close();
        }
    }

    /// A stream as it is with what was drafted so far. One that was evicted is seen once it was [found](Self::find).
    pub(crate) fn stream(&self, id: StreamId) -> Option<&StreamState> {
        let committed = || self.committed.streams.get(&id).map(Arc::as_ref);
        self.streams.get(&id).or_else(committed).or_else(|| self.recalled.get(&id))
    }

    /// Reads a stream back if it was evicted; an error if there is none.
    fn find(&mut self, id: StreamId) -> Result<&StreamState> {
        if self.stream(id).is_none() {
            let recalled = self.recall.as_ref().map(|recall| recall.stream(id)).transpose()?.flatten();
            self.recalled.insert(id, recalled.ok_or_else(|| unknown_stream(id))?);
        }
        self.stream(id).ok_or_else(|| unknown_stream(id))
    }

    /// Takes a stream that was read back elsewhere.
    pub(crate) fn put_recalled(&mut self, stream: &StreamState) {
        self.recalled.insert(stream.id(), stream.clone());
    }

    fn stream_mut(&mut self, id: StreamId) -> Option<&mut StreamState> {
        if !self.streams.contains_key(&id) {
            let committed = self.committed.streams.get(&id).map(|stream| StreamState::clone(stream));
            let stream = committed.or_else(|| self.recalled.remove(&id))?;
            self.streams.insert(id, stream);
        }
        self.streams.get_mut(&id)
    }

    fn stream_of_key(&self, key: &VerifyingKey) -> Option<StreamId> {
        self.opened.get(key).or_else(|| self.committed.by_key.get(key)).copied()
    }

    fn check_may_open(&self, key: &VerifyingKey, is_enrolled_on_the_way: bool) -> Result<()> {
        if is_enrolled_on_the_way && self.gateway(key).is_none() {
            return Ok(());
        }
        self.check_opens(key)?;
        let is_open = |stream: &StreamState| stream.status() == StreamStatus::Open;
        // What this batch opened or closed counts too.
        let drafted = |id: &StreamId| self.streams.get(id).is_none_or(is_open);
        let opened = self.opened_by.get(key).copied().unwrap_or(0);
        let open = self.committed.open_streams(key).filter(drafted).count() + opened;
        if open >= MAX_OPEN_STREAMS_PER_GATEWAY {
            return Err(Error::new(
                ErrorKind::FailedPrecondition,
                format!("the gateway has {open} open streams: close some, or name one as the predecessor"),
            ));
        }
        Ok(())
    }

    fn push_statements(&mut self, stream: StreamId, run: &Run, statements: &[Statement]) {
        let logged_at = self.now;
        for (statement, sequence) in statements.iter().zip(run.start..) {
            let sequence = SequenceNumber::new(sequence).expect("the stream admitted it");
            let entry = StatementEntry { logged_at, stream, sequence, statement: *statement };
            self.push_bytes(&entry.to_bytes());
        }
    }

    fn push_bytes(&mut self, entry: &[u8]) -> LeafIndex {
        // A second end of a log would be a second history. Every request is refused before it comes here.
        assert!(self.retired.is_none(), "nothing follows the retirement of a log");
        let index = self.next();
        self.starts.push(u32::try_from(self.bytes.len()).expect("a batch is far smaller than 4 GiB"));
        self.bytes.put_u16(u16::try_from(entry.len()).expect("entries are bounded to 65,535 bytes"));
        self.bytes.put_slice(entry);
        self.leaves.push(leaf_hash(entry));
        index
    }

    fn next(&self) -> LeafIndex {
        LeafIndex::new(self.first + self.leaves.len() as u64)
    }
}

/// The answer to an opening whose key has opened a stream before.
pub(crate) fn opened_before(id: StreamId, before: &StreamOpening, again: &StreamOpening) -> Result<Done> {
    if before == again { Ok(Done::Opened(id)) } else { Err(key_used(id)) }
}

fn key_used(stream: StreamId) -> Error {
    Error::invalid(format!("the key has already opened stream {stream}: generate a new key for each stream"))
}

#[cfg(test)]
mod tests {
    use vouchlog_note::{SignatureType, SigningKey};

    use super::*;
    use crate::testing::{ORIGIN, key};

    /// The bound holds within a batch as it does across batches, for each gateway on its own.
    #[test]
    fn a_batch_opens_no_more_streams_than_a_gateway_may_have() {
        let gateways = [1, 2].map(|seed| key("gateway.example", SignatureType::Ed25519, seed));
        let mut directory = Directory::default();
        for gateway in &gateways {
            let key = gateway.verifying_key().clone();
            directory.put_gateway(GatewayState::enrolled(key, LeafIndex::new(0)));
        }
        let opening = |gateway: &SigningKey, number: usize| {
            let seed = vouchlog_merkle::sha256(&number.to_be_bytes());
            let name = gateway.verifying_key().name().clone();
            let stream =
                SigningKey::generate(name, SignatureType::CosignatureEd25519, *seed.as_bytes()).unwrap();
            let (gateway, stream) = (gateway.verifying_key().clone(), stream.verifying_key().clone());
            StreamOpening {
                log: vouchlog_note::Origin::new(ORIGIN).unwrap(),
                gateway,
                stream,
                previous: None,
            }
        };
        let now = LoggedAt::from_millis(1).unwrap();
        let mut size = 0;
        let mut outcomes = Vec::new();
        for batch in 0..2 {
            let mut draft = Draft::new(&directory, None, size, now);
            for number in 0..700 {
                let opening = opening(&gateways[0], batch * 700 + number);
                outcomes.push(draft.open(String::new(), &opening, None).is_ok());
            }
            let other = opening(&gateways[1], 10_000 + batch);
            assert!(draft.open(String::new(), &other, None).is_ok());
            let drafted = draft.finish();
            size += drafted.leaves.len() as u64;
            drafted.streams.into_iter().for_each(|stream| directory.put_stream(stream, size));
        }
        let bound = MAX_OPEN_STREAMS_PER_GATEWAY;
        assert!(
            outcomes[..bound].iter().all(|opened| *opened) && outcomes[bound..].iter().all(|opened| !opened)
        );
    }
}
