//! Moves what became full out of sled into segments, behind the commits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};
use vouchlog_merkle::TileId;
use vouchlog_storage::{Growth, StoreError};

use crate::live::{Live, Record};
use crate::segments::Segments;

/// Full bundles worth a sealing of their own: with fewer, the syncs of the segments would cost more than they save.
const WORTH_SEALING: usize = 64;
/// What is full is sealed after this long even if it is little.
const SEAL_AFTER: Duration = Duration::from_millis(500);
/// Unsealed bundles (a million entries' worth) at which commits wait: memory and restart time stay bounded even when
/// sealing is slow.
const MAX_UNSEALED: usize = 4096;
/// How long a commit waits for the sealer before it is refused.
const BACKLOG_PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a failed sealing (a full disk may get room again).
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is full but not sealed. Readers look here first.
#[derive(Default)]
pub(crate) struct Unsealed {
    pub(crate) tiles: BTreeMap<TileId, Bytes>,
    pub(crate) bundles: BTreeMap<u64, Bytes>,
}

#[derive(Default)]
struct Control {
    /// Records of entries in sled, oldest first.
    records: VecDeque<Record>,
    sealed: u64,
    failure: Option<String>,
    stop: bool,
}

/// Shared by the committing thread, the sealing thread and the readers.
pub(crate) struct Sealer {
    live: Arc<Live>,
    segments: Arc<Segments>,
    unsealed: RwLock<Unsealed>,
    control: Mutex<Control>,
    changed: Condvar,
}

impl Sealer {
    pub(crate) fn new(live: Arc<Live>, segments: Arc<Segments>) -> Result<Self, StoreError> {
        let control =
            Control { records: live.record_list()?.into(), sealed: live.sealed()?, ..Control::default() };
        Ok(Self {
            live,
            segments,
            unsealed: RwLock::default(),
            control: Mutex::new(control),
            changed: Condvar::new(),
        })
    }

    /// Takes over what a commit completed, and the records it made.
    pub(crate) fn add(&self, growth: Growth, records: Vec<Record>) {
        {
            let mut unsealed = self.unsealed.write();
            unsealed.tiles.extend(growth.tiles);
            unsealed.bundles.extend(growth.bundles);
        }
        self.control.lock().records.extend(records);
        self.changed.notify_all();
    }

    /// Waits until the backlog is small enough for another commit.
    pub(crate) fn admit_commit(&self) -> Result<(), String> {
        let deadline = Instant::now() + BACKLOG_PATIENCE;
        let mut control = self.control.lock();
        while self.unsealed.read().bundles.len() > MAX_UNSEALED {
            if let Some(failure) = &control.failure {
                return Err(format!("sealing fails: {failure}"));
            }
            if self.changed.wait_until(&mut control, deadline).timed_out() {
                return Err("sealing does not keep up with the commits".into());
            }
        }
        Ok(())
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.control.lock().failure.clone()
    }

    pub(crate) fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        if let Some(bytes) = self.unsealed.read().tiles.get(&tile) {
            return Ok(Some(bytes.clone()));
        }
        // Sealed since the look above, sealed long ago, or not full yet: the sealed size tells.
        let leaves_shift = 8 * (u32::from(tile.level) + 1);
        let full = self.control.lock().sealed.checked_shr(leaves_shift).unwrap_or(0);
        if tile.index < full { self.segments.tile(tile).map(Some) } else { Ok(None) }
    }

    pub(crate) fn bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        if let Some(bytes) = self.unsealed.read().bundles.get(&bundle) {
            return Ok(Some(bytes.clone()));
        }
        let full = self.control.lock().sealed / 256;
        if bundle < full { self.segments.bundle(bundle).map(Some) } else { Ok(None) }
    }

    /// Asks the thread to seal what is full and to end.
    pub(crate) fn stop(&self) {
        self.control.lock().stop = true;
        self.changed.notify_all();
    }

    /// The thread: seals whenever enough is full, or little has been full for long enough, until told to stop.
    pub(crate) fn run(&self) {
        loop {
            let stop = self.wait_for_work();
            let failed = self.seal().map_err(|error| self.report(&error)).is_err();
            if stop {
                return;
            }
            if failed {
                std::thread::sleep(RETRY_AFTER);
            }
        }
    }

    fn wait_for_work(&self) -> bool {
        let deadline = Instant::now() + SEAL_AFTER;
        let mut control = self.control.lock();
        while !control.stop && self.unsealed.read().bundles.len() < WORTH_SEALING {
            if self.changed.wait_until(&mut control, deadline).timed_out() {
                break;
            }
        }
        control.stop
    }

    /// One sealing: write, sync, record in sled, forget. A crash between any two steps repeats it.
    fn seal(&self) -> Result<(), StoreError> {
        let (tiles, bundles) = {
            let unsealed = self.unsealed.read();
            let tiles: Vec<_> = unsealed.tiles.iter().map(|(id, bytes)| (*id, bytes.clone())).collect();
            let bundles: Vec<_> = unsealed.bundles.iter().map(|(n, bytes)| (*n, bytes.clone())).collect();
            (tiles, bundles)
        };
        let Some((last, _)) = bundles.last() else { return Ok(()) };
        let sealed = (last + 1) * 256;
        self.check_joins(&bundles)?;
        self.segments.write(&tiles, &bundles)?;
        let done: Vec<_> = {
            let control = self.control.lock();
            control.records.iter().take_while(|record| record.end() <= sealed).copied().collect()
        };
        self.live.seal(sealed, &done)?;
        // Held until the backlog is smaller: a commit that waits for that looks at it under the same lock, and would
        // sleep through a notification between its look and its sleep.
        let mut control = self.control.lock();
        control.records.drain(..done.len());
        control.sealed = sealed;
        control.failure = None;
        let mut unsealed = self.unsealed.write();
        tiles.iter().for_each(|(id, _)| drop(unsealed.tiles.remove(id)));
        bundles.iter().for_each(|(n, _)| drop(unsealed.bundles.remove(n)));
        drop(unsealed);
        drop(control);
        self.changed.notify_all();
        Ok(())
    }

    /// What is sealed is forgotten in sled, so there must be no bundle missing between the sealed ones and these: there
    /// is one when an engine commits without having restored.
    fn check_joins(&self, bundles: &[(u64, Bytes)]) -> Result<(), StoreError> {
        let next = self.control.lock().sealed / 256;
        match bundles.iter().zip(next..).find(|((bundle, _), expected)| bundle != expected) {
            Some((_, missing)) => {
                Err(StoreError::Damaged(format!("entry bundle {missing} was never handed over")))
            }
            None => Ok(()),
        }
    }

    fn report(&self, error: &StoreError) {
        tracing::error!(%error, "sealing failed; it will be tried again");
        self.control.lock().failure = Some(error.to_string());
        self.changed.notify_all();
    }
}
