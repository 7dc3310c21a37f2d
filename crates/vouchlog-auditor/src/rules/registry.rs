//! Which keys may open streams: enrolments, rotations, replacements and revocations.

use vouchlog_note::VerifyingKey;
use vouchlog_stream::{Enrolment, LoggedAt, Replaces, Revocation};

use super::{Gateway, Rules, Withdrawn};
use crate::evidence::EvidenceSource;
use crate::finding::Suspicions;
use crate::kind::FindingKind;
use crate::place::Place;

impl Rules {
    /// SPEC: the operator enrols and revokes gateways; a revoked key stays revoked.
    pub(super) fn enrolled(&mut self, index: u64, note: &str, now: LoggedAt, found: &mut Suspicions) {
        let open = |operator: &VerifyingKey| Enrolment::open(note, &self.terms.origin, operator);
        let Some(enrolment) = self.by_operator(index, "enrolment", open, found) else { return };
        let key = &enrolment.gateway;
        match self.gateways.get(key) {
            None => self.enrol(index, key),
            Some(Gateway { withdrawn: Some(withdrawn), .. }) => {
                let lead = EvidenceSource::entries([withdrawn.index, index]);
                return bad(
                    index,
                    lead,
                    format!("the revoked key of {} is enrolled again", key.name()),
                    found,
                );
            }
            Some(known) => {
                if let Some(by) = known.replaced {
                    let lead = EvidenceSource::entries([by, index]);
                    bad(index, lead, format!("the replaced key of {} is enrolled again", key.name()), found);
                } else if enrolment.replaces.is_some() {
                    let lead = EvidenceSource::entries([known.enrolled, index]);
                    let words =
                        format!("it replaces a key by one of {} that was enrolled before", key.name());
                    bad(index, lead, words, found);
                }
                return;
            }
        }
        match &enrolment.replaces {
            None => self.check_first(index, key, found),
            Some(replaces) => self.replace(index, &enrolment, replaces, now, found),
        }
    }

    fn enrol(&mut self, index: u64, key: &VerifyingKey) {
        let gateway = Gateway { enrolled: index, withdrawn: None, replaced: None };
        self.gateways.insert(key.clone(), gateway);
        self.names.entry(key.name().clone()).or_default().push(key.clone());
    }

    /// SPEC: a name belongs to its key: another key needs the signature of the first, or a replacement that names its reason.
    fn check_first(&self, index: u64, key: &VerifyingKey, found: &mut Suspicions) {
        let holders = self.names.get(key.name()).into_iter().flatten().filter(|holder| *holder != key);
        let mut holders = holders.filter_map(|holder| Some((holder, self.gateways.get(holder)?)));
        let first = holders.next();
        let Some((holder, Gateway { enrolled, .. })) = first else { return };
        let lead = EvidenceSource::entries([*enrolled, index]);
        found.add(FindingKind::SecondKeyForAName, Place::entry(index), lead, || {
            format!(
                "the key {} is enrolled under the name {}, which belongs to the key {} since entry {enrolled}: neither did that \
                 key sign a rotation, nor does the operator name a reason to replace it",
                key.id(),
                key.name(),
                holder.id(),
            )
        });
    }

    /// SPEC: what is replaced is an enrolled key that nothing has replaced; a revoked key rotates to no other.
    fn replace(
        &mut self,
        index: u64,
        enrolment: &Enrolment,
        replaces: &Replaces,
        now: LoggedAt,
        found: &mut Suspicions,
    ) {
        let name = replaces.key.name();
        let Some(old) = self.gateways.get_mut(&replaces.key) else {
            if self.lost.is_none() {
                let lead = EvidenceSource::entries([index]).with_run(0, index);
                bad(index, lead, format!("it replaces a key of {name} that was never enrolled"), found);
            }
            return;
        };
        if let Some(by) = old.replaced {
            let lead = EvidenceSource::entries([by, index]);
            return bad(index, lead, format!("it replaces a key of {name} that entry {by} replaced"), found);
        }
        old.replaced = Some(index);
        if enrolment.is_rotation() {
            if let Some(withdrawn) = old.withdrawn {
                let lead = EvidenceSource::entries([withdrawn.index, index]);
                bad(index, lead, format!("the revoked key of {name} rotates to another"), found);
            }
        } else {
            self.withdraw(&replaces.key, Withdrawn { index, effective: now });
        }
    }

    pub(super) fn revoked(&mut self, index: u64, note: &str, found: &mut Suspicions) {
        let open = |operator: &VerifyingKey| Revocation::open(note, &self.terms.origin, operator);
        let Some(revocation) = self.by_operator(index, "revocation", open, found) else { return };
        match self.gateways.get(&revocation.gateway) {
            None if self.lost.is_some() => {}
            None => {
                let lead = EvidenceSource::entries([index]).with_run(0, index);
                let words = format!("the key of {} was never enrolled", revocation.gateway.name());
                bad(index, lead, words, found);
            }
            Some(_) => {
                let withdrawn = Withdrawn { index, effective: revocation.effective };
                self.withdraw(&revocation.gateway, withdrawn);
            }
        }
    }

    /// In force is the withdrawal that takes effect first.
    fn withdraw(&mut self, key: &VerifyingKey, withdrawn: Withdrawn) {
        if let Some(gateway) = self.gateways.get_mut(key) {
            if gateway.withdrawn.is_some_and(|known| known.effective <= withdrawn.effective) {
                return;
            }
            gateway.withdrawn = Some(withdrawn);
        }
        for stream in self.streams.values_mut().filter(|stream| stream.gateway.as_ref() == Some(key)) {
            stream.withdrawn = Some(withdrawn);
        }
    }
}

fn bad(index: u64, lead: EvidenceSource, words: String, found: &mut Suspicions) {
    found.add(FindingKind::BadEnrolment, Place::entry(index), lead, || words);
}
