//! What the commands that talk to a log share: its checkpoint, and proofs built from its tiles.

use vouchlog::{ErrorKind, LogReader, Origin};
use vouchlog_client::{Connection, GrpcLog, TileReader};
use vouchlog_merkle::TreeHead;
use vouchlog_note::{Checkpoint, CheckpointError, UnverifiedNote};

use crate::advice::Advice;
use crate::connections;

/// The address of a log.
#[derive(clap::Args)]
pub(super) struct LogUrl {
    /// URL of the log, such as http://127.0.0.1:6962
    #[arg(long = "log", value_name = "URL", env = "VOUCHLOG_URL")]
    pub(super) url: String,
}

/// A checkpoint as it was read.
pub(super) struct Head {
    pub(super) origin: Origin,
    pub(super) tree: TreeHead,
    pub(super) note: UnverifiedNote,
}

impl Head {
    /// Reads a checkpoint; whether the log signed it is not looked at.
    pub(super) fn read(note: &str) -> Result<Self, CheckpointError> {
        let unverified = UnverifiedNote::parse(note.as_bytes())?;
        let checkpoint = Checkpoint::parse(unverified.unverified_text())?;
        Ok(Self { origin: checkpoint.origin().clone(), tree: checkpoint.head(), note: unverified })
    }
}

/// How to reach `url`.
fn connection(url: &str) -> Connection {
    Connection { security: connections::security(), ..Connection::new(url.trim_end_matches('/')) }
}

/// The log at `url`, over gRPC. Nothing is sent yet.
pub(super) fn connect(url: &str) -> anyhow::Result<GrpcLog> {
    GrpcLog::connect(&connection(url)).map_err(|error| bad_url(&error))
}

/// The tiles of the log at `url`, over HTTP. Nothing is sent yet.
pub(super) fn tiles(url: &str) -> anyhow::Result<TileReader> {
    TileReader::connect(&connection(url)).map_err(|error| bad_url(&error))
}

fn bad_url(error: &vouchlog::Error) -> anyhow::Error {
    Advice::error(error.to_string(), "--log is a URL such as http://127.0.0.1:6962")
}

/// The newest checkpoint of a log, as it serves it.
pub(super) async fn checkpoint(log: &impl LogReader, url: &str) -> anyhow::Result<String> {
    log.checkpoint().await.map_err(|error| failed(url, &error))
}

/// What to do about a call that failed.
pub(super) fn failed(url: &str, error: &vouchlog::Error) -> anyhow::Error {
    let hint = match error.kind {
        ErrorKind::PermissionDenied => {
            "check the key: the log accepts only its operator's and its enrolled gateways' keys"
        }
        ErrorKind::Overloaded { .. } => "retry shortly",
        ErrorKind::QuotaExceeded { .. } => {
            "wait until the quota renews, or ask the log's operator for a larger one (`vouchlog quota`)"
        }
        ErrorKind::Unavailable => {
            "check that --log is the URL that `vouchlog serve` prints, and that the log is running"
        }
        _ => "the log rejected the request; see the message",
    };
    Advice::error(format!("the log at {url} did not carry out the request: {error}"), hint)
}
