//! Exported events as the Open Cybersecurity Schema Framework defines them: its own schema, in a Python package, refuses none of them.
//!
//! This takes a Python with the packages: `VOUCHLOG_PYTHON`, or else `python3`. Where there is none, the test says so.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::world::{World, exchange, owed, record_of, seal, turn};

/// A Python that has the packages.
fn python() -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("VOUCHLOG_PYTHON").unwrap_or("python3".into()));
    let found = Command::new(&python).args(["-c", "import jsonschema, ocsf_json_schema"]).output().ok()?;
    found.status.success().then_some(python)
}

/// What the schema says of each event.
fn checked(python: &Path, events: &str) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/ocsf_check.py");
    let mut process = Command::new(python);
    let mut process = process
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let events = events.to_owned();
    let writing = std::thread::spawn(move || input.write_all(events.as_bytes()));
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    writing.join().unwrap().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Records of every kind that a vault makes or takes, whole and poor ones.
fn filled() -> World {
    let world = World::start();
    let mut over = record_of("over", &exchange("tool-call"));
    over["custody"]["retention"] = "P0D".into();
    let owed = [owed("owed", "P100Y"), json!({ "id": "poor", "kind": "interaction" })];
    let turns = [turn(1, "tool-call"), turn(2, "tool-result"), seal(2)];
    let records: Vec<Value> = std::iter::once(over).chain(owed).chain(turns).collect();
    world.record(&json!(records));
    world.ask(&["hold", "--name", "case 17", "--reason", "a claim", "--record", "owed"]);
    world.disclosed("owed", "outcome");
    world.ask(&["erase", "--record", "over", "--basis", "GDPR Art. 17(1)(a)"]);
    let (_, findings) = world.ask(&["vault", "findings"]);
    let one = &findings["findings"][0];
    for state in ["explained", "accepted"] {
        let (rule, record) = (one["code"].as_str().unwrap(), one["record"].as_str().unwrap());
        let about = ["--rule", rule, "--record", record, "--reason", "TICKET-1"];
        world.ask(&[&["vault", "decide", state], &about[..]].concat());
    }
    world
}

#[test]
fn the_schema_refuses_no_event_of_an_export() {
    let Some(python) = python() else {
        eprintln!(
            "OCSF events are not checked with their schema here: `pip install ocsf-json-schema==1.2.0 jsonschema==4.26.0`, and \
             VOUCHLOG_PYTHON=<that python>: cargo test -p vouchlog-cli --test it evidence::ocsf"
        );
        return;
    };
    let world = filled();
    let mut kinds = BTreeSet::new();
    for (what, class) in [("records", 6003), ("findings", 2004)] {
        let file = world.path(what);
        let export = world.run(&["vault", "export", what, "--format", "ocsf", "-o", &file]);
        assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
        let events = std::fs::read_to_string(&file).unwrap();
        let said = checked(&python, &events);
        assert!(said.len() > 3, "{what}: {events}");
        for (event, said) in events.lines().zip(&said) {
            assert_eq!(
                (&said["problems"], &said["class_uid"]),
                (&json!([]), &json!(class)),
                "{said}: {event}"
            );
            let event: Value = serde_json::from_str(event).unwrap();
            kinds.extend(event["api"]["operation"].as_str().map(str::to_owned));
        }
    }
    for kind in ["interaction", "disclosure", "hold", "erasure", "finding", "configuration"] {
        assert!(kinds.contains(kind), "no event of a record of kind {kind}: {kinds:?}");
    }
    // The check finds what is wrong.
    let wrong = json!({
        "class_uid": 6003, "category_uid": 6, "activity_id": 99, "type_uid": 1, "severity_id": 77, "time": 1, "made_up": true,
        "metadata": { "version": "1.5.0", "uid": "r", "product": { "name": "Vouchlog" } }, "actor": {}, "api": {},
    });
    let said = checked(&python, &format!("{wrong}\n"))[0]["problems"].to_string();
    for part in ["made_up", "$.severity_id", "$.actor", "operation", "src_endpoint", "$.type_uid"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
