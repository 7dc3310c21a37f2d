//! Reading a record: bounded, strict in what it understands, and without the secrets that must not be stored.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use vouchlog_stream::StatementKind;

use super::{Profile, Record, RecordId, SCHEMA, kind_name, secrets, unknown};
use crate::limits::{MAX_LIST, MAX_RECORD_BYTES, MAX_RECORD_DEPTH};

/// A record that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The record; `custody.secrets_removed` says how many secrets were taken out.
    pub record: Record,
    /// JSON pointers of the secrets that were taken out, never the secrets.
    pub removed: Vec<String>,
}

/// Why a text is no record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is longer than [`MAX_RECORD_BYTES`].
    #[error(
        "the record has {0} bytes; at most {MAX_RECORD_BYTES} are taken: keep large content elsewhere and name it in `ref`"
    )]
    TooLong(usize),
    /// It is no JSON.
    #[error("the record is no JSON: {0}")]
    Json(serde_json::Error),
    /// It is no object.
    #[error("a record is a JSON object")]
    NotAnObject,
    /// It is nested deeper than [`MAX_RECORD_DEPTH`].
    #[error("the record is nested deeper than {MAX_RECORD_DEPTH} levels")]
    TooDeep,
    /// A list is longer than [`MAX_LIST`].
    #[error("{at}: more than {MAX_LIST} entries; split the interaction into several records")]
    TooMany {
        /// Where.
        at: String,
    },
    /// It is of another format.
    #[error("the record's schema is `{0}`, not `{SCHEMA}`")]
    Schema(String),
    /// A field is not what it must be.
    #[error("{at}: {problem}")]
    Field {
        /// Where, as in `initiator.kind`.
        at: String,
        /// What is wrong.
        problem: String,
    },
}

impl Record {
    /// Reads a record, and takes out what must never be stored: authorization headers, cookies, keys, raw tokens.
    pub fn from_json(json: &[u8]) -> Result<Parsed, RecordError> {
        if json.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLong(json.len()));
        }
        Self::from_value(serde_json::from_slice(json).map_err(RecordError::Json)?)
    }

    /// The same from a JSON value.
    pub fn from_value(mut value: Value) -> Result<Parsed, RecordError> {
        check_bounds(&value, "", 0)?;
        let Value::Object(object) = &mut value else { return Err(RecordError::NotAnObject) };
        match object.remove("schema") {
            None | Some(Value::Null) => {}
            Some(Value::String(schema)) if schema == SCHEMA => {}
            Some(other) => {
                let other = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                return Err(RecordError::Schema(other.chars().take(100).collect()));
            }
        }
        let removed = secrets::remove(object);
        let read = object.clone();
        let mut members = value;
        let head = Head::take(&mut members)?;
        let body = typed(members)?;
        let mut record = Record {
            kind: head.kind,
            id: head.id,
            profile: head.profile,
            body,
            unknown: std::collections::BTreeMap::new(),
        };
        record.unknown = unknown::find(&read, &record.to_object());
        if !removed.is_empty() {
            let counted = &mut record.body.custody.get_or_default().secrets_removed;
            let before = counted.value().copied().unwrap_or_default();
            *counted = before.saturating_add(removed.len() as u64).into();
        }
        Ok(Parsed { record, removed })
    }
}

/// What stands beside the groups.
#[derive(Deserialize)]
struct Head {
    #[serde(deserialize_with = "kind_name::deserialize")]
    kind: StatementKind,
    #[serde(default)]
    id: Option<RecordId>,
    #[serde(default)]
    profile: Option<Profile>,
}

impl Head {
    fn take(members: &mut Value) -> Result<Self, RecordError> {
        let object = members.as_object_mut().ok_or(RecordError::NotAnObject)?;
        let head = ["kind", "id", "profile"].into_iter();
        typed(head.filter_map(|name| Some((name.to_owned(), object.remove(name)?))).collect())
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, RecordError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { "record".into() } else { path };
        RecordError::Field { at, problem: error.into_inner().to_string() }
    })
}

fn check_bounds(value: &Value, at: &str, depth: usize) -> Result<(), RecordError> {
    if depth > MAX_RECORD_DEPTH {
        return Err(RecordError::TooDeep);
    }
    match value {
        Value::Object(object) => object
            .iter()
            .try_for_each(|(name, value)| check_bounds(value, &format!("{at}/{name}"), depth + 1)),
        Value::Array(list) => {
            // Content is free JSON, bounded by the record's bytes; lists of groups are bounded here.
            let is_list_of_groups = list.iter().any(Value::is_object) && !super::is_content(at);
            if is_list_of_groups && list.len() > MAX_LIST {
                return Err(RecordError::TooMany { at: at.to_owned() });
            }
            list.iter()
                .enumerate()
                .try_for_each(|(place, value)| check_bounds(value, &format!("{at}/{place}"), depth + 1))
        }
        _ => Ok(()),
    }
}
