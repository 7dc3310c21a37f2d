//! What a record has that the model does not know: found by comparing what was read with what the model writes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Members of `read` that are not in `understood`, by JSON pointer. A null says nothing and is not missed.
pub(super) fn find(read: &Map<String, Value>, understood: &Map<String, Value>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    in_object(read, understood, "", &mut found);
    found
}

fn in_object(
    read: &Map<String, Value>,
    understood: &Map<String, Value>,
    at: &str,
    found: &mut BTreeMap<String, Value>,
) {
    for (name, value) in read {
        let place = format!("{at}/{}", escape(name));
        match understood.get(name) {
            Some(known) => in_value(value, known, &place, found),
            None if value.is_null() => {}
            None => {
                found.insert(place, value.clone());
            }
        }
    }
}

fn in_value(read: &Value, understood: &Value, at: &str, found: &mut BTreeMap<String, Value>) {
    match (read, understood) {
        (Value::Object(read), Value::Object(understood)) => in_object(read, understood, at, found),
        (Value::Array(read), Value::Array(understood)) => {
            for (place, (read, understood)) in read.iter().zip(understood).enumerate() {
                in_value(read, understood, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

/// Puts members back where they were found. One whose surroundings are gone, erased since, is gone with them.
pub(super) fn put_back(object: &mut Map<String, Value>, unknown: &BTreeMap<String, Value>) {
    for (pointer, value) in unknown {
        let (at, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        let name = unescape(name);
        if at.is_empty() {
            object.insert(name, value.clone());
            continue;
        }
        let Some((first, rest)) = at.strip_prefix('/').map(|at| at.split_once('/').unwrap_or((at, "")))
        else {
            continue;
        };
        let Some(group) = object.get_mut(&unescape(first)) else { continue };
        let parent = if rest.is_empty() { Some(group) } else { group.pointer_mut(&format!("/{rest}")) };
        if let Some(Value::Object(parent)) = parent {
            parent.insert(name, value.clone());
        }
    }
}

/// RFC 6901 section 3.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn unescape(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}
