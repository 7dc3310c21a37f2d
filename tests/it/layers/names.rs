//! A type is named after the thing it is. A participle names what happened to something, and every module has another such thing.

use std::fs;

use super::{files, root};

/// Words that were names of types here, each in several modules with another meaning.
const NOT_NAMES: [&str; 23] = [
    "Answered", "Asked", "Drafted", "Folded", "Found", "Given", "Held", "Kept", "Lot", "Made", "Meant",
    "Met", "Own", "Pulse", "Seen", "Shown", "Stated", "Taken", "Talk", "Told", "Wanted", "Whose", "Written",
];

/// The name of the type that a line defines.
fn defined(line: &str) -> Option<&str> {
    let line = line.trim();
    // No text in quotes, and no comment.
    if !line.starts_with(char::is_alphabetic) {
        return None;
    }
    let is_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut words = line.split(|letter| !is_of_name(letter)).filter(|word| !word.is_empty());
    let kind = words.find(|word| !["pub", "crate", "super", "unsafe"].contains(word))?;
    ["struct", "enum", "trait", "type", "union"].contains(&kind).then(|| words.next()).flatten()
}

#[test]
fn types_are_nouns() {
    let mut found = Vec::new();
    for folder in ["crates", "tools", "tests", "benches"] {
        files(&root().join(folder), &mut found);
    }
    for path in found.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let text = fs::read_to_string(path).unwrap();
        for name in text.lines().filter_map(defined) {
            assert!(!NOT_NAMES.contains(&name), "{}: `{name}` is no name for a type", path.display());
        }
    }
}

#[test]
fn a_definition_is_found() {
    for (line, name) in [
        ("pub(super) struct Told {", Some("Told")),
        ("enum Seen<'a> {", Some("Seen")),
        ("pub(crate) struct Held(u8);", Some("Held")),
        ("pub trait Place: Send {", Some("Place")),
        ("pub fn told() -> Told {", None),
        ("let told = Told;", None),
    ] {
        assert_eq!(defined(line), name, "{line}");
    }
}
