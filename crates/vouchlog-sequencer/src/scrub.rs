//! How sealed data is read again while the log runs: the settings, and the copy of the log that damaged bundles are repaired from.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// Another copy of the log, to repair bundles from. Its content is verified before use.
pub trait Mirror: Send + Sync + std::fmt::Debug {
    /// A full entry bundle, framed. Blocks.
    ///
    /// # Errors
    /// Why there is none.
    fn bundle(&self, bundle: u64) -> Result<Bytes, String>;
}

/// How to scrub.
#[derive(Clone, Debug, Default)]
pub struct ScrubOptions {
    /// Bytes of sealed data read in a second, at most; 0 for no scrub.
    pub bytes_per_second: u64,
    /// Time from the beginning of one round to the beginning of the next, at least.
    pub interval: Duration,
    /// Where damaged bundles are fetched from.
    pub mirror: Option<Arc<dyn Mirror>>,
}
