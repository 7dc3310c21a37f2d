//! Bodies in memory: each bounded, all of them together bounded, unzipped within the same bounds.
//!
//! ```text
//! a request holds       what it takes from                 what ends it
//! its share             a quarter of what others left      –
//! more than that        the lane: one request at a time    2 s of waiting: it is asked to retry
//! ```
//!
//! A body is kept in pieces of one size until it is whole, or in the lane: an allocator keeps what is freed for a while, and buffers
//! that double leave it as much again as the body has.

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
use vouchlog_runtime::buffer::append;

use super::answer::{Kind, Refusal};
use crate::limits::{BODY_IDLE, MIN_BODY_RATE};

/// What room is counted in, in bytes: a semaphore counts to 2^32 at a time.
const UNIT: usize = 1_024;

/// A body that comes while others do may hold a quarter of what is free, so that something is left for the next one.
const SHARE: usize = 4;

/// A body of so many bytes is not held to its share, and is unzipped where it was read if that makes no more than a piece: even the slowest
/// take a few milliseconds.
const SMALL: usize = 16 * 1_024;

/// A body grows in the budget by at most so many bytes at a time.
const STEP: usize = 256 * 1_024;

/// Bytes of a piece of a body.
const PIECE: usize = 256 * 1_024;

/// Room for bytes that all requests share. Clones are the same room.
#[derive(Clone)]
pub(super) struct Room {
    permits: Arc<Semaphore>,
    /// Told when some room is free again.
    freed: Arc<Notify>,
    units: u32,
    /// For one request at a time that needs more than its share: the longest body, zipped and unzipped.
    lane: Arc<Semaphore>,
    patience: Duration,
    /// Steps of unzipping that run at once: half of the machine's cores, so that zipped bodies leave room for all else. A body waits
    /// for a turn at each step, so that a small one is not behind the whole of a large one.
    turns: Arc<Semaphore>,
    /// The longest pause of a body.
    idle: Duration,
}

impl Room {
    /// So many bytes, and the lane beside them.
    pub(super) fn new(bytes: usize, patience: Duration) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let turns = available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        Self {
            permits: Arc::new(Semaphore::new(units as usize)),
            freed: Arc::default(),
            units,
            lane: Arc::new(Semaphore::new(1)),
            patience,
            turns: Arc::new(Semaphore::new(turns)),
            idle: BODY_IDLE,
        }
    }

    #[cfg(test)]
    pub(super) fn with_idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// All of it, and the lane.
    #[cfg(test)]
    pub(super) async fn use_up(&self) -> Share {
        let mut all = self.share();
        all.cover(usize::MAX).await.unwrap();
        all.lane = Arc::clone(&self.lane).acquire_owned().await.ok();
        all
    }

    /// Whether a request that holds `held` units may hold `wanted`.
    fn is_fair(&self, held: u32, wanted: u32) -> bool {
        let free = self.permits.available_permits();
        let more = (wanted - held) as usize;
        more <= free && wanted as usize <= (free / SHARE).max(SMALL / UNIT)
    }

    /// A share of it, empty so far; it is given back when it is dropped.
    pub(super) fn share(&self) -> Share {
        Share { room: self.clone(), bytes: 0, permit: None, lane: None }
    }
}

/// A request's share of a room.
pub(super) struct Share {
    room: Room,
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
    /// Held in place of the permit.
    lane: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Grows to `bytes`, or says that there is no room for them. What is more than the whole room has to itself what there is.
    pub(super) async fn cover(&mut self, bytes: usize) -> Result<(), Refusal> {
        let (held, wanted) = (self.held(), self.units(bytes));
        if wanted > held {
            let more = Arc::clone(&self.room.permits).acquire_many_owned(wanted - held);
            match tokio::time::timeout(self.room.patience, more).await {
                Ok(Ok(more)) => self.hold(more),
                Ok(Err(_)) | Err(_) => return Err(Refusal::busy()),
            }
        }
        self.bytes = self.bytes.max(bytes);
        Ok(())
    }

    /// The same for what comes piece by piece: only as far as something is left for others, and beyond that in the lane.
    async fn cover_fairly(&mut self, bytes: usize) -> Result<(), Refusal> {
        let deadline = Instant::now() + self.room.patience;
        let wanted = self.units(bytes);
        while self.lane.is_none() && wanted > self.held() {
            let room = self.room.clone();
            let mut freed = pin!(room.freed.notified());
            freed.as_mut().enable();
            let more = wanted - self.held();
            if room.is_fair(self.held(), wanted)
                && let Ok(more) = Arc::clone(&room.permits).try_acquire_many_owned(more)
            {
                self.hold(more);
                break;
            }
            let lane = Arc::clone(&room.lane).acquire_owned();
            tokio::select! {
                biased;
                Ok(lane) = lane => {
                    self.lane = Some(lane);
                    self.permit = None;
                    room.freed.notify_waiters();
                }
                () = freed => {}
                () = tokio::time::sleep_until(deadline) => return Err(Refusal::busy()),
            }
        }
        self.bytes = self.bytes.max(bytes);
        Ok(())
    }

    fn hold(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            permit => *permit = Some(more),
        }
    }

    /// Gives back what is more than `bytes`.
    fn shrink(&mut self, bytes: usize) {
        self.bytes = self.bytes.min(bytes);
        let more = self.held().saturating_sub(self.units(bytes));
        drop(self.permit.as_mut().and_then(|permit| permit.split(more as usize)));
        self.room.freed.notify_waiters();
    }

    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.room.units)
    }

    fn held(&self) -> u32 {
        self.permit.as_ref().map_or(0, |permit| u32::try_from(permit.num_permits()).unwrap_or(u32::MAX))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        drop(self.permit.take());
        drop(self.lane.take());
        self.room.freed.notify_waiters();
    }
}

/// A body that grows, and the room it takes.
struct GrowingBody {
    /// Those before the last.
    pieces: Vec<Vec<u8>>,
    last: Vec<u8>,
    /// The most bytes of the last piece.
    most: usize,
    length: usize,
    limit: usize,
    /// What is said to come.
    expected: Option<usize>,
    /// What the request held before.
    before: usize,
    share: Share,
}

impl GrowingBody {
    /// A body of at most `limit` bytes.
    fn new(share: Share, limit: usize, expected: Option<usize>) -> Self {
        let (pieces, last, before) = (Vec::new(), Vec::new(), share.bytes);
        Self { pieces, last, most: PIECE, length: 0, limit, expected, before, share }
    }

    async fn push(&mut self, mut chunk: &[u8]) -> Result<(), Refusal> {
        let length = self.length + chunk.len();
        if length > self.limit {
            return Err(Refusal::too_large(self.limit));
        }
        if self.before + length > self.share.bytes {
            let wanted = (2 * self.length).min(self.length + STEP).clamp(length, self.limit);
            self.share.cover_fairly(self.before + wanted).await?;
        }
        if self.share.lane.is_some() && self.most == PIECE {
            // There is one such buffer at a time.
            let whole = Vec::with_capacity(self.expected.map_or(self.limit, |length| length.min(self.limit)));
            self.put_together(whole);
            self.most = self.limit;
        }
        self.length = length;
        loop {
            let (now, later) = chunk.split_at(chunk.len().min(self.most - self.last.len()));
            append(&mut self.last, now, self.most);
            if later.is_empty() {
                return Ok(());
            }
            self.pieces.push(std::mem::take(&mut self.last));
            chunk = later;
        }
    }

    fn put_together(&mut self, mut whole: Vec<u8>) {
        for piece in self.pieces.drain(..).chain([std::mem::take(&mut self.last)]) {
            whole.extend_from_slice(&piece);
        }
        self.last = whole;
    }

    /// The bytes, and the room they take while the share is kept.
    async fn finish(mut self) -> Result<(Bytes, Share), Refusal> {
        if self.pieces.is_empty() {
            self.last.shrink_to_fit();
        } else {
            // Meanwhile it is there twice.
            self.share.cover_fairly(self.before + 2 * self.length).await?;
            self.put_together(Vec::with_capacity(self.length));
            self.share.shrink(self.before + self.length);
        }
        Ok((self.last.into(), self.share))
    }
}

/// Reads a body of at most `limit` bytes. It takes room as it comes, and has to come in time: who announces much, or sends slowly,
/// keeps nobody out.
pub(super) async fn read(
    room: &Room,
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
) -> Result<(Bytes, Share), Refusal> {
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::too_large(limit));
    }
    let expected = declared.and_then(|length| usize::try_from(length).ok());
    let mut held = GrowingBody::new(room.share(), limit, expected);
    let began = Instant::now();
    loop {
        // On average it has to come at the least rate, but for one pause.
        let earned = Duration::from_secs((held.length / MIN_BODY_RATE) as u64);
        let deadline = (began + room.idle + earned).min(Instant::now() + room.idle);
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| Refusal::too_slow())?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Refusal::invalid("the body ended early"))?;
        if let Ok(data) = frame.into_data() {
            held.push(&data).await?;
        }
    }
    held.finish().await
}

/// Unzips (RFC 1952) to at most `limit` bytes, which take room beside the zipped ones. Never holds an async thread for longer than
/// a step takes.
pub(super) async fn gunzip(share: Share, zipped: Bytes, limit: usize) -> Result<(Bytes, Share), Refusal> {
    let turns = Arc::clone(&share.room.turns);
    let expected = stated_length(&zipped);
    // What is stated to be too long either is or is broken: which of the two takes no memory to find out.
    let is_hopeless = expected.is_some_and(|length| length > limit);
    let mut held = GrowingBody::new(share, limit, expected);
    let mut length = 0;
    let is_small = zipped.len() <= SMALL && expected.is_none_or(|length| length <= PIECE);
    let mut unzipping = Gunzip::new(zipped);
    loop {
        // What a sender states is not trusted: beyond a piece, other threads go on.
        let step = if is_small && length <= PIECE {
            unzipping.step()
        } else {
            let turn = Arc::clone(&turns).acquire_owned().await.map_err(|_| Refusal::busy())?;
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
        length += step.bytes.len();
        if length > limit {
            return Err(Refusal::too_large(limit));
        }
        if !is_hopeless {
            held.push(&step.bytes).await?;
        }
        if step.is_last && is_hopeless {
            return Err(Refusal::invalid("the body's gzip is broken: it is shorter than it states"));
        }
        if step.is_last {
            return held.finish().await;
        }
    }
}

/// The unzipped length that the last member states.
///
/// SPEC: RFC 1952 section 2.3.1: ISIZE, the last four bytes, is the length modulo 2^32.
fn stated_length(zipped: &[u8]) -> Option<usize> {
    let length = zipped.last_chunk().map(|length| u32::from_le_bytes(*length))?;
    usize::try_from(length).ok()
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
