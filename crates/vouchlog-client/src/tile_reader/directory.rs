//! A log that is a directory of files.

use std::io;
use std::path::Path;

use bytes::Bytes;
use vouchlog_api::{Error, Result};
use vouchlog_runtime::durable;

/// The file at `path` below `dir`.
pub(super) async fn get(dir: &Path, path: &str, limit: usize) -> Result<Bytes> {
    let (file, name) = (dir.join(path), path.to_owned());
    let read = tokio::task::spawn_blocking(move || durable::read_bounded(&file, limit)).await;
    match read.map_err(|_| Error::internal("reading a file panicked"))? {
        Ok(Some(bytes)) => Ok(bytes.into()),
        Ok(None) => Err(Error::not_found(format!("{name} does not exist"))),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Error::internal(error.to_string())),
        Err(error) => Err(Error::unavailable(format!("{name} cannot be read: {}", error.error))),
    }
}
