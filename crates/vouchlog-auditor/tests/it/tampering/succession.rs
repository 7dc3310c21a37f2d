//! Logs that go on after their end, and logs that continue what they must not.

use vouchlog_api::proof;
use vouchlog_auditor::{AuditError, audit};
use vouchlog_merkle::{InclusionProof, LeafIndex, node_hash};
use vouchlog_note::{Checkpoint, Origin, SignedCheckpoint, SigningKey, UnverifiedNote};
use vouchlog_stream::{Continuation, Retirement, RetirementCause, RetirementProof};

use super::entries::check_proven;
use super::*;

fn successor() -> SigningKey {
    key("log.example.com/next", SignatureType::Ed25519, 7)
}

fn retirement() -> Retirement {
    let (log, successor) = (log_key().verifying_key().clone(), successor().verifying_key().clone());
    Retirement { log, successor, cause: RetirementCause::Planned, words: "yearly".to_owned() }
}

fn retire(log: &mut Builder) -> u64 {
    let note = retirement().sign(&log_key(), &successor()).unwrap();
    log.push(&Entry::LogRetired { logged_at: log.time(), note })
}

/// A log with a stream, which has ended.
fn ended_log() -> Builder {
    let mut log = Builder::new();
    log.enrol(10);
    log.open(10, 30, None);
    log.round(&[0], 300);
    retire(&mut log);
    log
}

/// The proof that a log of these entries has ended, under a checkpoint that its witnesses cosigned.
async fn end_of(entries: &[Vec<u8>]) -> RetirementProof {
    let objects = Objects::of(entries);
    let (note, head) = (objects.checkpoint.clone().unwrap(), head_of(entries));
    let last = LeafIndex::new(entries.len() as u64 - 1);
    let inclusion = proof::inclusion(&Server::from(objects), last, head.size).await.unwrap();
    RetirementProof::new(entries.last().unwrap(), inclusion, note.as_bytes()).unwrap()
}

async fn knowing_the_end(entries: &[Vec<u8>]) -> Config {
    Config { end: Some(end_of(entries).await), ..config() }
}

#[tokio::test]
async fn a_log_that_ended_is_clean_and_says_so() {
    let log = ended_log();
    for config in [config(), knowing_the_end(&log.entries).await] {
        let report = run(Objects::of(&log.entries), &config, None).await.report;
        assert!(report.is_clean(), "{report}");
        let retired = report.retired.as_ref().unwrap();
        assert_eq!((retired.index, retired.cause), (log.next() - 1, "planned"));
        assert_eq!(retired.successor, successor().verifying_key().to_string());
        assert!(report.to_string().contains("retired by entry"), "{report}");
    }
}

#[tokio::test]
async fn an_entry_after_the_retirement() {
    check_proven(Kind::EntryAfterRetirement, None, |log| {
        retire(log);
        log.enrol(90)
    })
    .await;
    // A second end is an entry like any other.
    check_proven(Kind::EntryAfterRetirement, None, |log| {
        retire(log);
        retire(log)
    })
    .await;
}

#[tokio::test]
async fn an_entry_after_the_retirement_that_an_earlier_audit_saw() {
    let mut log = ended_log();
    let state = state_of(&log.entries).await;
    let state = AuditState::from_json(state.to_json().as_bytes(), &identity()).unwrap();
    let place = at_entry(log.enrol(90));
    check_with(
        Objects::of(&log.entries),
        &config(),
        Some(state),
        Kind::EntryAfterRetirement,
        place,
        Proves::Misconduct,
    )
    .await;
}

/// The thief of the log's key goes on where the log ended, or from another history.
#[tokio::test]
async fn a_head_after_the_retirement() {
    let log = ended_log();
    let config = knowing_the_end(&log.entries).await;
    let mut longer = log.clone();
    longer.enrol(90);
    let mut forked = longer.clone();
    forked.entries[7][30] ^= 1;
    for thief in [longer, forked] {
        let place = at_checkpoint(thief.next());
        let objects = Objects::of(&thief.entries);
        check_with(objects, &config, None, Kind::HeadAfterRetirement, place, Proves::Misconduct).await;
    }
}

/// The log is as it was, and somebody shows a head beyond its end.
#[tokio::test]
async fn a_head_after_the_retirement_that_others_have_seen() {
    let log = ended_log();
    let mut thief = log.clone();
    thief.enrol(90);
    let mut config = knowing_the_end(&log.entries).await;
    config.witnessed = vec![checkpoint(head_of(&thief.entries), &[], BEGIN / 1000)];
    let place = at_checkpoint(thief.next());
    let objects = Objects::of(&log.entries);
    check_with(objects, &config, None, Kind::HeadAfterRetirement, place, Proves::Misconduct).await;
}

#[tokio::test]
async fn another_tree_of_the_final_size_and_a_smaller_one() {
    let log = ended_log();
    let config = knowing_the_end(&log.entries).await;
    let mut forked = log.entries.clone();
    forked[7][30] ^= 1;
    let place = at_checkpoint(log.next());
    check_with(Objects::of(&forked), &config, None, Kind::SplitView, place, Proves::Misconduct).await;
    let before = &log.entries[..log.entries.len() - 1];
    let place = at_checkpoint(before.len() as u64);
    check_with(Objects::of(before), &config, None, Kind::StaleCheckpoint, place, Proves::Observation).await;
}

#[tokio::test]
async fn the_end_of_another_log_is_refused() {
    let log = ended_log();
    let mut config = knowing_the_end(&log.entries).await;
    config.log.keys = vec![key(ORIGIN, SignatureType::Ed25519, 99).verifying_key().clone()];
    let refused = audit(Server::from(Objects::of(&log.entries)), &config, None, |_| {}).await;
    assert!(matches!(refused, Err(AuditError::OtherEnd(_))));
}

#[tokio::test]
async fn a_retirement_that_one_key_signed() {
    for signer in [log_key(), successor()] {
        check_proven(Kind::BadSuccession, None, |log| {
            let note = retirement().sign(&log_key(), &successor()).unwrap();
            let text = UnverifiedNote::parse(note.as_bytes()).unwrap().unverified_text().to_owned();
            let line = signer.sign_note(&text).unwrap();
            let note = UnverifiedNote::from_parts(&text, vec![line]).unwrap().as_str().to_owned();
            log.push(&Entry::LogRetired { logged_at: log.time(), note })
        })
        .await;
    }
    // One of another log.
    check_proven(Kind::BadSuccession, None, |log| {
        let other = key("log.example.com/other", SignatureType::Ed25519, 8);
        let of_other = Retirement { log: other.verifying_key().clone(), ..retirement() };
        let note = of_other.sign(&other, &successor()).unwrap();
        log.push(&Entry::LogRetired { logged_at: log.time(), note })
    })
    .await;
}

/// The end of a log of one entry more, which names `successor`.
fn predecessor_of(successor: &SigningKey) -> RetirementProof {
    let before = key("log.example.com/before", SignatureType::Ed25519, 8);
    let (log, vkey) = (before.verifying_key().clone(), successor.verifying_key().clone());
    let retirement = Retirement { log, successor: vkey, ..retirement() };
    let note = retirement.sign(&before, successor).unwrap();
    let entry = Entry::LogRetired { logged_at: vouchlog_stream::LoggedAt::default(), note }.encode();
    let first = leaf_hash(b"genesis");
    let root = node_hash(&first, &leaf_hash(&entry));
    let head = TreeHead { size: TreeSize::new(2), root };
    let checkpoint = Checkpoint::new(Origin::new("log.example.com/before").unwrap(), head);
    let signed = SignedCheckpoint::sign(&checkpoint, &before).unwrap();
    let inclusion = InclusionProof::from_hashes(vec![first]).unwrap();
    RetirementProof::new(&entry, inclusion, signed.note().as_bytes()).unwrap()
}

fn continuation() -> String {
    Continuation::new(predecessor_of(&log_key())).sign(&log_key()).unwrap()
}

#[tokio::test]
async fn a_log_that_continues_another_is_clean_and_names_it() {
    let mut log = Builder::new();
    log.push(&Entry::LogContinued { logged_at: log.time(), note: continuation() });
    log.enrol(10);
    let audited = run(Objects::of(&log.entries), &config(), None).await;
    assert!(audited.report.is_clean(), "{}", audited.report);
    // The next audit, which does not read that entry again, says the same.
    let state = AuditState::from_json(audited.state.unwrap().to_json().as_bytes(), &identity()).unwrap();
    log.enrol(11);
    let next = run(Objects::of(&log.entries), &config(), Some(state)).await.report;
    assert!(next.is_clean(), "{next}");
    for (report, gateways) in [(audited.report, 1), (next, 2)] {
        let named = report.continues.as_ref().unwrap();
        assert!(named.vkey.starts_with("log.example.com/before+"), "{}", named.vkey);
        assert_eq!((named.size, named.end.clone()), (2, predecessor_of(&log_key()).to_text()));
        assert_eq!(report.gateways.iter().filter(|gateway| gateway.in_force).count(), gateways);
    }
}

#[tokio::test]
async fn a_continuation_in_another_place_or_of_another_log() {
    check_proven(Kind::BadSuccession, None, |log| {
        log.push(&Entry::LogContinued { logged_at: log.time(), note: continuation() })
    })
    .await;
    // The predecessor names another log as its successor.
    let mut log = Builder::new();
    let note = Continuation::new(predecessor_of(&successor())).sign(&successor()).unwrap();
    let place = at_entry(log.push(&Entry::LogContinued { logged_at: log.time(), note }));
    check(Objects::of(&log.entries), Kind::BadSuccession, place, Proves::Misconduct).await;
}
