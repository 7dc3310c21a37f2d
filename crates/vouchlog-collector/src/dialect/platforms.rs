//! How observability platforms and their decorators write values: JSON of a text, and arguments as `{args, kwargs}`.

use serde_json::{Map, Value};

use super::Dialect;
use super::shape::json as read_json;
use crate::intake::Attributes;

/// Replaces texts that are JSON of a text, as Langfuse writes them, or of any value but a list or an object, as MLflow does.
pub(super) fn unquote(dialect: Dialect, attributes: &mut Attributes) {
    let is_mlflow = dialect == Dialect::MlFlow;
    for (name, value) in attributes.iter_mut() {
        let is_json = is_mlflow && !name.starts_with("gen_ai.");
        let is_scalar = |text: &&str| text.starts_with('"') || is_json && !text.starts_with(['{', '[']);
        let read = value.as_str().filter(is_scalar).and_then(|text| serde_json::from_str(text).ok());
        if let Some(read) = read {
            *value = read;
        }
    }
}

/// The arguments of a function that a decorator recorded as `{args, kwargs}`: the named ones where there are no others, or the only one.
pub(super) fn arguments(value: &Value) -> Option<Value> {
    let value = read_json(value);
    let object = value.as_object()?;
    // Whichever is empty may be missing.
    let (no_args, no_kwargs) = (Value::Array(Vec::new()), Value::Object(Map::new()));
    let args = object.get("args").unwrap_or(&no_args).as_array()?;
    let kwargs = object.get("kwargs").unwrap_or(&no_kwargs).as_object()?;
    let is_wrapping = (object.contains_key("args") || object.contains_key("kwargs"))
        && object.keys().all(|name| matches!(name.as_str(), "args" | "kwargs" | "sanitize_inputs_outputs"));
    match (args.as_slice(), kwargs.is_empty()) {
        _ if !is_wrapping => None,
        ([], _) => Some(kwargs.clone().into()),
        ([only], true) => Some(only.clone()),
        _ => None,
    }
}
