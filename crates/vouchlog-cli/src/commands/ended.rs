//! The proof that a log has ended: read from its file, or put together from the log itself.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use vouchlog::{LeafIndex, LogReader, ProofFile, TreeSize, VerifyingKey};
use vouchlog_api::proof;
use vouchlog_note::limits::MAX_PROOF_FILE_BYTES;
use vouchlog_stream::RetirementProof;

use super::given;
use super::remote::{self, Head, reader};
use crate::advice::Advice;

/// How long the final checkpoint may take to be published: witnesses are asked once a second.
const PUBLISHING: Duration = Duration::from_secs(30);

/// The proof in a file. All of it is verified; whether it is of the log that is meant is for the caller to see.
pub(super) fn load(file: &Path) -> anyhow::Result<RetirementProof> {
    let bytes = given::read(file, MAX_PROOF_FILE_BYTES)?;
    RetirementProof::open(&bytes).map_err(|error| {
        Advice::error(
            format!("{}: {error}", file.display()),
            "give the file that `vouchlog log retire --out` wrote, or `vouchlog prove` of the log's last entry",
        )
    })
}

/// The proof at a URL, in a directory of tiles, or in a file.
pub(super) async fn fetch(source: &str) -> anyhow::Result<RetirementProof> {
    if Path::new(source).is_file() {
        return load(Path::new(source));
    }
    let log = reader(source)?;
    let note = remote::checkpoint(&log, source).await?;
    of_head(&log, source, &note).await
}

/// What is wrong with the checkpoint of a proof file, if the log has ended as the file `end` proves; nothing if that has no checkpoint,
/// which its own verification reports.
pub(super) fn beyond(end: &Path, log: &VerifyingKey, proof: &[u8]) -> anyhow::Result<Option<String>> {
    let end = load(end)?;
    if end.retirement().log != *log {
        let problem = format!("the end is that of the log {}, not of {log}", end.retirement().log);
        return Err(Advice::error(problem, "give the proof of the end of the log whose --log-vkey is given"));
    }
    let head = ProofFile::parse(proof).ok().and_then(|file| Head::read(file.note().as_str()).ok());
    let (last, Some(head)) = (end.head(), head.map(|head| head.tree)) else { return Ok(None) };
    let is_other = head.size > last.size || head.size == last.size && head.root != last.root;
    Ok(is_other.then(|| {
        format!(
            "the log ended with {} entries, and the checkpoint is of a tree of {}: its key signed beyond the end, or another history",
            last.size, head.size
        )
    }))
}

/// The proof of a log that was retired by the entry `index`, once the checkpoint that covers it is published.
pub(super) async fn published(
    log: &impl LogReader,
    source: &str,
    index: LeafIndex,
) -> anyhow::Result<RetirementProof> {
    let published = log.checkpoint_after(TreeSize::new(index.get()));
    let Ok(note) = tokio::time::timeout(PUBLISHING, published).await else {
        return Err(Advice::error(
            format!(
                "the log is retired by entry {index}, but its final checkpoint is not published yet: too few witnesses have cosigned it"
            ),
            "leave the log running until a quorum has, then fetch the proof with the same command",
        ));
    };
    of_head(log, source, &note.map_err(|error| remote::failed(source, &error))?).await
}

async fn of_head(log: &impl LogReader, source: &str, note: &str) -> anyhow::Result<RetirementProof> {
    let head = Head::read(note).context("the log's checkpoint is malformed")?;
    let size = head.tree.size;
    let last = size.get().checked_sub(1).context("the log is empty")?;
    let proven = proof::checked_inclusion(log, LeafIndex::new(last), size, &head.tree.root).await;
    let (entry, inclusion) = proven.map_err(|error| {
        Advice::error(
            format!("the log at {source} returned no valid proof of its last entry: {error}"),
            "check that it is the log's URL, or the directory with `checkpoint` and `tile/` in it",
        )
    })?;
    RetirementProof::new(&entry, inclusion, note.as_bytes()).map_err(|error| {
        Advice::error(
            format!("the log {} has not ended with its entry {last}: {error}", head.origin),
            "retire it first, with `vouchlog log retire`",
        )
    })
}
