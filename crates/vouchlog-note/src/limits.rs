//! The bounds this crate puts on foreign bytes, each with its reason.

/// Longest note, in bytes. A checkpoint with 16 ML-DSA-44 cosignatures is about 53 kB; 1 MiB leaves room for
/// every policy in use and still cannot hurt a server that reads one per request.
pub const MAX_NOTE_BYTES: usize = 1 << 20;

/// Most signature lines in one note. Verifiers must take at least 16 (signed-note); Go's `sumdb/note` stops at
/// 100, so a note with more is unreadable to half the field anyway.
pub const MAX_SIGNATURE_LINES: usize = 100;

/// Longest key name, in bytes: the length byte of an ML-DSA cosigned message holds no more (tlog-cosignature).
pub const MAX_KEY_NAME_BYTES: usize = 255;

/// Longest origin, in bytes: the length byte of an ML-DSA cosigned message holds no more (tlog-cosignature).
pub const MAX_ORIGIN_BYTES: usize = 255;

/// Longest vkey, in bytes: a 255-byte name, `+`, 8 hex digits, `+`, and the 1,752 base64 characters of an
/// ML-DSA-44 key, the largest one registered.
pub const MAX_VKEY_BYTES: usize = MAX_KEY_NAME_BYTES + 1 + 8 + 1 + 1752;

/// Largest timestamp of a cosignature, in POSIX seconds (tlog-cosignature).
pub const MAX_TIMESTAMP: u64 = i64::MAX as u64;

/// Largest tree size this crate reads or writes: Go clients keep sizes in an `int64`.
pub const MAX_TREE_SIZE: u64 = i64::MAX as u64;

/// Most hashes in a proof: a tree of fewer than 2^63 leaves has no longer path (tlog-witness names the same 63).
pub const MAX_PROOF_HASHES: usize = 63;

/// Most bytes of `extra` data in a proof file: its base64 line must stay under the 64 KiB a line may have in the
/// readers that are deployed.
pub const MAX_EXTRA_BYTES: usize = 48_000;

/// Longest proof file, in bytes: the longest note, plus header, extra line, index line and proof lines.
pub const MAX_PROOF_FILE_BYTES: usize = MAX_NOTE_BYTES + 128 * 1024;

/// Longest add-checkpoint or sign-subtree request, in bytes: what deployed witnesses accept at most.
pub const MAX_ADD_CHECKPOINT_BYTES: usize = 128 * 1024;

/// Longest policy file, in bytes: hundreds of logs and witnesses with ML-DSA-44 keys.
pub const MAX_POLICY_BYTES: usize = 1 << 20;

/// Most witnesses, and most groups, and most logs in a policy; support for 32 each is recommended (tlog-policy).
pub const MAX_POLICY_ITEMS: usize = 1024;

/// Longest list of logs, in bytes: 40,000 logs, the most a published list is made for, of 400 bytes each; an
/// Ed25519 log takes about 200.
pub const MAX_LOG_LIST_BYTES: usize = 16 << 20;

/// Most logs in a list.
pub const MAX_LOGS: usize = 1 << 16;
