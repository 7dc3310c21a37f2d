//! The operator's key: which one is in force at an entry, and who may change it.

use vouchlog_merkle::LeafIndex;
use vouchlog_note::VerifyingKey;
use vouchlog_stream::{OperatorError, TextError};

use super::Rules;
use crate::evidence::EvidenceSource;
use crate::finding::{Suspicion, Suspicions};
use crate::kind::FindingKind;
use crate::place::Place;

impl Rules {
    /// SPEC: the key in force signs the change to another, or the recovery key that it named does; no key is in force twice.
    pub(super) fn operator_changed(&mut self, index: u64, note: &str, found: &mut Suspicions) {
        let Some(operators) = &mut self.operators else { return };
        let Err(error) = operators.take(LeafIndex::new(index), note, &self.terms.origin) else { return };
        // Another change may be among what could not be read.
        let may_follow = match &error {
            OperatorError::Text(text) => matches!(text, TextError::Note(_)),
            OperatorError::UsedBefore(_) => false,
            _ => true,
        };
        if let Some(cause) = self.lost.filter(|_| may_follow) {
            return found.follows(cause);
        }
        let lead = EvidenceSource::entries([index]).with_run(0, index);
        found.add(FindingKind::BadOperatorChange, Place::entry(index), lead, || {
            format!("the change of the operator's key is rejected: {error}")
        });
    }

    /// Opens the note of the entry at `index` with the operator's key in force there. SPEC: a key that was replaced signs nothing more.
    pub(super) fn by_operator<T>(
        &self,
        index: u64,
        what: &str,
        open: impl Fn(&VerifyingKey) -> Result<T, TextError>,
        found: &mut Suspicions,
    ) -> Option<T> {
        let operators = self.operators.as_ref()?;
        let error = match open(operators.key()) {
            Ok(opened) => return Some(opened),
            Err(error) => error,
        };
        let mut earlier = operators.terms().filter(|term| term.key != *operators.key());
        if let Some(key) = earlier.find(|term| open(&term.key).is_ok()).map(|term| &term.key) {
            let by = operators.retired_by(key).unwrap_or_default();
            let lead = EvidenceSource::entries([index]);
            found.add(FindingKind::RetiredOperatorKey, Place::entry(index), lead, || {
                format!("the {what} is signed by the operator's key {}, which entry {by} replaced", key.id())
            });
            return None;
        }
        if let (Some(cause), TextError::Note(_)) = (self.lost, &error) {
            found.follows(cause);
            return None;
        }
        let lead = EvidenceSource::entries([index]).with_run(0, index);
        found.add(FindingKind::BadEnrolment, Place::entry(index), lead, || {
            format!("the {what} is rejected: {error}")
        });
        None
    }

    /// Adds the changes of the operator's key to evidence: with them it shows which key was in force.
    pub(super) fn show_operators(&self, index: u64, suspicions: &mut [Suspicion]) {
        let Some(operators) = &self.operators else { return };
        for suspicion in suspicions {
            if let EvidenceSource::Entries { indexes, .. } = &mut suspicion.lead {
                indexes.extend(operators.changes().into_iter().map(LeafIndex::get).filter(|at| *at < index));
            }
        }
    }
}
