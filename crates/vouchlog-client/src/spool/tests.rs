//! Goal: what `commit` returned for is there after any crash, whole, and nothing else is; a spool that is not what was written is
//! refused by the name of the file, and never opened with fewer statements.
//! Method: random operations against a model; after each, the files are copied as a crash would leave them and opened. Then every file
//! of a spool is damaged at random places.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use vouchlog_merkle::sha256;
use vouchlog_note::{KeyName, SignatureType, SigningKey};
use vouchlog_stream::{Digest, Evidence, Previous, StatementKind, StreamId};

use vouchlog_ledger::Item;

use super::*;

const LEAF: usize = Statement::LEAF_BYTES;

const OPTIONS: SpoolOptions = SpoolOptions { disk: None, min_free: 0, identity: [7; 16] };

fn open(dir: &Path) -> Result<(Spool, State), SpoolError> {
    Spool::open(dir, &owner(), OPTIONS)
}

fn owner() -> Owner {
    Owner { origin: Origin::new("log.example").unwrap(), log: key(1), gateway: key(2) }
}

fn key(seed: u8) -> VerifyingKey {
    secret(seed, SignatureType::Ed25519).verifying_key().clone()
}

fn secret(seed: u8, signature_type: SignatureType) -> SigningKey {
    SigningKey::generate(KeyName::new("key.example").unwrap(), signature_type, [seed; 32]).unwrap()
}

fn statement(n: u64) -> Statement {
    let digest = Digest::from_bytes(*sha256(&n.to_be_bytes()).as_bytes());
    Statement { kind: StatementKind::Opaque, evidence: Evidence::NONE, digest }
}

fn statements(range: std::ops::Range<u64>) -> Vec<Statement> {
    range.map(statement).collect()
}

/// The state that acknowledges so many more statements of the stream.
fn acknowledge(state: &State, count: u64) -> State {
    let mut next = state.clone();
    for n in state.position()..state.position() + count {
        next.range.append(statement(n).stream_leaf_hash());
    }
    next
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy_dir(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}

/// A spool holds the statements from `state.position()` to `end`, and that state.
fn check(spool: &Spool, found: &State, state: &State, end: u64) {
    assert_eq!(found, state);
    assert_eq!((spool.end(), spool.len()), (end, end - state.position()));
    let held = spool.read(state.position(), usize::MAX).unwrap();
    assert!(held == statements(state.position()..end));
}

#[derive(Clone, Debug)]
enum Step {
    Push(u64),
    Acknowledge(u64),
    Both(u64, u64),
    NextStream,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..1_300_u64).prop_map(Step::Push),
        (0..900_u64).prop_map(Step::Acknowledge),
        (1..40_u64, 0..60_u64).prop_map(|(push, acknowledge)| Step::Both(push, acknowledge)),
        Just(Step::NextStream),
        Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_was_committed_survives_a_crash_at_any_moment(steps in vec(step(), 1..20)) {
        let dir = tempfile::tempdir().unwrap();
        let live = dir.path().join("live");
        let (mut spool, mut state) = open(&live).unwrap();
        let mut end = 0;
        for (place, step) in steps.into_iter().enumerate() {
            let (pushed, acknowledged) = match step {
                Step::Push(count) => (count, None),
                Step::Acknowledge(count) => (0, Some(count)),
                Step::Both(pushed, acknowledged) => (pushed, Some(acknowledged)),
                Step::NextStream => {
                    let over = Previous { stream: StreamId::new(7).unwrap(), size: state.size() };
                    state = state.begin(Some(StreamRecord::Over(over)));
                    spool.commit(&[], Some(&state)).unwrap();
                    (0, None)
                }
                Step::Reopen => {
                    drop(spool);
                    let (reopened, found) = open(&live).unwrap();
                    check(&reopened, &found, &state, end);
                    spool = reopened;
                    (0, None)
                }
            };
            let waits = end - state.position();
            let next = acknowledged.map(|count| acknowledge(&state, count.min(waits)));
            spool.commit(&statements(end..end + pushed), next.as_ref()).unwrap();
            end += pushed;
            state = next.unwrap_or(state);

            let crashed = dir.path().join(format!("crashed-{place}"));
            copy_dir(&live, &crashed);
            let (copy, found) = open(&crashed).unwrap();
            check(&copy, &found, &state, end);
        }
    }

    #[test]
    fn any_part_can_be_read(from in 0..1_500_u64, count in 0..1_500_usize) {
        let dir = tempfile::tempdir().unwrap();
        let (spool, state) = open(dir.path()).unwrap();
        for (first, end) in [(0, 700), (700, 701), (701, 1_300)] {
            spool.commit(&statements(first..end), None).unwrap();
        }
        spool.commit(&[], Some(&acknowledge(&state, 200))).unwrap();
        let end = (from + count as u64).min(1_300);
        match spool.read(from, count) {
            Ok(read) => prop_assert_eq!(read, statements(from.min(end)..end)),
            Err(error) => prop_assert!(from < 200, "{}", error),
        }
    }

    #[test]
    fn random_bytes_are_no_state(bytes in vec(any::<u8>(), 0..300)) {
        if let Some(state) = State::from_bytes(&bytes) {
            prop_assert_eq!(State::from_bytes(&state.to_bytes()), Some(state));
        }
    }

    #[test]
    fn random_bytes_are_no_record(bytes in vec(any::<u8>(), 0..300), snapshot in any::<bool>()) {
        let mut replay = Replay::default();
        let start = record::snapshot(0, &State::default());
        let item = |snapshot, payload| Item { file: 1, offset: 0, number: 1, snapshot, payload, acknowledged: true };
        replay.take(item(Some(0), &start)).unwrap();
        let waiting = |replay: &Replay| replay.waiting.end();
        if replay.take(item(snapshot.then_some(0), &bytes)).is_ok() && !snapshot {
            prop_assert_eq!(waiting(&replay), (bytes.len().saturating_sub(12) / LEAF) as u64);
        }
    }
}

#[test]
fn states_are_read_back_as_they_were() {
    let key = key(5);
    let previous = Previous { stream: StreamId::new(9).unwrap(), size: 4 };
    let streams = [
        None,
        Some(StreamRecord::Opening { note: "note\n".into(), key: key.clone(), previous: None }),
        Some(StreamRecord::Opening { note: "note\n".into(), key: key.clone(), previous: Some(previous) }),
        Some(StreamRecord::Open { id: StreamId::MAX, key }),
        Some(StreamRecord::Over(previous)),
    ];
    for stream in streams {
        for (base, head) in [(0, None), (u64::MAX - 99, Some("checkpoint\n".to_owned()))] {
            let state = acknowledge(&State { stream: stream.clone(), base: 0, head, ..State::default() }, 99);
            let state = State { base, ..state };
            assert_eq!(State::from_bytes(&state.to_bytes()), Some(state.clone()));
            let cut = &state.to_bytes()[..state.to_bytes().len() - 1];
            assert_eq!(State::from_bytes(cut), None);
        }
    }
}

fn other_gateway() -> VerifyingKey {
    let name = KeyName::new("other.example").unwrap();
    SigningKey::generate(name, SignatureType::Ed25519, [7; 32]).unwrap().verifying_key().clone()
}

/// The stream has a key of its own, so a gateway whose enrolled key was rotated continues it, and what is spooled is not lost.
#[test]
fn a_rotated_gateway_goes_on_with_its_spool() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path()).unwrap();
    spool.commit(&statements(0..5), None).unwrap();
    spool.note_stream(StreamId::new(7).unwrap()).unwrap();
    drop(spool);
    let rotated = Owner { gateway: key(9), ..owner() };
    for _ in 0..2 {
        let (spool, _) = Spool::open(dir.path(), &rotated, OPTIONS).unwrap();
        assert_eq!((spool.end(), spool.last_stream()), (5, StreamId::new(7)));
    }
    // A stamp that is damaged elsewhere is refused as before.
    let stamp = dir.path().join("FORMAT");
    let text = fs::read_to_string(&stamp).unwrap();
    fs::write(&stamp, format!("{}x\n", text.trim_end())).unwrap();
    assert!(matches!(open(dir.path()), Err(SpoolError::Damaged(_))));
}

#[test]
fn a_foreign_or_damaged_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path()).unwrap();
    spool.commit(&statements(0..600), None).unwrap();
    assert!(matches!(open(dir.path()), Err(SpoolError::InUse(_))));
    drop(spool);

    let foreign = |owner: Owner, word: &str| match Spool::open(dir.path(), &owner, OPTIONS).unwrap_err() {
        SpoolError::Foreign(why) => assert!(why.contains(word) && why.contains("/FORMAT"), "{why}"),
        other => panic!("{other}"),
    };
    foreign(
        Owner { origin: Origin::new("log.example/2").unwrap(), ..owner() },
        "not of `origin log.example/2`",
    );
    foreign(Owner { log: key(7), ..owner() }, "not of `log key.example");
    foreign(Owner { gateway: other_gateway(), ..owner() }, "not of `gateway other.example");
    let stamp = dir.path().join("FORMAT");
    fs::write(&stamp, "vouchlog spool 3\n").unwrap();
    foreign(owner(), "not name a spool of format");
    fs::write(&stamp, "vouchlog spool 1\norigin log.example\n").unwrap();
    foreign(owner(), "send its pending statements with the version that made it");
    for cut in ["vouchlog spool 2\norigin log.example\n", "vouchlog spool 2\n"] {
        fs::write(&stamp, cut).unwrap();
        assert!(matches!(open(dir.path()), Err(SpoolError::Damaged(_))));
    }
    fs::remove_file(&stamp).unwrap();
    assert!(matches!(open(dir.path()), Err(SpoolError::Damaged(_))));
}

/// Goal of the way on that the refusals name: it works, and the next spool knows the stream of the lost one.
#[test]
fn a_lost_spool_is_refused_until_the_operator_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, state) = open(dir.path()).unwrap();
    spool.commit(&statements(0..600), Some(&state)).unwrap();
    let stream = StreamId::new(41).unwrap();
    assert_eq!(spool.last_stream(), None);
    spool.note_stream(stream).unwrap();
    drop(spool);
    for removed in [vec!["MARK", "00000001"], vec!["00000001"], vec!["00000001", "MARK", "LOCK"]] {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        removed.iter().for_each(|file| fs::remove_file(copy.path().join("spool").join(file)).unwrap());
        for _ in 0..2 {
            let SpoolError::Damaged(why) = open(copy.path()).unwrap_err() else { panic!("{removed:?}") };
            assert!(why.contains("spool") && why.contains("move"), "{why}");
        }
    }
    fs::remove_dir_all(dir.path().join("spool")).unwrap();
    let SpoolError::Damaged(why) = open(dir.path()).unwrap_err() else { panic!("it is gone") };
    assert!(why.contains("is missing") && why.contains("FORMAT"), "{why}");
    fs::remove_file(dir.path().join("FORMAT")).unwrap();
    let (spool, state) = open(dir.path()).unwrap();
    assert_eq!((spool.len(), state, spool.last_stream()), (0, State::default(), Some(stream)));
    drop(spool);
    // A note that was damaged is none.
    let note = fs::read_to_string(dir.path().join("STREAM")).unwrap();
    fs::write(dir.path().join("STREAM"), note.replacen("41", "43", 1)).unwrap();
    assert_eq!(open(dir.path()).unwrap().0.last_stream(), None);
}

/// A spool of several files: 1,000 statements acknowledged, 400,000 wait.
fn large(dir: &Path) -> State {
    let (spool, state) = open(dir).unwrap();
    let mut end = 0;
    while end < 401_000 {
        spool.commit(&statements(end..end + 20_050), None).unwrap();
        end += 20_050;
    }
    let state = acknowledge(&state, 1_000);
    spool.commit(&[], Some(&state)).unwrap();
    state
}

fn files(dir: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(dir.join("spool")).unwrap().collect();
    files.sort_by_key(|file| file.as_ref().unwrap().file_name());
    files.into_iter().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn files_are_left_behind_and_deleted_when_all_in_them_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let state = large(dir.path());
    assert_eq!(files(dir.path()), ["00000001", "00000002", "00000003", "00000004", "LOCK", "MARK"]);
    let (spool, found) = open(dir.path()).unwrap();
    check(&spool, &found, &state, 401_000);
    let state = acknowledge(&state, 220_000);
    spool.commit(&[], Some(&state)).unwrap();
    assert_eq!(files(dir.path()), ["00000002", "00000003", "00000004", "LOCK", "MARK"]);
    drop(spool);
    let (spool, found) = open(dir.path()).unwrap();
    check(&spool, &found, &state, 401_000);
    let digests: HashSet<Digest> =
        [0, 220_999, 221_000, 400_999, 500_000].map(|n| statement(n).digest).into();
    let pending = HashSet::from([221_000, 400_999].map(|n| statement(n).digest));
    for _ in 0..3 {
        assert_eq!(spool.pending(&digests), pending);
    }
    let state = acknowledge(&state, 180_000);
    spool.commit(&[], Some(&state)).unwrap();
    drop(spool);
    let (spool, found) = open(dir.path()).unwrap();
    check(&spool, &found, &state, 401_000);
    assert_eq!(files(dir.path()), ["00000004", "LOCK", "MARK"]);
    assert_eq!(spool.pending(&digests), HashSet::new());
}

#[test]
fn a_full_disk_is_refused_in_words_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, state) = open(dir.path()).unwrap();
    spool.commit(&statements(0..600), None).unwrap();
    drop(spool);
    let full = SpoolOptions { min_free: u64::MAX, ..OPTIONS };
    let (spool, found) = Spool::open(dir.path(), &owner(), full).unwrap();
    check(&spool, &found, &state, 600);
    for _ in 0..2 {
        let refused = spool.commit(&statements(600..700), Some(&acknowledge(&state, 5))).unwrap_err();
        assert!(refused.may_pass() && refused.to_string().contains("the disk is full"), "{refused}");
        assert!(spool.trouble().is_some_and(|trouble| trouble.to_string().contains("the disk is full")));
        check(&spool, &found, &state, 600);
    }
    drop(spool);
    let (spool, found) = open(dir.path()).unwrap();
    check(&spool, &found, &state, 600);
    assert_eq!(spool.trouble(), None);
    spool.commit(&statements(600..700), None).unwrap();
    assert_eq!(spool.len(), 700);
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(u8),
    Cut,
    Zero,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![5 => (0..8_u8).prop_map(Damage::Flip), 1 => Just(Damage::Cut), 1 => Just(Damage::Zero)]
}

/// A state directory with a key, whose spool has two files: the state, and where statements end.
fn damaged_sample(dir: &Path) -> (State, u64) {
    let (spool, state) = open(dir).unwrap();
    StreamKeys::new(dir).save(&secret(8, SignatureType::CosignatureEd25519)).unwrap();
    spool.note_stream(StreamId::new(41).unwrap()).unwrap();
    spool.commit(&statements(0..120_000), None).unwrap();
    let state = acknowledge(&state, 300);
    spool.commit(&statements(120_000..120_700), Some(&state)).unwrap();
    spool.commit(&statements(120_700..121_000), None).unwrap();
    (state, 121_000)
}

#[test]
fn damage_anywhere_is_refused_by_name_or_harmless() {
    let whole = tempfile::tempdir().unwrap();
    let (state, end) = damaged_sample(whole.path());
    let key = secret(8, SignatureType::CosignatureEd25519);
    let key_file = format!("stream-{}.key", key.verifying_key().id());
    let files =
        ["FORMAT", "STREAM", &key_file, "spool/00000001", "spool/00000002", "spool/MARK", "spool/LOCK"];
    let cases = (0..files.len(), 0.0..1.0_f64, any::<bool>(), damage());
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::default() });
    let tried = runner.run(&cases, |(file, at, early, damage)| {
        let name = files[file];
        let dir = tempfile::tempdir().unwrap();
        copy_dir(whole.path(), dir.path());
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        // Half of the damage in the first kilobyte, where headers, snapshot and state are.
        let length = if early { bytes.len().min(1_024) } else { bytes.len() };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let at = ((length as f64 * at) as usize).min(length.saturating_sub(1));
        let before = bytes.clone();
        match damage {
            Damage::Flip(bit) => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit),
            Damage::Cut => bytes.truncate(at),
            Damage::Zero => bytes.iter_mut().skip(at).take(512).for_each(|byte| *byte = 0),
        }
        fs::write(&path, &bytes).unwrap();
        match open(dir.path()) {
            Ok((spool, found)) => {
                check(&spool, &found, &state, end);
                let last = spool.last_stream();
                prop_assert!(last == StreamId::new(41) || name == "STREAM" && last.is_none());
                spool.commit(&statements(end..end + 1), None).unwrap();
            }
            Err(error) => {
                prop_assert!(error.to_string().contains(name), "{} does not name {}", error, name);
            }
        }
        match StreamKeys::new(dir.path()).load(key.verifying_key()) {
            Ok(loaded) => prop_assert_eq!(loaded.unwrap().to_key_file(), key.to_key_file()),
            Err(error) => {
                let is_named = name == key_file && error.to_string().contains(name);
                prop_assert!(is_named && bytes != before, "{}", error);
            }
        }
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn keys_are_kept_until_another_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let keys = StreamKeys::new(dir.path());
    let [old, new] = [8, 9].map(|seed| secret(seed, SignatureType::CosignatureEd25519));
    assert!(keys.load(old.verifying_key()).unwrap().is_none());
    keys.save(&old).unwrap();
    keys.save(&new).unwrap();
    fs::write(dir.path().join("FORMAT"), "").unwrap();
    assert_eq!(keys.load(old.verifying_key()).unwrap().unwrap().to_key_file(), old.to_key_file());
    keys.keep_only(new.verifying_key()).unwrap();
    assert!(keys.load(old.verifying_key()).unwrap().is_none());
    assert!(keys.load(new.verifying_key()).unwrap().is_some());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}
