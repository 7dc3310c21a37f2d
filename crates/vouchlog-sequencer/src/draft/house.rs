//! The house stream: for callers without a key of their own. The log is its gateway; its head is signed once a batch, not
//! once a request. Each process opens a fresh one at the first use, which names the one before.

use std::sync::Arc;

use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_merkle::{CompactRange, Hash, LeafIndex, TreeHead, TreeSize};
use vouchlog_note::{Checkpoint, CosignedCheckpoint, Origin, SignatureType, SigningKey};
use vouchlog_stream::{Admitted, Previous, Statement, StreamId, StreamOpening, StreamState, stream_origin};

use super::Draft;
use crate::queue::Done;

/// The key of an open house stream.
#[derive(Clone, Debug)]
pub(crate) struct OpenHouse {
    pub(crate) stream: StreamId,
    key: Arc<SigningKey>,
}

/// The log as a gateway of itself.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) origin: Origin,
    /// None when the log was opened without a house key.
    pub(crate) gateway: Option<SigningKey>,
    pub(crate) randomness: fn() -> [u8; 32],
    /// The stream this process opened; none before the first use.
    pub(crate) open: Option<OpenHouse>,
}

/// Statements of all house requests of a batch, in order.
#[derive(Debug, Default)]
pub(crate) struct HouseRun {
    statements: Vec<Statement>,
    leaves: Vec<Hash>,
}

impl HouseRun {
    /// Adds a request's statements; returns how many were there before them.
    pub(crate) fn add(&mut self, statements: &[Statement], leaves: &[Hash]) -> u64 {
        let before = self.statements.len() as u64;
        self.statements.extend_from_slice(statements);
        self.leaves.extend_from_slice(leaves);
        before
    }
}

/// Where the house run of a batch begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HousePlace {
    stream: StreamId,
    sequence: u64,
    first: u64,
}

impl HousePlace {
    /// The answer to a request whose statements begin `offset` into the run.
    pub(crate) fn done(self, offset: u64, count: usize) -> Done {
        Done::House {
            stream: self.stream,
            sequence: self.sequence + offset,
            first: LeafIndex::new(self.first + offset),
            count: u32::try_from(count).expect("requests are bounded"),
        }
    }
}

impl Draft<'_> {
    /// Appends the house run of the batch, opening the stream if need be. The stream's key comes back, to be kept once the
    /// batch is committed.
    pub(crate) fn append_house(&mut self, house: &House, run: &HouseRun) -> Result<(HousePlace, OpenHouse)> {
        let open = match &house.open {
            Some(open) => open.clone(),
            None => self.open_house(house)?,
        };
        let (first, now) = (self.next(), self.now);
        let lost = || Error::internal("the house stream is lost");
        // Revoked like any other gateway: the log itself is no exception.
        let gateway = self.stream(open.stream).ok_or_else(lost)?.gateway().clone();
        self.check_gateway(&gateway)?;
        let stream = self.stream_mut(open.stream).ok_or_else(lost)?;
        let place = HousePlace { stream: open.stream, sequence: stream.size(), first: first.get() };
        let range = CompactRange::of_leaves(place.sequence, &run.leaves).ok_or_else(lost)?;
        let head = sign_head(house, &open, stream, &range, now.millis() / 1000)?;
        match stream.admit_range(&range, &head, first, now)? {
            Admitted::Appended(admitted) => self.push_statements(open.stream, &admitted, &run.statements),
            Admitted::Repeated(_) | Admitted::HeadOnly => {
                return Err(Error::internal("the house stream did not take its statements"));
            }
        }
        Ok((place, open))
    }

    fn open_house(&mut self, house: &House) -> Result<OpenHouse> {
        let gateway = house.gateway.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::FailedPrecondition,
                "this log has no house stream: submit through a gateway's stream",
            )
        })?;
        let name = gateway.verifying_key().name().clone();
        let key = SigningKey::generate(name, SignatureType::CosignatureEd25519, (house.randomness)())
            .map_err(|error| Error::internal(error.to_string()))?;
        let opening = StreamOpening {
            log: house.origin.clone(),
            gateway: gateway.verifying_key().clone(),
            stream: key.verifying_key().clone(),
            previous: self.last_house(gateway),
        };
        let note = opening.sign(gateway).map_err(|error| Error::internal(error.to_string()))?;
        match self.open(note, &opening, None)? {
            Done::Opened(stream) => Ok(OpenHouse { stream, key: Arc::new(key) }),
            _ => Err(Error::internal("the house stream did not open")),
        }
    }

    /// The house stream of the process before.
    fn last_house(&self, gateway: &SigningKey) -> Option<Previous> {
        let newest = self.committed.open_streams(gateway.verifying_key()).next_back()?;
        self.stream(newest).map(|stream| Previous { stream: newest, size: stream.size() })
    }
}

fn sign_head(
    house: &House,
    open: &OpenHouse,
    stream: &StreamState,
    statements: &CompactRange,
    seconds: u64,
) -> Result<CosignedCheckpoint> {
    let ended = || Error::internal("the house stream has ended");
    let mut range: CompactRange = stream.range().ok_or_else(ended)?.clone();
    range.merge(statements).map_err(|error| Error::internal(error.to_string()))?;
    let root = range.root().ok_or_else(|| Error::internal("the house stream has no root"))?;
    let head = TreeHead { size: TreeSize::new(range.end()), root };
    let origin = Origin::new(&stream_origin(house.origin.as_str(), open.stream))
        .map_err(|error| Error::internal(error.to_string()))?;
    // The signed time may not go back, even if the clock does.
    let seconds = seconds.max(stream.head_timestamp());
    CosignedCheckpoint::sign(&Checkpoint::new(origin, head), &open.key, seconds)
        .map_err(|error| Error::internal(error.to_string()))
}
