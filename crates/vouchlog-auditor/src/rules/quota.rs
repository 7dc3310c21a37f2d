//! Quotas: what the operator allowed gateways to log in a day. An audit reports them; keeping them is the log's own affair, since a
//! request that exceeds one never becomes an entry.

use vouchlog_merkle::LeafIndex;
use vouchlog_note::VerifyingKey;
use vouchlog_stream::{Quota, QuotaState};

use super::Rules;
use crate::evidence::EvidenceSource;
use crate::finding::Suspicions;
use crate::kind::FindingKind;
use crate::place::Place;

impl Rules {
    /// SPEC: the operator sets quotas; of one scope, each is signed later than the one before.
    pub(super) fn quota(&mut self, index: u64, note: &str, found: &mut Suspicions) {
        let open = |operator: &VerifyingKey| Quota::open(note, &self.terms.origin, operator);
        let Some(Quota { scope, issued, limits, .. }) = self.by_operator(index, "quota", open, found) else {
            return;
        };
        match self.quotas.get(&scope) {
            Some(known) if known.issued >= issued => {
                let lead = EvidenceSource::entries([known.index.get(), index]);
                found.add(FindingKind::BadEnrolment, Place::entry(index), lead, || {
                    "the quota is older than the one before it".to_owned()
                });
            }
            _ => {
                let index = LeafIndex::new(index);
                self.quotas.insert(scope.clone(), QuotaState { scope, limits, issued, index });
            }
        }
    }
}
