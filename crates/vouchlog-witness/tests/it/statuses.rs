//! The table of tlog-witness, row by row and in its order. Goal: every answer, and of two faults the earlier one.

use vouchlog_api::{Error, ErrorKind, Witness as _};
use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, SignatureType};
use vouchlog_witness::{KnownLog, Rate};

use crate::world::{TestLog, World, ed25519, key, memory, ml_dsa, request};

const ORIGIN: &str = "log.example.com/a";

/// Sends a request to a witness whose latest checkpoint of the log has size 8.
async fn answer(request: AddCheckpoint) -> Result<u64, ErrorKind> {
    let log = TestLog::new(ORIGIN, 20);
    let world = World::open(memory(), &[&log]);
    world.ask(log.request(0, 8)).await.unwrap();
    let before = world.witness.latest_checkpoint(log.origin_hash()).await.unwrap();
    let answer = world.ask(request).await;
    let after = world.latest(&log).await.unwrap().head();
    match &answer {
        Ok(cosigned) => assert_eq!(after, cosigned.head, "what was cosigned is what is served"),
        Err(_) => {
            let served = world.witness.latest_checkpoint(log.origin_hash()).await.unwrap();
            assert_eq!(served, before, "a refusal changes nothing");
        }
    }
    answer.map(|cosigned| cosigned.head.size.get()).map_err(|error| error.kind)
}

const BAD_REQUEST: Result<u64, ErrorKind> = Err(ErrorKind::InvalidArgument);
const FORBIDDEN: Result<u64, ErrorKind> = Err(ErrorKind::PermissionDenied);
const INCONSISTENT: Result<u64, ErrorKind> = Err(ErrorKind::Inconsistent);
const CONFLICT: Result<u64, ErrorKind> = Err(ErrorKind::Conflict { size: 8 });

/// An empty tree with a root of its own, signed by the log.
fn false_empty(log: &TestLog) -> String {
    log.sign_text(&format!("{ORIGIN}\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"))
}

#[tokio::test]
async fn row_ok_a_checkpoint_that_extends_the_last_one_is_cosigned() {
    let log = TestLog::new(ORIGIN, 20);
    for size in 8..=20 {
        assert_eq!(answer(log.request(8, size)).await, Ok(size));
    }
}

#[tokio::test]
async fn row_0_what_is_no_checkpoint_is_a_bad_request() {
    let log = TestLog::new(ORIGIN, 20);
    for text in [
        format!("{ORIGIN}\n9\n"),
        format!("{ORIGIN}\n09\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
        format!("{ORIGIN}\n9\nAAAA\n"),
        format!("{ORIGIN}\n9223372036854775808\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
        format!("{ORIGIN}\n9\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n"),
        "\n9\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".to_owned(),
    ] {
        assert_eq!(answer(request(8, vec![], &log.sign_text(&text))).await, BAD_REQUEST, "{text}");
    }
}

#[tokio::test]
async fn extension_lines_are_a_bad_request_once_the_log_signed_them() {
    let log = TestLog::new(ORIGIN, 20);
    let text = format!("{}an extension\n", log.checkpoint(9).text());
    let note = log.sign_text(&text);
    assert_eq!(answer(request(8, log.proof(8, 9), &note)).await, BAD_REQUEST);
    let other = TestLog::new("log.example.com/other", 0);
    let note = other.sign_text(&text);
    assert_eq!(answer(request(8, log.proof(8, 9), &note)).await, FORBIDDEN);
}

#[tokio::test]
async fn row_1_an_unknown_log_is_not_found() {
    let other = TestLog::new("log.example.com/other", 9);
    // Also before its signature is looked at, and before the sizes are.
    for (old, note) in
        [(0, other.signed(9).note().to_owned()), (99, other.sign_text(&other.checkpoint(9).text()))]
    {
        assert_eq!(answer(request(old, vec![], &note)).await, Err(ErrorKind::NotFound));
    }
    // A name that differs by a space is another log, with the log's key too.
    let text = TestLog::new(ORIGIN, 20).checkpoint(9).text().replacen('\n', " \n", 1);
    let note = TestLog::new(ORIGIN, 20).sign_text(&text);
    assert_eq!(answer(request(8, vec![], &note)).await, Err(ErrorKind::NotFound));
}

#[tokio::test]
async fn row_2_a_checkpoint_the_log_did_not_sign_is_forbidden() {
    let log = TestLog::new(ORIGIN, 20);
    let text = log.checkpoint(9).text();
    let line = log.key.sign_note(&text).unwrap();
    let stranger = key(ORIGIN, SignatureType::Ed25519, 0x99).sign_note(&text).unwrap();
    let of_another_text = log.key.sign_note(&log.checkpoint(10).text()).unwrap();
    let notes = [
        format!("{text}\n{stranger}\n"),
        format!("{text}\n{of_another_text}\n"),
        // A second line of the log's key, whether it verifies or not: which of them was meant?
        format!("{text}\n{line}\n{of_another_text}\n"),
        format!("{text}\n{line}\n{line}\n"),
        // Only the witness's own line, imitated and real.
        format!("{text}\n{}\n", ed25519().cosign(&log.checkpoint(9), 5).unwrap()),
    ];
    for note in notes {
        assert_eq!(answer(request(8, log.proof(8, 9), &note)).await, FORBIDDEN, "{note}");
        // Forbidden before anything is said about sizes.
        assert_eq!(answer(request(15, vec![], &note)).await, FORBIDDEN, "{note}");
    }
}

#[tokio::test]
async fn row_2_of_several_keys_one_must_verify_and_none_may_fail() {
    let log = TestLog::new(ORIGIN, 20);
    let (second, dilithium) =
        (key("other.example.com", SignatureType::Ed25519, 0x51), key(ORIGIN, SignatureType::MlDsa44, 0x52));
    let keys = [&log.key, &second, &dilithium].map(|key| key.verifying_key().clone()).to_vec();
    let known = || KnownLog::new(log.origin.clone(), keys.clone(), Rate::UNLIMITED).unwrap();
    let (nine, ten) = (log.checkpoint(9), log.checkpoint(10));
    let line = |key: &vouchlog_note::SigningKey, checkpoint: &vouchlog_note::Checkpoint| match key
        .verifying_key()
        .signature_type()
    {
        SignatureType::MlDsa44 => key.cosign(checkpoint, 77).unwrap(),
        _ => key.sign_note(&checkpoint.text()).unwrap(),
    };
    let all = [&log.key, &second, &dilithium];
    for (place, signer) in all.iter().enumerate() {
        let world = World::with(memory(), vec![ed25519(), ml_dsa()], [known()]);
        let good = format!("{}\n{}\n", nine.text(), line(signer, &nine));
        for other in all.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, key)| key) {
            let one_fails = format!("{good}{}\n", line(other, &ten));
            let error = world.ask(request(0, vec![], &one_fails)).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error}");
            let both_hold = format!("{good}{}\n", line(other, &nine));
            World::with(memory(), vec![ed25519()], [known()])
                .ask(request(0, vec![], &both_hold))
                .await
                .unwrap();
        }
        assert_eq!(world.ask(request(0, vec![], &good)).await.unwrap().head, nine.head());
    }
}

#[tokio::test]
async fn row_3_an_old_size_above_the_new_one_is_a_bad_request() {
    let log = TestLog::new(ORIGIN, 20);
    for (old, new) in [(9, 8), (8, 7), (20, 1), (1 << 62, 20)] {
        assert_eq!(answer(request(old, vec![], log.signed(new).note())).await, BAD_REQUEST);
    }
    assert_eq!(answer(request(1, vec![], &false_empty(&log))).await, BAD_REQUEST);
}

#[tokio::test]
async fn row_4_another_old_size_is_a_conflict_that_names_ours() {
    let log = TestLog::new(ORIGIN, 20);
    for (old, new) in [(0, 8), (0, 9), (7, 8), (7, 9), (9, 9), (9, 20), (0, 0), (0, 7)] {
        assert_eq!(answer(log.request(old, new)).await, CONFLICT, "from {old} to {new}");
    }
    // Before the root of an empty tree, the proof, or the roots are looked at.
    assert_eq!(answer(request(0, vec![], &false_empty(&log))).await, CONFLICT);
    assert_eq!(answer(request(7, vec![Hash::from_bytes([1; 32])], log.signed(9).note())).await, CONFLICT);
    assert_eq!(answer(log.forked_at(0).request(9, 9)).await, CONFLICT);
}

#[tokio::test]
async fn row_5_an_empty_tree_with_a_root_is_inconsistent() {
    let log = TestLog::new(ORIGIN, 0);
    let world = World::open(memory(), &[&log]);
    let kind = |error: Error| error.kind;
    for _ in 0..2 {
        let outcome = world.ask(request(0, vec![], &false_empty(&log))).await.map_err(kind);
        assert_eq!(outcome, Err(ErrorKind::Inconsistent));
        // Whether or not a true one was cosigned before.
        assert_eq!(world.ask(log.request(0, 0)).await.unwrap().head, log.head(0));
    }
}

#[tokio::test]
async fn row_6_a_proof_that_does_not_hold_is_inconsistent() {
    let log = TestLog::new(ORIGIN, 20);
    let note = log.signed(13).note().to_owned();
    let proof = log.proof(8, 13);
    let hash = Hash::from_bytes([1; 32]);
    let mut wrong = vec![vec![], [&proof[..], &[hash]].concat(), proof[..proof.len() - 1].to_vec()];
    for at in 0..proof.len() {
        let mut other = proof.clone();
        other[at] = hash;
        wrong.push(other);
    }
    for proof in wrong {
        assert_eq!(answer(request(8, proof.clone(), &note)).await, INCONSISTENT, "{proof:?}");
    }
    // A refresh brings no proof.
    assert_eq!(answer(request(8, vec![hash], log.signed(8).note())).await, INCONSISTENT);
    // A fork before the old size, with a proof from its own tree.
    assert_eq!(answer(log.forked_at(3).request(8, 13)).await, INCONSISTENT);
    // A fork after it is no fork to us.
    assert_eq!(answer(log.forked_at(8).request(8, 13)).await, Ok(13));
}

#[tokio::test]
async fn row_6_the_first_checkpoint_brings_no_proof() {
    let log = TestLog::new(ORIGIN, 20);
    let world = World::open(memory(), &[&log]);
    let with_proof = request(0, vec![Hash::from_bytes([1; 32])], log.signed(9).note());
    assert_eq!(world.ask(with_proof.clone()).await.unwrap_err().kind, ErrorKind::Inconsistent);
    let conflict = world.ask(log.request(5, 9)).await.unwrap_err();
    assert_eq!(conflict.kind, ErrorKind::Conflict { size: 0 }, "it has cosigned nothing");
    world.ask(log.request(0, 0)).await.unwrap();
    // An empty tree proves nothing either.
    assert_eq!(world.ask(with_proof).await.unwrap_err().kind, ErrorKind::Inconsistent);
    world.ask(log.request(0, 9)).await.unwrap();
}

#[tokio::test]
async fn row_7_another_root_of_one_size_is_inconsistent() {
    let log = TestLog::new(ORIGIN, 20);
    assert_eq!(answer(log.forked_at(7).request(8, 8)).await, INCONSISTENT);
    let fork = log.forked_at(0);
    assert_eq!(
        answer(request(8, vec![Hash::from_bytes([1; 32])], fork.signed(8).note())).await,
        INCONSISTENT
    );
}

#[tokio::test]
async fn what_was_never_cosigned_is_not_found() {
    let log = TestLog::new(ORIGIN, 20);
    let world = World::open(memory(), &[&log]);
    for origin in [log.origin_hash(), Hash::from_bytes([0; 32])] {
        let error = world.witness.latest_checkpoint(origin).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn answers_are_counted_by_outcome() {
    let log = TestLog::new(ORIGIN, 20);
    let world = World::open(memory(), &[&log]);
    world.ask(log.request(0, 8)).await.unwrap();
    world.ask(log.request(0, 8)).await.unwrap_err();
    world.ask(log.forked_at(0).request(8, 8)).await.unwrap_err();
    world.ask(TestLog::new("log.example.com/other", 1).request(0, 1)).await.unwrap_err();
    world.witness.stop().await;
    let metrics = world.metrics();
    for line in [
        "vouchlog_witness_requests_total{outcome=\"cosigned\"} 1",
        "vouchlog_witness_requests_total{outcome=\"conflict\"} 1",
        "vouchlog_witness_requests_total{outcome=\"inconsistent\"} 1",
        "vouchlog_witness_requests_total{outcome=\"unknown_log\"} 1",
        "vouchlog_witness_cosignatures_total 1",
        "vouchlog_witness_refusals_total{reason=\"other-root\"} 1",
        "vouchlog_witness_logs 1",
        "vouchlog_witness_poisoned 0",
        "vouchlog_witness_commit_duration_seconds_count 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no `{line}` in\n{metrics}");
    }
}
