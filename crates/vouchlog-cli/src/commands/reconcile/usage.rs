//! Response ids that a provider reports, one per line.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::Context;
use vouchlog_vault::limits::MAX_VALUE_BYTES;

use crate::advice::Advice;
use crate::commands::given;

/// The most ids of one list: each is looked up, some thousand in a second.
const MAX_IDS: usize = 1_000_000;
/// The longest list, which is held in memory.
const MAX_LIST_BYTES: u64 = 128 << 20;
/// The longest name of a provider.
const MAX_PROVIDER_BYTES: usize = 128;

/// A provider and its list, as the user named them.
#[derive(Clone, Debug)]
pub(super) struct UsageArg {
    provider: String,
    file: PathBuf,
}

/// The responses that a provider reports.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) provider: String,
    pub(super) ids: BTreeSet<String>,
}

/// Reads `openai=ids.txt`.
pub(super) fn parse(text: &str) -> Result<UsageArg, String> {
    let (provider, file) = text.split_once('=').ok_or("write PROVIDER=FILE")?;
    if provider.is_empty() || provider.len() > MAX_PROVIDER_BYTES || file.is_empty() {
        return Err(format!("write PROVIDER=FILE, with a provider of 1 to {MAX_PROVIDER_BYTES} bytes"));
    }
    Ok(UsageArg { provider: provider.to_owned(), file: PathBuf::from(file) })
}

impl UsageArg {
    pub(super) fn read(&self) -> anyhow::Result<Usage> {
        let input = given::open(&self.file, usize::try_from(MAX_LIST_BYTES).unwrap_or(usize::MAX))?;
        let ids = read_ids(input).with_context(|| self.file.display().to_string())?;
        Ok(Usage { provider: self.provider.clone(), ids })
    }
}

/// A line that is no id is refused: an id of another form is in no record, and would be reported as a response without one.
fn read_ids(input: impl Read) -> anyhow::Result<BTreeSet<String>> {
    let mut reader = BufReader::new(input);
    let (mut ids, mut line, mut length) = (BTreeSet::new(), Vec::new(), 0);
    for number in 1_u64.. {
        line.clear();
        // One byte more than the longest id and its line break.
        let longest = MAX_VALUE_BYTES as u64 + 3;
        let read = reader.by_ref().take(longest).read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            break;
        }
        length += read;
        anyhow::ensure!(length <= MAX_LIST_BYTES, "longer than {MAX_LIST_BYTES} bytes: compare it in parts");
        let text = std::str::from_utf8(&line).ok().map(|text| text.trim_start_matches('\u{feff}').trim());
        let is_id = |id: &&str| {
            id.len() <= MAX_VALUE_BYTES
                && !id
                    .contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '"' | '\''))
        };
        let Some(id) = text.filter(is_id) else {
            return Err(Advice::error(
                format!("line {number} is not a response id"),
                "write one id per line, as the provider returned it in its response, without quotes and other columns",
            ));
        };
        if !id.is_empty() {
            ids.insert(id.to_owned());
        }
        anyhow::ensure!(ids.len() <= MAX_IDS, "more than {MAX_IDS} response ids: compare them in parts");
    }
    if ids.is_empty() {
        return Err(Advice::error(
            "it has no response id",
            "leave a provider out that answered nothing: an empty list shows nothing",
        ));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_read_one_a_line_and_each_once() {
        let ids = read_ids("\u{feff}chatcmpl-9x\r\n\n  resp_1\nchatcmpl-9x".as_bytes()).unwrap();
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["chatcmpl-9x", "resp_1"]);
    }

    #[test]
    fn what_is_no_list_of_ids_is_refused() {
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        for (text, line) in
            [("a\nb c\n", 2), ("id,model\n", 1), ("\"a\"\n", 1), ("a\nb\tc", 2), (long.as_str(), 1)]
        {
            let error = read_ids(text.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("line {line} is not a response id"));
        }
        assert!(read_ids(&b"a\n\xff\n"[..]).is_err());
        assert!(read_ids("\n \n".as_bytes()).unwrap_err().to_string().contains("no response id"));
        assert!(read_ids("x".repeat(MAX_VALUE_BYTES).as_bytes()).is_ok());
        for wrong in ["openai", "=file", "openai="] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = read_ids(bytes.as_slice());
        }
    }
}
