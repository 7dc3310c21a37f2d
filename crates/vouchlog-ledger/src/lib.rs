//! Append-only files that notice when they are not what was written.
//!
//! A *ledger* is a folder of numbered files of records. Every record carries a checksum and a link to the record before it, so a
//! reader can tell three things apart that look alike to most formats: a record that a crash left unfinished at the very end
//! (*torn*, cut off), a record that was damaged later (*damaged*, never cut), and records that are missing although they were
//! acknowledged (*lost*, refused).
//!
//! ```text
//! <folder>/00000001, 00000002, …   files of records; the oldest are deleted once their user no longer needs them
//! <folder>/MARK                    two slots: the last record that was acknowledged, and the oldest file that must exist
//! <folder>/LOCK                    locked while the ledger is open
//!
//! file   = header (84) record*, then zeros up to the space allocated in advance
//! header = "VLEDGER1" (8) purpose (8) identity (16) file number (8) number of its first record (8) link (32) CRC-32C (4)
//! record = "VLR" kind (1) length (4) number (8) link (32) CRC-32C of the payload (4) CRC-32C of this header (4) payload
//! ```
//!
//! All numbers are big-endian. A *link* is the SHA-256 of the record header before (of the file header, for the first record of a
//! file), which includes the checksum of that record's payload. The checksum of a record header also covers the identity and the
//! number of its file: a record copied from another ledger, or left over from an older file, does not pass.
//!
//! Each file begins with a *snapshot*, the user's state in one or more records. Reading starts at the oldest file.
//!
//! *Invariants: opening never changes a file before all of them were read; a record that was acknowledged is never cut; after a
//! failed sync nothing more is written until the ledger is opened again.*

mod disk;
mod error;
mod file;
mod ledger;
mod reader;
mod scan;
mod slots;
mod survey;

#[cfg(test)]
mod tests;

pub use disk::{Disk, DiskFile, Folder, LockGuard};
pub use error::{AppendError, LedgerError};
pub use ledger::{Ledger, Options};
pub use reader::{Reader, RecordAddress};
pub use scan::{Item, Scan, Summary, inspect};
pub use slots::TwoSlots;
pub use survey::{Damage, survey};
