//! A value that may be given once or as a list: one approval, or the four eyes of two.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::error::RecordError;
use crate::path::Path;
use crate::read::{Read, Unknown};

/// One value, or a list of them. It is written as it was read, so that a record keeps its paths and its digest.
#[derive(Clone, Debug, PartialEq)]
pub enum OneOrMany<T> {
    /// An object.
    One(T),
    /// A list of objects.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// All of them, each with its JSON pointer; `at` is the pointer of the field.
    pub fn places(&self, at: &str) -> impl Iterator<Item = (String, &T)> {
        let is_one = matches!(self, Self::One(_));
        self.as_slice()
            .iter()
            .enumerate()
            .map(move |(place, value)| (if is_one { at.to_owned() } else { format!("{at}/{place}") }, value))
    }
}

impl<T: Default> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::One(T::default())
    }
}

impl<T: Read> Read for OneOrMany<T> {
    fn read(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Self, RecordError> {
        if value.is_array() {
            return Vec::read(value, at, unknown).map(Self::Many);
        }
        T::read(value, at, unknown).map(Self::One)
    }
}

impl<T: Serialize> Serialize for OneOrMany<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(one) => one.serialize(serializer),
            Self::Many(many) => many.serialize(serializer),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<T>(), generator.subschema_for::<Vec<T>>()] })
    }
}
