//! The sealed part of a log as objects in a bucket: S3, Google Cloud Storage, Azure Blob Storage, or a folder of files.
//!
//! ```text
//! <prefix>/checkpoint                 the published checkpoint; replaced, only by a later one
//! <prefix>/tile/<L>/<N>               full tiles, C2SP tlog-tiles paths such as tile/0/x001/234
//! <prefix>/tile/entries/<N>           full entry bundles
//! <prefix>/tile/<L>/<N>.p/<W>         the partial tiles and bundles of published checkpoints
//! <prefix>/pruned, pruned-bundles     of a log that gave up entries: where it announces that; which bundles stay
//! ```
//!
//! With a prefix of its own, a vault keeps sealed content in a bucket, as [`BucketContents`].
//!
//! A bucket or a CDN in front of it serves the log with no process of ours, and anyone audits the log from there.
//!
//! In scope: [`Bucket`] (conditional creates and swaps with retries, bounds and byte comparison), [`ObjectSealed`] (the store
//! contract's [`Sealed`](vouchlog_storage::Sealed) on a bucket), [`probe()`] (whether a bucket keeps its conditions), and
//! [`Publication`] (partial tiles and the checkpoint).
//!
//! Out of scope: the living part, which is joined to this one by [`Sealing`](vouchlog_storage::Sealing).
//!
//! Objects follow from the log's entries. If the outcome of a write is unknown, the object is read back and compared: equal bytes are
//! success, other bytes are another history.
//!
//! *Invariant: a tile or bundle that is there is never replaced by other bytes, unless the bytes were verified against the tree.*

mod address;
mod bucket;
mod connect;
mod content;
mod driver;
mod failure;
mod files;
mod head;
mod metrics;
mod pace;
mod probe;
mod pruning;
mod publication;
mod publisher;
mod sealed;

pub use address::{AddressError, ObjectUrl};
pub use bucket::{Bucket, Content, Swapped, VersionedObject};
pub use connect::ConnectError;
pub use content::BucketContents;
pub use head::published;
pub use pace::Pace;
pub use probe::{Probe, RACERS, probe};
pub use pruning::pruned;
pub use publication::{Publication, Report};
pub use publisher::{Publisher, PublisherStatus};
pub use sealed::{Committed, ObjectSealed, check_conditions};
