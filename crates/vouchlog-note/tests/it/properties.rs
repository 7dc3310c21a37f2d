//! Goal: what is written reads back as it was, what is read writes back as it was, and no bytes panic a reader.
//! Method: proptest, with random bytes, and with the computed files mutated so that readers get past line one.

use std::sync::LazyLock;

use proptest::prelude::*;
use vouchlog_merkle::{ConsistencyProof, Hash, Subtree, SubtreeProof, TreeHead, TreeSize};
use vouchlog_note::{
    AddCheckpoint, Checkpoint, CosignedCheckpoint, KeyName, LogList, Origin, Policy, ProofFile, SignSubtree,
    SignatureLine, SignatureType, SignedCheckpoint, SignedSubtree, SigningKey, UnverifiedNote, VerifyingKey,
};

use crate::vectors;

fn names() -> impl Strategy<Value = String> {
    "[a-zé][a-z0-9./:@=-]{0,60}"
}

fn keys(signature_type: SignatureType) -> impl Strategy<Value = SigningKey> {
    (names(), any::<[u8; 32]>()).prop_map(move |(name, seed)| {
        SigningKey::generate(KeyName::new(&name).unwrap(), signature_type, seed).unwrap()
    })
}

fn heads() -> impl Strategy<Value = TreeHead> {
    (1..=i64::MAX.unsigned_abs(), any::<[u8; 32]>())
        .prop_map(|(size, root)| TreeHead { size: TreeSize::new(size), root: Hash::from_bytes(root) })
}

/// The witness of the computed files.
static ML_DSA_WITNESS: LazyLock<SigningKey> = LazyLock::new(|| {
    let seed = std::array::from_fn(|place| 0x40 + u8::try_from(place).unwrap());
    let name = KeyName::new("witness.example.com/w1").unwrap();
    SigningKey::generate(name, SignatureType::MlDsa44, seed).unwrap()
});

/// Every reader, on the same bytes; each result that is a value must print as the bytes it was read from.
fn read_everything(bytes: &[u8]) {
    let log = vectors::signing_key("log.example.com/ai-digests", SignatureType::Ed25519, 1);
    let clock = vectors::signing_key("clock.example", SignatureType::CosignatureEd25519, 2);
    let ml_dsa = ML_DSA_WITNESS.verifying_key();
    let origin = Origin::new("log.example.com/ai-digests").unwrap();
    if let Ok(note) = UnverifiedNote::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        let parts = UnverifiedNote::from_parts(note.unverified_text(), note.lines().to_vec());
        assert_eq!(parts.unwrap(), note);
        let _ = note.verify([log.verifying_key(), ml_dsa]);
    }
    let _ = SignedCheckpoint::open(bytes, &origin, log.verifying_key());
    let _ = CosignedCheckpoint::open(bytes, &origin, clock.verifying_key());
    if let Ok(file) = ProofFile::parse(bytes) {
        assert_eq!(file.to_text().as_bytes(), bytes);
    }
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_text().as_bytes(), bytes);
    }
    if let Ok(request) = SignSubtree::parse(bytes) {
        assert_eq!(request.to_text().as_bytes(), bytes);
    }
    if let Ok(list) = LogList::parse(bytes) {
        assert!(list.logs().iter().all(|log| log.requests_per_day() > 0));
    }
    if let Ok(policy) = Policy::parse(bytes) {
        let _ = policy.verify_checkpoint(vectors::text("computed/e2e/checkpoint.300").as_bytes());
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (subtree, hash) = (Subtree::new(256, 300).unwrap(), Hash::from_bytes([7; 32]));
    let _ = SignedSubtree::open(text, &origin, subtree, &hash, [ml_dsa]);
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.text(), text);
    }
    if let Ok(vkey) = text.parse::<VerifyingKey>() {
        assert_eq!(vkey.to_string(), text);
    }
    if let Ok(line) = text.parse::<SignatureLine>() {
        assert_eq!(line.to_string(), text);
    }
    if let Ok(key) = SigningKey::from_key_file(text) {
        assert_eq!(key.to_key_file().unwrap().trim_end(), text.trim_end_matches('\n'));
    }
}

const FILES: [&str; 10] = [
    "transparency-dev__witness-network/lists/testing/log-list.1",
    "computed/e2e/sign-subtree/256-300-of-300.response-example",
    "computed/e2e/checkpoint.300.cosigned",
    "computed/e2e/sign-subtree/256-300-of-300.request",
    "computed/e2e/checkpoint.300.cosigned-ed25519-only",
    "computed/e2e/proof-273-of-300-extra.tlog-proof",
    "computed/e2e/proof-0-of-1.tlog-proof",
    "computed/e2e/add-checkpoint/256-to-300.request",
    "computed/e2e/policy.txt",
    "computed/e2e/log-list.txt",
];

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&bytes);
    }

    #[test]
    fn random_text_never_panics(text in "(c2sp.org/tlog-proof@v1\n|old 1\n|subtree 0 1\n|logs/v0\n|PRIVATE\\+KEY\\+)?(\\PC|\n|\n\n— |\\+| |[a-z0-9=]){0,120}") {
        read_everything(text.as_bytes());
    }

    #[test]
    fn mutated_files_never_panic(
        file in 0..FILES.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        duplicate in any::<bool>(),
    ) {
        let mut bytes = vectors::bytes(FILES[file]);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        read_everything(&bytes);
        let cut = cut.index(bytes.len());
        if duplicate {
            bytes.extend_from_within(cut..);
        } else {
            bytes.truncate(cut);
        }
        read_everything(&bytes);
    }

    #[test]
    fn keys_read_back(
        key in prop_oneof![
            keys(SignatureType::Ed25519),
            keys(SignatureType::CosignatureEd25519),
            keys(SignatureType::MlDsa44),
        ],
    ) {
        let vkey = key.verifying_key();
        prop_assert_eq!(&vkey.to_string().parse::<VerifyingKey>().unwrap(), vkey);
        let read = SigningKey::from_key_file(&key.to_key_file().unwrap()).unwrap();
        prop_assert_eq!(read.verifying_key(), vkey);
        prop_assert_eq!(read.to_key_file(), key.to_key_file());
    }

    #[test]
    fn signed_notes_verify_until_any_byte_changes(
        key in keys(SignatureType::Ed25519),
        lines in proptest::collection::vec("\\PC{0,40}", 1..5),
        place in any::<prop::sample::Index>(),
        change in 1..=255u8,
    ) {
        let text = lines.join("\n") + "\n";
        let line = key.sign_note(&text).unwrap();
        let note = UnverifiedNote::from_parts(&text, vec![line]).unwrap();
        let verified = UnverifiedNote::parse(note.to_string().as_bytes()).unwrap().verify([key.verifying_key()]);
        let verified = verified.unwrap();
        prop_assert_eq!(verified.text(), text.as_str());

        let mut bytes = note.to_string().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let opened = UnverifiedNote::parse(&bytes).and_then(|note| note.verify([key.verifying_key()]));
        prop_assert!(opened.is_err());
    }

    #[test]
    fn checkpoints_read_back(
        origin in "[!-~é][ -~é]{0,60}",
        head in heads(),
        key in keys(SignatureType::CosignatureEd25519),
        timestamp in 0..=i64::MAX.unsigned_abs(),
    ) {
        let origin = Origin::new(&origin).unwrap();
        let checkpoint = Checkpoint::new(origin.clone(), head);
        prop_assert_eq!(&Checkpoint::parse(&checkpoint.text()).unwrap(), &checkpoint);
        let cosigned = CosignedCheckpoint::sign(&checkpoint, &key, timestamp).unwrap();
        let opened = CosignedCheckpoint::open(cosigned.note().as_bytes(), &origin, key.verifying_key()).unwrap();
        prop_assert_eq!(opened.timestamp(), timestamp);
        prop_assert_eq!(opened, cosigned);
    }
    #[test]
    fn ml_dsa_cosignatures_verify_until_any_byte_changes(
        head in heads(),
        key in keys(SignatureType::MlDsa44),
        timestamp in 0..=i64::MAX.unsigned_abs(),
        place in any::<prop::sample::Index>(),
        change in 1..=255u8,
    ) {
        let checkpoint = Checkpoint::new(Origin::new("log.example").unwrap(), head);
        let line = key.cosign(&checkpoint, timestamp).unwrap();
        let note = UnverifiedNote::from_parts(&checkpoint.text(), vec![line]).unwrap();
        let mut bytes = note.to_string().into_bytes();
        let verified = note.verify([key.verifying_key()]).unwrap();
        prop_assert_eq!(verified.signatures()[0].timestamp(), Some(timestamp));

        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let opened = UnverifiedNote::parse(&bytes).and_then(|note| note.verify([key.verifying_key()]));
        prop_assert!(opened.is_err());
    }

    #[test]
    fn requests_to_witnesses_read_back(
        size in 0..=i64::MAX.unsigned_abs(),
        (first, width) in (0..1u64 << 40, 0..=64u64),
        hashes in proptest::collection::vec(any::<[u8; 32]>().prop_map(Hash::from_bytes), 0..=63),
        hash in any::<[u8; 32]>().prop_map(Hash::from_bytes),
    ) {
        let note = UnverifiedNote::parse(&vectors::bytes("computed/e2e/checkpoint.300.cosigned")).unwrap();
        let proof = ConsistencyProof::from_hashes(hashes.clone()).unwrap();
        let request = AddCheckpoint::new(TreeSize::new(size), proof, note.clone()).unwrap();
        let read = AddCheckpoint::parse(request.to_text().as_bytes()).unwrap();
        prop_assert_eq!((read.old_size(), read.proof().hashes()), (TreeSize::new(size), hashes.as_slice()));
        prop_assert_eq!((read.note(), read.to_text()), (&note, request.to_text()));

        let begin = first * 64;
        let subtree = Subtree::new(begin, begin + width).unwrap();
        let proof = SubtreeProof::from_hashes(hashes.clone()).unwrap();
        let request = SignSubtree::new(subtree, hash, proof, note.clone()).unwrap();
        let read = SignSubtree::parse(request.to_text().as_bytes()).unwrap();
        prop_assert_eq!((read.subtree(), read.hash()), (subtree, &hash));
        prop_assert_eq!((read.proof().hashes(), read.note()), (hashes.as_slice(), &note));
    }

    #[test]
    fn listed_logs_read_back(
        logs in proptest::collection::vec((any::<[u8; 32]>(), any::<bool>(), 1..1u32 << 31, "[!-~é][ -~é]{0,30}[!-~]"), 0..6),
        noise in prop::sample::select(vec!["", "\n", "# comment\n", " \t\n"]),
        blank in prop::sample::select(vec!["", " ", "\t "]),
    ) {
        let key = |place: usize, seed| {
            let name = KeyName::new(&format!("log.example/{place}")).unwrap();
            SigningKey::generate(name, SignatureType::Ed25519, seed).unwrap().verifying_key().clone()
        };
        let mut text = format!("{noise}{blank}logs/v0{blank}\n");
        for (place, (seed, is_renamed, requests, contact)) in logs.iter().enumerate() {
            let origin = if *is_renamed { format!("origin log number {place}\n") } else { String::new() };
            text += &format!("{noise}{blank}vkey {}\n{origin}qpd {requests}\n", key(place, *seed));
            text += &format!("contact {contact}{blank}\n");
        }
        let list = LogList::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(list.logs().len(), logs.len());
        for (place, ((seed, is_renamed, requests, contact), log)) in logs.iter().zip(list.logs()).enumerate() {
            let origin = if *is_renamed { format!("log number {place}") } else { format!("log.example/{place}") };
            prop_assert_eq!((log.key(), log.origin().as_str()), (&key(place, *seed), origin.as_str()));
            prop_assert_eq!((log.requests_per_day(), log.contact()), (*requests, contact.as_str()));
        }
    }
}
