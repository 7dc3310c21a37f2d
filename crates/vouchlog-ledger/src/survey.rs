//! Reading what is left of a damaged ledger, and naming what is not.

use std::collections::BTreeSet;

use vouchlog_merkle::Hash;

use crate::file::{FileHeader, HEADER, Kind, RECORD, file_name, file_number, purpose};
use crate::scan::{Item, MARK, Mark, read_file, record_at};
use crate::slots::TwoSlots;
use crate::{Disk, LedgerError};

/// A byte range of a file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Name of the file.
    pub file: String,
    /// Offset of the first damaged byte.
    pub start: u64,
    /// Offset after the last; the same as `start` where bytes are missing.
    pub end: u64,
    /// What does not fit.
    pub reason: String,
}

impl Damage {
    fn new(file: u64, start: usize, end: usize, reason: impl Into<String>) -> Self {
        Self { file: file_name(file), start: start as u64, end: end as u64, reason: reason.into() }
    }
}

/// Reads every record that verifies by itself, also behind damage, and returns the damaged ranges. Unlike
/// [`inspect`](crate::inspect) it does not require that records follow one another: the visitor must check what it is handed.
/// Nothing is written.
///
/// # Errors
/// [`LedgerError::Io`] when the folder cannot be listed.
pub fn survey(
    disk: &dyn Disk,
    for_purpose: &str,
    visit: &mut dyn FnMut(Item<'_>),
) -> Result<Vec<Damage>, LedgerError> {
    let mark = TwoSlots::read(disk, MARK).ok().flatten().and_then(|value| Mark::decode(&value));
    let names = disk.list().map_err(LedgerError::io("listed", "the folder"))?;
    let found: BTreeSet<u64> = names.iter().filter_map(|name| file_number(name)).collect();
    let wanted = mark.as_ref().map_or(0..=0, |mark| mark.oldest..=mark.newest);
    let mut damages: Vec<_> = wanted
        .filter(|file| *file > 0 && !found.contains(file))
        .map(|file| Damage::new(file, 0, 0, "the file is missing"))
        .collect();
    let files: Vec<(u64, Vec<u8>)> =
        found.iter().filter_map(|file| read_or_note(disk, *file, &mut damages)).collect();
    let headers = files.iter().filter_map(|(_, bytes)| FileHeader::decode(bytes));
    let identity = mark.as_ref().map(|mark| mark.identity).or_else(|| headers.map(|h| h.identity).next());
    let newest = found.last().copied();
    for (file, bytes) in &files {
        let mut reading = Reading { file: *file, bytes, next: 0, damages: &mut damages };
        let acknowledged = mark.as_ref().filter(|_| newest == Some(*file)).map(|mark| mark.next);
        reading.run(purpose(for_purpose), identity, acknowledged, newest == Some(*file), visit);
    }
    Ok(damages)
}

fn read_or_note(disk: &dyn Disk, file: u64, damages: &mut Vec<Damage>) -> Option<(u64, Vec<u8>)> {
    match read_file(disk, file) {
        Ok(bytes) => Some((file, bytes)),
        Err(error) => {
            damages.push(Damage::new(file, 0, 0, error.to_string()));
            None
        }
    }
}

struct Reading<'a> {
    file: u64,
    bytes: &'a [u8],
    /// Number the next record should have; 0 while unknown.
    next: u64,
    damages: &'a mut Vec<Damage>,
}

impl Reading<'_> {
    fn run(
        &mut self,
        purpose: [u8; 8],
        identity: Option<[u8; 16]>,
        acknowledged: Option<u64>,
        is_newest: bool,
        visit: &mut dyn FnMut(Item<'_>),
    ) {
        let Some(header) = self.header(purpose, identity) else { return };
        let (mut at, mut pieces) = (HEADER, 0);
        loop {
            while let Some((record, payload)) = record_at(self.bytes, at, &header) {
                let snapshot = (record.kind == Kind::Snapshot).then_some(pieces);
                pieces += 1;
                let (file, offset, number) = (self.file, at as u64, record.number);
                let is_acknowledged = acknowledged.is_none_or(|next| number < next);
                visit(Item { file, offset, number, snapshot, acknowledged: is_acknowledged, payload });
                self.next = number + 1;
                at += RECORD + payload.len();
            }
            match (at + 1..self.bytes.len()).find(|at| self.is_record(*at, &header)) {
                Some(next) => {
                    self.damage(at, next);
                    at = next;
                }
                None => return self.end(at, acknowledged, is_newest),
            }
        }
    }

    /// The header, or one that record checksums can be computed with when it cannot be read.
    fn header(&mut self, purpose: [u8; 8], identity: Option<[u8; 16]>) -> Option<FileHeader> {
        if let Some(header) = FileHeader::decode(self.bytes)
            && header.purpose == purpose
            && header.file == self.file
        {
            self.next = header.first;
            return Some(header);
        }
        let end = HEADER.min(self.bytes.len());
        self.damages.push(Damage::new(self.file, 0, end, "its header does not belong to this file"));
        let link = Hash::from_bytes([0; 32]);
        identity.map(|identity| FileHeader { purpose, identity, file: self.file, first: 0, link })
    }

    fn is_record(&self, at: usize, header: &FileHeader) -> bool {
        self.bytes[at] == b'V' && record_at(self.bytes, at, header).is_some()
    }

    fn damage(&mut self, start: usize, end: usize) {
        let what = if self.next > 0 { format!("record {}", self.next) } else { "a record".to_owned() };
        self.damages.push(Damage::new(self.file, start, end, format!("{what} cannot be read")));
    }

    /// What follows the last record: zeros, a record that was never acknowledged, or damage.
    fn end(&mut self, at: usize, acknowledged: Option<u64>, is_newest: bool) {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let torn = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let is_missing = acknowledged.is_some_and(|next| self.next < next);
        let may_be_torn = is_newest && acknowledged.is_some() && !is_missing;
        if torn > 0 && !may_be_torn {
            self.damage(at, at + torn);
        } else if is_missing {
            let reason = format!("record {}, which was acknowledged, is missing", self.next);
            self.damages.push(Damage::new(self.file, at, at, reason));
        }
    }
}
