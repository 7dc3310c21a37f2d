//! The vault's keys.
//!
//! ```text
//! key encryption key (file, environment, command, or wrapped by a token or key service; never in the database)
//! ├─ wraps  the custody key and the facet key of each tenant
//! └─ wraps  the key of each person (subject)
//!
//! record key = 32 random bytes for each record
//! ├─ wrapped under HKDF(custody key || subject keys): with any of them destroyed, or its own wrapping, nobody can unwrap it
//! ├─ seals  metadata
//! └─ seals  content
//! ```
//!
//! Wrapping and sealing are one operation, [`seal`]: AES-256-GCM under a key derived by HKDF-SHA-256 (RFC 5869) for that one
//! context, which is also the additional data. So no ciphertext can be moved to another record, part or owner, and no key
//! encrypts so often that random nonces could meet.

mod kek;
mod ring;
mod wrapped;

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

pub use kek::{KeyEncryptionKey, VaultKeySource};
pub(crate) use ring::{CheckedFor, KeyRing, Tenant, subject_context, tenant_contexts};

use crate::{Result, VaultError};

/// 32 bytes that are wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// The id of a vault: random, and never changed.
pub(crate) type VaultId = [u8; 16];

/// Bytes of a pseudonym: enough that two values never meet, short enough for an index.
pub(crate) const MAC_BYTES: usize = 16;

/// What a record is found by, each with whether it is personal.
pub(crate) type Pseudonyms = BTreeMap<[u8; MAC_BYTES], bool>;

/// First part of every context: another number is another format.
const FORMAT: &str = "vouchlog vault 1";

/// What a ciphertext is for. The parts hold no 0x1f, so that two contexts are never the same bytes.
pub(crate) fn context(parts: &[&str]) -> Vec<u8> {
    let mut bytes = FORMAT.as_bytes().to_vec();
    for part in parts {
        bytes.push(0x1f);
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// A new random key.
pub(crate) fn random_key() -> Result<Key> {
    let mut key = Key::default();
    random(key.as_mut_slice())?;
    Ok(key)
}

/// Fills `bytes` from the system's generator.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| VaultError::Database(format!("no random bytes: {error}")))
}

/// Seals `plain` for `context`: `nonce[12] || ciphertext || tag[16]`. `secret` is a key, or several one after another.
pub(crate) fn seal(secret: &[u8], context: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    random(&mut nonce)?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let key = derived(secret, context);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            &mut sealed[NONCE_LEN..],
        )
        .expect("AES-GCM seals anything shorter than 64 GiB");
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`seal`] made; `None` when the key, the context or a bit is another.
pub(crate) fn open(secret: &[u8], context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut plain = Zeroizing::new(ciphertext.to_vec());
    let key = derived(secret, context);
    let length = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), plain.as_mut_slice())
        .ok()?
        .len();
    plain.truncate(length);
    Some(plain)
}

/// As [`open`], for a wrapped key.
pub(crate) fn open_key(secret: &[u8], context: &[u8], sealed: &[u8]) -> Option<Key> {
    let plain = open(secret, context, sealed)?;
    plain.as_slice().try_into().ok().map(Zeroizing::new)
}

/// The AES key of one context.
fn derived(secret: &[u8], context: &[u8]) -> LessSafeKey {
    let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
    let info = [context];
    let material = pseudorandom.expand(&info, &AES_256_GCM).expect("one block of output");
    LessSafeKey::new(UnboundKey::from(material))
}

/// The pseudonym of a value: the first 16 bytes of HMAC-SHA-256 over `name 0x1f value`.
pub(crate) fn pseudonym(key: &hmac::Key, name: &str, value: &str) -> [u8; MAC_BYTES] {
    let mut mac = hmac::Context::with_key(key);
    mac.update(name.as_bytes());
    mac.update(&[0x1f]);
    mac.update(value.as_bytes());
    *mac.sign().as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_context_and_bytes_open() {
        let (key, other) = (random_key().unwrap(), random_key().unwrap());
        let (here, there) = (context(&["content", "r1"]), context(&["content", "r2"]));
        let sealed = seal(key.as_slice(), &here, b"what was said").unwrap();
        assert_eq!(open(key.as_slice(), &here, &sealed).unwrap().as_slice(), b"what was said");
        assert_eq!(open(other.as_slice(), &here, &sealed), None);
        assert_eq!(open(key.as_slice(), &there, &sealed), None);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(key.as_slice(), &here, &changed), None);
        }
        for length in 0..sealed.len() {
            assert_eq!(open(key.as_slice(), &here, &sealed[..length]), None);
        }
        assert_ne!(seal(key.as_slice(), &here, b"what was said").unwrap(), sealed, "nonces are random");
    }

    /// HKDF, AES-GCM and the pseudonym against values computed with Python's `cryptography` and `hmac`, so that another program
    /// can read a vault.
    #[test]
    fn the_formats_are_those_of_the_standards() {
        const SEALED: &str =
            "000102030405060708090a0bc2ce9ceed6b48ba6f9acfce893ef350ee0a19935ad511e7629a5054563";
        let key = [7; 32];
        let sealed = hex::decode(SEALED).unwrap();
        let plain = open(&key, &context(&["metadata", "r1"]), &sealed).unwrap();
        assert_eq!(plain.as_slice(), b"interoperable");
        let mac = pseudonym(&hmac::Key::new(hmac::HMAC_SHA256, &key), "session", "s-1");
        assert_eq!(hex::encode(mac), "391a1e93d7bbb7525f4a6cbccb01bb37");
    }
}
