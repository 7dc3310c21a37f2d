//! Goal: the steps that `vouchlog doctor` gives lead a real program from its defaults to complete evidence, and each does what was said.
//! Method: a program calls a model with the OpenAI SDK under a real instrumentation; the doctor's next step is looked up and taken, the
//! program runs again with a new log and a new collector, and the answers are those that the step promised.
//!
//! This takes a Python with the packages: `VOUCHLOG_PYTHON`, or else `python3`. Where there is none, the tests say so.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::collect::world::World;
use crate::emitters::{emitter, python_with};

/// The program's steps, each by a line of the doctor's that no other step has.
const STEPS: [(&str, &str); 8] = [
    ("executor", "evidence.workload.verified=true"),
    ("authorized", "span.set_attribute(\"user.id\", claims[\"sub\"])"),
    ("credential", "if not introspect(token)[\"active\"]:"),
    ("data", "span.set_attribute(\"evidence.override.none\", True)"),
    ("policy", "def decide(phase, text):"),
    ("known", "\"subject\": \"policy\""),
    ("content", "CAPTURE_MESSAGE_CONTENT"),
    ("collector", "vouchlog collect --unsampled --profile regulated"),
];

/// More steps than there are would go round in a circle.
const MAX_STEPS: usize = STEPS.len() + 1;

/// Runs the program with the steps so far; what the doctor says of it.
fn examined(python: &Path, sdk: &str, steps: &[&str]) -> Value {
    let world = World::new();
    let log = world.start_log();
    let of_collector: &[&str] =
        if steps.contains(&"collector") { &["--unsampled", "--profile", "regulated"] } else { &[] };
    let collector = world.start_collector(of_collector);
    let of_program: Vec<&str> = steps.iter().copied().filter(|step| *step != "collector").collect();
    let output = emitter(python, "ladder.py", "http/protobuf", &collector.url)
        .args([sdk, &of_program.join(",")])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["all_taken"], true, "{told}{error}");
    let calls = told["calls"].as_array().unwrap().len();
    // A trace that is cut short by the collector's end does not show that no tool was called.
    wait_for_records(&world, calls);
    assert_eq!(collector.terminate(), 0);
    let report = world.ask(0, &["doctor"]);
    drop(log);
    let [service] = report["services"].as_array().unwrap().as_slice() else { panic!("{report:#}") };
    assert_eq!(
        (&service["service"], &service["gateway"]),
        (&"support-bot".into(), &sdk.into()),
        "{report:#}"
    );
    assert_eq!(
        service["records"].as_u64(),
        Some(told["calls"].as_array().unwrap().len() as u64),
        "{report:#}"
    );
    service.clone()
}

fn wait_for_records(world: &World, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = world.ask(0, &["find", "--kind", "interaction"]);
        if found["records"].as_array().map(Vec::len) == Some(count) {
            return;
        }
        assert!(Instant::now() < deadline, "{count} records are not there: {found}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The step of the program that has a suggestion's lines.
fn step_of(suggestion: &Value) -> &'static str {
    let lines = suggestion["lines"].to_string().replace("\\\"", "\"");
    let found = STEPS.iter().find(|(_, line)| lines.contains(line));
    found.unwrap_or_else(|| panic!("the program has no such step: {suggestion:#}")).0
}

/// Records that answer each question with *yes*.
fn answers(service: &Value) -> BTreeMap<String, u64> {
    let questions = service["ladder"]["questions"].as_array().unwrap();
    let answer = |one: &Value| (one["question"].as_str().unwrap().to_owned(), one["yes"].as_u64().unwrap());
    questions.iter().map(answer).collect()
}

fn climb(sdk: &str, module: &str) {
    let Some(python) = python_with(module) else { return };
    let mut steps: Vec<&str> = Vec::new();
    let mut promised: Option<BTreeMap<String, u64>> = None;
    while steps.len() <= MAX_STEPS {
        let service = examined(&python, sdk, &steps);
        if let Some(promised) = promised {
            assert_eq!(answers(&service), promised, "after {steps:?}: {service:#}");
        }
        let ladder = &service["ladder"];
        if ladder["complete"] == true {
            assert_eq!(ladder["answered"], 3, "{service:#}");
            assert!(steps.len() >= 6, "{steps:?}");
            return;
        }
        let next = &ladder["next"]["add"];
        let place = next["suggestion"].as_u64().unwrap_or_else(|| panic!("after {steps:?}: {service:#}"));
        steps.push(step_of(&service["add"][usize::try_from(place).unwrap()]));
        let effect = next["effect"]["questions"].as_array().unwrap();
        let after =
            |one: &Value| (one["question"].as_str().unwrap().to_owned(), one["after"].as_u64().unwrap());
        promised = Some(effect.iter().map(after).collect());
    }
    panic!("{sdk} is not complete after {steps:?}");
}

#[test]
fn the_doctors_steps_lead_opentelemetrys_instrumentation_to_complete_evidence() {
    climb("openai_v2", "opentelemetry.instrumentation.openai_v2");
}

#[test]
fn the_doctors_steps_lead_openllmetry_to_complete_evidence() {
    climb("openllmetry", "opentelemetry.instrumentation.openai");
}
