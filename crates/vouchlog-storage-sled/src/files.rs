//! Files and folders that survive a power cut. Errors name a file by its last two parts: enough for an operator, without the
//! layout of the machine.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use vouchlog_storage::StoreError;

/// Makes a directory's entries durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("synced", dir))
}

/// Makes a directory that survives a power cut.
pub(crate) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(io_error("created", dir))?;
    // A relative path of one part has an empty parent, which is the working directory.
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_dir(parent.unwrap_or(Path::new(".")))
}

/// Writes the file `name` in `dir`, durably, whole or not at all.
pub(crate) fn write_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let (path, unfinished) = (dir.join(name), dir.join(format!("{name}.new")));
    let write = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    };
    write().map_err(io_error("written", &path))?;
    sync_dir(dir)
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

/// Reads every byte of every file below `dir`, handing each file over.
pub(crate) fn read_all(
    dir: &Path,
    take: &mut dyn FnMut(&Path, Vec<u8>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
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
        let dir = target.parent().expect("it lies in a folder");
        make_dir(dir)?;
        let write = || {
            let mut file = File::create(&target)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().map_err(io_error("written", &target))?;
        sync_dir(dir)
    })?;
    sync_dir(to)
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
