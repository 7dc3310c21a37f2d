//! The one thread that writes the journal: what waits is made durable as one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use fjall::{OwnedWriteBatch, PersistMode};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Changes, JournalError, LOST, Losses, SETTLED, Settings, Store, disk};
use crate::arrival::{Entry, What};

/// Requests of one group, and their bytes: more wait for the next, so that the first need not wait long.
const GROUP: usize = 512;
const GROUP_BYTES: u64 = 32 * 1024 * 1024;

type Reply = oneshot::Sender<Result<u64, JournalError>>;

/// What is asked of the writer.
pub(super) enum Request {
    /// Put it at the end.
    Append { entry: Entry, is_bounded: bool, reply: Reply },
    /// Note that so many were turned away.
    Lost { items: u64, reply: Reply },
    /// Make an entry of what was turned away.
    Declare(Reply),
    /// Remember these changes, and forget entries before `keep`.
    Settle { settled: u64, keep: u64, changes: Changes, reply: Reply },
}

pub(super) struct Writer {
    store: Arc<Store>,
    settings: Settings,
    queue: mpsc::Receiver<Request>,
    end: watch::Sender<u64>,
    lost: Option<Losses>,
}

/// What a group does, until it is durable.
struct Group {
    batch: OwnedWriteBatch,
    end: u64,
    held: u64,
    lost: Option<Losses>,
    replies: Vec<(Reply, u64)>,
}

impl Writer {
    pub(super) fn new(
        store: Arc<Store>,
        settings: Settings,
        queue: mpsc::Receiver<Request>,
        end: watch::Sender<u64>,
        lost: Option<Losses>,
    ) -> Self {
        Self { store, settings, queue, end, lost }
    }

    /// Writes until nobody can ask any more.
    pub(super) fn run(mut self) {
        while let Some(request) = self.queue.blocking_recv() {
            let held = self.store.held.load(Ordering::Relaxed);
            let batch = self.store.db.batch().durability(Some(PersistMode::SyncAll));
            let end = *self.end.borrow();
            let mut group = Group { batch, end, held, lost: self.lost, replies: Vec::new() };
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
    }

    fn add(&self, request: Request, group: &mut Group) {
        match request {
            Request::Append { entry, is_bounded, reply } => {
                let (held, limit) = (group.held, self.settings.limit);
                if is_bounded && held + entry.body.len() as u64 > limit {
                    // Nobody listens if the caller is gone.
                    let _ = reply.send(Err(JournalError::Full { held, limit }));
                    return;
                }
                let place = self.append(&entry, group);
                group.replies.push((reply, place));
            }
            Request::Lost { items, reply } => {
                let now = (self.settings.clock)();
                let lost = group.lost.get_or_insert(Losses { from: now, to: now, items: 0, attempts: 0 });
                lost.to = lost.to.max(now);
                lost.items += items;
                lost.attempts += 1;
                group.batch.insert(&self.store.state, LOST, json(lost));
                group.replies.push((reply, group.end));
            }
            Request::Declare(reply) => {
                if let Some(lost) = group.lost.take() {
                    let entry = Entry::new((self.settings.clock)(), What::Lost, Bytes::from(json(&lost)));
                    self.append(&entry, group);
                    group.batch.remove(&self.store.state, LOST);
                }
                group.replies.push((reply, group.end));
            }
            Request::Settle { settled, keep, changes, reply } => {
                match self.settle(settled, keep, changes, group) {
                    Ok(()) => group.replies.push((reply, group.end)),
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
        }
    }

    fn append(&self, entry: &Entry, group: &mut Group) -> u64 {
        let place = group.end;
        let bytes = entry.to_bytes();
        group.held += bytes.len() as u64;
        group.batch.insert(&self.store.entries, place.to_be_bytes(), bytes);
        group.end += 1;
        place
    }

    fn settle(
        &self,
        settled: u64,
        keep: u64,
        changes: Changes,
        group: &mut Group,
    ) -> Result<(), JournalError> {
        for item in self.store.entries.range(..keep.to_be_bytes()) {
            let key = item.key().map_err(disk)?;
            let size = self.store.entries.size_of(&key).map_err(disk)?;
            group.held = group.held.saturating_sub(size.unwrap_or_default().into());
            group.batch.remove(&self.store.entries, key);
        }
        let state = &self.store.state;
        for (key, value) in changes.put {
            group.batch.insert(state, key, value);
        }
        for key in changes.remove {
            group.batch.remove(state, key);
        }
        group.batch.insert(state, SETTLED, settled.to_be_bytes());
        Ok(())
    }

    fn commit(&mut self, group: Group) {
        let Group { batch, end, held, lost, replies } = group;
        let done = batch.commit().map_err(disk);
        if done.is_ok() {
            self.store.held.store(held, Ordering::Relaxed);
            self.lost = lost;
            self.end.send_if_modified(|known| std::mem::replace(known, end) != end);
        }
        for (reply, place) in replies {
            let _ = reply.send(done.clone().map(|()| place));
        }
    }
}

fn json(losses: &Losses) -> Vec<u8> {
    serde_json::to_vec(losses).expect("times and numbers are JSON")
}
