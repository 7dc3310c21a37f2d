//! Recorded exports against the accounts of the programs that sent them: `account.json` has each call of a model as its caller saw it, and
//! each run of a tool as the tool saw it.
//!
//! What a record lacks or states otherwise is in `golden/accounts.json`, line by line. A new line there is either something that an
//! emitter does not export, or a fault of the collector; `testdata/README.md` gives the reasons of those that are there.

use std::collections::BTreeMap;

use super::*;
use crate::dialect::{text_of, tool_calls};
use crate::testsupport::account;

/// The differences of all folders with an account.
#[test]
fn records_agree_with_the_accounts_of_the_programs() {
    let entries = std::fs::read_dir(testdata().join("otlp")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeMap<String, Vec<String>> = folders
        .filter_map(|folder| {
            let account = account(&folder)?;
            let records: Vec<Value> = assembled(items(&folder)).records.iter().map(json).collect();
            Some((folder, differences(&account, &records)))
        })
        .collect();
    assert!(found.len() >= 20, "{:?}", found.keys());
    golden("accounts", &serde_json::to_value(found).unwrap());
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn differences(account: &Value, records: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let of_calls = records_of_calls(list(account, "calls"), records);
    for (call, at) in list(account, "calls").iter().zip(&of_calls) {
        let name = format!("call {} ({})", call["exchange"].as_str().unwrap(), what(call));
        match at {
            Some(at) => {
                found.extend(of_call(call, &records[*at]).into_iter().map(|it| format!("{name}: {it}")));
            }
            None => found.push(format!("{name}: no record")),
        }
    }
    let others = (0..records.len()).filter(|at| !of_calls.contains(&Some(*at)));
    for other in others.map(|at| &records[at]) {
        let tools: Vec<&str> = list(other, "tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
        let about = match () {
            // An agent was set up.
            () if other["kind"] == "configuration" => continue,
            () if other["data"].is_object() => format!("retrieval {}", other["data"]["sources"][0]["query"]),
            () if !tools.is_empty() => format!("tools {tools:?}"),
            () if other["policy"].is_array() => format!("decision, {}", other["outcome"]["state"]),
            () => format!(
                "of agent {} and model {}",
                other["workload"]["agent"]["name"], other["model"]["requested"]
            ),
        };
        found.push(format!("further record: {about}"));
    }
    let asked: Vec<&str> = list(account, "calls")
        .iter()
        .flat_map(|call| list(call, "tool_calls"))
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    found.extend(of_tools(list(account, "tools"), &asked, records));
    found
}

fn what(call: &Value) -> String {
    let refused = if call["error"].is_null() { "" } else { ", refused" };
    let stream = if call["stream"] == true { ", stream" } else { "" };
    format!("{}{stream}{refused}", call["api"].as_str().unwrap())
}

/// The record of each call: by the id of the answer, or else the first that is nobody's and fits.
fn records_of_calls(calls: &[Value], records: &[Value]) -> Vec<Option<usize>> {
    let by_answer = |call: &Value| {
        let answer = call.get("response_id")?;
        records.iter().position(|record| record["correlation"]["response_id"] == *answer)
    };
    let mut homes: Vec<Option<usize>> = calls.iter().map(by_answer).collect();
    let fits: [fn(&Value, &Value) -> bool; 3] = [is_alike, is_of_model, is_nameless];
    for fits in fits {
        for (at, call) in calls.iter().enumerate() {
            let is_free = |place: &usize| !homes.contains(&Some(*place));
            let has_no_answer = |record: &Value| record["correlation"]["response_id"].is_null();
            if homes[at].is_none() {
                let mut free =
                    (0..records.len()).filter(is_free).filter(|place| has_no_answer(&records[*place]));
                homes[at] = free.find(|place| fits(call, &records[*place]));
            }
        }
    }
    homes
}

/// Of the same model, and failed or not as the call did.
fn is_of_model(call: &Value, record: &Value) -> bool {
    let model = &record["model"];
    let is_same = model["requested"] == call["requested"] || model["served"] == call["requested"];
    is_same && has_failed(record) != call["error"].is_null()
}

/// A failed call of which the emitter names no model.
fn is_nameless(call: &Value, record: &Value) -> bool {
    let names_model = !record["model"]["requested"].is_null() || !record["model"]["served"].is_null();
    let is_call = list(record, "tools").is_empty() && record["data"].is_null() && record["policy"].is_null();
    is_call && !names_model && has_failed(record) && !call["error"].is_null()
}

fn has_failed(record: &Value) -> bool {
    record["outcome"]["state"] == "error"
}

fn is_alike(call: &Value, record: &Value) -> bool {
    let asked = call.get("tool_calls").and_then(Value::as_array).into_iter().flatten().map(|it| &it["name"]);
    let output = &record["output"]["content"];
    let proposed = tool_calls(output).into_iter().filter_map(|it| it.get("name"));
    let says = !text_of(output).is_empty() || !tool_calls(output).is_empty();
    says && call["error"].is_null()
        && call["text"].as_str().unwrap_or_default() == text_of(output)
        && asked.eq(proposed)
}

/// What a record lacks of a call, or states otherwise.
fn of_call(call: &Value, record: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |name: &str, expected: &Value, stated: &Value| {
        if expected != stated && !expected.is_null() {
            let stated = if stated.is_null() { "not recorded".into() } else { format!("recorded {stated}") };
            found.push(format!("{name} {stated}, was {expected}"));
        }
    };
    let failed = !call["error"].is_null();
    compare("response_id", &call["response_id"], &record["correlation"]["response_id"]);
    compare("requested", &call["requested"], &record["model"]["requested"]);
    compare("served", &call["model"], &record["model"]["served"]);
    compare("state", &if failed { "error" } else { "executed" }.into(), &record["outcome"]["state"]);
    for name in ["input_tokens", "output_tokens"] {
        compare(name, &call["usage"][name], &record["usage"][name]);
    }
    let output = &record["output"]["content"];
    let text = text_of(output);
    let said = if call["text"] == "" { &Value::Null } else { &call["text"] };
    compare("text", said, &if text.is_empty() { Value::Null } else { text.into() });
    for (at, asked) in list(call, "tool_calls").iter().enumerate() {
        let proposed = tool_calls(output);
        let member = |name: &str| proposed.get(at).and_then(|it| it.get(name)).cloned().unwrap_or_default();
        for name in ["id", "name", "arguments"] {
            compare(&format!("tool_calls[{at}].{name}"), &asked[name], &member(name));
        }
    }
    let extra = tool_calls(output).len().saturating_sub(list(call, "tool_calls").len());
    if extra > 0 {
        found.push(format!("{extra} further calls of tools recorded"));
    }
    let served = &record["model"]["served"];
    if failed && !served.is_null() {
        found.push(format!("served recorded {served}, and none was"));
    }
    found
}

/// Each run of a tool is in one record, with what went into it and came out of it.
/// The framework's own ones, as a hand-over, are asked for by a call and are no runs of the program's tools.
fn of_tools(runs: &[Value], asked: &[&str], records: &[Value]) -> Vec<String> {
    let mut recorded: Vec<&Value> = records
        .iter()
        .flat_map(|record| list(record, "tools"))
        .filter(|tool| matches!(tool["status"].as_str(), Some("executed" | "failed" | "denied")))
        .collect();
    let mut found = Vec::new();
    for run in runs {
        let name = run["name"].as_str().unwrap();
        let Some(at) =
            recorded.iter().position(|tool| tool["name"].as_str().is_some_and(|it| it.ends_with(name)))
        else {
            found.push(format!("tool {name}: no run recorded"));
            continue;
        };
        let tool = recorded.remove(at);
        let status = if run["error"].is_null() { "executed" } else { "failed" };
        if tool["status"] != status {
            found.push(format!("tool {name}: recorded as {}, {status}", tool["status"]));
        }
        if tool["arguments"] != run["arguments"] {
            found.push(format!("tool {name}: arguments {}", tool["arguments"]));
        }
        let result = tool["result"].to_string();
        if run["result"].as_str().is_some_and(|text| !result.contains(text)) {
            found.push(format!("tool {name}: result {result}"));
        }
        if tool["proposed"] != true {
            found.push(format!("tool {name}: not joined to the call that asked for it"));
        }
    }
    let is_own = |name: &str| runs.iter().any(|run| run["name"] == name);
    let is_expected =
        |tool: &Value| tool["name"].as_str().is_some_and(|name| asked.contains(&name) && !is_own(name));
    let further = recorded.into_iter().filter(|tool| !is_expected(tool));
    found.extend(further.map(|tool| format!("further run of tool {}", tool["name"])));
    found
}
