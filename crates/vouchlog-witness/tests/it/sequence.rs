//! One log's life with a witness, request by request: what each is answered, and what is remembered and served after it.

use std::sync::Arc;

use vouchlog_api::ErrorKind;
use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, SignatureType};

use crate::world::{START, TestLog, World, ed25519, key, memory, ml_dsa, request};

const ORIGIN: &str = "log.example.com/life";

/// A request, and what it meets: the answer, and the size served afterwards.
type Step = (&'static str, AddCheckpoint, Result<(), ErrorKind>, u64);

/// Adds lines to a request's checkpoint.
fn with_lines(request: &AddCheckpoint, lines: &[String]) -> AddCheckpoint {
    let text = format!("{request}{}", lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    AddCheckpoint::parse(text.as_bytes()).unwrap()
}

fn steps(log: &TestLog) -> Vec<Step> {
    let (bad, forbidden) = (Err(ErrorKind::InvalidArgument), Err(ErrorKind::PermissionDenied));
    let inconsistent = Err(ErrorKind::Inconsistent);
    let conflict = |size| Err(ErrorKind::Conflict { size });
    let fork = log.forked_at(10);
    let checkpoint = log.checkpoint(30);
    // Lines that look like the witness's and are not, and one that is, of another time.
    let garbage = ed25519().sign_of_rubbish();
    let imitations = [garbage, ml_dsa().cosign(&log.checkpoint(29), 9).unwrap().to_string()];
    let replay = ed25519().cosign(&checkpoint, START + 10_000).unwrap().to_string();
    let strangers: Vec<String> = (0..97)
        .map(|seed| {
            let name = format!("stranger-{seed}.example.com");
            key(&name, SignatureType::Ed25519, seed).sign_note(&checkpoint.text()).unwrap().to_string()
        })
        .collect();
    // As long as a request may be: ML-DSA-44 lines of strangers.
    let huge: Vec<String> = (0..38)
        .map(|seed| {
            let name = format!("stranger-{seed}.example.com");
            key(&name, SignatureType::MlDsa44, seed).cosign(&checkpoint, 5).unwrap().to_string()
        })
        .collect();
    let extended = log.sign_text(&format!("{}extension\n", log.checkpoint(33).text()));
    let unknown = TestLog::new("log.example.com/unknown", 40);
    let stolen = log.signed(31).note().replacen(ORIGIN, "log.example.com/unknown", 1);
    vec![
        ("first contact, with a size it cannot have", log.request(7, 9), conflict(0), 0),
        ("an empty tree", log.request(0, 0), Ok(()), 0),
        ("the empty tree again", log.request(0, 0), Ok(()), 0),
        ("the first entry", log.request(0, 1), Ok(()), 1),
        ("again, as if it had not been answered", log.request(0, 1), conflict(1), 1),
        ("a refresh", log.request(1, 1), Ok(()), 1),
        ("growth", log.request(1, 20), Ok(()), 20),
        ("a stale request", log.request(1, 15), conflict(20), 20),
        ("an older tree, as old as ours", log.request(15, 15), conflict(20), 20),
        ("an older tree after ours", request(20, vec![], log.signed(15).note()), bad.clone(), 20),
        ("a fork of the same size", fork.request(20, 20), inconsistent.clone(), 20),
        ("a fork with its own proof", fork.request(20, 25), inconsistent.clone(), 20),
        (
            "a proof for another size",
            request(20, log.proof(19, 25), log.signed(25).note()),
            inconsistent.clone(),
            20,
        ),
        (
            "63 hashes",
            request(20, vec![Hash::from_bytes([1; 32]); 63], log.signed(25).note()),
            inconsistent,
            20,
        ),
        ("a forged line", request(20, log.proof(20, 25), &resigned(log, 25)), forbidden.clone(), 20),
        ("another log's checkpoint", unknown.request(0, 5), Err(ErrorKind::NotFound), 20),
        ("our log's line under another name", request(20, vec![], &stolen), Err(ErrorKind::NotFound), 20),
        ("a fork past what we saw", log.forked_at(25).request(20, 25), Ok(()), 25),
        ("lines that imitate the witness", with_lines(&log.request(25, 30), &imitations), Ok(()), 30),
        ("its own line, dated ahead", with_lines(&log.request(30, 30), &[replay]), Ok(()), 30),
        ("lines of 97 unknown keys", with_lines(&log.request(30, 30), &strangers), Ok(()), 30),
        ("125 kB of unknown lines", with_lines(&log.request(30, 30), &huge), Ok(()), 30),
        ("an extension line", request(30, log.proof(30, 33), &extended), bad, 30),
        ("the same without it", log.request(30, 33), Ok(()), 33),
        (
            "a checkpoint its log signed twice",
            with_lines(&log.request(33, 35), &[signature(log, 35)]),
            forbidden,
            33,
        ),
        ("the last one", log.request(33, 40), Ok(()), 40),
    ]
}

/// The log's checkpoint under a line of a key that only has its name.
fn resigned(log: &TestLog, size: u64) -> String {
    let text = log.checkpoint(size).text();
    let line = key(ORIGIN, SignatureType::Ed25519, 0x98).sign_note(&text).unwrap();
    format!("{text}\n{line}\n")
}

fn signature(log: &TestLog, size: u64) -> String {
    log.key.sign_note(&log.checkpoint(size).text()).unwrap().to_string()
}

/// A line with the witness's name and key ID that no key made.
trait Rubbish {
    fn sign_of_rubbish(&self) -> String;
}

impl Rubbish for vouchlog_note::SigningKey {
    fn sign_of_rubbish(&self) -> String {
        let other = TestLog::new("log.example.com/other", 3);
        self.cosign(&other.checkpoint(3), START).unwrap().to_string()
    }
}

#[tokio::test]
async fn a_life_of_a_log() {
    let log = TestLog::new(ORIGIN, 40);
    // A key of the log that the fork at 25 has too: histories part where the witness has not been yet.
    let world = World::open(memory(), &[&log]);
    let steps = steps(&log);
    assert!(steps.len() >= 20);
    let mut time = START;
    for (what, request, expected, size) in steps {
        time += 10;
        world.clock.set(time);
        let answer = world.ask(request).await;
        if let Ok(cosigned) = &answer {
            assert_eq!(cosigned.timestamp, time, "{what}");
            assert_eq!(cosigned.head.size.get(), size, "{what}");
        }
        let served = world.latest(&log).await.map(|served| served.head().size.get());
        match served {
            Ok(served) => assert_eq!(served, size, "{what}"),
            Err(error) => assert_eq!((error.kind, size), (ErrorKind::NotFound, 0), "{what}"),
        }
        assert_eq!(answer.map(|_| ()).map_err(|error| error.kind), expected, "{what}");
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_date_a_cosignature_back() {
    let log = TestLog::new(ORIGIN, 40);
    let store = memory();
    let world = World::open(store.clone(), &[&log]);
    for (now, size, timestamp) in [(500, 1, 500), (400, 2, 500), (0, 2, 500), (501, 3, 501), (0, 4, 501)] {
        world.clock.set(now);
        let old = world.latest(&log).await.map_or(0, |latest| latest.head().size.get());
        assert_eq!(world.ask(log.request(old, size)).await.unwrap().timestamp, timestamp, "at {now}");
    }
    let world = World::open(Arc::new(store.reopen()), &[&log]);
    world.clock.set(3);
    assert_eq!(world.ask(log.request(4, 4)).await.unwrap().timestamp, 501, "nor after a restart");
    let other = World::open(memory(), &[&log]);
    other.clock.set(0);
    assert_eq!(other.ask(log.request(0, 1)).await.unwrap().timestamp, 1, "zero would mean no time at all");
}
