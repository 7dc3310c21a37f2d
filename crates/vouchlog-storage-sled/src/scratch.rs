//! A temporary directory for databases that cannot be opened without being written to.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use vouchlog_storage::StoreError;

use crate::files::io_error;

/// A directory below `$TMPDIR`, for its owner only, deleted when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self, StoreError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| StoreError::Io(error.to_string()))?;
        let path = std::env::temp_dir().join(format!("vouchlog-{:016x}", u64::from_be_bytes(random)));
        DirBuilder::new().mode(0o700).create(&path).map_err(io_error("created", &path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "a temporary directory could not be deleted");
        }
    }
}
