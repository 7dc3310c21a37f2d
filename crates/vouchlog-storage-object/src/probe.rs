//! Whether a bucket keeps the conditions of writes. Some stores accept `If-None-Match` and `If-Match` and ignore them.

use bytes::Bytes;
use object_store::PutMode;
use tokio::task::JoinSet;
use vouchlog_storage::StoreError;

use crate::bucket::{Bucket, Content, VersionedObject};
use crate::failure::Failure;

/// Writers that race for one object.
pub const RACERS: usize = 8;
/// Races that are run until one has an outcome.
const ROUNDS: u32 = 3;
/// Room for what the probe writes.
const MAX_BYTES: usize = 200;

/// What a probe found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Racing creates of one object that succeeded, of [`RACERS`]. One must.
    pub creates_won: usize,
    /// Racing swaps of one object that succeeded, of [`RACERS`]. One must.
    pub swaps_won: usize,
    /// What is wrong, in words. Empty for a bucket that keeps its conditions.
    pub findings: Vec<String>,
    /// Why the object of the probe could not be deleted, if so.
    pub left_behind: Option<String>,
}

impl Probe {
    /// Whether the bucket keeps its conditions.
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Races creates and swaps of an object of its own, and deletes it.
///
/// # Errors
/// [`StoreError`] when the bucket cannot be reached, refuses the requests, or no race has an outcome.
pub async fn probe(bucket: &Bucket) -> Result<Probe, StoreError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| StoreError::Io(error.to_string()))?;
    let name = format!("vouchlog-probe-{}", hex::encode(random));
    let mut probe = Probe::default();
    let probed = probe_at(bucket, &name, &mut probe).await;
    for round in 0..ROUNDS {
        // A name that was not used is no error.
        if let Err(error) = bucket.delete(&path(&name, round)).await {
            probe.left_behind = Some(error.to_string());
        }
    }
    probed.map(|()| probe)
}

fn path(name: &str, round: u32) -> String {
    format!("{name}-{round}")
}

async fn probe_at(bucket: &Bucket, name: &str, probe: &mut Probe) -> Result<(), StoreError> {
    let mut inconclusive = String::new();
    for round in 0..ROUNDS {
        let path = path(name, round);
        let creates = race(bucket, &path, None).await?;
        let Some(found) = bucket.get(&path, MAX_BYTES).await? else {
            inconclusive = creates.reason();
            continue;
        };
        if creates.won.is_empty() {
            inconclusive = creates.reason();
            continue;
        }
        probe.creates_won = creates.won.len();
        if creates.won.len() > 1 {
            probe.findings.push(format!(
                "{} of {RACERS} racing creates of one object succeeded: it does not keep `If-None-Match: *`",
                creates.won.len()
            ));
        } else if !creates.won.contains(&found.bytes) && creates.unknown.is_none() {
            probe.findings.push("an object does not hold what its one successful create wrote".into());
        }
        let second = Bytes::from_static(b"written over an object that is there");
        if bucket.put_once(&path, &second, PutMode::Create, Content::Checkpoint).await.is_ok() {
            probe.findings.push("a create replaced an object that was there".into());
        }
        return probe_swaps(bucket, &path, probe).await;
    }
    Err(StoreError::ObjectStore(format!("{}: no create had an outcome: {inconclusive}", bucket.url())))
}

async fn probe_swaps(bucket: &Bucket, path: &str, probe: &mut Probe) -> Result<(), StoreError> {
    let mut inconclusive = String::new();
    for _ in 0..ROUNDS {
        let Some(before) = bucket.get(path, MAX_BYTES).await? else {
            probe.findings.push("an object that was written is not there when it is read".into());
            return Ok(());
        };
        let swaps = race(bucket, path, Some(&before)).await?;
        if swaps.won.is_empty() {
            inconclusive = swaps.reason();
            continue;
        }
        probe.swaps_won = swaps.won.len();
        if swaps.won.len() > 1 {
            probe.findings.push(format!(
                "{} of {RACERS} racing swaps of one object succeeded: it does not keep `If-Match`",
                swaps.won.len()
            ));
        }
        let stale = Bytes::from_static(b"written over a version that is not there any more");
        if bucket.swap_once(path, &stale, Some(&before), Content::Checkpoint).await.is_ok() {
            probe.findings.push("a swap with the version of an earlier object succeeded".into());
        }
        return Ok(());
    }
    Err(StoreError::ObjectStore(format!("{}: no swap had an outcome: {inconclusive}", bucket.url())))
}

/// What became of racing writes.
struct Race {
    /// What the successful ones wrote.
    won: Vec<Bytes>,
    /// Why the outcome of another is unknown.
    unknown: Option<String>,
}

impl Race {
    fn reason(self) -> String {
        self.unknown.unwrap_or_else(|| "each was refused because another was in progress".into())
    }
}

/// Races creates, or swaps of `expected`, each with bytes of its own.
async fn race(bucket: &Bucket, path: &str, expected: Option<&VersionedObject>) -> Result<Race, StoreError> {
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let (bucket, path, expected) = (bucket.clone(), path.to_owned(), expected.cloned());
        let kind = if expected.is_some() { "swap" } else { "create" };
        racers.spawn(async move {
            let bytes = Bytes::from(format!("{kind} {racer} of {RACERS} in a probe of conditional writes"));
            let outcome = match &expected {
                None => bucket.put_once(&path, &bytes, PutMode::Create, Content::Checkpoint).await,
                Some(_) => bucket.swap_once(&path, &bytes, expected.as_ref(), Content::Checkpoint).await,
            };
            outcome.map(|_| bytes)
        });
    }
    let mut race = Race { won: Vec::new(), unknown: None };
    let mut refused = None;
    while let Some(racer) = racers.join_next().await {
        match racer {
            Ok(Ok(bytes)) => race.won.push(bytes),
            Ok(Err(Failure::Taken | Failure::Absent)) => {}
            Ok(Err(Failure::Passing(reason))) => race.unknown = Some(reason),
            Ok(Err(failure)) => refused = Some(failure),
            Err(_) => race.unknown = Some("a task was lost".into()),
        }
    }
    match refused {
        Some(failure) if race.won.is_empty() => Err(bucket.error(path, failure)),
        _ => Ok(race),
    }
}
