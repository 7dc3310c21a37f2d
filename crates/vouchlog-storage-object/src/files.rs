//! What a folder of files needs beyond `object_store`: names that survive a power cut, whichever process made them, and compare-and-swap.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_runtime::lock::FileLock;

/// Held while a file is compared and replaced.
const LOCK: &str = ".lock";
/// How long another process may hold the lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A folder below which the objects are files.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    /// Folders whose names are known to survive a power cut.
    settled: Mutex<HashSet<PathBuf>>,
}

/// What a file holds after a swap.
pub(crate) enum FileSwap {
    Done,
    /// Something else than was expected, or nothing.
    Moved,
}

impl Files {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, settled: Mutex::default() }
    }

    /// Makes an object's name durable. One that was found may have been written by a process that was killed before it synced: then
    /// its bytes are synced as well.
    pub(crate) fn settle(&self, object: &str, was_found: bool) -> io::Result<()> {
        let path = self.root.join(object);
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        if was_found {
            File::open(&path)?.sync_all()?;
            durable::sync_dir(&folder).map_err(|failed| failed.error)?;
        }
        if self.settled.lock().contains(&folder) {
            return Ok(());
        }
        let above = folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.root));
        for folder in above {
            durable::sync_dir(folder).map_err(|failed| failed.error)?;
        }
        self.settled.lock().insert(folder);
        Ok(())
    }

    /// Makes the names in a folder durable, if it is there.
    pub(crate) fn settle_folder(&self, folder: &str) -> io::Result<()> {
        let folder = self.root.join(folder);
        if !folder.exists() {
            return Ok(());
        }
        durable::sync_dir(&folder).map_err(|failed| failed.error)
    }

    /// Replaces a file durably if it holds `expected`, or is missing when nothing is expected.
    pub(crate) fn swap(
        &self,
        object: &str,
        bytes: &[u8],
        expected: Option<&[u8]>,
        limit: usize,
    ) -> io::Result<FileSwap> {
        let path = self.root.join(object);
        let deadline = Instant::now() + LOCK_PATIENCE;
        let _lock = loop {
            match FileLock::take(&self.root.join(LOCK))? {
                Some(lock) => break lock,
                None if Instant::now() > deadline => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "another process holds .lock"));
                }
                None => std::thread::sleep(LOCK_PAUSE),
            }
        };
        let found = durable::read_bounded(&path, limit).map_err(|failed| failed.error)?;
        if found.as_deref() != expected {
            return Ok(FileSwap::Moved);
        }
        make_parent(&path)?;
        durable::write(&path, bytes, Mode::Shared).map_err(|failed| failed.error)?;
        Ok(FileSwap::Done)
    }
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| durable::make_dir(parent).map_err(|failed| failed.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_if_it_is_what_was_expected() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().to_owned());
        let swap = |bytes: &[u8], expected: Option<&[u8]>| {
            matches!(files.swap("checkpoint", bytes, expected, 100).unwrap(), FileSwap::Done)
        };
        assert!(!swap(b"one", Some(b"zero")));
        assert!(swap(b"one", None));
        assert!(!swap(b"two", None));
        assert!(!swap(b"two", Some(b"on")));
        assert!(swap(b"two", Some(b"one")));
        assert_eq!(std::fs::read(dir.path().join("checkpoint")).unwrap(), b"two");
        files.settle("checkpoint", true).unwrap();
        assert!(files.settle("missing", true).is_err());
    }

    #[test]
    fn of_racing_swaps_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let won = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8u8)
                .map(|racer| {
                    let dir = dir.path().to_owned();
                    scope.spawn(move || {
                        let files = Files::new(dir);
                        matches!(files.swap("checkpoint", &[racer], None, 100).unwrap(), FileSwap::Done)
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
    }
}
