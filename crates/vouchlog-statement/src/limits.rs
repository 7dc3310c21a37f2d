//! Every bound of this crate, with its reason.

/// Longest issuer-signed JWT, in bytes. It holds clear claims and digests only: with [`MAX_GROUPS`] groups it is half as long.
pub const MAX_STATEMENT_BYTES: usize = 64 * 1024;

/// Most disclosures of one statement. A record of 250 tool calls with 15 fields each has about as many.
pub const MAX_DISCLOSURES: usize = 4_096;

/// Longest SD-JWT with the disclosures chosen, in bytes. A record of [`MAX_RECORD_BYTES`](vouchlog_record::limits::MAX_RECORD_BYTES) stays below it with all of them,
/// unless its numbers or texts grow when they are written again; then it can be stated all the same, and shown in parts.
pub const MAX_SD_JWT_BYTES: usize = 3 << 20;

/// Longest presentation file, in bytes: the longest SD-JWT, and a mebibyte for four or six proof files, of which each has
/// 2 kB, or 60 kB with sixteen ML-DSA-44 cosignatures.
pub const MAX_PRESENTATION_BYTES: usize = 4 << 20;

/// Most members at the top of a record. The model has 30; the rest are a gateway's own.
pub const MAX_GROUPS: usize = 512;

/// How deep groups are taken apart into disclosures, in steps from the top of the record. The model needs five
/// (`/tools/0/downstream/0/op`).
pub const MAX_GROUP_DEPTH: usize = 8;

/// How deep the objects and arrays of a statement nest once disclosures are in their places. A verifier walks them recursively.
pub const MAX_DEPTH: usize = 32;

/// Random bytes in a salt. RFC 9901 section 9.3 recommends 16; with 30, 2^56 published digests still leave an attacker nothing,
/// and base64url needs no partial group.
pub const SALT_BYTES: usize = 30;

/// The digests at the top of a statement are padded with decoys to this number, or to the next power of two.
pub const TOP_BUCKET: usize = 32;

/// The digests of every other object, and the elements of every array of objects, are padded to a multiple of this.
pub const BUCKET: usize = 4;

/// Longest issuer and longest name of a rule set, in bytes: as long as a key name may be.
pub const MAX_CLAIM_BYTES: usize = 255;

/// Largest `iat`, in POSIX seconds: beyond it, readers that keep numbers as IEEE doubles see another time (RFC 7493).
pub const MAX_ISSUED_AT: u64 = (1 << 53) - 1;
