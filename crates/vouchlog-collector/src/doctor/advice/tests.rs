//! The advice is true: what the lines add is read by the collector, and mends what they say; the pages have the same lines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use vouchlog_grading::{Context, Grade, Severity, grade, rule};

use super::*;
use crate::assemble::{Assembler, Config, Delivery, Naming};
use crate::doors;
use crate::intake::{Event, Item, Source, Span, SpanKind};

/// A call as a gateway sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    door: String,
    body: Value,
}

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_795_299_100 * SECOND;

fn naming() -> Naming {
    Box::new(|key| {
        let mut name = [0_u8; 16];
        for (place, byte) in key.iter().enumerate() {
            let at = place % 16;
            name[at] = name[at].rotate_left(1) ^ byte;
        }
        name
    })
}

fn source(body: &Value) -> Arc<Source> {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let resource = body["resource"].as_object().cloned().unwrap_or_default();
    Arc::new(Source { resource, scope: text("scope"), version: text("version"), ..Source::default() })
}

fn span(body: &Value, id: &str, parent: Option<&str>) -> Item {
    Item::Span(Span {
        source: source(body),
        trace: "5b8efff798038103d269b633813fc60c".into(),
        span: id.into(),
        parent: parent.map(str::to_owned),
        flags: 0x100,
        name: body["name"].as_str().unwrap_or("request").into(),
        kind: SpanKind::Client,
        start: START,
        end: START + SECOND,
        attributes: body["attributes"].as_object().cloned().unwrap_or_default(),
        dropped: 0,
        cut: false,
        events: vec![],
        links: vec![],
        failed: false,
        message: String::new(),
    })
}

fn event(body: &Value) -> Item {
    Item::Event(Event {
        source: source(body),
        trace: None,
        span: None,
        flags: 0,
        time: START + SECOND,
        name: body["name"].as_str().unwrap_or_default().into(),
        body: Value::Null,
        attributes: body["attributes"].as_object().cloned().unwrap_or_default(),
        dropped: 0,
        cut: false,
    })
}

/// The record that the collector makes of an example, and the names of attributes it did not understand.
fn collected(door: &str, body: &Value) -> (Record, BTreeSet<String>) {
    let received = Timestamp::from_second(1_795_299_103).unwrap();
    let bytes = serde_json::to_vec(body).unwrap();
    let items = match door {
        "litellm" => {
            let mut records = doors::litellm(&bytes, &naming(), received).unwrap().0;
            return (records.remove(0), BTreeSet::new());
        }
        "record" => return (doors::records(&bytes).unwrap().0.remove(0).record, BTreeSet::new()),
        "opa" => doors::opa(&bytes).unwrap().0,
        "event" => vec![event(body)],
        "span" => match body.get("above") {
            Some(above) => {
                let mut above = above.clone();
                above["resource"] = body["resource"].clone();
                vec![
                    span(&above, "a000000000000001", None),
                    span(body, "a000000000000002", Some("a000000000000001")),
                ]
            }
            None => vec![span(body, "a000000000000002", None)],
        },
        other => panic!("there is no door {other}"),
    };
    let mut assembler = Assembler::new(Config::default(), naming());
    assembler.feed(items, &Delivery::at(received));
    let mut out = assembler.tick(Timestamp::from_second(1_795_299_200).unwrap());
    assert_eq!((out.records.len(), out.failed.len()), (1, 0), "{body}");
    (out.records.remove(0), out.unknown.into_keys().collect())
}

/// The record of an example with what lines add to it. What the collector itself is told goes into the record.
fn record(example: &Example, adds: &Value) -> (Record, BTreeSet<String>) {
    let (mut body, mut adds) = (example.body.clone(), adds.clone());
    let told = adds.as_object_mut().and_then(|adds| adds.remove("record"));
    merge(&mut body, &adds);
    let (made, unknown) = collected(&example.door, &body);
    let mut object = Value::Object(made.to_object());
    merge(&mut object, &json!({ "custody": { "recorder": "recorder" } }));
    merge(&mut object, &told.unwrap_or_else(|| json!({})));
    (Record::from_value(object).unwrap().record, unknown)
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name.clone()).or_insert_with(|| json!({})), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

fn graded(record: &Record) -> Grade {
    grade(record, &Context::default().recorder_key_in_force("recorder", Timestamp::MIN, None))
}

/// What is missing, and [`CONTENT`] where nothing was said.
fn missing(record: &Record) -> BTreeSet<&'static str> {
    let grade = graded(record);
    let worth = grade.findings.iter().filter(|finding| finding.severity > Severity::Info);
    let mut codes: BTreeSet<&str> = worth.map(|finding| finding.rule.code).collect();
    let claims = grade.evidence.names();
    if !claims.contains(&"input committed") && !claims.contains(&"output committed") {
        codes.insert(CONTENT);
    }
    codes
}

fn with_lines() -> impl Iterator<Item = (&'static Gateway, &'static Lines)> {
    all().gateways.iter().flat_map(|gateway| gateway.add.iter().map(move |lines| (gateway, lines)))
}

#[test]
fn every_file_is_read_and_has_its_own_name() {
    for ((name, _), gateway) in FILES.iter().zip(&all().gateways) {
        assert_eq!(*name, gateway.gateway);
    }
    let mut names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
    names.push("common");
    names.sort_unstable();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/doctor/advice");
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort_unstable();
    assert_eq!(found, names);
}

#[test]
fn every_rule_that_is_named_exists() {
    let common = &all().common;
    let beyond = all().gateways.iter().flat_map(|gateway| &gateway.beyond).chain(&common.beyond);
    let mends = with_lines().flat_map(|(_, lines)| &lines.mends);
    for code in beyond.flat_map(|beyond| &beyond.rules).chain(mends) {
        assert!(code == CONTENT || rule(code).is_some(), "{code}");
    }
}

#[test]
fn every_example_is_recognised() {
    for gateway in &all().gateways {
        let (record, _) = record(&gateway.example, &json!({}));
        let service = super::super::service(&record).unwrap_or_default();
        assert_eq!(recognise(&record, service).gateway, gateway.gateway);
    }
}

#[test]
fn telemetry_of_no_known_gateway_is_an_sdks_and_the_rest_are_records() {
    let of = |source: &str| {
        let value = json!({ "kind": "interaction", "custody": { "source": source } });
        recognise(&Record::from_value(value).unwrap().record, "").gateway.as_str()
    };
    assert_eq!(of("gen_ai acme 1.0"), "otel_sdk");
    assert_eq!(of("mcp some-server"), "otel_sdk");
    assert_eq!(of("acme-gateway 3"), "records");
    assert_eq!(of(""), "records");
    assert_eq!(of("litellm generic callback"), "litellm_callback");
    assert_eq!(of("litellm fastapi 0.165.0"), "litellm");
    assert_eq!(of("anthropic com.anthropic.sdk.python 2.11.0; openllmetry x 0.62.4"), "openllmetry");
}

#[test]
fn lines_mend_what_they_say_and_give_what_they_say() {
    for (gateway, lines) in with_lines() {
        let told = format!("{}: {:?}", gateway.gateway, lines.lines);
        let before = missing(&record(&gateway.example, &json!({})).0);
        let (after, unknown) = record(&gateway.example, &lines.adds);
        let object = Value::Object(after.to_object());
        for (pointer, value) in &lines.gives {
            assert_eq!(object.pointer(pointer), Some(value), "{told} {pointer}");
        }
        let left = missing(&after);
        assert!(!lines.mends.is_empty() && !lines.gives.is_empty(), "{told}");
        let partly: Vec<_> =
            parts(&lines.adds).iter().map(|part| missing(&record(&gateway.example, part).0)).collect();
        for code in &lines.mends {
            let is_missing = partly.iter().chain([&before]).any(|missing| missing.contains(code.as_str()));
            assert!(is_missing, "{told}: {code} is not missing: {before:?}");
            assert!(!left.contains(code.as_str()), "{told}: {code} is still missing: {left:?}");
        }
        for name in names(&lines.adds) {
            assert!(!unknown.contains(&name), "{told}: {name} is not understood");
        }
    }
}

/// What lines add, one member at a time: some rules ask only once a part is there.
fn parts(adds: &Value) -> Vec<Value> {
    let mut parts = Vec::new();
    for (group, members) in adds.as_object().into_iter().flatten() {
        let members = if group == "above" { &members["attributes"] } else { members };
        for (name, value) in members.as_object().into_iter().flatten() {
            let part = json!({ name: value });
            parts.push(match group.as_str() {
                "above" => json!({ "above": { "attributes": part } }),
                _ => json!({ group: part }),
            });
        }
    }
    parts
}

/// Names of the attributes that lines add.
fn names(adds: &Value) -> Vec<String> {
    let of = |adds: &Value, member: &str| -> Map<String, Value> {
        adds[member].as_object().cloned().unwrap_or_default()
    };
    let all = [of(adds, "attributes"), of(&adds["above"], "attributes"), of(adds, "resource")];
    all.into_iter().flat_map(|members| members.into_iter().map(|(name, _)| name)).collect()
}

#[test]
fn attributes_of_ours_are_named_in_the_lines() {
    for (gateway, lines) in with_lines() {
        let text = lines.lines.join("\n");
        for name in names(&lines.adds).iter().filter(|name| name.starts_with("evidence.")) {
            assert!(text.contains(name.as_str()), "{}: {name} is not in {text}", gateway.gateway);
        }
    }
}

#[test]
fn whatever_an_example_lacks_has_an_answer() {
    for gateway in &all().gateways {
        let (record, _) = record(&gateway.example, &json!({}));
        let codes = missing(&record);
        let answers: BTreeSet<&str> = gateway
            .add
            .iter()
            .flat_map(|lines| &lines.mends)
            .chain(gateway.beyond.iter().chain(&all().common.beyond).flat_map(|beyond| &beyond.rules))
            .map(String::as_str)
            .collect();
        let open: Vec<_> = codes.iter().filter(|code| !answers.contains(*code)).collect();
        assert!(open.is_empty(), "{}: nobody answers {open:?}", gateway.gateway);
    }
}

#[test]
fn the_most_helpful_lines_come_first_and_the_gateways_own_word_goes_before_the_general() {
    let gateway = all().gateways.iter().find(|gateway| gateway.gateway == "portkey").unwrap();
    let missing = |code, records| Missing {
        rule: rule(code).unwrap(),
        severity: Severity::Error,
        told: String::new(),
        records,
        critical: 0,
        wrong: 0,
    };
    let (add, beyond) = answer(gateway, &[missing("R24", 3)], 0);
    assert!(add.is_empty());
    assert_eq!(beyond.len(), 1, "{beyond:?}");
    assert_eq!(beyond[0].rules, ["R24"]);
    assert!(beyond[0].why.contains("Portkey"));
    let gateway = all().gateways.iter().find(|gateway| gateway.gateway == "agentgateway").unwrap();
    let (add, _) = answer(gateway, &[missing("R09", 5), missing("R11", 3), missing("R12", 3)], 9);
    assert_eq!(add.iter().map(|one| one.findings).collect::<Vec<_>>(), [9, 6, 5]);
}

#[test]
fn what_is_wrong_is_never_mended_by_a_line() {
    let gateway = all().gateways.iter().find(|gateway| gateway.gateway == "otel_sdk").unwrap();
    let shared = |records, wrong| Missing {
        rule: rule("R03").unwrap(),
        severity: Severity::Error,
        told: String::new(),
        records,
        critical: 0,
        wrong,
    };
    let (add, beyond) = answer(gateway, &[shared(4, 0)], 0);
    assert_eq!((add[0].findings, beyond.len()), (4, 0));
    let (add, beyond) = answer(gateway, &[shared(4, 3)], 0);
    assert_eq!((add[0].findings, beyond[0].findings), (1, 3));
    assert_eq!(beyond[0].who, "give each person a session of their own");
    let (add, beyond) = answer(gateway, &[shared(4, 4)], 0);
    assert_eq!((add.len(), beyond.len()), (0, 1), "{beyond:?}");
}

/// In whose name a call was made differs from call to call, so no line states it for a whole program.
#[test]
fn no_line_calls_a_whole_program_autonomous() {
    for (gateway, lines) in with_lines() {
        assert!(
            !names(&json!({ "resource": lines.adds["resource"] }))
                .iter()
                .any(|name| name == "evidence.authority.mode"),
            "{}",
            gateway.gateway
        );
    }
}

fn page(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gateways").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_gateway_has_a_page_with_its_lines_in_it() {
    for (gateway, lines) in with_lines() {
        let page = page(&gateway.page);
        let written: Vec<&str> = page.lines().collect();
        let is_there = written.windows(lines.lines.len()).any(|window| {
            let indent = window[0].len() - window[0].trim_start().len();
            window
                .iter()
                .zip(&lines.lines)
                .all(|(written, line)| written.get(indent..) == Some(line.as_str()))
        });
        assert!(is_there, "docs/gateways/{} lacks\n{}", gateway.page, lines.lines.join("\n"));
    }
    let index = page("README.md");
    for gateway in &all().gateways {
        assert!(index.contains(&gateway.name), "docs/gateways/README.md does not name {}", gateway.name);
        page(&gateway.page);
    }
}
