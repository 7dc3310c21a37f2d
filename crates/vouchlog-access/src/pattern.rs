//! Names of services and sessions that a principal may write: exact, or by what they begin with.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{MAX_PATTERN_BYTES, MAX_PATTERNS};

/// A list of patterns: `support` matches itself, `support-*` what begins with `support-`, `*` everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Patterns(Vec<String>);

/// A list that cannot be one of patterns.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// One is empty, too long, or has `*` before its end.
    #[error("`{0}` is not a pattern: write a name, or its beginning and `*`")]
    Malformed(String),
    /// There are too many.
    #[error("at most {MAX_PATTERNS} patterns are allowed in one list")]
    TooMany,
}

impl Patterns {
    /// Patterns that match every name.
    pub fn any() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Patterns that match no name.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether one of them matches.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == pattern,
        })
    }

    /// Whether every name matches.
    pub fn is_any(&self) -> bool {
        self.0.iter().any(|pattern| pattern == "*")
    }
}

impl TryFrom<Vec<String>> for Patterns {
    type Error = PatternError;

    fn try_from(patterns: Vec<String>) -> Result<Self, PatternError> {
        if patterns.len() > MAX_PATTERNS {
            return Err(PatternError::TooMany);
        }
        let is_malformed = |pattern: &&String| {
            let name = pattern.strip_suffix('*').unwrap_or(pattern);
            pattern.is_empty() || pattern.len() > MAX_PATTERN_BYTES || name.contains('*')
        };
        match patterns.iter().find(is_malformed) {
            Some(malformed) => Err(PatternError::Malformed(malformed.clone())),
            None => Ok(Self(patterns)),
        }
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("none") } else { f.write_str(&self.0.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(all: &[&str]) -> Result<Patterns, PatternError> {
        Patterns::try_from(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_pattern_matches_a_name_or_its_beginning() {
        let some = patterns(&["refunds", "support-*"]).unwrap();
        for name in ["refunds", "support-", "support-eu"] {
            assert!(some.matches(name), "{name}");
        }
        for name in ["", "refunds2", "refund", "support", "my-support-eu", "REFUNDS"] {
            assert!(!some.matches(name), "{name}");
        }
        assert!(Patterns::any().matches("") && Patterns::any().is_any() && !some.is_any());
        assert!(!Patterns::none().matches(""));
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        let long = "x".repeat(MAX_PATTERN_BYTES + 1);
        for bad in ["", "*x", "a*b", "a**", &long] {
            assert!(matches!(patterns(&[bad]), Err(PatternError::Malformed(_))), "{bad}");
        }
        assert_eq!(patterns(&vec!["a"; MAX_PATTERNS + 1]), Err(PatternError::TooMany));
    }
}
