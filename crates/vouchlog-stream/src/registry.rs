//! What the log knows of a gateway's key: which entry enrolled it, whether it was revoked, and which key took its place.

use serde::{Deserialize, Serialize};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::VerifyingKey;

use crate::{Enrolment, LoggedAt, ReplacementReason, Replaces};

/// A withdrawn key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The entry that withdrew it.
    pub index: LeafIndex,
    /// From when on it must not be trusted.
    pub effective: LoggedAt,
    /// Why.
    pub reason: String,
}

/// One enrolled gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayState {
    /// Its key; the key's name is the gateway's.
    pub key: VerifyingKey,
    /// The entry that enrolled it.
    pub enrolled: LeafIndex,
    /// Set once the operator withdrew it; never unset. Of several withdrawals, the one that takes effect first.
    pub revoked: Option<Revoked>,
    /// The entry that enrolled another key in its place. The key opens no streams after it.
    pub replaced: Option<LeafIndex>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    key: String,
    enrolled: u64,
    revoked: Option<(u64, u64, String)>,
}

impl GatewayState {
    /// A key as its enrolment makes it.
    pub fn enrolled(key: VerifyingKey, enrolled: LeafIndex) -> Self {
        Self { key, enrolled, revoked: None, replaced: None }
    }

    /// Takes up a withdrawal. In force is the one that takes effect first, so that leaving entries out can only make a key look
    /// better than it is; of two that take effect at the same time, the first.
    pub fn withdraw(&mut self, revoked: Revoked) {
        if self.revoked.as_ref().is_none_or(|known| revoked.effective < known.effective) {
            self.revoked = Some(revoked);
        }
    }

    /// Takes up that `enrolment`, the entry at `index` of the time `now`, put another key in the place of this one. A replacement by
    /// the operator withdraws it; a rotation does not.
    pub fn replace(&mut self, enrolment: &Enrolment, index: LeafIndex, now: LoggedAt) {
        self.replaced.get_or_insert(index);
        if let Some(Replaces { reason: ReplacementReason::Operator { cause, words }, .. }) =
            &enrolment.replaces
        {
            let reason = format!("{cause}: {words}");
            self.withdraw(Revoked { index, effective: now, reason });
        }
    }

    /// The revocation, if it is in force at `now`.
    pub fn revoked_at(&self, now: LoggedAt) -> Option<&Revoked> {
        self.revoked.as_ref().filter(|revoked| revoked.effective <= now)
    }

    /// The bytes a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let revoked = self.revoked.as_ref().map(|r| (r.index.get(), r.effective.millis(), r.reason.clone()));
        let stored = Stored { key: self.key.to_string(), enrolled: self.enrolled.get(), revoked };
        let mut bytes = postcard::to_stdvec(&stored).expect("strings and numbers always encode");
        if let Some(replaced) = self.replaced {
            let replaced = postcard::to_stdvec(&replaced.get()).expect("numbers always encode");
            bytes.extend_from_slice(&replaced);
        }
        bytes
    }

    /// Reads [`to_bytes`](Self::to_bytes) back; `None` when the store was damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (stored, rest): (Stored, _) = postcard::take_from_bytes(bytes).ok()?;
        // States of earlier versions end here, and so do those of keys that were not replaced.
        let replaced = match rest {
            [] => None,
            rest => match postcard::take_from_bytes::<u64>(rest).ok()? {
                (replaced, []) => Some(LeafIndex::new(replaced)),
                _ => return None,
            },
        };
        let revoked = match stored.revoked {
            None => None,
            Some((index, effective, reason)) => Some(Revoked {
                index: LeafIndex::new(index),
                effective: LoggedAt::from_millis(effective)?,
                reason,
            }),
        };
        Some(Self {
            key: stored.key.parse().ok()?,
            enrolled: LeafIndex::new(stored.enrolled),
            revoked,
            replaced,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vouchlog_note::{KeyName, SignatureType, SigningKey};

    use super::*;

    fn key() -> VerifyingKey {
        let name = KeyName::new("gateway.example.com").unwrap();
        SigningKey::generate(name, SignatureType::Ed25519, [1; 32]).unwrap().verifying_key().clone()
    }

    /// What the versions before replacements wrote: the same three fields, and nothing behind them.
    #[test]
    fn a_state_of_an_earlier_version_is_read() {
        let stored =
            Stored { key: key().to_string(), enrolled: 7, revoked: Some((9, 11, "stolen".to_owned())) };
        let read = GatewayState::from_bytes(&postcard::to_stdvec(&stored).unwrap()).unwrap();
        assert_eq!((read.enrolled.get(), read.replaced), (7, None));
        assert_eq!(read.revoked.unwrap().reason, "stolen");
    }

    proptest! {
        #[test]
        fn what_is_stored_comes_back(
            enrolled: u64,
            revoked in proptest::option::of((any::<u64>(), 0..1_u64 << 48, ".{0,20}")),
            replaced: Option<u64>,
            extra in 1..=255_u8,
        ) {
            let revoked = revoked.map(|(index, effective, reason)| Revoked {
                index: LeafIndex::new(index),
                effective: LoggedAt::from_millis(effective).unwrap(),
                reason,
            });
            let replaced = replaced.map(LeafIndex::new);
            let state = GatewayState { key: key(), enrolled: LeafIndex::new(enrolled), revoked, replaced };
            let bytes = state.to_bytes();
            prop_assert_eq!(GatewayState::from_bytes(&bytes), Some(state.clone()));
            if replaced.is_some() {
                prop_assert_eq!(GatewayState::from_bytes(&[&bytes[..], &[extra]].concat()), None);
            }
        }
    }
}
