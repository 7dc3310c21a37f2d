//! Messages and answers as LangChain serialises them: constructors (`{lc, type, id, kwargs}`), `{type: "human", data}`, lists in lists, and
//! the generations of an answer.

use serde_json::{Map, Value, json};

use crate::limits::MAX_DEPTH;

/// The messages of a request or an answer that LangChain serialised, as `{role, content, tool_calls}`. None if it is no such thing.
pub(super) fn plain(value: &Value) -> Option<Value> {
    let object = value.as_object()?;
    let all = match (object.get("generations"), object.get("messages")) {
        (Some(Value::Array(generations)), _) => generations.iter().flat_map(generation).collect(),
        (None, Some(Value::Array(messages))) => {
            flat(messages, 0).map(message).collect::<Option<Vec<Value>>>()?
        }
        _ => return None,
    };
    Some(json!({ "messages": all }))
}

/// The elements of lists in lists.
fn flat(list: &[Value], depth: usize) -> Box<dyn Iterator<Item = &Value> + '_> {
    Box::new(list.iter().flat_map(move |one| match one {
        Value::Array(inner) if depth < MAX_DEPTH => flat(inner, depth + 1),
        other => Box::new(std::iter::once(other)),
    }))
}

/// The choices of one generation.
fn generation(list: &Value) -> Vec<Value> {
    let choices = flat(std::slice::from_ref(list), 0);
    choices
        .filter_map(|choice| {
            let of_message = choice.get("message").and_then(message);
            let text = || Some(json!({ "role": "assistant", "content": choice.get("text")?.as_str()? }));
            let mut found = of_message.or_else(text)?;
            let reason = choice.pointer("/generation_info/finish_reason").and_then(Value::as_str);
            if let (Some(reason), Value::Object(members)) = (reason, &mut found) {
                members.insert("finish_reason".into(), reason.into());
            }
            Some(found)
        })
        .collect()
}

/// One message, if LangChain wrote it.
fn message(value: &Value) -> Option<Value> {
    let object = value.as_object()?;
    let members = match object.get("type").and_then(Value::as_str)? {
        "constructor" if object.contains_key("lc") => object.get("kwargs")?.as_object()?,
        _ => object.get("data").and_then(Value::as_object).unwrap_or(object),
    };
    let role = match members.get("type").and_then(Value::as_str)? {
        "human" | "HumanMessageChunk" => "user",
        "ai" | "AIMessageChunk" => "assistant",
        "system" | "SystemMessageChunk" => "system",
        "tool" | "ToolMessageChunk" => "tool",
        _ => return None,
    };
    let mut plain = Map::from_iter([("role".to_owned(), role.into())]);
    for name in ["content", "tool_calls", "tool_call_id", "name"] {
        let told = members.get(name).filter(|value| !value.is_null());
        plain.extend(told.map(|value| (name.to_owned(), value.clone())));
    }
    let reason = members.get("response_metadata").and_then(|about| {
        ["finish_reason", "stop_reason"].into_iter().find_map(|name| about.get(name)?.as_str())
    });
    plain.extend(reason.map(|reason| ("finish_reason".to_owned(), reason.into())));
    Some(plain.into())
}

/// What an answer states of itself: the provider's id and model.
pub(super) fn answer(value: &Value) -> Option<(Option<&str>, Option<&str>)> {
    let places = ["/generations/0/0/message/kwargs/response_metadata", "/llm_output"];
    let about: Vec<&Value> = places.into_iter().filter_map(|place| value.pointer(place)).collect();
    let first = |name: &str| about.iter().find_map(|about| about.get(name)?.as_str());
    (!about.is_empty()).then(|| (first("id"), first("model_name").or_else(|| first("model"))))
}

/// The arguments that LangChain's callback of a tool has among other things, and the call that the run is for.
pub(super) fn called_with(told: &Value) -> Option<(&Value, Option<&str>)> {
    told.get("input_str")?;
    let call = told.pointer("/kwargs/tool_call_id").and_then(Value::as_str);
    Some((told.get("inputs").filter(|inputs| inputs.is_object())?, call))
}

/// The call that the result of a tool answers.
pub(super) fn answered_call(result: &Value) -> Option<&str> {
    let places = [
        "/tool_call_id",
        "/data/tool_call_id",
        "/kwargs/tool_call_id",
        "/output/tool_call_id",
        "/output/kwargs/tool_call_id",
    ];
    let is_message = |value: &Value| value["type"] == "tool" || value["type"] == "constructor";
    (is_message(result) || result.get("output").is_some_and(is_message))
        .then(|| places.into_iter().find_map(|place| result.pointer(place)?.as_str()))?
}
