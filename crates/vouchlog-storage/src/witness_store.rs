//! What a witness asks of its store: a small state for each log, swapped atomically.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;
use vouchlog_merkle::Hash;

use crate::StoreError;

/// Longest state: a checkpoint with ML-DSA-44 lines of its log and of the witness has 7 kB.
pub const MAX_WITNESS_STATE_BYTES: usize = 64 * 1024;
/// Most changes in one commit: with the longest states 32 MiB, normally at most 4 MiB.
pub const MAX_WITNESS_CHANGES: usize = 512;

/// The name of one store, random, given when it is made and never changed: by it a witness knows its memory again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreIdentity([u8; 16]);

impl StoreIdentity {
    /// The identity of these bytes, which come from the system's generator when a store is made.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// 32 lowercase hex digits.
impl fmt::Display for StoreIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for StoreIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreIdentity({self})")
    }
}

impl FromStr for StoreIdentity {
    type Err = StoreError;

    /// # Errors
    /// [`StoreError::Damaged`] unless the text is exactly 32 digits `0-9a-f`.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        let lowercase_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match u128::from_str_radix(text, 16) {
            Ok(number) if text.len() == 32 && text.bytes().all(lowercase_hex) => {
                Ok(Self(number.to_be_bytes()))
            }
            _ => Err(StoreError::Damaged("an identity is not 32 hexadecimal digits".into())),
        }
    }
}

/// How often a state was replaced: 0 when there is none, then 1, 2, … What a change expects, so that of two writers one is
/// always told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// Of a log that has no state.
    pub const NONE: Self = Self(0);

    /// The revision of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// That of the state that replaces this one.
    #[must_use]
    pub const fn next(self) -> Self {
        // A revision a nanosecond would take 584 years to get here.
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One log's new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessChange {
    /// SHA-256 of the log's origin, its key in the store.
    pub origin: Hash,
    /// The revision it replaces.
    pub expected: Revision,
    /// The new state, at most [`MAX_WITNESS_STATE_BYTES`].
    pub state: Bytes,
}

/// Whether changes can be one commit. Every store asks before it writes.
///
/// # Errors
/// [`WitnessCommitError::Refused`] for too many, a log that stands there twice, or a state that is too long.
pub fn check_witness_changes(changes: &[WitnessChange]) -> Result<(), WitnessCommitError> {
    let refused = |what: String| Err(WitnessCommitError::Refused(what));
    if changes.len() > MAX_WITNESS_CHANGES {
        return refused(format!("{} changes are more than {MAX_WITNESS_CHANGES}", changes.len()));
    }
    let mut seen = HashSet::with_capacity(changes.len());
    for change in changes {
        if !seen.insert(change.origin) {
            return refused(format!("the log {} is changed twice", change.origin));
        }
        let length = change.state.len();
        if length > MAX_WITNESS_STATE_BYTES {
            return refused(format!(
                "a state of {length} bytes is longer than {MAX_WITNESS_STATE_BYTES} bytes"
            ));
        }
    }
    Ok(())
}

/// A commit of a witness that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WitnessCommitError {
    /// Nothing was written, for certain: the witness may go on.
    #[error("nothing was committed: {0}")]
    Refused(String),
    /// A log's state is not the one the witness expected: another process writes. Nothing was written.
    #[error("the log {origin} has revision {found}, not {expected}: another process is writing")]
    Moved {
        /// SHA-256 of the log's origin.
        origin: Hash,
        /// The revision the witness expected.
        expected: Revision,
        /// The revision in the store.
        found: Revision,
    },
    /// The changes may or may not have been written. Only reopening the store shows which.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
}

/// A store of one witness. Its methods block; the witness calls them off the async threads.
pub trait WitnessStore: Send + Sync + fmt::Debug + 'static {
    /// The name this store was given when it was made.
    fn identity(&self) -> StoreIdentity;

    /// Hands over every log's state, one by one and in no order: SHA-256 of the origin, revision, state.
    fn load(&self, take: &mut dyn FnMut(Hash, Revision, Bytes)) -> Result<(), StoreError>;

    /// The durable state of one log; `None` when it has none. A state that is being committed is not shown before it is
    /// durable, since a client that saw it could hold the witness to a state that a power cut undoes; after a commit of unknown outcome it
    /// fails until the store is reopened.
    fn state(&self, origin: &Hash) -> Result<Option<Bytes>, StoreError>;

    /// Hands over the states of these logs as other processes may have left them since: SHA-256 of the origin, revision, state. Nothing for a
    /// store that is open in this process alone, the default.
    fn refresh(
        &self,
        _origins: &[Hash],
        _take: &mut dyn FnMut(Hash, Revision, Bytes),
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// Makes all changes durable or none, if every log's revision is still the expected one. When this returns `Ok`, the
    /// changes survive a power cut.
    fn commit(&self, changes: &[WitnessChange]) -> Result<(), WitnessCommitError>;

    /// Why the store takes no commits at the moment, if so: for a readiness check. Never waits.
    fn impediment(&self) -> Option<String>;

    /// Lets go of the disk. Later commits are refused; reads go on.
    fn close(&self) -> Result<(), StoreError>;
}

impl<S: WitnessStore + ?Sized> WitnessStore for std::sync::Arc<S> {
    fn identity(&self) -> StoreIdentity {
        (**self).identity()
    }

    fn load(&self, take: &mut dyn FnMut(Hash, Revision, Bytes)) -> Result<(), StoreError> {
        (**self).load(take)
    }

    fn state(&self, origin: &Hash) -> Result<Option<Bytes>, StoreError> {
        (**self).state(origin)
    }

    fn refresh(
        &self,
        origins: &[Hash],
        take: &mut dyn FnMut(Hash, Revision, Bytes),
    ) -> Result<(), StoreError> {
        (**self).refresh(origins, take)
    }

    fn commit(&self, changes: &[WitnessChange]) -> Result<(), WitnessCommitError> {
        (**self).commit(changes)
    }

    fn impediment(&self) -> Option<String> {
        (**self).impediment()
    }

    fn close(&self) -> Result<(), StoreError> {
        (**self).close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_has_one_spelling() {
        let identity = StoreIdentity::from_bytes([0x0a; 16]);
        assert_eq!(identity.to_string(), "0a".repeat(16));
        assert_eq!(identity.to_string().parse(), Ok(identity));
        let zeros = StoreIdentity::from_bytes([0; 16]);
        assert_eq!(zeros.to_string().parse(), Ok(zeros));
        let signed = format!("+{}", "a".repeat(31));
        for wrong in ["", "0a", &"0A".repeat(16), &"0a".repeat(17), &signed, &"zz".repeat(16)] {
            assert!(wrong.parse::<StoreIdentity>().is_err(), "{wrong}");
        }
    }
}
