//! Looking at a data directory, stopped or in use, without writing to it.
//!
//! Every file is opened for reading only. sled writes when it opens a database, so it is examined as a copy in a temporary directory, and
//! only while no process has the store open: a copy of a changing database proves nothing. The lookup index is read where it is.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use vouchlog_ledger::{Folder, LedgerError, TwoSlots, survey};
use vouchlog_merkle::TreeHead;
use vouchlog_storage::{FileRange, Loaded, StoreError};

use crate::book::{Book, PURPOSE};
use crate::contents::Contents;
use crate::damage::Damage;
use crate::files::copy_dir;
use crate::first_copy::FirstCopy;
use crate::index::RunIndex;
use crate::live::Live;
use crate::names::{BACKUP, LEDGER, LIVE, OPEN, SIGNED};
use crate::read_only::ReadOnly;
use crate::scratch::Scratch;
use crate::segments::Segments;
use crate::signed::read_signed;
use crate::stamp::Stamp;

/// How often a file that a running log is writing to is read before it counts as damaged.
const ATTEMPTS: u32 = 10;
/// Pause between two of these attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// What was found in a data directory.
#[derive(Debug)]
pub struct Examined {
    /// The log's origin, unless FORMAT is damaged.
    pub origin: Option<String>,
    /// Whether a process has the store open.
    pub running: bool,
    /// The store, unless both copies of its living part are unreadable, or its sealed part is elsewhere.
    pub store: Option<ReadOnly>,
    /// The last committed head, by the living part.
    pub head: Option<TreeHead>,
    /// The URL of the object store that has the sealed part, which was not examined.
    pub objects: Option<String>,
    /// What the living part holds, if the sealed part is in an object store.
    pub living: Option<Loaded>,
    /// The newest head that the log signed, as far as it remembers one.
    pub signed: Option<TreeHead>,
    /// The lookup index, if there is one and it is whole.
    pub index: Option<RunIndex>,
    /// What is wrong with FORMAT, SIGNED, the ledger, sled or the lookup index.
    pub damages: Vec<Damage>,
    /// What was not examined, and why.
    pub left_out: Vec<String>,
    /// What the next start will do by itself. No damage.
    pub notes: Vec<String>,
    #[expect(dead_code, reason = "held for its drop")]
    scratch: Scratch,
}

/// Examines the data directory `dir`; changes nothing in it. `None` when there is no log in it.
///
/// # Errors
/// [`StoreError`] when the directory cannot be listed, was made by another version, or there is no room for the copies.
pub fn examine(dir: &Path) -> Result<Option<Examined>, StoreError> {
    let stamp = match Stamp::read(dir) {
        Ok(None) if !dir.join(LEDGER).exists() && !dir.join(LIVE).exists() => return Ok(None),
        Ok(stamp) => Ok(stamp),
        // Another version made it; anything else in the first line is damage.
        Err(StoreError::Foreign(message)) if is_of_another_version(dir) => {
            return Err(StoreError::Foreign(message));
        }
        Err(StoreError::Foreign(message) | StoreError::Damaged(message)) => Err(message),
        Err(error) => return Err(error),
    };
    // Held while files are copied, so that a log which starts meanwhile does not change them.
    let lock = Lock::test(dir)?;
    let mut look = Look::new(dir, lock.is_none());
    let stamp = look.stamp(stamp);
    let is_begun = stamp.as_ref().is_none_or(|stamp| stamp.begun);
    let has_ledger = stamp.as_ref().is_none_or(|stamp| stamp.ledger);
    let scratch = Scratch::new()?;
    // SIGNED first: a log that runs may have signed more by the time its ledger is read, never less.
    let signed = look.signed(is_begun && has_ledger);
    let ledger = look.ledger(is_begun && has_ledger);
    let sled = look.sled(&scratch, is_begun)?;
    let index = look.index();
    drop(lock);
    let contents = look.compare(ledger, sled);
    let head = contents.as_ref().and_then(|contents| contents.head);
    let objects = stamp.as_ref().and_then(|stamp| stamp.elsewhere.clone());
    let (store, living) = match &objects {
        None => (contents.map(|contents| look.store(contents, signed)), None),
        Some(_) => (None, contents.and_then(|contents| contents.loaded().ok().flatten())),
    };
    if store.is_none() && is_begun && objects.is_none() {
        look.left_out.push("sealed/: no copy of the living part shows its expected size".into());
    }
    let Look { running, damages, left_out, notes, .. } = look;
    let origin = stamp.map(|stamp| stamp.origin);
    Ok(Some(Examined {
        origin,
        running,
        store,
        head,
        objects,
        living,
        signed,
        index,
        damages,
        left_out,
        notes,
        scratch,
    }))
}

/// Whether FORMAT begins as that of every version does.
fn is_of_another_version(dir: &Path) -> bool {
    fs::read(dir.join("FORMAT")).is_ok_and(|text| text.starts_with(b"vouchlog store "))
}

/// A shared lock on the LOCK file, taken without creating or writing it.
struct Lock(#[expect(dead_code, reason = "held for its drop")] Option<File>);

impl Lock {
    /// `None` when another process has the store open.
    fn test(dir: &Path) -> Result<Option<Self>, StoreError> {
        let Ok(file) = File::open(dir.join("LOCK")) else { return Ok(Some(Self(None))) };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self(Some(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(StoreError::Io(format!("LOCK could not be tested: {error}")))
            }
        }
    }
}

/// Whether a process has the store in `dir` open.
///
/// # Errors
/// [`StoreError::Io`] when its lock cannot be tested.
pub fn is_running(dir: &Path) -> Result<bool, StoreError> {
    Ok(Lock::test(dir)?.is_none())
}

/// Reads what a running log may be writing to: it may have deleted a file since it was listed, or be about to write a record. Only
/// an error that stays is one.
pub(crate) fn steadily<T, E>(running: bool, read: impl Fn() -> Result<T, E>) -> Result<T, E> {
    let mut outcome = read();
    for _ in 1..ATTEMPTS {
        if !running || outcome.is_ok() {
            break;
        }
        std::thread::sleep(PAUSE);
        outcome = read();
    }
    outcome
}

/// An examination under way.
struct Look<'a> {
    dir: &'a Path,
    running: bool,
    /// Whether the last process that had the store open closed it.
    is_clean: bool,
    damages: Vec<Damage>,
    left_out: Vec<String>,
    notes: Vec<String>,
}

impl<'a> Look<'a> {
    fn new(dir: &'a Path, running: bool) -> Self {
        let is_clean = !dir.join(OPEN).exists();
        Self { dir, running, is_clean, damages: Vec::new(), left_out: Vec::new(), notes: Vec::new() }
    }

    fn damage(&mut self, code: &'static str, place: FileRange, message: impl Into<String>) {
        self.damages.push(Damage { code, place, message: message.into() });
    }

    /// The whole of a file, for damage that cannot be located more closely.
    fn whole(&self, file: &str) -> FileRange {
        let end =
            fs::metadata(self.dir.join(file)).map_or(0, |data| if data.is_file() { data.len() } else { 0 });
        FileRange { file: file.to_owned(), start: 0, end }
    }

    fn stamp(&mut self, stamp: Result<Option<Stamp>, String>) -> Option<Stamp> {
        match stamp {
            Ok(Some(stamp)) => return Some(stamp),
            Ok(None) => self.damage("format", self.whole("FORMAT"), "it is missing"),
            Err(message) => self.damage("format", self.whole("FORMAT"), message),
        }
        None
    }

    fn signed(&mut self, is_expected: bool) -> Option<TreeHead> {
        let folder = Folder::new(self.dir);
        let mut unreadable = TwoSlots::unreadable(&folder, SIGNED);
        for _ in 1..ATTEMPTS {
            if !self.running || unreadable.as_ref().is_ok_and(Vec::is_empty) {
                break;
            }
            std::thread::sleep(PAUSE);
            unreadable = TwoSlots::unreadable(&folder, SIGNED);
        }
        match unreadable {
            Ok(slots) => {
                for (start, end) in slots {
                    let place = FileRange { file: SIGNED.into(), start, end };
                    self.damage("signed", place, "a slot cannot be read");
                }
            }
            Err(error) => self.damage("signed", self.whole(SIGNED), error.to_string()),
        }
        if is_expected && !self.dir.join(SIGNED).exists() {
            self.damage("signed", self.whole(SIGNED), "it is missing");
        }
        read_signed(&Folder::new(self.dir)).ok().flatten()
    }

    fn ledger(&mut self, is_expected: bool) -> Option<Contents> {
        let folder = self.dir.join(LEDGER);
        match steadily(self.running, || Book::read(&Folder::new(&folder))) {
            Ok(Some((contents, summary))) => {
                if summary.torn > 0 && !self.running {
                    self.notes.push(format!(
                        "ledger/{:08} ends with {} bytes of a record that was never acknowledged; the next start cuts them off",
                        summary.newest, summary.torn
                    ));
                }
                self.mark();
                Some(contents)
            }
            Ok(None) => {
                if is_expected {
                    self.damage("ledger", self.whole(LEDGER), "it is missing");
                }
                None
            }
            Err(error) => {
                self.damaged_ledger(&folder, &error);
                None
            }
        }
    }

    /// The slots of MARK, once the rest of the ledger is known to be whole.
    fn mark(&mut self) {
        if self.running {
            return;
        }
        let folder = Folder::new(self.dir.join(LEDGER));
        for (start, end) in TwoSlots::unreadable(&folder, "MARK").unwrap_or_default() {
            let place = FileRange { file: "ledger/MARK".into(), start, end };
            self.damage("ledger", place, "a slot cannot be read");
        }
        if !self.dir.join(LEDGER).join("MARK").exists() {
            self.damage("ledger", self.whole("ledger/MARK"), "it is missing");
        }
    }

    /// The error names the first damage; the survey names all of it.
    fn damaged_ledger(&mut self, folder: &Path, error: &LedgerError) {
        let found = survey(&Folder::new(folder), PURPOSE, &mut |_| ()).unwrap_or_default();
        for damage in &found {
            let place =
                FileRange { file: format!("ledger/{}", damage.file), start: damage.start, end: damage.end };
            self.damage("ledger", place, damage.reason.clone());
        }
        if found.is_empty() {
            let (file, start) = match error {
                LedgerError::Damaged { file, offset, .. } => (file.as_str(), *offset),
                LedgerError::Io { file, .. }
                | LedgerError::Lost { file, .. }
                | LedgerError::Foreign { file, .. } => (file.as_str(), 0),
                _ => ("", 0),
            };
            let file = format!("ledger/{file}");
            let end = self.whole(&file).end;
            self.damage("ledger", FileRange { file, start, end }, error.to_string());
        }
        self.mark();
    }

    fn sled(&mut self, scratch: &Scratch, is_begun: bool) -> Result<Option<Contents>, StoreError> {
        if self.running {
            self.left_out.push("live/: sled cannot be examined while a log has it open".into());
            return Ok(None);
        }
        // Left by a start that did not come to its end: the originals.
        let name = if self.dir.join("live.before").exists() { "live.before" } else { LIVE };
        let file = format!("{name}/db");
        if !self.dir.join(&file).exists() {
            if is_begun && !is_backup(self.dir) {
                self.damage("live", self.whole(&file), "it is missing");
            }
            return Ok(None);
        }
        let copy = scratch.path().join(LIVE);
        if let Some(error) = self.copy(&self.dir.join(name), &copy, &file)? {
            self.damage("live", self.whole(&file), error);
            return Ok(None);
        }
        match Live::open(&copy).and_then(|live| live.contents()) {
            Ok(contents) => Ok(Some(contents)),
            Err(error) => {
                self.damage("live", self.whole(&file), error.to_string());
                Ok(None)
            }
        }
    }

    /// Copies a directory to the scratch directory. Why it could not be read, if so; that there is no room is an error.
    fn copy(&self, from: &Path, to: &Path, file: &str) -> Result<Option<String>, StoreError> {
        let Err(error) = copy_dir(from, to) else { return Ok(None) };
        let readable = fs::read(self.dir.join(file)).is_ok();
        if readable { Err(error) } else { Ok(Some(error.to_string())) }
    }

    fn index(&mut self) -> Option<RunIndex> {
        let path = self.dir.join("index");
        if !path.is_dir() {
            return None;
        }
        if self.running {
            self.left_out.push("index/: the lookup index cannot be examined while a log has it open".into());
            return None;
        }
        match RunIndex::open_existing(&path) {
            Ok(Some(index)) => Some(index),
            Ok(None) => {
                self.notes.push(
                    "index/ is not a lookup index of this version; the next start deletes and rebuilds it"
                        .into(),
                );
                None
            }
            Err(error) => {
                let message = format!("{error}; a running log rebuilds the part once it reads it");
                self.damage("index", self.whole("index"), message);
                None
            }
        }
    }

    /// Compares both copies of the living part; the one to go on with.
    fn compare(&mut self, ledger: Option<Contents>, sled: Option<Contents>) -> Option<Contents> {
        let (ledger, sled) = match (ledger, sled) {
            (Some(ledger), Some(sled)) => (ledger, sled),
            (one, other) => return one.or(other),
        };
        let sealed = ledger.sealed.max(sled.sealed);
        let differ = sled.commits.abs_diff(ledger.commits);
        if differ == 1 && !self.is_clean {
            self.notes.push(
                "one copy of the living part is one commit ahead; the next start makes them equal".into(),
            );
        } else if !sled.is_same_log(&ledger) {
            let message = format!(
                "it holds {} commits and {} entries, the ledger {} and {}",
                sled.commits,
                sled.size(),
                ledger.commits,
                ledger.size()
            );
            self.damage("live", self.whole("live/db"), message);
        } else if let Some(index) = sled.first_difference(&ledger) {
            let message = format!("entry {index} is not the one in the ledger");
            self.damage("live", self.whole("live/db"), message);
        }
        let newer = if sled.commits > ledger.commits { sled } else { ledger };
        Some(Contents { sealed, ..newer })
    }

    fn store(&self, mut contents: Contents, signed: Option<TreeHead>) -> ReadOnly {
        let dir: PathBuf = self.dir.join("sealed");
        let segments = Segments::open_read_only(&dir, contents.sealed);
        if self.running {
            // The ledger learns only later what was sealed; the rest is compared with the ledger's own entries.
            let written = segments.written_bundles() * 256;
            contents.sealed = contents.sealed.max(written.min(contents.size() / 256 * 256));
        }
        ReadOnly::new(contents, segments, signed)
    }
}

/// Whether a directory holds a backup, which has no sled.
pub(crate) fn is_backup(dir: &Path) -> bool {
    dir.join(BACKUP).exists()
}
