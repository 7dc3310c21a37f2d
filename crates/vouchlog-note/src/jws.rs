//! EdDSA over the signing input of a JWS, by the keys of notes. The caller interprets the payload.

use ed25519_dalek::Signature;

use crate::key::{KeyMaterial, VerifyingKey};

/// Whether it is `base64url(header) . base64url(payload)` (RFC 7515 section 5.1), neither of them empty.
pub(crate) fn is_signing_input(text: &str) -> bool {
    let is_base64url = |part: &str| {
        !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    };
    text.split_once('.').is_some_and(|(header, payload)| is_base64url(header) && is_base64url(payload))
}

impl VerifyingKey {
    /// Whether `signature` is this key's over the signing input of a JWS; by the same strict rules as a note's signature.
    pub fn verifies_jws(&self, signing_input: &str, signature: &[u8; 64]) -> bool {
        match self.material() {
            KeyMaterial::Ed25519(key) | KeyMaterial::CosignatureEd25519(key) => {
                is_signing_input(signing_input)
                    && key.verify_strict(signing_input.as_bytes(), &Signature::from_bytes(signature)).is_ok()
            }
            KeyMaterial::MlDsa44(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{KeyName, NoteError, SignatureType, SigningKey};

    fn key(signature_type: SignatureType) -> SigningKey {
        SigningKey::generate(KeyName::new("gateway.example.com").unwrap(), signature_type, [7; 32]).unwrap()
    }

    #[test]
    fn a_signature_is_over_exactly_its_input() {
        for signature_type in [SignatureType::Ed25519, SignatureType::CosignatureEd25519] {
            let key = key(signature_type);
            let signature = key.sign_jws("eyJh.eyJi").unwrap();
            assert!(key.verifying_key().verifies_jws("eyJh.eyJi", &signature));
            assert!(!key.verifying_key().verifies_jws("eyJh.eyJj", &signature));
        }
    }

    #[test]
    fn nothing_but_the_input_of_a_jws_is_signed() {
        let key = key(SignatureType::CosignatureEd25519);
        for wrong in ["", ".", "a", "a.", ".b", "a.b.c", "a.b\n", "cosignature/v1\ntime 1\n", "a=.b"] {
            assert!(matches!(key.sign_jws(wrong), Err(NoteError::JwsInput)), "{wrong}");
        }
    }

    #[test]
    fn a_key_of_another_algorithm_signs_none() {
        let key = key(SignatureType::MlDsa44);
        assert!(matches!(key.sign_jws("a.b"), Err(NoteError::WrongKeyType { .. })));
        assert!(!key.verifying_key().verifies_jws("a.b", &[0; 64]));
    }
}
