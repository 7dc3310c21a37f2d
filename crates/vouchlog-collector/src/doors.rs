//! Bodies that are no OTLP: LiteLLM's generic callback, OPA's decision log, and records as they are.

use serde_json::{Map, Value};
use thiserror::Error;
use vouchlog_record::json::{self, JsonError};
use vouchlog_record::limits::MAX_RECORD_BYTES;
use vouchlog_record::{ParsedRecord, Record};
use vouchlog_statement::check_members;

use crate::intake::{Attributes, size_of};
use crate::limits::{MAX_BODY_BYTES, MAX_PAYLOADS};
use crate::sender::outside_kind;

mod litellm;
mod opa;

pub use litellm::litellm;
pub use opa::opa;

/// Why a body was not read at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DoorError {
    /// It is too long.
    #[error("the body has {0} bytes; at most {MAX_BODY_BYTES} are accepted: send smaller batches")]
    TooLong(usize),
    /// It is neither a JSON object, nor an array of them, nor one on each line.
    #[error("the body is neither a JSON array of objects nor one object per line: {0}")]
    Json(JsonError),
    /// It has too many.
    #[error("more than {MAX_PAYLOADS} payloads in one body")]
    TooMany,
}

/// What the collector and the recorder put into every record.
const ADDED: [&str; 3] = ["time", "custody", "correlation"];

/// A payload that was not taken, by its place in the body, and why.
pub type Rejection = (usize, String);

/// Records as a gateway makes them itself, and those that were not taken. They have to be readable, such as a statement can be made of,
/// and of no kind that only the vault or the collector makes.
pub fn records(body: &[u8]) -> Result<(Vec<ParsedRecord>, Vec<Rejection>), DoorError> {
    let (mut records, mut not_taken) = (Vec::new(), Vec::new());
    for (place, object) in objects(body)?.into_iter().enumerate() {
        match object.and_then(record) {
            Ok(record) => records.push(record),
            Err(why) => not_taken.push((place, why)),
        }
    }
    Ok((records, not_taken))
}

fn record(object: Map<String, Value>) -> Result<ParsedRecord, String> {
    // Escapes aside it takes more in memory than as text.
    let is_small = size_of(&object) <= MAX_RECORD_BYTES / 6;
    let bytes = || serde_json::to_string(&object).map_or(usize::MAX, |text| text.len());
    if !is_small && bytes() > MAX_RECORD_BYTES {
        return Err(format!("a record has at most {MAX_RECORD_BYTES} bytes"));
    }
    check_statable(&object)?;
    let parsed = Record::from_value(object.into()).map_err(|error| error.to_string())?;
    outside_kind(&parsed.record)?;
    Ok(parsed)
}

/// Refuses a record that could be kept and never stated, so that it would be declared lost.
///
/// The recorder adds three members if they are missing, and what the record itself may have besides is left to it.
pub(crate) fn check_statable(object: &Map<String, Value>) -> Result<(), String> {
    let own = object.keys().filter(|name| !["id", "kind"].contains(&name.as_str()));
    let added = ADDED.iter().filter(|name| !object.contains_key(**name)).map(|name| (*name).to_owned());
    let members: Vec<String> = own.cloned().chain(added).collect();
    check_members(members.iter()).map_err(|error| error.to_string())
}

/// An object of a body, or why it is none.
type OneObject = Result<Map<String, Value>, String>;

/// The objects of a body: one, an array of them, or one on each line. One that cannot be read costs only itself.
fn objects(body: &[u8]) -> Result<Vec<OneObject>, DoorError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(DoorError::TooLong(body.len()));
    }
    let (mut objects, mut is_json, mut broken) = (Vec::new(), false, None);
    for payload in json::split(body) {
        if objects.len() >= MAX_PAYLOADS {
            return Err(DoorError::TooMany);
        }
        let read = payload.and_then(|payload| {
            is_json |= payload.bytes().starts_with(b"{");
            json::read(payload.bytes(), json::MAX_DEPTH)
        });
        is_json |= read.is_ok();
        objects.push(match read {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err("it is not an object".to_owned()),
            Err(error) => {
                let why = error.to_string();
                broken.get_or_insert(error);
                Err(why)
            }
        });
    }
    match broken {
        Some(error) if !is_json => Err(DoorError::Json(error)),
        _ => Ok(objects),
    }
}

/// Puts a member in if there is one.
fn set(members: &mut Attributes, name: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        members.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
