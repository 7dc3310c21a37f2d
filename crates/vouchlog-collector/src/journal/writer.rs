//! The one thread that writes the journal: what waits is made durable as one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use vouchlog_ledger::{AppendError, Ledger};

use super::losses::Losses;
use super::opening;
use super::state::{RecordDraft, Steady};
use super::{Changes, JournalError, Settings, Store};
use crate::arrival::{JournalEntry, What};

/// Requests of one group, and their bytes: more wait for the next, so that the first need not wait long.
const GROUP: usize = 512;
const GROUP_BYTES: u64 = 32 * 1024 * 1024;
/// A new file begins when the newest has so many bytes, or so many times those of a snapshot: a snapshot is written rarely, and files
/// are forgotten soon.
const FILE_BYTES: u64 = 32 * 1024 * 1024;
const SNAPSHOTS: u64 = 4;
/// A file with input is left behind when so much time went by since it began: if all of it is recorded, or in any case. Beyond that,
/// so much of a snapshot takes a second more, so that snapshots are few even if they are large.
const QUIET: Duration = Duration::from_secs(2);
const BUSY: Duration = Duration::from_secs(30);
const SNAPSHOT_BYTES_A_SECOND: u64 = 1024 * 1024;
/// A ledger reads no file that is longer than 1 GiB; snapshot and groups stay far below that.
const MOST_FILE_BYTES: u64 = 512 * 1024 * 1024;

pub(super) type Reply = oneshot::Sender<Result<u64, JournalError>>;

/// What is asked of the writer.
pub(super) enum Request {
    /// Put it at the end.
    Append { entry: JournalEntry, is_bounded: bool, reply: Reply },
    /// Note that so many were turned away.
    Lost { items: u64, reply: Reply },
    /// Make an entry of what was turned away.
    Declare(Reply),
    /// Remember these changes, and forget entries before `keep`.
    Settle { settled: u64, keep: u64, changes: Changes, reply: Reply },
    /// Leave the newest file behind if that is due.
    Tidy(Reply),
}

/// Since when the newest file is there, and whether it holds what is to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileAge {
    since: Duration,
    has_input: bool,
}

impl FileAge {
    /// A file that an earlier process may have begun.
    pub(super) fn new(now: Duration) -> Self {
        Self { since: now, has_input: true }
    }
}

pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) ledger: Ledger,
    pub(super) losses: Losses,
    pub(super) settings: Settings,
    pub(super) steady: Steady,
    pub(super) queue: mpsc::Receiver<Request>,
    pub(super) end: watch::Sender<u64>,
    pub(super) age: FileAge,
}

/// What a group does, until it is durable.
struct Group {
    draft: RecordDraft,
    end: u64,
    held: u64,
    no_room: Option<JournalError>,
    replies: Vec<(Reply, u64)>,
    declares: bool,
    lost: Vec<(u64, Reply)>,
}

impl Writer {
    /// Writes until nobody can ask any more.
    pub(super) fn run(mut self) {
        while let Some(request) = self.queue.blocking_recv() {
            let (end, held) = {
                let state = self.store.state.lock();
                (state.head.end, state.held())
            };
            let (draft, no_room) = (RecordDraft::new(end), self.store.no_room());
            let (replies, lost) = (Vec::new(), Vec::new());
            let mut group = Group { draft, end, held, no_room, replies, declares: false, lost };
            let mut next = Some(request);
            let mut taken = 0;
            while let Some(request) = next.take() {
                self.add(request, &mut group);
                taken += 1;
                if taken < GROUP && group.held.saturating_sub(held) < GROUP_BYTES {
                    next = self.queue.try_recv().ok();
                }
            }
            self.commit(group);
        }
        let is_recorded = self.store.state.lock().first().is_none();
        if self.age.has_input && is_recorded && self.store.check_failed().is_ok() {
            self.leave_file();
            self.forget();
        }
    }

    fn add(&mut self, request: Request, group: &mut Group) {
        match request {
            Request::Append { entry, is_bounded, reply } => {
                match self.admit(&entry, is_bounded, group) {
                    Ok(()) => {
                        self.age.has_input |= is_bounded;
                        let place = self.append(entry, group);
                        group.replies.push((reply, place));
                    }
                    // Nobody listens if the caller is gone.
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
            Request::Lost { items, reply } => group.lost.push((items, reply)),
            Request::Declare(reply) => {
                if let Some(lost) = self.losses.pending().filter(|_| !group.declares) {
                    let mut entry =
                        JournalEntry::new((self.settings.clock)(), What::Lost, Bytes::from(lost.to_json()));
                    entry.set_steady(self.steady.now());
                    group.held += entry.len() as u64;
                    group.draft.declared(self.losses.number(), &entry);
                    group.end += 1;
                    group.declares = true;
                }
                group.replies.push((reply, group.end));
            }
            Request::Settle { settled, keep, changes, reply } => {
                self.age.has_input |= !(changes.put.is_empty() && changes.remove.is_empty());
                group.draft.settled(settled, keep, changes);
                group.replies.push((reply, group.end));
            }
            Request::Tidy(reply) => group.replies.push((reply, group.end)),
        }
    }

    /// Bodies wait for room. The time, losses and what is settled are a few bytes each, and make room.
    fn admit(&self, entry: &JournalEntry, is_bounded: bool, group: &Group) -> Result<(), JournalError> {
        let (held, limit) = (group.held, self.settings.limit);
        if is_bounded && held + entry.body.len() as u64 > limit {
            return Err(JournalError::Full { held, limit });
        }
        match &group.no_room {
            Some(no_room) if is_bounded => Err(no_room.clone()),
            _ => Ok(()),
        }
    }

    fn append(&self, mut entry: JournalEntry, group: &mut Group) -> u64 {
        let place = group.end;
        entry.set_steady(self.steady.now());
        group.held += entry.len() as u64;
        group.draft.entry(&entry);
        group.end += 1;
        place
    }

    fn commit(&mut self, group: Group) {
        let Group { draft, replies, declares, lost, .. } = group;
        let done = draft.into_record().map_or(Ok(()), |record| self.write(&record));
        if done.is_ok() && declares {
            self.losses.declared();
        }
        for (reply, place) in replies {
            let _ = reply.send(done.clone().map(|()| place));
        }
        if !lost.is_empty() {
            let (items, replies): (Vec<u64>, Vec<Reply>) = lost.into_iter().unzip();
            let noted = self.note(&items);
            for reply in replies {
                let _ = reply.send(noted.clone().map(|()| 0));
            }
        }
        if done.is_ok() {
            self.tidy();
        }
    }

    /// Makes a record durable; only then does anybody see what is in it.
    fn write(&mut self, record: &[u8]) -> Result<(), JournalError> {
        self.store.check_failed()?;
        let file = self.ledger.newest();
        // Sealing takes a while; the keys are not locked for that long.
        let key = self.store.keys.lock().of(file).map_err(JournalError::Refused)?;
        let sealed = opening::sealed(key.as_deref(), file, record)?;
        let places = self.ledger.append(&[&sealed]).map_err(|error| self.refused(error))?;
        let place = *places.first().expect("a place for each record");
        let mut state = self.store.state.lock();
        state.apply(record, place).map_err(|reason| self.store.fail(&format!("a bug: {reason}")))?;
        let end = state.head.end;
        drop(state);
        self.end.send_if_modified(|known| std::mem::replace(known, end) != end);
        Ok(())
    }

    fn note(&mut self, items: &[u64]) -> Result<(), JournalError> {
        self.store.check_failed()?;
        let noted = self.losses.add((self.settings.clock)(), items);
        noted.map_err(|error| self.store.fail(&format!("journal/LOSSES cannot be written ({error})")))
    }

    /// Begins a new file when the newest is long or has held input for a while, and forgets files that are not needed. What fails here
    /// is tried again with the next group.
    fn tidy(&mut self) {
        if self.store.check_failed().is_err() {
            return;
        }
        let (length, bytes, is_recorded) = {
            let state = self.store.state.lock();
            (self.ledger.length(), state.snapshot_bytes(), state.first().is_none())
        };
        let longest = (SNAPSHOTS * bytes).max(FILE_BYTES).min(MOST_FILE_BYTES.max(bytes + FILE_BYTES));
        let pause = if is_recorded { QUIET } else { BUSY };
        let pause = pause + Duration::from_secs(bytes / SNAPSHOT_BYTES_A_SECOND);
        let age = (self.settings.elapsed)().saturating_sub(self.age.since);
        if (length >= longest || self.age.has_input && age >= pause) && !self.leave_file() {
            return;
        }
        self.forget();
    }

    /// Begins a new file; whether it did.
    fn leave_file(&mut self) -> bool {
        let snapshot = self.store.state.lock().snapshot();
        let rotated = opening::rotate(&mut self.ledger, &mut self.store.keys.lock(), snapshot);
        let now = (self.settings.elapsed)();
        if let Err(error) = rotated {
            self.later(error);
            self.age.since = now;
            return false;
        }
        self.age = FileAge { since: now, has_input: false };
        true
    }

    /// Deletes the files that are not needed, and destroys their keys.
    fn forget(&mut self) {
        let oldest = self.store.state.lock().oldest_file();
        let needed = oldest.unwrap_or(self.ledger.newest());
        if let Err(error) = self.ledger.forget_before(needed) {
            self.later(error);
            return;
        }
        // Only once no file of these is read any more.
        let kept = self.store.keys.lock().keep(self.ledger.oldest(), self.ledger.newest());
        if let Err(error) = kept {
            tracing::warn!(%error, "the keys of the journal's old files are not destroyed yet; retrying");
        }
    }

    fn later(&self, error: AppendError) {
        let error = self.refused(error);
        tracing::warn!(%error, "the journal's old files could not be deleted");
    }

    fn refused(&self, error: AppendError) -> JournalError {
        match error {
            AppendError::Refused(why) => JournalError::Refused(why),
            AppendError::Unknown(why) => self.store.fail(&why),
        }
    }
}
