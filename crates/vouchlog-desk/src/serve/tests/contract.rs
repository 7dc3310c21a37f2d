//! The two descriptions of the interface, the OpenAPI document and the protobuf file, describe one: operation by operation, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use serde_json::{Map, Value};
use vouchlog_proto::vault::v1::FILE_DESCRIPTOR_SET;

use crate::remote::PATH;
use crate::serve::Routes;

/// Choices and lists that are messages here, and no objects over HTTP.
const CHOICES: [&str; 3] = ["CaseItem", "SourceStep", "Target"];

fn file() -> FileDescriptorProto {
    FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file.remove(0)
}

fn document() -> Value {
    serde_json::to_value(Routes::all().document).unwrap()
}

/// `find-records` is `FindRecords`.
fn method(name: &str) -> String {
    let words = name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

#[test]
fn every_operation_is_a_route_and_a_method() {
    let document = document();
    let routes: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(|path| method(path.strip_prefix(PATH).unwrap()))
        .collect();
    let file = file();
    let methods: BTreeSet<String> =
        file.service[0].method.iter().map(|method| method.name().to_owned()).collect();
    assert_eq!(routes, methods);
    // What the commands and the console ask is one of these, as both ask by the types that implement `Ask`.
    let mut asks = BTreeSet::new();
    for path in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let path = path.unwrap().path();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let named = |before: &str| -> Vec<String> {
            let parts = text.split(before).skip(1).map(str::trim_start);
            let name =
                |part: &str| part.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
            parts.map(name).filter(|name| !name.is_empty()).collect()
        };
        asks.extend(named("\nimpl Ask for "));
        asks.extend(named("\nchanges!("));
    }
    assert_eq!(asks, methods);
}

#[test]
fn every_field_is_in_both_with_the_same_type() {
    let (document, file) = (document(), file());
    let messages: BTreeMap<&str, &DescriptorProto> =
        file.message_type.iter().map(|message| (message.name(), message)).collect();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut fields = 0;
    for (name, schema) in schemas {
        if schema["type"] != "object" {
            compare_values(name, schema, &file, &messages);
            continue;
        }
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        let request = format!("{name}Request");
        let message = messages.get(request.as_str()).or_else(|| messages.get(name.as_str()));
        let message = message.unwrap_or_else(|| panic!("no message for {name}"));
        let ours: BTreeSet<&str> = message.field.iter().map(FieldDescriptorProto::name).collect();
        assert_eq!(ours, properties.keys().map(String::as_str).collect(), "{name}");
        for field in &message.field {
            fields += 1;
            let property = &properties[field.name()];
            let place = format!("{name}.{}: {property}", field.name());
            assert!(is_of_type(field, property, message), "{place}");
            // Messages may always be missing. An enumeration's first value stands for none.
            let is_scalar =
                field.label() != Label::Repeated && !matches!(field.r#type(), Type::Message | Type::Enum);
            // Zero seconds must not be taken for a period that was left out.
            if is_scalar && !place.starts_with("SetRetention.seconds") {
                assert_eq!(field.proto3_optional(), property.to_string().contains(r#""null""#), "{place}");
            }
        }
    }
    assert!(fields > 250, "{fields}");
}

/// Whether a field can hold what a property is.
fn is_of_type(field: &FieldDescriptorProto, property: &Value, message: &DescriptorProto) -> bool {
    let text = property.to_string();
    let kind = |name: &str| text.contains(&format!(r#""{name}""#));
    let type_name = field.type_name().rsplit('.').next().unwrap_or_default();
    let refers = || {
        ["FoundPeople", "Names"].contains(&type_name)
            || text.contains(&format!(r##""#/components/schemas/{type_name}""##))
    };
    if message.nested_type.iter().any(|nested| nested.name() == type_name) {
        return property["additionalProperties"].is_object();
    }
    let is_list = field.label() == Label::Repeated || ["FoundPeople", "Names"].contains(&type_name);
    if is_list != kind("array") {
        return false;
    }
    match field.r#type() {
        // What is JSON there is text here.
        Type::String => kind("string") || kind("object"),
        Type::Uint64 | Type::Uint32 => kind("integer") && text.contains(r#""minimum":0"#),
        Type::Int64 => {
            kind("integer") && text.contains(r#""format":"int64""#) && !text.contains(r#""minimum":0"#)
        }
        Type::Bool => kind("boolean"),
        Type::Message | Type::Enum => refers(),
        _ => false,
    }
}

/// Values of an enumeration, or the names of a choice.
fn compare_values(
    name: &str,
    schema: &Value,
    file: &FileDescriptorProto,
    messages: &BTreeMap<&str, &DescriptorProto>,
) {
    let mut names = BTreeSet::new();
    let texts = |schema: &Value| -> Vec<String> {
        schema["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    names.extend(texts(schema));
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        names.extend(texts(one));
        names.extend(
            one["properties"].as_object().into_iter().flat_map(|properties| properties.keys().cloned()),
        );
    }
    let ours: BTreeSet<String> = match file.enum_type.iter().find(|one| one.name() == name) {
        Some(one) => {
            let prefix = one.value[0].name().strip_suffix("UNSPECIFIED").unwrap();
            let values = one.value[1..].iter().map(|value| value.name().strip_prefix(prefix).unwrap());
            values.map(|value| value.to_lowercase().replace('_', "-")).collect()
        }
        None => {
            assert!(CHOICES.contains(&name), "{name} is neither an object nor a choice: {schema}");
            messages[name].field.iter().map(|field| field.name().to_owned()).collect()
        }
    };
    assert_eq!(ours, names, "{name}");
}
