//! What is kept of checkpoints that contradict what was cosigned: enough to convince a stranger, and no more than its share.

use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, SignatureType, SignedCheckpoint};
use vouchlog_witness::{RefusalReason, limits};

use crate::world::{START, TestLog, World, key, memory, request};

const ORIGIN: &str = "log.example.com/a";

#[tokio::test]
async fn a_fork_is_kept_with_the_checkpoint_it_contradicts() {
    let log = TestLog::new(ORIGIN, 20);
    let world = World::open(memory(), &[&log]);
    world.ask(log.request(0, 8)).await.unwrap();
    // A stranger's line comes along, and is not kept.
    let fork = log.forked_at(3).request(8, 8);
    let stranger = key("stranger.example.com", SignatureType::Ed25519, 1).sign_note("text\n").unwrap();
    let sent = AddCheckpoint::parse(format!("{fork}{stranger}\n").as_bytes()).unwrap();
    world.clock.set(START + 7);
    for _ in 0..3 {
        world.ask(sent.clone()).await.unwrap_err();
    }
    world.witness.stop().await;
    let refusals = world.refusals.lock();
    let [refusal] = &refusals[..] else { panic!("{refusals:?}: one, however often it was sent") };
    assert_eq!((&refusal.origin, refusal.reason), (&log.origin, RefusalReason::OtherRoot));
    assert_eq!(refusal.refused_at.get(), START + 7);
    // A stranger with the log's vkey sees two heads of one size, both signed.
    let open =
        |note: &[u8]| SignedCheckpoint::open(note, &log.origin, log.key.verifying_key()).unwrap().head();
    let kept = AddCheckpoint::parse(refusal.request.as_bytes()).unwrap();
    assert_eq!(kept.to_text(), fork.to_text());
    let (ours, theirs) =
        (open(refusal.latest.as_ref().unwrap().as_bytes()), open(kept.note().as_str().as_bytes()));
    assert_eq!(ours.size, theirs.size);
    assert_ne!(ours.root, theirs.root);
}

#[tokio::test]
async fn what_contradicts_a_checkpoint_of_the_same_moment_is_kept_with_that() {
    let log = TestLog::new(ORIGIN, 20);
    let world = World::open(memory(), &[&log]);
    // Sent at once, so that they are likely judged in one batch; whether they are or not, the evidence holds.
    let (fork, honest) = (log.forked_at(0), &log);
    let outcomes = tokio::join!(
        world.witness_add(honest.request(0, 5)),
        world.witness_add(honest.request(5, 9)),
        world.witness_add(fork.request(9, 9)),
        world.witness_add(fork.request(5, 5)),
    );
    assert!(outcomes.0.is_ok());
    world.witness.stop().await;
    for refusal in world.refusals.lock().iter() {
        let latest = refusal.latest.as_ref().unwrap();
        let open =
            |note: &[u8]| SignedCheckpoint::open(note, &log.origin, log.key.verifying_key()).unwrap().head();
        let kept = AddCheckpoint::parse(refusal.request.as_bytes()).unwrap();
        let (ours, theirs) = (open(latest.as_bytes()), open(kept.note().as_str().as_bytes()));
        assert_eq!(ours.size, theirs.size, "{refusal:?}");
        assert_ne!(ours.root, theirs.root);
    }
}

#[tokio::test]
async fn every_reason_is_told_and_what_is_no_contradiction_is_not_kept() {
    let log = TestLog::new(ORIGIN, 20);
    let world = World::open(memory(), &[&log]);
    let empty = log.sign_text(&format!("{ORIGIN}\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"));
    world.ask(request(0, vec![], &empty)).await.unwrap_err();
    world.ask(log.request(0, 8)).await.unwrap();
    world.ask(log.request(0, 8)).await.unwrap_err();
    world.ask(request(8, vec![], log.signed(9).note())).await.unwrap_err();
    world.ask(request(9, vec![], log.signed(8).note())).await.unwrap_err();
    world.ask(TestLog::new("log.example.com/b", 8).request(8, 8)).await.unwrap_err();
    world.ask(log.forked_at(1).request(8, 8)).await.unwrap_err();
    world.witness.stop().await;
    let reasons: Vec<_> =
        world.refusals.lock().iter().map(|refusal| (refusal.reason, refusal.latest.is_some())).collect();
    let expected = [
        (RefusalReason::EmptyTreeRoot, false),
        (RefusalReason::Unproven, true),
        (RefusalReason::OtherRoot, true),
    ];
    assert_eq!(reasons, expected);
}

#[tokio::test]
async fn a_log_has_its_share_and_no_more() {
    let log = TestLog::new(ORIGIN, 60);
    let world = World::open(memory(), &[&log]);
    world.ask(log.request(0, 8)).await.unwrap();
    for size in 9..60 {
        let proof = vec![Hash::from_bytes([9; 32])];
        world.ask(request(8, proof, log.signed(size).note())).await.unwrap_err();
    }
    for fork in 0..8 {
        for again in 0..3 {
            let fork = log.forked_at(fork).forked_at(again);
            world.ask(fork.request(8, 8)).await.unwrap_err();
        }
    }
    world.witness.stop().await;
    let refusals = world.refusals.lock();
    let proven = refusals.iter().filter(|refusal| refusal.reason.is_proof()).count();
    assert_eq!(proven, limits::MAX_PROVEN_REFUSALS_PER_LOG);
    assert_eq!(refusals.len() - proven, limits::MAX_UNPROVEN_REFUSALS_PER_LOG);
}
