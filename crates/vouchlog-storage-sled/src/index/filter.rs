//! A blocked Bloom filter, with which a lookup skips most of the runs that do not have its key.
//!
//! Six bits a key, four of them set, all in one cache line of 512 bits: about 7 % of the keys that a run lacks pass. It is written
//! into the run, so its layout is part of the format: `word (8) × 8 × lines`, big-endian.

/// What is looked up by which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    LeafHash = 1,
    Digest = 2,
    Place = 3,
}

const BITS_PER_KEY: usize = 6;
const PROBES: u32 = 4;
const LINE_WORDS: usize = 8;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter(Vec<u64>);

impl Filter {
    /// An empty filter for so many keys.
    pub(super) fn of_keys(keys: usize) -> Self {
        let lines = (keys * BITS_PER_KEY).div_ceil(LINE_WORDS * 64).max(1);
        Self(vec![0; lines * LINE_WORDS])
    }

    /// `None` unless the bytes are whole lines, and at least one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let is_whole = rest.is_empty() && !words.is_empty() && words.len().is_multiple_of(LINE_WORDS);
        is_whole.then(|| Self(words.iter().map(|word| u64::from_be_bytes(*word)).collect()))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.0.len() * 8
    }

    pub(super) fn insert(&mut self, kind: Kind, key: u64) {
        let hash = mix(kind, key);
        let line = self.line(hash);
        for (word, bit) in probes(hash) {
            self.0[line + word] |= bit;
        }
    }

    /// Whether the key may be there. If it is, always; if it is not, seldom.
    pub(super) fn may_have(&self, kind: Kind, key: u64) -> bool {
        let hash = mix(kind, key);
        let line = self.line(hash);
        probes(hash).all(|(word, bit)| self.0[line + word] & bit != 0)
    }

    /// Where the cache line of the hash begins.
    fn line(&self, hash: u64) -> usize {
        let lines = (self.0.len() / LINE_WORDS) as u64;
        let line = ((hash >> 32) * lines) >> 32;
        usize::try_from(line).expect("less than the lines there are") * LINE_WORDS
    }
}

/// The words of a line, each with the bit to set, from the low half of the hash.
fn probes(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    (0..PROBES).map(move |probe| {
        let nine = hash.rotate_right(probe * 8).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55;
        (usize::try_from(nine >> 6).expect("below eight"), 1 << (nine & 63))
    })
}

/// Keys need not be hashes: digests are what clients send, and streams are numbers. A client that makes keys clash slows lookups
/// down by the reading of a block.
fn mix(kind: Kind, key: u64) -> u64 {
    let mut hash = key ^ ((kind as u64) << 56).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_passes_and_most_else_does_not() {
        for keys in [0_u64, 1, 100, 30_000] {
            let mut filter = Filter::of_keys(usize::try_from(keys).unwrap());
            for key in 0..keys {
                filter.insert(Kind::Digest, key);
            }
            let filter = Filter::from_bytes(&filter.to_bytes()).unwrap();
            assert!((0..keys).all(|key| filter.may_have(Kind::Digest, key)));
            let passed = (0..30_000).filter(|key| filter.may_have(Kind::LeafHash, *key)).count();
            assert!(passed < 30_000 / 10, "{passed} of 30,000 pass a filter of {keys} keys");
        }
        assert_eq!(Filter::from_bytes(&[]), None);
        assert_eq!(Filter::from_bytes(&[0; 65]), None);
        assert_eq!(Filter::from_bytes(&[0; 8]), None);
    }
}
