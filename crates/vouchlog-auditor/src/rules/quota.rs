//! Quotas: what the operator allowed gateways to log in a day. An audit reports them; keeping them is the log's own affair, since a
//! request that exceeds one never becomes an entry.

use vouchlog_merkle::LeafIndex;
use vouchlog_stream::{Quota, QuotaState};

use super::Rules;
use crate::evidence::EvidenceSource;
use crate::finding::Suspicions;
use crate::kind::FindingKind;
use crate::place::Place;

impl Rules {
    /// SPEC: the operator that genesis names sets quotas; of one scope, each is signed later than the one before.
    pub(super) fn quota(&mut self, index: u64, note: &str, found: &mut Suspicions) {
        let Some(operator) = &self.operator else { return };
        let (words, with) = match Quota::open(note, &self.terms.origin, operator) {
            Err(error) => (format!("the quota is rejected: {error}"), None),
            Ok(Quota { scope, issued, limits, .. }) => match self.quotas.get(&scope) {
                Some(known) if known.issued >= issued => {
                    ("the quota is older than the one before it".to_owned(), Some(known.index.get()))
                }
                _ => {
                    let index = LeafIndex::new(index);
                    self.quotas.insert(scope.clone(), QuotaState { scope, limits, issued, index });
                    return;
                }
            },
        };
        let lead = EvidenceSource::entries(with.into_iter().chain([index]));
        found.add(FindingKind::BadEnrolment, Place::entry(index), lead, || words);
    }
}
