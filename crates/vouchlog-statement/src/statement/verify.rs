//! Verifying: the JWT's form, header and signature first, then its claims, then the disclosures.

use serde_json::Value;
use vouchlog_note::{SignatureType, VerifyingKey};

use super::claims::{CLEAR, Header, Payload};
use super::process::process;
use super::{ALGORITHM, StatementError, TYPE, VerifiedStatement, decode, digest_of, strict_json};
use crate::limits::{MAX_DISCLOSURES, MAX_SD_JWT_BYTES, MAX_STATEMENT_BYTES};

/// Verifies an SD-JWT with the key of the stream named in it, and puts its disclosures in their places.
///
/// Whose key it is, and whether the statement was logged, is another question: [`crate::verify_presentation`].
///
/// # Errors
/// All but those of [`issue`](super::issue) and [`IssuedStatement::present`](super::IssuedStatement::present). The statement does not hold, or is none.
pub fn verify(sd_jwt: &str, key: &VerifyingKey) -> Result<VerifiedStatement, StatementError> {
    if key.signature_type() != SignatureType::CosignatureEd25519 {
        return Err(StatementError::KeyType);
    }
    let (jwt, disclosures) = split(sd_jwt)?;
    let payload = verify_jwt(jwt, key)?;
    let malformed = |error: serde_json::Error| StatementError::Payload(error.to_string());
    let claims = serde_json::from_slice::<Payload>(&payload).map_err(malformed)?.claims()?;
    let Value::Object(object) = strict_json::parse(&payload).map_err(malformed)? else {
        return Err(StatementError::Payload("it is not an object".to_owned()));
    };
    // The claims are taken from what is signed, and collide with a disclosure of their name: none can come from one.
    let mut processed = process(object, &disclosures)?;
    for name in CLEAR {
        processed.claims.remove(name);
    }
    Ok(VerifiedStatement {
        claims,
        disclosed: processed.claims,
        undisclosed: processed.undisclosed,
        digest: digest_of(jwt),
    })
}

/// The JWT and the disclosures: `<JWT>~<disclosure>~...~` (RFC 9901 section 4).
fn split(sd_jwt: &str) -> Result<(&str, Vec<&str>), StatementError> {
    if sd_jwt.len() > MAX_SD_JWT_BYTES {
        return Err(StatementError::TooLarge { bytes: sd_jwt.len(), limit: MAX_SD_JWT_BYTES });
    }
    let (jwt, rest) = sd_jwt.split_once('~').ok_or(StatementError::Form("it has no `~` after its JWT"))?;
    if jwt.len() > MAX_STATEMENT_BYTES {
        return Err(StatementError::TooLarge { bytes: jwt.len(), limit: MAX_STATEMENT_BYTES });
    }
    if rest.is_empty() {
        return Ok((jwt, Vec::new()));
    }
    // SPEC: what follows the last `~` is a key binding JWT. A statement is bound to no holder's key.
    let rest = rest.strip_suffix('~').ok_or(StatementError::KeyBinding)?;
    let count = rest.split('~').count();
    if count > MAX_DISCLOSURES {
        return Err(StatementError::TooManyDisclosures(count));
    }
    Ok((jwt, rest.split('~').collect()))
}

/// Checks the header and the signature of a compact JWS (RFC 7515 section 5.2); returns the payload.
fn verify_jwt(jwt: &str, key: &VerifyingKey) -> Result<Vec<u8>, StatementError> {
    let parts =
        jwt.rsplit_once('.').and_then(|(input, signature)| Some((input, input.split_once('.')?, signature)));
    let (input, (header, payload), signature) =
        parts.ok_or(StatementError::Form("its JWT does not have three parts"))?;
    let header = decode(header).ok_or(StatementError::Form("its header is not base64url"))?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|error| StatementError::Header(error.to_string()))?;
    if header.alg != ALGORITHM {
        return Err(StatementError::Algorithm(header.alg));
    }
    if header.typ != TYPE {
        return Err(StatementError::Type(header.typ));
    }
    if header.kid != key.id().to_string() {
        return Err(StatementError::KeyId { stated: header.kid, expected: key.id() });
    }
    let signature = decode(signature).and_then(|bytes| bytes.try_into().ok());
    if !signature.is_some_and(|signature| key.verifies_jws(input, &signature)) {
        return Err(StatementError::Signature);
    }
    decode(payload).ok_or(StatementError::Form("its payload is not base64url"))
}
