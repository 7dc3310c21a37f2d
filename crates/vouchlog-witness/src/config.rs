//! What a witness is opened with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use vouchlog_note::SigningKey;
use vouchlog_runtime::Clock;

use crate::evidence::RefusalSink;
use crate::limits;
use crate::logs::Logs;

/// Behaviour that has a sensible default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a commit may take before the witness stops cosigning.
    pub commit_patience: Duration,
    /// Requests that may wait for their commit.
    pub max_queued_requests: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { commit_patience: limits::COMMIT_PATIENCE, max_queued_requests: limits::MAX_QUEUED_REQUESTS }
    }
}

/// What a witness is opened with.
pub struct Config {
    /// Cosign checkpoints; type 0x04 (Ed25519) or 0x06 (ML-DSA-44), all of one name, which is the witness's. Every checkpoint
    /// is cosigned by all of them. Only those of type 0x06 can sign subtrees.
    pub keys: Vec<SigningKey>,
    /// The logs whose checkpoints it cosigns.
    pub logs: Logs,
    /// The time.
    pub clock: Clock,
    /// Gets the checkpoints that were refused as contradictions.
    pub on_refusal: Arc<dyn RefusalSink>,
    /// The rest.
    pub options: Options,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, logs, options, .. } = self;
        f.debug_struct("Config").field("keys", keys).field("logs", logs).field("options", options).finish()
    }
}
