//! Keys that are kept elsewhere: what they sign is the same, and nothing that does not verify comes out.

use std::sync::Arc;

use ed25519_dalek::Signer as _;
use vouchlog_merkle::TreeHead;
use vouchlog_note::{
    Checkpoint, KeyError, NoteError, Origin, SignatureType, SignedCheckpoint, Signer, SignerError, SigningKey,
};

use crate::vectors::signing_key;

/// Signs with the key of a seed, and changes what it is told to.
#[derive(Debug)]
struct Elsewhere {
    seed: u8,
    append: &'static str,
    answer: Result<(), SignerError>,
}

impl Elsewhere {
    const SOUND: Self = Self { seed: 7, append: "", answer: Ok(()) };

    fn key(self, signature_type: SignatureType) -> SigningKey {
        let public = signing_key("log.example", signature_type, 7).verifying_key().clone();
        SigningKey::elsewhere(public, Arc::new(self)).unwrap()
    }
}

impl Signer for Elsewhere {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        self.answer.clone()?;
        let message = [message, self.append.as_bytes()].concat();
        Ok(ed25519_dalek::SigningKey::from_bytes(&[self.seed; 32]).sign(&message).to_bytes())
    }
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(Origin::new("log.example").unwrap(), TreeHead::EMPTY)
}

#[test]
fn a_key_elsewhere_signs_what_a_key_here_signs() {
    let here = |kind| signing_key("log.example", kind, 7);
    let elsewhere = |kind| Elsewhere::SOUND.key(kind);
    let text = checkpoint().text();
    let (note, cosigner) = (SignatureType::Ed25519, SignatureType::CosignatureEd25519);
    assert_eq!(elsewhere(note).sign_note(&text).unwrap(), here(note).sign_note(&text).unwrap());
    let cosigned = |key: SigningKey| key.cosign(&checkpoint(), 9).unwrap();
    assert_eq!(cosigned(elsewhere(cosigner)), cosigned(here(cosigner)));
    assert_eq!(elsewhere(note).sign_jws("a.b").unwrap(), here(note).sign_jws("a.b").unwrap());
    assert!(elsewhere(note).to_key_file().is_none());
}

#[test]
fn a_key_elsewhere_keeps_to_its_role() {
    let (note, cosigner) = (SignatureType::Ed25519, SignatureType::CosignatureEd25519);
    let wrong = Elsewhere::SOUND.key(cosigner).sign_note(&checkpoint().text());
    assert!(matches!(wrong, Err(NoteError::WrongKeyType { .. })), "{wrong:?}");
    let wrong = Elsewhere::SOUND.key(note).cosign(&checkpoint(), 9);
    assert!(matches!(wrong, Err(NoteError::WrongKeyType { .. })), "{wrong:?}");
    let ml_dsa = signing_key("log.example", SignatureType::MlDsa44, 7).verifying_key().clone();
    let refused = SigningKey::elsewhere(ml_dsa, Arc::new(Elsewhere::SOUND));
    assert!(matches!(refused, Err(KeyError::NotEd25519 { .. })), "{refused:?}");
}

#[test]
fn a_signature_that_does_not_verify_never_comes_out() {
    let another_key = Elsewhere { seed: 8, ..Elsewhere::SOUND };
    let another_text = Elsewhere { append: "x", ..Elsewhere::SOUND };
    for wrong in [another_key, another_text] {
        let refused = SignedCheckpoint::sign(&checkpoint(), &wrong.key(SignatureType::Ed25519));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("does not verify"), "{refused}");
    }
}

#[test]
fn a_failure_names_its_reason_without_control_characters() {
    let failing = Elsewhere { answer: Err(SignerError::new("away\u{1b}[2J\n")), ..Elsewhere::SOUND };
    let error = failing.key(SignatureType::Ed25519).sign_note("a\n").unwrap_err();
    assert_eq!(error.to_string(), "the signer failed: away [2J");
    assert!(SignerError::new("x".repeat(100_000)).reason().len() <= 400);
}
