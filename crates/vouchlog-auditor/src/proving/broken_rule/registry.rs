//! What given entries show about enrolments, rotations, replacements and revocations.

use vouchlog_merkle::LeafIndex;
use vouchlog_note::VerifyingKey;
use vouchlog_stream::{
    Enrolment, Entry, LoggedAt, Operators, Quota, ReplacementReason, Replaces, Revocation, StreamOpening,
    TextError,
};

use super::BrokenRule;

impl BrokenRule<'_> {
    pub(super) fn bad_enrolment(&self, index: u64, entry: &Entry, operators: &Operators) -> bool {
        match entry {
            Entry::GatewayEnrolled { note, .. } => match self.open_enrolment(index, note, operators) {
                Err(error) => self.is_by_no_operator(index, note, operators, &error),
                Ok(enrolment) => {
                    self.revocations(&enrolment.gateway, operators).any(|(other, _)| other < index)
                        || self.replacements(&enrolment.gateway, operators).any(|(other, _)| other < index)
                        || enrolment.replaces.as_ref().is_some_and(|replaces| {
                            self.bad_replacement(index, &enrolment, replaces, operators)
                        })
                }
            },
            Entry::GatewayRevoked { note, .. } => {
                match Revocation::open(note, &self.log.origin, operators.at(LeafIndex::new(index))) {
                    Err(error) => self.is_by_no_operator(index, note, operators, &error),
                    Ok(revocation) => {
                        self.has_all(0, index) && !self.is_enrolled(&revocation.gateway, index, operators)
                    }
                }
            }
            Entry::QuotaSet { note, .. } => {
                match Quota::open(note, &self.log.origin, operators.at(LeafIndex::new(index))) {
                    Err(error) => self.is_by_no_operator(index, note, operators, &error),
                    Ok(quota) => self
                        .quotas(index, operators)
                        .any(|before| before.scope == quota.scope && before.issued >= quota.issued),
                }
            }
            _ => false,
        }
    }

    /// The quotas that entries before `index` set.
    fn quotas(&self, index: u64, operators: &Operators) -> impl Iterator<Item = Quota> {
        self.decoded(..index).filter_map(move |(other, entry)| {
            let Entry::QuotaSet { note, .. } = entry else { return None };
            Quota::open(&note, &self.log.origin, operators.at(LeafIndex::new(other))).ok()
        })
    }

    /// Whether the enrolment at `index` replaces a key that it may not, or by a key that it may not.
    fn bad_replacement(
        &self,
        index: u64,
        enrolment: &Enrolment,
        replaces: &Replaces,
        operators: &Operators,
    ) -> bool {
        let is_earlier = |(other, _): (u64, LoggedAt)| other < index;
        self.is_enrolled(&enrolment.gateway, index, operators)
            || self.replacements(&replaces.key, operators).any(is_earlier)
            || enrolment.is_rotation() && self.revocations(&replaces.key, operators).any(is_earlier)
            || self.has_all(0, index) && !self.is_enrolled(&replaces.key, index, operators)
    }

    /// Whether the entry enrols a key under a name that another key had before, without a word on that one.
    pub(super) fn second_key(&self, index: u64, entry: &Entry, operators: &Operators) -> bool {
        let Some(second) = self.enrolment(index, entry, operators) else { return false };
        let key = &second.gateway;
        let earlier = || self.enrolments(operators).take_while(|(other, _)| *other < index);
        let is_first =
            |enrolment: &Enrolment| enrolment.gateway != *key && enrolment.gateway.name() == key.name();
        second.replaces.is_none()
            && !self.is_enrolled(key, index, operators)
            && earlier().any(|(_, enrolment)| is_first(&enrolment))
    }

    pub(super) fn unknown_gateway(&self, index: u64, entry: &Entry, operators: &Operators) -> bool {
        let Entry::StreamOpened { note, .. } = entry else { return false };
        let Ok(opening) = StreamOpening::open(note, &self.log.origin) else { return false };
        self.has_all(0, index) && !self.is_enrolled(&opening.gateway, index, operators)
    }

    /// Whether an entry before `index` enrols the key.
    fn is_enrolled(&self, gateway: &VerifyingKey, index: u64, operators: &Operators) -> bool {
        let mut earlier = self.enrolments(operators).take_while(|(other, _)| *other < index);
        earlier.any(|(_, enrolment)| enrolment.gateway == *gateway)
    }

    /// Every enrolment that holds, in the order of the log.
    fn enrolments(&self, operators: &Operators) -> impl Iterator<Item = (u64, Enrolment)> {
        self.decoded(..)
            .filter_map(move |(index, entry)| Some((index, self.enrolment(index, &entry, operators)?)))
    }

    fn enrolment(&self, index: u64, entry: &Entry, operators: &Operators) -> Option<Enrolment> {
        let Entry::GatewayEnrolled { note, .. } = entry else { return None };
        self.open_enrolment(index, note, operators).ok()
    }

    fn open_enrolment(&self, index: u64, note: &str, operators: &Operators) -> Result<Enrolment, TextError> {
        Enrolment::open(note, &self.log.origin, operators.at(LeafIndex::new(index)))
    }

    /// Where another key takes the place of this one, and when the log took that.
    pub(super) fn replacements(
        &self,
        gateway: &VerifyingKey,
        operators: &Operators,
    ) -> impl Iterator<Item = (u64, LoggedAt)> {
        self.decoded(..).filter_map(move |(index, entry)| {
            let replaces = self.enrolment(index, &entry, operators)?.replaces?;
            (replaces.key == *gateway).then_some((index, entry.logged_at()))
        })
    }

    /// Where a key is withdrawn, and from when on: by a revocation, or by a replacement that it did not sign.
    pub(super) fn revocations(
        &self,
        gateway: &VerifyingKey,
        operators: &Operators,
    ) -> impl Iterator<Item = (u64, LoggedAt)> {
        self.decoded(..).filter_map(move |(index, entry)| {
            let (key, effective) = match &entry {
                Entry::GatewayRevoked { note, .. } => {
                    let revocation =
                        Revocation::open(note, &self.log.origin, operators.at(LeafIndex::new(index))).ok()?;
                    (revocation.gateway, revocation.effective)
                }
                _ => match self.enrolment(index, &entry, operators)?.replaces? {
                    Replaces { key, reason: ReplacementReason::Operator { .. } } => (key, entry.logged_at()),
                    Replaces { reason: ReplacementReason::Rotation, .. } => return None,
                },
            };
            (key == *gateway).then_some((index, effective))
        })
    }
}
