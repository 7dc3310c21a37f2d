//! What a recipient may not take for missing: of a record that was disclosed in part, every field that is not there may have been
//! withheld. Grading is told so, field by field; the schema of a record says which fields there are.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use vouchlog_record::Record;
use vouchlog_stream::Evidence;

static SCHEMA: LazyLock<Value> = LazyLock::new(Record::json_schema);

/// What a use says of its credential, in groups that have no other member of that name.
const NAMED: &str = "credential";

/// Marks every field of the model that is not in `record` as redacted, in the groups that are and at the top.
///
/// Few uses name their credential. Where the gateway signed that the credential was valid, which it judged by the whole record, a name
/// that is not there is taken for absent: hiding one cannot make a valid credential of another.
pub(super) fn mark(record: &mut Map<String, Value>, claimed: Evidence) {
    let marking = Marking { has_names: !claimed.claims_valid_credential() };
    let several = record.contains_key("credentials");
    marking.object(record, &SCHEMA);
    // A record has one of the two.
    record.remove(if several { "credential" } else { "credentials" });
}

/// What is marked.
#[derive(Clone, Copy)]
struct Marking {
    /// Whether the names of credentials are.
    has_names: bool,
}

impl Marking {
    fn object(self, members: &mut Map<String, Value>, schema: &Value) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            match members.get_mut(name) {
                Some(value) => self.inside(value, schema),
                None if name == NAMED && is_text(schema) && !self.has_names => {}
                None if is_field(schema) => {
                    members.insert(name.clone(), json!({ "$": "redacted" }));
                }
                None => {}
            }
        }
    }

    fn inside(self, value: &mut Value, schema: &Value) {
        // Of a group that may be a list of them, either form; of a list, its elements.
        let forms = schema["anyOf"].as_array().into_iter().flatten().map(resolved);
        let forms: Vec<&Value> = forms.flat_map(|form| within(form).into_iter().map(resolved)).collect();
        let group = || forms.iter().find(|form| is_group(form));
        let items = || forms.iter().map(|form| resolved(&form["items"])).find_map(group_of);
        match value {
            Value::Object(members) if !members.contains_key("$") => {
                if let Some(group) = group() {
                    self.object(members, group);
                }
            }
            // A list of names and groups is disclosed whole.
            Value::Array(elements) if elements.iter().all(Value::is_object) => {
                if let Some(group) = items() {
                    elements
                        .iter_mut()
                        .filter_map(Value::as_object_mut)
                        .for_each(|it| self.object(it, group));
                }
            }
            _ => {}
        }
    }
}

/// The forms of a schema that has several, or itself.
fn within(schema: &Value) -> Vec<&Value> {
    schema["anyOf"].as_array().map_or_else(|| vec![schema], |forms| forms.iter().collect())
}

/// The group that a list's elements are, or may be.
fn group_of(schema: &Value) -> Option<&Value> {
    within(schema).into_iter().map(resolved).find(|form| is_group(form))
}

/// Whether a schema is that of a group, and not of the state of a field.
fn is_group(schema: &Value) -> bool {
    schema["properties"].as_object().is_some_and(|members| !members.contains_key("$"))
}

fn is_text(schema: &Value) -> bool {
    schema["anyOf"].as_array().into_iter().flatten().any(|form| form["type"] == "string")
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
        mark(&mut record, Evidence::NONE);
        let record = Record::from_value(Value::Object(record)).unwrap().record;
        let initiator = record.body.initiator.value().unwrap();
        assert_eq!((&initiator.sub, &initiator.iss), (&Field::Value("u-1".to_owned()), &Field::Redacted));
        assert_eq!(record.body.tools.value().unwrap()[0].status, Field::Redacted);
        assert_eq!((&record.body.device, &record.body.credential), (&Field::Erased, &Field::Redacted));
        assert_eq!(record.profile, None);
        assert!(record.unknown().is_empty());
        assert_eq!(record.body.credentials, Field::Absent, "a record has one of the two");
    }

    #[test]
    fn lists_and_single_groups_are_marked_alike() {
        let value = json!({ "kind": "interaction", "approval": [{ "state": "approved" }], "override": { "by": "u-1" },
            "credentials": [{ "id": "c-1" }], "authority": { "chain": ["u-1", { "principal": "a" }] } });
        let Value::Object(mut record) = value else { panic!() };
        mark(&mut record, Evidence::NONE);
        let body = Record::from_value(Value::Object(record)).unwrap().record.body;
        assert_eq!(body.approval.value().unwrap().as_slice()[0].approver, Field::Redacted);
        assert_eq!(body.r#override.value().unwrap().as_slice()[0].at, Field::Redacted);
        assert_eq!(
            (&body.credentials.value().unwrap()[0].exp, &body.credential),
            (&Field::Redacted, &Field::Absent)
        );
        let chain = body.authority.value().unwrap().chain.value().unwrap().clone();
        assert_eq!(chain[1].delegation().unwrap().exp, Field::Absent);
    }

    #[test]
    fn names_of_credentials_are_taken_for_absent_where_the_gateway_claims_a_valid_one() {
        let marked = |claimed: Evidence| {
            let value =
                json!({ "kind": "interaction", "model": { "served": "m" }, "tools": [{ "name": "t" }] });
            let Value::Object(mut record) = value else { panic!() };
            mark(&mut record, claimed);
            let body = Record::from_value(Value::Object(record)).unwrap().record.body;
            let model = body.model.value().unwrap().credential.clone();
            assert_eq!(body.credential, Field::Redacted);
            (model, body.tools.value().unwrap()[0].credential.clone())
        };
        assert_eq!(marked(Evidence::new(1 << 24).unwrap()), (Field::Absent, Field::Absent));
        for other in [Evidence::NONE, Evidence::new(2 << 24).unwrap()] {
            assert_eq!(marked(other), (Field::Redacted, Field::Redacted));
        }
    }
}
