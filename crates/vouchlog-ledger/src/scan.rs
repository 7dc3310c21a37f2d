//! Reading a whole ledger, without changing anything.

use std::collections::BTreeSet;

use vouchlog_merkle::Hash;

use crate::file::{FileHeader, HEADER, Kind, RECORD, RecordHeader, file_name, file_number, purpose};
use crate::slots::TwoSlots;
use crate::{Disk, LedgerError};

pub(crate) const MARK: &str = "MARK";
/// No file of a ledger is longer: files are left behind long before, and one record has at most 256 MiB.
const MAX_FILE: u64 = 1 << 30;

/// A record, as it is read.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The file it lies in.
    pub file: u64,
    /// Where its header begins.
    pub offset: u64,
    /// Its number in the ledger.
    pub number: u64,
    /// Which piece of a snapshot it is, from 0; `None` for an entry. Piece 0 replaces everything read before it.
    pub snapshot: Option<usize>,
    /// Whether MARK confirms that the record was acknowledged; true also when MARK cannot be read. A record that is not confirmed
    /// may still be taken back by a running writer.
    pub acknowledged: bool,
    /// The bytes.
    pub payload: &'a [u8],
}

/// Is handed every record, in order; an error is damage at that record.
pub type Scan<'a> = dyn FnMut(Item<'_>) -> Result<(), String> + 'a;

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The ledger's identity.
    pub identity: [u8; 16],
    /// The oldest file.
    pub oldest: u64,
    /// The newest file.
    pub newest: u64,
    /// Number the next record will have.
    pub next: u64,
    /// Where records end in the newest file.
    pub end: u64,
    /// Bytes after that end: the rest of an unacknowledged record, left by a crash.
    pub torn: u64,
    /// Whether MARK could be read.
    pub marked: bool,
}

/// What MARK holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) identity: [u8; 16],
    pub(crate) oldest: u64,
    pub(crate) newest: u64,
    /// Number after the last acknowledged record.
    pub(crate) next: u64,
}

impl Mark {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let numbers = [self.oldest, self.newest, self.next].map(u64::to_be_bytes);
        [&self.identity[..], &numbers.concat()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (identity, rest) = bytes.split_first_chunk::<16>()?;
        let (numbers, &[]) = rest.as_chunks::<8>() else { return None };
        let &[oldest, newest, next] = numbers else { return None };
        let [oldest, newest, next] = [oldest, newest, next].map(u64::from_be_bytes);
        Some(Self { identity: *identity, oldest, newest, next })
    }
}

/// The newest file, as far as going on from it takes.
pub(crate) struct Newest {
    pub(crate) header: FileHeader,
    /// The file up to the end of its last record.
    pub(crate) bytes: Vec<u8>,
    pub(crate) link: Hash,
}

/// Reads and verifies the whole ledger for `purpose` in `disk`. Nothing is written; works beside the process that writes it.
///
/// # Errors
/// [`LedgerError`], naming the file and, where bytes are wrong, the offset.
pub fn inspect(disk: &dyn Disk, for_purpose: &str, visit: &mut Scan<'_>) -> Result<Summary, LedgerError> {
    read(disk, purpose(for_purpose), visit).map(|(summary, _)| summary)
}

pub(crate) fn read(
    disk: &dyn Disk,
    purpose: [u8; 8],
    visit: &mut Scan<'_>,
) -> Result<(Summary, Newest), LedgerError> {
    // Before the files: beside a running writer they may hold more than MARK says, never less.
    let mark = TwoSlots::read(disk, MARK)?.and_then(|value| Mark::decode(&value));
    let names = disk.list().map_err(LedgerError::io("listed", "the folder"))?;
    let mut files: BTreeSet<u64> = names.iter().filter_map(|name| file_number(name)).collect();
    if let Some(mark) = &mark {
        files.retain(|file| *file >= mark.oldest);
        check_files(&files, mark)?;
    }
    let confirmed = mark.as_ref().map(|mark| mark.next);
    let mut chain = Chain { purpose, visit, confirmed, state: None };
    let newest = *files.last().ok_or_else(|| lost(file_name(1), "the ledger has no files"))?;
    let mut last = None;
    for file in &files {
        let bytes = read_file(disk, *file)?;
        last = Some(chain.file(*file, bytes, *file == newest)?);
    }
    let (newest_file, torn) = last.expect("there is at least one file");
    let end = newest_file.bytes.len() as u64;
    let state = chain.state.expect("a file was read");
    check_mark(mark.as_ref(), &state, newest, end, torn)?;
    let oldest = *files.first().expect("there is at least one file");
    let marked = mark.is_some();
    let identity = state.identity;
    Ok((Summary { identity, oldest, newest, next: state.next, end, torn, marked }, newest_file))
}

fn lost(file: String, reason: impl Into<String>) -> LedgerError {
    LedgerError::Lost { file, reason: reason.into() }
}

fn check_files(files: &BTreeSet<u64>, mark: &Mark) -> Result<(), LedgerError> {
    match (mark.oldest..=mark.newest).find(|file| !files.contains(file)) {
        Some(missing) => Err(lost(file_name(missing), "the file is missing")),
        None => Ok(()),
    }
}

/// Nothing that was acknowledged may be missing at the end.
fn check_mark(
    mark: Option<&Mark>,
    state: &State,
    newest: u64,
    end: u64,
    torn: u64,
) -> Result<(), LedgerError> {
    match mark {
        Some(mark) if mark.identity != state.identity => Err(LedgerError::Foreign {
            file: MARK.into(),
            reason: "it belongs to a ledger other than the files'".into(),
        }),
        Some(mark) if mark.next > state.next && torn > 0 => Err(LedgerError::Damaged {
            file: file_name(newest),
            offset: end,
            reason: format!("record {} was acknowledged and cannot be read", state.next),
        }),
        Some(mark) if mark.next > state.next => Err(lost(
            file_name(newest),
            format!("it ends at byte {end} before record {}, {} were acknowledged", state.next, mark.next),
        )),
        None if torn > 0 => Err(LedgerError::Damaged {
            file: file_name(newest),
            offset: end,
            reason: format!(
                "record {} cannot be read, nor {MARK}, which shows whether it was acknowledged",
                state.next
            ),
        }),
        _ => Ok(()),
    }
}

pub(crate) fn read_file(disk: &dyn Disk, number: u64) -> Result<Vec<u8>, LedgerError> {
    let name = file_name(number);
    let file = disk.open(&name).map_err(LedgerError::io("opened", &name))?;
    let length = file.length().map_err(LedgerError::io("read", &name))?;
    if length > MAX_FILE {
        let reason = format!("it has {length} bytes; a ledger file has at most {MAX_FILE}");
        return Err(LedgerError::Damaged { file: name, offset: MAX_FILE, reason });
    }
    let mut bytes = vec![0; usize::try_from(length).expect("at most 1 GiB")];
    file.read_exact_at(&mut bytes, 0).map_err(LedgerError::io("read", &name))?;
    Ok(bytes)
}

/// Where the chain of records stands.
struct State {
    identity: [u8; 16],
    file: u64,
    next: u64,
    link: Hash,
}

struct Chain<'a, 'v> {
    purpose: [u8; 8],
    visit: &'a mut Scan<'v>,
    /// Number after the last record that MARK confirms.
    confirmed: Option<u64>,
    state: Option<State>,
}

impl Chain<'_, '_> {
    /// Reads one file; what remains of it up to the last whole record, and how many torn bytes follow.
    fn file(
        &mut self,
        number: u64,
        mut bytes: Vec<u8>,
        is_newest: bool,
    ) -> Result<(Newest, u64), LedgerError> {
        let header = self.header(number, &bytes)?;
        let (mut next, mut link) = (header.first, header.hash());
        let (mut at, mut pieces) = (HEADER, 0);
        while let Some((record, payload)) = record_at(&bytes, at, &header) {
            if record.number != next || record.link != link {
                let reason = format!("record {} follows where record {next} belongs", record.number);
                return Err(damaged(number, at, reason));
            }
            let snapshot = (record.kind == Kind::Snapshot).then_some(pieces);
            pieces += 1;
            let acknowledged = self.confirmed.is_none_or(|confirmed| next < confirmed);
            let item =
                Item { file: number, offset: at as u64, number: next, snapshot, acknowledged, payload };
            (self.visit)(item).map_err(|reason| damaged(number, at, reason))?;
            (next, link) = (next + 1, record.hash(&header));
            at += RECORD + payload.len();
        }
        let rest = &bytes[at..];
        let torn = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        // Each record is durable before the next is written, so only the last one can be torn: one that follows proves damage.
        if torn > 0 && (!is_newest || holds_record(&rest[1..], &header)) {
            return Err(damaged(number, at, format!("record {next} cannot be read")));
        }
        self.state = Some(State { identity: header.identity, file: number, next, link });
        bytes.truncate(at);
        Ok((Newest { header, bytes, link }, torn as u64))
    }

    fn header(&self, number: u64, bytes: &[u8]) -> Result<FileHeader, LedgerError> {
        let header = FileHeader::decode(bytes)
            .ok_or_else(|| damaged(number, 0, "its header cannot be read".into()))?;
        let foreign =
            |reason: &str| Err(LedgerError::Foreign { file: file_name(number), reason: reason.into() });
        if header.purpose != self.purpose {
            return foreign("it was written for another purpose");
        }
        if header.file != number {
            return foreign("it was written under another name");
        }
        let Some(before) = &self.state else { return Ok(header) };
        if header.identity != before.identity {
            return foreign("it belongs to another ledger");
        }
        if before.file + 1 != number {
            return Err(lost(file_name(before.file + 1), "the file is missing"));
        }
        if (header.first, header.link) != (before.next, before.link) {
            let reason = format!(
                "it ends before record {}, but the next file starts with record {}",
                before.next, header.first
            );
            return Err(lost(file_name(before.file), reason));
        }
        Ok(header)
    }
}

fn damaged(file: u64, offset: usize, reason: String) -> LedgerError {
    LedgerError::Damaged { file: file_name(file), offset: offset as u64, reason }
}

/// The record whose header begins at `at`, if it is whole.
pub(crate) fn record_at<'b>(
    bytes: &'b [u8],
    at: usize,
    file: &FileHeader,
) -> Option<(RecordHeader, &'b [u8])> {
    let record = RecordHeader::decode(bytes.get(at..)?, file)?;
    let start = at + RECORD;
    let payload = bytes.get(start..start.checked_add(record.length as usize)?)?;
    record.covers(payload).then_some((record, payload))
}

/// Whether a record header of this file begins anywhere in `bytes`.
fn holds_record(bytes: &[u8], file: &FileHeader) -> bool {
    bytes.windows(RECORD).any(|window| window[0] == b'V' && RecordHeader::decode(window, file).is_some())
}
