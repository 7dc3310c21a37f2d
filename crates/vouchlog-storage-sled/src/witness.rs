//! The store of a witness: one sled database, small states, and two plain files that tell when the database is not what it was.
//!
//! ```text
//! <dir>/live/      sled, durable in every commit:
//!   "identity"             identity (16), written first of all and never again
//!   "commits"              commits taken (8)
//!   "w" || origin (32)     revision (8) || state
//! <dir>/FORMAT     "vouchlog witness store 1" LF "identity " identity (32 hex digits) LF
//! <dir>/COMMITS    commits taken (8) || the same, inverted (8)
//! ```
//!
//! A witness that forgets what it cosigned breaks its promise, so a database that silently went back is worse than one that
//! does not open. sled takes a page it cannot read at the end of its file for one that was never written, and opens as the
//! database of a moment before. COMMITS catches that: it is written after each commit and not synced, so that it costs
//! nothing, survives kill -9, and after a power cut is at most too low.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use vouchlog_merkle::Hash;
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_storage::{
    Revision, StoreError, StoreIdentity, WitnessChange, WitnessCommitError, WitnessStore,
    check_witness_changes,
};

use crate::database::{Database, damaged, sled_error};
use crate::files::{disk_error, os_error};
use crate::options::{Options, no_room};
use crate::stamp::read_format;

const IDENTITY: &[u8] = b"identity";
/// Begins with the first byte of no state's key.
const COMMITS: &[u8] = b"commits";
const STATE: u8 = b'w';

const FORMAT_FILE: &str = "FORMAT";
/// First line. Another number is another layout, which this version cannot read.
const FORMAT: &str = "vouchlog witness store 1";
const COMMITS_FILE: &str = "COMMITS";

/// A witness's store in a directory, open in this process alone.
pub struct SledWitnessStore {
    dir: PathBuf,
    identity: StoreIdentity,
    options: Options,
    /// Written while a commit is under way: a state is not shown before it is durable.
    open: RwLock<Open>,
    /// Why commits must not go on, for those who must not wait for one.
    stopped: Mutex<Option<String>>,
}

struct Open {
    db: Database,
    revisions: HashMap<Hash, Revision>,
    commits: u64,
    count: File,
    /// Set when a commit failed: what is in the database may not be durable.
    doubtful: bool,
}

impl SledWitnessStore {
    /// Opens the store in `dir`, or makes one called `fresh`. Refuses a directory of another format, open elsewhere, or with
    /// a database that is not the one it had.
    pub fn open(dir: &Path, fresh: StoreIdentity, options: Options) -> Result<Self, StoreError> {
        durable::make_dir(dir).map_err(disk_error)?;
        let stamped = read_stamp(dir)?;
        // Nothing is begun where something was: that would be to forget it.
        if stamped.is_some() && !dir.join("live").join("db").exists() {
            return Err(StoreError::Damaged("the data directory has a FORMAT file but no database".into()));
        }
        let db = Database::open(&dir.join("live"))?;
        let identity = match (stored_identity(&db)?, stamped) {
            (Some(stored), Some(stamped)) if stored != stamped => {
                return Err(StoreError::Damaged(format!(
                    "the FORMAT file is of the store {stamped}, the database of the store {stored}"
                )));
            }
            (Some(stored), _) => stored,
            (None, Some(_)) => {
                return Err(StoreError::Damaged("the database is empty, but the store was in use".into()));
            }
            (None, None) => create(&db, fresh)?,
        };
        if stamped.is_none() {
            write_stamp(dir, identity)?;
        }
        let (commits, count) = check_count(dir, &db)?;
        let revisions = revisions(&db)?;
        let open = RwLock::new(Open { db, revisions, commits, count, doubtful: false });
        Ok(Self { dir: dir.to_owned(), identity, options, open, stopped: Mutex::default() })
    }

    /// Whether there is a store in `dir`, readable or not. A failure to find out is not taken for none.
    pub fn exists(dir: &Path) -> io::Result<bool> {
        Ok(dir.join(FORMAT_FILE).try_exists()? || dir.join("live").try_exists()?)
    }

    fn stop(&self, reason: &str) {
        self.stopped.lock().get_or_insert_with(|| reason.to_owned());
    }
}

impl Open {
    fn check(&self, changes: &[WitnessChange]) -> Result<(), WitnessCommitError> {
        for &WitnessChange { origin, expected, .. } in changes {
            let found = self.revisions.get(&origin).copied().unwrap_or_default();
            if found != expected {
                return Err(WitnessCommitError::Moved { origin, expected, found });
            }
        }
        Ok(())
    }

    fn write(&mut self, changes: &[WitnessChange]) -> Result<(), sled::Error> {
        let commits = self.commits + 1;
        let mut write = sled::Batch::default();
        for change in changes {
            let revision = change.expected.next().get().to_be_bytes();
            write.insert(state_key(&change.origin).as_slice(), [&revision[..], &change.state].concat());
        }
        write.insert(COMMITS, &commits.to_be_bytes());
        self.db.apply(write)?;
        self.commits = commits;
        self.revisions.extend(changes.iter().map(|change| (change.origin, change.expected.next())));
        // The commit is durable; a count that lags tells less, and nothing false.
        if let Err(error) = self.count.write_all_at(&encode_count(commits), 0) {
            tracing::warn!(%error, "the COMMITS file was not written");
        }
        Ok(())
    }
}

impl WitnessStore for SledWitnessStore {
    fn identity(&self) -> StoreIdentity {
        self.identity
    }

    fn load(&self, take: &mut dyn FnMut(Hash, Revision, Bytes)) -> Result<(), StoreError> {
        for item in self.open.read().db.scan_prefix([STATE]) {
            let (key, value) = item.map_err(sled_error)?;
            let (origin, revision, state) = decode_state(&key, &value)?;
            take(origin, revision, Bytes::copy_from_slice(state));
        }
        Ok(())
    }

    fn state(&self, origin: &Hash) -> Result<Option<Bytes>, StoreError> {
        let open = self.open.read();
        if open.doubtful {
            return Err(StoreError::Io(
                "it must be reopened: the outcome of an earlier commit is unknown".into(),
            ));
        }
        let key = state_key(origin);
        let Some(value) = open.db.get(key)? else { return Ok(None) };
        decode_state(&key, &value).map(|(_, _, state)| Some(Bytes::copy_from_slice(state)))
    }

    fn commit(&self, changes: &[WitnessChange]) -> Result<(), WitnessCommitError> {
        let mut open = self.open.write();
        if let Some(reason) = &*self.stopped.lock() {
            return Err(WitnessCommitError::Refused(reason.clone()));
        }
        check_witness_changes(changes)?;
        open.check(changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        if let Some(full) = no_room(&self.dir, &self.options) {
            return Err(WitnessCommitError::Refused(full));
        }
        open.write(changes).map_err(|error| {
            open.doubtful = true;
            self.stop("the outcome of an earlier commit is unknown: reopen the store");
            WitnessCommitError::Unknown(error.to_string())
        })
    }

    fn impediment(&self) -> Option<String> {
        let stopped = self.stopped.lock().clone();
        stopped.or_else(|| no_room(&self.dir, &self.options))
    }

    fn close(&self) -> Result<(), StoreError> {
        self.stop("the store is closed");
        // Every commit is durable already; the count is made so, while there is time.
        self.open.write().count.sync_data().map_err(os_error)
    }
}

impl fmt::Debug for SledWitnessStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SledWitnessStore({})", self.identity)
    }
}

fn state_key(origin: &Hash) -> [u8; 33] {
    let mut key = [STATE; 33];
    key[1..].copy_from_slice(origin.as_bytes());
    key
}

fn decode_state<'v>(key: &[u8], value: &'v [u8]) -> Result<(Hash, Revision, &'v [u8]), StoreError> {
    let origin = key.get(1..).and_then(|origin| Hash::try_from(origin).ok());
    let state = value.split_first_chunk::<8>();
    let ((revision, state), origin) = state.zip(origin).ok_or_else(|| damaged("the state of a log"))?;
    Ok((origin, Revision::new(u64::from_be_bytes(*revision)), state))
}

fn revisions(db: &Database) -> Result<HashMap<Hash, Revision>, StoreError> {
    let mut revisions = HashMap::new();
    for item in db.scan_prefix([STATE]) {
        let (key, value) = item.map_err(sled_error)?;
        let (origin, revision, _) = decode_state(&key, &value)?;
        revisions.insert(origin, revision);
    }
    Ok(revisions)
}

fn stored_identity(db: &Database) -> Result<Option<StoreIdentity>, StoreError> {
    let Some(value) = db.get(IDENTITY)? else { return Ok(None) };
    let bytes = value.as_ref().try_into().map_err(|_| damaged("its identity"))?;
    Ok(Some(StoreIdentity::from_bytes(bytes)))
}

fn create(db: &Database, identity: StoreIdentity) -> Result<StoreIdentity, StoreError> {
    let mut write = sled::Batch::default();
    write.insert(IDENTITY, identity.as_bytes());
    db.apply(write).map_err(sled_error)?;
    Ok(identity)
}

/// The number of commits in the database, checked against the file beside it, which is opened for the next.
fn check_count(dir: &Path, db: &Database) -> Result<(u64, File), StoreError> {
    let commits = match db.get(COMMITS)? {
        None => 0,
        Some(value) => {
            u64::from_be_bytes(value.as_ref().try_into().map_err(|_| damaged("its number of commits"))?)
        }
    };
    let path = dir.join(COMMITS_FILE);
    let counted = match fs::read(&path) {
        Ok(bytes) => decode_count(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(os_error(error)),
    };
    if let Some(counted) = counted.filter(|counted| *counted > commits) {
        return Err(StoreError::Damaged(format!(
            "its database holds {commits} commits, but {counted} were made: it was rolled back"
        )));
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(os_error)?;
    file.write_all_at(&encode_count(commits), 0).map_err(os_error)?;
    Ok((commits, file))
}

fn encode_count(commits: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&commits.to_be_bytes());
    bytes[8..].copy_from_slice(&(!commits).to_be_bytes());
    bytes
}

/// The count; `None` for what a power cut left of one.
fn decode_count(bytes: &[u8]) -> Option<u64> {
    let (commits, inverted) = bytes.split_first_chunk::<8>()?;
    let commits = u64::from_be_bytes(*commits);
    (u64::from_be_bytes(inverted.try_into().ok()?) == !commits).then_some(commits)
}

/// Whose store is in `dir`; `None` when there is none.
fn read_stamp(dir: &Path) -> Result<Option<StoreIdentity>, StoreError> {
    let advice = "give the witness a directory of its own";
    let Some(rest) = read_format(&dir.join(FORMAT_FILE), FORMAT, advice)? else { return Ok(None) };
    let identity = rest.strip_prefix("identity ").and_then(|rest| rest.strip_suffix('\n'));
    let identity = identity.and_then(|identity| identity.parse().ok());
    identity.map(Some).ok_or_else(|| StoreError::Damaged("its FORMAT file names no identity".into()))
}

/// Writes the stamp durably, whole or not at all.
fn write_stamp(dir: &Path, identity: StoreIdentity) -> Result<(), StoreError> {
    let stamp = format!("{FORMAT}\nidentity {identity}\n");
    durable::write(&dir.join(FORMAT_FILE), stamp.as_bytes(), Mode::Shared).map_err(disk_error)
}
