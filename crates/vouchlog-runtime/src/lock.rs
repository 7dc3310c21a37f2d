//! A file that one process holds at a time, beside what it writes.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// A lock on a file. Held until it is dropped, or until the process ends.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// Takes the lock, and creates the file if it is missing. Returns `None` if another holder has it.
    ///
    /// # Errors
    /// The file cannot be created or locked.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = File::create(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing is not enough while a process that is being started still has a copy of the descriptor. One that cannot be
        // released ends with the process.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_has_it_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::take(&path).unwrap();
        assert!(held.is_some());
        assert!(FileLock::take(&path).unwrap().is_none());
        drop(held);
        assert!(FileLock::take(&path).unwrap().is_some());
        assert!(FileLock::take(&dir.path().join("missing").join("lock")).is_err());
    }
}
