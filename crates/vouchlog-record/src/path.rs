//! Where a value is in a record. A path is a chain on the stack: nothing is written down until somebody asks.

use std::fmt::{self, Write as _};

/// A place in a JSON value.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    /// The record.
    Top,
    /// A member of what is there.
    Member(&'a Path<'a>, &'a str),
    /// An element of the list there.
    Element(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// As a JSON pointer (RFC 6901): `/policy/1/verdict`.
    pub(crate) fn pointer(&self) -> String {
        let mut out = String::new();
        self.write_pointer(&mut out).expect("a string takes everything");
        out
    }

    /// For people: `policy[1].verdict`.
    pub(crate) fn words(&self) -> String {
        let mut out = String::new();
        self.write_words(&mut out).expect("a string takes everything");
        if out.is_empty() { "record".to_owned() } else { out }
    }

    fn write_pointer(&self, out: &mut String) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Member(above, name) => {
                above.write_pointer(out)?;
                write!(out, "/{}", escape_pointer_token(name))
            }
            Self::Element(above, place) => {
                above.write_pointer(out)?;
                write!(out, "/{place}")
            }
        }
    }

    fn write_words(&self, out: &mut String) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Member(above, name) => {
                above.write_words(out)?;
                let dot = if out.is_empty() { "" } else { "." };
                write!(out, "{dot}{name}")
            }
            Self::Element(above, place) => {
                above.write_words(out)?;
                write!(out, "[{place}]")
            }
        }
    }
}

/// A member's name as it stands in a JSON pointer (RFC 6901 section 3).
pub fn escape_pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name that [`escape_pointer_token`] escaped.
pub(crate) fn unescape_pointer_token(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}
