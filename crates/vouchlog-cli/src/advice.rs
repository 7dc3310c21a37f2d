//! Errors that say what to do about them.

use std::fmt;
use std::io::Write;

use clap::error::{ContextKind, ContextValue};

use crate::terminal;

/// A problem in words, and what to do. A context of the error it explains.
#[derive(Debug)]
pub(crate) struct Advice {
    problem: String,
    hint: String,
}

impl Advice {
    pub(crate) fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { problem: problem.into(), hint: hint.into() }
    }

    /// The problem as an error of its own.
    pub(crate) fn error(problem: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self::new(problem, hint))
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Advice {}

/// The same error, which does not repeat a value that has a PIN. Other secrets are given in files, whose names are none.
pub(crate) fn without_secrets(mut error: clap::Error) -> clap::Error {
    if matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.contains("pin-value"))
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(not shown)".into()));
    }
    error
}

/// An error in one line, with its causes and what to do.
pub(crate) fn line(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Advice>() {
        Some(advice) => format!("{error:#} ({})", advice.hint),
        None => format!("{error:#}"),
    }
}

/// Prints `error: …` with its causes, and `hint: …` if there is one.
pub(crate) fn print(error: &anyhow::Error) {
    // Without standard error there is no place left to report to.
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "error: {}", terminal::words(&format!("{error:#}")));
    if let Some(advice) = error.downcast_ref::<Advice>() {
        let _ = writeln!(stderr, " hint: {}", terminal::words(&advice.hint));
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn advice_is_found_under_and_over_other_contexts() {
        let cause = std::io::Error::other("broken");
        let error = Err::<(), _>(cause).context(Advice::new("no file", "make one")).unwrap_err();
        assert_eq!(format!("{error:#}"), "no file: broken");
        assert_eq!(error.downcast_ref::<Advice>().unwrap().hint, "make one");
        let error = Err::<(), _>(error).context("outer").unwrap_err();
        assert!(error.downcast_ref::<Advice>().is_some());
    }
}
