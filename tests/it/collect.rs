//! The collector as a process: what it acknowledged is in the log exactly once, whatever is killed; what it cannot keep is told and
//! declared; and every door leads to a record.

mod access;
mod disk;
mod doors;
mod erased;
mod kill;
mod spool;
mod trouble;
pub(crate) mod world;
