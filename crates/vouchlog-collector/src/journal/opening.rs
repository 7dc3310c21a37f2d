//! Opening a journal's ledger with the keys of its files, or making both.

use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use bytes::Bytes;
use vouchlog_ledger::{AppendError, Disk, Ledger, LedgerError, Options, RecordAddress};

use super::JournalError;
use super::keys::{self, FileKeys};
use super::stamp::Stamp;
use super::state::State;

/// An open ledger, what it holds, and its keys.
pub(super) struct Opened {
    pub(super) ledger: Ledger,
    pub(super) keys: FileKeys,
    pub(super) state: State,
    pub(super) identity: [u8; 16],
}

/// Makes a journal on `disk`.
pub(super) fn create(
    disk: Arc<dyn Disk>,
    options: Options,
    identity: [u8; 16],
) -> Result<Opened, JournalError> {
    let keys = {
        // Of two processes that begin at once, the second must not replace the keys of the first: it uses them, and finds that the
        // ledger is in use.
        let lock = disk.lock().map_err(LedgerError::io("locked", "LOCK"))?;
        let _lock = lock.ok_or(JournalError::InUse)?;
        match FileKeys::read(disk.clone())?.filter(|keys| keys.of(1).is_ok_and(|key| key.is_some())) {
            Some(keys) => keys,
            None => FileKeys::create(disk.clone(), 1)?,
        }
    };
    let state = State::default();
    let pieces = sealed_snapshot(&keys, 1, state.snapshot())?;
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    Ok(Opened { ledger: Ledger::create(disk, options, identity, &pieces)?, keys, state, identity })
}

/// Opens the journal on `disk`. One of an earlier version, in clear, goes on in a sealed file; its files in clear are deleted as any
/// others, once nothing in them is needed.
pub(super) fn reopen(
    disk: Arc<dyn Disk>,
    options: Options,
    stamp: Option<Stamp>,
) -> Result<Opened, JournalError> {
    let (mut keys, mut state, mut failed) = (None, State::default(), None);
    let opened = Ledger::open(disk.clone(), options, &mut |item| {
        // Read once the ledger is locked: the process that had it open before may have changed them until then.
        if keys.is_none() {
            match read_keys(disk.clone(), stamp) {
                Ok(read) => keys = Some(read),
                Err(error) => {
                    failed = Some(error);
                    return Err("its keys cannot be read".into());
                }
            }
        }
        let payload = Bytes::copy_from_slice(item.payload);
        let payload = match keys.as_ref().and_then(Option::as_ref) {
            Some(keys) => opened(keys.of(item.file)?.as_deref(), item.file, payload)?,
            None => payload,
        };
        match item.snapshot {
            Some(piece) => state.restore(piece, &payload),
            None => state.apply(&payload, RecordAddress { file: item.file, offset: item.offset }),
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let (mut ledger, summary) = opened?;
    let identity = summary.identity;
    if stamp.is_some_and(|stamp| stamp.journal != identity) {
        return Err(JournalError::Damaged("FORMAT belongs to another journal than journal/00000001".into()));
    }
    let mut keys = match keys.flatten() {
        Some(keys) => keys,
        None => FileKeys::create(disk, ledger.newest() + 1)?,
    };
    keys.keep(ledger.oldest(), ledger.newest())?;
    if ledger.newest() < keys.first() {
        rotate(&mut ledger, &mut keys, state.snapshot()).map_err(|error| match error {
            AppendError::Refused(why) => JournalError::Refused(why),
            AppendError::Unknown(why) => JournalError::Failed(why),
        })?;
    }
    Ok(Opened { ledger, keys, state, identity })
}

/// The keys beside a journal; none if an earlier version wrote all of it, in clear.
fn read_keys(disk: Arc<dyn Disk>, stamp: Option<Stamp>) -> Result<Option<FileKeys>, JournalError> {
    let keys = FileKeys::read(disk)?;
    if keys.is_none() && stamp.is_some_and(|stamp| stamp.is_sealed) {
        let why = "journal/KEYS is missing: without it, input that is not recorded cannot be read";
        return Err(JournalError::Damaged(why.into()));
    }
    Ok(keys)
}

/// Begins a new file, which is sealed under a key of its own, with a snapshot.
pub(super) fn rotate(
    ledger: &mut Ledger,
    keys: &mut FileKeys,
    snapshot: Vec<Vec<u8>>,
) -> Result<(), AppendError> {
    let refused = |error: JournalError| AppendError::Refused(error.to_string());
    let next = ledger.newest() + 1;
    keys.keep(ledger.oldest(), ledger.newest()).map_err(refused)?;
    ledger.rotate(sealed_snapshot(keys, next, snapshot).map_err(refused)?)
}

/// The content of a payload of a file with this key; without one, the file is in clear.
pub(super) fn opened(key: Option<&LessSafeKey>, file: u64, payload: Bytes) -> Result<Bytes, String> {
    match key {
        Some(key) => keys::open(key, file, &payload),
        None => Ok(payload),
    }
}

/// A payload as it stands in a file with this key.
pub(super) fn sealed(key: Option<&LessSafeKey>, file: u64, payload: &[u8]) -> Result<Vec<u8>, JournalError> {
    match key {
        Some(key) => keys::seal(key, file, payload),
        None => Err(JournalError::Refused("a bug: input would be written in clear".into())),
    }
}

/// A snapshot as it stands in a file. Each piece is dropped once it is sealed: tens of megabytes are not in memory twice.
fn sealed_snapshot(keys: &FileKeys, file: u64, pieces: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, JournalError> {
    let key = keys.of(file).map_err(JournalError::Refused)?;
    pieces.into_iter().map(|piece| sealed(key.as_deref(), file, &piece)).collect()
}
