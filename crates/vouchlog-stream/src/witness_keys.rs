//! The rotations of witnesses' keys that a log's entries record.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use vouchlog_merkle::LeafIndex;

use crate::limits::{MAX_ROTATIONS_OF_A_WITNESS, MAX_WITNESS_ROTATIONS};
use crate::{TextError, WitnessRotation};

/// Why the rotation of a witness's key is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WitnessKeyError {
    /// The note is malformed, or not signed by both keys.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The old key was rotated before.
    #[error(
        "the key {key} of the witness was already rotated by entry {by}: if that was not the witness, remove it from the policy"
    )]
    RotatedBefore {
        /// The old key's id.
        key: String,
        /// The entry.
        by: LeafIndex,
    },
    /// The new key was a witness's before.
    #[error("the key {0} was a witness's before: make a new one")]
    UsedBefore(String),
    /// The log has had too many.
    #[error("the log holds {MAX_WITNESS_ROTATIONS} rotations of witnesses' keys, which is the limit")]
    TooMany,
    /// The witness has had too many.
    #[error("the key of the witness {0} was rotated {MAX_ROTATIONS_OF_A_WITNESS} times, which is the limit")]
    TooManyOfOne(String),
}

/// A rotation, and the entry that logs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRotation {
    /// The rotation.
    pub rotation: WitnessRotation,
    /// Its entry.
    pub index: LeafIndex,
}

/// The rotations of witnesses' keys in a log, in its order. Each key is rotated once, and none comes back. If a thief and the owner both
/// rotate a key, the log takes the first rotation and refuses the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WitnessKeys {
    rotations: Vec<LoggedRotation>,
}

#[derive(Serialize, Deserialize)]
struct Stored(Vec<(String, String, u64)>);

impl WitnessKeys {
    /// The rotations, in the order of the log.
    pub fn rotations(&self) -> &[LoggedRotation] {
        &self.rotations
    }

    /// Reads a note, and checks that it may come next.
    pub fn open(&self, note: &str) -> Result<WitnessRotation, WitnessKeyError> {
        let rotation = WitnessRotation::open(note)?;
        let WitnessRotation { witness, replaces } = &rotation;
        if let Some(before) = self.rotations.iter().find(|logged| logged.rotation.replaces == *replaces) {
            return Err(WitnessKeyError::RotatedBefore { key: replaces.id().to_string(), by: before.index });
        }
        let mut known =
            self.rotations.iter().flat_map(|logged| [&logged.rotation.witness, &logged.rotation.replaces]);
        if known.any(|key| key.public_key() == witness.public_key()) {
            return Err(WitnessKeyError::UsedBefore(witness.id().to_string()));
        }
        if self.rotations.len() >= MAX_WITNESS_ROTATIONS {
            return Err(WitnessKeyError::TooMany);
        }
        let of_one =
            self.rotations.iter().filter(|logged| logged.rotation.replaces.name() == replaces.name());
        if of_one.count() >= MAX_ROTATIONS_OF_A_WITNESS {
            return Err(WitnessKeyError::TooManyOfOne(replaces.name().to_string()));
        }
        Ok(rotation)
    }

    /// Takes up the note of the entry at `index`.
    pub fn take(&mut self, index: LeafIndex, note: &str) -> Result<WitnessRotation, WitnessKeyError> {
        let rotation = self.open(note)?;
        self.rotations.push(LoggedRotation { rotation: rotation.clone(), index });
        Ok(rotation)
    }

    /// The entry that logs this note, if one does.
    pub fn applied(&self, note: &str) -> Option<LeafIndex> {
        let rotation = WitnessRotation::open(note).ok()?;
        self.rotations.iter().find(|logged| logged.rotation == rotation).map(|logged| logged.index)
    }

    /// The bytes a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let stored = |logged: &LoggedRotation| {
            let WitnessRotation { witness, replaces } = &logged.rotation;
            (witness.to_string(), replaces.to_string(), logged.index.get())
        };
        let stored = Stored(self.rotations.iter().map(stored).collect());
        postcard::to_stdvec(&stored).expect("strings and numbers always encode")
    }

    /// Reads [`to_bytes`](Self::to_bytes) back; `None` when the store was damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (Stored(stored), rest) = postcard::take_from_bytes(bytes).ok()?;
        if !rest.is_empty() || stored.len() > MAX_WITNESS_ROTATIONS {
            return None;
        }
        let rotation = |(witness, replaces, index): (String, String, u64)| {
            let rotation =
                WitnessRotation { witness: witness.parse().ok()?, replaces: replaces.parse().ok()? };
            Some(LoggedRotation { rotation, index: LeafIndex::new(index) })
        };
        Some(Self { rotations: stored.into_iter().map(rotation).collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use vouchlog_note::{KeyName, SignatureType, SigningKey};

    use super::*;

    fn key(seed: u8) -> SigningKey {
        let name = KeyName::new("witness.example.com/w1").unwrap();
        SigningKey::generate(name, SignatureType::CosignatureEd25519, [seed; 32]).unwrap()
    }

    fn rotation(old: u8, new: u8) -> String {
        WitnessRotation::sign(&key(old), &key(new), 7).unwrap()
    }

    #[test]
    fn each_key_is_rotated_once_and_none_comes_back() {
        let mut keys = WitnessKeys::default();
        let at = LeafIndex::new;
        keys.take(at(3), &rotation(1, 2)).unwrap();
        assert!(
            matches!(keys.open(&rotation(1, 9)), Err(WitnessKeyError::RotatedBefore { by, .. }) if by == at(3))
        );
        assert!(matches!(keys.open(&rotation(1, 2)), Err(WitnessKeyError::RotatedBefore { .. })));
        assert!(matches!(keys.open(&rotation(2, 1)), Err(WitnessKeyError::UsedBefore(_))));
        assert_eq!(keys.applied(&rotation(1, 2)), Some(at(3)));
        assert_eq!(keys.applied(&rotation(1, 9)), None);
        keys.take(at(5), &rotation(2, 3)).unwrap();
        let bytes = keys.to_bytes();
        assert_eq!(WitnessKeys::from_bytes(&bytes), Some(keys.clone()));
        assert_eq!(WitnessKeys::from_bytes(&[&bytes[..], &[0]].concat()), None);
        (0..bytes.len()).for_each(|length| assert_eq!(WitnessKeys::from_bytes(&bytes[..length]), None));
    }

    /// Whoever has the key of one witness cannot use up the rotations of the others.
    #[test]
    fn one_witness_has_its_share() {
        let mut keys = WitnessKeys::default();
        let most = u8::try_from(MAX_ROTATIONS_OF_A_WITNESS).unwrap();
        for old in 0..most {
            keys.take(LeafIndex::new(old.into()), &rotation(old, old + 1)).unwrap();
        }
        let more = keys.open(&rotation(most, most + 1));
        assert!(matches!(more, Err(WitnessKeyError::TooManyOfOne(_))), "{more:?}");
        let of_another = |seed: u8| {
            let name = KeyName::new("witness.example.com/w2").unwrap();
            SigningKey::generate(name, SignatureType::CosignatureEd25519, [seed; 32]).unwrap()
        };
        let other = WitnessRotation::sign(&of_another(200), &of_another(201), 7).unwrap();
        assert!(keys.open(&other).is_ok());
    }
}
