//! What a log has given up: the entries below its minimum index, but for the bundles that stay.
//!
//! ```text
//! vouchlog pruned 1 LF
//! minimum <index> LF
//! announced <index of the entry that announces it> LF
//! kept <bundle>[-<last bundle>] LF      any number, ascending
//! sha256 <of all lines before, hexadecimal> LF
//! ```

use std::fmt::Write as _;

use vouchlog_merkle::{TILE_WIDTH, sha256};

use crate::StoreError;

const TITLE: &str = "vouchlog pruned 1";
const WIDTH: u64 = TILE_WIDTH as u64;

/// The entries that a log has given up. SPEC: tlog-tiles, "Pruning".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    minimum: u64,
    announced: u64,
    /// Bundles below the minimum that stay, ascending.
    kept: Vec<u64>,
}

impl Pruned {
    /// A minimum index, rounded down to whole bundles; the entry that announces it; and the bundles below it that stay.
    pub fn new(minimum: u64, announced: u64, mut kept: Vec<u64>) -> Self {
        let minimum = minimum / WIDTH * WIDTH;
        kept.retain(|bundle| *bundle < minimum / WIDTH);
        kept.sort_unstable();
        kept.dedup();
        Self { minimum, announced, kept }
    }

    /// The minimum index, a multiple of 256: every entry from here on is there.
    pub fn minimum(&self) -> u64 {
        self.minimum
    }

    /// The index of the entry that announces it.
    pub fn announced(&self) -> u64 {
        self.announced
    }

    /// The bundles below the minimum index that stay.
    pub fn kept(&self) -> &[u64] {
        &self.kept
    }

    /// Whether a bundle was given up.
    pub fn has_removed(&self, bundle: u64) -> bool {
        bundle < self.minimum / WIDTH && self.kept.binary_search(&bundle).is_err()
    }

    /// The bundles from `first` on that were given up, ascending.
    pub fn removed_from(&self, first: u64) -> impl Iterator<Item = u64> + '_ {
        (first..self.minimum / WIDTH).filter(|bundle| self.has_removed(*bundle))
    }

    /// Whether everything that `earlier` gave up is given up, so that no removed entry would have to come back.
    pub fn continues(&self, earlier: &Self) -> bool {
        let is_kept_before = |bundle: &u64| earlier.kept.binary_search(bundle).is_ok();
        let below = self.kept.iter().take_while(|bundle| **bundle < earlier.minimum / WIDTH);
        self.minimum >= earlier.minimum && below.into_iter().all(is_kept_before)
    }

    /// Whether a log with this many sealed entries, which gave up `earlier`, can give up this.
    ///
    /// # Errors
    /// [`StoreError::Io`], with what would be lost or would have to come back.
    pub fn check(&self, sealed: u64, earlier: Option<&Self>) -> Result<(), StoreError> {
        let refused = |what: &str| Err(StoreError::Io(format!("these entries cannot be given up: {what}")));
        let last = (sealed / WIDTH).checked_sub(1);
        if self.minimum > sealed || last.is_some_and(|last| self.has_removed(last)) {
            return refused("the last sealed bundle stays");
        }
        if earlier.is_some_and(|earlier| !self.continues(earlier)) {
            return refused("others were given up before, which would have to come back");
        }
        Ok(())
    }

    /// The error of reading a bundle that was given up.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] if it was.
    pub fn check_kept(&self, bundle: u64) -> Result<(), StoreError> {
        if self.has_removed(bundle) { Err(StoreError::Pruned(self.minimum)) } else { Ok(()) }
    }

    /// As a store keeps it.
    pub fn to_text(&self) -> String {
        let Self { minimum, announced, kept } = self;
        let mut text = format!("{TITLE}\nminimum {minimum}\nannounced {announced}\n");
        let mut at = 0;
        while at < kept.len() {
            let (first, start) = (kept[at], at);
            while at + 1 < kept.len() && kept[at + 1] == kept[at] + 1 {
                at += 1;
            }
            let written = if at == start {
                writeln!(text, "kept {first}")
            } else {
                writeln!(text, "kept {first}-{}", kept[at])
            };
            written.expect("a string takes what is written");
            at += 1;
        }
        let sum = sha256(text.as_bytes());
        format!("{text}sha256 {sum}\n")
    }

    /// Reads what [`to_text`](Self::to_text) wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let body = format!("{body}\n");
        if sum.strip_prefix("sha256 ")? != sha256(body.as_bytes()).to_string() {
            return None;
        }
        let mut lines = body.lines();
        lines.next().filter(|title| *title == TITLE)?;
        let minimum: u64 = lines.next()?.strip_prefix("minimum ")?.parse().ok()?;
        let announced = lines.next()?.strip_prefix("announced ")?.parse().ok()?;
        let mut kept: Vec<u64> = Vec::new();
        for line in lines {
            let range = line.strip_prefix("kept ")?;
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            let follows = kept.last().is_none_or(|before| *before < first);
            if !follows || last < first || last >= minimum / WIDTH {
                return None;
            }
            kept.extend(first..=last);
        }
        minimum.is_multiple_of(WIDTH).then_some(Self { minimum, announced, kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_the_minimum_is_removed_but_for_what_is_kept() {
        let pruned = Pruned::new(1_300, 2_000, vec![3, 0, 3, 9]);
        assert_eq!((pruned.minimum(), pruned.announced()), (1_280, 2_000));
        assert_eq!(pruned.kept(), [0, 3]);
        let removed: Vec<u64> = (0..9).filter(|bundle| pruned.has_removed(*bundle)).collect();
        assert_eq!(removed, [1, 2, 4]);
    }

    #[test]
    fn what_was_removed_never_comes_back() {
        let first = Pruned::new(1_280, 2_000, vec![0, 3]);
        for (minimum, kept, goes_on) in [
            (1_280, vec![0, 3], true),
            (1_280, vec![0], true),
            (2_560, vec![0, 7], true),
            (1_024, vec![0, 3], false),
            (2_560, vec![0, 1], false),
        ] {
            assert_eq!(Pruned::new(minimum, 3_000, kept.clone()).continues(&first), goes_on, "{kept:?}");
        }
    }

    #[test]
    fn no_bit_of_the_text_may_change() {
        let text = Pruned::new(2_560, 4_000, vec![0, 1, 2, 5, 9]).to_text();
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert_eq!(Pruned::parse(&changed), None, "byte {place}");
            }
            assert_eq!(Pruned::parse(&text[..place]), None, "cut to {place}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for bundles in 0..9 {
            for chosen in 0..1_u32 << bundles {
                let kept = (0..bundles).filter(|bundle| chosen >> bundle & 1 == 1).collect();
                let pruned = Pruned::new(bundles * 256, 20_000, kept);
                assert_eq!(Pruned::parse(&pruned.to_text()), Some(pruned));
            }
        }
    }
}
