//! Times, lists and the model's own words, in English.

use jiff::Timestamp;
use serde::Serialize;
use vouchlog_record::Field;

use crate::plain::clipped;

/// Most characters of a name, an id or a code in a sentence.
const NAME: usize = 120;

/// A time for people, to the second: `2026-11-18 09:06:40 UTC`. The field table has the exact value.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A word of one of the model's closed lists, as JSON spells it but with spaces: `step up`.
pub(crate) fn word(value: &impl Serialize) -> String {
    let name = serde_json::to_value(value).ok();
    name.as_ref().and_then(serde_json::Value::as_str).unwrap_or("?").replace('_', " ")
}

/// A name that came with the record.
pub(crate) fn name(text: &str) -> String {
    clipped(text, NAME)
}

/// The name, or what became of it; `None` where nobody said anything.
pub(crate) fn named(field: &Field<String>) -> Option<String> {
    describe(field, |text| name(text))
}

/// The value in words, or what became of it; `None` where nobody said anything.
pub(crate) fn describe<T>(field: &Field<T>, words: impl FnOnce(&T) -> String) -> Option<String> {
    match field {
        Field::Value(value) => Some(words(value)),
        Field::Redacted => Some("(withheld)".to_owned()),
        Field::Erased => Some("(erased)".to_owned()),
        Field::NotApplicable | Field::Absent => None,
    }
}

/// The parts that are there, in one line.
pub(crate) fn joined(parts: impl IntoIterator<Item = Option<String>>, between: &str) -> String {
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(between)
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A list of names in one line: at most eight of them, the rest counted.
pub(crate) fn names(all: &[String]) -> String {
    const MOST: usize = 8;
    let mut parts: Vec<_> = all.iter().take(MOST).map(|one| name(one)).collect();
    if all.len() > MOST {
        parts.push(format!("{} more", all.len() - MOST));
    }
    listed(&parts)
}

/// The text with its first letter in upper case.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_words_read_well() {
        let parts = ["a", "b", "c"].map(str::to_owned);
        assert_eq!([listed(&parts[..0]), listed(&parts[..1]), listed(&parts)], ["", "a", "a, b and c"]);
        assert_eq!(word(&vouchlog_record::Verdict::StepUp), "step up");
    }
}
