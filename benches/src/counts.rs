//! Recorded instruction counts, and what a new measurement means beside them.
//!
//! ```text
//! # a comment
//! measured with: rustc 1.95.0 (f2d3ce0bd 2026-03-21)
//! measured with: valgrind-3.19.0
//! merkle.grow 1,234,567
//! ```

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// How many percent more than recorded a case may take.
pub const TOLERANCE_PERCENT: u64 = 3;

const CONDITION: &str = "measured with: ";

/// Instructions of one round of each case, and the tools that they depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Compiler, Valgrind, processor. Counts under different ones cannot be compared.
    pub conditions: Vec<String>,
    /// Instructions by case.
    pub cases: BTreeMap<String, u64>,
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Within the tolerance.
    Same,
    /// So much less that the recorded count guards little: record the new one.
    Faster,
    /// Too many instructions.
    Slower,
    /// A case without a recorded count.
    New,
    /// A recorded count without a case.
    Gone,
}

/// A case with its recorded and its measured count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The case.
    pub case: String,
    /// What is recorded.
    pub recorded: Option<u64>,
    /// What was measured.
    pub measured: Option<u64>,
}

impl Counts {
    /// Reads a file of counts.
    ///
    /// # Errors
    /// Names the line that is no count.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut counts = Self::default();
        for (place, line) in text.lines().enumerate() {
            let wrong = |what: &str| format!("line {}: {what}: {line}", place + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(condition) = line.strip_prefix(CONDITION) {
                counts.conditions.push(condition.to_owned());
                continue;
            }
            let (case, count) = line.split_once(' ').ok_or_else(|| wrong("not a case and its count"))?;
            let count = count.replace(',', "").parse().map_err(|_| wrong("not a number"))?;
            if counts.cases.insert(case.to_owned(), count).is_some() {
                return Err(wrong("a case occurs twice"));
            }
        }
        Ok(counts)
    }

    /// Compares a measurement with the recorded counts, case by case.
    pub fn compare(&self, measured: &BTreeMap<String, u64>) -> Vec<Compared> {
        let cases: std::collections::BTreeSet<_> = self.cases.keys().chain(measured.keys()).collect();
        let compared = |case: &String| Compared {
            case: case.clone(),
            recorded: self.cases.get(case).copied(),
            measured: measured.get(case).copied(),
        };
        cases.into_iter().map(compared).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Instructions of one round of each case. Written by `counts write`, checked by `counts check`."
        )?;
        for condition in &self.conditions {
            writeln!(f, "{CONDITION}{condition}")?;
        }
        for (case, count) in &self.cases {
            writeln!(f, "{case} {}", grouped(*count))?;
        }
        Ok(())
    }
}

impl Compared {
    /// What became of the case.
    pub fn outcome(&self) -> Outcome {
        match (self.recorded, self.measured) {
            (Some(recorded), Some(measured)) if measured * 100 > recorded * (100 + TOLERANCE_PERCENT) => {
                Outcome::Slower
            }
            (Some(recorded), Some(measured)) if measured * 100 < recorded * (100 - TOLERANCE_PERCENT) => {
                Outcome::Faster
            }
            (Some(_), Some(_)) => Outcome::Same,
            (None, _) => Outcome::New,
            (Some(_), None) => Outcome::Gone,
        }
    }

    /// Whether the check fails because of it.
    pub fn is_failure(&self) -> bool {
        matches!(self.outcome(), Outcome::Slower | Outcome::New | Outcome::Gone)
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |count: Option<u64>| count.map_or("–".to_owned(), grouped);
        write!(f, "{:<28} {:>15} {:>15}", self.case, shown(self.recorded), shown(self.measured))?;
        if let (Some(recorded), Some(measured)) = (self.recorded, self.measured) {
            let change = (measured as f64 / recorded as f64 - 1.0) * 100.0;
            write!(f, " {change:>+7.1} %")?;
        }
        match self.outcome() {
            Outcome::Same => Ok(()),
            Outcome::Faster => write!(f, "  faster: record it with `counts write`"),
            Outcome::Slower => write!(f, "  SLOWER by more than {TOLERANCE_PERCENT} %"),
            Outcome::New => write!(f, "  NOT RECORDED: run `counts write`"),
            Outcome::Gone => write!(f, "  NO SUCH CASE: run `counts write`"),
        }
    }
}

/// With commas between thousands.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        let _ = text.write_char(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(recorded: Option<u64>, measured: Option<u64>) -> (Outcome, bool) {
        let compared = Compared { case: "case".to_owned(), recorded, measured };
        (compared.outcome(), compared.is_failure())
    }

    #[test]
    fn more_than_the_tolerance_fails_and_less_does_not() {
        assert_eq!(outcome(Some(1_000), Some(1_030)), (Outcome::Same, false));
        assert_eq!(outcome(Some(1_000), Some(1_031)), (Outcome::Slower, true));
        assert_eq!(outcome(Some(1_000), Some(970)), (Outcome::Same, false));
        assert_eq!(outcome(Some(1_000), Some(969)), (Outcome::Faster, false));
    }

    #[test]
    fn a_case_without_a_count_and_a_count_without_a_case_fail() {
        assert_eq!(outcome(None, Some(1)), (Outcome::New, true));
        assert_eq!(outcome(Some(1), None), (Outcome::Gone, true));
        let recorded = Counts::parse("a 1\nb 2\n").unwrap();
        let compared = recorded.compare(&BTreeMap::from([("b".to_owned(), 2), ("c".to_owned(), 3)]));
        let outcomes: Vec<_> = compared.iter().map(|one| (one.case.as_str(), one.outcome())).collect();
        assert_eq!(outcomes, [("a", Outcome::Gone), ("b", Outcome::Same), ("c", Outcome::New)]);
    }

    #[test]
    fn a_file_comes_back_as_it_was_written() {
        let counts = Counts {
            conditions: vec!["rustc 1.95.0".to_owned(), "valgrind-3.19.0".to_owned()],
            cases: BTreeMap::from([("merkle.grow".to_owned(), 1_234_567), ("note.open".to_owned(), 89)]),
        };
        let text = counts.to_string();
        assert!(text.contains("merkle.grow 1,234,567\n") && text.contains("note.open 89\n"), "{text}");
        assert_eq!(Counts::parse(&text), Ok(counts));
    }

    #[test]
    fn a_malformed_file_is_refused_with_its_line() {
        for (text, words) in [
            ("a 1\nb\n", "line 2: not a case"),
            ("a many\n", "line 1: not a number"),
            ("a 1\na 1\n", "line 2: a case occurs twice"),
        ] {
            let error = Counts::parse(text).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
