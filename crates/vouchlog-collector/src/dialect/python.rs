//! Python literals. LiteLLM's first callback writes the `str()` of dictionaries into attributes: `{'role': 'user', 'n': None}`.

use serde_json::{Map, Value};
use vouchlog_record::json::number;

use crate::limits::MAX_DEPTH;

/// Why a text is no literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoLiteral {
    /// It ends within a value.
    Ended,
    /// It is none, or JSON cannot say the same: a name twice, half of a surrogate pair.
    Other,
}

/// The value of a literal made of dictionaries, lists, tuples, strings, numbers, True, False and None; nothing else.
pub(super) fn literal(text: &str) -> Result<Value, NoLiteral> {
    let mut reader = Reader { rest: text };
    let value = reader.value(0);
    reader.skip_space();
    match value {
        Some(value) if reader.rest.is_empty() => Ok(value),
        None if reader.rest.is_empty() => Err(NoLiteral::Ended),
        _ => Err(NoLiteral::Other),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_space();
        match self.rest.chars().next()? {
            '{' => self.dictionary(depth),
            '[' => self.sequence('[', "]", depth),
            '(' => self.sequence('(', ")", depth),
            '\'' | '"' => self.string().map(Value::String),
            _ => self.word(),
        }
    }

    fn dictionary(&mut self, depth: usize) -> Option<Value> {
        self.rest = self.rest.strip_prefix('{')?;
        let mut members = Map::new();
        loop {
            if self.take("}") {
                return Some(Value::Object(members));
            }
            let name = match self.value(depth + 1)? {
                Value::String(name) => name,
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            if !self.take(":") {
                return None;
            }
            let value = self.value(depth + 1)?;
            if members.insert(name, value).is_some() {
                return None;
            }
            if !self.take(",") {
                return self.take("}").then_some(Value::Object(members));
            }
        }
    }

    fn sequence(&mut self, open: char, close: &str, depth: usize) -> Option<Value> {
        self.rest = self.rest.strip_prefix(open)?;
        let mut list = Vec::new();
        loop {
            if self.take(close) {
                return Some(Value::Array(list));
            }
            list.push(self.value(depth + 1)?);
            if !self.take(",") {
                return self.take(close).then_some(Value::Array(list));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut letters = self.rest[1..].char_indices();
        let mut text = String::new();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.rest = &self.rest[1 + at + 1..];
                return Some(text);
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            let Some((_, escape)) = letters.next() else { break };
            match escape {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'x' | 'u' | 'U' => {
                    let digits = match escape {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let code: String = letters.by_ref().take(digits).map(|(_, digit)| digit).collect();
                    if code.len() < digits && letters.as_str().is_empty() {
                        break;
                    }
                    // Half of a surrogate pair is no character.
                    text.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                }
                '\\' | '\'' | '"' => text.push(escape),
                // Python has more escapes than its `repr` writes.
                _ => return None,
            }
        }
        self.rest = "";
        None
    }

    fn word(&mut self) -> Option<Value> {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
        let end = self.rest.find(|c| !is_inner(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "None" => Some(Value::Null),
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            // Python writes no number like this.
            _ if word.starts_with('+')
                || word.starts_with('0') && word[1..].starts_with(|c: char| c.is_ascii_digit()) =>
            {
                None
            }
            // Neither `nan` nor `inf` is a number of JSON.
            _ if word.parse::<f64>().is_ok_and(f64::is_finite) => Some(number(word)),
            _ if word.bytes().any(|byte| byte.is_ascii_digit()) && word.parse::<f64>().is_ok() => {
                Some(Value::String(word.to_owned()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_str_of_a_dictionary_writes_is_read() {
        let text = r#"{'a': 1, 'b': [None, True, (2.5, "it's")], 'c': {'d': 'x\'y\n\u00e9'}, 'e': -3, }"#;
        let expected = json!({ "a": 1, "b": [null, true, [2.5, "it's"]], "c": { "d": "x'y\né" }, "e": -3 });
        assert_eq!(literal(text), Ok(expected));
        assert_eq!(literal("{}"), Ok(json!({})));
    }

    #[test]
    fn what_is_no_literal_is_none() {
        for text in [
            "{'a': datetime(2026, 1, 1)}",
            "{'a' 1}",
            "{1: 2} x",
            "<class 'X'>",
            "{'a': 1, 'a': 2}",
            "{1: 2, '1': 3}",
            r"{'a': '\ud800'}",
            r"{'a': '\a'}",
            "[nan]",
        ] {
            assert_eq!(literal(text), Err(NoLiteral::Other), "{text}");
        }
        for text in ["[1, 2", "'open", "", "{'a': 'x", "{'a': {'b': 'x\\", r"{'a': '\u00", "{'a'", "{'a':"] {
            assert_eq!(literal(text), Err(NoLiteral::Ended), "{text}");
        }
        assert!(literal(&"[".repeat(10_000)).is_err());
    }

    #[test]
    fn numbers_are_the_same_numbers_or_their_text() {
        let text = "{'a': 123456789012345678901234567890, 'b': 0.1000000000000000055511151231257827, 'c': 51.24817837550540, 'd': 1e999}";
        let expected = json!({
            "a": "123456789012345678901234567890", "b": "0.1000000000000000055511151231257827", "c": 51.2481783755054, "d": "1e999"
        });
        assert_eq!(literal(text), Ok(expected));
    }
}
