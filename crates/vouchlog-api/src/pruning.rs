//! Where a log that gives up entries announces it.
//!
//! ```text
//! minimum <minimum index> LF
//! announced <index of the entry that announces it> LF
//! ```
//!
//! Nothing vouches for this text. It leads to an entry, which the log signed and which its tree holds: only that entry counts.

use vouchlog_merkle::LeafIndex;

use crate::{Error, Result};

/// What a log that gives up entries shows at `/pruned`. Not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrunedNotice {
    /// The minimum index: entries below it may be gone.
    pub minimum: u64,
    /// The entry that announces it.
    pub announced: LeafIndex,
}

impl PrunedNotice {
    /// The longest text, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// The text at `/pruned`.
    pub fn to_text(self) -> String {
        format!("minimum {}\nannounced {}\n", self.minimum, self.announced)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) for any other text: what the log shows is wrong.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let read = || {
            let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= Self::MAX_BYTES)?;
            let (minimum, announced) = text.strip_suffix('\n')?.split_once('\n')?;
            let minimum = minimum.strip_prefix("minimum ")?.parse().ok()?;
            let announced = LeafIndex::new(announced.strip_prefix("announced ")?.parse().ok()?);
            Some(Self { minimum, announced })
        };
        read().ok_or_else(|| Error::internal("the log's notice of what it pruned cannot be read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_nothing_else_is_read() {
        let notice = PrunedNotice { minimum: 512, announced: LeafIndex::new(900) };
        assert_eq!(PrunedNotice::parse(notice.to_text().as_bytes()), Ok(notice));
        let longest = PrunedNotice { minimum: u64::MAX, announced: LeafIndex::new(u64::MAX) };
        assert!(longest.to_text().len() <= PrunedNotice::MAX_BYTES);
        for wrong in [
            "",
            "minimum 512\n",
            "minimum 512\nannounced 900",
            "minimum x\nannounced 900\n",
            "minimum 512\nannounced 900\n\n",
        ] {
            assert!(PrunedNotice::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
