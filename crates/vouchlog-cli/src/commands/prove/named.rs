//! Which entries `vouchlog prove` is asked for.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use clap::ArgGroup;
use vouchlog::{Digest, Entry, LeafIndex, LookupKey, SequenceNumber, StreamId};
use vouchlog_merkle::{Hash, leaf_hash};

use crate::advice::Advice;
use crate::commands::input::digest_lines;

/// Proof files of one call. More is another call.
pub(super) const MAX_PROOFS: usize = 65_536;

/// The entries.
#[derive(clap::Args)]
#[group(skip)] // that group would hold --sequence too, which goes together with --stream
#[command(group = ArgGroup::new("entry").required(true).args(["index", "digest", "digests", "stream", "leaf_hash"]))]
pub(super) struct EntryArgs {
    /// The entry at this index, or an inclusive range; several need --out-dir
    #[arg(long, value_name = "N|A-B", num_args = 1..)]
    index: Vec<Indexes>,
    /// The first statement with this digest, 64 hex digits; several need --out-dir
    #[arg(long, value_name = "HEX", num_args = 1..)]
    digest: Vec<Digest>,
    /// The first statements with these digests: a file with one per line; - is standard input
    #[arg(long, value_name = "FILE", requires = "out_dir")]
    digests: Option<PathBuf>,
    /// The statement of this stream …
    #[arg(long, value_name = "S", requires = "sequence")]
    stream: Option<u64>,
    /// … with this sequence number
    #[arg(long, value_name = "Q", requires = "stream")]
    sequence: Option<u64>,
    /// The entry with this leaf hash, 64 hex digits
    #[arg(long, value_name = "HEX")]
    leaf_hash: Option<Hash>,
}

/// `17`, or `17-20`: the first and the last index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Indexes(u64, u64);

impl FromStr for Indexes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse::<u64>().map_err(|_| "write an index as a number, a range as 17-20"),
            false => Err("write an index as a number, a range as 17-20"),
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err("write a range from the smaller index to the larger one");
        }
        if last - first >= MAX_PROOFS as u64 {
            return Err("a range has at most 65536 entries");
        }
        Ok(Self(first, last))
    }
}

/// How an entry is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Index(LeafIndex),
    Key(LookupKey),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "index {index}"),
            Self::Key(LookupKey::Digest(digest)) => write!(f, "digest {digest}"),
            Self::Key(LookupKey::LeafHash(hash)) => write!(f, "leaf hash {hash}"),
            Self::Key(LookupKey::Sequence(stream, sequence)) => {
                write!(f, "stream {stream}, sequence {sequence}")
            }
        }
    }
}

impl Named {
    /// Whether this is the name of that entry: the log said so, and is not believed.
    pub(super) fn fits(self, entry: &[u8]) -> bool {
        let Self::Key(key) = self else { return true };
        match (key, Entry::decode(entry)) {
            (LookupKey::LeafHash(hash), _) => leaf_hash(entry) == hash,
            (LookupKey::Digest(digest), Ok(Entry::Statement(entry))) => entry.statement.digest == digest,
            (LookupKey::Sequence(stream, sequence), Ok(Entry::Statement(entry))) => {
                (entry.stream, entry.sequence) == (stream, sequence)
            }
            _ => false,
        }
    }
}

impl EntryArgs {
    /// All of them, at most [`MAX_PROOFS`], as often and in the order they were named.
    pub(super) fn named(&self) -> anyhow::Result<Vec<Named>> {
        let key = |key| Ok(vec![Named::Key(key)]);
        if let Some((stream, sequence)) = self.stream.zip(self.sequence) {
            let place = StreamId::new(stream).zip(SequenceNumber::new(sequence));
            let (stream, sequence) = place.context("the stream or sequence number is too large")?;
            return key(LookupKey::Sequence(stream, sequence));
        }
        if let Some(hash) = self.leaf_hash {
            return key(LookupKey::LeafHash(hash));
        }
        let digests = match &self.digests {
            Some(file) => digest_lines(file, MAX_PROOFS)?,
            None => self.digest.clone(),
        };
        let digests = digests.into_iter().map(|digest| Named::Key(LookupKey::Digest(digest)));
        let indexes = self.index.iter().flat_map(|Indexes(first, last)| *first..=*last);
        let indexes = indexes.map(|index| Named::Index(LeafIndex::new(index)));
        let named: Vec<Named> = digests.chain(indexes).take(MAX_PROOFS + 1).collect();
        if named.len() > MAX_PROOFS {
            let problem = format!("more than {MAX_PROOFS} entries were given");
            return Err(Advice::error(problem, "fetch the proofs in parts"));
        }
        if named.is_empty() {
            return Err(Advice::error("no entry was given", "see `vouchlog prove --help`"));
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        entry: EntryArgs,
        #[arg(long)]
        out_dir: Option<PathBuf>,
    }

    fn named(flags: &str) -> Option<Vec<Named>> {
        let cli = Cli::try_parse_from(std::iter::once("prove").chain(flags.split_whitespace())).ok()?;
        drop(cli.out_dir);
        cli.entry.named().ok()
    }

    fn index(index: u64) -> Named {
        Named::Index(LeafIndex::new(index))
    }

    #[test]
    fn an_entry_is_named_in_exactly_one_way() {
        let hex = "07".repeat(32);
        assert_eq!(named("--index 17"), Some(vec![index(17)]));
        let digest = Named::Key(LookupKey::Digest(Digest::from_bytes([7; 32])));
        assert_eq!(named(&format!("--digest {hex}")), Some(vec![digest]));
        let place = LookupKey::Sequence(StreamId::new(3).unwrap(), SequenceNumber::new(4).unwrap());
        assert_eq!(named("--stream 3 --sequence 4"), Some(vec![Named::Key(place)]));
        let hash = Hash::from_bytes([7; 32]);
        let leaf_hash = Named::Key(LookupKey::LeafHash(hash));
        assert_eq!(named(&format!("--leaf-hash {hex}")), Some(vec![leaf_hash]));
        for wrong in ["", "--stream 3", "--sequence 4", "--index 1 --stream 3 --sequence 4", "--digest 07"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
        assert_eq!(named(&format!("--index 1 --digest {hex}")), None);
    }

    #[test]
    fn many_are_named_by_lists_and_ranges_of_a_bounded_length() {
        assert_eq!(named("--index 3 7-9 1"), Some([3, 7, 8, 9, 1].map(index).to_vec()));
        assert_eq!(named("--index 3 --index 5-5"), Some([3, 5].map(index).to_vec()));
        let (one, two) = ("07".repeat(32), "0a".repeat(32));
        assert_eq!(named(&format!("--digest {one} {two}")).unwrap().len(), 2);
        assert_eq!(named("--index 0-65535").unwrap().len(), MAX_PROOFS);
        let end = u64::MAX;
        assert_eq!(named(&format!("--index {end}-{end}")), Some(vec![index(end)]));
        let wrong =
            ["9-7", "-3", "1-", "-", "1-2-3", "0-65536", "+1", "0-65535 65536", "18446744073709551616"];
        for wrong in wrong {
            assert_eq!(named(&format!("--index {wrong}")), None, "{wrong}");
        }
        assert_eq!(named("--digests list.txt"), None, "without --out-dir");
    }

    #[test]
    fn an_entry_that_was_not_asked_for_is_told_from_the_one_that_was() {
        let entry = b"any entry";
        assert!(index(3).fits(entry));
        assert!(Named::Key(LookupKey::LeafHash(leaf_hash(entry))).fits(entry));
        assert!(!Named::Key(LookupKey::LeafHash(leaf_hash(b"another"))).fits(entry));
        assert!(!Named::Key(LookupKey::Digest(Digest::from_bytes([7; 32]))).fits(entry));
    }
}
