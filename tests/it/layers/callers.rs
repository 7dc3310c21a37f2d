//! A public function without a caller is work for every reader and proves nothing: the compiler warns of none, since another
//! program may call it.
//!
//! By name: a function passes if another of the same name is called. Callers are programs, libraries, benchmarks, examples and the
//! simulator; a test is none. The library that other programs embed is left out: its callers are elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{files, root};

/// Functions without a caller here, and who calls them elsewhere.
const CALLED_ELSEWHERE: [(&str, &str); 16] = [
    ("plan_inclusion", "a program that proves a leaf in a subtree that a witness signed"),
    ("public_jwk", "a program that gives a stream's key to other SD-JWT software"),
    ("configured", "a program that grades records, with what it knows beside them"),
    ("shared_workload", "the same"),
    ("content_limit", "the same"),
    ("merge_within", "the same"),
    ("assume_clock_error", "the same"),
    ("write_ahead", "the same"),
    ("is_checked_elsewhere", "a program that lists the rules"),
    ("check_store", "tests of each store"),
    ("check_pruning", "the same"),
    ("check_witness_store", "the same"),
    ("commits", "tests of what a store that fails leads to"),
    ("set_tenure", "tests of a tenure that ends"),
    ("open_at", "tests of segments beside another living part"),
    ("corrupt_bundle", "the same"),
];

/// A source file without tests, comments and imports, and whether its public functions need a caller.
struct Source {
    path: PathBuf,
    code: String,
    is_library: bool,
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["crates", "tools", "benches", "tests/model", "tests/sim"] {
        files(&root().join(folder), &mut found);
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let shown = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    found.retain(|path| {
        let shown = shown(path);
        !["/tests/", "/tests.rs", "/generated/"].iter().any(|part| shown.contains(part))
    });
    let source = |path: PathBuf| {
        let shown = shown(&path);
        let is_library = shown.starts_with("crates/vouchlog-") && shown.contains("/src/");
        Source { code: code(&fs::read_to_string(&path).unwrap()), path, is_library }
    };
    found.into_iter().map(source).collect()
}

/// The text without comments, imports and the module of tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let mut code = String::new();
    while let Some(line) = lines.next() {
        let imports = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
        if imports.iter().any(|import| line.starts_with(import)) {
            let mut last = line;
            while !last.ends_with(';') {
                last = lines.next().expect("an import ends");
            }
            continue;
        }
        code += line;
        code += "\n";
    }
    code
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The public functions that are defined in `code`, and whether each is a method.
fn public_functions(code: &str) -> Vec<(&str, bool)> {
    let function = |(at, line): (usize, &'_ str)| {
        let mut rest = line.strip_prefix("pub ")?;
        for qualifier in ["const ", "async ", "unsafe "] {
            rest = rest.strip_prefix(qualifier).unwrap_or(rest);
        }
        let rest = rest.strip_prefix("fn ")?;
        let start = at + (line.len() - rest.len());
        let end = start + rest.find(|c| !is_of_name(c))?;
        let parameters = code[end..].split(')').next().unwrap_or("");
        Some((&code[start..end], parameters.contains("self")))
    };
    let mut at = 0;
    let places = code.split_inclusive('\n').map(|line| {
        at += line.len();
        (at - line.len(), line)
    });
    places.filter_map(function).collect()
}

/// How often each name is called, `method`, and how often it is named at all outside its definition, `free`.
#[derive(Default)]
struct Calls {
    method: usize,
    free: usize,
}

fn count_calls<'a>(code: &'a str, calls: &mut BTreeMap<&'a str, Calls>) {
    let mut rest = code;
    while let Some(start) = rest.find(is_of_name) {
        let before = &code[..code.len() - rest.len() + start];
        let end = rest[start..].find(|c| !is_of_name(c)).map_or(rest.len(), |end| start + end);
        let after = &rest[end..];
        if !before.ends_with("fn ") {
            let count = calls.entry(&rest[start..end]).or_default();
            count.free += 1;
            count.method +=
                usize::from(before.ends_with("::") || after.starts_with('(') || after.starts_with("::<"));
        }
        rest = after;
    }
}

#[test]
fn every_public_function_has_a_caller() {
    let sources = sources();
    let mut calls = BTreeMap::new();
    sources.iter().for_each(|source| count_calls(&source.code, &mut calls));
    let none = Calls::default();
    let mut uncalled = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_library) {
        for (name, is_method) in public_functions(&source.code) {
            let count = calls.get(name).unwrap_or(&none);
            if if is_method { count.method } else { count.free } == 0 {
                uncalled.insert(name, source.path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    for (name, caller) in CALLED_ELSEWHERE {
        assert!(
            uncalled.remove(name).is_some(),
            "{name} has a caller here ({caller}), or is gone: strike it off"
        );
    }
    assert!(
        uncalled.is_empty(),
        "public functions without a caller: remove them, or name who calls them in CALLED_ELSEWHERE: {uncalled:#?}"
    );
}

#[test]
fn calls_are_told_from_definitions_comments_and_fields() {
    let text = "/// [`Self::lonely`]\nuse a::{\n    free,\n};\npub fn free(\n    x: u8,\n) {}\nimpl S {\n    pub const fn lonely(&self) {}\n    \
                pub fn used<T>(\n        self,\n    ) {}\n    fn own(&self) { self.lonely; S::used; map(free); }\n}\n#[cfg(test)]\nmod tests { lonely() }";
    let code = code(text);
    assert_eq!(public_functions(&code), [("free", false), ("lonely", true), ("used", true)]);
    let mut calls = BTreeMap::new();
    count_calls(&code, &mut calls);
    assert_eq!([calls["free"].free, calls["lonely"].method, calls["used"].method], [1, 0, 1]);
}
