//! Finding values without reading them: only strings and brackets are looked at, so that a value with anything wrong in it still has
//! an end, and its neighbours can be read.

use memchr::{memchr2, memchr3};

use super::{JsonError, MAX_DEPTH, is_space, next_byte, read};

/// A JSON value that was found and not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    /// The one value of a text.
    pub fn find(json: &'a [u8]) -> Result<Self, JsonError> {
        let mut scanner = Scanner { json, at: 0, is_line: false };
        let value = scanner.value()?;
        if scanner.next_byte().is_some() { Err(JsonError::Syntax(scanner.at)) } else { Ok(value) }
    }

    /// As it was sent.
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.bytes == b"null"
    }

    /// The elements of an array; `None` if it is none.
    pub fn elements(self) -> Option<RawElements<'a>> {
        let scanner = Scanner { json: self.bytes, at: 1, is_line: false };
        (self.bytes.first() == Some(&b'[')).then_some(RawElements { scanner, state: State::First })
    }

    /// The members of an object, whose names may occur twice; `None` if it is none.
    pub fn members(self) -> Option<RawMembers<'a>> {
        let scanner = Scanner { json: self.bytes, at: 1, is_line: false };
        (self.bytes.first() == Some(&b'{')).then_some(RawMembers { scanner, state: State::First })
    }
}

/// Where in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    First,
    Later,
    Done,
}

/// Elements of an array; ends after an error.
#[derive(Clone, Debug)]
pub struct RawElements<'a> {
    scanner: Scanner<'a>,
    state: State,
}

impl<'a> Iterator for RawElements<'a> {
    type Item = Result<Raw<'a>, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self
            .scanner
            .another(&mut self.state, b']')
            .and_then(|goes_on| if goes_on { self.scanner.value().map(Some) } else { Ok(None) });
        if next.is_err() {
            self.state = State::Done;
        }
        next.transpose()
    }
}

/// Members of an object; ends after an error.
#[derive(Clone, Debug)]
pub struct RawMembers<'a> {
    scanner: Scanner<'a>,
    state: State,
}

impl<'a> Iterator for RawMembers<'a> {
    type Item = Result<(String, Raw<'a>), JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self
            .scanner
            .another(&mut self.state, b'}')
            .and_then(|goes_on| if goes_on { self.scanner.member().map(Some) } else { Ok(None) });
        if next.is_err() {
            self.state = State::Done;
        }
        next.transpose()
    }
}

/// The payloads of a body: one, an array of them, or one on each line. A payload that has no end gives an error, and the next line that
/// begins with `{` is looked at again.
pub fn split(body: &[u8]) -> impl Iterator<Item = Result<Raw<'_>, JsonError>> {
    let scanner = Scanner { json: body, at: 0, is_line: false };
    Payloads { scanner, array: None, has_failed: false }
}

struct Payloads<'a> {
    scanner: Scanner<'a>,
    /// The array that is being read, and where it begins.
    array: Option<(usize, RawElements<'a>)>,
    /// Whether a payload had no end. From then on each one is looked for in its own lines, so that a body of such payloads is read once.
    has_failed: bool,
}

impl<'a> Payloads<'a> {
    fn element(&mut self) -> Option<Result<Raw<'a>, JsonError>> {
        let (start, elements) = self.array.as_mut()?;
        let next = elements.next();
        match &next {
            // Where an array goes on after an error cannot be known.
            Some(Err(_)) => self.scanner.at = self.scanner.json.len(),
            Some(Ok(_)) => return next,
            None => self.scanner.at = *start + elements.scanner.at,
        }
        self.array = None;
        next
    }

    fn alone(&mut self, start: usize) -> Result<Raw<'a>, JsonError> {
        let rest = &self.scanner.json[start..];
        let lines = || {
            let end = rest.windows(2).position(|pair| pair == b"\n{");
            &rest[..end.map_or(rest.len(), |end| end + 1)]
        };
        let within = if self.has_failed { lines() } else { rest };
        let mut inside = Scanner { json: within, at: 0, is_line: true };
        let found = inside.value();
        self.scanner.at = start + inside.at;
        found.map_err(|error| {
            let lines = lines();
            self.has_failed = true;
            self.scanner.at = start + lines.len();
            // Reading it says more precisely what is wrong with it.
            read(lines, MAX_DEPTH).err().unwrap_or(error)
        })
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<Raw<'a>, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(element) = self.element() {
                return Some(element);
            }
            let first = self.scanner.next_byte()?;
            let start = self.scanner.at;
            if first != b'[' {
                return Some(self.alone(start));
            }
            let scanner = Scanner { json: &self.scanner.json[start..], at: 1, is_line: false };
            self.array = Some((start, RawElements { scanner, state: State::First }));
        }
    }
}

#[derive(Clone, Debug)]
struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
    /// Whether the end of a line ends a string, and with it the value. No JSON string has one.
    is_line: bool,
}

impl<'a> Scanner<'a> {
    fn next_byte(&mut self) -> Option<u8> {
        next_byte(self.json, &mut self.at)
    }

    /// Whether a list has another element before its end.
    fn another(&mut self, state: &mut State, end: u8) -> Result<bool, JsonError> {
        if *state == State::Done {
            return Ok(false);
        }
        let byte = self.next_byte().ok_or(JsonError::Ended)?;
        let is_first = std::mem::replace(state, State::Later) == State::First;
        match byte {
            _ if byte == end => {
                self.at += 1;
                *state = State::Done;
                Ok(false)
            }
            b',' if !is_first => {
                self.at += 1;
                Ok(true)
            }
            _ if is_first => Ok(true),
            _ => Err(JsonError::Syntax(self.at)),
        }
    }

    fn member(&mut self) -> Result<(String, Raw<'a>), JsonError> {
        let name = self.value()?;
        let name = read(name.bytes, 0)?.as_str().map(str::to_owned).ok_or(JsonError::Syntax(self.at))?;
        match self.next_byte() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(JsonError::Syntax(self.at)),
            None => return Err(JsonError::Ended),
        }
        Ok((name, self.value()?))
    }

    /// The next value, to its end.
    fn value(&mut self) -> Result<Raw<'a>, JsonError> {
        let first = self.next_byte().ok_or(JsonError::Ended)?;
        let start = self.at;
        match first {
            b'"' => self.string()?,
            b'{' | b'[' => self.brackets()?,
            _ => {
                let rest = &self.json[start..];
                let is_end = |byte: &u8| is_space(*byte) || b",:{}[]\"".contains(byte);
                self.at += rest.iter().position(is_end).unwrap_or(rest.len());
            }
        }
        if self.at == start {
            Err(JsonError::Syntax(start))
        } else {
            Ok(Raw { bytes: &self.json[start..self.at] })
        }
    }

    fn brackets(&mut self) -> Result<(), JsonError> {
        let mut open = 0_usize;
        loop {
            match self.json.get(self.at).ok_or(JsonError::Ended)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Ok(());
            }
        }
    }

    /// A string, from its quotation mark to behind the other one.
    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            let rest = self.json.get(self.at..).ok_or(JsonError::Ended)?;
            // Most of a record is text: what has no meaning here is passed over many bytes at a time.
            let next =
                if self.is_line { memchr3(b'"', b'\\', b'\n', rest) } else { memchr2(b'"', b'\\', rest) };
            self.at += next.ok_or(JsonError::Ended)?;
            match self.json.get(self.at) {
                Some(b'\\') => self.at += 2,
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(JsonError::Syntax(self.at)),
            }
        }
    }
}
