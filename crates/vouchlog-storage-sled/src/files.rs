//! Files and folders that survive a power cut. Errors name a file by its last two parts: enough for an operator, without the
//! layout of the machine.

use std::fs;
use std::io;
use std::path::Path;

use vouchlog_runtime::durable::{self, Mode};
use vouchlog_storage::StoreError;

/// Makes a directory's entries durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    durable::sync_dir(dir).map_err(disk_error)
}

/// Makes a directory that survives a power cut.
pub(crate) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    durable::make_dir(dir).map_err(disk_error)
}

/// Writes a file durably, whole or not at all.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    durable::write(path, bytes, Mode::Shared).map_err(disk_error)
}

/// Deletes a file, if it is there.
pub(crate) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(io_error("deleted", path)),
    }
}

/// Deletes a directory with all that is in it, if it is there.
pub(crate) fn remove_dir(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(io_error("deleted", path)),
    }
}

/// Renames a file or directory, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(io_error("renamed", from))?;
    from.parent().map_or(Ok(()), sync_dir)?;
    to.parent().map_or(Ok(()), sync_dir)
}

/// Is handed a file and what it holds.
pub(crate) type TakeFile<'a> = dyn FnMut(&Path, Vec<u8>) -> Result<(), StoreError> + 'a;

/// Reads every byte of every file below `dir`, handing each file over.
pub(crate) fn read_all(dir: &Path, take: &mut TakeFile<'_>) -> Result<(), StoreError> {
    let entries = fs::read_dir(dir).map_err(io_error("read", dir))?;
    for entry in entries {
        let path = entry.map_err(io_error("read", dir))?.path();
        if path.is_dir() {
            read_all(&path, take)?;
        } else {
            take(&path, fs::read(&path).map_err(io_error("read", &path))?)?;
        }
    }
    Ok(())
}

/// Copies a directory durably to `to`, which must not exist.
pub(crate) fn copy_dir(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::create_dir(to).map_err(io_error("created", to))?;
    read_all(from, &mut |path, bytes| {
        let target = to.join(path.strip_prefix(from).expect("it lies below"));
        make_dir(target.parent().expect("it lies in a folder"))?;
        write_file(&target, &bytes)
    })?;
    sync_dir(to)
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(crate) fn disk_error(error: durable::Error) -> StoreError {
    StoreError::Io(error.to_string())
}

/// An operating-system error without the path of the machine.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(crate) fn os_error(error: io::Error) -> StoreError {
    StoreError::Io(error.to_string())
}

/// For `map_err`: what was attempted on which file.
pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let name = name(path);
    move |error| StoreError::Io(format!("{name} could not be {action}: {error}"))
}

/// The last two parts of a path.
pub(crate) fn name(path: &Path) -> String {
    let mut parts: Vec<_> = path.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    parts.reverse();
    parts.join("/")
}
