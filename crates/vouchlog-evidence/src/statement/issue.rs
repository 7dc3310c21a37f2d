//! Issuing: the record is concealed and the JWT signed.
//!
//! The encoding is that of the crate `sd-jwt-payload`: salts from the thread's generator, which the system seeds; digests
//! inserted in the order of their bytes, so that they say nothing about the order of the fields.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use sd_jwt_payload::{JsonObject, JwsSigner, SdJwt, SdJwtBuilder};
use serde_json::{Map, Value};
use vouchlog_note::{NoteError, SignatureType, SigningKey};

use super::conceal::{Plan, Step};
use super::{ALGORITHM, ClearClaims, Disclosure, Issued, Sha256, StatementError, TYPE, encode};
use crate::limits::SALT_BYTES;

/// Conceals a record and signs the statement with the stream's key, of type 0x04.
///
/// The salts are random: the same record never gives the same statement twice. A record's own members `id` and `kind` repeat
/// `jti` and `kind`: the caller leaves them out.
///
/// # Errors
/// [`StatementError::Reserved`] for a member at the top of the record that is named like a claim;
/// [`StatementError::TooManyGroups`]; [`StatementError::Claim`] for a claim no verifier takes; [`StatementError::KeyType`].
pub fn issue(
    claims: &ClearClaims,
    record: &Map<String, Value>,
    key: &SigningKey,
) -> Result<Issued, StatementError> {
    claims.check()?;
    if key.verifying_key().signature_type() != SignatureType::CosignatureEd25519 {
        return Err(StatementError::KeyType);
    }
    let plan = Plan::of(record)?;
    let paths = plan.steps.iter().filter_map(|step| match step {
        Step::Conceal(path) => Some(path.clone()),
        Step::AddDecoys(..) => None,
    });
    let paths: Vec<String> = paths.collect();
    let sd_jwt = encode_and_sign(claims, plan, key).map_err(|e| StatementError::Encoder(e.to_string()))?;
    let complete = sd_jwt.presentation();
    let jwt = complete.split('~').next().unwrap_or_default().to_owned();
    let encoded = sd_jwt.disclosures().iter().map(|disclosure| disclosure.as_str().to_owned());
    let mut disclosures: Vec<Disclosure> =
        paths.into_iter().zip(encoded).map(|(path, encoded)| Disclosure { path, encoded }).collect();
    // A path sorts behind those it begins with, which are the groups it stands in.
    disclosures.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Issued { jwt, disclosures })
}

fn encode_and_sign(
    claims: &ClearClaims,
    plan: Plan,
    key: &SigningKey,
) -> Result<SdJwt, sd_jwt_payload::Error> {
    let mut builder = SdJwtBuilder::new_with_hasher_and_salt_size(plan.record, Sha256, SALT_BYTES)?;
    for step in plan.steps {
        builder = match step {
            Step::Conceal(path) => builder.make_concealable(&path)?,
            Step::AddDecoys(path, count) => builder.add_decoys(&path, count)?,
        };
    }
    for (name, value) in claims.to_map() {
        builder = builder.insert_claim(name, value)?;
    }
    let builder = builder.header("typ", TYPE).header("kid", key.verifying_key().id().to_string());
    // The encoder's signer is asynchronous, ours is not: its future is ready when it is made.
    let signer = StreamKey(key);
    let finished = pin!(builder.finish(&signer, ALGORITHM));
    match finished.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(finished) => finished,
        Poll::Pending => Err(sd_jwt_payload::Error::JwsSignerFailure("it waits for something".to_owned())),
    }
}

struct StreamKey<'a>(&'a SigningKey);

impl StreamKey<'_> {
    fn compact(&self, header: &JsonObject, payload: &JsonObject) -> Result<Vec<u8>, NoteError> {
        let json = |object: &JsonObject| Value::Object(object.clone()).to_string();
        let mut jws = format!("{}.{}", encode(json(header).as_bytes()), encode(json(payload).as_bytes()));
        let signature = self.0.sign_jws(&jws)?;
        jws.push('.');
        jws.push_str(&encode(&signature));
        Ok(jws.into_bytes())
    }
}

impl JwsSigner for StreamKey<'_> {
    type Error = NoteError;

    // As `#[async_trait]` writes it.
    fn sign<'s, 'h, 'p, 'a>(
        &'s self,
        header: &'h JsonObject,
        payload: &'p JsonObject,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, NoteError>> + Send + 'a>>
    where
        's: 'a,
        'h: 'a,
        'p: 'a,
        Self: 'a,
    {
        Box::pin(std::future::ready(self.compact(header, payload)))
    }
}
