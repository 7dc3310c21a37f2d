//! Goal: what `commit` returned for is there after any crash, whole, and nothing else is.
//! Method: random operations against a model; after each, the files are copied as a crash would leave them and opened.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use vouchlog_merkle::sha256;
use vouchlog_note::{KeyName, SignatureType, SigningKey};
use vouchlog_stream::{Digest, Evidence, Previous, StatementKind, StreamId};

use super::*;

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
        let (mut spool, mut state) = Spool::open(&live, &owner()).unwrap();
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
                    let (reopened, found) = Spool::open(&live, &owner()).unwrap();
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
            let (copy, found) = Spool::open(&crashed, &owner()).unwrap();
            check(&copy, &found, &state, end);
        }
    }

    #[test]
    fn any_part_can_be_read(from in 0..1_500_u64, count in 0..1_500_usize) {
        let dir = tempfile::tempdir().unwrap();
        let (spool, state) = Spool::open(dir.path(), &owner()).unwrap();
        // Records of 512, 188, 1, 512, 87, of which the first is half acknowledged.
        for (first, end) in [(0, 700), (700, 701), (701, 1_300)] {
            spool.commit(&statements(first..end), None).unwrap();
        }
        spool.commit(&[], Some(&acknowledge(&state, 200))).unwrap();
        let end = (from + count as u64).min(1_300);
        prop_assert_eq!(spool.read(from, count).unwrap(), statements(from.min(end)..end));
    }

    #[test]
    fn random_bytes_are_no_state(bytes in vec(any::<u8>(), 0..300)) {
        if let Some(state) = State::from_bytes(&bytes) {
            prop_assert_eq!(State::from_bytes(&state.to_bytes()), Some(state));
        }
    }

    #[test]
    fn random_bytes_are_no_record(key in vec(any::<u8>(), 1..12), value in vec(any::<u8>(), 0..300)) {
        if let Ok((first, count)) = record(&key, &value) {
            prop_assert_eq!((first.to_be_bytes().to_vec(), count), (key[1..].to_vec(), (value.len() / LEAF) as u64));
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

#[test]
fn a_foreign_or_damaged_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(dir.path(), &owner()).unwrap();
    spool.commit(&statements(0..600), None).unwrap();
    assert!(matches!(Spool::open(dir.path(), &owner()), Err(SpoolError::InUse(_))));
    spool.db.remove(record_key(0)).unwrap();
    drop(spool);
    let gap = Spool::open(dir.path(), &owner()).unwrap_err();
    assert_eq!(gap, damaged("statements are missing"));

    let foreign = |owner: Owner, word: &str| match Spool::open(dir.path(), &owner).unwrap_err() {
        SpoolError::Foreign(why) => assert!(why.contains(word), "{why}"),
        other => panic!("{other}"),
    };
    foreign(
        Owner { origin: Origin::new("log.example/2").unwrap(), ..owner() },
        "not of `origin log.example/2`",
    );
    foreign(Owner { log: key(7), ..owner() }, "not of `log key.example");
    foreign(Owner { gateway: key(7), ..owner() }, "not of `gateway key.example");
    let stamp = dir.path().join("FORMAT");
    fs::write(&stamp, "vouchlog spool 2\n").unwrap();
    foreign(owner(), "no spool of format");
    fs::write(&stamp, "vouchlog spool 1\norigin log.example\n").unwrap();
    assert!(matches!(Spool::open(dir.path(), &owner()), Err(SpoolError::Damaged(_))));
    fs::remove_file(&stamp).unwrap();
    assert!(matches!(Spool::open(dir.path(), &owner()), Err(SpoolError::Damaged(_))));
}

#[test]
fn a_database_of_garbage_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(dir.path(), &owner()).unwrap();
    spool.commit(&statements(0..600), None).unwrap();
    drop(spool);
    let db = dir.path().join("spool").join("db");
    let garbage: Vec<u8> = (0..fs::metadata(&db).unwrap().len()).map(|n| (n * 131 % 251) as u8).collect();
    fs::write(&db, garbage).unwrap();
    // What the database makes of it is its own affair, as long as it does not take us down, or makes up statements.
    if let Ok((spool, state)) = Spool::open(dir.path(), &owner()) {
        assert_eq!((spool.len(), state), (0, State::default()));
    }
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
