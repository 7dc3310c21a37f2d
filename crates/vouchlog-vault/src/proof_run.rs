//! Proofs of entries that follow each other in the log, stored as one: they share the checkpoint and most of their hashes.
//!
//! ```text
//! proof_run.packed
//!   version   1
//!   left      number (u8), hashes of 32 bytes: those left of the run
//!   right     number (u8), hashes of 32 bytes: those right of it
//!   leaves    number (u16, big-endian), hashes of 32 bytes: one for each entry of the run
//!   the rest  the checkpoint, a signed note
//! ```
//!
//! The text of a proof file is made again from that and the row of its record, which has everything in the entry. What is not made again
//! byte for byte, such as a proof without its entry, is stored as text.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sqlx::Row as _;
use sqlx::any::AnyRow;
use vouchlog_merkle::{Hash, LeafIndex, PlacedRange, RangeProof, TreeSize, leaf_hash};
use vouchlog_note::{Checkpoint, ProofFile, UnverifiedNote};
use vouchlog_stream::{LogPlace, StatementEntry};

use crate::columns::{leaf_index, place_of, statement};
use crate::{Result, VaultError, sums};

const VERSION: u8 = 1;
const HASH_BYTES: usize = 32;

/// Entries of one run: to read the proof of one, all are read.
const MAX_ENTRIES: usize = 256;

/// The columns that [`Runs::proof`] reads, from a record `r` and [`PROOF_JOINS`].
pub(crate) const PROOF: &str = "r.n, r.kind, r.evidence, r.digest, r.leaf_index, r.logged_stream, r.sequence, r.logged_at, \
    p.proof, p.sum, u.n, u.first, u.packed, u.sum";
/// How many columns that is.
pub(crate) const PROOF_COLUMNS: usize = 14;
/// What they come from.
pub(crate) const PROOF_JOINS: &str =
    "LEFT JOIN proof p ON p.record = r.n LEFT JOIN proof_run u ON u.n = r.proof_run";

/// A proof file to store, and the entry that it must be for.
pub(crate) struct GivenProof {
    /// The number of the record.
    pub(crate) n: i64,
    pub(crate) index: LeafIndex,
    pub(crate) entry: StatementEntry,
    pub(crate) text: String,
}

/// A run to store, with its sum.
pub(crate) struct PackedRun {
    pub(crate) first: i64,
    pub(crate) packed: Vec<u8>,
    pub(crate) sum: Vec<u8>,
    /// The numbers of its records.
    pub(crate) records: Vec<i64>,
}

fn sum(first: i64, packed: &[u8]) -> Vec<u8> {
    sums::of(&[first.into(), packed.into()])
}

/// Puts proofs together into runs. What no run can give back as it was is returned as it is.
pub(crate) fn pack(mut given: Vec<GivenProof>) -> (Vec<PackedRun>, Vec<GivenProof>) {
    given.sort_by_key(|proof| proof.index);
    let (mut runs, mut rest) = (Vec::new(), Vec::new());
    let mut open: Option<OpenRun> = None;
    for proof in given {
        let Some((file, size)) = read_whole(&proof) else {
            rest.push(proof);
            continue;
        };
        match &mut open {
            Some(run) if run.goes_on(&file) => run.proofs.push((proof, file)),
            _ => {
                let begun = OpenRun { size, proofs: vec![(proof, file)] };
                if let Some(ended) = open.replace(begun) {
                    ended.close(&mut runs, &mut rest);
                }
            }
        }
    }
    if let Some(ended) = open {
        ended.close(&mut runs, &mut rest);
    }
    (runs, rest)
}

/// Reads a proof that contains its entry, in the one form that is made again.
fn read_whole(given: &GivenProof) -> Option<(ProofFile, TreeSize)> {
    let file = ProofFile::parse(given.text.as_bytes()).ok()?;
    let has_entry = file.extra() == Some(given.entry.to_bytes().as_slice()) && file.index() == given.index;
    let size = Checkpoint::parse(file.note().unverified_text()).ok()?.head().size;
    (has_entry && file.to_text() == given.text).then_some((file, size))
}

/// Proofs of entries that follow each other, under one checkpoint.
struct OpenRun {
    size: TreeSize,
    proofs: Vec<(GivenProof, ProofFile)>,
}

impl OpenRun {
    fn goes_on(&self, file: &ProofFile) -> bool {
        self.proofs.len() < MAX_ENTRIES
            && self.proofs.last().is_some_and(|(_, last)| {
                last.index().get().checked_add(1) == Some(file.index().get())
                    && last.note().as_str() == file.note().as_str()
            })
    }

    fn close(self, runs: &mut Vec<PackedRun>, rest: &mut Vec<GivenProof>) {
        match self.packed() {
            Some(run) => runs.push(run),
            None => rest.extend(self.proofs.into_iter().map(|(given, _)| given)),
        }
    }

    /// The run, if each of its proofs can be cut out of it again.
    fn packed(&self) -> Option<PackedRun> {
        let ((_, first), (_, last)) = (self.proofs.first()?, self.proofs.last()?);
        let ends = ((first.index(), first.proof()), (last.index(), last.proof()));
        let proof = RangeProof::from_ends(ends.0, ends.1, self.size).ok()?;
        let leaves: Vec<Hash> =
            self.proofs.iter().map(|(given, _)| leaf_hash(&given.entry.to_bytes())).collect();
        let placed = proof.place(first.index(), &leaves, self.size).ok()?;
        let is_given_back = |(_, file): &(_, ProofFile)| {
            placed.inclusion(file.index()).is_ok_and(|made| made == *file.proof())
        };
        if !self.proofs.iter().all(is_given_back) {
            return None;
        }
        let mut packed = vec![VERSION];
        for side in [proof.left(), proof.right()] {
            packed.push(u8::try_from(side.len()).ok()?);
            side.iter().for_each(|hash| packed.extend_from_slice(hash.as_bytes()));
        }
        packed.extend_from_slice(&u16::try_from(leaves.len()).ok()?.to_be_bytes());
        leaves.iter().for_each(|hash| packed.extend_from_slice(hash.as_bytes()));
        packed.extend_from_slice(first.note().as_str().as_bytes());
        let records = self.proofs.iter().map(|(given, _)| given.n).collect();
        let first = i64::try_from(first.index().get()).ok()?;
        Some(PackedRun { first, sum: sum(first, &packed), packed, records })
    }
}

/// A run that was read.
struct Run {
    first: LeafIndex,
    leaves: Vec<Hash>,
    placed: PlacedRange,
    note: UnverifiedNote,
}

impl Run {
    /// `None` for what [`pack`] does not make.
    fn read(first: LeafIndex, packed: &[u8]) -> Option<Self> {
        let (&version, rest) = packed.split_first()?;
        if version != VERSION {
            return None;
        }
        let (&left, rest) = rest.split_first()?;
        let (left, rest) = hashes(rest, left.into())?;
        let (&right, rest) = rest.split_first()?;
        let (right, rest) = hashes(rest, right.into())?;
        let (count, rest) = rest.split_first_chunk()?;
        let (leaves, note) = hashes(rest, u16::from_be_bytes(*count).into())?;
        let note = UnverifiedNote::parse(note).ok()?;
        let size = Checkpoint::parse(note.unverified_text()).ok()?.head().size;
        let placed = RangeProof::from_parts(left, right).ok()?.place(first, &leaves, size).ok()?;
        Some(Self { first, leaves, placed, note })
    }

    /// The proof file of an entry. `None` if the run does not have it.
    fn text(&self, index: LeafIndex, entry: &StatementEntry) -> Option<String> {
        let bytes = entry.to_bytes();
        let place = usize::try_from(index.get().checked_sub(self.first.get())?).ok()?;
        if self.leaves.get(place) != Some(&leaf_hash(&bytes)) {
            return None;
        }
        let proof = self.placed.inclusion(index).ok()?;
        Some(ProofFile::new(Some(bytes.to_vec()), index, proof, self.note.clone()).ok()?.to_text())
    }
}

fn hashes(bytes: &[u8], count: usize) -> Option<(Vec<Hash>, &[u8])> {
    let (hashes, rest) = bytes.split_at_checked(count * HASH_BYTES)?;
    let (hashes, []) = hashes.as_chunks::<HASH_BYTES>() else { return None };
    Some((hashes.iter().map(|hash| Hash::from_bytes(*hash)).collect(), rest))
}

/// Runs that were read for the rows of one query, each once.
#[derive(Default)]
pub(crate) struct Runs(HashMap<i64, Run>);

impl Runs {
    /// The proof file of the record in a row, from the columns [`PROOF`], which begin at `at`. None of a record that the log does
    /// not have.
    pub(crate) fn proof(&mut self, row: &AnyRow, at: usize) -> Result<Option<String>> {
        let n: i64 = row.try_get(at)?;
        if let Some(text) = row.try_get::<Option<String>, _>(at + 8)? {
            sums::check_text(n, "proof", &text, row.try_get(at + 9)?)?;
            return Ok(Some(text));
        }
        let Some(index) = row.try_get::<Option<i64>, _>(at + 4)? else { return Ok(None) };
        let damaged =
            |what: &str| VaultError::damaged(format!("the proof of the record with number {n} {what}"));
        let number: Option<i64> = row.try_get(at + 10)?;
        let number = number.ok_or_else(|| damaged("is missing"))?;
        let place = [index, row.try_get(at + 5)?, row.try_get(at + 6)?, row.try_get(at + 7)?];
        let LogPlace { index, stream, sequence, logged_at } = place_of(place)?;
        let statement = statement(row, at + 1, at + 2, at + 3)?;
        let run = match self.0.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let (first, packed): (i64, Vec<u8>) = (row.try_get(at + 11)?, row.try_get(at + 12)?);
                let is_sound = row.try_get::<Option<&[u8]>, _>(at + 13)? == Some(&sum(first, &packed));
                let run = if is_sound { Run::read(leaf_index(first)?, &packed) } else { None };
                unknown.insert(run.ok_or_else(|| damaged("does not match its checksum"))?)
            }
        };
        let entry = StatementEntry { logged_at, stream, sequence, statement };
        run.text(index, &entry).ok_or_else(|| damaged("is of another entry")).map(Some)
    }
}
