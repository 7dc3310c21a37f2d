//! A file that one process holds at a time, beside what it writes.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::Context;

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock; none if somebody else has it.
    pub(super) fn take(path: &Path) -> anyhow::Result<Option<Self>> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough while a process that is being started still has a copy of the descriptor. One that cannot be
        // released ends with the process.
        let _ = self.0.unlock();
    }
}
