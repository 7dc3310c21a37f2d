//! The start: both copies of the living part are read and compared before either may be written.
//!
//! | sled | ledger | what happens |
//! | --- | --- | --- |
//! | holds the same | whole | go on |
//! | behind | whole | sled is made again from the ledger |
//! | damaged or unreadable | whole, and holds all that was signed | sled is made again from the ledger |
//! | ahead by what was being committed | whole | the ledger is made again from sled |
//! | damaged or unreadable | ends with an unfinished record | refused: without the other copy, damage to the last record looks the same |
//! | whole, and holds all that was signed | damaged | the ledger is made again from sled |
//! | damaged, or holds less than was signed | the same | refused; `vouchlog recover` builds a new directory from what is left |
//!
//! What is replaced is kept in `aside/`. After an unclean stop sled works on a fresh copy of its files, synced, so that what a
//! failed sync left in memory only is not taken for durable; the originals are kept until both copies agree.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vouchlog_ledger::Folder;
use vouchlog_merkle::TreeHead;
use vouchlog_storage::StoreError;

use crate::book::{Book, BookOptions, new_identity, store_error};
use crate::contents::Contents;
use crate::files::{copy_dir, make_dir, name, read_all, remove_dir, rename};
use crate::first_copy::FirstCopy;
use crate::live::Live;
use crate::names::{LEDGER, LIVE};

const ASIDE: &str = "aside";
/// Replaced copies that are kept, of each kind.
const KEPT: u64 = 4;

/// What the stamp tells of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nothing was ever committed.
    No,
    /// Something was; by a version that kept no ledger.
    WithoutLedger,
    /// Something was.
    Yes,
}

/// Both copies, open, and what they hold.
pub(crate) struct Copies {
    pub(crate) live: Live,
    pub(crate) book: Book,
    pub(crate) contents: Contents,
}

/// Opens both copies in the data directory `dir`, which holds them in `live` and `ledger`.
pub(crate) fn open(
    dir: &Path,
    begun: Begun,
    was_clean: bool,
    signed: Option<TreeHead>,
    min_free_bytes: u64,
) -> Result<Copies, StoreError> {
    let place = BookDir { dir, begun, options: BookOptions::new(min_free_bytes) };
    let in_ledger = place.read_ledger()?;
    let in_sled = place.read_sled(was_clean)?;
    let copies = match decide(in_sled, in_ledger, begun, signed)? {
        Decision::GoOn { first: live, contents } => {
            let book = Book::open(place.ledger_disk(), place.options)?;
            Copies { live, book, contents }
        }
        Decision::RemakeFirst { contents, damage } => place.remake_sled(&damage, contents)?,
        Decision::RemakeLedger { first: live, contents, damage } => {
            place.remake_ledger(live, contents, damage.as_ref())?
        }
        Decision::Create => place.create()?,
    };
    remove_dir(&dir.join("live.before"))?;
    Ok(copies)
}

/// What was found of one copy.
#[derive(Debug)]
pub enum Copy<T> {
    /// Nothing was ever there.
    Absent,
    /// All of it could be read.
    Whole(T),
    /// All of it could be read but an unfinished record at its end. A crash leaves such a record, which was never acknowledged. Damage to the
    /// last record looks the same; only another copy can tell.
    Torn(T),
    /// It cannot be read, or is gone.
    Damaged(StoreError),
}

/// What a start does. `first` is the first copy, as it was read.
#[derive(Debug)]
pub enum Decision<T> {
    /// Both copies hold the same.
    GoOn {
        /// The first copy.
        first: T,
        /// What both hold.
        contents: Contents,
    },
    /// The first copy is made again from the ledger.
    RemakeFirst {
        /// What the ledger holds.
        contents: Contents,
        /// What is wrong with the first copy.
        damage: StoreError,
    },
    /// The ledger is made again from the first copy.
    RemakeLedger {
        /// The first copy.
        first: T,
        /// What it holds.
        contents: Contents,
        /// What is wrong with the ledger; `None` if it only lacks what was being committed.
        damage: Option<StoreError>,
    },
    /// There is nothing yet.
    Create,
}

/// The table above. `begun` and `signed` are what is remembered outside both copies.
///
/// # Errors
/// [`StoreError::Damaged`] when what is left does not reach as far as what is remembered.
pub fn decide<T>(
    first: Copy<(T, Contents)>,
    ledger: Copy<Contents>,
    begun: Begun,
    signed: Option<TreeHead>,
) -> Result<Decision<T>, StoreError> {
    use self::Copy::{Absent, Damaged, Torn, Whole};
    let decision = match (first, ledger) {
        (Whole((first, contents)) | Torn((first, contents)), Whole(ledger) | Torn(ledger)) => {
            reconcile(first, contents, ledger)
        }
        (Damaged(damage), Whole(contents)) => {
            check_signed(&contents, signed, "the ledger", &damage)?;
            Decision::RemakeFirst { contents, damage }
        }
        (Absent, Whole(contents) | Torn(contents)) => {
            Decision::RemakeFirst { contents, damage: missing(LIVE) }
        }
        (Whole((first, contents)), Damaged(damage)) => {
            check_signed(&contents, signed, LIVE, &damage)?;
            Decision::RemakeLedger { first, contents, damage: Some(damage) }
        }
        (Whole((first, contents)) | Torn((first, contents)), Absent) => {
            Decision::RemakeLedger { first, contents, damage: None }
        }
        (Damaged(first), Torn(_)) => return Err(both_damaged(&first, &unfinished(LEDGER))),
        (Torn(_), Damaged(ledger)) => return Err(both_damaged(&unfinished(LIVE), &ledger)),
        (Damaged(first), Damaged(ledger)) => return Err(both_damaged(&first, &ledger)),
        (Damaged(first), Absent) => return Err(both_damaged(&first, &missing(LEDGER))),
        (Absent, Damaged(ledger)) => return Err(both_damaged(&missing(LIVE), &ledger)),
        (Absent, Absent) => Decision::Create,
    };
    check_begun(decision.head(), begun)?;
    Ok(decision)
}

/// Both can be read: they hold the same, or one is behind by what was being committed, or the first went back in time.
fn reconcile<T>(first: T, contents: Contents, ledger: Contents) -> Decision<T> {
    if contents.is_same_log(&ledger) {
        return Decision::GoOn { first, contents };
    }
    if contents.commits > ledger.commits {
        return Decision::RemakeLedger { first, contents, damage: None };
    }
    let damage = StoreError::Damaged(format!(
        "live/db holds {} commits and {} entries, the ledger {} and {}",
        contents.commits,
        contents.size(),
        ledger.commits,
        ledger.size()
    ));
    Decision::RemakeFirst { contents: ledger, damage }
}

impl<T> Decision<T> {
    fn head(&self) -> Option<TreeHead> {
        match self {
            Self::GoOn { contents, .. }
            | Self::RemakeFirst { contents, .. }
            | Self::RemakeLedger { contents, .. } => contents.head,
            Self::Create => None,
        }
    }
}

struct BookDir<'a> {
    dir: &'a Path,
    begun: Begun,
    options: BookOptions,
}

impl BookDir<'_> {
    fn ledger(&self) -> PathBuf {
        self.dir.join(LEDGER)
    }

    fn ledger_disk(&self) -> Arc<Folder> {
        Arc::new(Folder::new(self.ledger()))
    }

    fn live(&self) -> PathBuf {
        self.dir.join(LIVE)
    }

    fn read_ledger(&self) -> Result<Copy<Contents>, StoreError> {
        match Book::read(&*self.ledger_disk()) {
            Ok(Some((contents, summary))) if summary.torn > 0 => Ok(Copy::Torn(contents)),
            Ok(Some((contents, _))) => Ok(Copy::Whole(contents)),
            Ok(None) if self.begun == Begun::Yes => Ok(Copy::Damaged(missing(LEDGER))),
            Ok(None) => Ok(Copy::Absent),
            Err(error) if error.is_damage() || is_unreadable(&error) => {
                Ok(Copy::Damaged(store_error(&error)))
            }
            Err(error) => Err(store_error(&error)),
        }
    }

    /// Reads sled's files to the last byte before sled may: it takes what it cannot read for the end of its data, and
    /// overwrites what follows.
    fn read_sled(&self, was_clean: bool) -> Result<Copy<(Live, Contents)>, StoreError> {
        let (live, before, copy) = (self.live(), self.dir.join("live.before"), self.dir.join("live.copy"));
        if before.exists() {
            // The originals, of a start that did not come to its end: sled may have cut what it worked on since.
            remove_dir(&live)?;
            rename(&before, &live)?;
        }
        if !live.join("db").exists() {
            let is_new = self.begun == Begun::No;
            return Ok(if is_new { Copy::Absent } else { Copy::Damaged(missing("live/db")) });
        }
        remove_dir(&copy)?;
        let read = if was_clean { read_all(&live, &mut |_, _| Ok(())) } else { copy_dir(&live, &copy) };
        match read {
            Err(StoreError::Io(reason)) => return Ok(Copy::Damaged(StoreError::Io(reason))),
            other => other?,
        }
        if !was_clean {
            rename(&live, &before)?;
            rename(&copy, &live)?;
        }
        match Live::open(&live).and_then(|live| live.contents().map(|contents| (live, contents))) {
            Ok(found) => Ok(Copy::Whole(found)),
            Err(StoreError::InUse) => Err(StoreError::InUse),
            Err(error) => Ok(Copy::Damaged(error)),
        }
    }

    fn remake_sled(&self, damage: &StoreError, contents: Contents) -> Result<Copies, StoreError> {
        let (live, new) = (self.live(), self.dir.join("live.new"));
        remove_dir(&new)?;
        Live::create(&new, &contents)?;
        let book = Book::open(self.ledger_disk(), self.options)?;
        let original = self.dir.join("live.before");
        let kept = self.set_aside(if original.exists() { &original } else { &live }, LIVE)?;
        remove_dir(&live)?;
        rename(&new, &live)?;
        tracing::warn!(%damage, kept, "live/ was damaged and has been rebuilt from the ledger");
        Ok(Copies { live: Live::open(&live)?, book, contents })
    }

    fn remake_ledger(
        &self,
        live: Live,
        contents: Contents,
        damage: Option<&StoreError>,
    ) -> Result<Copies, StoreError> {
        let (ledger, new) = (self.ledger(), self.dir.join("ledger.new"));
        remove_dir(&new)?;
        make_dir(&new)?;
        drop(Book::create(Arc::new(Folder::new(&new)), self.options, new_identity()?, &contents)?);
        match damage {
            Some(damage) => {
                let kept = self.set_aside(&ledger, LEDGER)?;
                tracing::warn!(%damage, kept, "ledger/ was damaged and has been rebuilt from live/db");
            }
            None => remove_dir(&ledger)?,
        }
        rename(&new, &ledger)?;
        Ok(Copies { live, book: Book::open(self.ledger_disk(), self.options)?, contents })
    }

    fn create(&self) -> Result<Copies, StoreError> {
        let contents = Contents::default();
        make_dir(&self.live())?;
        let live = Live::open(&self.live())?;
        self.remake_ledger(live, contents, None)
    }

    /// Moves a damaged copy to `aside/`, where the newest few are kept; where it lies now.
    fn set_aside(&self, path: &Path, kind: &str) -> Result<String, StoreError> {
        if !path.exists() {
            return Ok("nothing".into());
        }
        let aside = self.dir.join(ASIDE);
        make_dir(&aside)?;
        let numbers =
            |name: std::ffi::OsString| name.to_str()?.strip_prefix(kind)?.strip_prefix('-')?.parse().ok();
        let taken: Vec<u64> = fs::read_dir(&aside)
            .map(|entries| entries.flatten().filter_map(|entry| numbers(entry.file_name())).collect())
            .unwrap_or_default();
        let next = taken.iter().max().map_or(1, |last| last + 1);
        for old in taken.iter().filter(|number| **number + KEPT <= next) {
            remove_dir(&aside.join(format!("{kind}-{old}")))?;
        }
        let target = aside.join(format!("{kind}-{next}"));
        rename(path, &target)?;
        Ok(name(&target))
    }
}

/// A failed read may be a bad sector; other errors, such as too many open files, tell nothing of the disk.
pub fn is_unreadable(error: &vouchlog_ledger::LedgerError) -> bool {
    const EIO: i32 = 5;
    matches!(error, vouchlog_ledger::LedgerError::Io { source, .. } if source.raw_os_error() == Some(EIO))
}

fn missing(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} is missing"))
}

fn unfinished(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} ends with an unfinished record, which may have been acknowledged"))
}

/// The damaged copy cannot tell how much there was, so what was signed must: the other may be an old one.
fn check_signed(
    whole: &Contents,
    signed: Option<TreeHead>,
    name: &str,
    other: &StoreError,
) -> Result<(), StoreError> {
    match signed {
        Some(signed) if signed.size.get() > whole.size() => Err(StoreError::Damaged(format!(
            "{name} holds {} entries, {} were signed, and the other copy is damaged: {other}. Nothing was changed; `vouchlog recover` builds a new data directory from the intact parts",
            whole.size(),
            signed.size
        ))),
        _ => Ok(()),
    }
}

fn both_damaged(sled: &StoreError, ledger: &StoreError) -> StoreError {
    StoreError::Damaged(format!(
        "both copies of the unsealed data are damaged; `vouchlog recover` builds a new data directory from the intact parts. \
         First copy: {sled}. Second copy: {ledger}"
    ))
}

/// A log that has begun is never begun again: that would be a second history.
fn check_begun(head: Option<TreeHead>, begun: Begun) -> Result<(), StoreError> {
    if head.is_none() && begun != Begun::No {
        return Err(StoreError::Damaged("live/ and ledger/ are empty, but the log was in use".into()));
    }
    Ok(())
}
