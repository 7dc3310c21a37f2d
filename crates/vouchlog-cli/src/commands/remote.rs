//! What the commands that talk to a log share: its checkpoint, and proofs built from its tiles.

use std::path::Path;

use vouchlog::objects::{self, ObjectUrl};
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

/// The tiles at a URL, in an object store or in a directory. Nothing is sent yet.
pub(super) fn reader(source: &str) -> anyhow::Result<TileReader> {
    if ObjectUrl::is_one(source) {
        let opened = objects::tiles(source, &connections::security());
        return opened.map_err(|error| {
            Advice::error(
                format!("the object store {source} cannot be read: {error}"),
                "credentials are taken from the environment (AWS_*, GOOGLE_*, AZURE_*); AWS_SKIP_SIGNATURE=true reads a public bucket",
            )
        });
    }
    if source.contains("://") {
        return tiles(source);
    }
    if !Path::new(source).is_dir() {
        return Err(Advice::error(
            format!("{source} is neither a URL nor a directory"),
            "--log is a URL such as http://127.0.0.1:6962 or s3://bucket/prefix, or the directory with `checkpoint` and `tile/` in it",
        ));
    }
    Ok(TileReader::directory(source))
}

fn bad_url(error: &vouchlog::Error) -> anyhow::Error {
    Advice::error(error.to_string(), "--log is a URL such as http://127.0.0.1:6962")
}

/// The newest checkpoint of a log, as it serves it.
pub(super) async fn checkpoint(log: &impl LogReader, url: &str) -> anyhow::Result<String> {
    log.checkpoint().await.map_err(|error| failed(url, &error))
}

/// Checks that the log at `url` is the one that the operator's key is for.
pub(super) async fn check_origin(log: &impl LogReader, url: &str, origin: &Origin) -> anyhow::Result<()> {
    let head = Head::read(&checkpoint(log, url).await?)?;
    if head.origin == *origin {
        return Ok(());
    }
    Err(Advice::error(
        format!("the log at {url} is {}, but the operator's key is for {origin}", head.origin),
        "check --log and --operator-key; --origin overrides the log name in the key",
    ))
}

/// What to do about a call that failed.
pub(super) fn failed(url: &str, error: &vouchlog::Error) -> anyhow::Error {
    let hint = match error.kind {
        ErrorKind::PermissionDenied => {
            "check the key: the log accepts only its operator's and its enrolled gateways' keys"
        }
        ErrorKind::Retired => {
            "use the log that continues it: its vkey is in the message, and `vouchlog log successor` proves it"
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
