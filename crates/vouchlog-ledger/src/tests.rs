//! Goal: whatever happens to the bytes, a ledger is read whole, or refused by name; never shorter than what was acknowledged.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::{
    AppendError, Folder, Item, Ledger, LedgerError, Options, RecordAddress, TwoSlots, inspect, survey,
};

const OPTIONS: Options = Options { purpose: "test", min_free_bytes: 0 };

fn disk(dir: &Path) -> Arc<Folder> {
    Arc::new(Folder::new(dir))
}

fn create(dir: &Path) -> Ledger {
    Ledger::create(disk(dir), OPTIONS, [7; 16], &[b"snapshot", b"in two pieces"]).unwrap()
}

type Entries = Vec<(RecordAddress, Vec<u8>)>;

/// Every entry that is not a snapshot, with its place.
fn open(dir: &Path) -> Result<(Ledger, Entries), LedgerError> {
    let mut entries = Vec::new();
    let (ledger, _) = Ledger::open(disk(dir), OPTIONS, &mut |item| {
        note(&mut entries, item);
        Ok(())
    })?;
    Ok((ledger, entries))
}

fn note(entries: &mut Entries, item: Item<'_>) {
    if item.snapshot.is_none() {
        entries.push((RecordAddress { file: item.file, offset: item.offset }, item.payload.to_vec()));
    }
}

/// A ledger of three files and 30 records, as a process that was killed leaves it.
fn sample() -> (TempDir, Vec<Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = create(dir.path());
    let mut written = Vec::new();
    for n in 0..30_u8 {
        let payload = vec![n; usize::from(n) * 37];
        ledger.append(&[&payload]).unwrap();
        written.push(payload);
        if n % 10 == 9 && n < 29 {
            ledger.rotate([b"later snapshot"]).unwrap();
        }
    }
    (dir, written)
}

/// The files of a sample and what was written. Making one takes a sync for each entry.
static SAMPLE: LazyLock<(Files, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let (dir, written) = sample();
    let files = fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
    (files.map(|file| (file.file_name(), fs::read(file.path()).unwrap())).collect(), written)
});

type Files = Vec<(OsString, Vec<u8>)>;

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

#[test]
fn what_was_appended_is_read_back_across_files_and_restarts() {
    let (dir, written) = sample();
    for _ in 0..3 {
        let (ledger, entries) = open(dir.path()).unwrap();
        assert!(entries.iter().map(|(_, payload)| payload).eq(&written));
        let reader = ledger.reader();
        for (place, payload) in &entries {
            assert_eq!(reader.read(*place).unwrap(), payload[..]);
        }
        assert!(matches!(open(dir.path()), Err(LedgerError::InUse)));
    }
    let (mut ledger, _) = open(dir.path()).unwrap();
    ledger.forget_before(3).unwrap();
    assert_eq!((ledger.oldest(), ledger.newest()), (3, 3));
    drop(ledger);
    assert!(open(dir.path()).unwrap().1.iter().map(|(_, payload)| payload).eq(&written[20..]));
}

#[test]
fn snapshots_come_in_pieces_at_the_start_of_a_file() {
    let (dir, _) = sample();
    let mut pieces = Vec::new();
    inspect(&Folder::new(dir.path()), "test", &mut |item| {
        pieces.extend(item.snapshot.map(|piece| (item.file, piece, item.payload.to_vec())));
        Ok(())
    })
    .unwrap();
    let piece = |file, piece, bytes: &[u8]| (file, piece, bytes.to_vec());
    assert_eq!(
        pieces,
        [
            piece(1, 0, b"snapshot"),
            piece(1, 1, b"in two pieces"),
            piece(2, 0, b"later snapshot"),
            piece(3, 0, b"later snapshot")
        ]
    );
}

#[test]
fn an_unfinished_last_record_is_cut_and_an_acknowledged_one_is_not() {
    let (dir, written) = sample();
    let newest = dir.path().join("00000003");
    let whole = fs::read(&newest).unwrap();
    let end = open(copy(dir.path()).path()).unwrap().0.length();
    // A record that was being written when the power failed: MARK does not know it.
    let mut torn = whole.clone();
    torn[usize::try_from(end).unwrap()..][..40].copy_from_slice(&[0x56; 40]);
    fs::write(&newest, &torn).unwrap();
    let copied = copy(dir.path());
    assert!(open(copied.path()).unwrap().1.iter().map(|(_, payload)| payload).eq(&written));
    // The last acknowledged record, damaged in the same way.
    let mut damaged = whole;
    damaged[usize::try_from(end).unwrap() - 5] ^= 1;
    fs::write(&newest, &damaged).unwrap();
    match open(dir.path()).unwrap_err() {
        LedgerError::Damaged { file, reason, .. } => {
            assert_eq!(file, "00000003");
            assert!(reason.contains("acknowledged"), "{reason}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn files_that_are_gone_or_older_are_missed() {
    let (dir, _) = sample();
    for gone in ["00000001", "00000002", "00000003"] {
        let copied = copy(dir.path());
        fs::remove_file(copied.path().join(gone)).unwrap();
        let error = open(copied.path()).unwrap_err();
        assert!(matches!(&error, LedgerError::Lost { file, .. } if file == gone), "{error}");
    }
    // The newest file as it was some records ago.
    let older = copy(dir.path());
    let (mut ledger, entries) = open(dir.path()).unwrap();
    ledger.append(&[b"one more"]).unwrap();
    drop(ledger);
    fs::copy(older.path().join("00000003"), dir.path().join("00000003")).unwrap();
    assert!(matches!(open(dir.path()), Err(LedgerError::Lost { .. })), "{} entries", entries.len());
    // A file of another ledger, of the same number and length.
    let (other, _) = sample();
    let foreign = copy(other.path());
    for name in ["00000001", "00000002", "00000003", "MARK"] {
        fs::remove_file(foreign.path().join(name)).unwrap();
    }
    let mut ledger = Ledger::create(disk(foreign.path()), OPTIONS, [8; 16], &[b"x"]).unwrap();
    ledger.append(&[b"y"]).unwrap();
    drop(ledger);
    fs::copy(other.path().join("00000001"), foreign.path().join("00000001")).unwrap();
    assert!(open(foreign.path()).unwrap_err().is_damage());
}

#[test]
fn a_ledger_for_another_purpose_is_refused() {
    let (dir, _) = sample();
    let other = Options { purpose: "other", ..OPTIONS };
    let error = Ledger::open(disk(dir.path()), other, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
}

#[test]
fn a_full_disk_refuses_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let full = Options { min_free_bytes: u64::MAX, ..OPTIONS };
    let (mut ledger, _) = Ledger::open(disk(dir.path()), full, &mut |_| Ok(())).unwrap();
    for refused in [ledger.append(&[b"x"]).map(drop), ledger.rotate([b"y"])] {
        assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    }
    drop(ledger);
    let (mut ledger, entries) = open(dir.path()).unwrap();
    assert_eq!(entries, []);
    ledger.append(&[b"x"]).unwrap();
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(u8),
    Cut,
    Zero,
    Garbage(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (0..8_u8).prop_map(Damage::Flip),
        1 => Just(Damage::Cut),
        1 => Just(Damage::Zero),
        1 => vec(any::<u8>(), 1..700).prop_map(Damage::Garbage),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damage_anywhere_is_refused_by_name_or_harmless(
        file in 0..4_usize, at in 0.0..1.0_f64, damage in damage()
    ) {
        let (whole, written) = &*SAMPLE;
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in whole {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        let name = ["00000001", "00000002", "00000003", "MARK"][file];
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let at = ((bytes.len() as f64 * at) as usize).min(bytes.len() - 1);
        match damage {
            Damage::Flip(bit) => bytes[at] ^= 1 << bit,
            Damage::Cut => bytes.truncate(at),
            Damage::Zero => bytes[at..].iter_mut().take(512).for_each(|byte| *byte = 0),
            Damage::Garbage(garbage) => {
                bytes[at..].iter_mut().zip(garbage).for_each(|(byte, new)| *byte = new);
            }
        }
        fs::write(&path, bytes).unwrap();
        match open(dir.path()) {
            Ok((_, entries)) => prop_assert!(entries.iter().map(|(_, payload)| payload).eq(written)),
            Err(error) => {
                prop_assert!(error.is_damage(), "{}", error);
                prop_assert!(error.to_string().contains(name), "{} does not name {}", error, name);
            }
        }
    }
}

/// What a survey of a damaged copy reads, and the ranges it names.
fn surveyed(dir: &Path) -> (Vec<Vec<u8>>, Vec<crate::Damage>) {
    let mut read = Vec::new();
    let damages = survey(&*disk(dir), OPTIONS.purpose, &mut |item| {
        if item.snapshot.is_none() {
            read.push(item.payload.to_vec());
        }
    });
    (read, damages.unwrap())
}

#[test]
fn a_survey_of_a_whole_ledger_reads_all_of_it_and_names_nothing() {
    let (dir, written) = sample();
    assert_eq!(surveyed(dir.path()), (written, Vec::new()));
}

#[test]
fn a_survey_names_the_damaged_range_and_reads_what_lies_around_it() {
    let (dir, written) = sample();
    let (_, places) = open(dir.path()).unwrap();
    for (lost, (place, payload)) in places.iter().enumerate() {
        // In the header of the record, in its payload if it has one, and at its end.
        for at in [0, 20, 55, 55 + payload.len() as u64 / 2, 55 + payload.len() as u64] {
            let copy = copy(dir.path());
            let file = format!("{:08}", place.file);
            flip(&copy.path().join(&file), place.offset + at);
            let (read, damages) = surveyed(copy.path());
            let rest = [&written[..lost], &written[lost + 1..]].concat();
            assert!(read == rest, "record {lost} flipped at {at}");
            let (start, end) = (place.offset, place.offset + 56 + payload.len() as u64);
            assert!(damages[0].end <= end, "{damages:?}");
            let named: Vec<_> = damages.iter().map(|damage| (&damage.file, damage.start)).collect();
            assert_eq!(named, [(&file, start)], "record {lost} flipped at {at}: {damages:?}");
        }
    }
}

#[test]
fn a_survey_reads_behind_a_damaged_header_and_misses_no_file() {
    let (dir, written) = sample();
    let damaged = copy(dir.path());
    flip(&damaged.path().join("00000002"), 17);
    let (read, damages) = surveyed(damaged.path());
    assert!(read == written);
    assert_eq!((damages.len(), damages[0].start, damages[0].end), (1, 0, 84), "{damages:?}");
    let missing = copy(dir.path());
    fs::remove_file(missing.path().join("00000002")).unwrap();
    let (read, damages) = surveyed(missing.path());
    assert!(read == [&written[..10], &written[20..]].concat());
    assert_eq!(damages[0].reason, "the file is missing");
}

#[test]
fn a_survey_tells_a_torn_end_from_an_acknowledged_record_that_is_gone() {
    let (dir, written) = sample();
    let path = dir.path().join("00000003");
    let end = open(dir.path()).unwrap().0.length();
    let torn = copy(dir.path());
    write_at(&torn.path().join("00000003"), end, b"VLRe and no more");
    assert_eq!(surveyed(torn.path()), (written.clone(), Vec::new()));
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(end - 1).unwrap();
    let (read, damages) = surveyed(dir.path());
    assert!(read == written[..29]);
    assert_eq!(damages.len(), 1, "{damages:?}");
}

#[test]
fn an_unreadable_slot_is_named() {
    let (dir, _) = sample();
    assert_eq!(TwoSlots::unreadable(&*disk(dir.path()), "MARK").unwrap(), []);
    flip(&dir.path().join("MARK"), 530);
    assert_eq!(TwoSlots::unreadable(&*disk(dir.path()), "MARK").unwrap(), [(512, 653)]);
    assert_eq!(TwoSlots::unreadable(&*disk(dir.path()), "absent").unwrap(), []);
}

fn flip(path: &Path, at: u64) {
    let was = fs::read(path).unwrap()[usize::try_from(at).unwrap()];
    write_at(path, at, &[was ^ 0x10]);
}

fn write_at(path: &Path, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}
