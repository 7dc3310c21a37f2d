//! What a recipient may not take for missing: of a record that was disclosed in part, every field that is not there may have been
//! withheld. Grading is told so, field by field; the schema of a record says which fields there are.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use vouchlog_record::Record;

static SCHEMA: LazyLock<Value> = LazyLock::new(Record::json_schema);

/// Marks every field of the model that is not in `record` as redacted, in the groups that are and at the top.
pub(super) fn mark(record: &mut Map<String, Value>) {
    object(record, &SCHEMA);
}

fn object(members: &mut Map<String, Value>, schema: &Value) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        match members.get_mut(name) {
            Some(value) => inside(value, schema),
            None if is_field(schema) => {
                members.insert(name.clone(), json!({ "$": "redacted" }));
            }
            None => {}
        }
    }
}

fn inside(value: &mut Value, schema: &Value) {
    let Some(schema) = schema["anyOf"].get(0).map(resolved) else { return };
    match value {
        Value::Object(members) if !members.contains_key("$") => object(members, schema),
        Value::Array(elements) => {
            let of = resolved(&schema["items"]);
            elements.iter_mut().filter_map(Value::as_object_mut).for_each(|element| object(element, of));
        }
        _ => {}
    }
}

/// Whether a member may be in one of the states of a field.
fn is_field(schema: &Value) -> bool {
    let forms = schema["anyOf"].as_array().into_iter().flatten();
    forms.into_iter().any(|form| form["$ref"] == "#/$defs/State")
}

fn resolved(schema: &Value) -> &Value {
    let named = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/"));
    named.map_or(schema, |name| &SCHEMA["$defs"][name])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use vouchlog_record::Field;

    #[test]
    fn every_field_that_is_not_there_is_withheld_and_what_is_there_stays() {
        let value = json!({ "kind": "interaction", "initiator": { "sub": "u-1" }, "tools": [{ "name": "t" }], "device": { "$": "erased" } });
        let Value::Object(mut record) = value else { panic!() };
        mark(&mut record);
        let record = Record::from_value(Value::Object(record)).unwrap().record;
        let initiator = record.body.initiator.value().unwrap();
        assert_eq!((&initiator.sub, &initiator.iss), (&Field::Value("u-1".to_owned()), &Field::Redacted));
        assert_eq!(record.body.tools.value().unwrap()[0].status, Field::Redacted);
        assert_eq!((&record.body.device, &record.body.credential), (&Field::Erased, &Field::Redacted));
        assert_eq!(record.profile, None);
        assert!(record.unknown().is_empty());
    }
}
