//! Whether a log, witness, monitor or collector does what it is for, check by check: the content of `/readyz`.

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked; one word, a key of the JSON answer.
    pub name: &'static str,
    /// Why it failed, if it did.
    pub outcome: Result<(), String>,
}

/// The outcome of every check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What was checked. One failed check makes the whole unready.
    pub checks: Vec<Check>,
    /// Facts that make nothing unready: the state of each witness of a log, by its name.
    pub notes: Vec<(String, String)>,
    /// Why the process does not recover by itself and must be restarted, if so. `/healthz` then fails too.
    pub stopped: Option<String>,
}

impl Readiness {
    /// Nothing checked yet, so ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check.
    #[must_use]
    pub fn check(mut self, name: &'static str, outcome: Result<(), String>) -> Self {
        self.checks.push(Check { name, outcome });
        self
    }

    /// Adds a check that fails if there is an impediment.
    #[must_use]
    pub fn unless(self, name: &'static str, impediment: Option<impl Into<String>>) -> Self {
        self.check(name, impediment.map_or(Ok(()), |reason| Err(reason.into())))
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.notes.push((name.into(), text.into()));
        self
    }

    /// Adds the reason why the process must be restarted, if there is one.
    #[must_use]
    pub fn stopped(mut self, reason: Option<impl Into<String>>) -> Self {
        self.stopped = self.stopped.or(reason.map(Into::into));
        self
    }

    /// Whether every check passed, and nothing stopped for good.
    pub fn is_ready(&self) -> bool {
        self.stopped.is_none() && self.checks.iter().all(|check| check.outcome.is_ok())
    }

    /// Why the check of that name failed; `None` if it passed or was not made.
    pub fn failure(&self, name: &str) -> Option<&str> {
        let failed = self.checks.iter().filter(|check| check.name == name);
        failed.filter_map(|check| check.outcome.as_ref().err()).map(String::as_str).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_is_enough_and_notes_do_not_count() {
        let ready = Readiness::new().check("a", Ok(())).unless("b", None::<String>).note("log", "away");
        assert!(ready.is_ready() && Readiness::new().is_ready());
        assert_eq!(ready.failure("b"), None);
        let unready = ready.unless("c", Some("full")).check("d", Ok(()));
        assert!(!unready.is_ready());
        assert_eq!((unready.failure("c"), unready.failure("none")), (Some("full"), None));
        assert!(!Readiness::new().stopped(Some("poisoned")).is_ready());
        assert_eq!(unready.notes, [("log".to_owned(), "away".to_owned())]);
    }
}
