//! What the log knows of a gateway: the key the operator enrolled, and whether it was withdrawn.

use serde::{Deserialize, Serialize};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::VerifyingKey;

use crate::LoggedAt;

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
    /// Set once the operator withdrew it; never unset.
    pub revoked: Option<Revoked>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    key: String,
    enrolled: u64,
    revoked: Option<(u64, u64, String)>,
}

impl GatewayState {
    /// The revocation, if it is in force at `now`.
    pub fn revoked_at(&self, now: LoggedAt) -> Option<&Revoked> {
        self.revoked.as_ref().filter(|revoked| revoked.effective <= now)
    }

    /// The bytes a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let revoked = self.revoked.as_ref().map(|r| (r.index.get(), r.effective.millis(), r.reason.clone()));
        let stored = Stored { key: self.key.to_string(), enrolled: self.enrolled.get(), revoked };
        postcard::to_stdvec(&stored).expect("strings and numbers always encode")
    }

    /// Reads [`to_bytes`](Self::to_bytes) back; `None` when the store was damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = postcard::from_bytes(bytes).ok()?;
        let revoked = match stored.revoked {
            None => None,
            Some((index, effective, reason)) => Some(Revoked {
                index: LeafIndex::new(index),
                effective: LoggedAt::from_millis(effective)?,
                reason,
            }),
        };
        Some(Self { key: stored.key.parse().ok()?, enrolled: LeafIndex::new(stored.enrolled), revoked })
    }
}
