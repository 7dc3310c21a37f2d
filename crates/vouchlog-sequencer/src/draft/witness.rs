//! Rotations of witnesses' keys in a batch.

use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::Policy;
use vouchlog_stream::{Entry, WitnessKeyError, WitnessKeys};

use super::{Draft, note_error};
use crate::queue::Done;

impl Draft<'_> {
    /// Logs a rotation that was checked.
    pub(super) fn rotate_witness(&mut self, note: String, index: LeafIndex) -> Result<Done> {
        let mut keys = self.witness_keys().clone();
        keys.take(index, &note).map_err(refused)?;
        self.push(&Entry::WitnessRotated { logged_at: self.now, note });
        self.witness_keys = Some(keys);
        Ok(Done::KeyChanged(index))
    }

    /// Whether a rotation may come next. The answer is there already if the log has it.
    pub(super) fn check_witness_rotation(&self, note: &str, policy: Option<&Policy>) -> Result<Option<Done>> {
        let keys = self.witness_keys();
        let rotation = match keys.open(note) {
            Ok(rotation) => rotation,
            Err(error) => match keys.applied(note) {
                Some(index) => return Ok(Some(Done::KeyChanged(index))),
                None => return Err(refused(error)),
            },
        };
        // Anyone can make a witness: only those of the log's policy, and the keys they rotated to, are worth an entry.
        let mut listed = policy.into_iter().flat_map(Policy::witnesses);
        if listed.any(|known| *known.key() == rotation.replaces)
            || keys.rotations().iter().any(|logged| logged.rotation.witness == rotation.replaces)
        {
            return Ok(None);
        }
        let (name, id) = (rotation.replaces.name(), rotation.replaces.id());
        Err(Error::invalid(format!("the key {id} of `{name}` is not a witness key in this log's policy")))
    }

    fn witness_keys(&self) -> &WitnessKeys {
        self.witness_keys.as_ref().unwrap_or(&self.committed.witness_keys)
    }
}

fn refused(error: WitnessKeyError) -> Error {
    let message = error.to_string();
    match error {
        WitnessKeyError::Text(error) => note_error(error),
        WitnessKeyError::RotatedBefore { .. }
        | WitnessKeyError::TooMany
        | WitnessKeyError::TooManyOfOne(_) => Error::new(ErrorKind::FailedPrecondition, message),
        _ => Error::invalid(message),
    }
}
