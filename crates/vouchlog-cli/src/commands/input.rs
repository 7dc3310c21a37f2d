//! What is to be logged: digests as given, and records behind salted commitments.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use vouchlog::{Digest, Opening, commit_to};
use vouchlog_runtime::durable::{self, Mode};

use crate::advice::Advice;
use crate::commands::{given, named, read_file};

/// The longest record. It is hashed in memory, and an interaction is kilobytes.
pub(super) const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;
/// The most digests one call takes: 128 MB of hex. More is another call.
const MAX_DIGESTS: usize = 2_000_000;
/// A line of a digests file, its end included; more is no digest.
const MAX_LINE_BYTES: u64 = 256;
/// A line of one as it is usually written, with a line break of Windows.
const DIGEST_LINE_BYTES: usize = 66;

/// Something to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) digest: Digest,
    /// The record that was committed to, and where its opening is.
    pub(super) record: Option<(PathBuf, PathBuf)>,
}

impl Item {
    pub(super) fn bare(digest: Digest) -> Self {
        Self { digest, record: None }
    }
}

/// Reads digests, one a line; `-` is standard input. Empty lines are skipped.
pub(super) fn digests(path: &Path) -> anyhow::Result<Vec<Item>> {
    Ok(digest_lines(path, MAX_DIGESTS)?.into_iter().map(Item::bare).collect())
}

/// The same, for other commands: no more than `limit` of them.
pub(super) fn digest_lines(path: &Path, limit: usize) -> anyhow::Result<Vec<Digest>> {
    let name = path.display();
    let input = given::open(path, limit.saturating_mul(DIGEST_LINE_BYTES))?;
    parse_digests(input, limit).with_context(|| name.to_string())
}

fn parse_digests(input: impl Read, limit: usize) -> anyhow::Result<Vec<Digest>> {
    let mut reader = BufReader::new(input);
    let mut digests = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = str::from_utf8(&line).unwrap_or("?").trim();
        if text.is_empty() {
            continue;
        }
        let digest = text.parse().map_err(|error| {
            let hint =
                "write one digest per line: SHA-256 of something salted, 64 lowercase hexadecimal digits";
            Advice::error(format!("line {number}: {error}"), hint)
        })?;
        anyhow::ensure!(digests.len() < limit, "more than {limit} digests: submit them in parts");
        digests.push(digest);
    }
    Ok(digests)
}

/// Commits to a record. Its opening is in `receipts`, on disk, before anything is sent: a commitment whose salt is lost proves
/// nothing. One from an earlier attempt is used again, so that trying again does not log another digest.
pub(super) fn record(path: &Path, receipts: &Path) -> anyhow::Result<Item> {
    let record = read_file(path, MAX_RECORD_BYTES)?;
    let opening_path = opening_path(path, receipts)?;
    let opening = if opening_path.try_exists()? {
        let opening = Opening::parse(&read_file(&opening_path, MAX_RECORD_BYTES)?);
        let opening = opening.map_err(anyhow::Error::from).and_then(|opening| {
            opening.check(&record)?;
            Ok(opening)
        });
        opening.with_context(|| {
            let problem = format!("{} exists and opens another record", opening_path.display());
            Advice::new(problem, "give another --receipts folder, or rename the record")
        })?
    } else {
        let opening = commit_to(&record);
        durable::create(&opening_path, opening.to_text().as_bytes(), Mode::Private)
            .map_err(|failed| named(&opening_path, failed))?;
        opening
    };
    Ok(Item { digest: opening.digest(), record: Some((path.to_owned(), opening_path)) })
}

fn opening_path(record: &Path, receipts: &Path) -> anyhow::Result<PathBuf> {
    let mut name =
        record.file_name().with_context(|| format!("{} is not a file", record.display()))?.to_owned();
    name.push(".opening.json");
    Ok(receipts.join(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digests_are_read_one_a_line() {
        let (one, two) = ("07".repeat(32), "0a".repeat(32));
        let lines = format!("{one}\n\n  {two}\r\n");
        let digests = parse_digests(lines.as_bytes(), 2).unwrap();
        assert_eq!(digests.len(), 2);
        assert_eq!(digests[1].to_string(), two);
        let error = parse_digests(lines.as_bytes(), 1).unwrap_err();
        assert!(error.to_string().contains("more than 1"), "{error}");
        let error = parse_digests(format!("{one}\n{}\n", two.to_uppercase()).as_bytes(), 2).unwrap_err();
        assert!(error.to_string().starts_with("line 2:"), "{error}");
    }

    #[test]
    fn a_record_that_is_submitted_again_keeps_its_commitment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("call.json");
        std::fs::write(&path, "{}").unwrap();
        let first = record(&path, dir.path()).unwrap();
        assert_eq!(record(&path, dir.path()).unwrap(), first);
        std::fs::write(&path, "{ }").unwrap();
        let error = record(&path, dir.path()).unwrap_err();
        assert!(format!("{error:#}").contains("opens another record"), "{error:#}");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse_digests(bytes.as_slice(), MAX_DIGESTS);
        }
    }
}
