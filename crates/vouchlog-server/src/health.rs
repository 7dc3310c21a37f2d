//! Whether what is served is ready: what `/readyz` and the gRPC health service answer.

/// The outcome of every check of a log, a witness, or another program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What was checked, and what is wrong with it.
    pub checks: Vec<(&'static str, Result<(), String>)>,
    /// What else is good to know and makes nothing unready: each witness of a log, by its name.
    pub notes: Vec<(String, String)>,
    /// Why the process does not recover by itself and must be restarted, if so. `/healthz` then fails too.
    pub stopped: Option<String>,
}

impl Readiness {
    /// Whether every check passed, and nothing stopped for good.
    pub fn is_ready(&self) -> bool {
        self.stopped.is_none() && self.checks.iter().all(|(_, outcome)| outcome.is_ok())
    }
}

/// Says whether a log or witness is ready. Called for every probe, so it must neither block nor take long.
///
/// Any closure that returns a [`Readiness`] is one.
pub trait Health: Send + Sync + 'static {
    /// Checks now.
    fn readiness(&self) -> Readiness;
}

impl<F: Fn() -> Readiness + Send + Sync + 'static> Health for F {
    fn readiness(&self) -> Readiness {
        self()
    }
}
