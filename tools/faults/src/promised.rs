//! What a log promised to the gateways of a campaign: kept as JSON beside the data, so that a trial can be repeated later.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use vouchlog_api::{AckLevel, Append, Appended, Appender, Error};
use vouchlog_client::GrpcLog;
use vouchlog_merkle::{CompactRange, Hash, TreeHead};
use vouchlog_note::{Checkpoint, CosignedCheckpoint, Origin, SignatureType, VerifyingKey};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements};
use vouchlog_stream::{Statement, StreamId, stream_origin};

/// The time gateways sign with, in seconds since 1970.
const SIGNED_AT: u64 = 1_767_225_600;
/// How often a request that met a passing error is sent again, and the pause between.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);
/// Seed of a gateway's stream key: so far from the gateway's own.
const STREAM_SEED: u8 = 100;

/// The log's public key.
pub(crate) fn vkey() -> VerifyingKey {
    key(ORIGIN, SignatureType::Ed25519, 1).verifying_key().clone()
}

/// The log's origin.
pub(crate) fn origin() -> Result<Origin> {
    Ok(Origin::new(ORIGIN)?)
}

/// One request of a gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Request {
    /// What its statements follow from.
    seed: u64,
    count: usize,
    /// What the log answered. Without it, the log may have taken the request or not.
    answer: Option<Answer>,
}

impl Request {
    fn statements(&self) -> Vec<Statement> {
        statements(self.count, self.seed)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    /// Index of the first statement.
    first: u64,
    size: u64,
    root: String,
}

/// A gateway's stream, and every request sent on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stream {
    seed: u8,
    stream: u64,
    requests: Vec<Request>,
}

/// Why a request was not answered as it should be.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The log refused it.
    Refused(Error),
    /// The log answered, and the answer breaks a promise.
    Broken(String),
}

impl Stream {
    /// Enrols gateway `seed` and opens a stream.
    pub(crate) async fn open(log: &GrpcLog, seed: u8) -> Result<Self, Error> {
        log.enrol(TestGateway::enrolment(seed)).await?;
        let (note, _) = TestGateway::opening(seed, seed.wrapping_add(STREAM_SEED), None);
        let stream = log.open_stream(note).await?.stream.get();
        Ok(Self { seed, stream, requests: Vec::new() })
    }

    /// Sends a request with `count` new statements until it is answered.
    pub(crate) async fn send(&mut self, log: &GrpcLog, count: usize) -> Result<(), Failed> {
        let seed = u64::from(self.seed) << 32 | self.requests.len() as u64;
        self.requests.push(Request { seed, count, answer: None });
        self.repeat(log).await
    }

    /// Sends the last request again. It was answered already, or it waits for its answer: both times the log takes it once.
    pub(crate) async fn repeat(&mut self, log: &GrpcLog) -> Result<(), Failed> {
        let Some(last) = self.requests.last() else { return Ok(()) };
        let broken = |error: anyhow::Error| Failed::Broken(format!("{error:#}"));
        let (append, statements) = (self.append().map_err(broken)?, last.statements());
        let mut attempt = 0;
        let appended = loop {
            attempt += 1;
            match log.append(append.clone()).await {
                Ok(appended) => break appended,
                Err(error) if error.is_transient() && attempt < ATTEMPTS => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(Failed::Refused(error)),
            }
        };
        let answer = verified(&appended, &statements).map_err(broken)?;
        let Some(last) = self.requests.last_mut() else { return Ok(()) };
        if let Some(known) = &last.answer
            && known.first != answer.first
        {
            let (then, now) = (known.first, answer.first);
            return Err(Failed::Broken(format!("a request taken at index {then} was taken again at {now}")));
        }
        last.answer = Some(answer);
        Ok(())
    }

    /// Sends a request once: the last one if it was not answered, a new one otherwise. Whether it was answered.
    pub(crate) async fn send_once(&mut self, log: &GrpcLog, count: usize) -> bool {
        if self.requests.last().is_none_or(|last| last.answer.is_some()) {
            let seed = u64::from(self.seed) << 32 | self.requests.len() as u64;
            self.requests.push(Request { seed, count, answer: None });
        }
        let Ok(append) = self.append() else { return false };
        let Ok(appended) = log.append(append).await else { return false };
        let Some(last) = self.requests.last_mut() else { return false };
        last.answer = verified(&appended, &last.statements()).ok();
        last.answer.is_some()
    }

    /// The last request, with the head of everything up to it.
    fn append(&self) -> Result<Append> {
        let Some((last, before)) = self.requests.split_last() else { return Err(anyhow!("nothing to send")) };
        let mut range = CompactRange::new();
        let leaves = |request: &Request| {
            request.statements().iter().map(Statement::stream_leaf_hash).collect::<Vec<_>>()
        };
        before.iter().for_each(|request| drop(range.extend(&leaves(request))));
        let old_size = range.end();
        range.extend(&leaves(last));
        let stream = StreamId::new(self.stream).ok_or_else(|| anyhow!("an impossible stream"))?;
        let origin = Origin::new(&stream_origin(ORIGIN, stream))?;
        let root = range.root().ok_or_else(|| anyhow!("the stream does not begin at 0"))?;
        let checkpoint = Checkpoint::new(origin, TreeHead { size: range.size(), root });
        let (_, stream_key) = TestGateway::opening(self.seed, self.seed.wrapping_add(STREAM_SEED), None);
        let head = CosignedCheckpoint::sign(&checkpoint, &stream_key, SIGNED_AT)?.note().to_owned();
        let wait_for = AckLevel::Sequenced;
        Ok(Append { stream, old_size, statements: last.statements(), head, close: false, wait_for })
    }
}

fn verified(appended: &Appended, statements: &[Statement]) -> Result<Answer> {
    let receipt = appended.receipt.as_ref().ok_or_else(|| anyhow!("there is no receipt"))?;
    let head = receipt.verify(statements, &origin()?, &vkey()).context("the receipt does not hold")?.head();
    Ok(Answer { first: receipt.first.get(), size: head.size.get(), root: head.root.to_string() })
}

/// Everything a log promised.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Promised {
    /// The streams of its gateways.
    pub(crate) streams: Vec<Stream>,
}

impl Promised {
    const FILE: &str = "promised.json";

    /// Reads what was kept in `folder`.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(Self::FILE);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
    }

    /// Keeps it in `folder`.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join(Self::FILE);
        fs::write(&path, serde_json::to_vec(self)?).with_context(|| path.display().to_string())
    }

    /// Has every gateway send a request once. Whether all were answered.
    pub(crate) async fn send_once(&mut self, log: &GrpcLog, count: usize) -> bool {
        let mut all = true;
        for stream in &mut self.streams {
            all &= stream.send_once(log, count).await;
        }
        all
    }

    /// The root of each size that the log signed and a gateway saw.
    pub(crate) fn heads(&self) -> Result<BTreeMap<u64, Hash>> {
        let mut heads = BTreeMap::new();
        for answer in self.answered().filter_map(|request| request.answer.as_ref()) {
            let root: Hash = answer.root.parse().map_err(|_| anyhow!("{} is no hash", answer.root))?;
            let before = heads.insert(answer.size, root);
            ensure!(
                before.is_none_or(|before| before == root),
                "two roots of size {} were signed",
                answer.size
            );
        }
        Ok(heads)
    }

    /// The statement acknowledged at each index.
    pub(crate) fn statements(&self) -> BTreeMap<u64, Statement> {
        let of = |request: &Request| {
            let first = request.answer.as_ref().map_or(0, |answer| answer.first);
            (first..).zip(request.statements()).collect::<Vec<_>>()
        };
        self.answered().flat_map(of).collect()
    }

    fn answered(&self) -> impl Iterator<Item = &Request> {
        self.streams.iter().flat_map(|stream| &stream.requests).filter(|request| request.answer.is_some())
    }
}
