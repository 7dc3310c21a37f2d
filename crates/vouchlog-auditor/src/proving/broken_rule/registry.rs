//! What given entries show about enrolments, rotations, replacements and revocations.

use vouchlog_note::VerifyingKey;
use vouchlog_stream::{
    Enrolment, Entry, Genesis, LoggedAt, Quota, ReplacementReason, Replaces, Revocation, StreamOpening,
};

use super::BrokenRule;

impl BrokenRule<'_> {
    pub(super) fn bad_enrolment(&self, index: u64, entry: &Entry, genesis: &Genesis) -> bool {
        match entry {
            Entry::GatewayEnrolled { .. } => match self.enrolment(entry, genesis) {
                None => true,
                Some(enrolment) => {
                    self.revocations(&enrolment.gateway, genesis).any(|(other, _)| other < index)
                        || self.replacements(&enrolment.gateway, genesis).any(|(other, _)| other < index)
                        || enrolment.replaces.as_ref().is_some_and(|replaces| {
                            self.bad_replacement(index, &enrolment, replaces, genesis)
                        })
                }
            },
            Entry::GatewayRevoked { note, .. } => {
                match Revocation::open(note, &self.log.origin, &genesis.operator) {
                    Err(_) => true,
                    Ok(revocation) => {
                        self.has_all(0, index) && !self.is_enrolled(&revocation.gateway, index, genesis)
                    }
                }
            }
            Entry::QuotaSet { note, .. } => match Quota::open(note, &self.log.origin, &genesis.operator) {
                Err(_) => true,
                Ok(quota) => self
                    .quotas(index, genesis)
                    .any(|before| before.scope == quota.scope && before.issued >= quota.issued),
            },
            _ => false,
        }
    }

    /// The quotas that entries before `index` set.
    fn quotas(&self, index: u64, genesis: &Genesis) -> impl Iterator<Item = Quota> {
        self.decoded().take_while(move |(other, _)| *other < index).filter_map(move |(_, entry)| {
            let Entry::QuotaSet { note, .. } = entry else { return None };
            Quota::open(&note, &self.log.origin, &genesis.operator).ok()
        })
    }

    /// Whether the enrolment at `index` replaces a key that it may not, or by a key that it may not.
    fn bad_replacement(
        &self,
        index: u64,
        enrolment: &Enrolment,
        replaces: &Replaces,
        genesis: &Genesis,
    ) -> bool {
        let is_earlier = |(other, _): (u64, LoggedAt)| other < index;
        self.is_enrolled(&enrolment.gateway, index, genesis)
            || self.replacements(&replaces.key, genesis).any(is_earlier)
            || enrolment.is_rotation() && self.revocations(&replaces.key, genesis).any(is_earlier)
            || self.has_all(0, index) && !self.is_enrolled(&replaces.key, index, genesis)
    }

    /// Whether the entry enrols a key under a name that another key had before, without a word on that one.
    pub(super) fn second_key(&self, index: u64, entry: &Entry, genesis: &Genesis) -> bool {
        let Some(second) = self.enrolment(entry, genesis) else { return false };
        let key = &second.gateway;
        let earlier = || self.enrolments(genesis).take_while(|(other, _)| *other < index);
        let is_first =
            |enrolment: &Enrolment| enrolment.gateway != *key && enrolment.gateway.name() == key.name();
        second.replaces.is_none()
            && !self.is_enrolled(key, index, genesis)
            && earlier().any(|(_, enrolment)| is_first(&enrolment))
    }

    pub(super) fn unknown_gateway(&self, index: u64, entry: &Entry, genesis: &Genesis) -> bool {
        let Entry::StreamOpened { note, .. } = entry else { return false };
        let Ok(opening) = StreamOpening::open(note, &self.log.origin) else { return false };
        self.has_all(0, index) && !self.is_enrolled(&opening.gateway, index, genesis)
    }

    /// Whether an entry before `index` enrols the key.
    fn is_enrolled(&self, gateway: &VerifyingKey, index: u64, genesis: &Genesis) -> bool {
        let mut earlier = self.enrolments(genesis).take_while(|(other, _)| *other < index);
        earlier.any(|(_, enrolment)| enrolment.gateway == *gateway)
    }

    /// Every enrolment that holds, in the order of the log.
    fn enrolments(&self, genesis: &Genesis) -> impl Iterator<Item = (u64, Enrolment)> {
        self.decoded().filter_map(move |(index, entry)| Some((index, self.enrolment(&entry, genesis)?)))
    }

    fn enrolment(&self, entry: &Entry, genesis: &Genesis) -> Option<Enrolment> {
        let Entry::GatewayEnrolled { note, .. } = entry else { return None };
        Enrolment::open(note, &self.log.origin, &genesis.operator).ok()
    }

    /// Where another key takes the place of this one, and when the log took that.
    pub(super) fn replacements(
        &self,
        gateway: &VerifyingKey,
        genesis: &Genesis,
    ) -> impl Iterator<Item = (u64, LoggedAt)> {
        self.decoded().filter_map(move |(index, entry)| {
            let replaces = self.enrolment(&entry, genesis)?.replaces?;
            (replaces.key == *gateway).then_some((index, entry.logged_at()))
        })
    }

    /// Where a key is withdrawn, and from when on: by a revocation, or by a replacement that it did not sign.
    pub(super) fn revocations(
        &self,
        gateway: &VerifyingKey,
        genesis: &Genesis,
    ) -> impl Iterator<Item = (u64, LoggedAt)> {
        self.decoded().filter_map(move |(index, entry)| {
            let (key, effective) = match &entry {
                Entry::GatewayRevoked { note, .. } => {
                    let revocation = Revocation::open(note, &self.log.origin, &genesis.operator).ok()?;
                    (revocation.gateway, revocation.effective)
                }
                _ => match self.enrolment(&entry, genesis)?.replaces? {
                    Replaces { key, reason: ReplacementReason::Operator { .. } } => (key, entry.logged_at()),
                    Replaces { reason: ReplacementReason::Rotation, .. } => return None,
                },
            };
            (key == *gateway).then_some((index, effective))
        })
    }
}
