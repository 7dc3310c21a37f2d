//! What the store keeps of streams and gateways: damaged bytes are refused or read back as they are.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_fuzz::{damage, key};
use vouchlog_merkle::{CompactRange, LeafIndex, TreeHead, leaf_hash};
use vouchlog_note::{Checkpoint, CosignedCheckpoint, Origin, SignatureType};
use vouchlog_stream::{GatewayState, LoggedAt, Revoked, StreamId, StreamState};

/// A stream with two runs, and a gateway that was revoked.
static RIGHT: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let gateway = key("gateway.example", SignatureType::Ed25519, 1).verifying_key().clone();
    let stream_key = key("gateway.example", SignatureType::CosignatureEd25519, 2);
    let now = LoggedAt::from_millis(1_767_225_600_000).expect("a time of this century");
    let id = StreamId::new(2).expect("small");
    let mut stream = StreamState::new(id, gateway.clone(), stream_key.verifying_key().clone(), None);
    let mut range = CompactRange::new();
    for run in 0..2 {
        let leaves = [leaf_hash(&[run]), leaf_hash(&[run, 1])];
        range.extend(&leaves);
        let head = TreeHead { size: range.size(), root: range.root().expect("it begins at 0") };
        let checkpoint = Checkpoint::new(Origin::new("log.example/stream/2").expect("well-formed"), head);
        let head = CosignedCheckpoint::sign(&checkpoint, &stream_key, 1_767_225_600).expect("it signs");
        stream.admit(2 * u64::from(run), &leaves, &head, LeafIndex::new(3), now).expect("it is in order");
    }
    let revoked = Revoked { index: LeafIndex::new(9), effective: now, reason: "stolen".to_owned() };
    let replaced = Some(LeafIndex::new(11));
    let gateway =
        GatewayState { key: gateway, enrolled: LeafIndex::new(1), revoked: Some(revoked), replaced };
    [stream.to_bytes(), gateway.to_bytes()]
});

fn read(bytes: &[u8]) {
    if let Some(stream) = StreamState::from_bytes(bytes) {
        assert_eq!(StreamState::from_bytes(&stream.to_bytes()), Some(stream.clone()));
        // What an answer to GetStream does with it.
        let _ = (stream.tree_head(), stream.runs().map(|run| run.end()).max());
    }
    if let Some(gateway) = GatewayState::from_bytes(bytes) {
        assert_eq!(GatewayState::from_bytes(&gateway.to_bytes()), Some(gateway));
    }
}

fuzz_target!(|input: &[u8]| {
    read(input);
    let Some((&which, change)) = input.split_first() else { return };
    read(&damage(&RIGHT[usize::from(which % 2)], change));
});
