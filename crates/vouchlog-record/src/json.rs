//! Reading JSON without changing it.
//!
//! **Invariant: a value that was read is written as it was sent, or there is no value.** A number that neither 64 bits nor a double
//! holds exactly becomes the text of its token. Whatever readers may read differently is an error: a name that occurs twice in an
//! object, half of a surrogate pair, bytes that are not UTF-8.
//!
//! [`read`] reads one text. [`Raw`] finds values without reading them, and [`split`] the payloads of a body, so that a value that
//! cannot be read costs only itself.

use serde_json::{Map, Value};
use thiserror::Error;

mod number;
mod raw;

use number::token_length;
pub use number::{decimal_parts, number};
pub use raw::{Raw, RawElements, RawMembers, split};

/// Deepest nesting of arrays and objects in a JSON text of which no more is known.
pub const MAX_DEPTH: usize = 128;

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text ends within a value.
    #[error("the JSON ends before its value does")]
    Ended,
    /// It is not JSON.
    #[error("not valid JSON at byte {0}")]
    Syntax(usize),
    /// Readers differ in which of the two values they take.
    #[error("the name `{0}` occurs twice in an object")]
    Twice(String),
    /// It is nested too deeply.
    #[error("nested deeper than {0} levels")]
    Deep(usize),
    /// A string has half of a surrogate pair, which is no character.
    #[error("half of a surrogate pair at byte {0}")]
    Surrogate(usize),
    /// A string is not UTF-8.
    #[error("not valid UTF-8 at byte {0}")]
    Utf8(usize),
}

/// Longest name that an error quotes, in characters.
const MAX_QUOTED: usize = 100;

/// Reads a JSON text in which arrays and objects are nested at most `max_depth` deep.
pub fn read(json: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    let mut reader = Reader { json, at: 0, max_depth };
    let value = reader.value(0)?;
    match reader.next_byte() {
        None => Ok(value),
        Some(_) => Err(JsonError::Syntax(reader.at)),
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The next byte from `at` on after white space, which is skipped.
fn next_byte(json: &[u8], at: &mut usize) -> Option<u8> {
    while json.get(*at).copied().is_some_and(is_space) {
        *at += 1;
    }
    json.get(*at).copied()
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
    max_depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &[u8] {
        &self.json[self.at.min(self.json.len())..]
    }

    fn next_byte(&mut self) -> Option<u8> {
        next_byte(self.json, &mut self.at)
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        match self.next_byte() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(JsonError::Syntax(self.at)),
            None => Err(JsonError::Ended),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        match self.next_byte().ok_or(JsonError::Ended)? {
            b'{' | b'[' if depth >= self.max_depth => Err(JsonError::Deep(self.max_depth)),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", true.into()),
            b'f' => self.word(b"false", false.into()),
            b'n' => self.word(b"null", Value::Null),
            _ => Err(JsonError::Syntax(self.at)),
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, JsonError> {
        let rest = self.rest();
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        Err(if word.starts_with(rest) { JsonError::Ended } else { JsonError::Syntax(self.at) })
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let length = token_length(self.rest()).ok_or(JsonError::Syntax(self.at))?;
        let token = std::str::from_utf8(&self.rest()[..length]).map_err(|_| JsonError::Syntax(self.at))?;
        let value = number(token);
        self.at += length;
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut members = Map::new();
        if self.next_byte() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            match self.next_byte() {
                Some(b'"') => {}
                Some(_) => return Err(JsonError::Syntax(self.at)),
                None => return Err(JsonError::Ended),
            }
            let name = self.string()?;
            self.expect(b':')?;
            let value = self.value(depth)?;
            if members.contains_key(&name) {
                return Err(JsonError::Twice(name.chars().take(MAX_QUOTED).collect()));
            }
            members.insert(name, value);
            if !self.goes_on(b'}')? {
                return Ok(Value::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.next_byte() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            if !self.goes_on(b']')? {
                return Ok(Value::Array(elements));
            }
        }
    }

    /// Whether a comma follows, rather than the end of the list.
    fn goes_on(&mut self, end: u8) -> Result<bool, JsonError> {
        let byte = self.next_byte().ok_or(JsonError::Ended)?;
        if byte != b',' && byte != end {
            return Err(JsonError::Syntax(self.at));
        }
        self.at += 1;
        Ok(byte == b',')
    }

    /// A string, from its quotation mark on.
    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            let plain = self.rest().iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let plain = plain.ok_or(JsonError::Ended)?;
            let bytes = &self.json[start..start + plain];
            text.push_str(
                std::str::from_utf8(bytes).map_err(|error| JsonError::Utf8(start + error.valid_up_to()))?,
            );
            self.at += plain;
            match self.json[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => text.push(self.escape()?),
                _ => return Err(JsonError::Syntax(self.at)),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let escape = *self.json.get(start + 1).ok_or(JsonError::Ended)?;
        self.at += 2;
        Ok(match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.four_digits()?;
                let is_pair = matches!(first, 0xd800..=0xdbff) && self.rest().starts_with(b"\\u");
                let code = if is_pair {
                    self.at += 2;
                    let second = self.four_digits()?;
                    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
                    0x1_0000 + ((first - 0xd800) << 10) + low.ok_or(JsonError::Surrogate(start))?
                } else {
                    first
                };
                char::from_u32(code).ok_or(JsonError::Surrogate(start))?
            }
            _ => return Err(JsonError::Syntax(start)),
        })
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self.rest().get(..4).ok_or(JsonError::Ended)?;
        let code =
            digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?));
        let code = code.ok_or(JsonError::Syntax(self.at))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests;
