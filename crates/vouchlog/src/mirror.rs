//! A mirror of the log, to repair its bundles from.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use vouchlog_api::LogReader;
use vouchlog_client::{Connection, ConnectionSecurity, TileReader};
use vouchlog_merkle::TILE_WIDTH;
use vouchlog_sequencer::scrub::Mirror;

/// A mirror that takes longer than this for a bundle is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The tiles of a log as files in a directory, over HTTP, or in an object store.
pub struct TileMirror {
    name: String,
    reader: TileReader,
    /// Of its own: the scrub's thread outlives the program's runtime for a moment.
    runtime: Mutex<Runtime>,
}

impl TileMirror {
    /// The mirror in a directory or at a URL, also that of an object store, to which `security` applies.
    ///
    /// # Errors
    /// A URL that is none, or no runtime, in words.
    pub fn new(place: &str, security: ConnectionSecurity) -> Result<Self, String> {
        // Before the runtime is made: one that is dropped again within another runtime panics.
        let reader = reader(place, security)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = Mutex::new(runtime.map_err(|error| error.to_string())?);
        Ok(Self { name: place.to_owned(), reader, runtime })
    }
}

fn reader(place: &str, security: ConnectionSecurity) -> Result<TileReader, String> {
    #[cfg(feature = "objects")]
    if crate::objects::ObjectUrl::is_one(place) {
        return crate::objects::tiles(place, &security).map_err(|error| error.to_string());
    }
    if place.starts_with("http://") || place.starts_with("https://") {
        let connection = Connection { security, ..Connection::new(place) };
        return TileReader::connect(&connection).map_err(|error| error.to_string());
    }
    Ok(TileReader::directory(place))
}

impl Mirror for TileMirror {
    fn bundle(&self, bundle: u64) -> Result<Bytes, String> {
        let width = u16::try_from(TILE_WIDTH).expect("256 fits");
        let read = async { tokio::time::timeout(PATIENCE, self.reader.entry_bundle(bundle, width)).await };
        match self.runtime.lock().block_on(read) {
            Ok(read) => read.map_err(|error| format!("the mirror {}: {error}", self.name)),
            Err(_) => Err(format!("the mirror {} did not respond within {PATIENCE:?}", self.name)),
        }
    }
}

impl fmt::Debug for TileMirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TileMirror({})", self.name)
    }
}
