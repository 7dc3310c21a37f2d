//! Arrays and objects that were flattened into attributes: `llm.input_messages.0.message.role`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::intake::{Attributes, is_again};
use crate::limits::{MAX_DEPTH, MAX_INDEX};

/// The array below `prefix`, rebuilt, and the names of the attributes it was made of. A gap in the numbers closes.
pub(super) fn rebuild(attributes: &Attributes, prefix: &str) -> Option<(Vec<Value>, Vec<String>)> {
    let mut elements: BTreeMap<usize, Value> = BTreeMap::new();
    let mut names = Vec::new();
    for (name, value) in attributes {
        let Some(rest) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')) else { continue };
        if is_again(name) {
            continue;
        }
        let mut path = rest.split('.');
        let Some(index) = path.next().and_then(|index| index.parse::<usize>().ok()) else { continue };
        let path: Vec<_> = path.collect();
        if index > MAX_INDEX || path.len() > MAX_DEPTH {
            continue;
        }
        let element = elements.entry(index).or_insert_with(|| Value::Object(Map::new()));
        insert(element, &path, value);
        names.push(name.clone());
    }
    if elements.is_empty() {
        return None;
    }
    Some((elements.into_values().map(number).collect(), names))
}

fn insert(at: &mut Value, path: &[&str], value: &Value) {
    match (path.split_first(), &mut *at) {
        (None, _) => *at = value.clone(),
        (Some((name, rest)), Value::Object(members)) => {
            let member = members.entry(*name).or_insert_with(|| Value::Object(Map::new()));
            insert(member, rest, value);
        }
        // A name that is both a value and a prefix: the first one stays.
        (Some(_), _) => {}
    }
}

/// Objects whose members are all numbers are arrays.
fn number(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let indexed: Option<BTreeMap<usize, &String>> =
        members.keys().map(|name| Some((name.parse().ok()?, name))).collect();
    match indexed {
        Some(indexed) if !indexed.is_empty() => {
            let order: Vec<String> = indexed.into_values().cloned().collect();
            let mut members = members;
            order.iter().filter_map(|name| members.remove(name)).map(number).collect()
        }
        _ => Value::Object(members.into_iter().map(|(name, value)| (name, number(value))).collect()),
    }
}
