//! What a record has that the model does not know, put back where it was.

use serde_json::{Map, Value};

use crate::path::unescape_pointer_token;
use crate::read::Unknown;

/// Puts members back where they were found. One whose surroundings are gone, erased since, is gone with them.
pub(crate) fn put_back(object: &mut Map<String, Value>, unknown: &Unknown) {
    for (pointer, value) in unknown {
        let (at, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        let name = unescape_pointer_token(name);
        if at.is_empty() {
            object.insert(name, value.clone());
            continue;
        }
        let Some((first, rest)) = at.strip_prefix('/').map(|at| at.split_once('/').unwrap_or((at, "")))
        else {
            continue;
        };
        let Some(group) = object.get_mut(&unescape_pointer_token(first)) else { continue };
        let parent = if rest.is_empty() { Some(group) } else { group.pointer_mut(&format!("/{rest}")) };
        if let Some(Value::Object(parent)) = parent {
            parent.insert(name, value.clone());
        }
    }
}
