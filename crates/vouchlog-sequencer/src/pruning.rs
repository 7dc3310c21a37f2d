//! Giving up old entries: what may go, and the entry that announces it.
//!
//! Tiles stay, so every proof stays as it is. Of the entry bundles below the minimum index, those go that hold nothing but statements and
//! signed heads of streams that ended below it. All others stay whole:
//!
//! | what stays | who needs it |
//! | --- | --- |
//! | genesis, keys of the operator, enrolments, revocations, quotas, rotations of witnesses' keys, predecessor, earlier prunings | every verifier: who may sign |
//! | openings and closings of streams | the log, which takes a key for one stream only; audits: which streams there were |
//! | every entry of a stream that is open or ended above the minimum | audits and completeness files: its later statements follow these |
//!
//! A log announces a minimum index in an entry ([`announce`]), on a stopped store. Once its published checkpoint covers that entry, the running log
//! removes what may go (`pruner.rs`).

use std::collections::HashSet;
use std::ops::ControlFlow;

use bytes::Bytes;
use thiserror::Error;
use vouchlog_merkle::LeafIndex;
use vouchlog_note::{Origin, SignedCheckpoint, SigningKey, VerifyingKey};
use vouchlog_runtime::UnixMillis;
use vouchlog_storage::{Batch, CommitError, Loaded, Pruned, Store, StoreError};
use vouchlog_stream::{
    Entry, LoggedAt, Pruning, StatementEntry, StreamId, StreamOpening, StreamStatus, TextError,
};

use crate::draft::Draft;
use crate::edge::{Framed, frame};
use crate::log_time::logged_at;
use crate::read::WIDTH;
use crate::recover::{recover, retired};
use crate::sequence::integrate;
use crate::state::{Announcement, Directory, last_published, stored_announcement};

/// Streams that a plan names because bundles stay for them.
const NAMED_STREAMS: usize = 8;

/// Why entries are not given up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The store cannot be read, or cannot give up entries.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The announcement was not committed, or perhaps not.
    #[error("the announcement could not be committed: {0}")]
    Commit(#[from] CommitError),
    /// The announcement could not be signed.
    #[error("the announcement could not be signed: {0}")]
    Sign(#[from] TextError),
    /// Bundles go whole.
    #[error("entries are given up in bundles of 256, and {asked} ends none: use {below} or {above}", below = .asked / WIDTH * WIDTH, above = (.asked / WIDTH + 1) * WIDTH)]
    NotWhole {
        /// The minimum index that was asked for.
        asked: u64,
    },
    /// Only sealed bundles can go, and the last of them stays.
    #[error("the log has sealed {sealed} entries, and the last 256 of them stay: the minimum index can be {most} at most, not {asked}", most = .sealed.saturating_sub(WIDTH))]
    NotSealed {
        /// The minimum index that was asked for.
        asked: u64,
        /// Entries that are sealed.
        sealed: u64,
    },
    /// What no published checkpoint covers stays: readers outside the log may not have it.
    #[error(
        "the newest published checkpoint covers {published} entries: entries below {asked} were not all shown to the world"
    )]
    NotPublished {
        /// The minimum index that was asked for.
        asked: u64,
        /// Size of the newest published checkpoint.
        published: u64,
    },
    /// The minimum index never falls, and is announced once.
    #[error("the log announced the minimum index {minimum} in entry {announced} already")]
    Announced {
        /// The minimum index.
        minimum: u64,
        /// The entry.
        announced: LeafIndex,
    },
    /// No whole bundle is that old.
    #[error("no entry bundle of the log is that old: nothing can be given up")]
    NothingOld,
    /// Everything below the minimum index has to stay.
    #[error("every bundle below {minimum} has entries that must stay: nothing would be removed")]
    NothingToRemove {
        /// The minimum index that was asked for.
        minimum: u64,
    },
    /// A log that has ended takes no entry, so it cannot announce anything.
    #[error("the log has ended and takes no more entries: it cannot announce a minimum index")]
    Retired,
    /// The caller stopped it.
    #[error("it was stopped before it was complete; nothing was changed")]
    Stopped,
}

/// What is asked to be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// Entries below an index.
    Index(u64),
    /// Entries that the log took before this time.
    Time(UnixMillis),
}

/// What would be given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The minimum index.
    pub minimum: u64,
    /// Bundles below it that go, and were not gone before.
    pub removed: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Bundles below it that stay, ascending.
    pub kept: Vec<u64>,
    /// How many of these stay for the sake of a stream that is open or ended above the minimum index.
    pub kept_for_streams: u64,
    /// Some of those streams.
    pub streams: Vec<StreamId>,
}

/// Receives how many bundles of how many were read, and returns whether to go on.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// Finds out what may be given up, and changes nothing. `key` is the log's.
///
/// # Errors
/// [`PruneError`], with the reason why nothing may.
pub fn plan<S: Store>(
    store: &S,
    origin: &Origin,
    key: &VerifyingKey,
    below: Below,
    progress: &mut Progress<'_>,
) -> Result<Plan, PruneError> {
    let loaded = store.load()?.ok_or_else(|| StoreError::Damaged("the directory holds no log".into()))?;
    let directory = directory(&loaded)?;
    let minimum = match below {
        Below::Index(index) => index,
        // The last sealed bundle stays, however old it is.
        Below::Time(time) => {
            first_since(store, loaded.sealed, logged_at(time))?.min(loaded.sealed.saturating_sub(WIDTH))
        }
    };
    check_minimum(store, &loaded, &directory, (origin, key), minimum)?;
    let mut live = open_streams(&directory);
    let bundles = minimum / WIDTH..loaded.sealed / WIDTH;
    let total = loaded.sealed / WIDTH;
    for bundle in bundles.clone() {
        add_streams(origin, &sealed(store, bundle)?, bundle * WIDTH, &mut live);
        step(progress, bundle - bundles.start + 1, total)?;
    }
    let tail =
        frame(&loaded.tail).ok_or_else(|| StoreError::Damaged("the tail of entries is malformed".into()))?;
    add_streams(origin, &tail, loaded.sealed, &mut live);
    let done = bundles.end - bundles.start;
    let plan = sort(store, minimum, &live, &mut |bundle, _| progress(done + bundle, total))?;
    if plan.removed == 0 { Err(PruneError::NothingToRemove { minimum }) } else { Ok(plan) }
}

/// Commits the entry that announces a minimum index, which a [`plan`] found possible. The store must not be in use by a running log, whose next
/// start signs the head and removes what may go.
///
/// # Errors
/// [`PruneError`]; of a commit whose outcome is unknown the next start knows.
pub fn announce<S: Store>(
    store: &S,
    log: &SigningKey,
    minimum: u64,
    reason: &str,
    now: UnixMillis,
) -> Result<LeafIndex, PruneError> {
    let key = log.verifying_key();
    let origin = Origin::new(key.name().as_str()).map_err(|error| StoreError::Foreign(error.to_string()))?;
    let loaded = store.load()?.ok_or_else(|| StoreError::Damaged("the directory holds no log".into()))?;
    let (tree, last) = recover(store, &loaded)?;
    if retired(&tree, last.as_ref(), key)?.is_some() {
        return Err(PruneError::Retired);
    }
    let directory = directory(&loaded)?;
    check_minimum(store, &loaded, &directory, (&origin, key), minimum)?;
    let note = Pruning { log: origin, minimum, reason: reason.to_owned() }.sign(log)?;
    let now = logged_at(now).max(tree.logged_at);
    let mut draft = Draft::new(&directory, None, tree.size(), now);
    let index = draft.push(&Entry::LogPruned { logged_at: now, note });
    let drafted = draft.finish();
    let integrated = integrate(&tree, &drafted.entries, &drafted.leaves);
    let states = vec![stored_announcement(&Announcement { minimum, index })];
    let (head, growth) = (integrated.head, integrated.growth);
    store.commit(
        Some(tree.size()),
        Batch { head, count: 1, entries: drafted.entries.bytes, states, growth },
    )?;
    Ok(index)
}

fn directory(loaded: &Loaded) -> Result<Directory, StoreError> {
    let directory = Directory::load(&loaded.states, loaded.head.size.get());
    directory.ok_or_else(|| StoreError::Damaged("a stream or gateway state cannot be read".into()))
}

/// Refuses a minimum index that no log may announce.
fn check_minimum<S: Store>(
    store: &S,
    loaded: &Loaded,
    directory: &Directory,
    (origin, key): (&Origin, &VerifyingKey),
    asked: u64,
) -> Result<(), PruneError> {
    if asked == 0 {
        return Err(PruneError::NothingOld);
    }
    if !asked.is_multiple_of(WIDTH) {
        return Err(PruneError::NotWhole { asked });
    }
    if let Some(Announcement { minimum, index }) = directory.announced
        && asked <= minimum
    {
        return Err(PruneError::Announced { minimum, announced: index });
    }
    // The last sealed bundle dates the entries that follow, also after a restart.
    if asked + WIDTH > loaded.sealed {
        return Err(PruneError::NotSealed { asked, sealed: loaded.sealed });
    }
    let published = match last_published(&loaded.states) {
        Some(note) => SignedCheckpoint::open(note, origin, key)
            .map(|signed| signed.head().size.get())
            .map_err(|error| StoreError::Damaged(format!("the checkpoint published last: {error}")))?,
        // Without witnesses a head is published as soon as it is signed.
        None => store.signed()?.map_or(0, |head| head.size.get()),
    };
    if asked > published { Err(PruneError::NotPublished { asked, published }) } else { Ok(()) }
}

/// The end of the last sealed bundle all of whose entries are older than `time`: entries never go back in time.
fn first_since<S: Store>(store: &S, sealed_size: u64, time: LoggedAt) -> Result<u64, StoreError> {
    let (mut old, mut new) = (0, sealed_size / WIDTH);
    while old < new {
        let middle = old + (new - old) / 2;
        let is_old = match sealed(store, middle) {
            Ok(entries) => match entries.entries().last().map(Entry::decode) {
                Some(Ok(entry)) => entry.logged_at() < time,
                _ => return Err(StoreError::Damaged(format!("entry bundle {middle} is malformed"))),
            },
            // What was given up is older than what was not.
            Err(StoreError::Pruned(_)) => true,
            Err(error) => return Err(error),
        };
        if is_old {
            old = middle + 1;
        } else {
            new = middle;
        }
    }
    Ok(old * WIDTH)
}

/// The streams that have not ended.
pub(crate) fn open_streams(directory: &Directory) -> HashSet<StreamId> {
    let open = directory.streams.values().filter(|stream| stream.status() == StreamStatus::Open);
    open.map(|stream| stream.id()).collect()
}

/// Adds the streams that these entries belong to, or end.
pub(crate) fn add_streams(origin: &Origin, entries: &Framed, first: u64, live: &mut HashSet<StreamId>) {
    for (entry, index) in entries.entries().zip(first..) {
        match Entry::decode(entry) {
            Ok(Entry::Statement(statement)) => {
                live.insert(statement.stream);
            }
            Ok(Entry::StreamHead { stream, .. } | Entry::StreamClosed { stream, .. }) => {
                live.insert(stream);
            }
            Ok(Entry::StreamOpened { note, .. }) => {
                live.extend(StreamId::new(index));
                let opening = StreamOpening::open(&note, origin).ok();
                live.extend(opening.and_then(|opening| opening.previous).map(|previous| previous.stream));
            }
            _ => {}
        }
    }
}

/// Which bundles below `minimum` go and which stay, when the streams in `live` are open or ended above it.
pub(crate) fn sort<S: Store>(
    store: &S,
    minimum: u64,
    live: &HashSet<StreamId>,
    progress: &mut Progress<'_>,
) -> Result<Plan, PruneError> {
    let mut plan = Plan { minimum, ..Plan::default() };
    let gone = store.pruned();
    for bundle in 0..minimum / WIDTH {
        if !gone.as_ref().is_some_and(|gone| gone.has_removed(bundle)) {
            let bytes = store.entry_bundle(bundle)?.ok_or_else(|| missing(bundle))?;
            let length = bytes.len() as u64;
            match fate(&framed(bytes, bundle)?, live) {
                Fate::Goes => {
                    plan.removed += 1;
                    plan.bytes += length;
                }
                Fate::Stays => plan.kept.push(bundle),
                Fate::StaysFor(stream) => {
                    plan.kept.push(bundle);
                    plan.kept_for_streams += 1;
                    if plan.streams.len() < NAMED_STREAMS && !plan.streams.contains(&stream) {
                        plan.streams.push(stream);
                    }
                }
            }
        }
        step(progress, bundle + 1, minimum / WIDTH)?;
    }
    Ok(plan)
}

/// What becomes of a bundle below the minimum index.
enum Fate {
    Goes,
    /// Whatever becomes of the streams.
    Stays,
    /// For the sake of a live stream.
    StaysFor(StreamId),
}

fn fate(entries: &Framed, live: &HashSet<StreamId>) -> Fate {
    let mut fate = Fate::Goes;
    for entry in entries.entries() {
        match Entry::decode(entry) {
            Ok(Entry::Statement(StatementEntry { stream, .. }) | Entry::StreamHead { stream, .. }) => {
                if live.contains(&stream) {
                    fate = Fate::StaysFor(stream);
                }
            }
            _ => return Fate::Stays,
        }
    }
    fate
}

fn sealed<S: Store>(store: &S, bundle: u64) -> Result<Framed, StoreError> {
    framed(store.entry_bundle(bundle)?.ok_or_else(|| missing(bundle))?, bundle)
}

fn framed(bytes: Bytes, bundle: u64) -> Result<Framed, StoreError> {
    frame(&[bytes]).ok_or_else(|| StoreError::Damaged(format!("entry bundle {bundle} is malformed")))
}

fn missing(bundle: u64) -> StoreError {
    StoreError::Damaged(format!("entry bundle {bundle} is missing"))
}

fn step(progress: &mut Progress<'_>, done: u64, total: u64) -> Result<(), PruneError> {
    match progress(done, total) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(PruneError::Stopped),
    }
}

/// What a store is to give up by this plan, which the entry at `announced` announces.
pub(crate) fn pruned(plan: Plan, announced: LeafIndex) -> Pruned {
    Pruned::new(plan.minimum, announced.get(), plan.kept)
}
