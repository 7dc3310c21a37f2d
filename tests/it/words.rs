//! What users read is plain English: rule texts, help, the schema of a record, and every message in the sources.

use std::fs;
use std::path::Path;

use crate::process::succeed;

/// Words and phrases that hide the actor, let machines speak, or replace the field's own word.
const BANNED: [&str; 26] = [
    // Headless subjects: name the client, caller, gateway, operator or reader.
    "nobody",
    "somebody",
    "whoever",
    "anybody",
    "everybody",
    // Machines report, return and state.
    "says",
    "tells",
    "is told",
    "are told",
    "was told",
    "cannot be told",
    "believes",
    "gives account",
    // The field's words: retry, resume, restore, reject, permanently, again.
    "try again",
    "trying again",
    "goes on record",
    "goes on with",
    "bring it back",
    "let in no more",
    "for ever",
    "anew",
    "manieth",
    // Order and measures.
    "at the most",
    "so long as",
    "for want of",
    // Times for people end at the second.
    "%S%.f UTC",
];

/// The first banned phrase in a text, as whole words, whatever their case and line breaks.
fn banned(text: &str) -> Option<&'static str> {
    let words = |text: &str| {
        let lower = text.to_lowercase();
        let words: Vec<_> = lower.split_whitespace().map(str::to_owned).collect();
        words.join(" ")
    };
    let text = words(text);
    let is_part = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    BANNED.into_iter().find(|phrase| {
        let phrase = words(phrase);
        text.match_indices(&phrase).any(|(at, _)| {
            let bytes = text.as_bytes();
            let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied();
            !is_part(before) && !is_part(bytes.get(at + phrase.len()).copied())
        })
    })
}

fn assert_plain(place: &str, text: &str) {
    if let Some(phrase) = banned(text) {
        panic!("{place} has \u{201c}{phrase}\u{201d}: write it in plain English, in\n{text}");
    }
}

/// The string literals of Rust code, without comments and without the tests at its end. A line break, of the text or of the
/// code, is a space.
fn literals(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, from) = rest.split_at(at);
        rest = if from.starts_with("//") {
            from.split_once('\n').map_or("", |(_, after)| after)
        } else if from.starts_with('"') {
            let hashes = before.len() - before.trim_end_matches('#').len();
            let is_raw = before.trim_end_matches('#').ends_with('r');
            let end = if is_raw { raw_end(from, hashes) } else { escaped_end(from) };
            found.push(from[1..end].replace("\\\n", " ").replace("\\n", " "));
            &from[end + 1..]
        } else {
            &from[char_end(from)..]
        };
    }
    found
}

/// Where the quote is that ends a raw string, which begins with one.
fn raw_end(from: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    1 + from[1..].find(&end).expect("a raw string ends")
}

fn escaped_end(from: &str) -> usize {
    let mut is_escaped = false;
    let end = from.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        ends
    });
    end.expect("a string ends").0
}

/// How long a character literal is; one byte for a lifetime or a slash.
fn char_end(from: &str) -> usize {
    let mut characters = from.char_indices().skip(1);
    match (from.starts_with('\''), characters.next(), characters.next()) {
        (true, Some((_, '\\')), Some((at, _))) => {
            from[at + 1..].find('\'').map_or(1, |quote| at + 1 + quote + 1)
        }
        (true, Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// The sources of the crates and the advice of `doctor`. Tests, the conformance suite and generated code are left out.
fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_for_tests = ["test", "conformance", "examples"].iter().any(|part| name.contains(part));
        if is_for_tests || ["generated", "samples"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") || (name.ends_with(".json") && dir.ends_with("doctor/advice")) {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn rules_are_stated_in_plain_english() {
    for rule in vouchlog_grading::rules() {
        assert_plain(rule.code, rule.says);
        assert_plain(rule.code, rule.remedy);
    }
}

/// The names in the lists of subcommands that a help text has, in groups or not.
fn subcommands(help: &str) -> Vec<String> {
    let lists = help.split("\nOptions:\n").next().unwrap_or_default();
    let names = lists.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    let is_name = |name: &&str| name.starts_with(|first: char| first.is_ascii_lowercase());
    names.filter(is_name).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn help_is_plain_english() {
    let help = succeed(&["help"]);
    assert_plain("vouchlog help", &help);
    let names = subcommands(&help);
    assert!(names.len() > 25 && names.contains(&"collect".to_owned()), "{names:?}");
    let mut nested = 0;
    for name in &names {
        let help = succeed(&[name, "--help"]);
        assert_plain(&format!("vouchlog {name} --help"), &help);
        for inner in subcommands(&help) {
            nested += 1;
            assert_plain(&format!("vouchlog {name} {inner} --help"), &succeed(&[name, &inner, "--help"]));
        }
    }
    assert!(nested >= 8, "canary and vault have subcommands: {nested}");
    assert_plain("vouchlog schema", &succeed(&["schema"]));
}

#[test]
fn messages_in_the_sources_are_plain_english() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut found);
    let mut messages = 0;
    for (place, text) in &found {
        let texts = if place.ends_with(".json") { vec![text.clone()] } else { literals(text) };
        for text in texts.iter().filter(|text| text.contains(' ')) {
            messages += 1;
            assert_plain(place, text);
        }
    }
    assert!(found.len() > 300 && messages > 2_000, "{} files, {messages} messages", found.len());
}

#[test]
fn a_banned_word_is_found_wherever_a_message_has_it() {
    let code = "fn f<'a>(quote: &'a str) { g('\"', b'\\'', \"plain\"); } // nobody comments\n\
                #[error(\"{0} is\\\n    gone:\\nNobody \\\"knows\\\"\")]\nconst RAW: &str = r#\"one \"says\" so\"#;\n";
    let found = literals(code);
    assert_eq!(found, ["plain", "{0} is     gone: Nobody \\\"knows\\\"", "one \"says\" so"]);
    let hits: Vec<_> = found.iter().map(|text| banned(text)).collect();
    assert_eq!(hits, [None, Some("nobody"), Some("says")]);
    assert_eq!(banned("as the log\n  tells"), Some("tells"));
    assert_eq!(banned("for\never"), Some("for ever"));
    assert_eq!(banned("%Y-%m-%d %H:%M:%S%.f UTC"), Some("%S%.f UTC"));
    assert_eq!(banned("renewed, retells, somebody's"), Some("somebody"));
    assert_eq!(banned("renewed, retells"), None);
}
