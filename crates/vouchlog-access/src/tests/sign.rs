//! Keys and tokens of an identity provider, made for tests.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::NOW;

/// A key that signs tokens.
pub(super) enum Key {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    pub(super) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(super) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(super) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// The public key as a JWK, with more members.
    pub(super) fn jwk(&self, kid: &str, more: &Value) -> Value {
        let mut jwk = match self {
            Self::Ed25519(key) => json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key()) }),
            Self::P256(key) => {
                let point = &key.public_key().as_ref()[1..];
                json!({ "kty": "EC", "crv": "P-256", "x": b64(&point[..32]), "y": b64(&point[32..]) })
            }
            Self::Rsa(key) => {
                let der = key.public_key().as_ref();
                // SEQUENCE { INTEGER n, INTEGER e }: n of 257 bytes, the first of which is zero, then e = 65537.
                let at = der.windows(4).position(|it| it == [0x02, 0x82, 0x01, 0x01]).unwrap() + 5;
                json!({ "kty": "RSA", "n": b64(&der[at..at + 256]), "e": "AQAB" })
            }
        };
        let members = jwk.as_object_mut().unwrap();
        members.insert("kid".into(), kid.into());
        members.extend(more.as_object().unwrap().clone());
        jwk
    }

    /// The public key as the library has it, which a confused verifier takes for a shared secret.
    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.public_key().as_ref().to_vec(),
            Self::P256(key) => key.public_key().as_ref().to_vec(),
            Self::Rsa(key) => key.public_key().as_ref().to_vec(),
        }
    }

    fn sign(&self, bytes: &[u8], algorithm: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ed25519(key) => key.sign(bytes).as_ref().to_vec(),
            Self::P256(key) => key.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let padding = if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, bytes, &mut signature).unwrap();
                signature
            }
        }
    }

    /// A token with this header and these claims.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = self.sign(signed.as_bytes(), header["alg"].as_str().unwrap_or_default());
        format!("{signed}.{}", b64(signature))
    }
}

/// Claims of a good token; members of `more` replace them, null removes one.
pub(super) fn claims(issuer: &str, more: &Value) -> Value {
    let mut claims = json!({ "iss": issuer, "aud": "https://log.example", "sub": "collector", "client_id": "collector",
        "exp": NOW + 60, "iat": NOW, "scope": "append read" });
    let members = claims.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}
