//! A consistent copy of a log, taken from outside the process that runs it.
//!
//! The order makes it consistent without stopping the log: SIGNED is read first, then the ledger, then the segments. So the copy
//! of the ledger holds at least what was signed; it is cut after the last record that MARK confirms, so it holds nothing that the
//! log could still take back; and everything the ledger calls sealed never changes again. The copy gets a ledger of its own that
//! begins with a snapshot, and no sled: the first start makes sled from the ledger.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use vouchlog_ledger::{Folder, TwoSlots};
use vouchlog_merkle::{Hash, TileId, TreeHead, TreeSize, tiles_of_growth};
use vouchlog_storage::{Part, Sealed, StoreError};

use crate::book::{Book, BookOptions, new_identity, store_error};
use crate::contents::Contents;
use crate::examine::{is_running, steadily};
use crate::files::{io_error, make_dir, remove_dir, rename, sync_dir, write_file};
use crate::names::{BACKUP, LEDGER, SIGNED};
use crate::segments::{Segments, is_bundle_of};
use crate::signed::{encode_signed, read_signed};
use crate::stamp::Stamp;

const TITLE: &str = "vouchlog backup 1";
/// Bundles copied between two syncs.
const STEP: u64 = 1024;

/// A backup that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The log.
    pub origin: String,
    /// The head of the copy.
    pub head: TreeHead,
    /// Size up to which an earlier backup in the same directory was used.
    pub reused: u64,
}

/// Copies the log in `from`, which may be running, to `to`: a new or empty directory or, if `incremental`, an earlier backup of the
/// same log, to which only new segments and a new ledger are written. Durable when this returns. Keys and the lookup index are not
/// copied. `progress` receives the number of sealed entries copied and their total.
///
/// # Errors
/// [`StoreError`]; a target that was given is then no finished backup, and may be given again with `incremental` or deleted.
pub fn backup(
    from: &Path,
    to: &Path,
    incremental: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Backup, StoreError> {
    let stamp = Stamp::read(from)?.ok_or_else(|| foreign("there is no log in the data directory".into()))?;
    let earlier = check_target(to, incremental, &stamp)?;
    let running = is_running(from)?;
    let signed = read_signed(&Folder::new(from))?;
    let contents = steadily(running, || Book::read_confirmed(&Folder::new(from.join(LEDGER))));
    let contents = contents.map_err(|error| store_error(&error))?;
    let contents = contents.ok_or_else(|| {
        StoreError::Damaged("the log has no ledger: start it once with this version of vouchlog".into())
    })?;
    let Some(head) = contents.head else {
        return Err(foreign("the log has no commits yet".into()));
    };
    if let Some(signed) = signed.filter(|signed| signed.size > head.size) {
        let message = format!("SIGNED has {} entries, the ledger holds {}", signed.size, head.size);
        return Err(StoreError::Damaged(message));
    }
    make_dir(to)?;
    let reused = earlier.as_ref().map_or(0, |earlier| earlier.sealed);
    // What is in an object store stays there: nothing in it is ever replaced.
    if stamp.elsewhere.is_none() {
        let source = Segments::open_read_only(&from.join("sealed"), contents.sealed);
        copy_segments(&source, to, reused, contents.sealed, progress)?;
    }
    write_living(to, &contents, signed)?;
    Stamp { begun: true, ledger: true, ..stamp.clone() }.write(to)?;
    let mark = Mark { origin: stamp.origin.clone(), head, sealed: contents.sealed };
    write_file(&to.join(BACKUP), mark.to_text().as_bytes())?;
    Ok(Backup { origin: stamp.origin, head, reused })
}

/// The text of BACKUP.
struct Mark {
    origin: String,
    head: TreeHead,
    sealed: u64,
}

impl Mark {
    fn to_text(&self) -> String {
        let Self { origin, head, sealed } = self;
        format!("{TITLE}\norigin {origin}\nsize {}\nroot {}\nsealed {sealed}\n", head.size, head.root)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        lines.next().filter(|title| *title == TITLE)?;
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        let origin = value("origin")?;
        let size = TreeSize::new(value("size")?.parse().ok()?);
        let root: Hash = value("root")?.parse().ok()?;
        let sealed = value("sealed")?.parse().ok().filter(|sealed: &u64| sealed.is_multiple_of(256))?;
        Some(Self { origin, head: TreeHead { size, root }, sealed })
    }
}

/// A target is empty, or an earlier backup that was never started from.
fn check_target(to: &Path, incremental: bool, stamp: &Stamp) -> Result<Option<Mark>, StoreError> {
    let is_empty = match fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(io_error("read", to)(error)),
    };
    if is_empty {
        return Ok(None);
    }
    if !incremental {
        return Err(foreign("the target directory is not empty".into()));
    }
    let text = fs::read_to_string(to.join(BACKUP))
        .map_err(|_| foreign("the target directory is not a backup: it has no BACKUP file".into()))?;
    let mark = Mark::parse(&text).ok_or_else(|| foreign("the target's BACKUP file cannot be read".into()))?;
    if mark.origin != stamp.origin {
        return Err(foreign(format!("the target is a backup of the log `{}`", mark.origin)));
    }
    Ok(Some(mark))
}

/// Copies bundles and tiles from one size to another, each bundle verified against its tile.
fn copy_segments(
    source: &Segments,
    to: &Path,
    from: u64,
    up_to: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    if up_to < from {
        return Err(foreign(format!(
            "the target is longer than the log: {from} sealed entries, not {up_to}"
        )));
    }
    let target = Segments::open(&to.join("sealed"), from)?;
    if let Some(pruned) = source.pruned() {
        target.write_pruned(&pruned)?;
    }
    if let Some(last) = (from / 256).checked_sub(1).map(|index| TileId { level: 0, index })
        && source.read_tile(last)? != target.read_tile(last)?
    {
        return Err(foreign("the target is a backup of another history of this log".into()));
    }
    for first in (from / 256..up_to / 256).step_by(usize::try_from(STEP).unwrap_or(1)) {
        let end = (first + STEP).min(up_to / 256);
        let tiles = tiles_of_growth(TreeSize::new(first * 256), TreeSize::new(end * 256));
        let tiles: Vec<_> =
            tiles.map(|tile| Ok((tile, source.read_tile(tile)?))).collect::<Result<_, StoreError>>()?;
        let bundles: Vec<_> = (first..end)
            .map(|bundle| Ok((bundle, verified(source, bundle)?)))
            .collect::<Result<_, StoreError>>()?;
        target.put(&tiles, &bundles)?;
        progress(end * 256, up_to);
    }
    for dir in ["sealed/bundles", "sealed/tiles", "sealed", ""] {
        sync_dir(&to.join(dir))?;
    }
    Ok(())
}

/// A bundle that is what its tile covers; nothing of one whose bytes were given up.
fn verified(source: &Segments, bundle: u64) -> Result<Bytes, StoreError> {
    let tile = source.read_tile(TileId { level: 0, index: bundle })?;
    if source.has_removed(bundle) && source.is_compact(bundle) {
        return Ok(Bytes::new());
    }
    // What was given up and is still there goes along: the index of the last segment is computed from it again.
    let read =
        if source.has_removed(bundle) { source.read_in_segment(bundle) } else { source.read_bundle(bundle) };
    if let Ok(bytes) = &read
        && is_bundle_of(bytes, &tile)
    {
        return read;
    }
    if let Some((_, bytes)) = source.find(bundle, &tile)? {
        return Ok(bytes);
    }
    let place = source.locate(Part::Bundle(bundle));
    Err(StoreError::Damaged(format!("{place}: entry bundle {bundle} does not match its tile")))
}

fn write_living(to: &Path, contents: &Contents, signed: Option<TreeHead>) -> Result<(), StoreError> {
    let (ledger, new) = (to.join(LEDGER), to.join("ledger.new"));
    remove_dir(&new)?;
    make_dir(&new)?;
    drop(Book::create(Arc::new(Folder::new(&new)), BookOptions::new(0), new_identity()?, contents)?);
    remove_dir(&ledger)?;
    rename(&new, &ledger)?;
    TwoSlots::open(&Folder::new(to), SIGNED, &encode_signed(signed)).map_err(|error| store_error(&error))?;
    Ok(())
}

fn foreign(message: String) -> StoreError {
    StoreError::Foreign(message)
}
