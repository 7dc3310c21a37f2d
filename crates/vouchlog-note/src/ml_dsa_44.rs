//! ML-DSA-44 keys (FIPS 204) as tlog-cosignature uses them: pure, with an empty context string.
//!
//! libcrux signs and AWS-LC verifies. AWS-LC adds fresh randomness to each signature, and has no way to sign without; libcrux takes the
//! randomness as an argument, and signs in fewer instructions. Verification is left to AWS-LC because a verifier that accepts too much is
//! the worse fault, and libcrux corrected its checks of hints and norms as late as in its versions 0.0.8 and 0.0.9.

use std::sync::Arc;

use aws_lc_rs::signature::{KeyPair as _, ML_DSA_44, ML_DSA_44_SIGNING, PqdsaKeyPair, UnparsedPublicKey};
use libcrux_ml_dsa::ml_dsa_44::{self, MLDSA44KeyPair, MLDSA44SigningKey};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a public key.
pub(crate) const PUBLIC_KEY_BYTES: usize = 1312;
/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 2420;
/// Bytes of the seed a secret key is made from.
pub(crate) const SEED_BYTES: usize = 32;

/// What a key signs before it is used.
const TRIAL: &[u8] = b"a message that nothing else signs";

/// `rnd` of the deterministic variant (FIPS 204, Algorithm 2, line 5).
const DETERMINISTIC: [u8; 32] = [0; 32];

/// A public key. Any 1,312 bytes are one, in their only spelling.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey(Arc<[u8; PUBLIC_KEY_BYTES]>);

impl PublicKey {
    pub(crate) fn new(bytes: [u8; PUBLIC_KEY_BYTES]) -> Self {
        Self(Arc::new(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// Whether `signature` is one of `message` by this key; one of another length is none.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ML_DSA_44, self.0.as_slice()).verify(message, signature).is_ok()
    }
}

/// A secret key. Clones share it, and this copy is wiped from memory when the last one is dropped.
#[derive(Clone)]
pub(crate) struct SecretKey(Arc<Expanded>);

struct Expanded {
    seed: Zeroizing<[u8; SEED_BYTES]>,
    secret: MLDSA44SigningKey,
    public: PublicKey,
}

impl Drop for Expanded {
    fn drop(&mut self) {
        self.secret.as_ref_mut().zeroize();
    }
}

impl SecretKey {
    /// The key of a seed, derived by both implementations.
    ///
    /// None if they derive different public keys, or the signature of one is none to the other. One of them is then wrong on this
    /// processor or in this build, and its signatures would not verify anywhere else.
    pub(crate) fn from_seed(seed: &[u8; SEED_BYTES]) -> Option<Self> {
        let MLDSA44KeyPair { signing_key: secret, verification_key } = ml_dsa_44::generate_key_pair(*seed);
        let public = PublicKey::new(*verification_key.as_ref());
        let verifier = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed).ok()?;
        let key = Self(Arc::new(Expanded { seed: Zeroizing::new(*seed), secret, public }));
        let public = &key.0.public;
        let agree =
            verifier.public_key().as_ref() == public.as_bytes() && public.verifies(TRIAL, &key.sign(TRIAL));
        agree.then_some(key)
    }

    pub(crate) fn seed(&self) -> &[u8; SEED_BYTES] {
        &self.0.seed
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.0.public.clone()
    }

    /// Signs deterministically (FIPS 204 section 3.4): a signature depends on key and message alone.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = ml_dsa_44::sign(&self.0.secret, message, &[], DETERMINISTIC);
        // Its bound of 814 attempts leaves out one message in 2^256 (FIPS 204 appendix C).
        signature.expect("an empty context is not too long, and an attempt succeeds").as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests;
