//! Completeness proofs: built from a log, checked without it, and worth nothing once a statement is missing.

use vouchlog_auditor::{
    CompleteStream, CompletenessError, CompletenessProof, LogIdentity, Streams, prove_complete,
    verify_completeness,
};
use vouchlog_merkle::TreeSize;
use vouchlog_note::SignatureType;
use vouchlog_stream::StreamId;

use crate::support::*;

async fn prove(entries: &[Vec<u8>], streams: Streams, from: u64, to: Option<u64>) -> CompletenessProof {
    let reader = Server::from(Objects::of(entries));
    let proof = prove_complete(reader, &config(), streams, TreeSize::new(from), to.map(TreeSize::new)).await;
    let proof = proof.unwrap();
    assert_eq!(CompletenessProof::from_json(proof.to_json().as_bytes()).unwrap(), proof);
    proof
}

fn one(index: u64) -> Streams {
    Streams::One(StreamId::new(index).unwrap())
}

#[tokio::test]
async fn every_stream_of_an_honest_log_is_complete() {
    let entries = honest_log();
    let proof = prove(&entries, Streams::All, 0, None).await;
    let shown = verify_completeness(&proof, &identity()).unwrap();
    assert_eq!(shown.cosigned_by, ["w1", "w2"]);
    let summary = |stream: &CompleteStream| (stream.first, stream.signed, stream.pending, stream.closed);
    let streams: Vec<_> = shown.streams.iter().map(summary).collect();
    assert_eq!(
        streams,
        [(0, 2_000, 0, false), (0, 1_100, 0, true), (0, 1_100, 0, false), (0, 900, 0, false)]
    );
    assert_eq!(shown.streams[3].continues, Some((6, 1_100)));
    let losses: usize = shown.streams.iter().map(|stream| stream.declared_losses.len()).sum();
    assert_eq!(losses, 5_100 / 97);
}

#[tokio::test]
async fn a_part_of_a_stream_begins_at_its_last_signed_head() {
    let entries = honest_log();
    for (from, to) in [(0, 700), (1_000, 2_000), (1_000, 1_001), (2_500, 5_160), (2, 3)] {
        let proof = prove(&entries, one(2), from, Some(to)).await;
        let shown = verify_completeness(&proof, &identity()).unwrap();
        let stream = &shown.streams[0];
        assert_eq!(stream.stream, 2);
        assert!(stream.first <= stream.signed, "{stream:?}");
        let held: usize = proof.streams[0].entries.iter().map(|run| run.entries.len()).sum();
        assert_eq!(held as u64, stream.signed - stream.first + stream.pending + stream.heads);
    }
}

#[tokio::test]
async fn only_streams_of_that_part_are_in_a_proof_of_all() {
    let entries = honest_log();
    let proof = prove(&entries, Streams::All, 4_000, None).await;
    let shown = verify_completeness(&proof, &identity()).unwrap();
    let streams: Vec<_> = shown.streams.iter().map(|stream| stream.stream).collect();
    assert_eq!(streams.len(), 2, "{streams:?}");
}

#[tokio::test]
async fn a_log_that_left_something_out_gets_no_proof() {
    let (gap, _) = log_with(|log| {
        log.state(0);
        None
    });
    let reader = Server::from(Objects::of(&gap));
    let refused = prove_complete(reader, &config(), one(2), TreeSize::new(0), None).await;
    assert!(matches!(refused, Err(CompletenessError::NotComplete { stream: 2, .. })), "{refused:?}");
    let reader = Server::from(Objects::of(&gap));
    let others = prove_complete(reader, &config(), one(4), TreeSize::new(0), None).await;
    assert!(others.is_ok(), "{others:?}");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let reader = Server::from(Objects::of(&honest_log()));
    let ask = |streams, from, to: Option<u64>| {
        let (reader, to) = (reader.clone(), to.map(TreeSize::new));
        async move { prove_complete(reader, &config(), streams, TreeSize::new(from), to).await.unwrap_err() }
    };
    assert_eq!(ask(one(3), 0, None).await, CompletenessError::UnknownStream(3));
    assert!(matches!(ask(one(2), 9, Some(8)).await, CompletenessError::Sizes { .. }));
    assert!(matches!(ask(one(2), 0, Some(1 << 40)).await, CompletenessError::Sizes { .. }));
}

#[tokio::test]
async fn a_proof_with_something_changed_is_worth_nothing() {
    let entries = honest_log();
    let proof = prove(&entries, one(2), 1_000, Some(2_000)).await;
    assert!(verify_completeness(&proof, &identity()).is_ok());
    let check = |what: &str, change: &dyn Fn(&mut CompletenessProof)| {
        let mut changed = proof.clone();
        change(&mut changed);
        let refused = verify_completeness(&changed, &identity());
        assert!(refused.is_err(), "{what}: {refused:?}");
    };
    check("a statement altered", &|proof| proof.streams[0].entries[0].entries[3][30] ^= 1);
    check("a statement removed", &|proof| drop(proof.streams[0].entries[0].entries.remove(3)));
    check("a run removed", &|proof| drop(proof.streams[0].entries.remove(0)));
    check("a run twice", &|proof| {
        let run = proof.streams[0].entries[0].clone();
        proof.streams[0].entries.insert(1, run);
    });
    check("runs exchanged", &|proof| proof.streams[0].entries.swap(0, 1));
    check("another range", &|proof| {
        let base = proof.streams[0].base.as_mut().unwrap();
        base.range[0] = vouchlog_merkle::leaf_hash(b"another");
    });
    check("no base", &|proof| proof.streams[0].base = None);
    check("another opening", &|proof| proof.streams[0].opening.first += 2);
    check("no enrolment", &|proof| proof.streams[0].enrolment = proof.streams[0].opening.clone());
    check("no genesis", &|proof| proof.genesis = proof.streams[0].opening.clone());
    check("a stream twice", &|proof| {
        let stream = proof.streams[0].clone();
        proof.streams.push(stream);
    });
    check("beyond its part", &|proof| proof.to = 1_500);
    check("beyond the log", &|proof| proof.to = 1 << 40);
    check("another checkpoint", &|proof| {
        proof.checkpoint = checkpoint(head_of(&honest_log()[..3_000]), &[1], 1);
    });
    check("no quorum", &|proof| proof.checkpoint = checkpoint(head_of(&honest_log()), &[], 1));
    let other = key(ORIGIN, SignatureType::Ed25519, 9).verifying_key().clone();
    let stranger = LogIdentity { keys: vec![other], ..identity() };
    assert!(matches!(verify_completeness(&proof, &stranger), Err(CompletenessError::Checkpoint(_))));
}
