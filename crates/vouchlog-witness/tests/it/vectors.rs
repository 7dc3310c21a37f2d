//! The computed vectors: requests made with another implementation, sent to a witness with the vectors' own keys.

use std::path::PathBuf;

use vouchlog_api::{ErrorKind, Witness as _};
use vouchlog_note::{
    AddCheckpoint, KeyName, Origin, SignSubtree, SignatureType, SignedSubtree, SigningKey, VerifyingKey,
};
use vouchlog_storage::MemoryWitnessStore;
use vouchlog_witness::{KnownLog, Rate};

use crate::world::{START, World, memory};

fn text(path: &str) -> String {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/computed/e2e")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A key of the vectors, whose seeds are 32 consecutive bytes; its vkey stands in `params.json`.
fn witness_key(kind: SignatureType, first: u8) -> SigningKey {
    let seed = std::array::from_fn(|at| first + u8::try_from(at).unwrap());
    let key = SigningKey::generate(KeyName::new("witness.example.com/w1").unwrap(), kind, seed).unwrap();
    assert!(text("params.json").contains(&format!("\"{}\"", key.verifying_key())), "the vectors' own key");
    key
}

fn vectors_world() -> World<std::sync::Arc<MemoryWitnessStore>> {
    let params = text("params.json");
    let vkey = params.split('"').find(|value| value.starts_with("log.example.com/ai-digests+")).unwrap();
    let vkey: VerifyingKey = vkey.parse().unwrap();
    let log = KnownLog::new(Origin::new("log.example.com/ai-digests").unwrap(), vec![vkey], Rate::UNLIMITED);
    let keys =
        vec![witness_key(SignatureType::CosignatureEd25519, 0x20), witness_key(SignatureType::MlDsa44, 0x40)];
    let world = World::with(memory(), keys, [log.unwrap()]);
    world.clock.set(START);
    world
}

fn add_checkpoint(name: &str) -> AddCheckpoint {
    AddCheckpoint::parse(text(&format!("add-checkpoint/{name}.request")).as_bytes()).unwrap()
}

#[tokio::test]
async fn add_checkpoint_answers_as_the_vectors_do() {
    let world = vectors_world();
    assert_eq!(world.ask(add_checkpoint("0-to-256")).await.unwrap().head.size.get(), 256);
    // Sent again, as by a log that missed the answer.
    let conflict = world.ask(add_checkpoint("0-to-256")).await.unwrap_err();
    let ErrorKind::Conflict { size } = conflict.kind else { panic!("{conflict:?}") };
    assert_eq!(format!("{size}\n"), text("add-checkpoint/409.body"));

    let grown = world.ask(add_checkpoint("256-to-300")).await.unwrap();
    // Ed25519 is deterministic: with the vectors' key and time, the line is theirs. The ML-DSA-44 line is verified by `ask`.
    let ed25519 = |lines: &str| lines.lines().next().map(str::to_owned);
    assert_eq!(ed25519(&grown.lines), ed25519(&text("add-checkpoint/256-to-300.response-example")));

    world.clock.set(START + 60);
    let refreshed = world.ask(add_checkpoint("300-to-300-refresh")).await.unwrap();
    assert_eq!((refreshed.head, refreshed.timestamp), (grown.head, START + 60));
    assert!(world.refusals.lock().is_empty());
}

#[tokio::test]
async fn sign_subtree_answers_as_the_vectors_do() {
    let world = vectors_world();
    let request = text("sign-subtree/256-300-of-300.request");
    let request = SignSubtree::parse(request.as_bytes()).unwrap();
    let origin = Origin::new("log.example.com/ai-digests").unwrap();
    let key = witness_key(SignatureType::MlDsa44, 0x40);
    let answer = world.witness.sign_subtree(request.clone()).await.unwrap();
    for lines in [answer, text("sign-subtree/256-300-of-300.response-example")] {
        let signed =
            SignedSubtree::open(&lines, &origin, request.subtree(), request.hash(), [key.verifying_key()]);
        assert_eq!(signed.unwrap().signatures().len(), 1);
        assert_eq!(lines.lines().count(), 1);
    }
}
