//! The page on threats: its tables are whole, every test that it names is in the tree, and every class of attacks exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Rows of the page's tables by attempt, without the first table, which has no tests: line number and cells.
fn rows(page: &str) -> Vec<(usize, Vec<String>)> {
    let mut rows = Vec::new();
    let mut is_of_threats = false;
    for (number, line) in page.lines().enumerate() {
        let cells: Vec<String> =
            line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        if !line.starts_with('|') {
            is_of_threats = false;
        } else if cells.last().is_some_and(|last| last == "test") {
            is_of_threats = true;
        } else if is_of_threats && !line.starts_with("| ---") {
            rows.push((number + 1, cells));
        }
    }
    rows
}

/// The names in a cell.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Every function that is a test, in crates and integration tests.
fn tests(dir: &Path, found: &mut BTreeSet<String>) {
    for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" {
            tests(&path, found);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut lines = text.lines().map(str::trim);
            while let Some(line) = lines.next() {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    let function =
                        lines.by_ref().find_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
                    found.extend(function.and_then(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
                } else if line == "suite! {" {
                    // Checks that a macro makes into tests, one for each store: `module::check,`.
                    let checks = lines.by_ref().take_while(|line| *line != "}");
                    found.extend(
                        checks
                            .filter_map(|check| check.trim_end_matches(',').split("::").last())
                            .map(str::to_owned),
                    );
                }
            }
        }
    }
}

#[test]
fn every_test_and_attack_that_the_page_names_exists() {
    let page = std::fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let rows = rows(&page);
    assert!(rows.len() > 45, "{} rows: were they found at all?", rows.len());
    let mut known = BTreeSet::new();
    for folder in ["crates", "tests", "tools/faults", "tools/attack"] {
        tests(&root().join(folder), &mut known);
    }
    assert!(known.len() > 1_000, "{} tests: were they found at all?", known.len());
    let classes: BTreeSet<&str> = vouchlog_attack::attacks().iter().map(|attack| attack.class).collect();
    let mut named = BTreeSet::new();
    for (line, cells) in &rows {
        assert_eq!(cells.len(), 6, "line {line} of the page has another form: {cells:?}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "line {line} of the page has an empty cell");
        for name in names(&cells[5]) {
            match name.strip_prefix("attack:") {
                Some(class) => {
                    assert!(classes.contains(class), "line {line}: no class of attacks is {class}");
                }
                None => assert!(known.contains(name), "line {line}: no test is called {name}"),
            }
            named.insert(name);
        }
    }
    // What attacks try is among the threats.
    for class in classes {
        assert!(named.contains(format!("attack:{class}").as_str()), "the page does not name attack:{class}");
    }
}

#[test]
fn the_page_on_security_links_to_what_is_there() {
    let page = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let links: Vec<&str> = page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.contains(&"docs/threat-model.md"), "{links:?}");
    for link in links.iter().filter(|link| !link.contains("://")) {
        let file = link.split('#').next().unwrap();
        assert!(root().join(file).exists(), "SECURITY.md links to {file}, which is not there");
    }
}
