//! The store on an embedded database: a directory that needs nothing but a file system.
//!
//! ```text
//! <data>/FORMAT                     version, the log's origin, and whether the log has begun
//! <data>/live/                      sled: head, states and the entries not yet sealed; bounded however long the log grows
//! <data>/ledger/                    the same once more, as a ledger of commits
//! <data>/SIGNED                     two slots: the newest head that was signed
//! <data>/sealed/tiles/<L>/<S>       full tiles of level L, 4,096 in a segment of 32 MiB, at (index mod 4096) × 8192
//! <data>/sealed/bundles/<S>.data    full entry bundles, 4,096 in a segment, one after the other
//! <data>/sealed/bundles/<S>.index   12 bytes each: where bundle (index mod 4096) begins (8) and its length (4)
//! <data>/sealed/PRUNED, …/<S>.kept  which entries were given up; what is left of a segment of bundles (segments/pruning.rs)
//! <data>/index/                     sorted runs: lookup by leaf hash, digest, or stream and sequence; may be deleted
//! <data>/aside/                     damaged copies that were replaced, the newest four of each kind
//! <data>/LOCK, <data>/OPEN          held while the store is open; there until it is closed cleanly
//! ```
//!
//! A commit is one atomic sled batch, flushed **and** fdatasynced (sled's own `flush` leaves the drive's cache and the
//! file's metadata to chance), and one record of the ledger, synced meanwhile by another thread. A start reads both before it
//! writes either, and makes a damaged one again from the other; `copies.rs` has the table. Full tiles and bundles are copied
//! into segments, fdatasynced, and only then forgotten in sled and in the ledger. What lies in a segment beyond the sealed size
//! is left over from an interrupted sealing, and is overwritten by the next.
//!
//! The store of a witness, [`SledWitnessStore`], is one such database and has its own picture.
//!
//! *Invariant: this is the only crate that knows sled as the log's store.*

mod backup;
mod book;
mod contents;
mod copies;
mod damage;
mod database;
mod examine;
mod files;
mod first_copy;
mod index;
mod live;
mod living;
mod names;
mod options;
mod read_only;
mod salvage;
mod scratch;
mod segments;
mod signed;
mod stamp;
mod store;
mod witness;

/// What a living part is made of, for the simulation, which keeps it on a disk of its own.
pub mod parts {
    pub use crate::book::{Book, BookOptions, Syncing, store_error};
    pub use crate::contents::{Contents, Header, Piece, encode_commit, encode_sealed, snapshot};
    pub use crate::copies::{Begun, Copy, Decision, decide, is_unreadable};
    pub use crate::first_copy::FirstCopy;
    pub use crate::living::Twice;
    pub use crate::signed::read_signed;
}

pub use backup::{Backup, backup};
pub use damage::Damage;
pub use examine::{Examined, examine, is_running};
pub use index::{IndexUse, RunIndex};
pub use living::SledLiving;
pub use options::Options;
pub use read_only::ReadOnly;
pub use salvage::{Remains, StatesAt, is_covered, salvage};
pub use segments::Segments;
pub use store::SledStore;
pub use witness::SledWitnessStore;
