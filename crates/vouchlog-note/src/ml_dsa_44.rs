//! ML-DSA-44 keys (FIPS 204) as tlog-cosignature uses them: pure, with an empty context string.

use std::sync::{Arc, OnceLock};

use ml_dsa::{EncodedVerifyingKey, MlDsa44, Signature, Signer};

/// Bytes of a public key.
pub(crate) const PUBLIC_KEY_BYTES: usize = 1312;
/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 2420;
/// Bytes of the seed a secret key is made from.
pub(crate) const SEED_BYTES: usize = 32;

/// A public key. Any 1,312 bytes are one, in their only spelling.
#[derive(Clone)]
pub(crate) struct PublicKey(Arc<Decoded>);

struct Decoded {
    bytes: [u8; PUBLIC_KEY_BYTES],
    /// What every verification starts from, about 20 kB: computed at the first one, since a list names thousands
    /// of keys, most of which never come to verify anything.
    key: OnceLock<ml_dsa::VerifyingKey<MlDsa44>>,
}

impl PublicKey {
    pub(crate) fn new(bytes: [u8; PUBLIC_KEY_BYTES]) -> Self {
        Self(Arc::new(Decoded { bytes, key: OnceLock::new() }))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0.bytes
    }

    /// Whether `signature` is one of `message` by this key; one of another length is none.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::try_from(signature) else { return false };
        self.0.key.get_or_init(|| decode(&self.0.bytes)).verify_with_context(message, &[], &signature)
    }
}

fn decode(bytes: &[u8; PUBLIC_KEY_BYTES]) -> ml_dsa::VerifyingKey<MlDsa44> {
    let encoded =
        EncodedVerifyingKey::<MlDsa44>::try_from(&bytes[..]).expect("1,312 bytes are an encoded key");
    ml_dsa::VerifyingKey::decode(&encoded)
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PublicKey {}

/// A secret key; wiped from memory when dropped.
#[derive(Clone)]
pub(crate) struct SecretKey(ml_dsa::SigningKey<MlDsa44>);

impl SecretKey {
    pub(crate) fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        Self(ml_dsa::SigningKey::from_seed(seed.into()))
    }

    pub(crate) fn seed(&self) -> &[u8; SEED_BYTES] {
        self.0.as_seed().as_ref()
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        let key: &ml_dsa::VerifyingKey<MlDsa44> = self.0.as_ref();
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        bytes.copy_from_slice(&key.encode());
        PublicKey::new(bytes)
    }

    /// Signs deterministically (FIPS 204 section 3.4): a signature depends on key and message alone.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).encode().to_vec()
    }
}
