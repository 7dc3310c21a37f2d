//! The advice is true: what the lines add is read by the collector, and mends what they say; the pages have the same lines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use vouchlog_grading::{Context, Severity, grade, rule};

use super::super::trial::merge;
use super::*;

/// The record of an example with what lines add to it.
fn record(example: &Example, adds: &Value) -> (Record, BTreeSet<String>) {
    example.record(adds).unwrap_or_else(|| panic!("no record, or several: {example:?} {adds}"))
}

fn context() -> Context {
    Context::default().recorder_key_in_force("recorder", Timestamp::MIN, None)
}

/// What is missing, and [`CONTENT`] where nothing was said.
fn missing(record: &Record, context: &Context) -> BTreeSet<&'static str> {
    let grade = grade(record, context);
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
    names.extend(SHARED.map(|(name, _)| name));
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

/// Each on top of those that stand before it, as people add them.
#[test]
fn lines_mend_what_they_say_and_give_what_they_say() {
    for gateway in &all().gateways {
        let (mut together, mut known) = (json!({}), context());
        for lines in &gateway.add {
            let on_top = together.clone();
            merge(&mut together, &lines.adds);
            let changed = record(&gateway.example, &together).0;
            let learned = lines.changes.learned(&known, &[changed]);
            mends(gateway, lines, (&on_top, &known), (&together, &learned));
            known = learned;
        }
    }
}

type Known<'a> = (&'a Value, &'a Context);

fn mends(gateway: &Gateway, lines: &Lines, (before, known): Known<'_>, (after, learned): Known<'_>) {
    let told = format!("{}: {:?}", gateway.gateway, lines.lines);
    let open = |adds: &Value, context: &Context| missing(&record(&gateway.example, adds).0, context);
    let (record, unknown) = record(&gateway.example, after);
    let object = Value::Object(record.to_object());
    for (pointer, value) in &lines.gives {
        assert_eq!(object.pointer(pointer), Some(value), "{told} {pointer}");
    }
    assert!(!lines.mends.is_empty() && !lines.gives.is_empty(), "{told}");
    let first = [open(&json!({}), known), open(before, known)];
    let partly: Vec<_> = parts(&lines.adds).iter().map(|part| open(part, known)).collect();
    let left = missing(&record, learned);
    for code in &lines.mends {
        let is_missing = first.iter().chain(&partly).any(|missing| missing.contains(code.as_str()));
        assert!(is_missing, "{told}: {code} is not missing: {first:?}");
        assert!(!left.contains(code.as_str()), "{told}: {code} is still missing: {left:?}");
    }
    for name in names(&lines.adds) {
        assert!(!unknown.contains(&name), "{told}: {name} is not understood");
    }
}

/// What lines add, one member at a time: some rules ask only once a part is there.
fn parts(adds: &Value) -> Vec<Value> {
    let mut parts = Vec::new();
    for (group, members) in adds.as_object().into_iter().flatten() {
        if matches!(group.as_str(), "before" | "after") {
            parts.push(json!({ group: members }));
            continue;
        }
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
    let all = [
        of(adds, "attributes"),
        of(&adds["above"], "attributes"),
        of(&adds["before"], "attributes"),
        of(&adds["after"], "attributes"),
        of(adds, "resource"),
    ];
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
        let codes = missing(&record, &context());
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
    assert_eq!(add.iter().map(|(one, _)| one.findings).collect::<Vec<_>>(), [9, 6, 5]);
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
    assert_eq!((add[0].0.findings, beyond.len()), (4, 0));
    let (add, beyond) = answer(gateway, &[shared(4, 3)], 0);
    assert_eq!((add[0].0.findings, beyond[0].findings), (1, 3));
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

/// The page on what the lines of [`SHARED`] are.
const SHARED_PAGE: &str = "otel-sdk.md";

#[test]
fn every_gateway_has_a_page_with_its_lines_in_it() {
    let shared: Vec<Lines> =
        SHARED.iter().flat_map(|(_, json)| serde_json::from_str::<Vec<Lines>>(json).unwrap()).collect();
    for (gateway, lines) in with_lines() {
        let is_shared = shared.iter().any(|shared| shared.lines == lines.lines);
        let name = if is_shared { SHARED_PAGE } else { gateway.page.as_str() };
        assert!(
            name == gateway.page || page(&gateway.page).contains(SHARED_PAGE),
            "{} does not lead to {name}",
            gateway.page
        );
        assert!(is_on(&page(name), &lines.lines), "docs/gateways/{name} lacks\n{}", lines.lines.join("\n"));
    }
    let index = page("README.md");
    for gateway in &all().gateways {
        assert!(index.contains(&gateway.name), "docs/gateways/README.md does not name {}", gateway.name);
        page(&gateway.page);
    }
}

/// Whether lines stand together on a page, perhaps indented otherwise.
fn is_on(page: &str, lines: &[String]) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let written: Vec<&str> = page.lines().collect();
    written.windows(lines.len()).any(|window| {
        let (theirs, ours) = (indent(window[0]), indent(&lines[0]));
        window.iter().zip(lines).all(|(written, line)| written.get(theirs..) == line.get(ours..))
    })
}
