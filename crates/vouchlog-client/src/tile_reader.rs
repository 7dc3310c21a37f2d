//! `TileReader`: any C2SP tlog-tiles log, over HTTP, in a directory of files or in another place, as a [`LogReader`].
//!
//! Works for logs of other programs. It trusts nothing it reads and remembers nothing: wrap it in a
//! [`VerifiedLog`](crate::VerifiedLog).

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use vouchlog_api::{Error, ErrorKind, LogReader, PrunedNotice, Result};
use vouchlog_merkle::{EntryBundle, Hash, MAX_BUNDLE_LEN, TILE_WIDTH, TileId, TilePath, TreeSize};
use vouchlog_note::{Checkpoint, UnverifiedNote};

use crate::connection::Connection;
use crate::limits::{MAX_CHECKPOINT_BYTES, POLL_INTERVAL};

mod directory;
mod http;

use http::HttpSource;

/// Width of a full tile or bundle.
const FULL: u16 = 256;

/// Reads the tiles of a log. Clones share their connections.
#[derive(Clone, Debug)]
pub struct TileReader {
    source: Source,
    as_served: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Http(HttpSource),
    Directory(PathBuf),
    Other(Arc<dyn TileSource>),
}

/// Another place that holds a log's files, such as an object store.
pub trait TileSource: Send + Sync + fmt::Debug + 'static {
    /// The file at `path` below the log's prefix, of at most `limit` bytes. One that is not there is
    /// [`NotFound`](ErrorKind::NotFound); a wait has a bound.
    fn get<'a>(
        &'a self,
        path: &'a str,
        limit: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes>> + Send + 'a>>;
}

impl TileReader {
    /// Reads over HTTP: `url` is the log's URL prefix, below which `checkpoint` and `tile/` are.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a URL that is none.
    pub fn http(url: &str) -> Result<Self> {
        Self::connect(&Connection::new(url))
    }

    /// As [`http`](Self::http), with a certificate authority of one's own.
    pub fn connect(connection: &Connection) -> Result<Self> {
        Ok(Self { source: Source::Http(HttpSource::new(connection)?), as_served: false })
    }

    /// Reads files laid out as the URLs are, below `dir`.
    pub fn directory(dir: impl AsRef<Path>) -> Self {
        Self { source: Source::Directory(dir.as_ref().to_owned()), as_served: false }
    }

    /// Reads from another place.
    pub fn over(source: Arc<dyn TileSource>) -> Self {
        Self { source: Source::Other(source), as_served: false }
    }

    /// Hands out tiles and bundles of a wrong length as they are served, for a caller that examines the fault. Otherwise
    /// those are errors.
    pub fn as_served(self) -> Self {
        Self { as_served: true, ..self }
    }

    async fn get(&self, path: &str, limit: usize) -> Result<Bytes> {
        match &self.source {
            Source::Http(http) => http.get(path, limit).await,
            Source::Directory(dir) => directory::get(dir, path, limit).await,
            Source::Other(source) => source.get(path, limit).await,
        }
    }

    /// What is at a path; where a partial one is gone, what is at the path of the full one.
    ///
    /// SPEC: a log may delete a partial tile once the full one exists: 404 means "try the full tile" (tlog-tiles).
    async fn get_or_full(&self, path: TilePath, full: TilePath, limit: usize) -> Result<Bytes> {
        match self.get(&path.to_string(), limit).await {
            Err(Error { kind: ErrorKind::NotFound, message }) if path != full => {
                let full = self.get(&full.to_string(), limit).await;
                full.map_err(|error| match error.kind {
                    ErrorKind::NotFound => Error::not_found(message),
                    _ => error,
                })
            }
            other => other,
        }
    }
}

impl LogReader for TileReader {
    async fn checkpoint(&self) -> Result<String> {
        let bytes = self.get("checkpoint", MAX_CHECKPOINT_BYTES).await?;
        String::from_utf8(bytes.into()).map_err(|_| Error::internal("the checkpoint is not UTF-8"))
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        loop {
            let note = self.checkpoint().await?;
            if unverified_size(&note)? > size {
                return Ok(note);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        check_width(width)?;
        let (path, full) = (TilePath::Hashes { tile, width }, TilePath::Hashes { tile, width: FULL });
        let bytes = self.get_or_full(path, full, TILE_WIDTH * Hash::LEN).await?;
        let want = usize::from(width) * Hash::LEN;
        if bytes.len() != want && bytes.len() != TILE_WIDTH * Hash::LEN {
            if self.as_served {
                return Ok(bytes);
            }
            return Err(Error::internal(format!("{path} has {} bytes, not {want}", bytes.len())));
        }
        Ok(bytes.slice(..want))
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        check_width(width)?;
        let path = TilePath::Entries { index: bundle, width };
        let full = TilePath::Entries { index: bundle, width: FULL };
        let bytes = self.get_or_full(path, full, MAX_BUNDLE_LEN).await?;
        first_entries(&bytes, width)
            .or_else(|| self.as_served.then_some(bytes))
            .ok_or_else(|| Error::internal(format!("{path} does not hold {width} entries")))
    }

    /// A log of another program has no such file; what it serves in its place is no notice.
    async fn pruned(&self) -> Result<Option<PrunedNotice>> {
        match self.get("pruned", PrunedNotice::MAX_BYTES).await {
            Ok(text) => Ok(PrunedNotice::parse(&text).ok()),
            Err(error) if error.is_transient() => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// The size a checkpoint states, so that waiting for a newer one needs no key. Not verified: do not rely on it.
fn unverified_size(note: &str) -> Result<TreeSize> {
    let malformed = |error: String| Error::internal(format!("the log's checkpoint is malformed: {error}"));
    let note = UnverifiedNote::parse(note.as_bytes()).map_err(|error| malformed(error.to_string()))?;
    let checkpoint =
        Checkpoint::parse(note.unverified_text()).map_err(|error| malformed(error.to_string()))?;
    Ok(checkpoint.head().size)
}

/// The first `width` entries of a bundle of that width, or of a full one.
fn first_entries(bytes: &Bytes, width: u16) -> Option<Bytes> {
    let count = usize::from(width);
    if EntryBundle::entries(bytes, count).is_ok() {
        return Some(bytes.clone());
    }
    let entries = EntryBundle::entries(bytes, TILE_WIDTH).ok()?;
    let framed: usize = entries[..count].iter().map(|entry| 2 + entry.len()).sum();
    Some(bytes.slice(..framed))
}

fn check_width(width: u16) -> Result<()> {
    if (1..=FULL).contains(&width) {
        return Ok(());
    }
    Err(Error::invalid(format!("a tile has a width from 1 to {FULL}, not {width}")))
}
