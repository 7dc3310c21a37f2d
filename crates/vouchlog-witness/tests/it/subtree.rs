//! sign-subtree: every answer of its table.

use vouchlog_api::{ErrorKind, Witness as _};
use vouchlog_merkle::{Hash, Subtree, SubtreeProof};
use vouchlog_note::{SignSubtree, SignedSubtree, UnverifiedNote};

use crate::world::{TestLog, World, ed25519, memory, ml_dsa};

/// A request for the first `end` leaves of a tree of `size`, with lines put under the checkpoint. A subtree that begins at 0 is
/// proved as an older tree is.
fn request(log: &TestLog, end: u64, size: u64, lines: &str) -> SignSubtree {
    let proof = SubtreeProof::from_hashes(log.proof(end, size)).unwrap();
    let note = format!("{}\n{lines}", log.checkpoint(size).text());
    let note = UnverifiedNote::parse(note.as_bytes()).unwrap();
    SignSubtree::new(Subtree::new(0, end).unwrap(), log.head(end).root, proof, note).unwrap()
}

#[tokio::test]
async fn every_answer() {
    let log = TestLog::new("log.example.com/a", 20);
    let world = World::open(memory(), &[&log]);
    let lines = world.ask(log.request(0, 20)).await.unwrap().lines;
    let ask = async |request| world.witness.sign_subtree(request).await.map_err(|error| error.kind);

    // Either cosignature of the witness will do.
    for lines in [&lines, lines.lines().next().map(|line| format!("{line}\n")).as_ref().unwrap()] {
        let good = request(&log, 13, 20, lines);
        let answer = ask(good.clone()).await.unwrap();
        let key = ml_dsa();
        let keys = [key.verifying_key()];
        let signed = SignedSubtree::open(&answer, &log.origin, good.subtree(), good.hash(), keys).unwrap();
        assert_eq!(signed.signatures().len(), 1);
        assert_eq!(ask(good).await, Ok(answer), "asking again changes nothing");
    }
    // 400: it ends outside the tree. Said even of a checkpoint nobody signed.
    let outside = Subtree::new(0, 21).unwrap();
    let proof = SubtreeProof::from_hashes(vec![]).unwrap();
    let note = UnverifiedNote::parse(log.signed(20).note().as_bytes()).unwrap();
    let outside = SignSubtree::new(outside, log.head(20).root, proof, note).unwrap();
    assert_eq!(ask(outside).await, Err(ErrorKind::InvalidArgument));
    // 404: another log, cosigned by the witness or not.
    let other = TestLog::new("log.example.com/other", 20);
    let line = ml_dsa().cosign(&other.checkpoint(20), 1).unwrap();
    assert_eq!(ask(request(&other, 13, 20, &format!("{line}\n"))).await, Err(ErrorKind::NotFound));
    // 403: cosigned by the log alone, for another checkpoint, or twice.
    let of_log = log.key.sign_note(&log.checkpoint(20).text()).unwrap();
    let of_another = ml_dsa().cosign(&log.checkpoint(19), 1).unwrap();
    for wrong in [format!("{of_log}\n"), format!("{of_another}\n"), format!("{lines}{lines}")] {
        assert_eq!(ask(request(&log, 13, 20, &wrong)).await, Err(ErrorKind::PermissionDenied), "{wrong}");
    }
    // 422: another hash, and another proof.
    let good = request(&log, 13, 20, &lines);
    let wrong_hash = SignSubtree::new(
        good.subtree(),
        Hash::from_bytes([1; 32]),
        good.proof().clone(),
        good.note().clone(),
    );
    assert_eq!(ask(wrong_hash.unwrap()).await, Err(ErrorKind::Inconsistent));
    let proof = SubtreeProof::from_hashes(log.proof(12, 20)).unwrap();
    let wrong_proof = SignSubtree::new(good.subtree(), *good.hash(), proof, good.note().clone());
    assert_eq!(ask(wrong_proof.unwrap()).await, Err(ErrorKind::Inconsistent));
}

#[tokio::test]
async fn an_ed25519_key_signs_no_subtrees_and_says_so() {
    let log = TestLog::new("log.example.com/a", 20);
    let world = World::with(memory(), vec![ed25519()], [log.known()]);
    let lines = world.ask(log.request(0, 20)).await.unwrap().lines;
    let error = world.witness.sign_subtree(request(&log, 13, 20, &lines)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FailedPrecondition);
    assert!(error.message.contains("ML-DSA-44"), "{error}");
}
