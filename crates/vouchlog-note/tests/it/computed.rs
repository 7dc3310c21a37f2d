//! Goal: we read and write, byte for byte, what an independent implementation wrote for a log of 300 entries.
//! Method: the keys are made from the published seeds; Ed25519 is deterministic, so every line can be compared.

use serde::Deserialize;
use vouchlog_merkle::{TreeHead, TreeSize, sha256};
use vouchlog_note::{
    AddCheckpoint, Checkpoint, CosignedCheckpoint, KeyName, Origin, Policy, PolicyError, ProofFile,
    SignatureLine, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote, VerifiedSignature,
    VerifyingKey, cosigned_message, timestamped_signature,
};

use crate::vectors::{bytes, hash, json, text};

const FOLDER: &str = "computed/e2e";

#[derive(Deserialize)]
struct Params {
    origin: String,
    log: KeyParams,
    witness_ed25519: KeyParams,
    witness_mldsa44: MlDsaParams,
    roots: std::collections::HashMap<String, String>,
    leaf_hash_0: String,
    timestamp: u64,
    ed25519_cosigned_message_utf8: String,
    ed25519_timestamped_signature_hex: String,
    mldsa44_timestamped_signature_len: usize,
}

#[derive(Deserialize)]
struct KeyParams {
    seed_hex: String,
    public_key_hex: String,
    vkey: String,
    key_id: String,
    skey: Option<String>,
}

#[derive(Deserialize)]
struct MlDsaParams {
    seed_hex: String,
    public_key_sha256: String,
    vkey: String,
    key_id: String,
}

impl Params {
    fn read() -> Self {
        json(&format!("{FOLDER}/params.json"))
    }

    fn origin(&self) -> Origin {
        Origin::new(&self.origin).unwrap()
    }

    fn head(&self, size: u64) -> TreeHead {
        TreeHead { size: TreeSize::new(size), root: hash(&self.roots[&size.to_string()]) }
    }

    fn log(&self) -> SigningKey {
        self.log.signing_key(SignatureType::Ed25519)
    }

    fn ml_dsa_witness(&self) -> SigningKey {
        let seed = hex::decode(&self.witness_mldsa44.seed_hex).unwrap().try_into().unwrap();
        let witness = self.witness();
        let name = witness.verifying_key().name().clone();
        SigningKey::generate(name, SignatureType::MlDsa44, seed).unwrap()
    }

    fn witness(&self) -> SigningKey {
        self.witness_ed25519.signing_key(SignatureType::CosignatureEd25519)
    }
}

impl KeyParams {
    fn signing_key(&self, signature_type: SignatureType) -> SigningKey {
        let (name, _) = self.vkey.split_once('+').unwrap();
        let seed = hex::decode(&self.seed_hex).unwrap().try_into().unwrap();
        SigningKey::generate(KeyName::new(name).unwrap(), signature_type, seed).unwrap()
    }
}

fn file(name: &str) -> String {
    text(&format!("{FOLDER}/{name}"))
}

#[test]
fn keys_follow_from_their_seeds() {
    let params = Params::read();
    for (expected, key) in [(&params.log, params.log()), (&params.witness_ed25519, params.witness())] {
        let vkey = key.verifying_key();
        assert_eq!(vkey.to_string(), expected.vkey);
        assert_eq!(vkey, &expected.vkey.parse::<VerifyingKey>().unwrap());
        assert_eq!(vkey.id().to_string(), expected.key_id);
        assert_eq!(hex::encode(vkey.ed25519_bytes().unwrap()), expected.public_key_hex);
        if let Some(skey) = &expected.skey {
            assert_eq!(key.to_key_file().unwrap().as_str(), format!("{skey}\n"));
            assert_eq!(SigningKey::from_key_file(skey).unwrap().verifying_key(), vkey);
        }
    }
    let (expected, secret) = (&params.witness_mldsa44, params.ml_dsa_witness());
    let ml_dsa = secret.verifying_key();
    assert_eq!(ml_dsa.signature_type(), SignatureType::MlDsa44);
    assert_eq!(ml_dsa.to_string(), expected.vkey);
    assert_eq!(ml_dsa, &expected.vkey.parse::<VerifyingKey>().unwrap());
    assert_eq!(ml_dsa.id().to_string(), expected.key_id);
    assert_eq!(sha256(ml_dsa.public_key()), hash(&expected.public_key_sha256));
    assert_eq!((ml_dsa.public_key().len(), ml_dsa.ed25519_bytes()), (1312, None));
    let key_file = secret.to_key_file().unwrap();
    assert_eq!(SigningKey::from_key_file(&key_file).unwrap().to_key_file().unwrap(), key_file);
    assert!(
        key_file.starts_with("PRIVATE+KEY+witness.example.com/w1+635668f0+Bk"),
        "the type byte, then the seed"
    );
}

#[test]
fn checkpoints_are_signed_byte_for_byte() {
    let params = Params::read();
    for size in [0, 256, 300] {
        let expected = file(&format!("checkpoint.{size}"));
        let checkpoint = Checkpoint::new(params.origin(), params.head(size));
        let signed = SignedCheckpoint::sign(&checkpoint, &params.log()).unwrap();
        assert_eq!(signed.note(), expected);
        let log = params.log();
        let opened =
            SignedCheckpoint::open(expected.as_bytes(), &params.origin(), log.verifying_key()).unwrap();
        assert_eq!(opened, signed);
        assert_eq!(opened.head(), params.head(size));
    }
    let published = bytes(&format!("{FOLDER}/log/checkpoint"));
    let opened = SignedCheckpoint::open(&published, &params.origin(), params.log().verifying_key()).unwrap();
    assert_eq!(opened.head(), params.head(300));
}

#[test]
fn ed25519_cosignatures_are_made_byte_for_byte() {
    let params = Params::read();
    let checkpoint = Checkpoint::new(params.origin(), params.head(300));
    assert_eq!(cosigned_message(params.timestamp, &checkpoint.text()), params.ed25519_cosigned_message_utf8);
    let line = params.witness().cosign(&checkpoint, params.timestamp).unwrap();
    assert_eq!(hex::encode(line.payload()), params.ed25519_timestamped_signature_hex);
    assert_eq!(timestamped_signature(params.timestamp, &line.payload()[8..]), line.payload());

    let signed = SignedCheckpoint::sign(&checkpoint, &params.log()).unwrap();
    let witness = params.witness();
    let cosigned = signed.with_cosignatures(&format!("{line}\n"), [witness.verifying_key()]).unwrap();
    assert_eq!(cosigned.note(), file("checkpoint.300.cosigned-ed25519-only"));

    let alone = CosignedCheckpoint::sign(&checkpoint, &witness, params.timestamp).unwrap();
    assert_eq!(alone.note(), format!("{}\n{line}\n", checkpoint.text()));
    let full = file("checkpoint.300.cosigned");
    let opened =
        CosignedCheckpoint::open(full.as_bytes(), &params.origin(), witness.verifying_key()).unwrap();
    assert_eq!((opened.timestamp(), opened.head()), (params.timestamp, params.head(300)));
}

#[test]
fn ml_dsa_cosignatures_of_another_implementation_verify() {
    let params = Params::read();
    let (log, secret) = (params.log(), params.ml_dsa_witness());
    let ml_dsa = secret.verifying_key();
    let note = UnverifiedNote::parse(file("checkpoint.300.cosigned").as_bytes()).unwrap();
    assert_eq!(note.lines().len(), 3);
    assert!(note.lines()[2].is_by(ml_dsa));
    assert_eq!(note.lines()[2].payload().len(), params.mldsa44_timestamped_signature_len);

    let verified = note.clone().verify([log.verifying_key(), ml_dsa]).unwrap();
    let timestamps: Vec<_> = verified.signatures().iter().map(VerifiedSignature::timestamp).collect();
    assert_eq!(timestamps, [None, Some(params.timestamp)]);
    assert_eq!(verified.ignored_lines().len(), 1);
    let alone = note.clone().verify([ml_dsa]).unwrap();
    assert_eq!(alone.signatures()[0].key(), ml_dsa);

    // Our own line of the same tree and time differs, since theirs is hedged, and is as good.
    let checkpoint = Checkpoint::new(params.origin(), params.head(300));
    let line = secret.cosign(&checkpoint, params.timestamp).unwrap();
    assert_eq!(line.payload().len(), params.mldsa44_timestamped_signature_len);
    assert_eq!(line, secret.cosign(&checkpoint, params.timestamp).unwrap());
    assert_ne!(line, note.lines()[2]);
    let ours = UnverifiedNote::from_parts(&checkpoint.text(), vec![line]).unwrap().verify([ml_dsa]).unwrap();
    assert_eq!(ours.signatures()[0].timestamp(), Some(params.timestamp));
}

#[test]
fn a_witness_answer_is_merged_as_far_as_it_verifies() {
    let params = Params::read();
    let signed = SignedCheckpoint::open(
        file("checkpoint.300").as_bytes(),
        &params.origin(),
        params.log().verifying_key(),
    );
    let signed = signed.unwrap();
    let answer = file("add-checkpoint/256-to-300.response-example");
    let (ed25519, ml_dsa) = (params.witness(), params.ml_dsa_witness());
    let cosigned = signed.with_cosignatures(&answer, [ed25519.verifying_key()]).unwrap();
    assert_eq!(cosigned.note(), file("checkpoint.300.cosigned-ed25519-only"));
    let both = [ml_dsa.verifying_key(), ed25519.verifying_key()];
    assert_eq!(signed.with_cosignatures(&answer, both).unwrap().note(), file("checkpoint.300.cosigned"));
    let lines: Vec<SignatureLine> = answer.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(lines.iter().map(|line| format!("{line}\n")).collect::<String>(), answer);
}

#[test]
fn the_policy_is_met_by_the_cosigned_checkpoint_only() {
    let params = Params::read();
    let policy = Policy::parse(file("policy.txt").as_bytes()).unwrap();
    assert_eq!(policy.logs()[0].key().to_string(), params.log.vkey);
    assert_eq!(policy.logs()[0].url(), Some("https://log.example.com/ai-digests/"));
    let names: Vec<String> = policy.witnesses().iter().map(|witness| witness.name().to_string()).collect();
    assert_eq!(names, ["w1-ed", "w1-pq"]);

    let cosigned: [(&str, &[&[u8]]); 2] = [
        ("checkpoint.300.cosigned", &[b"w1-ed", b"w1-pq"]),
        ("checkpoint.300.cosigned-ed25519-only", &[b"w1-ed"]),
    ];
    for (name, witnesses) in cosigned {
        let checkpoint = policy.verify_checkpoint(file(name).as_bytes()).unwrap();
        assert_eq!(checkpoint.head(), params.head(300));
        let names: Vec<&[u8]> = checkpoint.cosignatures().iter().map(|c| c.name().as_bytes()).collect();
        assert_eq!(names, witnesses, "{name}");
        assert_eq!(checkpoint.witnessed_between(), Some((params.timestamp, params.timestamp)));
    }
    // The ML-DSA line is enough by itself.
    let cosigned = file("checkpoint.300.cosigned");
    let without_ed25519 = cosigned.lines().filter(|line| !line.starts_with("— witness.example.com/w1 lpmAz"));
    let without_ed25519: String = without_ed25519.map(|line| format!("{line}\n")).collect();
    let checkpoint = policy.verify_checkpoint(without_ed25519.as_bytes()).unwrap();
    assert_eq!(checkpoint.cosignatures()[0].name().as_bytes(), b"w1-pq");

    let refused = policy.verify_checkpoint(file("checkpoint.300").as_bytes()).unwrap_err();
    assert_eq!(refused, PolicyError::QuorumNotMet { cosigned: 0, witnesses: 2 });
}

#[test]
fn proof_files_are_read_verified_and_written_byte_for_byte() {
    fn check(name: &str, index: u64, size: u64, extra: Option<&[u8]>) {
        let params = Params::read();
        let original = file(name);
        let parsed = ProofFile::parse(original.as_bytes()).unwrap();
        assert_eq!(parsed.to_text(), original);
        assert_eq!((parsed.index().get(), parsed.extra()), (index, extra), "{name}");
        let rebuilt = ProofFile::new(
            extra.map(<[u8]>::to_vec),
            parsed.index(),
            parsed.proof().clone(),
            parsed.note().clone(),
        );
        assert_eq!(rebuilt.unwrap().to_text(), original);

        let note = parsed.note().as_str().as_bytes();
        let signed = SignedCheckpoint::open(note, &params.origin(), params.log().verifying_key()).unwrap();
        assert_eq!(signed.head(), params.head(size));
        let leaf = vouchlog_merkle::leaf_hash(format!("entry {index}").as_bytes());
        parsed.verify_inclusion(&leaf, &signed.head()).unwrap();
        let other_leaf = vouchlog_merkle::leaf_hash(b"entry 1");
        assert!(parsed.verify_inclusion(&other_leaf, &signed.head()).is_err());
    }
    check("proof-0-of-1.tlog-proof", 0, 1, None);
    check("proof-273-of-300.tlog-proof", 273, 300, None);
    check("proof-273-of-300-extra.tlog-proof", 273, 300, Some(b"salt=00112233"));
    assert_eq!(vouchlog_merkle::leaf_hash(b"entry 0"), hash(&Params::read().leaf_hash_0));
}

#[test]
fn add_checkpoint_requests_are_read_verified_and_written_byte_for_byte() {
    fn check(name: &str, old: u64, new: u64, hashes: usize) {
        let params = Params::read();
        let original = file(&format!("add-checkpoint/{name}"));
        let parsed = AddCheckpoint::parse(original.as_bytes()).unwrap();
        assert_eq!(parsed.to_text(), original);
        assert_eq!((parsed.old_size().get(), parsed.proof().hashes().len()), (old, hashes), "{name}");
        let note = parsed.note().as_str().as_bytes();
        let signed = SignedCheckpoint::open(note, &params.origin(), params.log().verifying_key()).unwrap();
        assert_eq!(signed.head(), params.head(new));
        if old > 0 {
            parsed.proof().verify(&params.head(old), &signed.head()).unwrap();
        }
        let rebuilt = AddCheckpoint::new(TreeSize::new(old), parsed.proof().clone(), parsed.note().clone());
        assert_eq!(rebuilt.unwrap().to_text(), original);
    }
    check("0-to-256.request", 0, 256, 0);
    check("256-to-300.request", 256, 300, 1);
    check("300-to-300-refresh.request", 300, 300, 0);
}
