//! Key sets of identity providers (RFC 7517), read into keys that verify with exactly one algorithm each.
//!
//! The algorithm is a property of the key and never of the token: a token that names another one does not match the key, whatever
//! its signature.

use std::collections::BTreeSet;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::SignatureAlgorithm::{
    self, ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512,
};
use crate::limits::{MAX_KEYS, RSA_BYTES};

/// The keys of a set that can verify signatures. Others are left out, as RFC 7517 section 5 asks.
#[derive(Default)]
pub(crate) struct KeySet(Vec<VerifyingKey>);

/// A key that verifies.
pub(crate) struct VerifyingKey {
    id: Option<String>,
    /// An RSA key without a stated algorithm verifies with any of its family that the issuer's list has; any other key with one.
    algorithms: Vec<SignatureAlgorithm>,
    public: PublicKey,
}

/// The public part of a key.
enum PublicKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The point, uncompressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// The members of a key that are looked at.
#[derive(Deserialize)]
struct Members {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a key set; none if it is not one, is too large, or has two keys of one id.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let Document { keys } = serde_json::from_slice(bytes).ok()?;
        if keys.len() > MAX_KEYS {
            return None;
        }
        let keys: Vec<VerifyingKey> = keys.into_iter().filter_map(VerifyingKey::of).collect();
        let ids: Vec<&String> = keys.iter().filter_map(|key| key.id.as_ref()).collect();
        let is_ambiguous = ids.iter().collect::<BTreeSet<_>>().len() < ids.len();
        (!is_ambiguous).then_some(Self(keys))
    }

    /// The key of a token by the id in its header. A token without an id matches only where there is one key.
    pub(crate) fn find(&self, id: Option<&str>) -> Option<&VerifyingKey> {
        match (id, &self.0[..]) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            (None, [one]) => Some(one),
            (None, _) => None,
        }
    }
}

impl VerifyingKey {
    fn of(key: Value) -> Option<Self> {
        let members: Members = serde_json::from_value(key).ok()?;
        let is_for_signatures = members.r#use.as_deref().is_none_or(|it| it == "sig")
            && members.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !is_for_signatures {
            return None;
        }
        let public = members.public()?;
        let possible = public.algorithms();
        let algorithms: Vec<_> = match members.alg.as_deref() {
            // RFC 9864 names the curve where RFC 8037 named the family.
            Some("Ed25519") => possible.iter().filter(|algorithm| **algorithm == EdDSA).copied().collect(),
            Some(stated) => possible.iter().filter(|algorithm| algorithm.name() == stated).copied().collect(),
            None => possible.to_vec(),
        };
        (!algorithms.is_empty()).then_some(Self { id: members.kid, algorithms, public })
    }

    /// Whether it verifies with an algorithm.
    pub(crate) fn has(&self, algorithm: SignatureAlgorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether it signed a message.
    pub(crate) fn verifies(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let by = |with: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(with, key).verify(message, signature).is_ok()
        };
        match &self.public {
            _ if !self.has(algorithm) => false,
            PublicKey::Rsa { modulus, exponent } => rsa(algorithm).is_some_and(|parameters| {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(parameters, message, signature).is_ok()
            }),
            PublicKey::P256(point) => by(&ECDSA_P256_SHA256_FIXED, point),
            PublicKey::P384(point) => by(&ECDSA_P384_SHA384_FIXED, point),
            PublicKey::Ed25519(key) => by(&ED25519, key),
        }
    }
}

impl PublicKey {
    fn algorithms(&self) -> &'static [SignatureAlgorithm] {
        match self {
            Self::Rsa { .. } => &[RS256, RS384, RS512, PS256, PS384, PS512],
            Self::P256(_) => &[ES256],
            Self::P384(_) => &[ES384],
            Self::Ed25519(_) => &[EdDSA],
        }
    }
}

fn rsa(algorithm: SignatureAlgorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        PS256 => Some(&RSA_PSS_2048_8192_SHA256),
        PS384 => Some(&RSA_PSS_2048_8192_SHA384),
        PS512 => Some(&RSA_PSS_2048_8192_SHA512),
        ES256 | ES384 | EdDSA => None,
    }
}

impl Members {
    /// The public key. A symmetric key (`oct`) has no place in a public set.
    ///
    /// SPEC: RFC 7518 section 6, RFC 8037 section 2.
    fn public(&self) -> Option<PublicKey> {
        let bytes = |member: &Option<String>| URL_SAFE_NO_PAD.decode(member.as_ref()?).ok();
        let of_length =
            |member: &Option<String>, length: usize| bytes(member).filter(|it| it.len() == length);
        let point = |length: usize| {
            let (x, y) = (of_length(&self.x, length)?, of_length(&self.y, length)?);
            Some([vec![0x04], x, y].concat())
        };
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => {
                let number = |member| {
                    Some(bytes(member)?.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>())
                };
                let (modulus, exponent) = (number(&self.n)?, number(&self.e)?);
                let is_fit = RSA_BYTES.contains(&modulus.len()) && (1..=8).contains(&exponent.len());
                is_fit.then_some(PublicKey::Rsa { modulus, exponent })
            }
            ("EC", Some("P-256")) => point(32).map(PublicKey::P256),
            ("EC", Some("P-384")) => point(48).map(PublicKey::P384),
            ("OKP", Some("Ed25519")) => of_length(&self.x, 32).map(PublicKey::Ed25519),
            _ => None,
        }
    }
}
