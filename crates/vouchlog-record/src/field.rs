//! A value that may be missing, and why: absent, not applicable, redacted and erased are four different things.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::format::MARK;

/// One field of a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Field<T> {
    /// Not recorded. JSON: the member is missing, or null.
    #[default]
    Absent,
    /// The gateway recorded that there can be none, such as the device of a scheduled job. JSON: `{"$": "not_applicable"}`.
    NotApplicable,
    /// There is one, and it was left out. JSON: `{"$": "redacted"}`.
    Redacted,
    /// There was one until it was erased. JSON: `{"$": "erased"}`.
    Erased,
    /// It is here.
    Value(T),
}

impl<T> Field<T> {
    /// The value, if it is here.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it is not recorded.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether there is or was a value that is not here to be checked.
    pub const fn is_withheld(&self) -> bool {
        matches!(self, Self::Redacted | Self::Erased)
    }

    /// The state as JSON spells it; `None` for a value and for nothing.
    const fn mark(&self) -> Option<&'static str> {
        match self {
            Self::Absent | Self::Value(_) => None,
            Self::NotApplicable => Some("not_applicable"),
            Self::Redacted => Some("redacted"),
            Self::Erased => Some("erased"),
        }
    }
}

impl<T: Default> Field<T> {
    /// The value, for filling in; made if it is not here.
    pub fn get_or_default(&mut self) -> &mut T {
        if self.value().is_none() {
            *self = Self::Value(T::default());
        }
        match self {
            Self::Value(value) => value,
            _ => unreachable!("it was just set"),
        }
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

impl From<&str> for Field<String> {
    fn from(value: &str) -> Self {
        Self::Value(value.to_owned())
    }
}

impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self, self.mark()) {
            (Self::Value(value), _) => value.serialize(serializer),
            (_, Some(mark)) => serializer.collect_map([(MARK, mark)]),
            (_, None) => serializer.serialize_none(),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Field_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<T>(), generator.subschema_for::<State>(), { "type": "null" }] })
    }
}

/// Why a value is missing.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it only describes what `Field` reads and writes")]
struct State {
    #[serde(rename = "$")]
    state: StateName,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes what `Field` reads and writes")]
enum StateName {
    NotApplicable,
    Redacted,
    Erased,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::RecordError;
    use crate::path::Path;
    use crate::read::{Read, Unknown};

    fn read<T: Read>(value: Value) -> Result<Field<T>, RecordError> {
        Field::read(value, &Path::Top, &mut Unknown::new())
    }

    #[test]
    fn every_state_survives_json() {
        for field in [
            Field::Absent,
            Field::NotApplicable,
            Field::Redacted,
            Field::Erased,
            Field::Value("x".to_owned()),
        ] {
            let json = serde_json::to_value(&field).unwrap();
            assert_eq!(read::<String>(json).unwrap(), field);
        }
    }

    #[test]
    fn a_mark_stands_alone_and_is_one_of_three() {
        for wrong in [json!({ "$": "lost" }), json!({ "$": "erased", "x": 1 }), json!({ "$": 1 })] {
            assert!(read::<Value>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
