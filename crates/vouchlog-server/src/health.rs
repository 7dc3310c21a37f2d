//! Whether what is served is ready: what `/readyz` and the gRPC health service answer.

use vouchlog_runtime::Readiness;

/// Reports whether a log or witness is ready. Called for every probe, so it must neither block nor take long.
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
