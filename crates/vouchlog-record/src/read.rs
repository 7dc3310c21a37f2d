//! From JSON to the model, in one pass: every value is moved to its field, and what no field takes is left, by its place.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::digest::{ArtifactDigest, Commitment};
use crate::error::RecordError;
use crate::field::Field;
use crate::format::MARK;
use crate::id::RecordId;
use crate::path::Path;

/// Members that no field takes, by JSON pointer.
pub(crate) type Unknown = BTreeMap<String, Value>;

/// What can be read from JSON as part of a record.
pub(crate) trait Read: Sized {
    /// Reads it; `at` is where it stands.
    fn read(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Self, RecordError>;
}

pub(crate) fn wrong(at: &Path<'_>, problem: impl Into<String>) -> RecordError {
    RecordError::Field { at: at.words(), problem: problem.into() }
}

/// What serde reads, without anything of the model in it.
pub(crate) fn leaf<T: DeserializeOwned>(value: Value, at: &Path<'_>) -> Result<T, RecordError> {
    T::deserialize(value).map_err(|error| wrong(at, error.to_string()))
}

/// The members of a group. What is no member of it is left in `unknown`; a null says nothing and is not missed.
pub(crate) fn members(
    value: Value,
    at: &Path<'_>,
    unknown: &mut Unknown,
    mut take: impl FnMut(&str, Value, &Path<'_>, &mut Unknown) -> Result<Option<Value>, RecordError>,
) -> Result<(), RecordError> {
    let Value::Object(object) = value else {
        return Err(wrong(at, format!("expected an object, found {}", kind(&value))));
    };
    for (name, value) in object {
        let here = Path::Member(at, &name);
        if let Some(left) = take(&name, value, &here, unknown)?.filter(|left| !left.is_null()) {
            unknown.insert(here.pointer(), left);
        }
    }
    Ok(())
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl<T: Read> Read for Field<T> {
    fn read(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Self, RecordError> {
        match value.as_object().and_then(|object| Some((object.get(MARK)?, object.len()))) {
            None if value.is_null() => Ok(Self::Absent),
            None => T::read(value, at, unknown).map(Self::Value),
            Some((Value::String(mark), 1)) => match mark.as_str() {
                "not_applicable" => Ok(Self::NotApplicable),
                "redacted" => Ok(Self::Redacted),
                "erased" => Ok(Self::Erased),
                other => Err(wrong(
                    at,
                    format!("`{other}` is not a state: use not_applicable, redacted or erased"),
                )),
            },
            Some(_) => Err(wrong(at, "a member called `$` is a state and stands alone")),
        }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Self, RecordError> {
        let Value::Array(list) = value else {
            return Err(wrong(at, format!("expected a list, found {}", kind(&value))));
        };
        let one = |(place, value)| T::read(value, &Path::Element(at, place), unknown);
        list.into_iter().enumerate().map(one).collect()
    }
}

impl Read for Value {
    fn read(value: Value, _: &Path<'_>, _: &mut Unknown) -> Result<Self, RecordError> {
        Ok(value)
    }
}

impl Read for Map<String, Value> {
    fn read(value: Value, at: &Path<'_>, _: &mut Unknown) -> Result<Self, RecordError> {
        match value {
            Value::Object(object) => Ok(object),
            other => Err(wrong(at, format!("expected an object, found {}", kind(&other)))),
        }
    }
}

macro_rules! leaves {
    ($($name:ty),* $(,)?) => {
        $(impl Read for $name {
            fn read(value: Value, at: &Path<'_>, _: &mut Unknown) -> Result<Self, RecordError> {
                leaf(value, at)
            }
        })*
    };
}

leaves!(bool, u64, String, Timestamp, Number, BTreeMap<String, u64>, ArtifactDigest, Commitment, RecordId);
