//! The house rules that can be checked by reading: layers as `crates/README.md` draws them, no circles between modules, files of a
//! size one can read, no traces of anybody's machine.

mod callers;
mod circles;
mod library;
mod names;
mod public_api;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The table of layers: crate → row, the top row first.
fn rows() -> BTreeMap<String, usize> {
    let map = fs::read_to_string(root().join("crates/README.md")).unwrap();
    let table = map.split("## Layers").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let mut crates = BTreeMap::new();
    for (row, line) in rows.enumerate() {
        for name in line.split('`').skip(1).step_by(2) {
            assert_eq!(crates.insert(name.to_owned(), row), None, "{name} stands in two rows");
        }
    }
    crates
}

/// The crates of ours that a manifest depends on, tests and benchmarks aside.
fn dependencies(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or("").split("\n[").next().unwrap();
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| name.starts_with("vouchlog")).map(str::to_owned).collect()
}

#[test]
fn every_crate_sees_only_rows_below_its_own() {
    let rows = rows();
    let mut folders = Vec::new();
    for folder in fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}: the folder is named as the crate");
        let row = *rows.get(&name).unwrap_or_else(|| panic!("{name} is missing from the table of layers"));
        for dependency in dependencies(&manifest) {
            let below = rows[&dependency];
            assert!(below > row, "{name} uses {dependency}, which is not in a row below it");
        }
        folders.push(name);
    }
    folders.sort();
    assert_eq!(folders, rows.into_keys().collect::<Vec<_>>(), "the table has exactly the crates there are");
}

/// Every tracked text file outside `target`.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // In a linked worktree `.git` is a file.
        if ["target", ".git", "corpus", "artifacts", "node_modules"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Whether documentation has a block of code that would run as a test: a fence without a language, or of Rust.
fn has_doc_test(source: &str) -> bool {
    let mut is_inside = false;
    for line in source.lines().map(str::trim_start) {
        let Some(words) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else { continue };
        let Some(language) = words.trim_start().strip_prefix("```") else { continue };
        is_inside = !is_inside;
        let is_code = ["", "rust", "no_run", "should_panic", "compile_fail", "ignore"];
        if is_inside && is_code.contains(&language.split(',').next().unwrap_or_default().trim()) {
            return true;
        }
    }
    false
}

/// A library whose documentation has no code is not asked for doc tests, which takes a second each. One that gets some must be.
#[test]
fn every_doc_test_runs() {
    let mut without = 0;
    for folder in fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        if !manifest.contains("\ndoctest = false") {
            continue;
        }
        without += 1;
        let mut found = Vec::new();
        files(&folder.join("src"), &mut found);
        for path in found {
            let source = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                !has_doc_test(&source),
                "{}: its code does not run: remove doctest = false",
                path.display()
            );
        }
    }
    assert!(without > 0);
    assert!(has_doc_test("/// ```\n/// 1 + 1;\n/// ```\n") && has_doc_test("//! ```rust,no_run\n"));
    assert!(!has_doc_test("/// ```text\n/// a -> b\n/// ```\nfn f() {}\n/// ```sh\n/// ls\n/// ```\n"));
}

#[test]
fn no_source_file_is_too_long_to_read() {
    let mut found = Vec::new();
    files(&root().join("crates"), &mut found);
    for path in found.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        if shown.contains("/generated/") || shown.contains("tests") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        assert!(
            text.trim_start().starts_with("//!"),
            "{shown} does not open with a sentence on what it holds"
        );
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines =
            code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        assert!(lines <= 400, "{shown} has {lines} lines of code: split it where a part has a name");
    }
}

#[test]
fn nothing_names_a_machine() {
    let mut found = Vec::new();
    files(&root(), &mut found);
    // Spelled so that this file does not find itself.
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("shared/", "DESIGN")];
    for path in found {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for word in words {
            assert!(!text.contains(word), "{} names {word}", path.strip_prefix(root()).unwrap().display());
        }
    }
}
