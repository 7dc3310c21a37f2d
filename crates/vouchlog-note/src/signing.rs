//! The secret side: key files, note signatures and cosignatures.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::{Signature, Signer as _};
use vouchlog_merkle::{Hash, Subtree};
use zeroize::Zeroizing;

use crate::checkpoint::{Checkpoint, Origin};
use crate::cosignature::{cosigned_message, subtree_message, timestamped_signature};
use crate::jws;
use crate::key::{KeyError, KeyId, KeyMaterial, KeyName, SignatureType, VerifyingKey};
use crate::limits::{MAX_TIMESTAMP, MAX_VKEY_BYTES};
use crate::ml_dsa_44;
use crate::note_error::{NoteError, check_text};
use crate::signature_line::SignatureLine;
use crate::signer::{Signer, SignerError};
use crate::text::{append_base64, decode_base64};
use crate::verified_signature::whole_tree;

const KEY_FILE_PREFIX: &str = "PRIVATE+KEY+";
/// Bytes of a seed, of Ed25519 (RFC 8032, "private key") as of ML-DSA-44 (FIPS 204).
const SEED_BYTES: usize = ml_dsa_44::SEED_BYTES;

const COSIGNER_TYPES: &[SignatureType] = &[SignatureType::CosignatureEd25519, SignatureType::MlDsa44];
const ED25519_TYPES: &[SignatureType] = &[SignatureType::Ed25519, SignatureType::CosignatureEd25519];

/// A key that signs notes (type 0x01) or cosigns checkpoints (types 0x04 and 0x06), never both: what a signature
/// means depends on the role, so each role has its own key. Wiped from memory when dropped.
#[derive(Clone)]
pub struct SigningKey {
    secret: Secret,
    public: VerifyingKey,
}

#[derive(Clone)]
enum Secret {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    MlDsa44(ml_dsa_44::SecretKey),
    /// Not here: only the signer can use it. The key is Ed25519.
    Elsewhere(Arc<dyn Signer>),
}

impl SigningKey {
    /// Makes the key that `seed` determines. The seed is 32 bytes from the system's generator; this crate has no
    /// randomness of its own.
    pub fn generate(
        name: KeyName,
        signature_type: SignatureType,
        seed: [u8; SEED_BYTES],
    ) -> Result<Self, KeyError> {
        let seed = Zeroizing::new(seed);
        match signature_type {
            SignatureType::Ed25519 | SignatureType::CosignatureEd25519 => {
                let secret = ed25519_dalek::SigningKey::from_bytes(&seed);
                let public = VerifyingKey::ed25519(name, signature_type, secret.verifying_key().to_bytes())?;
                Ok(Self { secret: Secret::Ed25519(Box::new(secret)), public })
            }
            SignatureType::MlDsa44 => {
                let secret = ml_dsa_44::SecretKey::from_seed(&seed).ok_or(KeyError::MlDsa44Disagrees)?;
                let public = VerifyingKey::ml_dsa_44(name, *secret.public_key().as_bytes());
                Ok(Self { secret: Secret::MlDsa44(secret), public })
            }
        }
    }

    /// The key whose public side is `public` and whose secret only `signer` can use.
    ///
    /// # Errors
    /// [`KeyError::NotEd25519`] for a key of type 0x06.
    pub fn elsewhere(public: VerifyingKey, signer: Arc<dyn Signer>) -> Result<Self, KeyError> {
        let signature_type = public.signature_type();
        if !ED25519_TYPES.contains(&signature_type) {
            return Err(KeyError::NotEd25519 { signature_type });
        }
        Ok(Self { secret: Secret::Elsewhere(signer), public })
    }

    /// The public side, to hand out as a vkey.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs the text of a note. The text ends in LF, which is signed too (signed-note).
    ///
    /// # Errors
    /// [`NoteError::WrongKeyType`] for a key that is not of type 0x01; the errors of [`crate::UnverifiedNote`]
    /// for a text that no note may hold; [`NoteError::Signer`] from a key kept elsewhere.
    pub fn sign_note(&self, text: &str) -> Result<SignatureLine, NoteError> {
        if self.public.signature_type() != SignatureType::Ed25519 {
            return Err(NoteError::wrong_key_type(&self.public, &[SignatureType::Ed25519]));
        }
        check_text(text)?;
        Ok(self.line(self.sign_ed25519(text.as_bytes())?.to_vec()))
    }

    /// Signs a note of a witness about itself with a key that cosigns (type 0x04), at `timestamp`, in POSIX seconds. Its text must not be
    /// that of a checkpoint.
    ///
    /// # Errors
    /// [`NoteError::WrongKeyType`] for a key of another type; [`NoteError::NotByCosigner`] for the text of a checkpoint, which
    /// [`cosign`](Self::cosign) alone signs; those of [`sign_note`](Self::sign_note) and [`cosign`](Self::cosign).
    pub fn cosign_note(&self, text: &str, timestamp: u64) -> Result<SignatureLine, NoteError> {
        if self.public.signature_type() != SignatureType::CosignatureEd25519 {
            return Err(NoteError::wrong_key_type(&self.public, &[SignatureType::CosignatureEd25519]));
        }
        if timestamp > MAX_TIMESTAMP {
            return Err(NoteError::Timestamp { timestamp });
        }
        check_text(text)?;
        if Checkpoint::parse(text).is_ok() {
            return Err(NoteError::NotByCosigner);
        }
        let signature = self.sign_ed25519(cosigned_message(timestamp, text).as_bytes())?;
        Ok(self.line(timestamped_signature(timestamp, &signature)))
    }

    /// Cosigns a checkpoint at `timestamp`, in POSIX seconds (tlog-cosignature): its text with the extension
    /// lines (type 0x04), or its origin, size and root (type 0x06). Whether that is right to do is the caller's
    /// question.
    ///
    /// Signatures of both types are deterministic: the same checkpoint and timestamp make the same line.
    ///
    /// # Errors
    /// [`NoteError::WrongKeyType`] for a key of type 0x01; [`NoteError::Timestamp`] past 2^63 - 1; [`NoteError::Signer`] from a key
    /// kept elsewhere.
    pub fn cosign(&self, checkpoint: &Checkpoint, timestamp: u64) -> Result<SignatureLine, NoteError> {
        if timestamp > MAX_TIMESTAMP {
            return Err(NoteError::Timestamp { timestamp });
        }
        let signature = match (&self.secret, self.public.signature_type()) {
            (Secret::MlDsa44(secret), _) => {
                let (subtree, root) = (whole_tree(checkpoint), checkpoint.head().root);
                let name = self.public.name();
                secret.sign(&subtree_message(name, timestamp, checkpoint.origin(), subtree, &root))
            }
            (_, SignatureType::CosignatureEd25519) => {
                self.sign_ed25519(cosigned_message(timestamp, &checkpoint.text()).as_bytes())?.to_vec()
            }
            _ => return Err(NoteError::wrong_key_type(&self.public, COSIGNER_TYPES)),
        };
        Ok(self.line(timestamped_signature(timestamp, &signature)))
    }

    /// Signs a subtree of a log's tree (tlog-witness, sign-subtree). The line's timestamp is 0, which claims
    /// nothing about when, nor that the tree is the largest one seen. Whether `hash` is that of those leaves is
    /// the caller's question.
    ///
    /// # Errors
    /// [`NoteError::WrongKeyType`] for a key that is not of type 0x06.
    pub fn cosign_subtree(
        &self,
        origin: &Origin,
        subtree: Subtree,
        hash: &Hash,
    ) -> Result<SignatureLine, NoteError> {
        let Secret::MlDsa44(secret) = &self.secret else {
            return Err(NoteError::wrong_key_type(&self.public, &[SignatureType::MlDsa44]));
        };
        let signature = secret.sign(&subtree_message(self.public.name(), 0, origin, subtree, hash));
        Ok(self.line(timestamped_signature(0, &signature)))
    }

    /// Signs the signing input of a JWS, `base64url(header) . base64url(payload)`, with EdDSA (RFC 7515 section 5.1,
    /// RFC 8037 section 3.1). The input has no LF, and everything else a key signs here has one: a note or a
    /// checkpoint never verifies as a JWS, nor a JWS as one of them.
    ///
    /// # Errors
    /// [`NoteError::WrongKeyType`] for a key that is not Ed25519; [`NoteError::JwsInput`] for anything but two
    /// base64url strings and the dot; [`NoteError::Signer`] from a key kept elsewhere.
    pub fn sign_jws(&self, signing_input: &str) -> Result<[u8; 64], NoteError> {
        if !ED25519_TYPES.contains(&self.public.signature_type()) {
            return Err(NoteError::wrong_key_type(&self.public, ED25519_TYPES));
        }
        if !jws::is_signing_input(signing_input) {
            return Err(NoteError::JwsInput);
        }
        self.sign_ed25519(signing_input.as_bytes())
    }

    /// Signs bytes with an Ed25519 key. A signature made elsewhere is verified by the strictest rules in use before it counts.
    fn sign_ed25519(&self, message: &[u8]) -> Result<[u8; 64], NoteError> {
        match (&self.secret, self.public.material()) {
            (Secret::Ed25519(secret), _) => Ok(secret.sign(message).to_bytes()),
            (
                Secret::Elsewhere(signer),
                KeyMaterial::Ed25519(public) | KeyMaterial::CosignatureEd25519(public),
            ) => {
                let signature = signer.sign(message)?;
                public.verify_strict(message, &Signature::from_bytes(&signature)).map_err(|_| {
                    SignerError::new(format!("its signature does not verify with the key {}", self.public))
                })?;
                Ok(signature)
            }
            _ => Err(NoteError::wrong_key_type(&self.public, ED25519_TYPES)),
        }
    }

    fn line(&self, payload: Vec<u8>) -> SignatureLine {
        SignatureLine::from_key(&self.public, payload)
    }

    // key file = "PRIVATE+KEY+" <name> "+" <key ID of the public key> "+" base64(<type byte> <seed[32]>)
    // The convention of Go's sumdb; C2SP specifies none.

    /// Reads a key file: one line, with or without its LF.
    pub fn from_key_file(text: &str) -> Result<Self, KeyError> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        // A vkey of the same name is longer than its key file by at most the prefix.
        let limit = KEY_FILE_PREFIX.len() + MAX_VKEY_BYTES;
        if line.len() > limit {
            return Err(KeyError::TooLong { bytes: line.len(), limit });
        }
        let mut parts = line.strip_prefix(KEY_FILE_PREFIX).ok_or(KeyError::NotAKeyFile)?.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::NotAKeyFile);
        };
        let name = KeyName::new(name)?;
        let stated: KeyId = id.parse()?;
        let key = Zeroizing::new(decode_base64(key).ok_or(KeyError::Base64)?);
        let (&type_byte, seed) = key.split_first().ok_or(KeyError::Base64)?;
        let signature_type = SignatureType::try_from(type_byte)?;
        let seed = seed.try_into().map_err(|_| KeyError::KeyLength {
            signature_type,
            expected: SEED_BYTES,
            actual: seed.len(),
        })?;
        let key = Self::generate(name, signature_type, seed)?;
        if key.public.id() != stated {
            return Err(KeyError::WrongId { stated, computed: key.public.id() });
        }
        Ok(key)
    }

    /// Writes the key file: one line, with its LF. It holds the secret, in a buffer that is wiped when dropped. `None` for a key kept
    /// elsewhere.
    pub fn to_key_file(&self) -> Option<Zeroizing<String>> {
        let mut key = Zeroizing::new([0; 1 + SEED_BYTES]);
        key[0] = self.public.signature_type() as u8;
        key[1..].copy_from_slice(match &self.secret {
            Secret::Ed25519(secret) => secret.as_bytes(),
            Secret::MlDsa44(secret) => secret.seed(),
            Secret::Elsewhere(_) => return None,
        });

        let head = format!("{KEY_FILE_PREFIX}{}+{}+", self.public.name(), self.public.id());
        // Reserved in full, so that the secret is not left behind in a buffer that was outgrown.
        let mut text = Zeroizing::new(String::with_capacity(head.len() + 45));
        text.push_str(&head);
        append_base64(&*key, &mut text);
        text.push('\n');
        Some(text)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(secret of {})", self.public)
    }
}
