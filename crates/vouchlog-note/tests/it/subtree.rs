//! Goal: requests to sign a subtree, and their answers, are those an independent implementation wrote, and an answer
//! counts for what was asked only. Method: the computed log, then a table of false answers.

use vouchlog_merkle::{Hash, Subtree, TreeHead, TreeSize};
use vouchlog_note::{
    KeyName, NoteError, Origin, SignSubtree, SignatureType, SignedCheckpoint, SignedSubtree, SigningKey,
};

use crate::vectors::{self, hash, signing_key, text};

const FOLDER: &str = "computed/e2e/sign-subtree";

fn witness() -> SigningKey {
    let params: serde_json::Value = vectors::json("computed/e2e/params.json");
    let witness = &params["witness_mldsa44"];
    let seed = hex::decode(witness["seed_hex"].as_str().unwrap()).unwrap().try_into().unwrap();
    let name = KeyName::new(witness["name"].as_str().unwrap()).unwrap();
    SigningKey::generate(name, SignatureType::MlDsa44, seed).unwrap()
}

fn origin() -> Origin {
    Origin::new("log.example.com/ai-digests").unwrap()
}

fn request() -> SignSubtree {
    SignSubtree::parse(text(&format!("{FOLDER}/256-300-of-300.request")).as_bytes()).unwrap()
}

#[test]
fn a_request_is_read_verified_and_written_byte_for_byte() {
    let original = text(&format!("{FOLDER}/256-300-of-300.request"));
    let parsed = request();
    assert_eq!(parsed.to_text(), original);
    assert_eq!((parsed.subtree().begin(), parsed.subtree().end()), (256, 300));
    let parts = (parsed.subtree(), *parsed.hash(), parsed.proof().clone(), parsed.note().clone());
    assert_eq!(SignSubtree::new(parts.0, parts.1, parts.2, parts.3).unwrap().to_text(), original);

    // What a witness does with it: the checkpoint is one it cosigned, and the subtree a part of its tree.
    let witness = witness();
    let verified = parsed.note().clone().verify([witness.verifying_key()]).unwrap();
    assert_eq!(verified.signatures()[0].timestamp(), Some(1_767_225_600));
    let root = hash("ca393d0296bec5e0b8dcab983bd1fb7d1461f512e7267cb89631ad26fd66d848");
    let head = TreeHead { size: TreeSize::new(300), root };
    parsed.proof().verify(parsed.subtree(), parsed.hash(), &head).unwrap();
    let other = Hash::from_bytes([7; 32]);
    assert!(parsed.proof().verify(parsed.subtree(), &other, &head).is_err());
}

#[test]
fn an_answer_of_another_implementation_verifies_and_so_does_ours() {
    let (request, witness) = (request(), witness());
    let theirs = text(&format!("{FOLDER}/256-300-of-300.response-example"));
    let line = witness.cosign_subtree(&origin(), request.subtree(), request.hash()).unwrap();
    assert_eq!((line.payload().len(), &line.payload()[..8]), (2428, [0; 8].as_slice()));
    for answer in [theirs, format!("{line}\n")] {
        let keys = [witness.verifying_key()];
        let signed =
            SignedSubtree::open(&answer, &origin(), request.subtree(), request.hash(), keys).unwrap();
        assert_eq!((signed.origin(), signed.subtree()), (&origin(), request.subtree()));
        assert_eq!(signed.hash(), request.hash());
        assert_eq!(signed.signatures().len(), 1);
        assert_eq!(signed.signatures()[0].key(), witness.verifying_key());
        assert_eq!(signed.signatures()[0].timestamp(), None);
        assert_eq!(format!("{}\n", signed.signatures()[0].line()), answer);
    }
}

/// The line as a note would hold it, with another payload.
fn with_payload(key: &SigningKey, payload: &[u8]) -> String {
    use base64::Engine;
    let key = key.verifying_key();
    let payload = [key.id().as_bytes(), payload].concat();
    format!("— {} {}\n", key.name(), base64::engine::general_purpose::STANDARD.encode(payload))
}

#[test]
fn an_answer_counts_for_the_subtree_asked_for_only() {
    let (subtree, hash) = (Subtree::new(0, 8).unwrap(), Hash::from_bytes([7; 32]));
    let witness = witness();
    let line = witness.cosign_subtree(&origin(), subtree, &hash).unwrap();
    let answer = format!("{line}\n");
    let keys = [witness.verifying_key()];
    let open = |answer: &str| SignedSubtree::open(answer, &origin(), subtree, &hash, keys);
    assert!(open(&answer).is_ok());

    // With the zero timestamp, as today, or without, as is to come; never with another one.
    let signature = &line.payload()[8..];
    assert!(open(&with_payload(&witness, signature)).is_ok());
    let timed = [&1u64.to_be_bytes(), signature].concat();
    for payload in [timed.as_slice(), &signature[1..], &[0; 8], &[line.payload(), &[0]].concat()] {
        let refused = open(&with_payload(&witness, payload));
        assert!(matches!(refused, Err(NoteError::InvalidSignature { .. })), "{} bytes", payload.len());
    }
    let other_origin = Origin::new("log.example.com/other").unwrap();
    let (other_subtree, other_hash) = (Subtree::new(8, 16).unwrap(), Hash::from_bytes([8; 32]));
    for refused in [
        SignedSubtree::open(&answer, &other_origin, subtree, &hash, keys),
        SignedSubtree::open(&answer, &origin(), other_subtree, &hash, keys),
        SignedSubtree::open(&answer, &origin(), subtree, &other_hash, keys),
    ] {
        assert!(matches!(refused, Err(NoteError::InvalidSignature { .. })));
    }

    // A cosignature of a checkpoint says more, and is not what was asked for.
    let checkpoint =
        vouchlog_note::Checkpoint::new(origin(), TreeHead { size: TreeSize::new(8), root: hash });
    let cosigned = format!("{}\n", witness.cosign(&checkpoint, 10).unwrap());
    assert!(matches!(open(&cosigned), Err(NoteError::InvalidSignature { .. })));
}

#[test]
fn lines_of_others_are_dropped_and_keys_of_other_types_refused() {
    let (subtree, hash) = (Subtree::new(0, 8).unwrap(), Hash::from_bytes([7; 32]));
    let (witness, stranger) = (witness(), signing_key("stranger.example", SignatureType::MlDsa44, 9));
    let by = |key: &SigningKey| format!("{}\n", key.cosign_subtree(&origin(), subtree, &hash).unwrap());
    let open = |answer: &str, key: &SigningKey| {
        SignedSubtree::open(answer, &origin(), subtree, &hash, [key.verifying_key()])
    };
    let both = by(&stranger) + &by(&witness);
    assert_eq!(open(&both, &witness).unwrap(), open(&by(&witness), &witness).unwrap());
    assert!(matches!(open(&by(&stranger), &witness), Err(NoteError::NoKnownSignature { .. })));
    let twice = by(&witness).repeat(2);
    assert!(matches!(open(&twice, &witness), Err(NoteError::RepeatedSignature { .. })));
    for answer in ["", "\n", "not a line\n"] {
        assert!(open(answer, &witness).is_err(), "{answer:?}");
    }
    for signature_type in [SignatureType::Ed25519, SignatureType::CosignatureEd25519] {
        let key = signing_key("witness.example.com/w1", signature_type, 9);
        let refused = key.cosign_subtree(&origin(), subtree, &hash);
        assert!(matches!(refused, Err(NoteError::WrongKeyType { .. })));
        assert!(matches!(open(&by(&witness), &key), Err(NoteError::WrongKeyType { .. })));
    }
}

#[test]
fn a_signed_tree_is_no_signed_checkpoint() {
    // The message is the same as of a cosignature at time 0, which claims nothing about time; only a key that is
    // called as the log makes it the log's own.
    let (witness, hash) = (witness(), Hash::from_bytes([7; 32]));
    let line = witness.cosign_subtree(&origin(), Subtree::new(0, 8).unwrap(), &hash).unwrap();
    let checkpoint =
        vouchlog_note::Checkpoint::new(origin(), TreeHead { size: TreeSize::new(8), root: hash });
    assert_eq!(line, witness.cosign(&checkpoint, 0).unwrap());
    let note = vouchlog_note::UnverifiedNote::from_parts(&checkpoint.text(), vec![line]).unwrap();
    assert!(SignedCheckpoint::open(note.as_str().as_bytes(), &origin(), witness.verifying_key()).is_err());
}
