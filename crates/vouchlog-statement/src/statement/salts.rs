//! What makes digests unguessable.
//!
//! Salts and decoys of facts are derived from one random seed of the record. A vault that keeps the record keeps the seed instead of them.
//! Each is SHA-256 of the seed and a number of its own, a block of one length: no salt reveals anything of the seed or of another salt.
//! Salts of content are random bytes of their own: a reader of facts, who has the seed, must not be able to test a guess of content.

use super::seed::{Seed, fill};
use super::{DisclosureKind, StatementError, encode};
use crate::limits::SALT_BYTES;

/// Random bytes taken at a time: those of an ordinary record's content.
const TAKEN: usize = 256;

/// Salts and decoys of one record, each given out once.
pub(super) struct Salts {
    seed: Seed,
    /// How many values were derived.
    derived: u64,
    /// Random bytes, for content.
    random: Vec<u8>,
}

impl Salts {
    pub(super) fn of(seed: Seed) -> Self {
        Self { seed, derived: 0, random: Vec::new() }
    }

    /// A salt (RFC 9901 section 9.3), in base64url.
    pub(super) fn salt(&mut self, kind: DisclosureKind) -> Result<String, StatementError> {
        Ok(match kind {
            DisclosureKind::Facts => encode(&self.derive()[..SALT_BYTES]),
            DisclosureKind::Content => encode(&self.take()?),
        })
    }

    /// A digest that is nothing's: made by hashing a number that looks random (RFC 9901 section 4.2.5).
    pub(super) fn decoy(&mut self) -> String {
        encode(vouchlog_merkle::sha256(&self.derive()).as_bytes())
    }

    fn derive(&mut self) -> [u8; 32] {
        let mut block = [0; 40];
        block[..32].copy_from_slice(self.seed.as_bytes());
        block[32..].copy_from_slice(&self.derived.to_be_bytes());
        self.derived += 1;
        *vouchlog_merkle::sha256(&block).as_bytes()
    }

    fn take(&mut self) -> Result<[u8; SALT_BYTES], StatementError> {
        if self.random.len() < SALT_BYTES {
            self.random.resize(TAKEN, 0);
            fill(&mut self.random)?;
        }
        let rest = self.random.len() - SALT_BYTES;
        let taken = *self.random[rest..].first_chunk().expect("there are so many left");
        self.random.truncate(rest);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_salt_is_given_out_twice() {
        let mut salts = Salts::of(Seed::random().unwrap());
        let given: BTreeSet<_> = (0..1_000)
            .map(|place| match place % 3 {
                0 => salts.decoy(),
                1 => salts.salt(DisclosureKind::Facts).unwrap(),
                _ => salts.salt(DisclosureKind::Content).unwrap(),
            })
            .collect();
        assert_eq!(given.len(), 1_000);
        assert!(given.iter().all(|one| matches!(one.len(), 40 | 43)));
    }

    #[test]
    fn a_seed_gives_the_same_salts_of_facts_and_others_of_content() {
        let seed = Seed::random().unwrap();
        let of = |seed: &Seed| {
            let mut salts = Salts::of(seed.clone());
            let mut salt = |kind| salts.salt(kind).unwrap();
            let (content, facts) = (salt(DisclosureKind::Content), salt(DisclosureKind::Facts));
            (content, facts, salts.decoy())
        };
        let ((content, facts, decoy), again) = (of(&seed), of(&seed));
        assert_eq!((&facts, &decoy), (&again.1, &again.2));
        assert_ne!(content, again.0, "a reader of facts has the seed");
        let other = of(&Seed::random().unwrap());
        assert!(facts != other.1 && decoy != other.2);
    }
}
