//! Bodies in memory: each bounded, all of them together bounded, unzipped within the same bounds.

use std::pin::pin;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use ::http::{HeaderMap, header};
use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use vouchlog_runtime::Gunzip;

use super::answer::{Kind, Refusal};
use crate::limits::{BODY_IDLE, MIN_BODY_RATE};

/// What room is counted in, in bytes: a semaphore counts to 2^32 at a time.
const UNIT: usize = 1_024;

/// A body that comes while others do may hold a quarter of what is free, so that something is left for the next one.
const SHARE: usize = 4;

/// A body of so many bytes is not held to its share, and is unzipped where it was read: even the slowest take a few milliseconds.
const SMALL: usize = 16 * 1_024;

/// Room for bytes that all requests share. Clones are the same room.
#[derive(Clone)]
pub(super) struct Room {
    permits: Arc<Semaphore>,
    /// Told when some room is free again.
    freed: Arc<Notify>,
    units: u32,
    patience: Duration,
    /// Steps of unzipping that run at once: half of the machine's cores, so that zipped bodies leave room for all else. A body waits
    /// for a turn at each step, so that a small one is not behind the whole of a large one.
    turns: Arc<Semaphore>,
    /// The longest pause of a body.
    idle: Duration,
}

impl Room {
    pub(super) fn new(bytes: usize, patience: Duration) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let turns = available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        Self {
            permits: Arc::new(Semaphore::new(units as usize)),
            freed: Arc::default(),
            units,
            patience,
            turns: Arc::new(Semaphore::new(turns)),
            idle: BODY_IDLE,
        }
    }

    #[cfg(test)]
    pub(super) fn with_idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// Whether a body that holds `held` units may hold `wanted`: one that is alone may have all there is.
    fn is_fair(&self, held: u32, wanted: u32) -> bool {
        let free = self.permits.available_permits();
        let is_alone = free + held as usize >= self.units as usize;
        is_alone || wanted as usize <= (free / SHARE).max(SMALL / UNIT)
    }

    /// A share of it, empty so far; it is given back when it is dropped.
    pub(super) fn share(&self) -> Share {
        Share { room: self.clone(), permit: None }
    }
}

/// A request's share of a room.
pub(super) struct Share {
    room: Room,
    permit: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Grows to `bytes`, or says that there is no room for them. What is more than the whole room has to itself what there is.
    pub(super) async fn cover(&mut self, bytes: usize) -> Result<(), Refusal> {
        let wanted = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.room.units);
        let held = self.held();
        if wanted <= held {
            return Ok(());
        }
        let more = Arc::clone(&self.room.permits).acquire_many_owned(wanted - held);
        let more = match tokio::time::timeout(self.room.patience, more).await {
            Ok(Ok(more)) => more,
            Ok(Err(_)) | Err(_) => return Err(Refusal::busy()),
        };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            permit => *permit = Some(more),
        }
        Ok(())
    }

    /// The same for a body that comes piece by piece: only as far as something is left for others.
    async fn cover_fairly(&mut self, bytes: usize) -> Result<(), Refusal> {
        let deadline = Instant::now() + self.room.patience;
        let wanted = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.room.units);
        loop {
            let room = self.room.clone();
            let mut freed = pin!(room.freed.notified());
            freed.as_mut().enable();
            if room.is_fair(self.held(), wanted) {
                return self.cover(bytes).await;
            }
            timeout_at(deadline, freed).await.map_err(|_| Refusal::busy())?;
        }
    }

    fn held(&self) -> u32 {
        self.permit.as_ref().map_or(0, |permit| u32::try_from(permit.num_permits()).unwrap_or(u32::MAX))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.room.freed.notify_waiters();
    }
}

/// A body that grows, and the room it takes.
pub(super) struct GrowingBody {
    bytes: Vec<u8>,
    limit: usize,
    share: Share,
}

impl GrowingBody {
    fn new(room: &Room, limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, share: room.share() }
    }

    async fn push(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        let length = self.bytes.len() + chunk.len();
        if length > self.limit {
            return Err(Refusal::too_large(self.limit));
        }
        if length > self.bytes.capacity() {
            let capacity = (2 * self.bytes.len()).clamp(length, self.limit);
            self.share.cover_fairly(capacity).await?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// The bytes, and the room they take while the share is kept.
    pub(super) fn finish(self) -> (Bytes, Share) {
        let Self { mut bytes, share, .. } = self;
        bytes.shrink_to_fit();
        (bytes.into(), share)
    }
}

/// Reads a body of at most `limit` bytes. It takes room as it comes, and has to come in time: who announces much, or sends slowly,
/// keeps nobody out.
pub(super) async fn read(
    room: &Room,
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
) -> Result<GrowingBody, Refusal> {
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::too_large(limit));
    }
    let mut held = GrowingBody::new(room, limit);
    let began = Instant::now();
    loop {
        // On average it has to come at the least rate, but for one pause.
        let earned = Duration::from_secs((held.bytes.len() / MIN_BODY_RATE) as u64);
        let deadline = (began + room.idle + earned).min(Instant::now() + room.idle);
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| Refusal::too_slow())?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Refusal::invalid("the body ended early"))?;
        if let Ok(data) = frame.into_data() {
            held.push(&data).await?;
        }
    }
    Ok(held)
}

/// Unzips (RFC 1952) to at most `limit` bytes: what would become more costs no more than that. Never holds an async thread for longer than
/// a step takes.
pub(super) async fn gunzip(room: &Room, zipped: Bytes, limit: usize) -> Result<GrowingBody, Refusal> {
    let mut held = GrowingBody::new(room, limit);
    let is_small = zipped.len() <= SMALL;
    let mut unzipping = Gunzip::new(zipped);
    loop {
        let step = if is_small {
            unzipping.step()
        } else {
            let turn = Arc::clone(&room.turns).acquire_owned().await.map_err(|_| Refusal::busy())?;
            // The turn goes along: the step goes on when the caller is gone.
            let step = tokio::task::spawn_blocking(move || (unzipping.step(), unzipping, turn)).await;
            match step {
                Ok((step, rest, _turn)) => {
                    unzipping = rest;
                    step
                }
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => return Err(Refusal::busy()),
            }
        };
        let step = step.map_err(|error| Refusal::invalid(format!("the body's gzip is broken: {error}")))?;
        held.push(&step.bytes).await?;
        if step.is_last {
            return Ok(held);
        }
    }
}

/// Whether a body is zipped, by its header; other encodings are refused.
pub(super) fn is_gzip(headers: &HeaderMap, name: &str) -> Result<bool, Refusal> {
    let encoding = headers.get(name).map_or(&b""[..], |value| value.as_bytes()).trim_ascii();
    match encoding {
        b"" => Ok(false),
        it if it.eq_ignore_ascii_case(b"identity") => Ok(false),
        it if it.eq_ignore_ascii_case(b"gzip") => Ok(true),
        _ => Err(Refusal::new(Kind::Unsupported, format!("`{name}` is neither gzip nor identity"))),
    }
}
