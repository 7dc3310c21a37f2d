//! What makes digests unguessable: random bytes of the operating system, taken many at a time.

use super::{StatementError, encode};
use crate::limits::SALT_BYTES;

/// Bytes taken at a time: those of an ordinary record.
const TAKEN: usize = 4_096;

/// Bytes a decoy is made of: as many as its digest has.
const DECOY_BYTES: usize = 32;

/// Random bytes, each given out once.
#[derive(Default)]
pub(super) struct Salts {
    bytes: Vec<u8>,
}

impl Salts {
    /// A salt (RFC 9901 section 9.3), in base64url.
    pub(super) fn salt(&mut self) -> Result<String, StatementError> {
        Ok(encode(&self.take::<SALT_BYTES>()?))
    }

    /// A digest that is nothing's: made by hashing a random number (RFC 9901 section 4.2.5).
    pub(super) fn decoy(&mut self) -> Result<String, StatementError> {
        Ok(encode(vouchlog_merkle::sha256(&self.take::<DECOY_BYTES>()?).as_bytes()))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StatementError> {
        if self.bytes.len() < N {
            self.bytes.resize(TAKEN, 0);
            getrandom::fill(&mut self.bytes).map_err(|error| StatementError::Random(error.to_string()))?;
        }
        let rest = self.bytes.len() - N;
        let taken = *self.bytes[rest..].first_chunk().expect("there are so many left");
        self.bytes.truncate(rest);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_salt_is_given_out_twice() {
        let mut salts = Salts::default();
        let given: BTreeSet<_> = (0..1_000)
            .map(|place| if place % 3 == 0 { salts.decoy() } else { salts.salt() }.unwrap())
            .collect();
        assert_eq!(given.len(), 1_000);
        assert!(given.iter().all(|one| matches!(one.len(), 40 | 43)));
    }
}
