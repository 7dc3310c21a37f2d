//! Every bound of a key that is kept elsewhere, with its reason.

use std::time::Duration;

/// How long a caller waits for a signature that is made elsewhere, or for a key that is wrapped there. Key services answer in milliseconds, tokens within a second.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a signer that is no longer needed waits until its place is closed. A token closes a session in microseconds, on a
/// machine whose processors or disks are busy in seconds; one that hangs must not hold up the end of a process.
pub(crate) const CLOSING: Duration = Duration::from_secs(5);

/// Callers of one key that may wait for it: a witness signs with as many threads as it has processors.
pub(crate) const MAX_WAITING: usize = 256;

/// Most bytes that are signed elsewhere: notes of the log are far shorter, and AWS KMS takes no more.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4_096;
