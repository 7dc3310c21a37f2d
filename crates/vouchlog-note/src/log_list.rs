//! Lists of logs that ask to be witnessed (the `logs/v0` format of witness-network.org, C2SP tlog-list).

use std::collections::HashSet;

use crate::checkpoint::{CheckpointError, Origin};
use crate::key::{KeyError, SignatureType, VerifyingKey};
use crate::limits::{MAX_LOG_LIST_BYTES, MAX_LOGS};
use crate::text::parse_decimal;

// list = "logs/v0" LF *log        blank lines, lines opening with #, and blanks around any line are skipped
// log  = "vkey " <vkey> LF
//        [ "origin " <origin> LF ]                 if the log is not called as its key
//        "qpd " <decimal, 1 to 2^31 - 1> LF        add-checkpoint requests per day
//        "contact " <free text> LF

const HEADER: &str = "logs/v0";
/// SPEC: requests per day are fewer than 2^31.
const MAX_REQUESTS_PER_DAY: u64 = (1 << 31) - 1;

/// A list of logs, in the order of the file. Anyone may publish one, and nothing about it is signed: it suggests
/// logs to witness. A log that is known already is not changed or removed because of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogList {
    logs: Vec<ListedLog>,
    unsupported: usize,
}

/// A log of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedLog {
    key: VerifyingKey,
    origin: Origin,
    requests_per_day: u32,
    contact: String,
}

impl LogList {
    /// Reads a list of at most [`MAX_LOG_LIST_BYTES`] and [`MAX_LOGS`]. Logs with a key of a type unknown here are
    /// left out and counted: a list is written for all witnesses, and some know more types than others.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogListError> {
        if bytes.len() > MAX_LOG_LIST_BYTES {
            return Err(LogListError::TooLarge { bytes: bytes.len(), limit: MAX_LOG_LIST_BYTES });
        }
        // A list that was cut off mostly shows here.
        let body = match bytes {
            [] => return Err(LogListError::Header),
            [body @ .., b'\n'] => body,
            _ => return Err(LogListError::NoFinalNewline),
        };
        let mut lines = body.split(|&octet| octet == b'\n').enumerate().filter_map(significant);
        if lines.next().transpose()?.is_none_or(|line| line.text != HEADER) {
            return Err(LogListError::Header);
        }
        let mut list = Self { logs: Vec::new(), unsupported: 0 };
        let mut origins = HashSet::new();
        while let Some(first) = lines.next().transpose()? {
            if list.logs.len() + list.unsupported == MAX_LOGS {
                return Err(first.refused(LogListLineError::TooMany { limit: MAX_LOGS }));
            }
            match parse_log(first, &mut lines)? {
                None => list.unsupported += 1,
                // SPEC: an origin is listed once.
                Some(log) if !origins.insert(log.origin.clone()) => {
                    return Err(first.refused(LogListLineError::Duplicate { origin: log.origin }));
                }
                Some(log) => list.logs.push(log),
            }
        }
        Ok(list)
    }

    /// The logs, in the order of the file; possibly none.
    pub fn logs(&self) -> &[ListedLog] {
        &self.logs
    }

    /// How many logs were left out because their keys are of a type unknown here.
    pub fn unsupported(&self) -> usize {
        self.unsupported
    }
}

impl ListedLog {
    /// The key that signs the log's checkpoints.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How many add-checkpoint requests the log means to send in a day; at least one.
    pub fn requests_per_day(&self) -> u32 {
        self.requests_per_day
    }

    /// How to reach who runs the log: text for people, one line without control characters but tabs.
    pub fn contact(&self) -> &str {
        &self.contact
    }
}

/// A line that is neither blank nor a comment, without the blanks around it.
#[derive(Clone, Copy)]
struct Line<'l> {
    /// Counted from 1.
    number: usize,
    text: &'l str,
}

impl<'l> Line<'l> {
    fn value(self, keyword: &'static str) -> Result<&'l str, LogListError> {
        let value = self.text.strip_prefix(keyword).and_then(|rest| rest.strip_prefix(' '));
        value.ok_or_else(|| self.refused(LogListLineError::Keyword { expected: keyword }))
    }

    fn refused(self, source: LogListLineError) -> LogListError {
        LogListError::Line { line: self.number, source }
    }
}

fn significant((place, octets): (usize, &[u8])) -> Option<Result<Line<'_>, LogListError>> {
    let number = place + 1;
    let Ok(text) = str::from_utf8(octets) else {
        return Some(Err(LogListError::Line { line: number, source: LogListLineError::NotUtf8 }));
    };
    let line = Line { number, text: text.trim_matches([' ', '\t']) };
    if line.text.is_empty() || line.text.starts_with('#') {
        return None;
    }
    // What is read here ends up on terminals, the contact above all.
    match line.text.chars().find(|&character| character.is_control() && character != '\t') {
        Some(character) => Some(Err(line.refused(LogListLineError::ControlCharacter { character }))),
        None => Some(Ok(line)),
    }
}

/// Reads the log that `first` opens; `None` if its key is of a type unknown here.
fn parse_log<'l>(
    first: Line<'l>,
    lines: &mut impl Iterator<Item = Result<Line<'l>, LogListError>>,
) -> Result<Option<ListedLog>, LogListError> {
    let mut next = || lines.next().transpose()?.ok_or(LogListError::Unfinished { line: first.number });
    let key = parse_key(first.value("vkey")?).map_err(|source| first.refused(source))?;
    let mut line = next()?;
    let mut origin = None;
    if line.text.starts_with("origin ") {
        let parsed = Origin::new(line.value("origin")?);
        origin = Some(parsed.map_err(|source| line.refused(LogListLineError::Origin(source)))?);
        line = next()?;
    }
    let requests_per_day = parse_requests(line.value("qpd")?).map_err(|source| line.refused(source))?;
    let contact = next()?.value("contact")?.to_owned();

    let Some(key) = key else { return Ok(None) };
    let called_as_key = Origin::new(key.name().as_str());
    let origin = match (origin, called_as_key) {
        (None, called_as_key) => {
            called_as_key.map_err(|source| first.refused(LogListLineError::Origin(source)))?
        }
        // SPEC: type 0x06 is the log's own signature only if the key is called as the log.
        (Some(origin), called_as_key)
            if key.signature_type() == SignatureType::MlDsa44 && Ok(&origin) != called_as_key.as_ref() =>
        {
            return Err(first.refused(LogListLineError::KeyName { origin }));
        }
        (Some(origin), _) => origin,
    };
    Ok(Some(ListedLog { key, origin, requests_per_day, contact }))
}

fn parse_key(vkey: &str) -> Result<Option<VerifyingKey>, LogListLineError> {
    match vkey.parse::<VerifyingKey>() {
        // A vkey that is longer than any we know is of another type too.
        Err(KeyError::UnknownType { .. } | KeyError::TooLong { .. }) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(key) if key.signature_type() == SignatureType::CosignatureEd25519 => {
            Err(LogListLineError::KeyType { signature_type: key.signature_type() })
        }
        Ok(key) => Ok(Some(key)),
    }
}

fn parse_requests(digits: &str) -> Result<u32, LogListLineError> {
    parse_decimal(digits)
        .filter(|requests| (1..=MAX_REQUESTS_PER_DAY).contains(requests))
        .and_then(|requests| u32::try_from(requests).ok())
        .ok_or(LogListLineError::RequestsPerDay)
}

/// Why a list of logs was refused. Its author is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogListError {
    /// The list was longer than the reader takes.
    #[error("the list of logs has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes of the list.
        bytes: usize,
        /// Bytes the reader takes.
        limit: usize,
    },
    /// The last line did not end in LF.
    #[error("the last line of the list of logs does not end in a newline")]
    NoFinalNewline,
    /// The first line that is not a comment was not that of a list of logs.
    #[error("the list of logs does not start with {HEADER}")]
    Header,
    /// The list ended inside a log.
    #[error("the list of logs ends before the log of line {line} does")]
    Unfinished {
        /// Place of the log's first line, counted from 1.
        line: usize,
    },
    /// A line was refused.
    #[error("line {line} of the list of logs: {source}")]
    Line {
        /// Place of the line, counted from 1.
        line: usize,
        /// What was wrong with it.
        source: LogListLineError,
    },
}

/// Why a line of a list of logs was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogListLineError {
    /// The line was not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The line held a control character that is not a tab.
    #[error("it holds the control character {character:?}")]
    ControlCharacter {
        /// The first one.
        character: char,
    },
    /// The line was not the one that stands in this place of a log.
    #[error("it is not '{expected} <value>'")]
    Keyword {
        /// The keyword that stands here.
        expected: &'static str,
    },
    /// A vkey was refused.
    #[error("the vkey is rejected: {0}")]
    Vkey(#[from] KeyError),
    /// A log had a key that does not sign for logs.
    #[error("a log's key is of type 0x01 or 0x06, not {signature_type}")]
    KeyType {
        /// The type of the key.
        signature_type: SignatureType,
    },
    /// The origin, or the name of the key that stands for it, was refused.
    #[error("the origin is rejected: {0}")]
    Origin(CheckpointError),
    /// A key of type 0x06 was not called as its log.
    #[error("a log's key of type 0x06 must be named after the log, {origin}")]
    KeyName {
        /// The log's name.
        origin: Origin,
    },
    /// The number of requests was not a decimal from 1 to 2^31 - 1.
    #[error("the requests per day are not a decimal number from 1 to 2147483647")]
    RequestsPerDay,
    /// A log with this origin stands on an earlier line.
    #[error("the log {origin} is already listed")]
    Duplicate {
        /// The origin.
        origin: Origin,
    },
    /// The list has more logs than the reader takes.
    #[error("the list has more than {limit} logs")]
    TooMany {
        /// Logs the reader takes.
        limit: usize,
    },
}
