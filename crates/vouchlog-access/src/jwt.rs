//! A JWT (RFC 7519) as a JWS in compact form (RFC 7515), checked against one provider: header, key, signature, issuer, audience, times;
//! in this order. Before the signature, nothing is used but what chooses the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

use crate::algorithm::SignatureAlgorithm;
use crate::claims::Claims;
use crate::config::Issuer;
use crate::denied::Denied;
use crate::jwks::{KeySet, VerifyingKey};

/// What the header of a token names, and who it says made it. Nothing of it is checked yet.
pub(crate) struct Unverified<'a> {
    /// Header and claims as they were signed.
    signed: &'a [u8],
    signature: Vec<u8>,
    claims: Vec<u8>,
    algorithm: SignatureAlgorithm,
    /// Whether its header states that it is an access token.
    pub(crate) is_access_token: bool,
    pub(crate) key_id: Option<String>,
    pub(crate) issuer: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
    b64: Option<serde_json::Value>,
}

/// The one claim that is read before the signature is checked: it chooses whose keys are to check it.
#[derive(Deserialize)]
struct Issued {
    iss: String,
}

impl<'a> Unverified<'a> {
    /// Whether a bearer token has the form of a JWT.
    pub(crate) fn is_jwt(token: &str) -> bool {
        token.split('.').count() == 3
    }

    pub(crate) fn parse(token: &'a str) -> Result<Self, Denied> {
        let malformed = Denied::Invalid("it is not a JWT");
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(malformed)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed);
        let (header, claims, signature) = (bytes(header)?, bytes(claims)?, bytes(signature)?);
        let header: Header = serde_json::from_slice(&header).map_err(|_| malformed)?;
        let Issued { iss } =
            serde_json::from_slice(&claims).map_err(|_| Denied::Invalid("it names no issuer"))?;
        // SPEC: RFC 7515 section 4.1.11: an extension that must be understood, and is not, makes the token invalid.
        if header.crit.is_some() || header.b64.is_some() {
            return Err(Denied::Invalid("its header has extensions that are not supported"));
        }
        // SPEC: RFC 9068 section 2.1, RFC 7519 section 5.1: access tokens and plain JWTs; no other kind of JWT passes for one.
        let typ = header.typ.map(|typ| typ.to_ascii_lowercase());
        let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
        if !matches!(typ, None | Some("jwt" | "at+jwt")) {
            return Err(Denied::Invalid("it is not an access token"));
        }
        let algorithm = SignatureAlgorithm::of(&header.alg);
        let algorithm = algorithm.ok_or(Denied::Invalid("its signature algorithm is not supported"))?;
        let signed = signed.as_bytes();
        let is_access_token = typ == Some("at+jwt");
        Ok(Self { signed, signature, claims, algorithm, is_access_token, key_id: header.kid, issuer: iss })
    }

    /// The key that must have signed it, if the set has it.
    pub(crate) fn key<'k>(&self, keys: &'k KeySet) -> Option<&'k VerifyingKey> {
        keys.find(self.key_id.as_deref())
    }

    /// Checks the token with the key of its id. It must be for `audience`.
    pub(crate) fn verify(
        &self,
        key: &VerifyingKey,
        issuer: &Issuer,
        audience: &str,
        now: Timestamp,
    ) -> Result<Claims, Denied> {
        if !issuer.algorithms.contains(&self.algorithm) {
            return Err(Denied::Invalid(
                "the issuer's tokens are not accepted with this signature algorithm",
            ));
        }
        if !key.has(self.algorithm) {
            return Err(Denied::Invalid("its signature algorithm is not that of the key"));
        }
        if !key.verifies(self.algorithm, self.signed, &self.signature) {
            return Err(Denied::Invalid("its signature is false"));
        }
        let claims: Claims =
            serde_json::from_slice(&self.claims).map_err(|_| Denied::Invalid("its claims cannot be read"))?;
        if claims.iss != issuer.issuer {
            return Err(Denied::Invalid("it is of another issuer"));
        }
        if !claims.aud.contains(audience) {
            return Err(Denied::Invalid("it is for another audience"));
        }
        let now = now.as_duration().as_secs_f64();
        let skew = issuer.clock_skew.as_secs_f64();
        if claims.exp + skew <= now {
            return Err(Denied::Expired);
        }
        if claims.nbf.is_some_and(|nbf| nbf - skew > now) {
            return Err(Denied::Invalid("it is not valid yet"));
        }
        Ok(claims)
    }
}
