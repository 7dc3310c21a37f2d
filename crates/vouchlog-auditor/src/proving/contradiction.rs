//! Whether a checkpoint goes on from one that is known; what shows it if not. For those who follow a log.

use vouchlog_api::{Error, LogReader, Result};
use vouchlog_note::SignedCheckpoint;

use super::build::prefix_of;
use crate::evidence::{Evidence, EvidenceFile};
use crate::kind::FindingKind;
use crate::place::Place;

/// What shows that `served`, which the log serves now, does not extend `known`; none if it does. The tiles of `log` must lead to `served`.
///
/// # Errors
/// When the log cannot be read, or its tiles do not lead to `served`.
pub async fn contradiction(
    log: &impl LogReader,
    known: &SignedCheckpoint,
    served: &SignedCheckpoint,
) -> Result<Option<EvidenceFile>> {
    let (old, new) = (known.head(), served.head());
    let place = Place::checkpoint(new.size.get());
    let file = |kind, words: &str, evidence| {
        Some(EvidenceFile::new(kind, known.origin().as_str(), words, &place, evidence))
    };
    let two_heads =
        || Evidence::TwoHeads { known: known.note().to_owned(), served: served.note().to_owned() };
    if new.size < old.size {
        let words =
            format!("the log serves a checkpoint of size {}, after one of size {}", new.size, old.size);
        return Ok(file(FindingKind::ShrunkenLog, &words, two_heads()));
    }
    if new.size == old.size {
        let words = format!("the log signed root {} and root {} for one size", old.root, new.root);
        let differs = old.root != new.root;
        return Ok(if differs { file(FindingKind::SplitView, &words, two_heads()) } else { None });
    }
    if old.size.get() == 0 {
        return Ok(None);
    }
    let Some((prefix_root, proof)) = prefix_of(log, old.size, &new).await? else {
        return Err(Error::internal(format!(
            "the tiles do not lead to the checkpoint of {} entries that is served",
            new.size
        )));
    };
    if prefix_root == old.root {
        return Ok(None);
    }
    let words = format!(
        "the tree of size {} has root {prefix_root} at size {}, where the log signed {}",
        new.size, old.size, old.root
    );
    let (old, new, proof) = (known.note().to_owned(), served.note().to_owned(), proof.hashes().to_vec());
    Ok(file(FindingKind::InconsistentHeads, &words, Evidence::Prefix { old, new, prefix_root, proof }))
}
