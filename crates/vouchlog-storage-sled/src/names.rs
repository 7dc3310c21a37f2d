//! Names in a data directory that several modules need.

/// The folder of the first copy of the living part, which is sled's.
pub(crate) const LIVE: &str = "live";
/// The folder of the second copy, which is a ledger.
pub(crate) const LEDGER: &str = "ledger";
/// The file that holds the newest head that was signed, outside both copies.
pub(crate) const SIGNED: &str = "SIGNED";
/// The file that is there while the store is open. If a start finds it, the last process did not stop cleanly.
pub(crate) const OPEN: &str = "OPEN";
/// The file that marks a directory as a backup, and tells how far it goes. Deleted when a log is started from it.
pub(crate) const BACKUP: &str = "BACKUP";
