//! Goal: what a real application's telemetry says is evidence, and each of its calls exactly once.
//! Method: the OpenAI SDK under OpenTelemetry's own instrumentation makes calls, whose recorded answers a stand-in replays; its
//! exporters send spans and events to the real program; what the application saw of each call is held against the records.
//!
//! This takes a Python with the packages: `VOUCHLOG_PYTHON`, or else `python3`. Where there is none, the tests say so.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::collect::world::World;

const SESSION: &str = "sess-emitters";

fn emitters() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/emitters")
}

/// A Python that has the packages, this module among them; where there is none, the test says so.
pub(crate) fn python_with(module: &str) -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("VOUCHLOG_PYTHON").unwrap_or("python3".into()));
    let packages = format!("import openai, {module}, opentelemetry.exporter.otlp.proto.grpc");
    let found = Command::new(&python).args(["-c", &packages]).output().ok();
    if found.is_some_and(|found| found.status.success()) {
        return Some(python);
    }
    eprintln!(
        "no real emitter runs here: `pip install -r tools/emitters/requirements-openllmetry.txt`, and \
         VOUCHLOG_PYTHON=<that python>: cargo test -p vouchlog-cli --test it emitters ladder"
    );
    None
}

/// One of the emitters, which exports to an endpoint and takes nothing else from this process's environment.
pub(crate) fn emitter(python: &Path, program: &str, protocol: &str, endpoint: &str) -> Command {
    let mut command = Command::new(python);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command
        .arg(emitters().join(program))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("OPENAI_BASE_URL");
    command
}

/// Lets the application make its calls; what it saw of them.
fn emit(python: &Path, protocol: &str, endpoint: &str) -> Vec<Value> {
    let output =
        emitter(python, "openai_v2.py", protocol, endpoint).env("EMITTER_SESSION", SESSION).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let mut told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["all_taken"], true, "{told}{error}");
    let Value::Array(calls) = told["calls"].take() else { panic!("{told}") };
    calls
}

/// What was asked, by the name a call gives of its exchange.
fn asked(call: &Value) -> Value {
    let recorded = std::fs::read_to_string(emitters().join("exchanges.jsonl")).unwrap();
    let exchanges = recorded.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    exchanges.into_iter().find(|exchange| exchange["id"] == call["exchange"]).unwrap()["request_body"].take()
}

/// The one record of a call. An answer's id names its call; calls without one are alone in their traces.
fn record_of(world: &World, call: &Value) -> String {
    let (answer, trace) = (call["response_id"].as_str(), call["trace"].as_str().unwrap());
    let facet = answer.map_or_else(|| format!("trace={trace}"), |answer| format!("response={answer}"));
    let found = world.ask(0, &["find", "--kind", "interaction", "--by", &facet]);
    let [row] = found["records"].as_array().unwrap().as_slice() else { panic!("{facet}: {found}") };
    assert!(row["index"].as_u64().is_some(), "it is in the log: {row}");
    row["id"].as_str().unwrap().to_owned()
}

/// What is disclosed of a record, and verified as a stranger would.
fn disclosed(world: &World, record: &str, fields: &str) -> Value {
    let file = world.path("presentation.json");
    world.ask(0, &["disclose", "--record", record, "--fields", fields, "--basis", "a test", "--out", &file]);
    let mut shown = world.ask(0, &["verify", "--presentation", &file]);
    assert_eq!(shown["holds"], true, "{shown}");
    std::fs::remove_file(&file).unwrap();
    shown["disclosed"].take()
}

/// Holds a record against what its caller saw of the call.
fn check(world: &World, call: &Value) {
    let (is_chat, failed) = (call["kind"] == "chat", call.get("error").is_some());
    let fields = match (is_chat, failed) {
        (true, false) => "correlation,initiator,model,outcome,usage,input.content,output.content",
        (true, true) => "correlation,initiator,model,outcome,input.content",
        (false, false) => "correlation,initiator,model,outcome,usage",
        (false, true) => "correlation,initiator,model,outcome",
    };
    let record = disclosed(world, &record_of(world, call), fields);
    assert_eq!(record["correlation"]["trace"], call["trace"], "{record}");
    assert_eq!(record["correlation"]["span"], call["span"], "{record}");
    assert_eq!(record["correlation"]["session"], SESSION, "{record}");
    assert_eq!(record["initiator"]["sub"], "u-20931", "{record}");
    assert_eq!(record["model"]["requested"], call["requested"], "{record}");
    assert_eq!(record["outcome"]["state"], if failed { "error" } else { "executed" }, "{record}");
    if !failed {
        assert_eq!(record["model"]["served"], call["model"], "{record}");
        for (name, tokens) in call["usage"].as_object().unwrap() {
            assert_eq!(&record["usage"][name], tokens, "{name}: {record}");
        }
    }
    if is_chat {
        let asked = asked(call);
        let last = asked["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
        assert!(record["input"]["content"].to_string().contains(last), "{last}: {record}");
    }
    if is_chat && !failed {
        assert_eq!(record["correlation"]["response_id"], call["response_id"], "{record}");
        let content = record["output"]["content"].to_string();
        assert!(content.contains(call["text"].as_str().unwrap()), "{record}");
        for proposed in call["tool_calls"].as_array().unwrap() {
            assert!(content.contains(proposed.as_str().unwrap()), "{proposed}: {record}");
        }
    }
}

/// Calls over one protocol, from the first span to the audited log. The collector takes either on either of its addresses.
fn every_call_is_one_record(protocol: &str) {
    let Some(python) = python_with("opentelemetry.instrumentation.openai_v2") else { return };
    let world = World::new();
    let log = world.start_log();
    let collector = world.start_collector(&[]);
    let calls = emit(&python, protocol, &collector.url);
    // It completes what is open and closes its stream.
    assert_eq!(collector.terminate(), 0);

    let found = world.ask(0, &["find", "--kind", "interaction", "--by", &format!("session={SESSION}")]);
    assert_eq!((calls.len(), found["records"].as_array().map(Vec::len)), (10, Some(10)), "{found}");
    calls.iter().for_each(|call| check(&world, call));
    tools_were_run(&world, &calls);
    // 1: who authorised it cannot be told, for the application does not say.
    let session = world.ask(1, &["session", SESSION]);
    assert_eq!(session["records"].as_array().map(Vec::len), Some(10), "{session}");
    let audit = world.run(&["audit", "--log", &log.url]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}

/// The application ran two tools between two calls of one turn: the runs are in the record of the call that asked for them.
fn tools_were_run(world: &World, calls: &[Value]) {
    let asks = calls.iter().find(|call| call["exchange"] == "x481").unwrap();
    let record = disclosed(world, &record_of(world, asks), "tools");
    let tools = record["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 2, "{record}");
    for (tool, call) in tools.iter().zip(asks["tool_calls"].as_array().unwrap()) {
        assert_eq!(
            (&tool["call_id"], &tool["name"]),
            (call, &Value::from("get_current_weather")),
            "{record}"
        );
        assert_eq!(tool["status"], "executed", "{record}");
    }
}

#[test]
fn every_call_of_a_real_application_is_one_record_over_grpc() {
    every_call_is_one_record("grpc");
}

#[test]
fn every_call_of_a_real_application_is_one_record_over_http() {
    every_call_is_one_record("http/protobuf");
}
