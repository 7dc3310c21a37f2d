//! Returns from identity providers that were taken, so that none is taken twice.

use std::collections::BTreeMap;
use std::time::Instant;

use parking_lot::Mutex;
use vouchlog_merkle::sha256;

use crate::limits::{MAX_RETURNS, SIGN_IN_PATIENCE};

/// The returns of the last minutes, by the hash of their `state`. An older one is refused by its age.
#[derive(Default)]
pub(crate) struct Returns(Mutex<BTreeMap<[u8; 32], Instant>>);

/// Why a return is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It was taken before.
    Again,
    /// There are as many as are remembered.
    Full,
}

impl Returns {
    /// Takes a return, once.
    pub(crate) fn take(&self, state: &str, now: Instant) -> Result<(), NotTaken> {
        let key = *sha256(state.as_bytes()).as_bytes();
        let mut taken = self.0.lock();
        taken.retain(|_, at| now.saturating_duration_since(*at) < SIGN_IN_PATIENCE);
        if taken.contains_key(&key) {
            return Err(NotTaken::Again);
        }
        if taken.len() >= MAX_RETURNS {
            return Err(NotTaken::Full);
        }
        taken.insert(key, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_is_taken_once_and_the_number_of_them_is_bounded() {
        let (returns, now) = (Returns::default(), Instant::now());
        assert_eq!(returns.take("s", now), Ok(()));
        assert_eq!(returns.take("s", now + SIGN_IN_PATIENCE / 2), Err(NotTaken::Again));
        for number in 1..MAX_RETURNS {
            returns.0.lock().insert(*sha256(&number.to_be_bytes()).as_bytes(), now);
        }
        assert_eq!(returns.take("one more", now), Err(NotTaken::Full), "none is forgotten early");
        assert_eq!(returns.take("one more", now + SIGN_IN_PATIENCE), Ok(()));
    }
}
