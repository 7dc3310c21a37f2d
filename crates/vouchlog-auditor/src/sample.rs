//! A random sample of entries: drawn by the root of a later tree head, which the log could not know when it
//! wrote them, and which witnesses cosigned.
//!
//! ```text
//! block i = SHA-256( "vouchlog/v1 sample" LF || root[32] || size u64 || count u64 || i u64 )      integers big-endian
//! ```
//!
//! Each block is four candidates of 64 bits, big-endian. A candidate at or above the largest multiple of `size` that fits 64
//! bits is rejected, so that every index is equally likely; the others are taken modulo `size`, and those drawn before are
//! skipped, until there are `count` indexes. They are given in ascending order. Anyone with the root draws the same.

use std::collections::BTreeSet;

use thiserror::Error;
use vouchlog_merkle::{Hash, LeafIndex, TreeSize, sha256};

use crate::limits::MAX_SAMPLE;

const DOMAIN: &[u8] = b"vouchlog/v1 sample\n";

/// Why there is no such sample.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// More entries than there are, or than one sample may have.
    #[error("a sample of {count} from {size} entries cannot be drawn; the most is {most}", most = MAX_SAMPLE.min(*.size))]
    Count {
        /// Entries asked for.
        count: u64,
        /// Entries there are.
        size: u64,
    },
    /// It is another sample than the root draws.
    #[error("these are not the entries that the root selects")]
    Other,
}

/// Draws `count` different entries of a tree of `size`, by the root of a later tree head. In ascending order.
///
/// # Errors
/// [`SampleError::Count`] for more than there are, or than 65,536.
pub fn sample(root: &Hash, size: TreeSize, count: u64) -> Result<Vec<LeafIndex>, SampleError> {
    let size = size.get();
    if count > size || count > MAX_SAMPLE {
        return Err(SampleError::Count { count, size });
    }
    let mut drawn = BTreeSet::new();
    let mut blocks = (0u64..).map(|block| block_of(root, size, count, block));
    while (drawn.len() as u64) < count {
        let block = blocks.next().expect("there is always another block");
        for candidate in block.as_bytes().as_chunks::<8>().0 {
            let candidate = u64::from_be_bytes(*candidate);
            // SPEC: above the last whole multiple of `size`, low indexes would be likelier than high ones.
            let is_fair = candidate < u64::MAX / size * size;
            if is_fair && (drawn.len() as u64) < count {
                drawn.insert(candidate % size);
            }
        }
    }
    Ok(drawn.into_iter().map(LeafIndex::new).collect())
}

/// Checks that a sample is the one that the root draws.
///
/// # Errors
/// [`SampleError::Other`] if it is not, and those of [`sample`].
pub fn check_sample(root: &Hash, size: TreeSize, indexes: &[LeafIndex]) -> Result<(), SampleError> {
    if sample(root, size, indexes.len() as u64)? == indexes { Ok(()) } else { Err(SampleError::Other) }
}

fn block_of(root: &Hash, size: u64, count: u64, block: u64) -> Hash {
    let numbers = [size, count, block].map(u64::to_be_bytes).concat();
    sha256(&[DOMAIN, root.as_bytes(), &numbers].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_root_draws_the_same_sample_and_another_root_another() {
        let size = TreeSize::new(1_000_000);
        let one = sample(&sha256(b"one"), size, 1_000).unwrap();
        assert_eq!(one.len(), 1_000);
        assert!(one.is_sorted_by(|a, b| a < b) && one.iter().all(|index| size.contains(*index)));
        assert_eq!(check_sample(&sha256(b"one"), size, &one), Ok(()));
        assert_eq!(check_sample(&sha256(b"two"), size, &one), Err(SampleError::Other));
        assert_eq!(check_sample(&sha256(b"one"), TreeSize::new(999_999), &one), Err(SampleError::Other));
    }

    /// Worked out beside it with Python's hashlib.
    #[test]
    fn a_known_sample() {
        let drawn = sample(&sha256(b"root"), TreeSize::new(1_000), 5).unwrap();
        let drawn: Vec<u64> = drawn.into_iter().map(LeafIndex::get).collect();
        assert_eq!(drawn, [154, 476, 512, 514, 773]);
    }

    #[test]
    fn small_logs_can_be_drawn_whole_and_no_more() {
        let all = sample(&sha256(b""), TreeSize::new(300), 300).unwrap();
        assert_eq!(all, (0..300).map(LeafIndex::new).collect::<Vec<_>>());
        assert_eq!(sample(&sha256(b""), TreeSize::new(0), 0), Ok(Vec::new()));
        assert_eq!(sample(&sha256(b""), TreeSize::new(3), 4), Err(SampleError::Count { count: 4, size: 3 }));
        assert!(sample(&sha256(b""), TreeSize::new(u64::MAX), MAX_SAMPLE + 1).is_err());
        assert!(sample(&sha256(b""), TreeSize::new(u64::MAX), 3).is_ok());
    }

    /// Every tenth of the log gets about a tenth of the sample.
    #[test]
    fn no_part_of_the_log_is_favoured() {
        let drawn = sample(&sha256(b"fair"), TreeSize::new(1 << 40), 20_000).unwrap();
        let mut tenths = [0u64; 10];
        for index in drawn {
            tenths[usize::try_from((index.get() * 10) >> 40).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (1_800..2_200).contains(count)), "{tenths:?}");
    }
}
