//! Bodies that are no OTLP: LiteLLM's generic callback, OPA's decision log, and records as they are.

use serde_json::{Map, Value};
use thiserror::Error;
use vouchlog_evidence::{Parsed, Record, RecordError};

use crate::intake::Attributes;
use crate::limits::{MAX_BODY_BYTES, MAX_PAYLOADS};

mod litellm;
mod opa;

pub use litellm::litellm;
pub use opa::opa;

/// Why a body was not read at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DoorError {
    /// It is too long.
    #[error("the body has {0} bytes; at most {MAX_BODY_BYTES} are taken: send smaller batches")]
    TooLong(usize),
    /// It is neither a JSON object, nor an array of them, nor one on each line.
    #[error("the body is neither JSON objects in an array nor one on each line: {0}")]
    Json(String),
    /// It has too many.
    #[error("more than {MAX_PAYLOADS} payloads in one body")]
    TooMany,
}

/// A payload that was not taken, by its place in the body, and why.
pub type NotTaken = (usize, String);

/// One record as a gateway makes it itself. Whoever sends it is asked nothing more than that it reads.
pub fn record(json: &[u8]) -> Result<Parsed, RecordError> {
    Record::from_json(json)
}

/// An object of a body, or why it is none.
type OneObject = Result<Map<String, Value>, String>;

/// The objects of a body: one, an array of them, or one on each line.
fn objects(body: &[u8]) -> Result<Vec<OneObject>, DoorError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(DoorError::TooLong(body.len()));
    }
    let values: Vec<Value> = match serde_json::from_slice(body) {
        Ok(Value::Array(list)) => list,
        Ok(one) => vec![one],
        Err(_) => serde_json::Deserializer::from_slice(body)
            .into_iter()
            .take(MAX_PAYLOADS + 1)
            .collect::<Result<_, _>>()
            .map_err(|error| DoorError::Json(error.to_string()))?,
    };
    if values.len() > MAX_PAYLOADS {
        return Err(DoorError::TooMany);
    }
    let object = |value| match value {
        Value::Object(object) => Ok(object),
        _ => Err("it is no object".to_owned()),
    };
    Ok(values.into_iter().map(object).collect())
}

/// Puts a member in if there is one.
fn set(members: &mut Attributes, name: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        members.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
