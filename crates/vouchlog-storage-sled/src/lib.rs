//! The store on an embedded database: a directory that needs nothing but a file system.
//!
//! ```text
//! <data>/FORMAT                     version, the log's origin, and whether the log has begun
//! <data>/live/                      sled: head, states and the entries not yet sealed; bounded however long the log grows
//! <data>/sealed/tiles/<L>/<S>       full tiles of level L, 4,096 in a segment of 32 MiB, at (index mod 4096) × 8192
//! <data>/sealed/bundles/<S>.data    full entry bundles, 4,096 in a segment, one after the other
//! <data>/sealed/bundles/<S>.index   12 bytes each: where bundle (index mod 4096) begins (8) and its length (4)
//! <data>/index/                     fjall: lookup by leaf hash, digest, or stream and sequence; may be deleted
//! ```
//!
//! A commit is one atomic sled batch, flushed **and** fdatasynced: sled's own `flush` leaves the drive's cache and the
//! file's metadata to chance. A background thread copies what became full into segments, fdatasyncs them, and only then
//! lets sled forget it. What lies in a segment beyond the sealed size in sled is rubbish of an interrupted sealing, and is
//! overwritten by the next.
//!
//! The store of a witness, [`SledWitnessStore`], is one such database and has its own picture.
//!
//! *Invariant: this is the only crate that knows sled and fjall as the log's store.*

mod database;
mod index;
mod live;
mod sealer;
mod segments;
mod stamp;
mod store;
mod witness;

pub use index::FjallIndex;
pub use store::{Options, SledStore};
pub use witness::SledWitnessStore;
