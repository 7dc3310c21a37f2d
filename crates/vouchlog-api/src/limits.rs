//! Bounds that both sides of an interface keep, with their reasons.

/// Statements in one request. At 37 bytes each this keeps a request well under the usual 4 MiB of a gRPC message, and one
/// request from holding up the batch it is in.
pub const MAX_STATEMENTS: usize = 16_384;

/// The longest signed note in a request. A checkpoint with sixteen post-quantum lines has 53 kB; a stream's head has 300
/// bytes, an enrolment 400.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// Entries in one answer to a range of entries: one bundle's worth of the largest statement entries is 14 kB, of the
/// largest control entries 16 MB.
pub const MAX_ENTRIES: u64 = 1_024;

/// Gateways in one [list](crate::Overview::gateways): with their streams two hundred lines, as many as a person reads.
pub const MAX_LISTED_GATEWAYS: usize = 20;

/// Streams of each of several gateways in a list.
pub const MAX_LISTED_STREAMS: usize = 10;

/// Streams in a list of one gateway's.
pub const MAX_LISTED_STREAMS_OF_ONE: usize = 200;
