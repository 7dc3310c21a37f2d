//! JSON values in postcard, which does not state what comes next: each value has its kind before it. For what waits in memory; nothing
//! of it is stored.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// A value as it is written.
struct PackedValue<'a>(&'a Value);

/// Elements of a list, likewise.
struct PackedList<'a>(&'a [Value]);

/// Members of an object, likewise.
struct PackedMembers<'a, M>(&'a M);

/// A value as it is read, with the kinds in the order in which [`PackedValue`] numbers them.
#[derive(Deserialize)]
enum UnpackedValue {
    Null,
    Bool(bool),
    Natural(u64),
    Integer(i64),
    Double(f64),
    Text(String),
    List(Vec<UnpackedValue>),
    Object(Vec<(String, UnpackedValue)>),
}

impl Serialize for PackedValue<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        const NAME: &str = "Value";
        match self.0 {
            Value::Null => to.serialize_unit_variant(NAME, 0, "Null"),
            Value::Bool(it) => to.serialize_newtype_variant(NAME, 1, "Bool", it),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(it), _) => to.serialize_newtype_variant(NAME, 2, "Natural", &it),
                (None, Some(it)) => to.serialize_newtype_variant(NAME, 3, "Integer", &it),
                (None, None) => {
                    let it = number.as_f64().expect("what is no integer is a double");
                    to.serialize_newtype_variant(NAME, 4, "Double", &it)
                }
            },
            Value::String(text) => to.serialize_newtype_variant(NAME, 5, "Text", text),
            Value::Array(list) => to.serialize_newtype_variant(NAME, 6, "List", &PackedList(list)),
            Value::Object(all) => to.serialize_newtype_variant(NAME, 7, "Object", &PackedMembers(all)),
        }
    }
}

impl Serialize for PackedList<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(PackedValue))
    }
}

impl<M> Serialize for PackedMembers<'_, M>
where
    for<'a> &'a M: IntoIterator<Item = (&'a String, &'a Value)>,
{
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.into_iter().map(|(name, value)| (name, PackedValue(value))))
    }
}

impl From<UnpackedValue> for Value {
    fn from(read: UnpackedValue) -> Self {
        match read {
            UnpackedValue::Null => Self::Null,
            UnpackedValue::Bool(it) => it.into(),
            UnpackedValue::Natural(it) => it.into(),
            UnpackedValue::Integer(it) => it.into(),
            UnpackedValue::Double(it) => Number::from_f64(it).map_or(Self::Null, Self::Number),
            UnpackedValue::Text(text) => text.into(),
            UnpackedValue::List(list) => list.into_iter().map(Self::from).collect(),
            UnpackedValue::Object(all) => {
                Self::Object(all.into_iter().map(|(name, value)| (name, value.into())).collect::<Map<_, _>>())
            }
        }
    }
}

/// For `#[serde(with = …)]` on a value.
pub(crate) mod value {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use serde_json::Value;

    use super::{PackedValue, UnpackedValue};

    pub(crate) fn serialize<S: Serializer>(value: &Value, to: S) -> Result<S::Ok, S::Error> {
        PackedValue(value).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        UnpackedValue::deserialize(from).map(Value::from)
    }
}

/// For `#[serde(with = …)]` on values by name.
pub(crate) mod members {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use serde_json::Value;

    use super::{PackedMembers, UnpackedValue};

    pub(crate) fn serialize<M, S: Serializer>(members: &M, to: S) -> Result<S::Ok, S::Error>
    where
        for<'a> &'a M: IntoIterator<Item = (&'a String, &'a Value)>,
    {
        PackedMembers(members).serialize(to)
    }

    pub(crate) fn deserialize<'de, M, D>(from: D) -> Result<M, D::Error>
    where
        M: FromIterator<(String, Value)>,
        D: Deserializer<'de>,
    {
        let all = Vec::<(String, UnpackedValue)>::deserialize(from)?;
        Ok(all.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Both {
            #[serde(with = "value")]
            value: Value,
            #[serde(with = "members")]
            members: Map<String, Value>,
        }
        let mut deep = json!({ "": [] });
        for _ in 0..200 {
            deep = json!([deep]);
        }
        let value = json!({
            "null": null, "yes": true, "no": false, "largest": u64::MAX, "least": i64::MIN, "zero": 0, "minus": -0.0, "one": 1.0,
            "tenth": 0.1, "huge": 1e308, "tiny": f64::MIN_POSITIVE, "text": "ä\"\\\u{0}😀", "list": [1, "1", [], {}], "deep": deep,
        });
        let Value::Object(members) = value.clone() else { unreachable!("it is an object") };
        let packed = Both { value, members };
        let bytes = postcard::to_stdvec(&packed).unwrap();
        let read: Both = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(read, packed);
        // Equal numbers may be written differently.
        assert_eq!(read.value.to_string(), packed.value.to_string());
    }
}
