//! The service traits of a log, with their requests, answers and error kinds.
//!
//! A log in this process and a log across the network are used alike: [`Appender`] takes statements, [`LogReader`] serves
//! what C2SP tlog-tiles serves, [`Lookup`] finds an entry by what is known of it, [`Watch`] waits for news, [`Overview`] lists what a log in this process holds in memory. The engine (`vouchlog-sequencer`) and the
//! gRPC client (`vouchlog-client`) implement the first four; a reader of static files implements [`LogReader`] alone.
//! [`proof`] builds any proof from any [`LogReader`], and [`CachingReader`] keeps what many proofs need. [`Witness`] is what a log asks to cosign its tree heads: the engine of
//! `vouchlog-witness`, or a client of a witness across the network. [`Submitter`] is what keepers of records hand statements to.
//!
//! Out of scope: bytes on a wire (`vouchlog-proto`, `vouchlog-server`), keys and signatures (`vouchlog-note`).
//!
//! *Invariant: no transport type appears here.*

mod appender;
mod caching_reader;
mod error;
pub mod limits;
mod log_reader;
mod overview;
pub mod proof;
mod pruning;
mod receipt;
mod submitter;
mod witness;

pub use appender::{
    AckLevel, Append, Appended, Appender, HouseAppend, HouseAppended, Opened, RunInfo, StreamInfo,
};
pub use caching_reader::CachingReader;
pub use error::{Error, ErrorKind, Result};
pub use log_reader::{LogReader, Lookup, LookupKey, Watch};
pub use overview::{
    GatewayList, GatewayOverview, ListPlace, Overview, QuotaOverview, StreamOverview, WitnessOverview,
};
pub use pruning::PrunedNotice;
pub use receipt::{RangeReceipt, ReceiptError};
pub use submitter::{AnySubmitter, StreamActivity, StreamOwner, StreamSigner, Submitter};
pub use witness::{AnyWitness, Witness};
