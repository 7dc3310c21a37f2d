//! Issuing: the record is concealed and the JWT signed.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use vouchlog_note::{SignatureType, SigningKey};

use super::conceal::{Concealed, conceal};
use super::concealment::{Concealment, in_order};
use super::{
    ALGORITHM, ClearClaims, DIGEST_ALGORITHM, HASH_ALGORITHM, IssuedStatement, StatementError, TYPE, encode,
};

/// Conceals a record and signs the statement with the stream's key, of type 0x04.
///
/// The salts are random: the same record never gives the same statement twice. A record's own members `id` and `kind` repeat
/// `jti` and `kind`: the caller leaves them out.
///
/// # Errors
/// [`StatementError::Reserved`] for a member at the top of the record that is named like a claim;
/// [`StatementError::TooManyGroups`]; [`StatementError::Claim`] for a claim no verifier takes; [`StatementError::KeyType`];
/// [`StatementError::Random`].
pub fn issue(
    claims: &ClearClaims,
    record: &Map<String, Value>,
    key: &SigningKey,
) -> Result<IssuedStatement, StatementError> {
    issue_to_keep(claims, record, key).map(|(issued, _)| issued)
}

/// The same, with what the disclosures of facts are made again from, so that they need not be kept.
///
/// # Errors
/// Those of [`issue`].
pub fn issue_to_keep(
    claims: &ClearClaims,
    record: &Map<String, Value>,
    key: &SigningKey,
) -> Result<(IssuedStatement, Concealment), StatementError> {
    claims.check()?;
    if key.verifying_key().signature_type() != SignatureType::CosignatureEd25519 {
        return Err(StatementError::KeyType);
    }
    let record = in_order(Cow::Borrowed(record));
    let (Concealed { digests: mut payload, mut disclosures, .. }, concealment) = conceal(&record)?;
    payload.insert(DIGEST_ALGORITHM.to_owned(), HASH_ALGORITHM.into());
    payload.extend(claims.to_map());
    let jwt = sign(&Value::Object(payload), key)?;
    // A path sorts behind those it begins with, which are the groups it stands in.
    disclosures.sort_by(|one, other| one.path.cmp(&other.path));
    Ok((IssuedStatement { jwt, disclosures }, concealment))
}

/// The JWT in the compact serialization (RFC 7515 section 7.1).
fn sign(payload: &Value, key: &SigningKey) -> Result<String, StatementError> {
    let header = json!({ "alg": ALGORITHM, "kid": key.verifying_key().id().to_string(), "typ": TYPE });
    let [header, payload] = [&header, payload].map(|part| encode(part.to_string().as_bytes()));
    let mut jwt = format!("{header}.{payload}");
    let signature = key.sign_jws(&jwt).map_err(|_| StatementError::KeyType)?;
    jwt.push('.');
    jwt.push_str(&encode(&signature));
    Ok(jwt)
}
