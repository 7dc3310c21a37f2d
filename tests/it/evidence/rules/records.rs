//! Rules about one record: `vouchlog grade` reads all cases in one run. Names are made different from case to case, so that none
//! speaks of another.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Codes, Proof, codes, rule};
use crate::evidence::world::{World, testdata};

/// Values by JSON pointer, in this order; null takes away, `-` adds to a list.
type Edits = Vec<(String, Value)>;

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    /// The complete record that is changed.
    #[serde(default)]
    of: Base,
    fires: Side,
    spares: Side,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Base {
    #[default]
    Complete,
    LowRisk,
}

/// One side of a case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Side {
    /// What is changed in the record.
    #[serde(default)]
    set: Edits,
    /// What is changed in a record that comes before it, where one does.
    after: Option<Edits>,
    /// Records of other kinds that come before it.
    #[serde(default)]
    events: Vec<Value>,
    /// Other rules that cannot but fire too.
    #[serde(default)]
    also: Vec<String>,
}

fn edit(value: &mut Value, edits: &Edits) {
    for (pointer, new) in edits {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer has a slash");
        let parent = value.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}: no such place"));
        match (parent, new) {
            (Value::Object(object), Value::Null) => {
                assert!(object.remove(name).is_some(), "{pointer}: nothing to take away");
            }
            (Value::Object(object), new) => {
                object.insert(name.to_owned(), new.clone());
            }
            (Value::Array(list), Value::Null) => {
                list.remove(name.parse().unwrap());
            }
            (Value::Array(list), new) if name == "-" => list.push(new.clone()),
            (Value::Array(list), new) => list[name.parse::<usize>().unwrap()] = new.clone(),
            _ => panic!("{pointer}: no place for a value"),
        }
    }
}

impl Side {
    /// The records of this side; the last is the one that is judged.
    fn records(&self, of: Base, number: usize, name: &str) -> Vec<Value> {
        let base = match of {
            Base::Complete => testdata("record-complete.json"),
            Base::LowRisk => testdata("record-low-risk.json"),
        };
        let edited = |name: String, edits: &Edits| {
            let mut record = base.clone();
            record["id"] = name.into();
            edit(&mut record, edits);
            record
        };
        let mut records: Vec<Value> = testdata("earlier.json").as_array().unwrap().clone();
        records.extend(self.events.iter().cloned());
        records.extend(self.after.iter().map(|edits| edited(format!("{name}-before"), edits)));
        records.push(edited(name.to_owned(), &self.set));
        let text = Value::Array(records).to_string();
        let text = text
            .replace(&"a".repeat(64), &format!("{number:064x}"))
            .replace("sess-01J9", &format!("sess-{number}"))
            .replace("sa-token-4471", &format!("sa-token-{number}"))
            .replace("/sa/refunds", &format!("/sa/refunds-{number}"))
            .replace("agt-refunds", &format!("agt-refunds-{number}"))
            .replace("/sa/newsdigest", &format!("/sa/newsdigest-{number}"));
        serde_json::from_str(&text).unwrap()
    }
}

/// What the program finds in each of the records that are judged.
pub(super) fn proofs(world: &World) -> Vec<Proof> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/rules/records.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut records = vec![json!({ "kind": "configuration", "configuration": {
        "subject": "data_classes", "in_force_from": "2026-11-01T00:00:00Z",
        "classes": ["public", "internal", "customer-pii", "health"],
    } })];
    for (place, case) in cases.iter().enumerate() {
        records.extend(case.fires.records(case.of, 2 * place, &format!("{}-fires", case.rule)));
        records.extend(case.spares.records(case.of, 2 * place + 1, &format!("{}-spares", case.rule)));
    }
    let file = world.path("cases.json");
    std::fs::write(&file, Value::Array(records).to_string()).unwrap();
    let (code, said) = world.ask(&["grade", &file]);
    assert_eq!(code, 1);
    let graded = |name: String| {
        let is_it = |record: &&Value| record["id"] == name.as_str();
        let record = said["records"].as_array().unwrap().iter().find(is_it);
        record.unwrap_or_else(|| panic!("{name} was not graded"))["grade"]["findings"].clone()
    };
    let mut wrong = Vec::new();
    let mut proofs = Vec::new();
    for case in &cases {
        let [fires, spares] = ["fires", "spares"].map(|side| graded(format!("{}-{side}", case.rule)));
        let mut expected: Codes = case.fires.also.iter().cloned().collect();
        expected.insert(case.rule.clone());
        let its = fires.as_array().unwrap().iter().find(|finding| finding["code"] == case.rule.as_str());
        // It has to fire on a fault, and not only for want of knowledge.
        if codes(&fires) != expected || its.is_some_and(|finding| finding["cause"] == "unknown") {
            wrong.push(format!("{} should fire, and {:?} beside it: {fires:#}", case.rule, case.fires.also));
        }
        if codes(&spares) != case.spares.also.iter().cloned().collect() {
            wrong.push(format!("{}: the neighbour is not harmless: {spares:#}", case.rule));
        }
        proofs.push(Proof { rule: rule(&case.rule), fires: codes(&fires), spares: codes(&spares) });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    proofs.push(unsalted(world));
    proofs
}

/// R48: a bare hash of content is refused when the record is read.
fn unsalted(world: &World) -> Proof {
    let judged = |scheme: &str| {
        let mut record = testdata("record-complete.json");
        record["input"] =
            json!({ "commitment": format!("{scheme}:{}", "ab".repeat(32)), "truncated": false });
        let file = world.path("commitment.json");
        std::fs::write(&file, record.to_string()).unwrap();
        let output = world.run(&["grade", "--json", &file]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_refused = output.status.code() == Some(2) && said.contains("(R48)");
        assert!(is_refused || !output.stdout.is_empty(), "{said}");
        if is_refused { Codes::from(["R48".to_owned()]) } else { Codes::new() }
    };
    Proof { rule: rule("R48"), fires: judged("sha256"), spares: judged("hmac-sha256") }
}
