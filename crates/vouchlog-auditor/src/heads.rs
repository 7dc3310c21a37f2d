//! The log's newest checkpoint against every other that is known: what this auditor verified before, and what others saw.

use vouchlog_api::{LogReader, Result};
use vouchlog_note::SignedCheckpoint;
use vouchlog_stream::RetirementProof;

use crate::checkpoint::open;
use crate::config::Config;
use crate::evidence::EvidenceSource;
use crate::fetch::{Fetcher, is_log_unreadable};
use crate::finding::{Cause, Suspicions};
use crate::kind::FindingKind;
use crate::limits::MAX_WITNESSED_NOTES;
use crate::place::Place;
use crate::proving::prefix_of;
use crate::state::Opened;

/// What holding a checkpoint against others showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Checkpoints from elsewhere that are the log's.
    pub(crate) witnessed: u64,
    /// Whether the checkpoint goes on from what this auditor verified before.
    pub(crate) goes_on: bool,
}

/// Who knew a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Ourselves,
    Others,
}

/// The checkpoint that the log serves, as it is compared with others.
pub(crate) struct Comparison<'a, R> {
    pub(crate) log: &'a Fetcher<R>,
    pub(crate) served: &'a SignedCheckpoint,
    pub(crate) found: &'a mut Suspicions,
}

impl<R: LogReader> Comparison<'_, R> {
    /// With all that is known: what this auditor verified before, and what others saw.
    pub(crate) async fn with_all(&mut self, config: &Config, state: Option<&Opened>) -> Result<Compared> {
        let mut compared = Compared { goes_on: true, ..Compared::default() };
        if let Some(end) = &config.end {
            let served = self.served;
            self.check_end(end, served);
            // It is the log's: `audit` looked at its key.
            if let Ok(last) = open(end.checkpoint(), &config.log) {
                self.with(&last, Source::Others).await?;
            }
        }
        let ours = state.into_iter().flat_map(|state| state.verified.iter().chain(&state.target));
        for known in ours {
            compared.goes_on &= self.with(known, Source::Ourselves).await?;
        }
        for note in config.witnessed.iter().take(MAX_WITNESSED_NOTES) {
            match open(note, &config.log) {
                Ok(known) => {
                    compared.witnessed += 1;
                    if let Some(end) = &config.end {
                        self.check_end(end, &known);
                    }
                    self.with(&known, Source::Others).await?;
                }
                // Anyone could have made it up: it says nothing about the log.
                Err(error) => tracing::warn!(%error, "a checkpoint from elsewhere is not the log's"),
            }
        }
        Ok(compared)
    }

    /// A head beyond the end that is known: the log's key signed it, and had signed before that the log has ended.
    fn check_end(&mut self, end: &RetirementProof, signed: &SignedCheckpoint) {
        let (size, more) = (end.head().size, signed.head().size);
        if more <= size {
            return;
        }
        let (proof, served) = (end.to_text(), signed.note().to_owned());
        let lead = EvidenceSource::AfterRetirement { end: proof, served };
        self.found.add(FindingKind::HeadAfterRetirement, Place::checkpoint(more.get()), lead, || {
            format!("the log ended with {size} entries, and its key signed a tree of {more}")
        });
    }

    /// With one that is known. False if they contradict each other.
    ///
    /// SPEC: a smaller size than known is a rollback, or an old view; one size with two roots is a fork; a larger size needs a
    /// consistency proof.
    async fn with(&mut self, known: &SignedCheckpoint, source: Source) -> Result<bool> {
        let served = self.served;
        let (old, new) = (known.head(), served.head());
        let two_heads =
            || EvidenceSource::TwoHeads { known: known.note().to_owned(), served: served.note().to_owned() };
        if old.size == new.size {
            if old.root != new.root {
                self.found.add(
                    FindingKind::SplitView,
                    Place::checkpoint(new.size.get()),
                    two_heads(),
                    || format!("the log signed root {} and root {} for one size", old.root, new.root),
                );
            }
            return Ok(old.root == new.root);
        }
        if old.size < new.size {
            return Ok(self.contradiction(known, served).await?.is_none());
        }
        // The tiles of the larger tree also show whether the smaller one is part of it.
        let cause = self.contradiction(served, known).await?;
        let (kind, words) = match source {
            Source::Ourselves => (FindingKind::ShrunkenLog, "this auditor verified one of size"),
            Source::Others => (FindingKind::StaleCheckpoint, "other parties have seen one of size"),
        };
        let place = Place::checkpoint(new.size.get());
        let finding = self.found.add(kind, place, two_heads(), || {
            format!("the log serves a checkpoint of size {}, {words} {}", new.size, old.size)
        });
        if let Some(cause) = cause {
            self.found.explain(finding, cause);
        }
        Ok(false)
    }

    /// The finding, if the larger checkpoint's tree does not contain the smaller one's.
    async fn contradiction(
        &mut self,
        smaller: &SignedCheckpoint,
        larger: &SignedCheckpoint,
    ) -> Result<Option<Cause>> {
        let (old, new) = (smaller.head(), larger.head());
        // SPEC: the empty tree is a prefix of every other.
        if old.size.get() == 0 {
            return Ok(None);
        }
        let (prefix_root, proof) = match prefix_of(self.log, old.size, &new).await {
            Ok(Some(proven)) => proven,
            Err(error) if is_log_unreadable(&error) => return Err(error),
            // The tiles prove nothing. If they are those of the served tree, the walk finds out why.
            Ok(None) | Err(_) => return Ok(None),
        };
        if prefix_root == old.root {
            return Ok(None);
        }
        let lead = EvidenceSource::Prefix {
            old: smaller.note().to_owned(),
            new: larger.note().to_owned(),
            prefix_root,
            proof: proof.hashes().to_vec(),
        };
        let place = Place::checkpoint(self.served.head().size.get());
        let cause = self.found.add(FindingKind::InconsistentHeads, place, lead, || {
            format!(
                "the tree of size {} has root {prefix_root} at size {}, where the log signed {}",
                new.size, old.size, old.root
            )
        });
        Ok(Some(cause))
    }
}
