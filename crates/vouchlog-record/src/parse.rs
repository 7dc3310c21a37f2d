//! Reading a record: bounded, strict in what it understands, and without the secrets that must not be stored.

use serde_json::{Map, Value};
use vouchlog_stream::StatementKind;

use crate::content::is_content;
use crate::error::RecordError;
use crate::format::SCHEMA;
use crate::id::RecordId;
use crate::json::{self, JsonError};
use crate::limits::{MAX_LIST, MAX_RECORD_BYTES, MAX_RECORD_DEPTH};
use crate::path::Path;
use crate::read::{Read as _, Unknown, leaf, wrong};
use crate::record::{Body, Profile, Record};
use crate::secrets;
use crate::stand_in::RedactionKey;

/// A record that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedRecord {
    /// The record; `custody.secrets_removed` is the number of secrets that were removed.
    pub record: Record,
    /// JSON pointers of the secrets that were taken out, never the secrets.
    pub removed: Vec<String>,
}

impl Record {
    /// Reads a record, and takes out what must never be stored: authorization headers, cookies, keys, raw tokens. A stand-in takes the place of
    /// each: equal for equal secrets, and nothing can be learnt from it without the key. A name that occurs twice in an object is an error; a number
    /// that is held neither in 64 bits nor in a double becomes the text that was sent.
    pub fn from_json(json: &[u8]) -> Result<ParsedRecord, RecordError> {
        if json.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLong(json.len()));
        }
        match json::read(json, json::MAX_DEPTH) {
            Ok(value) => Self::from_value(value),
            Err(JsonError::Deep(_)) => Err(RecordError::TooDeep),
            Err(error) => Err(RecordError::Json(serde::de::Error::custom(error))),
        }
    }

    /// The same from a JSON value. The stand-ins of secrets are made with the key of this process.
    pub fn from_value(value: Value) -> Result<ParsedRecord, RecordError> {
        Self::from_value_with(value, &RedactionKey::of_process())
    }

    /// The same with a key of one's own: equal secrets have equal stand-ins in all records that are read with it.
    pub fn from_value_with(mut value: Value, key: &RedactionKey) -> Result<ParsedRecord, RecordError> {
        check_bounds(&value, &Path::Top, 0)?;
        let Value::Object(object) = &mut value else { return Err(RecordError::NotAnObject) };
        match object.remove("schema") {
            None | Some(Value::Null) => {}
            Some(Value::String(schema)) if schema == SCHEMA => {}
            Some(other) => {
                let other = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                return Err(RecordError::Schema(other.chars().take(100).collect()));
            }
        }
        let removed = secrets::remove(object, key);
        let (kind, id, profile) = head(object)?;
        let mut unknown = Unknown::new();
        let body = Body::read(value, &Path::Top, &mut unknown)?;
        if !body.credential.is_absent() && !body.credentials.is_absent() {
            let problem = "there is `credential` as well: give one of the two";
            return Err(wrong(&Path::Member(&Path::Top, "credentials"), problem));
        }
        let mut record = Record { kind, id, profile, body, unknown };
        if !removed.is_empty() {
            let counted = &mut record.body.custody.get_or_default().secrets_removed;
            let before = counted.value().copied().unwrap_or_default();
            *counted = before.saturating_add(removed.len() as u64).into();
        }
        Ok(ParsedRecord { record, removed })
    }
}

/// What stands beside the groups.
fn head(
    record: &mut Map<String, Value>,
) -> Result<(StatementKind, Option<RecordId>, Option<Profile>), RecordError> {
    const fn at(name: &str) -> Path<'_> {
        Path::Member(&Path::Top, name)
    }
    let kind = match record.remove("kind") {
        None => Err("there is no such member; it names the subject of the record".to_owned()),
        Some(Value::String(name)) => {
            StatementKind::from_name(&name).filter(|kind| *kind != StatementKind::Opaque).ok_or_else(|| {
                format!("`{}` is not a kind of record", name.chars().take(100).collect::<String>())
            })
        }
        Some(_) => Err("a kind is a string".to_owned()),
    };
    let kind = kind.map_err(|problem| wrong(&at("kind"), problem))?;
    let id = record.remove("id").map_or(Ok(None), |id| leaf(id, &at("id")))?;
    let profile = record.remove("profile").map_or(Ok(None), |profile| leaf(profile, &at("profile")))?;
    Ok((kind, id, profile))
}

fn check_bounds(value: &Value, at: &Path<'_>, depth: usize) -> Result<(), RecordError> {
    if depth > MAX_RECORD_DEPTH {
        return Err(RecordError::TooDeep);
    }
    match value {
        Value::Object(object) => object
            .iter()
            .try_for_each(|(name, value)| check_bounds(value, &Path::Member(at, name), depth + 1)),
        Value::Array(list) => {
            // Content is free JSON, bounded by the record's bytes; lists of groups are bounded here.
            let is_list_of_groups = || list.iter().any(Value::is_object) && !is_content(&at.pointer());
            if list.len() > MAX_LIST && is_list_of_groups() {
                return Err(RecordError::TooMany { at: at.pointer() });
            }
            list.iter()
                .enumerate()
                .try_for_each(|(place, value)| check_bounds(value, &Path::Element(at, place), depth + 1))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_has_what_was_sent_or_is_none() {
        let text = br#"{"kind":"interaction","input":{"content":{"n":123456789012345678901,"f":0.10000000000000000001}}}"#;
        let record = Record::from_json(text).unwrap().record;
        let content = &record.to_object()["input"]["content"];
        assert_eq!(*content, json!({ "n": "123456789012345678901", "f": "0.10000000000000000001" }));
        for twice in [
            r#"{"kind":"interaction","kind":"intent"}"#,
            r#"{"kind":"interaction","data":{"retrieved":true,"retrieved":false}}"#,
        ] {
            let error = Record::from_json(twice.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("occurs twice"), "{error}");
        }
        let deep = format!(r#"{{"kind":"interaction","a":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
        assert!(matches!(Record::from_json(deep.as_bytes()), Err(RecordError::TooDeep)));
    }
}
